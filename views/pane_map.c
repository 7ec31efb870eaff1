/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The address space: verdicts as glyphs in place. */
#include <stdlib.h>
#include <string.h>

#include "proto/verdict.h"
#include "views/pane_impl.h"
#include "views/runs.h"

#define MAP_WIDTH_MAX 200 /* cells of a row */

struct map_ctx {
	struct run_index index;
	uint64_t per_cell;
	struct run_look look; /* shown so far */
	bool composition, cut, engine;
};

static void mark_engine(struct paint *p, struct map_ctx *m, const struct strip *st, unsigned col)
{
	int at = engine_column(p->s, st, col);

	if (at < 0)
		return;
	grid_putc(p->g, p->row, (unsigned)at, TONE_ENGINE, U'>');
	m->engine = true;
}

static void draw_vma_strip(struct paint *p, unsigned col, unsigned width, const void *item,
			   void *ctx)
{
	const Stepdump__Vma *v = item;
	struct map_ctx *m = ctx;
	struct strip st;

	if (!v) {
		grid_puts(p->g, p->row, col, TONE_HEAD, "pages");
		return;
	}

	uint64_t pages = span_pages(v->start, v->end);
	bool cut = (pages + m->per_cell - 1) / m->per_cell > width - 2;

	/* Two columns for the brackets of a composition, or the mark of a cut row. */
	strip_init(&st, v->start / PAGE_BYTES, pages, m->per_cell, width - 2);
	if (runs_fill(&m->index, &st, v->start, v->end, &m->look) ||
	    !verdicts_of(v->counts, v->n_counts)) {
		strip_draw(p, &st, col + 1, TONE_UNSCANNED, U'_');
		for (unsigned i = 0; i < st.width; i++)
			if (!st.cells[i].ch)
				m->look.verdicts |= 1u << STEPDUMP__VERDICT__NOT_SCANNED;
		mark_engine(p, m, &st, col + 1);
	} else {
		draw_composition(p, v, col, st.width, &m->look.verdicts);
		m->composition = true;
	}
	if (cut) {
		grid_putc(p->g, p->row, col + width - 1, TONE_WARN, U'+');
		m->cut = true;
	}
}

static void pane_map_legend(struct paint *p, const struct map_ctx *m)
{
	struct legend more[5];
	unsigned nr = 0;

	if (m->look.lazy)
		more[nr++] = (struct legend){ TONE_LAZY, U'L', "to pipe, lazy restore allowed" };
	if (m->look.mixed)
		more[nr++] = (struct legend){ TONE_MIXED, U'%', "mixed cell" };
	if (m->engine)
		more[nr++] = (struct legend){ TONE_ENGINE, U'>', "engine is here" };
	if (m->cut)
		more[nr++] = (struct legend){ TONE_WARN, U'+', "row is cut, VMA goes on" };
	if (m->composition)
		more[nr++] = (struct legend){ TONE_DIM, U'(', ") shares only, not places" };
	paint_verdict_legend(p, m->look.verdicts, more, nr);
}

static void paint_map(struct paint *p, struct map_ctx *m)
{
	unsigned strip = p->g->cols > 46 ? p->g->cols - 42 : 8;
	const struct column columns[] = {
		{ "start", .right = true },
		{ "size", .right = true },
		{ "prot", .drop = 2 },
		{ "kind", .drop = 1, .min = 8 },
		{ "", .min = 10, .grow = MAP_WIDTH_MAX, .draw = draw_vma_strip, .ctx = m },
	};
	struct table *t = TABLE_NEW(columns);

	m->per_cell = strip_scale(longest_that_counts(p->s->vmas, p->s->n_vmas),
				  strip < STRIP_MAX ? strip : STRIP_MAX);
	for (size_t i = 0; i < p->s->n_vmas; i++) {
		const Stepdump__Vma *v = p->s->vmas[i];

		table_row(t, v, at_vma(p->s, v));
		table_cell(t, TONE_ADDR, "%s", txt_addr(p, v->start).s);
		table_cell(t, TONE_NORMAL, "%s", txt_pages(span_pages(v->start, v->end)).s);
		table_cell(t, TONE_NORMAL, "%s", v->prot);
		table_cell(t, TONE_KEY, "%s", v->kind);
	}
	paint_line(p, TONE_NORMAL, "%zu VMAs, one row each, in address order   1 cell = %s",
		   p->s->n_vmas, txt_pages(m->per_cell).s);
	table_end(t, p, "none");
	pane_map_legend(p, m);
}

/* One VMA over as many rows as it needs, up to a screenful. */
static void paint_zoom(struct paint *p, struct map_ctx *m, const Stepdump__Vma *v)
{
	unsigned width = 64, max_rows = 32;
	uint64_t pages = span_pages(v->start, v->end);

	while (width > 8 && width + 20 > p->g->cols)
		width /= 2;
	m->per_cell = strip_scale(pages, width * max_rows);

	uint64_t per_row = m->per_cell * width;

	paint_line(p, TONE_NORMAL, "VMA %u %s %s %s   1 cell = %s, 1 row = %s", v->index, v->kind,
		   v->prot, txt_pages(pages).s, txt_pages(m->per_cell).s, txt_pages(per_row).s);
	for (uint64_t first = 0; first < pages; first += per_row) {
		uint64_t start = v->start + first * PAGE_BYTES;
		uint64_t nr = pages - first < per_row ? pages - first : per_row;
		struct txt addr = txt_addr(p, start);
		struct strip st;

		strip_init(&st, start / PAGE_BYTES, nr, m->per_cell, width);
		runs_fill(&m->index, &st, start, start + nr * PAGE_BYTES, &m->look);
		for (unsigned i = 0; i < st.width; i++)
			if (!st.cells[i].ch)
				m->look.verdicts |= 1u << STEPDUMP__VERDICT__NOT_SCANNED;
		grid_puts(p->g, p->row, strlen(addr.s) < 16 ? 16 - (unsigned)strlen(addr.s) : 0,
			  TONE_ADDR, addr.s);
		strip_draw(p, &st, 18, TONE_UNSCANNED, U'_');
		mark_engine(p, m, &st, 18);
		p->row++;
	}
	pane_map_legend(p, m);
}

