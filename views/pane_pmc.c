/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pagemap cache: what one read of /proc/PID/pagemap (or one PAGEMAP_SCAN) covers. */
#include <stdlib.h>

#include "views/pane_impl.h"

static void draw_extent(struct paint *p, unsigned col, unsigned width, const void *item, void *ctx)
{
	const Stepdump__Vma *v = item;
	const Stepdump__Pmc *pmc = ctx;
	uint64_t nr = span_pages(pmc->start, pmc->end);
	struct strip st;

	if (!v) {
		grid_puts(p->g, p->row, col, TONE_HEAD, "where in the window");
		return;
	}
	if (width > STRIP_MAX)
		width = STRIP_MAX;
	strip_init(&st, pmc->start / PAGE_BYTES, nr, strip_scale(nr, width), width);
	strip_fill(&st, v->start / PAGE_BYTES, span_pages(v->start, v->end), TONE_NORMAL,
		   glyph_full(p));
	strip_draw(p, &st, col, TONE_DIM, U'.');
	if (pmc->has_walk_end && pmc->walk_end > pmc->start && pmc->walk_end < pmc->end) {
		uint64_t cell = (pmc->walk_end - pmc->start) / PAGE_BYTES / st.per_cell;

		if (cell < st.width)
			grid_putc(p->g, p->row, col + (unsigned)cell, TONE_WARN, U'|');
	}
}

static void paint_covered(struct paint *p, const Stepdump__Pmc *pmc)
{
	const struct column columns[] = {
		{ "VMA", .right = true },
		{ "start", .right = true },
		{ "size", .right = true, .drop = 2 },
		{ "kind", .drop = 1 },
		{ "", .drop = 3, .min = 19, .grow = 64, .draw = draw_extent, .ctx = (void *)pmc },
	};
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < p->s->n_vmas; i++) {
		const Stepdump__Vma *v = p->s->vmas[i];

		if (v->end <= pmc->start || v->start >= pmc->end)
			continue;
		table_row(t, v, at_vma(p->s, v));
		table_cell(t, TONE_NORMAL, "%u", v->index);
		table_cell(t, TONE_ADDR, "%s", txt_addr(p, v->start).s);
		table_cell(t, TONE_NORMAL, "%s", txt_pages(span_pages(v->start, v->end)).s);
		table_cell(t, TONE_KEY, "%s", v->kind);
	}
	paint_blank(p);
	paint_line(p, TONE_TITLE, "VMAs in the window");
	table_end(t, p, "none");
	if (pmc->has_walk_end && pmc->walk_end < pmc->end)
		paint_line(p, TONE_DIM, "| the scan stopped here: its vector was full");
}

static void paint_regions(struct paint *p, const Stepdump__Pmc *pmc)
{
	const struct column columns[] = {
		{ "start", .right = true },  { "end", .right = true, .drop = 2 },
		{ "pages", .right = true },  { "size", .right = true, .drop = 1 },
		{ "categories", .min = 12 },
	};
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < pmc->n_regions; i++) {
		const Stepdump__PmcRegion *r = pmc->regions[i];
		AUTO_FREE char *names = join_names(r->category_names, r->n_category_names, " ");

		table_row(t, r, false);
		table_cell(t, TONE_ADDR, "%s", txt_addr(p, r->start).s);
		table_cell(t, TONE_ADDR, "%s", txt_addr(p, r->end).s);
		table_cell(t, TONE_NORMAL, "%lu", span_pages(r->start, r->end));
		table_cell(t, TONE_NORMAL, "%s", txt_pages(span_pages(r->start, r->end)).s);
		table_cell(t, TONE_NORMAL, "%s", names);
	}
	paint_blank(p);
	paint_line(p, TONE_TITLE, "regions that the kernel reported");
	table_end(t, p, "none");
}

void pane_pmc(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	const Stepdump__Pmc *c = s->pmc;

	if (!c) {
		paint_prose(p, 1, TONE_DIM, "no pagemap cache yet: it is made in prepare");
		return;
	}
	paint_field(p, "filled by", TONE_KEY, "%s", str_or_dash(c->mode));
	paint_field(p, "window kind", TONE_NORMAL, "%s",
		    !c->has_cache_mode ? "-" :
		    c->cache_mode      ? "cache mode: one window over several small VMAs" :
					 "simple mode: one VMA");
	if (c->has_start && c->has_end)
		paint_field(p, "window", TONE_ADDR, "%s-%s  %s", txt_addr(p, c->start).s,
			    txt_addr(p, c->end).s, txt_pages(span_pages(c->start, c->end)).s);
	else
		paint_field(p, "window", TONE_NORMAL, "- (empty)");
	paint_field(p, "covers", TONE_NORMAL, "%s VMA%s", txt_opt(c->has_nr_vmas, c->nr_vmas).s,
		    c->nr_vmas == 1 ? "" : "s");
	paint_field(p, "look-ups", TONE_NORMAL, "%s hits, %s misses; last: %s",
		    txt_opt(c->has_hits, c->hits).s, txt_opt(c->has_misses, c->misses).s,
		    str_or_dash(c->last));
	paint_field(p, "fills", TONE_NORMAL, "%s", txt_opt(c->has_fills, c->fills).s);
	paint_field(p, "holds", TONE_NORMAL, "%s entries in %s",
		    txt_opt(c->has_nr_entries, c->nr_entries).s,
		    txt_opt_size(c->has_buffer_bytes, c->buffer_bytes).s);
	if (c->has_start && c->has_end && c->start < c->end && s->n_vmas)
		paint_covered(p, c);
	if (c->n_regions)
		paint_regions(p, c);
}
