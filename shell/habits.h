/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What gdb's users expect around the commands: what is shown at each stop, expressions that are
 * watched, commands of a breakpoint, commands of one's own, a log of the session.
 */
#ifndef STEPDUMP_HABITS_H
#define STEPDUMP_HABITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"
#include "proto/snapshot.pb-c.h"

struct shell;
struct out;

struct habit_display {
	unsigned number;
	char *line; /* a command: "show ppb", "print holes" */
};

struct habit_watch {
	unsigned number;
	char *expr, *last; /* last: its value as text, when it was looked at */
};

/* Lines under a name: `define NAME`, or under a breakpoint's number: `commands N`. */
struct habit_block {
	char *name;
	char **line;
	size_t nr;
};

struct habits {
	struct habit_display *display;
	struct habit_watch *watch;
	struct habit_block *block;
	size_t nr_displays, nr_watches, nr_blocks;
	unsigned last_display, last_watch;

	struct habit_block *open; /* its lines are being typed, up to `end`; NULL: none is */
	bool stopped;             /* a run command has stopped, and nobody has acted on that yet */
	unsigned breakpoint;      /* where; 0: elsewhere */
	bool acting;
	FILE *log; /* `set logging FILE`; NULL: none */
	char *log_path;
};

/* The hooks of sh: lines of blocks, and what is due after a stop. */
void habits_install(struct shell *sh);
void habits_deinit(struct habits *h);

/* The block of that name, made if `make`; NULL: there is none. */
struct habit_block *habit_block(struct habits *h, const char *name, bool make);
void habit_block_clear(struct habit_block *b);

/* Has a watched expression another value than before?  Prints those that have to `o` (NULL: keeps
 * them for later). */
bool habits_watch_changed(struct shell *sh, struct out *o);

#endif
