/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/lesson_file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/vec.h"

#define MAX_STEPS 99

/* ---- where they are ---------------------------------------------------------------------------- */

struct err *beside_us(const char *const *candidates, const char *what, char **ret)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return err_sys(errno, "cannot find out where this program is");
	self[n] = '\0';
	*strrchr(self, '/') = '\0';

	AUTO_FREE char *places = xstrdup("");

	for (; *candidates; candidates++) {
		AUTO_FREE char *path = xasprintf("%s/%s", self, *candidates);
		char *more;

		*ret = realpath(path, NULL);
		if (*ret)
			return NULL;
		more = xasprintf("%s%s%s", places, *places ? ", " : "", path);
		free(places);
		places = more;
	}
	return err_hint(err_new(ERR_UNSUPPORTED, "%s is not installed", what), "looked for %s",
			places);
}

/* ---- a file ------------------------------------------------------------------------------------- */

enum field_kind {
	FIELD_PROSE, /* goes on on the following lines */
	FIELD_LINE,  /* one line */
	FIELD_PROSES,
	FIELD_LINES,
	FIELD_NUMBER,
	FIELD_FLAG,
};

struct field {
	const char *name;
	enum field_kind kind;
	size_t offset;
};

#define HEAD(f) offsetof(struct lesson, f)
#define STEP(f) offsetof(struct lesson_step, f)

static const struct field head_fields[] = {
	{ "title", FIELD_LINE, HEAD(title) },
	{ "about", FIELD_PROSE, HEAD(about) },
	{ "minutes", FIELD_NUMBER, HEAD(minutes) },
	{ "setup", FIELD_LINES, HEAD(setup) },
	{ NULL, FIELD_LINE, 0 },
};

static const struct field step_fields[] = {
	{ "text", FIELD_PROSE, STEP(text) },     { "begin", FIELD_LINES, STEP(begin) },
	{ "type", FIELD_LINES, STEP(type) },     { "try", FIELD_LINES, STEP(try_) },
	{ "notice", FIELD_PROSE, STEP(notice) }, { "ask", FIELD_PROSE, STEP(ask) },
	{ "answer", FIELD_LINE, STEP(answer) },  { "needs", FIELD_LINE, STEP(needs) },
	{ "right", FIELD_PROSE, STEP(right) },   { "hint", FIELD_PROSES, STEP(hint) },
	{ "slip", FIELD_PROSES, STEP(slip) },    { "solution", FIELD_LINES, STEP(solution) },
	{ "live", FIELD_FLAG, STEP(live) },      { NULL, FIELD_LINE, 0 },
};

struct reader {
	struct lesson *l;
	const char *path;
	unsigned line;
	char **prose; /* where a following line is appended; NULL: nowhere */
	bool broken;  /* an empty line came before */
};

static struct err *reader_bad(const struct reader *r, const char *what, const char *text)
{
	return err_hint(err_new(ERR_FORMAT, "%s:%u: %s%s%s%s", r->path, r->line, what,
				text ? " \"" : "", text ? text : "", text ? "\"" : ""),
			"lessons/README.md tells the format");
}

/* Lines that begin with a blank stay as they are, the others are filled into paragraphs. */
static void reader_append(struct reader *r, const char *text)
{
	char *old = *r->prose;
	bool verbatim = *text == ' ' || *text == '\t';
	size_t len = old ? strlen(old) : 0;
	const char *last = old ? strrchr(old, '\n') : NULL;
	bool after_verbatim = old && (last ? last[1] == ' ' : *old == ' ');
	const char *glue = !len ? "" : r->broken ? "\n\n" : verbatim || after_verbatim ? "\n" : " ";

	*r->prose = xasprintf("%s%s%s", old ? old : "", glue, text);
	free(old);
	r->broken = false;
}

static struct err *reader_field(struct reader *r, const struct field *fields, void *base,
				const char *name, const char *value)
{
	const struct field *f = fields;

	while (f->name && strcmp(f->name, name))
		f++;
	if (!f->name)
		return reader_bad(r, "there is no field", name);

	char *at = (char *)base + f->offset;
	struct lesson_lines *lines = (void *)at;
	char **slot = (void *)at;

	r->prose = NULL;
	r->broken = false;
	switch (f->kind) {
	case FIELD_FLAG:
		*(bool *)at = true;
		return NULL;
	case FIELD_NUMBER:
		*(unsigned *)(void *)at = (unsigned)strtoul(value, NULL, 10);
		return NULL;
	case FIELD_PROSES:
	case FIELD_LINES:
		slot = vec_push(lines->v, lines->nr);
		break;
	case FIELD_PROSE:
	case FIELD_LINE:
		if (*slot)
			return reader_bad(r, "a second", name);
	}
	if (!*value && f->kind != FIELD_PROSE && f->kind != FIELD_PROSES)
		return reader_bad(r, "nothing behind", name);
	*slot = *value ? xstrdup(value) : NULL;
	if (f->kind == FIELD_PROSE || f->kind == FIELD_PROSES)
		r->prose = slot;
	return NULL;
}

static struct err *reader_line(struct reader *r, char *text)
{
	struct lesson *l = r->l;
	struct lesson_step *step = l->nr ? &l->step[l->nr - 1] : NULL;
	size_t len = strlen(text), word = strspn(text, "abcdefghijklmnopqrstuvwxyz");

