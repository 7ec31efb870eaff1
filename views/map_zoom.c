/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The pages around the cursor: what the kernel reports (present, dirty), what one read of the
 * pagemap covered (pmc), and the verdict that follows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/verdict.h"
#include "views/map_impl.h"

unsigned zoom_rows(bool inputs)
{
	return inputs ? 8 : 4;
}

unsigned zoom_width(const struct ui *ui)
{
	unsigned width = ui->cols > ZOOM_COL + 9 ? ui->cols - ZOOM_COL - 1 : 8;

	/* Whole multiples of 16, so that the window begins at a round page. */
	width -= width % 16;
	return width > STRIP_MAX ? STRIP_MAX : width;
}

bool zoom_range(const struct ui *ui, const Stepdump__Snapshot *s, unsigned width, uint64_t *start,
		uint64_t *end)
{
	const Stepdump__Vma *v = vma_by_index(s, ui->place.vma);
	uint64_t span = (uint64_t)width * PAGE_BYTES << ui->place.zoom, at;

	if (!v || v->start >= v->end)
		return false;
	at = ui->place.addr >= v->start && ui->place.addr < v->end ? ui->place.addr - v->start : 0;
	*start = v->start + at / span * span;
	*end = v->end - *start < span ? v->end : *start + span;
	return true;
}

uint64_t want_zoom(const struct ui *ui, const Stepdump__Snapshot *s, struct view_want *w)
{
	uint64_t start, end;
	const Stepdump__Vma *v = vma_by_index(s, ui->place.vma);

	/* The whole VMA if it is small: the row above shows the same one. */
	if (v && span_pages(v->start, v->end) <= map_pages_max(s) / 4) {
		start = v->start;
		end = v->end;
	} else if (!zoom_range(ui, s, zoom_width(ui), &start, &end) ||
		   span_pages(start, end) > map_pages_max(s) / 2) {
		return 0;
	}
	want_runs(w, start, end);
	return span_pages(start, end);
}

void zoom_axis(struct paint *p, const struct strip *st, unsigned col, uint64_t origin,
	       uint64_t addr)
{
	uint64_t page = addr / PAGE_BYTES;

	strip_axis(p, st, col, origin);
	if (page >= st->first && page - st->first < st->nr_pages)
		grid_putc(p->g, p->row - 1, col + (unsigned)((page - st->first) / st->per_cell),
			  TONE_ENGINE, p->o->ascii ? U'v' : U'▼');
}

/* "[=====]....": what one fill of the cache covered, and where the scan stopped. */
static void zoom_draw_pmc(struct paint *p, const struct strip *frame)
{
	const Stepdump__Pmc *c = p->s->pmc;
	struct strip st = *frame;
	uint64_t first, last, nr;
	char text[64];

	grid_puts(p->g, p->row, 1, TONE_DIM, "pmc");
	if (c && c->has_start && c->has_end && c->start < c->end) {
		uint64_t end = c->has_walk_end && c->walk_end > c->start && c->walk_end < c->end ?
				       c->walk_end :
				       c->end;

		first = c->start / PAGE_BYTES;
		nr = span_pages(c->start, end);
		last = first + nr - 1;
		strip_fill(&st, first, nr, TONE_NORMAL, U'=');
		strip_draw(p, &st, ZOOM_COL, TONE_ABSENT, U'.');
		if (first >= st.first && first - st.first < st.nr_pages)
			grid_putc(p->g, p->row,
				  ZOOM_COL + (unsigned)((first - st.first) / st.per_cell),
				  TONE_NORMAL, U'[');
		if (nr && last >= st.first && last - st.first < st.nr_pages)
			grid_putc(p->g, p->row,
				  ZOOM_COL + (unsigned)((last - st.first) / st.per_cell),
				  TONE_NORMAL, U']');
		snprintf(text, sizeof(text), "%s, %s%s", str_or_dash(c->mode), str_or_dash(c->last),
			 end < c->end ? ", scan ended early" : "");
	} else {
		strip_draw(p, &st, ZOOM_COL, TONE_ABSENT, U'.');
		snprintf(text, sizeof(text), "window empty");
	}
	if (ZOOM_COL + st.width + 3 + strlen(text) < p->g->cols)
		grid_puts(p->g, p->row, ZOOM_COL + st.width + 2, TONE_DIM, text);
	p->row++;
}

