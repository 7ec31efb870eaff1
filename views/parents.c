/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "views/parents.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/pane_impl.h"

#define GENERATIONS_MAX 6 /* of a long chain, in a view */

bool entry_in_parent(const Stepdump__PagemapEntry *e)
{
	for (size_t i = 0; i < e->n_flags; i++)
		if (!strcmp(e->flags[i], "PARENT"))
			return true;
	return false;
}

const Stepdump__PagemapEntry *entry_at(const Stepdump__ParentGeneration *g, uint64_t addr)
{
	for (size_t k = 0; k < g->n_runs; k++)
		if (addr >= g->runs[k]->vaddr &&
		    (addr - g->runs[k]->vaddr) / PAGE_BYTES < g->runs[k]->nr_pages)
			return g->runs[k];
	return NULL;
}

const char *generation_name(const Stepdump__ParentGeneration *g)
{
	const char *name = str_or_dash(g->dir), *slash = strrchr(name, '/');

	return slash && slash[1] ? slash + 1 : name;
}

/* Pages of [start, end) that the entries cover, of any kind; entries ascend, as in the image. */
static uint64_t parents_covered(Stepdump__PagemapEntry *const *runs, size_t nr, uint64_t start,
				uint64_t end)
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

/* ---- what this dump does ------------------------------------------------------------------- */

static void parents_add_run(struct run_index *x, uint64_t start, uint64_t nr_pages,
			    Stepdump__Verdict verdict)
{
	Stepdump__VerdictRun *r = &x->own[x->nr];

	stepdump__verdict_run__init(r);
	r->start = start;
	r->nr_pages = nr_pages;
	r->verdict = verdict;
	x->runs[x->nr++] = r;
}

struct run_index parents_runs(const Stepdump__Snapshot *s)
{
	const Stepdump__PagePipe *pp = s->page_pipe;
	struct run_index x = { 0 };
	size_t nr = pp ? pp->n_holes : 0;

	if (s->n_runs || !pp)
		return runs_index(s);
	for (size_t i = 0; i < pp->n_ppbs; i++)
		nr += pp->ppbs[i]->n_iovs;
	x.runs = xcalloc(nr, sizeof(*x.runs));
	x.own = xcalloc(nr, sizeof(*x.own));
	for (size_t i = 0; i < pp->n_ppbs; i++)
		for (size_t k = 0; k < pp->ppbs[i]->n_iovs; k++)
			parents_add_run(&x, pp->ppbs[i]->iovs[k]->start,
					pp->ppbs[i]->iovs[k]->nr_pages, STEPDUMP__VERDICT__DUMP);
	for (size_t i = 0; i < pp->n_holes; i++)
		parents_add_run(&x, pp->holes[i]->start, pp->holes[i]->nr_pages,
				STEPDUMP__VERDICT__HOLE);
	runs_sort(&x);
	return x;
}

/* ---- strips -------------------------------------------------------------------------------- */

static void parents_row(struct paint *p, const char *label, const struct strip *st, enum tone tone,
			char32_t rest, const char *remark)
{
	unsigned col = PARENTS_COL + st->width + 2;

	paint_cut(p, 1, PARENTS_COL - 2, TONE_DIM, false, label);
	strip_draw(p, st, PARENTS_COL, tone, rest);
	if (col + grid_text_width(remark) < p->g->cols)
		grid_puts(p->g, p->row, col, TONE_DIM, remark);
	p->row++;
}

static void parents_fill_entries(struct strip *st, Stepdump__PagemapEntry *const *runs, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		bool parent = entry_in_parent(runs[i]);

		strip_fill(st, runs[i]->vaddr / PAGE_BYTES, runs[i]->nr_pages,
			   parent ? TONE_HOLE : TONE_DUMP, parent ? U'=' : U'#');
	}
}

static void parents_task(struct paint *p, const struct parents_picture *pic)
{
	struct strip st = pic->frame;
	bool tracked = false, any = false;

	for (size_t i = 0; i < pic->runs.nr; i++) {
		const Stepdump__VerdictRun *v = pic->runs.runs[i];

		if (!v->has_present)
			continue;
		any = true;
		tracked |= v->has_dirty;
		strip_fill(&st, v->start / PAGE_BYTES, v->nr_pages,
			   !v->present ? TONE_ABSENT :
			   v->dirty    ? TONE_CHANGED :
					 TONE_NORMAL,
			   !v->present ? U'.' :
			   v->dirty    ? U'+' :
					 U'o');
	}
	parents_row(p, "task now", &st, TONE_UNSCANNED, U'_',
		    tracked && is_settled(p->s) ? "o old  + new since this dump" :
		    tracked                     ? "o old  + new since parent" :
		    any                         ? "o present (no tracker)" :
						  "");
}

/* "05:1 0F:3 17:2", in the notation of the page-pipe header; pages, if they are too many. */
static void parents_list(const struct parents_picture *pic, bool holes, char *buf, size_t len)
{
	uint64_t pages = 0;
	unsigned nr = 0;
	size_t at = 0;

	for (size_t i = 0; i < pic->runs.nr; i++) {
		const Stepdump__VerdictRun *v = pic->runs.runs[i];

		if (holes ? v->verdict != STEPDUMP__VERDICT__HOLE : !verdict_to_pipe(v->verdict))
			continue;
		pages = add_sat(pages, v->nr_pages);
		if (++nr <= 4 && at < len)
			at += (size_t)snprintf(buf + at, len - at, " %02lX:%lu",
					       v->start / PAGE_BYTES - pic->origin, v->nr_pages);
	}
	if (nr > 4 || !nr)
		snprintf(buf, len, " %lu pages", pages);
}

