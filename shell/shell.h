/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The shell: one engine session, what the user set, and the loop that feeds lines to commands.
 */
#ifndef STEPDUMP_SHELL_H
#define STEPDUMP_SHELL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "engine/session/session.h"
#include "shell/habits.h"
#include "shell/lookup.h"
#include "shell/settings.h"

struct out;
struct cmd_entry;
struct view_session;
struct set_view;
struct lesson_walk;
struct args;

/* Where `x` without arguments continues. */
struct x_state {
	bool valid;
	uint64_t next; /* address after the last byte shown */
	uint32_t count;
	uint32_t unit; /* bytes: 1, 2, 4, 8 */
	char form;     /* 's' texts, 'i' instructions; 0: numbers */
	char source[8];
};

struct shell {
	const struct cmd_entry *const *commands; /* ends with NULL */
	struct session *session;
	struct settings settings;
	struct alias_list aliases;

	struct session *live;       /* put aside while `session` is a recording; else NULL */
	char *replay_path;          /* of the recording */
	Stepdump__Snapshot *opened; /* of `open FILE`; NULL: the live session is looked at */
	char *opened_path;
	struct set_view *set; /* what `opened` was taken from, if that is an image set; else NULL */

	bool interactive; /* a person at a prompt: pager, colour, repeat, history */
	bool batch;
	bool quiet;
	bool readonly;      /* refuse CMD_MUTATES */
	const char *report; /* where a report goes if a command fails; NULL: nowhere */
	bool relative;      /* addresses relative to the first VMA, no pids, no times: for tests */
	bool quit;
	int kept_status; /* of the first error that `set keep-going` has passed; 0: none */
	bool findings;   /* `stepdump check PID` ends with status 1 although nothing failed */
	FILE *dest;      /* where `source` sends the output of its lines; NULL: stdout */
	bool gone_told;  /* the death of this target has been reported */
	unsigned width;  /* of output that does not go to a terminal; 0: COLUMNS, or 100 */
	struct view_session *view;         /* the full-screen view that is open, or NULL */
	const char *keys;                  /* --keys: a file that types in the views */
	unsigned screen_rows, screen_cols; /* --size; 0: as the terminal says */
	unsigned depth;                    /* nested `source` and aliases */
	char *repeat_line;                 /* what Enter runs; NULL: nothing */
	struct x_state x;

	struct habits habits;
	struct lesson_walk *walk; /* the tour or exercise that is under way, or NULL */
	struct err *(*walk_end)(struct shell *sh); /* set with it */
	/* Set by habits_install(): true if a line was taken; what is due after a line. */
	bool (*take_line)(struct shell *sh, const char *text);
	struct err *(*after_line)(struct shell *sh);
};

/* Starts the engine.  Readline is not touched.  commands: the table; borrowed. */
struct err *shell_init(struct shell *sh, const struct cmd_entry *const *commands);
/* Reports what is lost, ends the session, frees.  ERR_HARM: the target could not be restored. */
struct err *shell_deinit(struct shell *sh);

/* A recording that is open is closed: `session` is the live one again. */
void shell_close_replay(struct shell *sh);

/* Runs one line (dispatch.c).  With --json the result, or the error, has been printed. */
struct err *shell_exec(struct shell *sh, const char *text);
/* Same, and remembers what Enter repeats. */
struct err *shell_exec_typed(struct shell *sh, const char *text);

/* Runs all lines of a file (source.c), to its end or the first error, which gets "FILE:LINE" in front.
 * path "-": standard input, whose errors are not marked. */
struct err *shell_source(struct shell *sh, const char *path);

/* The prompt loop (prompt.c): returns at quit, end of file, or a signal. */
void shell_loop(struct shell *sh);

/* The one place that prints an error (report.c): on stderr; nothing with --json, where it is on
 * stdout already.  Frees `e`. */
void report_error(struct shell *sh, struct err *e);
/* A line on stderr, for people, not for programs. */
void notice(const struct shell *sh, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Reports once that the target died. */
void report_gone(struct shell *sh);

/* snap.c: a snapshot of the live session, or the opened file (then always all of it, and of an image set
 * also the bytes and reasons that `req` asks for).  Free it with
 * shell_snap_free(). */
struct err *shell_snap(struct shell *sh, const struct snap_request *req, Stepdump__Snapshot **ret);
void shell_snap_free(struct shell *sh, Stepdump__Snapshot *s);

/* "4242 drain 5/8", in a tree "task 1 4243 drain 5/8", into buf; "" when there is nothing. */
void shell_position(struct shell *sh, char *buf, size_t len);

#endif
