/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a line of text to a command that runs: look-up, aliases, preconditions, output. */
#ifndef STEPDUMP_DISPATCH_H
#define STEPDUMP_DISPATCH_H

#include "shell/cmd.h"

struct resolved {
	const struct cmd_entry *cmd; /* NULL: blank line or comment */
	char *text;      /* the line with user aliases expanded, without leading blanks */
	size_t word_len; /* of the command word in it */
	char *mod;       /* behind "/", or NULL */
};

/* ERR_USAGE: unknown or ambiguous word, an alias that refers to itself. */
struct err *line_resolve(const struct cmd_entry *const *table, const struct alias_list *aliases,
			 const char *text, struct resolved *ret);
void resolved_deinit(struct resolved *r);

/* The refusal that --readonly is for; what: a command, as it was typed. */
struct err *dispatch_readonly(const char *what) __attribute__((warn_unused_result));

#endif
