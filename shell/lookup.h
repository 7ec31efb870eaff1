/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which command does a word mean?  Exact name, then exact alias, then user alias, then unique
 * prefix; the order of the table never decides.
 */
#ifndef STEPDUMP_LOOKUP_H
#define STEPDUMP_LOOKUP_H

#include <stddef.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/vec.h"

struct cmd_entry;

/* Names of one kind; the strings are borrowed. */
struct names {
	const char **v;
	size_t nr;
};
#define AUTO_NAMES __attribute__((cleanup(names_deinit)))

static inline void names_add(struct names *n, const char *name)
{
	*vec_push(n->v, n->nr) = name;
}

static inline void names_deinit(struct names *n)
{
	free(n->v);
}

struct user_alias {
	char *name;
	char *text;
};

struct alias_list {
	struct user_alias *v;
	size_t nr;
};

/* Sets, replaces, or with text NULL removes. */
void alias_set(struct alias_list *l, const char *name, const char *text);
const struct user_alias *alias_find(const struct alias_list *l, const char *name, size_t len);
void alias_deinit(struct alias_list *l);

/*
 * Exactly one of *cmd_ret and *alias_ret is set to non-NULL.  `aliases` may be NULL.
 * ERR_USAGE lists the candidates of an ambiguous word, or a near miss of an unknown one.
 */
struct err *cmd_lookup(const struct cmd_entry *const *table, const struct alias_list *aliases,
		       const char *word, size_t len, const struct cmd_entry **cmd_ret,
		       const struct user_alias **alias_ret);

/*
 * An error for a `word` that names nothing: "ambiguous KIND" with the names in `fits` that begin
 * with it, or, if there are fewer than two, "unknown KIND" with the nearest name in `all`, or else
 * `hint`.
 */
struct err *lookup_failed(const char *kind, const char *word, struct names *fits,
			  const struct names *all, const char *hint);

/* Does `word` occur in a list separated by single blanks?  `list` may be NULL. */
bool word_in_list(const char *list, const char *word, size_t len);
/* Edits (insert, remove, replace, swap neighbours) from a to b, at most 9. */
unsigned edit_distance(const char *a, const char *b);

#endif
