/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A walk through a lesson: the screen that is shown, the target that belongs to it, the answers, and what
 * is remembered in $XDG_STATE_HOME/stepdump/lessons.
 */
#ifndef STEPDUMP_LESSON_H
#define STEPDUMP_LESSON_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "shell/lesson_file.h"

struct out;
struct session;
struct shell;

#define LESSON_MAX_STEPS 99

struct lesson_walk {
	struct lesson lesson;
	size_t at; /* step */
	bool answered[LESSON_MAX_STEPS];
	size_t begun;          /* the last step whose `begin` commands were run */
	size_t hints;          /* shown of this step */
	bool replay;           /* on a recording that was open already */
	struct session *outer; /* the session that we had before; NULL with a recording */
	pid_t demo;
	char *dir;    /* temporary, the working directory meanwhile */
	char *before; /* the working directory before */
};

/* Begins `lesson`, which is taken over, or goes on where it was left; a lesson that is under way ends.
 * Refused while something else is attached or open. */
struct err *lesson_begin(struct shell *sh, struct lesson *lesson, bool anew, struct out *o)
	__attribute__((warn_unused_result));
/* To step `to`, counted from 0; the target stays as it is.  Behind the last the lesson ends. */
struct err *lesson_go(struct shell *sh, size_t to, struct out *o)
	__attribute__((warn_unused_result));
/* A new target, and all that the steps before this one type. */
struct err *lesson_catch_up(struct shell *sh, struct out *o) __attribute__((warn_unused_result));
void lesson_show(struct shell *sh, struct out *o);
/* In a script a wrong answer is an error. */
struct err *lesson_answer(struct shell *sh, const char *given, struct out *o)
	__attribute__((warn_unused_result));
void lesson_hint(struct shell *sh, struct out *o);
void lesson_solution(struct shell *sh, struct out *o);
/* Ends the walk and its target; the session is the one from before. */
struct err *lesson_end(struct shell *sh) __attribute__((warn_unused_result));

#endif
