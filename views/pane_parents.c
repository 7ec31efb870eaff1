/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Generations above each other on one axis: is every hole covered? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/pane_impl.h"

#define STRIP_COL 18

bool entry_in_parent(const Stepdump__PagemapEntry *e)
{
	for (size_t i = 0; i < e->n_flags; i++)
		if (!strcmp(e->flags[i], "PARENT"))
			return true;
	return false;
}

/* Pages of [start, end) that the entries cover, of any kind; entries ascend, as in the image. */
uint64_t covered_pages(Stepdump__PagemapEntry *const *runs, size_t nr, uint64_t start, uint64_t end)
{
	uint64_t covered = 0;

	for (size_t i = 0; i < nr && start < end; i++) {
		uint64_t from = runs[i]->vaddr;
		uint64_t to = add_sat(from, mul_sat(runs[i]->nr_pages, PAGE_BYTES));

		if (to <= start)
			continue;
		if (from >= end)
			break;
		from = from > start ? from : start;
		to = to < end ? to : end;
		covered += span_pages(from, to);
		start = to;
	}
	return covered;
}

/* The smallest range that has all that is drawn. */
static bool drawn_range(const Stepdump__Snapshot *s, uint64_t *start, uint64_t *end)
{
	const Stepdump__PagePipe *pp = s->page_pipe;
	uint64_t lo = UINT64_MAX, hi = 0;

	for (size_t i = 0; i < s->n_runs; i++) {
		const Stepdump__VerdictRun *r = s->runs[i];
		uint64_t to = add_sat(r->start, mul_sat(r->nr_pages, PAGE_BYTES));

		lo = r->start < lo ? r->start : lo;
		hi = to > hi ? to : hi;
	}
	for (size_t i = 0; !s->n_runs && pp && i < pp->n_holes; i++) {
		const Stepdump__Hole *h = pp->holes[i];
		uint64_t to = add_sat(h->start, mul_sat(h->nr_pages, PAGE_BYTES));

		lo = h->start < lo ? h->start : lo;
		hi = to > hi ? to : hi;
	}
	*start = lo;
	*end = hi;
	return lo < hi;
}

/* "holes 03:2 0B:4 19:3", as many as fit right of the strip. */
static void parents_remark(struct paint *p, const struct strip *st, const char *text)
{
	unsigned col = STRIP_COL + st->width + 2;

	if (col + grid_text_width(text) <= p->g->cols)
		grid_puts(p->g, p->row, col, TONE_DIM, text);
	p->row++;
}

static void parents_label(struct paint *p, const char *text)
{
	size_t fit = grid_text_fit(text, STRIP_COL - 3);
	AUTO_FREE char *cut = xstrndup(text, fit);
	grid_puts(p->g, p->row, 1, TONE_DIM, cut);
}

void fill_entries(struct strip *st, Stepdump__PagemapEntry *const *runs, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		bool parent = entry_in_parent(runs[i]);

		strip_fill(st, runs[i]->vaddr / PAGE_BYTES, runs[i]->nr_pages,
			   parent ? TONE_HOLE : TONE_DUMP, parent ? U'=' : U'#');
	}
}