	while (len && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	if (*text == '#')
		return NULL;
	if (!len) {
		r->broken = true;
		return NULL;
	}
	if (!strncmp(text, "== ", 3)) {
		if (l->nr == MAX_STEPS)
			return reader_bad(r, "too many steps", NULL);
		step = vec_push(l->step, l->nr);
		step->title = xstrdup(text + 3);
		r->prose = &step->text;
		r->broken = false;
		return NULL;
	}
	if (word && text[word] == ':' && (!text[word + 1] || text[word + 1] == ' ')) {
		const char *value = text + word + 1 + strspn(text + word + 1, " ");

		text[word] = '\0';
		return step ? reader_field(r, step_fields, step, text, value) :
			      reader_field(r, head_fields, l, text, value);
	}
	if (!r->prose)
		return reader_bad(r, "this belongs to nothing:", text);
	reader_append(r, text);
	return NULL;
}

static struct err *lesson_complete(struct reader *r)
{
	const struct lesson *l = r->l;

	if (!l->title || !l->nr)
		return reader_bad(r, "a lesson has a `title:` and at least one step (`== ...`)",
				  NULL);
	for (size_t i = 0; i < l->nr; i++)
		if (!l->step[i].ask != !l->step[i].answer)
			return reader_bad(r, "`ask:` and `answer:` belong together, in step",
					  l->step[i].title);
	return NULL;
}

/* "03-ppb.exercise": number 3, name ppb.  "first.tour": name first. */
static void lesson_name(struct lesson *l)
{
	const char *file = strrchr(l->path, '/');
	char *end;

	file = file ? file + 1 : l->path;
	if (strstr(file, ".exercise")) {
		l->number = (unsigned)strtoul(file, &end, 10);
		file = *end == '-' ? end + 1 : end;
	}
	l->name = xstrndup(file, strcspn(file, "."));
}

struct err *lesson_read(const char *path, struct lesson *ret)
{
	AUTO_FREE char *text = NULL;
	size_t cap = 0;
	struct err *e = NULL;
	struct lesson l = { .path = xstrdup(path) };
	struct reader r = { .l = &l, .path = path };
	AUTO_FCLOSE FILE *f = fopen(path, "re");

	lesson_name(&l);
	if (!f)
		e = err_sys(errno, "cannot read the lesson \"%s\"", path);
	while (!e && getline(&text, &cap, f) >= 0) {
		r.line++;
		e = reader_line(&r, text);
	}
	if (!e)
		e = lesson_complete(&r);
	if (e)
		lesson_deinit(&l);
	else
		*ret = l;
	return e;
}

static void lines_free(struct lesson_lines *l)
{
	for (size_t i = 0; i < l->nr; i++)
		free(l->v[i]);
	free(l->v);
}

void lesson_deinit(struct lesson *l)
{
	for (size_t i = 0; i < l->nr; i++) {
		struct lesson_step *s = &l->step[i];
		char *texts[] = { s->title,  s->text,  s->notice, s->ask,
				  s->answer, s->needs, s->right };

		for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++)
			free(texts[k]);
		lines_free(&s->begin);
		lines_free(&s->type);
		lines_free(&s->try_);
		lines_free(&s->hint);
		lines_free(&s->slip);
		lines_free(&s->solution);
	}
	lines_free(&l->setup);
	free(l->step);
	free(l->name);
	free(l->path);
	free(l->title);
	free(l->about);
	*l = (struct lesson){ 0 };
}

/* ---- all of a directory ---------------------------------------------------------------------------- */

static bool lesson_is_one(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && *name != '.' &&
	       (!strcmp(dot, ".tour") ||
		(!strcmp(dot, ".exercise") && isdigit((unsigned char)*name)));
}

static int lesson_compare(const void *a, const void *b)
{
	const struct lesson *l = a, *r = b;

	if (l->number != r->number)
		return l->number < r->number ? -1 : 1;
	return strcmp(l->name, r->name);
}

static struct err *lesson_list_dir(const char *path, struct lesson_list *l)
{
	DIR *d = opendir(path);
	struct err *e = NULL;

	if (!d)
		return err_sys(errno, "cannot read the lessons in \"%s\"", path);
	for (struct dirent *entry; !e && (entry = readdir(d));) {
		if (!lesson_is_one(entry->d_name))
			continue;

		AUTO_FREE char *file = xasprintf("%s/%s", path, entry->d_name);
		struct lesson one;

		e = lesson_read(file, &one);
		if (!e)
			*vec_push(l->v, l->nr) = one;
	}
	closedir(d);
	return e;
}

struct err *lesson_list_read(const char *dir, struct lesson_list *ret)
{
	/* Installed; in build/ of the source tree; in a build/NAME of it. */
	static const char *const places[] = { "../share/stepdump/lessons", "../lessons",
					      "../../lessons", NULL };
	AUTO_FREE char *found = NULL;
	struct lesson_list l = { 0 };

	if (!dir || !*dir) {
		TRY(beside_us(places, "a directory of lessons", &found));
		dir = found;
	}
	struct err *e = lesson_list_dir(dir, &l);

	if (e) {
		lesson_list_deinit(&l);
		return e;
	}
	vec_sort(l.v, l.nr, lesson_compare);
	*ret = l;
	return NULL;
}

void lesson_list_deinit(struct lesson_list *l)
{
	for (size_t i = 0; i < l->nr; i++)
		lesson_deinit(&l->v[i]);
	free(l->v);
	*l = (struct lesson_list){ 0 };
}
