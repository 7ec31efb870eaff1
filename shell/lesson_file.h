/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A lesson is a text file that a teacher can write: NAME.tour or NN-NAME.exercise.  lessons/README.md
 * tells the format.  This file finds and reads them; shell/lesson.c walks through one.
 */
#ifndef STEPDUMP_LESSON_FILE_H
#define STEPDUMP_LESSON_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct lesson_lines {
	char **v;
	size_t nr;
};

struct lesson_step {
	char *title;
	char *text;                /* paragraphs, each ends with a newline; may be NULL */
	struct lesson_lines begin; /* commands that are run when the step is reached, unseen */
	struct lesson_lines type;  /* commands that belong to the way through the lesson */
	struct lesson_lines try_;  /* commands that only look: left out when the way is repeated */
	char *notice;              /* NULL: nothing */
	char *ask;                 /* NULL: nothing is asked here */
	char *answer;              /* see shell/lesson_check.h; set if `ask` is */
	char *needs;               /* a condition for the answer to be judged; NULL: none */
	char *right;               /* said after the right answer; NULL: nothing more */
	struct lesson_lines hint;  /* one after the other */
	struct lesson_lines slip;  /* "ANSWER => what is wrong with it" */
	struct lesson_lines solution; /* commands, the last of them `answer ...` */
	bool live;                    /* not on a recording */
};

struct lesson {
	char *name; /* of the file, without its ending; of an exercise without the number */
	char *path;
	char *title, *about;
	unsigned number; /* of an exercise, from 1 on; 0: a tour */
	unsigned minutes;
	struct lesson_lines setup; /* commands before the first step */
	struct lesson_step *step;
	size_t nr;
};

struct lesson_list {
	struct lesson *v; /* tours by name, then exercises by number */
	size_t nr;
};

/*
 * Reads all lessons of a directory: `dir`, or if that is NULL or "" the one that belongs to this program:
 * share/stepdump/lessons beside its bin/, or lessons/ of the source tree.  A mistake in a lesson is an
 * error that names its line.
 */
struct err *lesson_list_read(const char *dir, struct lesson_list *ret)
	__attribute__((warn_unused_result));
void lesson_list_deinit(struct lesson_list *l);
struct err *lesson_read(const char *path, struct lesson *ret) __attribute__((warn_unused_result));
void lesson_deinit(struct lesson *l);

/* The first of these files below the directory of our own executable that is there; heap.  ERR_UNSUPPORTED
 * names `what`, and all places that were looked at. */
struct err *beside_us(const char *const *candidates, const char *what, char **ret)
	__attribute__((warn_unused_result));

#endif