static void paint_this_dump(struct paint *p, const struct strip *frame)
{
	const Stepdump__PagePipe *pp = p->s->page_pipe;
	const Stepdump__Xfer *x = p->s->xfer;
	struct strip st = *frame;
	uint64_t pages = 0;
	char text[96];

	for (size_t i = 0; i < p->s->n_runs; i++) {
		const Stepdump__VerdictRun *r = p->s->runs[i];

		strip_fill(&st, r->start / PAGE_BYTES, r->nr_pages,
			   !r->present ? TONE_ABSENT :
			   r->dirty    ? TONE_CHANGED :
					 TONE_NORMAL,
			   !r->present ? U'.' :
			   r->dirty    ? U'+' :
					 U'o');
	}
	if (p->s->n_runs) {
		parents_label(p, "task now");
		strip_draw(p, &st, STRIP_COL, TONE_UNSCANNED, U'_');
		parents_remark(p, &st, "o old  + new since parent");
	}

	st = *frame;
	for (size_t i = 0; pp && i < pp->n_ppbs; i++)
		for (size_t k = 0; k < pp->ppbs[i]->n_iovs; k++) {
			const Stepdump__Iov *iov = pp->ppbs[i]->iovs[k];

			strip_fill(&st, iov->start / PAGE_BYTES, iov->nr_pages, TONE_DUMP, U'#');
			pages += iov->nr_pages;
		}
	parents_label(p, "this: pipes");
	strip_draw(p, &st, STRIP_COL, TONE_ABSENT, U'.');
	snprintf(text, sizeof(text), "%lu pages in iovs", pages);
	parents_remark(p, &st, text);

	st = *frame;
	pages = 0;
	for (size_t i = 0; pp && i < pp->n_holes; i++) {
		strip_fill(&st, pp->holes[i]->start / PAGE_BYTES, pp->holes[i]->nr_pages, TONE_HOLE,
			   U'=');
		pages = add_sat(pages, pp->holes[i]->nr_pages);
	}
	parents_label(p, "this: holes");
	strip_draw(p, &st, STRIP_COL, TONE_ABSENT, U'.');
	snprintf(text, sizeof(text), "%lu pages left to parent", pages);
	parents_remark(p, &st, text);

	if (!x || !x->n_recent)
		return;
	st = *frame;
	fill_entries(&st, x->recent, x->n_recent);
	parents_label(p, "this: pagemap");
	strip_draw(p, &st, STRIP_COL, TONE_ABSENT, U'.');
	snprintf(text, sizeof(text), "last %zu entries", x->n_recent);
	parents_remark(p, &st, text);
}

static void paint_needed(struct paint *p, const struct strip *frame)
{
	const Stepdump__PagePipe *pp = p->s->page_pipe;
	const Stepdump__ParentGeneration *direct = p->s->parents[0];
	uint64_t needed = 0, found = 0;
	struct strip st = *frame;
	char text[96];

	for (size_t i = 0; pp && i < pp->n_holes; i++) {
		const Stepdump__Hole *h = pp->holes[i];
		uint64_t bytes = mul_sat(h->nr_pages, PAGE_BYTES);
		uint64_t covered = covered_pages(direct->runs, direct->n_runs, h->start,
						 add_sat(h->start, bytes));
		bool whole = covered == h->nr_pages;

		needed = add_sat(needed, h->nr_pages);
		found = add_sat(found, covered);
		strip_fill(&st, h->start / PAGE_BYTES, h->nr_pages, whole ? TONE_OK : TONE_BAD,
			   whole ? U'^' : U'?');
	}
	parents_label(p, "needed");
	strip_draw(p, &st, STRIP_COL, TONE_ABSENT, U'.');
	snprintf(text, sizeof(text), "%lu of %lu found in parent", found, needed);
	parents_remark(p, &st, text);
}

static void paint_generations(struct paint *p)
{
	const struct column columns[] = {
		{ "generation", .right = true, .drop = 3 },
		{ "directory", .min = 12 },
		{ "entries", .right = true },
		{ "pages stored", .right = true },
		{ "size", .right = true, .drop = 1 },
		{ "holes", .right = true, .drop = 2 },
	};
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < p->s->n_parents; i++) {
		const Stepdump__ParentGeneration *g = p->s->parents[i];

		table_row(t, g, false);
		table_cell(t, TONE_DIM, "%zu", i + 1);
		table_cell(t, TONE_KEY, "%s", str_or_dash(g->dir));
		table_cell(t, TONE_NORMAL, "%s", txt_opt(g->has_entries, g->entries).s);
		table_cell(t, TONE_NORMAL, "%s", txt_opt(g->has_pages_stored, g->pages_stored).s);
		table_cell(t, TONE_NORMAL, "%s",
			   g->has_pages_stored ? txt_pages(g->pages_stored).s : "-");
		table_cell(t, TONE_NORMAL, "%s", txt_opt(g->has_holes, g->holes).s);
	}
	table_end(t, p, "none: this is a full dump, every selected page goes into a pipe");
}

