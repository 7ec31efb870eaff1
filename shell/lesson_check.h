/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a lesson asks of the program.  A value is written
 *
 *	pmc.hits + pmc.misses              an expression, as `print` takes it
 *	show pmc => pmc.window             a command, and the place of the value in its --json output
 *	why 10020000 => whys[0].verdict
 *	show stats => counters.verdicts[verdict=hole].pages
 *	word hole | parent                 what is written, for an `answer:` only
 *
 * with `hex` before an expression or a command if the value is an address.
 */
#ifndef STEPDUMP_LESSON_CHECK_H
#define STEPDUMP_LESSON_CHECK_H

#include <stdbool.h>

#include "base/err.h"

struct shell;

/* The value as text, or NULL if there is none now; heap.  The output of the command goes nowhere. */
struct err *lesson_value(struct shell *sh, const char *text, char **ret)
	__attribute__((warn_unused_result));
/* Is it neither 0 nor absent?  Also "VALUE == WORD" for a value that is a command's. */
struct err *lesson_holds(struct shell *sh, const char *text, bool *ret)
	__attribute__((warn_unused_result));
/* `text` with each {VALUE} replaced; heap. */
char *lesson_fill(struct shell *sh, const char *text);

/* Is `given` what `answer` asks for?  Numbers may be decimal, 0x, with K, M or G behind them, and be
 * followed by words ("8 pages"). */
struct err *lesson_judge(struct shell *sh, const char *answer, const char *given, bool *ret)
	__attribute__((warn_unused_result));
/* Are two texts the same answer? */
bool lesson_same(const char *expected, const char *given, bool hex);

#endif
