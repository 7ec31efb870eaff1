/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The full-screen views on a session: keys become commands of the shell's own dispatcher, and
 * after each one a bounded snapshot is drawn.  While they are open, what commands print is
 * caught and shown in a pane.
 */
#ifndef STEPDUMP_SHELL_VIEW_H
#define STEPDUMP_SHELL_VIEW_H

#include "shell/progress.h"
#include "shell/shell.h"
#include "views/term.h"
#include "views/view.h"

struct view_session {
	struct shell *sh;
	struct ui ui;
	Stepdump__Snapshot *now, *before; /* before: NULL, or as it was before the last unit */
	bool opened;                      /* `now` belongs to the opened file */
	bool headless;                    /* keys come from a file, nothing is drawn */
	bool ctrl_x;                      /* the last key was ^X */
	bool fresh;                       /* never shown: the cursor begins where the engine is */
	const char *keys;                 /* rest of the file */
	struct progress progress;         /* of the command that runs */
	void (*on_progress)(struct session *s, void *arg); /* draws; arg: this view_session */
	uint64_t next_frame_us;                            /* not before, while a dump runs */
};

/* Takes what ui_want() asks for, in as many small snapshots as it takes, and settles the ui. */
struct err *view_look(struct view_session *v);
void view_free_snapshots(struct view_session *v);
/* Draws v->now; the caller frees. */
struct grid view_draw(struct view_session *v);

/* Runs until the operator leaves.  The state stays in *v for the next time. */
struct err *view_loop(struct view_session *v);
/* Lines that begin with # in a file of keys. */
void view_skip_comments(struct view_session *v);

/* Colours and mouse as set. */
struct terminal_opts view_terminal_opts(const struct shell *sh);

/* "80x24" */
struct err *view_parse_size(const char *text, unsigned *rows_ret, unsigned *cols_ret);

#endif
