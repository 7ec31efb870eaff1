/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The line typed in a view, edited by readline: completion, history, ^R and the bindings of the
 * prompt.  Readline never writes to the terminal: the view draws text and cursor (struct ui_line).
 */
#ifndef STEPDUMP_SHELL_VIEW_LINE_H
#define STEPDUMP_SHELL_VIEW_LINE_H

#include "shell/view.h"

/* Once, before the terminal is opened. */
struct err *view_line_prepare(struct shell *sh);
/* A key while ui.mode is UI_LINE.  meta: the key that came with ESC at the same moment, or 0. */
enum ui_effect view_line_key(struct view_session *v, int key, int meta);
/* ^C: leaves the incremental search, else the line. */
enum ui_effect view_line_interrupt(struct view_session *v);

#endif
