/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/lesson_check.h"

#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "shell/expr.h"
#include "shell/parse.h"
#include "shell/shell.h"

#define ARROW " => "

/* ---- a command's JSON -------------------------------------------------------------------------------- */

/* Runs a line with --json, and without any trace: no output, no display, no log. */
static struct err *check_run(struct shell *sh, const char *line, json_object **ret)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	FILE *before = sh->dest, *log = sh->habits.log;
	bool json = sh->settings.json, acting = sh->habits.acting;

	sh->dest = open_memstream(&text, &len);
	if (!sh->dest)
		abort();
	sh->settings.json = sh->habits.acting = true;
	sh->habits.log = NULL;
	sh->depth++;
	struct err *e = shell_exec(sh, line);
	sh->depth--;
	fclose(sh->dest);
	sh->dest = before;
	sh->habits.log = log;
	sh->settings.json = json;
	sh->habits.acting = acting;
	*ret = e ? NULL : json_tokener_parse(text);
	return e;
}

static const char *json_text(json_object *o)
{
	return o ? json_object_get_string(o) : "";
}

/* [3], [name=value] or [*] (how many there are); moves *at behind it. */
static json_object *path_index(json_object *o, const char **at, json_object **made)
{
	const char *p = *at + 1;
	size_t len = strcspn(p, "]");
	AUTO_FREE char *in = xstrndup(p, len);
	char *equals = strchr(in, '=');

	*at = p + len + (p[len] == ']');
	if (!json_object_is_type(o, json_type_array))
		return NULL;
	if (!strcmp(in, "*"))
		return *made = json_object_new_int64((int64_t)json_object_array_length(o));
	if (!equals)
		return json_object_array_get_idx(o, strtoul(in, NULL, 10));
	*equals++ = '\0';
	for (size_t i = 0; i < json_object_array_length(o); i++) {
		json_object *one = json_object_array_get_idx(o, i), *field;

		if (json_object_object_get_ex(one, in, &field) && !strcmp(json_text(field), equals))
			return one;
	}
	return NULL;
}

static char *path_value(json_object *o, const char *at)
{
	json_object *made = NULL;

	at += strspn(at, " ");
	while (o && *at && *at != ' ') {
		if (*at == '[') {
			o = path_index(o, &at, &made);
			continue;
		}
		at += *at == '.';

		size_t len = strcspn(at, ".[ ");
		AUTO_FREE char *name = xstrndup(at, len);

		if (!len || !json_object_object_get_ex(o, name, &o))
			o = NULL;
		at += len;
	}
	char *text = o ? xstrdup(json_text(o)) : NULL;

	json_object_put(made);
	return text;
}

/* ---- values --------------------------------------------------------------------------------------------- */

static struct err *value_of_expr(struct shell *sh, const char *text, char **ret)
{
	struct snap_request req = { .parts = expr_needs(text) };
	struct calc_value v;
	Stepdump__Snapshot *s;

	TRY(shell_snap(sh, &req, &s));
	struct err *e = expr_eval(text, s, &v);

	if (!e && v.kind == CALC_TEXT)
		*ret = xstrdup(v.text);
	else if (!e)
		*ret = v.kind == CALC_ABSENT ? NULL : expr_show(&v, false);
	shell_snap_free(sh, s);
	return e;
}

/* Skips "hex "; true: it was there. */
static bool take_hex(const char **text)
{
	*text = line_skip_blanks(*text);
	if (strncmp(*text, "hex ", 4))
		return false;
	*text = line_skip_blanks(*text + 4);
	return true;
}

struct err *lesson_value(struct shell *sh, const char *text, char **ret)
{
	bool hex = take_hex(&text);
	const char *arrow = strstr(text, ARROW);
	char *value = NULL;

