/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The command line: words, quotes, and where the output goes.
 *
 *   line  := word... [ "|" SHELL-COMMAND | ">" FILE | ">>" FILE ] [ "#" comment ]
 *   word  := plain text, '...' (as is), "..." (with \" and \\), \X (X as is), in any mixture
 *
 * What follows "|" is not parsed: it goes to sh -c unchanged.
 *
 * ">" redirects only if a blank precedes it and a file name follows it.  Inside of a word it is
 * plain text, and a number is not the name of a file: "ppb > 2" is a condition.
 */
#ifndef STEPDUMP_PARSE_H
#define STEPDUMP_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct line {
	char **argv; /* argv[0] is the command; NULL-terminated */
	unsigned argc;
	char *pipe; /* command after "|", or NULL */
	char *file; /* name after ">" or ">>", or NULL */
	bool append;
};

/*
 * conditions: the command takes comparisons, so ">" before a number is a word; else it is an error.
 * ERR_USAGE: quote not closed, nothing after "|" or ">", text after the file name.
 */
struct err *line_parse(const char *text, bool conditions, struct line *ret);
void line_deinit(struct line *l);

/* Length of the command word at `text`, which has no leading blanks.  "!" is a word by itself. */
size_t line_command_len(const char *text);
/* `text` without leading blanks. */
const char *line_skip_blanks(const char *text);
/* Appends `word` to the heap string *line so that line_parse() gives it back unchanged. */
void line_add_quoted(char **line, const char *word);

/*
 * For completion: splits the text before the cursor without complaining.  The last word is the
 * one under the cursor, possibly "".  *in_tail_ret: the cursor is behind "|" or ">".
 */
void line_split_partial(const char *text, size_t len, struct line *ret, bool *in_tail_ret);

#endif
