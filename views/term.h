/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The terminal of the full-screen views: the only part that uses curses.  It opens a terminal of
 * its own (/dev/tty), so the standard streams stay untouched, and restores it on every way out:
 * close, exit(), a fatal signal, ^Z.
 */
#ifndef STEPDUMP_TERM_H
#define STEPDUMP_TERM_H

#include <stdbool.h>
#include <stddef.h>

#include "views/grid.h"
#include "views/keys.h"

struct theme;

struct terminal_opts {
	const char *path;          /* NULL: /dev/tty */
	const struct theme *theme; /* NULL: no colour, no attributes but reverse */
	bool mouse;
};

/* False: there is no suitable terminal; the reason is in `why`. */
bool terminal_open(const struct terminal_opts *o, char *why, size_t len);
/* Restores the screen, with the scrollback.  Does nothing if it is not open. */
void terminal_close(void);
/* A theme or mouse setting that changed meanwhile. */
void terminal_configure(const struct terminal_opts *o);

void terminal_dimensions(unsigned *rows_ret, unsigned *cols_ret);
/* Shows the grid; a text cursor in the last row at that column, or none (-1). */
void terminal_draw(const struct grid *g, int cursor_col);
/* Sends everything again, after another program wrote over the screen. */
void terminal_redraw(void);

/* Waits up to `ms` for a key; K_NONE: nothing, or a signal came. */
int terminal_key(int ms);
/* Where the last K_MOUSE was.  *wheel_ret: -1 up, 1 down, 0 a click. */
void terminal_mouse(unsigned *row_ret, unsigned *col_ret, int *wheel_ret);
/* Has ^Z been typed since the last call?  (It comes as a signal, also while a dump runs.) */
bool terminal_take_suspend(void);
/* Leaves the screen, prints `text`, stops the process; returns to the screen when continued. */
void terminal_suspend(const char *text);
/* Leaves the screen for another program, and returns to it. */
void terminal_leave(void);
void terminal_return(void);

#endif