/* "0C 7f3a41c0c000: present, clean, parent has it: hole" */
static void zoom_cursor_line(struct paint *p, const struct ui *ui, const struct run_index *x,
			     const Stepdump__Vma *v)
{
	const Stepdump__VerdictRun *r = runs_at(x, ui->place.addr);
	unsigned col = grid_printf(p->g, p->row, 1, TONE_KEY, "%lX",
				   (ui->place.addr - v->start) / PAGE_BYTES) +
		       1;

	col = grid_printf(p->g, p->row, col, TONE_ADDR, "%s: ", txt_addr(p, ui->place.addr).s);
	if (!r) {
		grid_puts(p->g, p->row++, col, TONE_DIM,
			  ui->saved ? "the snapshot does not say" :
				      "not looked at from so far away (+ zooms in)");
		return;
	}
	if (r->has_present && r->verdict != VD(SHARED) && r->verdict != VD(ABSENT))
		col = grid_puts(p->g, p->row, col, TONE_NORMAL,
				r->present ? "present, " : "not present, ");
	if (r->has_dirty)
		col = grid_puts(p->g, p->row, col, TONE_NORMAL, r->dirty ? "dirty, " : "clean, ");
	col = grid_puts(p->g, p->row, col, verdict_tone(r->verdict, r->lazy),
			verdict_info(r->verdict)->legend);
	if (breakpoint_at(p->s, txt_addr(p, ui->place.addr).s))
		col = grid_printf(p->g, p->row, col, TONE_WARN, "   breakpoint %u",
				  breakpoint_at(p->s, txt_addr(p, ui->place.addr).s));
	if (col + 22 < p->g->cols)
		grid_puts(p->g, p->row, p->g->cols - 17, TONE_DIM, "w: the full why");
	p->row++;
}

/* Runs without it come from a target whose writes are not tracked. */
static bool zoom_dirty_known(const struct run_index *x, uint64_t start, uint64_t end)
{
	bool any = false;

	for (size_t i = runs_first(x, start); i < x->nr && x->runs[i]->start < end; i++) {
		any = true;
		if (x->runs[i]->has_dirty)
			return true;
	}
	return !any;
}

static void zoom_label_strip(struct paint *p, const char *label, const struct strip *st,
			     char32_t rest)
{
	grid_puts(p->g, p->row, 1, TONE_DIM, label);
	strip_draw(p, st, ZOOM_COL, TONE_UNSCANNED, rest);
	p->row++;
}

void render_zoom(struct paint *p, const struct ui *ui, const struct run_index *x, bool inputs)
{
	const Stepdump__Vma *v = vma_by_index(p->s, ui->place.vma);
	struct strip frame, st;
	struct run_look look = { 0 };
	uint64_t start, end;
	unsigned bottom = p->row + zoom_rows(inputs), col;
	int engine;

	if (!zoom_range(ui, p->s, zoom_width(ui), &start, &end)) {
		p->row = bottom;
		return;
	}
	strip_init(&frame, start / PAGE_BYTES, span_pages(start, end), 1ul << ui->place.zoom,
		   zoom_width(ui));
	if (inputs) {
		col = grid_printf(p->g, p->row, 1, TONE_TITLE, "ZOOM  VMA %u %s", v->index,
				  v->kind);
		col = grid_printf(p->g, p->row, col + 3, TONE_NORMAL, "1 cell = %s",
				  ui->place.zoom ? txt_pages(1ul << ui->place.zoom).s : "1 page");
		if (v->name && col + 8 < p->g->cols) {
			AUTO_FREE char *name = text_shown(p, v->name);

			paint_cut(p, col + 3, p->g->cols - col - 4, TONE_DIM, false, name);
		}
		p->row++;
	}
	grid_puts(p->g, p->row, 1, TONE_DIM, "page");
	zoom_axis(p, &frame, ZOOM_COL, v->start / PAGE_BYTES, ui->place.addr);
	if (inputs) {
		zoom_draw_pmc(p, &frame);
		st = frame;
		runs_fill_present(x, &st, start, end);
		zoom_label_strip(p, "present", &st, U'?');
		st = frame;
		if (zoom_dirty_known(x, start, end)) {
			runs_fill_dirty(x, &st, start, end);
			zoom_label_strip(p, "dirty", &st, U'?');
		} else {
			grid_puts(p->g, p->row, 1, TONE_DIM, "dirty");
			grid_puts(p->g, p->row++, ZOOM_COL, TONE_DIM,
				  "not known: no tracker watches (`:set track auto`)");
		}
	}
	st = frame;
	runs_fill(x, &st, start, end, &look);
	zoom_label_strip(p, "verdict", &st, runs_covered(x, start, end) ? U'_' : U'?');
	engine = engine_column(p->s, &st, ZOOM_COL);
	if (engine >= 0)
		grid_putc(p->g, p->row - 1, (unsigned)engine, TONE_ENGINE, U'>');
	zoom_cursor_line(p, ui, x, v);
	p->row = bottom;
}