void pane_map(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	const struct pane_opts *o = p->o;
	struct map_ctx m = { .index = runs_index(s) };

	if (!s->n_vmas) {
		paint_prose(p, 1, TONE_DIM, "no VMAs: no target is attached");
	} else if (o->index < 0) {
		paint_map(p, &m);
	} else {
		const Stepdump__Vma *v =
			o->index <= UINT32_MAX ? vma_by_index(s, (uint32_t)o->index) : NULL;

		if (v)
			paint_zoom(p, &m, v);
		else
			paint_line(p, TONE_WARN, "no VMA %ld here", o->index);
	}
	runs_deinit(&m.index);
}

/* Presence, dirtiness and verdict above each other: the third row follows from the first two. */
static void paint_page_strips(struct paint *p, struct map_ctx *m, uint64_t start, uint64_t end)
{
	enum { COL = 12 };
	unsigned width = p->g->cols > COL + 8 ? p->g->cols - COL - 1 : 8;
	uint64_t first = start / PAGE_BYTES, nr = span_pages(start, end);
	struct strip present, dirty, verdict;
	bool flags = false;

	m->per_cell = strip_scale(nr, width < STRIP_MAX ? width : STRIP_MAX);
	strip_init(&present, first, nr, m->per_cell, width);
	strip_init(&dirty, first, nr, m->per_cell, width);
	strip_init(&verdict, first, nr, m->per_cell, width);
	for (size_t i = 0; i < m->index.nr; i++)
		flags |= m->index.runs[i]->has_present || m->index.runs[i]->has_dirty;
	runs_fill_present(&m->index, &present, start, end);
	runs_fill_dirty(&m->index, &dirty, start, end);
	runs_fill(&m->index, &verdict, start, end, &m->look);
	grid_puts(p->g, p->row, 1, TONE_DIM, "page");
	strip_axis(p, &verdict, COL, first);
	if (flags) {
		grid_puts(p->g, p->row, 1, TONE_DIM, "present");
		strip_draw(p, &present, COL, TONE_UNSCANNED, U'_');
		p->row++;
		grid_puts(p->g, p->row, 1, TONE_DIM, "dirty");
		strip_draw(p, &dirty, COL, TONE_UNSCANNED, U'_');
		p->row++;
	}
	grid_puts(p->g, p->row, 1, TONE_DIM, "verdict");
	strip_draw(p, &verdict, COL, TONE_UNSCANNED, U'_');
	mark_engine(p, m, &verdict, COL);
	p->row++;
}

static void paint_runs(struct paint *p, const struct run_index *x)
{
	const struct column columns[] = {
		{ "start", .right = true }, { "end", .right = true, .drop = 3 },
		{ "pages", .right = true }, { "size", .right = true, .drop = 1 },
		{ .head = "verdict" },      { "present", .drop = 4 },
		{ "dirty", .drop = 2 },
	};
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < x->nr; i++) {
		const Stepdump__VerdictRun *r = x->runs[i];

		table_row(t, r, false);
		table_cell(t, TONE_ADDR, "%s", txt_addr(p, r->start).s);
		table_cell(t, TONE_ADDR, "%s", txt_addr(p, run_end(r)).s);
		table_cell(t, TONE_NORMAL, "%lu", r->nr_pages);
		table_cell(t, TONE_NORMAL, "%s", txt_pages(r->nr_pages).s);
		table_cell(t, verdict_tone(r->verdict, r->lazy), "%c %s%s",
			   verdict_glyph(r->verdict, r->lazy), verdict_name(r->verdict),
			   r->lazy ? ", lazy" : "");
		table_cell(t, TONE_NORMAL, "%s", !r->has_present ? "-" : r->present ? "yes" : "no");
		table_cell(t, TONE_NORMAL, "%s", !r->has_dirty ? "-" : r->dirty ? "yes" : "no");
	}
	table_end(t, p, "none");
}

void pane_pages(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	struct map_ctx m = { .index = runs_index(s) };
	uint64_t end = 0, pages = 0;

	if (!m.index.nr) {
		paint_prose(p, 1, TONE_DIM,
			    "no page of this range is known: not scanned yet, or "
			    "outside of every VMA");
		return;
	}
	for (size_t i = 0; i < m.index.nr; i++) {
		end = run_end(m.index.runs[i]) > end ? run_end(m.index.runs[i]) : end;
		pages = add_sat(pages, m.index.runs[i]->nr_pages);
	}

	uint64_t start = m.index.runs[0]->start;

	paint_line(p, TONE_NORMAL, "%s-%s   %lu pages %s in %zu runs", txt_addr(p, start).s,
		   txt_addr(p, end).s, pages, txt_pages(pages).s, m.index.nr);
	/* An address space is mostly empty: on one axis, nothing else would show. */
	if (pages >= span_pages(start, end) / 2) {
		paint_page_strips(p, &m, start, end);
		pane_map_legend(p, &m);
		if (m.per_cell > 1)
			paint_line(p, TONE_DIM, "1 cell = %lu pages", m.per_cell);
		paint_blank(p);
	}
	paint_runs(p, &m.index);
	if (is_settled(s))
		paint_prose(p, 1, TONE_DIM,
			    "verdict: what was done.  present: now.  dirty: since this dump");
	runs_deinit(&m.index);
}