/* "pre-1 0B:6 PRESENT, pages file offset 0x4000": one step of the chain for one page. */
static void paint_follow(struct paint *p, uint64_t addr)
{
	paint_blank(p);
	paint_line(p, TONE_TITLE, "%s through the generations", txt_addr(p, addr).s);
	for (size_t i = 0; i < p->s->n_parents; i++) {
		const Stepdump__ParentGeneration *g = p->s->parents[i];
		const Stepdump__PagemapEntry *e = NULL;

		for (size_t k = 0; k < g->n_runs && !e; k++)
			if (addr >= g->runs[k]->vaddr &&
			    (addr - g->runs[k]->vaddr) / PAGE_BYTES < g->runs[k]->nr_pages)
				e = g->runs[k];
		if (!e) {
			paint_field(p, str_or_dash(g->dir), TONE_BAD,
				    "no entry: the chain ends here");
			return;
		}
		if (!entry_in_parent(e)) {
			uint64_t page = (addr - e->vaddr) / PAGE_BYTES;

			paint_field(p, str_or_dash(g->dir), TONE_OK,
				    "PRESENT, page %lu of the entry at %s (%lu pages)%s", page,
				    txt_addr(p, e->vaddr).s, e->nr_pages,
				    e->has_pages_off ? "" : ", offset not known");
			if (e->has_pages_off)
				paint_field(p, "", TONE_OK, "pages file, byte 0x%lx",
					    e->pages_off + page * PAGE_BYTES);
			return;
		}
		paint_field(p, str_or_dash(g->dir), TONE_HOLE,
			    "PARENT, entry at %s (%lu pages): look one generation further",
			    txt_addr(p, e->vaddr).s, e->nr_pages);
	}
}

void pane_parents(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	const struct pane_opts *o = p->o;
	uint64_t start, end;

	paint_generations(p);
	if (!s->n_parents)
		return;
	if (drawn_range(s, &start, &end)) {
		unsigned width = p->g->cols > STRIP_COL + 9 ? p->g->cols - STRIP_COL - 1 : 8;
		struct strip frame, st;

		/* Remarks stand to the right, unless there is hardly room for the strip itself. */
		if (width >= 60 && span_pages(start, end) > width - 29)
			width -= 29;
		if (width > STRIP_MAX)
			width = STRIP_MAX;
		strip_init(&frame, start / PAGE_BYTES, span_pages(start, end),
			   strip_scale(span_pages(start, end), width), width);
		paint_blank(p);
		paint_line(p, TONE_NORMAL, "%s-%s   1 cell = %s", txt_addr(p, start).s,
			   txt_addr(p, end).s, txt_pages(frame.per_cell).s);
		parents_label(p, "page");
		strip_axis(p, &frame, STRIP_COL, frame.first);
		paint_this_dump(p, &frame);
		for (size_t i = 0; i < s->n_parents; i++) {
			st = frame;
			fill_entries(&st, s->parents[i]->runs, s->parents[i]->n_runs);
			parents_label(p, str_or_dash(s->parents[i]->dir));
			strip_draw(p, &st, STRIP_COL, TONE_ABSENT, U'.');
			parents_remark(p, &st, i ? "its parent" : "direct parent");
		}
		paint_needed(p, &frame);

		const struct legend items[] = { { TONE_DUMP, U'#', "pages stored" },
						{ TONE_HOLE, U'=', "hole: in parent" },
						{ TONE_OK, U'^', "needed and found" },
						{ TONE_BAD, U'?', "needed, not found" },
						{ TONE_MIXED, U'%', "mixed cell" } };

		paint_legend(p, items, 5);
	}
	if (o->index >= 0)
		paint_follow(p, (uint64_t)o->index);
}