	if (arrow) {
		AUTO_FREE char *line = xstrndup(text, (size_t)(arrow - text));
		json_object *o;

		TRY(check_run(sh, line, &o));
		value = path_value(o, arrow + strlen(ARROW));
		json_object_put(o);
	} else {
		TRY(value_of_expr(sh, text, &value));
	}
	if (value && hex) {
		char *shown = xasprintf("%lx", strtoul(value, NULL, 10));

		free(value);
		value = shown;
	}
	*ret = value;
	return NULL;
}

struct err *lesson_holds(struct shell *sh, const char *text, bool *ret)
{
	const char *arrow = strstr(text, ARROW), *equals = arrow ? strstr(arrow, " == ") : NULL;
	AUTO_FREE char *value = NULL;

	TRY(lesson_value(sh, text, &value)); /* a path ends at a blank */
	*ret = equals ? value && !strcmp(value, equals + 4) :
			value && *value && strcmp(value, "0") && strcmp(value, "false");
	return NULL;
}

char *lesson_fill(struct shell *sh, const char *text)
{
	char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);

	if (!f)
		abort();
	while (*text) {
		size_t plain = strcspn(text, "{"), in;

		fwrite(text, 1, plain, f);
		text += plain;
		if (!*text)
			break;
		in = strcspn(text + 1, "}");

		AUTO_FREE char *what = xstrndup(text + 1, in);
		AUTO_FREE char *value = NULL;
		struct err *e = lesson_value(sh, what, &value);

		fputs(e || !value ? "(not known yet)" : value, f);
		err_free(e);
		text += 1 + in + (text[1 + in] == '}');
	}
	fclose(f);
	return out;
}

/* ---- answers ---------------------------------------------------------------------------------------------- */

/* The number that `text` begins with; false: there is none. */
static bool answer_number(const char *text, bool hex, uint64_t *ret)
{
	static const char units[] = "KMG";
	char *end;

	text += strspn(text, " \t");
	if (!(hex ? isxdigit((unsigned char)*text) : isdigit((unsigned char)*text)))
		return false;
	errno = 0;
	*ret = strtoull(text, &end, hex || !strncmp(text, "0x", 2) ? 16 : 10);

	const char *unit = *end && !hex ? strchr(units, *end) : NULL;

	if (unit) {
		*ret <<= 10 * (unit - units + 1);
		end++;
	}
	return !errno && !isalnum((unsigned char)*end) && *end != '.' && *end != '-';
}

/* Without quotes and blanks around it. */
static char *answer_trim(const char *text)
{
	static const char around[] = " \t\"'`.";
	size_t len;

	text += strspn(text, around);
	len = strlen(text);
	while (len && strchr(around, text[len - 1]))
		len--;
	return xstrndup(text, len);
}

bool lesson_same(const char *expected, const char *given, bool hex)
{
	AUTO_FREE char *e = answer_trim(expected);
	AUTO_FREE char *g = answer_trim(given);
	uint64_t a, b;

	if (!*g)
		return false;
	if (answer_number(e, hex, &a))
		return answer_number(g, hex, &b) && a == b;
	return !strcasecmp(e, g);
}

/* word A | B */
static bool answer_word(struct shell *sh, const char *list, const char *given)
{
	AUTO_FREE char *copy = lesson_fill(sh, list);
	char *save = NULL;

	for (char *w = strtok_r(copy, "|", &save); w; w = strtok_r(NULL, "|", &save))
		if (lesson_same(w, given, false))
			return true;
	return false;
}

struct err *lesson_judge(struct shell *sh, const char *answer, const char *given, bool *ret)
{
	AUTO_FREE char *value = NULL;
	const char *text = answer;
	bool hex = take_hex(&text);

	if (!strncmp(text, "word ", 5)) {
		*ret = answer_word(sh, text + 5, given);
		return NULL;
	}
	TRY(lesson_value(sh, answer, &value));
	if (!value)
		return err_new(ERR_STATE,
			       "the answer is not known yet: do what the step says first");
	*ret = lesson_same(value, given, hex);
	return NULL;
}