static void parents_pipes(struct paint *p, const struct parents_picture *pic)
{
	struct strip st = pic->frame;
	char text[96] = "bufs ";

	for (size_t i = 0; i < pic->runs.nr; i++)
		if (verdict_to_pipe(pic->runs.runs[i]->verdict))
			strip_fill(&st, pic->runs.runs[i]->start / PAGE_BYTES,
				   pic->runs.runs[i]->nr_pages, TONE_DUMP, U'#');
	parents_list(pic, false, text + 4, sizeof(text) - 4);
	parents_row(p, "this: pipes", &st, TONE_ABSENT, U'.', text);
}

static void parents_holes(struct paint *p, const struct parents_picture *pic)
{
	struct strip st = pic->frame;
	char text[96] = "holes ";

	for (size_t i = 0; i < pic->runs.nr; i++)
		if (pic->runs.runs[i]->verdict == STEPDUMP__VERDICT__HOLE)
			strip_fill(&st, pic->runs.runs[i]->start / PAGE_BYTES,
				   pic->runs.runs[i]->nr_pages, TONE_HOLE, U'=');
	parents_list(pic, true, text + 5, sizeof(text) - 5);
	parents_row(p, "this: holes", &st, TONE_ABSENT, U'.', text);
}

static void parents_pagemap(struct paint *p, const struct parents_picture *pic)
{
	const Stepdump__Xfer *x = p->s->xfer;
	struct strip st = pic->frame;
	char text[160];

	if (!x)
		return;
	parents_fill_entries(&st, x->recent, x->n_recent);
	snprintf(text, sizeof(text), "%s entries, %s pages out",
		 txt_opt(x->has_entries, x->entries).s,
		 txt_opt(x->has_pages_written, x->pages_written).s);
	parents_row(p, "this: pagemap", &st, TONE_ABSENT, U'.', text);
}

static void parents_generations(struct paint *p, const struct parents_picture *pic, unsigned max)
{
	const Stepdump__Snapshot *s = p->s;
	size_t first = 0;

	if (s->n_parents > max && pic->generation >= max)
		first = pic->generation - max + 1;
	for (size_t i = first; i < s->n_parents && i < first + max; i++) {
		const Stepdump__ParentGeneration *g = s->parents[i];
		struct strip st = pic->frame;
		char text[160];

		if (i == pic->generation && s->n_parents > 1)
			grid_putc(p->g, p->row, 0, TONE_CURSOR, U'*');
		parents_fill_entries(&st, g->runs, g->n_runs);
		snprintf(text, sizeof(text), "%s entries, %s stored",
			 txt_opt(g->has_entries, g->entries).s,
			 txt_opt(g->has_pages_stored, g->pages_stored).s);
		parents_row(p, generation_name(g), &st, TONE_ABSENT, U'.', text);
	}
}

/* Up to where the listed entries tell which pages the generation has. */
static uint64_t parents_reach(const Stepdump__ParentGeneration *g)
{
	const Stepdump__PagemapEntry *last;

	if (g->n_runs < SNAP_PARENT_RUNS_MAX)
		return UINT64_MAX;
	last = g->runs[g->n_runs - 1];
	return add_sat(last->vaddr, mul_sat(last->nr_pages, PAGE_BYTES));
}

static void parents_needed(struct paint *p, const struct parents_picture *pic)
{
	const Stepdump__ParentGeneration *direct = p->s->parents[0];
	struct strip st = pic->frame;
	uint64_t needed = 0, found = 0, reach = parents_reach(direct);
	char text[160];

	for (size_t i = 0; i < pic->runs.nr; i++) {
		const Stepdump__VerdictRun *v = pic->runs.runs[i];
		uint64_t end = run_end(v) < reach ? run_end(v) : reach, covered;

		if (v->verdict != STEPDUMP__VERDICT__HOLE || v->start >= end)
			continue;
		covered = parents_covered(direct->runs, direct->n_runs, v->start, end);
		needed = add_sat(needed, span_pages(v->start, end));
		found = add_sat(found, covered);
		strip_fill(&st, v->start / PAGE_BYTES, span_pages(v->start, end),
			   covered == span_pages(v->start, end) ? TONE_OK : TONE_BAD,
			   covered == span_pages(v->start, end) ? U'^' : U'?');
	}
	snprintf(text, sizeof(text), "%lu of %lu found in parent%s", found, needed,
		 reach == UINT64_MAX ? "" : ", as far as listed");
	parents_row(p, "needed", &st, TONE_ABSENT, U'.', text);
}

void paint_parents(struct paint *p, const struct parents_picture *pic)
{
	unsigned room = pic->rows > 14 ? pic->rows - 14 + 2 : 2;

	parents_task(p, pic);
	if (pic->rows >= 10)
		parents_pipes(p, pic);
	parents_holes(p, pic);
	if (pic->rows >= 12)
		parents_pagemap(p, pic);
	parents_generations(
		p, pic, room > GENERATIONS_MAX && pic->rows != UINT_MAX ? GENERATIONS_MAX : room);
	if (p->s->n_parents)
		parents_needed(p, pic);
}
