/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Expressions of numbers and names with C's operators, for `print`, `watch` and the conditions of
 * breakpoints.  Numbers are 64 bits wide, signed, and wrap around.  What the names mean is the
 * caller's.
 *
 * A name may stand for nothing yet: what is computed from it stands for nothing too, which counts as
 * false in && || !, as no comparison with it holds.
 */
#ifndef STEPDUMP_CALC_H
#define STEPDUMP_CALC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct calc_value {
	enum { CALC_NUMBER, CALC_TEXT, CALC_OTHER, CALC_ABSENT } kind;
	int64_t number;
	const char *text;  /* borrowed; == and != compare it with another text */
	const void *other; /* what only the caller understands; borrowed */
};

struct calc {
	const char *text;                                            /* the whole */
	struct err *(*name)(struct calc *c, struct calc_value *ret); /* reads a name at `at` */
	void *arg;                                                   /* the caller's */
	const char *hint;                                            /* which names there are */
	const char *at;
	unsigned depth;
	unsigned decided; /* in so many right sides that no longer matter */
};

static inline struct calc_value calc_number(int64_t n)
{
	return (struct calc_value){ .kind = CALC_NUMBER, .number = n };
}

static inline bool calc_true(const struct calc_value *v)
{
	return v->kind == CALC_NUMBER && v->number;
}

/* Of c->text, name, arg and hint are read.  ERR_USAGE: what is not understood, and where. */
struct err *calc_eval(struct calc *c, struct calc_value *ret) __attribute__((warn_unused_result));

/* ---- for `name` ---------------------------------------------------------------------------------- */

/* The whole of an expression that stands inside another, as between brackets. */
struct err *calc_inner(struct calc *c, struct calc_value *ret) __attribute__((warn_unused_result));
/* Steps over blanks, and over `word` if it is there. */
bool calc_take(struct calc *c, const char *word);
/* Length of the name at c->at: letters, digits, _ */
size_t calc_name_len(const struct calc *c);
struct err *calc_bad(const struct calc *c, const char *what);

#endif
