/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/lookup.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell/cmd.h"

#define FAR 9u

const char *cmd_group_name(enum cmd_group g)
{
	static const char *const names[NR_GROUPS] = {
		[GROUP_TARGET] = "Target",     [GROUP_RUN] = "Running the pipeline",
		[GROUP_BREAK] = "Breakpoints", [GROUP_COMMIT] = "Commit or not",
		[GROUP_LOOK] = "Looking",      [GROUP_CHAIN] = "Image directories and chains",
		[GROUP_SHELL] = "The shell",
	};

	return names[g];
}

bool word_in_list(const char *list, const char *word, size_t len)
{
	while (list && *list) {
		size_t n = strcspn(list, " ");

		if (n == len && !strncmp(list, word, n))
			return true;
		list += n + (list[n] == ' ');
	}
	return false;
}

static bool prefix_in_list(const char *list, const char *word, size_t len)
{
	while (list && *list) {
		size_t n = strcspn(list, " ");

		if (n >= len && !strncmp(list, word, len))
			return true;
		list += n + (list[n] == ' ');
	}
	return false;
}

const struct user_alias *alias_find(const struct alias_list *l, const char *name, size_t len)
{
	for (size_t i = 0; l && i < l->nr; i++) {
		if (strlen(l->v[i].name) == len && !strncmp(l->v[i].name, name, len))
			return &l->v[i];
	}
	return NULL;
}

static void alias_remove(struct alias_list *l, const char *name)
{
	for (size_t i = 0; i < l->nr; i++) {
		if (strcmp(l->v[i].name, name))
			continue;
		free(l->v[i].name);
		free(l->v[i].text);
		memmove(&l->v[i], &l->v[i + 1], (l->nr - i - 1) * sizeof(l->v[0]));
		l->nr--;
		return;
	}
}

struct err *alias_set(struct alias_list *l, const char *name, const char *text)
{
	if (!text) {
		alias_remove(l, name);
		return NULL;
	}
	struct user_alias a = { strdup(name), strdup(text) };
	struct user_alias *v = realloc(l->v, (l->nr + 1) * sizeof(*v));
	if (v)
		l->v = v;
	if (!v || !a.name || !a.text) {
		free(a.name);
		free(a.text);
		return err_nomem();
	}
	alias_remove(l, name);
	l->v[l->nr++] = a;
	return NULL;
}

void alias_deinit(struct alias_list *l)
{
	while (l->nr)
		alias_remove(l, l->v[l->nr - 1].name);
	free(l->v);
	l->v = NULL;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

unsigned edit_distance(const char *a, const char *b)
{
	enum { MAX = 24 };
	unsigned d[MAX + 1][MAX + 1];
	size_t na = strlen(a), nb = strlen(b);

	if (na > MAX || nb > MAX)
		return FAR;
	for (size_t i = 0; i <= na; i++) {
		for (size_t j = 0; j <= nb; j++) {
			if (!i || !j) {
				d[i][j] = (unsigned)(i + j);
				continue;
			}
			d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1,
				       d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	}
	return d[na][nb] < FAR ? d[na][nb] : FAR;
}

/* The command whose name is nearest to what was typed, if it is near at all. */
static const char *near_miss(const struct cmd_entry *const *table, const char *word)
{
	unsigned best = strlen(word) <= 3 ? 2 : 3; /* one edit in short words, two in others */
	const char *name = NULL;

	for (; *table; table++) {
		unsigned d = edit_distance(word, (*table)->name);

		if (d >= strlen(word)) /* nothing of it would be left */
			continue;
		/* Equal distance: the alphabet decides, so that the order of the table does not. */
		if (d < best || (name && d == best && strcmp((*table)->name, name) < 0)) {
			best = d;
			name = (*table)->name;
		}
	}
	return name;
}

static struct err *unknown(const struct cmd_entry *const *table, const char *word)
{
	struct err *e = err_new(ERR_USAGE, "unknown command \"%s\"", word);
	const char *near = near_miss(table, word);

	return near ? err_hint(e, "did you mean \"%s\"?", near) :
		      err_hint(e, "`help` lists the commands");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct candidates {
	const struct cmd_entry *cmd; /* the last one found */
	const struct user_alias *alias;
	const char *names[256];
	size_t nr;
};

static void candidate(struct candidates *c, const char *name)
{
	if (c->nr < sizeof(c->names) / sizeof(c->names[0]))
		c->names[c->nr++] = name;
}

static struct err *ambiguous(struct candidates *c, const char *word)
{
	char *list = NULL;
	size_t len;
	FILE *f = open_memstream(&list, &len);

	if (!f)
		return err_nomem();
	qsort(c->names, c->nr, sizeof(c->names[0]), by_name);
	for (size_t i = 0; i < c->nr; i++)
		fprintf(f, "%s%s", i ? ", " : "", c->names[i]);
	fclose(f);
	struct err *e = err_new(ERR_USAGE, "ambiguous command \"%s\": %s", word, list);
	free(list);
	return e;
}

static struct err *lookup_word(const struct cmd_entry *const *table,
			       const struct alias_list *aliases, const char *word,
			       const struct cmd_entry **cmd_ret,
			       const struct user_alias **alias_ret)
{
	size_t len = strlen(word);

	*cmd_ret = NULL;
	*alias_ret = NULL;
	for (const struct cmd_entry *const *c = table; *c; c++) {
		if (!strcmp((*c)->name, word)) {
			*cmd_ret = *c;
			return NULL;
		}
	}
	for (const struct cmd_entry *const *c = table; *c; c++) {
		if (word_in_list((*c)->aliases, word, len)) {
			*cmd_ret = *c;
			return NULL;
		}
	}
	*alias_ret = alias_find(aliases, word, len);
	if (*alias_ret)
		return NULL;

	struct candidates cand = { 0 };

	for (const struct cmd_entry *const *c = table; len && *c; c++) {
		if (strncmp((*c)->name, word, len))
			continue;
		cand.cmd = *c;
		candidate(&cand, (*c)->name);
	}
	for (size_t i = 0; len && aliases && i < aliases->nr; i++) {
		if (strncmp(aliases->v[i].name, word, len))
			continue;
		cand.alias = &aliases->v[i];
		candidate(&cand, aliases->v[i].name);
	}
	if (!cand.nr) { /* a prefix of a built-in alias counts only when no name has it */
		for (const struct cmd_entry *const *c = table; len && *c; c++) {
			if (!prefix_in_list((*c)->aliases, word, len))
				continue;
			cand.cmd = *c;
			candidate(&cand, (*c)->name);
		}
	}
	if (cand.nr > 1)
		return ambiguous(&cand, word);
	if (!cand.nr)
		return unknown(table, word);
	*cmd_ret = cand.cmd;
	*alias_ret = cand.alias;
	return NULL;
}

struct err *cmd_lookup(const struct cmd_entry *const *table, const struct alias_list *aliases,
		       const char *word, size_t len, const struct cmd_entry **cmd_ret,
		       const struct user_alias **alias_ret)
{
	char *w = strndup(word, len);

	if (!w)
		return err_nomem();
	struct err *e = lookup_word(table, aliases, w, cmd_ret, alias_ret);
	free(w);
	return e;
}
