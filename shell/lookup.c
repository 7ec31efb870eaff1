/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/lookup.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "shell/cmd.h"

#define FAR 9u

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
		vec_remove(l->v, l->nr, i);
		return;
	}
}

void alias_set(struct alias_list *l, const char *name, const char *text)
{
	char *copy = text ? xstrdup(text) : NULL; /* may be the text that is freed next */

	alias_remove(l, name);
	if (copy)
		*vec_push(l->v, l->nr) = (struct user_alias){ xstrdup(name), copy };
}

void alias_deinit(struct alias_list *l)
{
	while (l->nr)
		alias_remove(l, l->v[l->nr - 1].name);
	free(l->v);
	l->v = NULL;
}

static unsigned least_of(unsigned a, unsigned b, unsigned c)
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
			d[i][j] = least_of(d[i - 1][j] + 1, d[i][j - 1] + 1,
					   d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	}
	return d[na][nb] < FAR ? d[na][nb] : FAR;
}

/* The name nearest to what was typed, if any is near enough. */
static const char *near_miss(const struct names *all, const char *word)
{
	unsigned best = strlen(word) <= 3 ? 2 : 3; /* one edit in short words, two in others */
	const char *name = NULL;

	for (size_t i = 0; i < all->nr; i++) {
		unsigned d = edit_distance(word, all->v[i]);

		if (d >= strlen(word)) /* no letter of the word would be left */
			continue;
		/* Equal distance: the alphabet decides, so that the order of the table does not. */
		if (d < best || (name && d == best && strcmp(all->v[i], name) < 0)) {
			best = d;
			name = all->v[i];
		}
	}
	return name;
}

static int lookup_by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct err *lookup_failed(const char *kind, const char *word, struct names *fits,
			  const struct names *all, const char *hint)
{
	AUTO_FREE char *list = xstrdup("");

	if (fits->nr < 2) {
		const char *near = near_miss(all, word);
		struct err *e = err_new(ERR_USAGE, "unknown %s \"%s\"", kind, word);

		return near ? err_hint(e, "did you mean \"%s\"?", near) : err_hint(e, "%s", hint);
	}
	vec_sort(fits->v, fits->nr, lookup_by_name);
	for (size_t i = 0; i < fits->nr; i++) {
		AUTO_FREE char *before = list;

		list = xasprintf("%s%s%s", before, i ? ", " : "", fits->v[i]);
	}
	return err_new(ERR_USAGE, "ambiguous %s \"%s\": %s", kind, word, list);
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

	AUTO_NAMES struct names fits = { 0 };
	AUTO_NAMES struct names all = { 0 };
	const struct cmd_entry *cmd = NULL;
	const struct user_alias *alias = NULL;

	for (const struct cmd_entry *const *c = table; *c; c++) {
		names_add(&all, (*c)->name);
		if (len && !strncmp((*c)->name, word, len))
			names_add(&fits, (cmd = *c)->name);
	}
	for (size_t i = 0; len && aliases && i < aliases->nr; i++)
		if (!strncmp(aliases->v[i].name, word, len))
			names_add(&fits, (alias = &aliases->v[i])->name);
	/* The beginning of a built-in alias counts only when no name has it. */
	bool by_alias = len && !fits.nr;

	for (const struct cmd_entry *const *c = table; by_alias && *c; c++)
		if (prefix_in_list((*c)->aliases, word, len))
			names_add(&fits, (cmd = *c)->name);
	if (fits.nr != 1)
		return lookup_failed("command", word, &fits, &all, "`help` lists the commands");
	*cmd_ret = cmd;
	*alias_ret = alias;
	return NULL;
}

struct err *cmd_lookup(const struct cmd_entry *const *table, const struct alias_list *aliases,
		       const char *word, size_t len, const struct cmd_entry **cmd_ret,
		       const struct user_alias **alias_ret)
{
	AUTO_FREE char *w = xstrndup(word, len);

	return lookup_word(table, aliases, w, cmd_ret, alias_ret);
}
