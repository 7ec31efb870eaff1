/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How far somebody is in each lesson: a line of $XDG_STATE_HOME/stepdump/lessons,
 * "NAME STEP ANSWERED DONE", where ANSWERED has a digit, 0 or 1, for each step. */
#ifndef STEPDUMP_LESSON_STATE_H
#define STEPDUMP_LESSON_STATE_H

#include <stdbool.h>
#include <stddef.h>

struct lesson_progress {
	size_t step; /* from 0 on */
	bool done;   /* it has been walked to its end, or solved, at some time */
	bool answered[99];
};

/* Nothing is known, or nothing can be read: all zero. */
void lesson_progress_load(const char *name, struct lesson_progress *ret);
/* What cannot be written is not remembered: no reason to fail. */
void lesson_progress_save(const char *name, const struct lesson_progress *p, size_t nr_steps);

#endif
