/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pagemap cache: what one read of /proc/PID/pagemap (or one PAGEMAP_SCAN) covers. */
#include <stdlib.h>

#include "base/mem.h"

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

#define PMC_SIZE (2ul << 20)
#define PMC_SIZE_GAP (PMC_SIZE / 4)

static const Stepdump__Vma *pmc_vma(const Stepdump__Snapshot *s, const Stepdump__Vma **next_ret)
{
	*next_ret = NULL;
	for (size_t i = 0; i < s->n_vmas; i++)
		if (s->vmas[i]->start <= s->pmc->start && s->pmc->start < s->vmas[i]->end) {
			*next_ret = i + 1 < s->n_vmas ? s->vmas[i + 1] : NULL;
			return s->vmas[i];
		}
	return NULL;
}

char *pmc_why(const Stepdump__Snapshot *s)
{
	const Stepdump__Vma *next, *v = pmc_vma(s, &next);

	if (!v || !s->pmc->has_cache_mode)
		return NULL;

	uint64_t low = v->start & ~(PMC_SIZE - 1), high = low + PMC_SIZE;

	if (s->pmc->cache_mode)
		return xasprintf(
			"VMA %u begins less than the gap above low, and the next ends below "
			"high",
			v->index);
	if (s->pmc->start != v->start)
		return xasprintf("the fill goes on in the middle of VMA %u", v->index);
	if (v->end - v->start >= PMC_SIZE)
		return xasprintf("VMA %u has %s, not less than the window of 2 MiB", v->index,
				 txt_size(v->end - v->start).s);
	if (v->start - low >= PMC_SIZE_GAP)
		return xasprintf("VMA %u begins %s above low, not less than the gap of 512 KiB",
				 v->index, txt_size(v->start - low).s);
	if (!next)
		return xasprintf("VMA %u is the last one", v->index);
	if (next->start >= high)
		return xasprintf("the next VMA begins %s further, outside the 2 MiB window",
				 txt_size(next->start - v->end).s);
	if (next->end > high)
		return xasprintf("the next VMA, %u, ends outside the 2 MiB window", next->index);
	return xstrdup("cache mode is off: `set pmc-cache on`");
}

/* The rule that decided, with its numbers. */
static void paint_window_rule(struct paint *p, const Stepdump__Pmc *c)
{
	const Stepdump__Vma *next, *v = pmc_vma(p->s, &next);
	AUTO_FREE char *why = pmc_why(p->s);
	uint64_t low;

	if (!v || !why)
		return;
	low = v->start & ~(PMC_SIZE - 1);
	paint_field(p, "low, high", TONE_ADDR,
		    "%s, %s: VMA %u's start rounded down to 2 MiB, and 2 MiB more",
		    txt_addr(p, low).s, txt_addr(p, low + PMC_SIZE).s, v->index);
	paint_field(p, "gap", TONE_NORMAL,
		    "%s from low to its start; cache mode needs less than %s",
		    txt_size(v->start - low).s, txt_size(PMC_SIZE_GAP).s);
	paint_field(p, c->cache_mode ? "why cache" : "why simple", TONE_NORMAL, "%s", why);
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
	if (c->has_start)
		paint_window_rule(p, c);
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
