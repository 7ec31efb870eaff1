/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pages of a set in a snapshot: mappings, runs of one verdict, holes, parents. */
#include <stdlib.h>

#include "base/vec.h"
#include "engine/snap/set_view_priv.h"

#define RUNS_MAX 65536

struct run_walk {
	struct set_view *v;
	const struct snap_request *req;
	Stepdump__Snapshot *snap;
	const struct vma *vma;
	struct verdict_counts *counts; /* of the VMA */
};

static void walk_emit(struct run_walk *w, uint64_t start, uint64_t end, verdict_t verdict,
		      bool lazy)
{
	const struct snap_request *req = w->req;

	if (start >= end)
		return;
	w->counts->pages[verdict] += (end - start) / PAGE_BYTES;
	if (!(req->parts & SNAP_RUNS) || end <= req->runs_start ||
	    (req->runs_end && start >= req->runs_end) ||
	    w->snap->n_runs >= (req->runs_max ? req->runs_max : RUNS_MAX))
		return;

	Stepdump__VerdictRun *o = MSG_PUSH(w->snap, runs, verdict_run);

	o->start = start;
	o->nr_pages = (end - start) / PAGE_BYTES;
	o->verdict = verdict;
	SET(o, lazy, lazy);
	SET(o, present, verdict_is_data(verdict));
}

/* No entry of a pagemap: what is it then?  Guard marks lie inside of mappings. */
static void walk_gap(struct run_walk *w, uint64_t start, uint64_t end)
{
	const struct vma_list *guards = &w->v->m->guards;
	verdict_t verdict = vma_never_dumped(w->vma)          ? VD(NEVER) :
			    w->vma->vmf & VMF_SHARED          ? VD(SHARED) :
			    w->vma->status & VMA_FILE_PRIVATE ? VD(FILE_CLEAN) :
								VD(ABSENT);

	for (size_t i = 0; i < guards->nr && start < end; i++) {
		const struct vma *g = &guards->v[i];

		if (g->end <= start || g->start >= end)
			continue;
		uint64_t from = g->start > start ? g->start : start;
		uint64_t to = g->end < end ? g->end : end;

		walk_emit(w, start, from, verdict, false);
		walk_emit(w, from, to, VD(GUARD), false);
		start = to;
	}
	walk_emit(w, start, end, verdict, false);
}

static void walk_vma(struct run_walk *w)
{
	const struct page_read *pr = w->v->m->pr;
	const struct pagemap_image *pi = pr ? page_read_image(pr, 0) : NULL;
	uint64_t at = w->vma->start, end = w->vma->end;
	size_t i = pi ? vec_first(pi->nr, k, pagemap_entry_end(&pi->e[k]) > at) : 0;

	for (; pi && i < pi->nr && pi->e[i].vaddr < end; i++) {
		const struct pagemap_entry *e = &pi->e[i];
		uint64_t from = e->vaddr > at ? e->vaddr : at;
		uint64_t to = pagemap_entry_end(e) < end ? pagemap_entry_end(e) : end;

		walk_gap(w, at, from);
		walk_emit(w, from, to,
			  e->flags & PE_PARENT      ? VD(HOLE) :
			  vma_always_dumped(w->vma) ? VD(ALWAYS) :
						      VD(DUMP),
			  e->flags & PE_LAZY);
		at = to;
	}
	walk_gap(w, at, end);
}

void set_view_pages(struct set_view *v, const struct snap_request *req, Stepdump__Snapshot *snap)
{
	const struct vma_list *l = &v->m->vmas;

	for (size_t i = 0; i < l->nr; i++) {
		struct verdict_counts counts = { 0 };
		struct run_walk w = { v, req, snap, &l->v[i], &counts };
		Stepdump__Vma *o = NULL;

		if (req->parts & SNAP_VMAS) {
			o = snap_vma_text(&l->v[i], i, snap);
			o->has_rss_bytes = o->has_swap_bytes = false; /* no image tells */
		}
		if (req->parts & (SNAP_VMA_COUNTS | SNAP_RUNS))
			walk_vma(&w);
		if (o && req->parts & SNAP_VMA_COUNTS)
			snap_counts(&counts, &o->counts, &o->n_counts);
	}
}

/* ---- holes, parents ------------------------------------------------------------------------------- */

#define HOLES_MAX 65536

void set_view_holes(struct set_view *v, Stepdump__Snapshot *snap)
{
	const struct pagemap_image *pi = v->m->pr ? page_read_image(v->m->pr, 0) : NULL;
	Stepdump__PagePipe *o = MSG_NEW(Stepdump__PagePipe, page_pipe);
	uint32_t nr = 0;

	snap->page_pipe = o;
	for (size_t i = 0; pi && i < pi->nr; i++) {
		if (!(pi->e[i].flags & PE_PARENT))
			continue;
		if (nr++ < HOLES_MAX) {
			Stepdump__Hole *h = MSG_PUSH(o, holes, hole);

			h->start = pi->e[i].vaddr;
			h->nr_pages = pi->e[i].nr_pages;
			h->flags = xstrdup("PARENT");
		}
	}
	SET(o, nr_holes, nr);
}

/* The set itself is generation 0 of its own chain; what is behind are its parents. */
void set_view_parents(struct set_view *v, const struct snap_request *req, Stepdump__Snapshot *snap)
{
	for (size_t g = 1; v->m->pr && g < page_read_generations(v->m->pr); g++)
		snap_generation(v->m->pr, g, req, snap);
}
