/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the map share, and the parents view with it.  Internal to views/. */
#ifndef STEPDUMP_MAP_IMPL_H
#define STEPDUMP_MAP_IMPL_H

#include "views/runs.h"
#include "views/view_impl.h"

/*
 * How many pages are looked at for one picture: if there are more, shares are drawn instead of
 * places, so that a redraw takes no longer for a bigger target.
 */
uint64_t map_pages_max(const Stepdump__Snapshot *s);
#define ZOOM_COL 12 /* where the strips begin */

struct map_look {
	struct run_index index;
	uint64_t per_cell;
	enum map_channel channel;
	struct run_look look;
	bool composition, cut, engine;
};

/* Cells of one VMA at p->row, from col + 1 on (col and the column behind them are for brackets). */
void draw_vma_cells(struct paint *p, struct map_look *m, const Stepdump__Vma *v, struct strip *st,
		    unsigned col);
void map_legend(struct paint *p, const struct map_look *m);

/* The continuous map: which VMAs it shows, and log2 of its pages per cell. */
void continuous_window(const struct ui *ui, uint32_t rows, uint32_t *first, uint32_t *nr);
unsigned continuous_scale(const struct ui *ui, const Stepdump__Snapshot *s, uint32_t rows);
void render_continuous(struct paint *p, const struct ui *ui, struct map_look *m, uint32_t rows);

/* The strips of single pages around the cursor. */
unsigned zoom_rows(bool inputs);
unsigned zoom_width(const struct ui *ui);
/* Pages shown in `width` cells, as addresses; false: nothing is known about the VMA. */
bool zoom_range(const struct ui *ui, const Stepdump__Snapshot *s, unsigned width, uint64_t *start,
		uint64_t *end);
/* Returns how many pages that are. */
uint64_t want_zoom(const struct ui *ui, const Stepdump__Snapshot *s, struct view_want *w);
void render_zoom(struct paint *p, const struct ui *ui, const struct run_index *x, bool inputs);
/* Page numbers above a strip, with a mark over the cursor. */
void zoom_axis(struct paint *p, const struct strip *st, unsigned col, uint64_t origin,
	       uint64_t addr);

/* Actions that the map and the parents view have in common. */
enum ui_effect move_in_vma(struct ui *ui, enum action a, const Stepdump__Snapshot *s);
enum ui_effect zoom_by(struct ui *ui, enum action a, const Stepdump__Snapshot *s);
enum ui_effect why_here(struct ui *ui);
/* The verdict of the page under the cursor; heap. */
char *verdict_here(const struct ui *ui, const Stepdump__Snapshot *s);

#endif
