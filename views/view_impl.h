/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the files of the full-screen views.  Internal to views/. */
#ifndef STEPDUMP_VIEW_IMPL_H
#define STEPDUMP_VIEW_IMPL_H

#include "views/pane_impl.h"
#include "views/parents.h"
#include "views/view.h"

#define FRAME_TOP 2    /* title and rule */
#define FRAME_BOTTOM 2 /* rule or message, and the bar */

static inline unsigned body_rows(const struct ui *ui)
{
	return ui->rows > FRAME_TOP + FRAME_BOTTOM ? ui->rows - FRAME_TOP - FRAME_BOTTOM : 0;
}

struct view_ops {
	void (*want)(const struct ui *ui, const Stepdump__Snapshot *s, struct view_want *w);
	void (*settle)(struct ui *ui, const Stepdump__Snapshot *s);
	enum ui_effect (*act)(struct ui *ui, enum action a, const Stepdump__Snapshot *s);
	/* Draws into `g`, whose rows are those of the body. */
	void (*render)(const struct ui *ui, const Stepdump__Snapshot *s, struct grid *g);
	/* A click into the body; NULL: does nothing. */
	enum ui_effect (*click)(struct ui *ui, unsigned row, unsigned col,
				const Stepdump__Snapshot *s);
	/* What is selected, as words that may be terms, one a line, the best first; heap. */
	char *(*term)(const struct ui *ui, const Stepdump__Snapshot *s);
	/* Text in the title, after the view's name.  May be NULL. */
	void (*title)(const struct ui *ui, const Stepdump__Snapshot *s, char *buf, size_t len);
};

extern const struct view_ops view_pipeline, view_pipes, view_map, view_parents, view_list;
const struct view_ops *view_ops(enum view_id v);

/* Painting into a grid of fixed height: rows beyond are lost, not added. */
struct paint view_paint(const struct ui *ui, const struct pane_opts *o, const Stepdump__Snapshot *s,
			struct grid *g);
struct pane_opts view_opts(const struct ui *ui);
/* What fn() paints, but only its first rows: at p->row, which moves on by `rows`. */
void paint_first_rows(struct paint *p, unsigned rows, void (*fn)(struct paint *p, const void *ctx),
		      const void *ctx);
/* Shows that the cursor is there: reverse, and a '*' in the margin at `mark` if that is < cols. */
void mark_row(struct grid *g, unsigned row, unsigned col, unsigned width);
/* Moves a cursor over `nr` rows of which `page` are visible; false: not a moving action. */
bool move_rows(enum action a, uint32_t page, uint32_t nr, uint32_t *at);
/* Puts `top` so that `at` is among `page` rows shown of `nr`. */
void keep_visible(uint32_t at, uint32_t page, uint32_t nr, uint32_t *top);

void pager_close(struct ui *ui);
enum ui_effect pager_action(struct ui *ui, enum action a);
enum ui_effect search_again(struct ui *ui, enum action a, const Stepdump__Snapshot *s);

/* All VMAs that there are, also those that the snapshot's window leaves out. */
uint32_t total_vmas(const Stepdump__Snapshot *s);
/* Bytes of the page at `addr` as rows of hex and text, at most `rows`. */
void paint_hex(struct paint *p, uint64_t addr, unsigned rows);
/* Breakpoint number with this text, 0 if there is none. */
uint32_t breakpoint_at(const Stepdump__Snapshot *s, const char *where);
/* Puts a command that steps the dump into ui->command.line; not for a saved snapshot. */
enum ui_effect ui_run(struct ui *ui, const char *command);
/* Puts "break WHERE" or "delete N" into ui->command. */
enum ui_effect toggle_break(struct ui *ui, const Stepdump__Snapshot *s, const char *where);

#endif
