/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Generations above each other on one axis: is every hole covered? */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/pane_impl.h"
#include "views/parents.h"

/* The kernel's half begins here.  The target has at most vsyscall there, too far off for a common axis. */
#define USER_END (1ull << 63)
#define OVERVIEW_PAGES (1ul << 20) /* on one axis; with more, nothing could be told apart */

static uint64_t parents_pages_of(const struct run_index *x, const Stepdump__Vma *v, bool holes)
{
	uint64_t pages = 0;

	for (size_t i = runs_first(x, v->start); i < x->nr && x->runs[i]->start < v->end; i++)
		if (holes ? x->runs[i]->verdict == STEPDUMP__VERDICT__HOLE :
			    verdict_to_pipe(x->runs[i]->verdict))
			pages = add_sat(pages, x->runs[i]->nr_pages);
	return pages;
}

/* The VMA with most holes or, if there are none, with most pages to dump. */
static const Stepdump__Vma *parents_busiest(const Stepdump__Snapshot *s, const struct run_index *x)
{
	const Stepdump__Vma *best = NULL;
	uint64_t most = 0;

	for (int holes = 1; holes >= 0 && !best; holes--)
		for (size_t i = 0; i < s->n_vmas; i++) {
			uint64_t pages = parents_pages_of(x, s->vmas[i], holes);

			if (pages > most) {
				most = pages;
				best = s->vmas[i];
			}
		}
	return best;
}

/*
 * What is drawn: the VMA of the address asked for; else all of it; or one VMA, if all of it is too much
 * for one axis.  *vma_ret: NULL if it is not about one.
 */
static bool parents_range(const struct paint *p, const struct run_index *x, uint64_t *start,
			  uint64_t *end, const Stepdump__Vma **vma_ret)
{
	const Stepdump__Snapshot *s = p->s;
	const Stepdump__Vma *v = NULL;

	*start = *end = 0;
	for (size_t i = 0; p->o->index >= 0 && i < s->n_vmas; i++)
		if (s->vmas[i]->start <= (uint64_t)p->o->index &&
		    (uint64_t)p->o->index < s->vmas[i]->end)
			v = s->vmas[i];
	for (size_t i = 0; !v && i < x->nr && x->runs[i]->start < USER_END; i++) {
		*start = i ? *start : x->runs[i]->start;
		*end = run_end(x->runs[i]) > *end ? run_end(x->runs[i]) : *end;
	}
	if (!v && *start < *end && span_pages(*start, *end) > OVERVIEW_PAGES)
		v = parents_busiest(s, x);
	if (v) {
		*start = v->start;
		*end = v->end;
	}
	*vma_ret = v;
	return *start < *end;
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
	for (size_t i = 0; i < p->s->n_parents; i++) {
		if (!p->s->parents[i]->at_server)
			continue;
		AUTO_FREE char *text = xasprintf(
			"generation %zu: the pages are not in the directory: %s holds them, and "
			"what is here is the list of them",
			i + 1, p->s->parents[i]->at_server);

		paint_prose(p, 1, TONE_WARN, text);
	}
}

/* "pre-1 0B:6 PRESENT, pages file offset 0x4000": one step of the chain for one page. */
static void paint_follow(struct paint *p, uint64_t addr)
{
	paint_blank(p);
	paint_line(p, TONE_TITLE, "%s through the generations", txt_addr(p, addr).s);
	for (size_t i = 0; i < p->s->n_parents; i++) {
		const Stepdump__ParentGeneration *g = p->s->parents[i];
		const Stepdump__PagemapEntry *e = entry_at(g, addr);

		if (!e) {
			paint_field(p, generation_name(g), TONE_BAD,
				    "no entry: the chain ends here");
			return;
		}
		if (!entry_in_parent(e)) {
			uint64_t page = (addr - e->vaddr) / PAGE_BYTES;

			if (g->at_server) {
				paint_field(p, generation_name(g), TONE_WARN, "at %s",
					    g->at_server);
				return;
			}
			paint_field(p, generation_name(g), TONE_OK,
				    "PRESENT, page %lu of the entry at %s (%lu pages)%s", page,
				    txt_addr(p, e->vaddr).s, e->nr_pages,
				    e->has_pages_off ? "" : ", offset not known");
			if (e->has_pages_off)
				paint_field(p, "", TONE_OK, "pages file, byte 0x%lx",
					    e->pages_off + page * PAGE_BYTES);
			return;
		}
		paint_field(p, generation_name(g), TONE_HOLE,
			    "PARENT, entry at %s (%lu pages): look one generation further",
			    txt_addr(p, e->vaddr).s, e->nr_pages);
	}
}

static void paint_picture(struct paint *p)
{
	struct parents_picture pic = { .runs = parents_runs(p->s), .rows = UINT_MAX };
	unsigned width = p->g->cols > PARENTS_COL + 9 ? p->g->cols - PARENTS_COL - 1 : 8;
	const Stepdump__Vma *v;
	uint64_t start, end;

	if (!parents_range(p, &pic.runs, &start, &end, &v)) {
		runs_deinit(&pic.runs);
		return;
	}
	/* Remarks stand to the right, unless there is hardly room for the strip itself. */
	if (width >= 60 && span_pages(start, end) > width - 29)
		width -= 29;
	if (width > STRIP_MAX)
		width = STRIP_MAX;
	pic.origin = start / PAGE_BYTES;
	strip_init(&pic.frame, pic.origin, span_pages(start, end),
		   strip_scale(span_pages(start, end), width), width);
	paint_blank(p);
	if (v) {
		AUTO_FREE char *name = vma_label(p->s, true, v->index);

		paint_line(p, TONE_NORMAL, "VMA %s   %s-%s   1 cell = %s", name,
			   txt_addr(p, start).s, txt_addr(p, end).s,
			   txt_pages(pic.frame.per_cell).s);
	} else {
		paint_line(p, TONE_NORMAL, "%s-%s   1 cell = %s", txt_addr(p, start).s,
			   txt_addr(p, end).s, txt_pages(pic.frame.per_cell).s);
	}
	grid_puts(p->g, p->row, 1, TONE_DIM, "page");
	strip_axis(p, &pic.frame, PARENTS_COL, pic.origin);
	paint_parents(p, &pic);

	const struct legend items[] = { { TONE_DUMP, U'#', "pages stored" },
					{ TONE_HOLE, U'=', "hole: in parent" },
					{ TONE_OK, U'^', "needed and found" },
					{ TONE_BAD, U'?', "needed, not found" },
					{ TONE_MIXED, U'%', "mixed cell" } };

	paint_legend(p, items, 5);
	if (v && p->o->index < 0)
		paint_prose(
			p, 1, TONE_DIM,
			"the VMA with most to see; `show parents ADDR` shows that of an address");
	runs_deinit(&pic.runs);
}

void pane_parents(struct paint *p)
{
	paint_generations(p);
	if (!p->s->n_parents)
		return;
	paint_picture(p);
	if (p->o->index >= 0)
		paint_follow(p, (uint64_t)p->o->index);
}
