/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/record/frames.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/vec.h"

#define EVENTS_KEPT 256
#define RUNS_KEPT (1u << 22)

/* ---- one frame more ----------------------------------------------------------------------------- */

#define DROP_MANY(m, field, name)                                                                  \
	do {                                                                                       \
		for (size_t i_ = 0; i_ < (m)->n_##field; i_++)                                     \
			stepdump__##name##__free_unpacked((m)->field[i_], NULL);                   \
		free((m)->field);                                                                  \
		(m)->field = NULL;                                                                 \
		(m)->n_##field = 0;                                                                \
	} while (0)

#define MOVE_ONE(into, from, field, name)                                                          \
	do {                                                                                       \
		if ((into)->field)                                                                 \
			stepdump__##name##__free_unpacked((into)->field, NULL);                    \
		(into)->field = TAKE_PTR((from)->field);                                           \
	} while (0)

#define MOVE_MANY(into, from, field, name)                                                         \
	do {                                                                                       \
		DROP_MANY(into, field, name);                                                      \
		(into)->field = TAKE_PTR((from)->field);                                           \
		(into)->n_##field = (from)->n_##field;                                             \
		(from)->n_##field = 0;                                                             \
	} while (0)

/* a[0..keep), then all of b, become a; what is behind `keep` must have been freed. */
static void append_pointers(void *a_array, size_t *a_nr, size_t keep, void *b_array, size_t *b_nr)
{
	void ***a = a_array, ***b = b_array;

	*a = xreallocarray(*a, keep + *b_nr + 1, sizeof(void *));
	if (*b_nr)
		memcpy(*a + keep, *b, *b_nr * sizeof(void *));
	*a_nr = keep + *b_nr;
	free(*b);
	*b = NULL;
	*b_nr = 0;
}

static void apply_events(Stepdump__Snapshot *into, Stepdump__Snapshot *from)
{
	uint64_t last = into->n_events ? into->events[into->n_events - 1]->seq : 0;
	size_t old = 0, drop;

	while (old < from->n_events && from->events[old]->seq <= last)
		stepdump__event__free_unpacked(from->events[old++], NULL);
	from->n_events -= old;
	if (old && from->n_events)
		memmove(from->events, from->events + old, from->n_events * sizeof(*from->events));
	append_pointers(&into->events, &into->n_events, into->n_events, &from->events,
			&from->n_events);
	if (into->n_events <= EVENTS_KEPT)
		return;
	drop = into->n_events - EVENTS_KEPT;
	for (size_t i = 0; i < drop; i++)
		stepdump__event__free_unpacked(into->events[i], NULL);
	memmove(into->events, into->events + drop, EVENTS_KEPT * sizeof(*into->events));
	into->n_events = EVENTS_KEPT;
}

/* A ppb that lists no iovs has those that it had; of the holes, the first `kept` stay. */
static void apply_page_pipe(Stepdump__Snapshot *into, Stepdump__Snapshot *from, size_t kept)
{
	Stepdump__PagePipe *a = into->page_pipe, *b = from->page_pipe;

	for (size_t i = 0; a && b && i < a->n_ppbs && i < b->n_ppbs; i++) {
		Stepdump__Ppb *old = a->ppbs[i], *new = b->ppbs[i];

		if (new->n_iovs || old->n_iovs != new->nr_segs)
			continue;
		new->iovs = TAKE_PTR(old->iovs);
		new->n_iovs = old->n_iovs;
		old->n_iovs = 0;
	}
	if (a && b && kept && kept <= a->n_holes) {
		for (size_t i = kept; i < a->n_holes; i++)
			stepdump__hole__free_unpacked(a->holes[i], NULL);
		append_pointers(&a->holes, &a->n_holes, kept, &b->holes, &b->n_holes);
		b->holes = TAKE_PTR(a->holes);
		b->n_holes = a->n_holes;
		a->n_holes = 0;
	}
	MOVE_ONE(into, from, page_pipe, page_pipe);
}

static uint64_t run_end(const Stepdump__VerdictRun *r)
{
	return add_sat(r->start, mul_sat(r->nr_pages, PAGE_BYTES));
}

/* Cuts a run to [start, end), which overlaps it. */
static void run_cut(Stepdump__VerdictRun *r, uint64_t start, uint64_t end)
{
	uint64_t from = r->start > start ? r->start : start;
	uint64_t to = run_end(r) < end ? run_end(r) : end;

	r->start = from;
	r->nr_pages = (to - from) / PAGE_BYTES;
}

static void push_run(Stepdump__VerdictRun **v, size_t *nr, Stepdump__VerdictRun *r)
{
	if (*nr < RUNS_KEPT)
		v[(*nr)++] = r;
	else
		stepdump__verdict_run__free_unpacked(r, NULL);
}

/* Those of [start, end) are replaced; one that reaches over an edge keeps what lies outside. */
static void apply_runs(Stepdump__Snapshot *into, Stepdump__Snapshot *from, uint64_t start,
		       uint64_t end)
{
	Stepdump__VerdictRun **all = xcalloc(into->n_runs + from->n_runs + 2, sizeof(*all));
	size_t nr = 0, i = 0;

	for (; i < into->n_runs && run_end(into->runs[i]) <= start; i++)
		push_run(all, &nr, into->runs[i]);
	if (i < into->n_runs && into->runs[i]->start < start) {
		Stepdump__VerdictRun *before = xmemdup(into->runs[i], sizeof(*before));

		run_cut(before, 0, start);
		push_run(all, &nr, before);
	}
	for (size_t k = 0; k < from->n_runs; k++)
		push_run(all, &nr, from->runs[k]);
	for (; i < into->n_runs; i++) {
		if (run_end(into->runs[i]) <= end) {
			stepdump__verdict_run__free_unpacked(into->runs[i], NULL);
			continue;
		}
		if (into->runs[i]->start < end)
			run_cut(into->runs[i], end, UINT64_MAX);
		push_run(all, &nr, into->runs[i]);
	}
	free(into->runs);
	into->runs = all;
	into->n_runs = nr;
	free(TAKE_PTR(from->runs));
	from->n_runs = 0;
}

/* Those that are listed take the place of those with their index. */
static void apply_vmas(Stepdump__Snapshot *into, Stepdump__Snapshot *from)
{
	for (size_t i = 0; i < from->n_vmas; i++) {
		uint32_t index = from->vmas[i]->index;
		size_t at = vec_first(into->n_vmas, k, into->vmas[k]->index >= index);

		if (at == into->n_vmas || into->vmas[at]->index != index)
			continue;
		stepdump__vma__free_unpacked(into->vmas[at], NULL);
		into->vmas[at] = from->vmas[i];
		from->vmas[i] = from->vmas[--from->n_vmas];
		i--;
	}
}

/* One that lists no regions has those that it had, as long as nothing was filled. */
static void apply_pmc(Stepdump__Snapshot *into, Stepdump__Snapshot *from)
{
	Stepdump__Pmc *old = into->pmc, *new = from->pmc;

	if (old && new && !new->n_regions && old->fills == new->fills && old->start == new->start &&
	    old->end == new->end) {
		new->regions = TAKE_PTR(old->regions);
		new->n_regions = old->n_regions;
		old->n_regions = 0;
	}
	MOVE_ONE(into, from, pmc, pmc);
}

static void apply_parts(Stepdump__Snapshot *into, Stepdump__Frame *f)
{
	Stepdump__Snapshot *s = f->snap;
	uint32_t parts = f->parts;

	if (parts & SNAP_TARGET)
		MOVE_ONE(into, s, target, target);
	if (parts & SNAP_TASKS)
		MOVE_MANY(into, s, tasks, task);
	if (parts & SNAP_THREADS)
		MOVE_MANY(into, s, threads, thread);
	if (parts & SNAP_VMAS && f->vmas_kept)
		apply_vmas(into, s);
	else if (parts & SNAP_VMAS)
		MOVE_MANY(into, s, vmas, vma);
	if (parts & SNAP_PMC)
		apply_pmc(into, s);
	if (parts & SNAP_PAGE_PIPE)
		apply_page_pipe(into, s, f->holes_kept);
	if (parts & SNAP_SHMEM)
		MOVE_MANY(into, s, shmem, shmem);
	if (parts & SNAP_XFER)
		MOVE_ONE(into, s, xfer, xfer);
	if (parts & SNAP_PARENTS)
		MOVE_MANY(into, s, parents, parent_generation);
	if (parts & SNAP_TRACKER)
		MOVE_ONE(into, s, tracker, tracker);
	if (parts & SNAP_COUNTERS)
		MOVE_ONE(into, s, counters, counters);
	if (parts & SNAP_CHECKS)
		MOVE_MANY(into, s, checks, check);
	if (parts & SNAP_EVENTS)
		apply_events(into, s);
	if (parts & SNAP_CAPS)
		MOVE_MANY(into, s, caps, cap);
	if (parts & SNAP_SETTINGS)
		MOVE_MANY(into, s, settings, setting);
	if (parts & SNAP_CURSOR)
		MOVE_ONE(into, s, cursor, cursor);
	if (parts & SNAP_ERROR)
		MOVE_ONE(into, s, error, error);
	if (parts & SNAP_WATCH)
		MOVE_ONE(into, s, watch, watch);
	if (parts & SNAP_RUNS && !f->has_runs_end)
		MOVE_MANY(into, s, runs, verdict_run);
	else if (parts & SNAP_RUNS && f->runs_start < f->runs_end)
		apply_runs(into, s, f->runs_start, f->runs_end);
}

void frame_apply(Stepdump__Snapshot *into, Stepdump__Frame *f)
{
	Stepdump__Snapshot *s = f->snap;

	if (s) {
		apply_parts(into, f);
		into->has_taken_us = s->has_taken_us;
		into->taken_us = s->taken_us;
		into->has_page_bytes = s->has_page_bytes;
		into->page_bytes = s->page_bytes;
		if (s->host) {
			free(into->host);
			into->host = TAKE_PTR(s->host);
		}
		if (s->kernel) {
			free(into->kernel);
			into->kernel = TAKE_PTR(s->kernel);
		}
	}
	stepdump__frame__free_unpacked(f, NULL);
}

/* ---- what a request asks for ----------------------------------------------------------------------- */

/*
 * A copy of a message is what it packs to, unpacked: so the selection below is made of pointers into
 * `all`, and of flat copies of those messages that lose a part.
 */
struct selection {
	Stepdump__Snapshot s;
	Stepdump__Vma *vma, **vmas;
	Stepdump__Pmc pmc;
	Stepdump__PagePipe page_pipe;
	Stepdump__Ppb *ppb, **ppbs;
	Stepdump__VerdictRun first, last, **runs;
	Stepdump__ParentGeneration *parent, **parents;
	Stepdump__PagemapEntry ***parent_runs;
};

static void select_vmas(struct selection *w, const Stepdump__Snapshot *all,
			const struct snap_request *req)
{
	w->vma = xcalloc(all->n_vmas + 1, sizeof(*w->vma));
	w->vmas = xcalloc(all->n_vmas + 1, sizeof(*w->vmas));
	w->s.vmas = w->vmas;
	for (size_t i = 0; i < all->n_vmas; i++) {
		const Stepdump__Vma *v = all->vmas[i];

		if (v->index < req->vma_first ||
		    (req->vma_nr && v->index - req->vma_first >= req->vma_nr))
			continue;
		w->vma[i] = *v;
		if (!(req->parts & SNAP_VMA_COUNTS))
			w->vma[i].n_counts = 0;
		w->vmas[w->s.n_vmas++] = &w->vma[i];
	}
}

static void select_iovs(Stepdump__Ppb *b, const struct snap_request *req)
{
	size_t first = req->iov_first < b->n_iovs ? req->iov_first : b->n_iovs;

	if (!(req->parts & SNAP_IOVS) || b->index < req->ppb_first ||
	    (req->ppb_nr && b->index - req->ppb_first >= req->ppb_nr)) {
		b->n_iovs = 0;
		return;
	}
	b->iovs += first;
	b->n_iovs -= first;
	if (req->iov_max && b->n_iovs > req->iov_max)
		b->n_iovs = req->iov_max;
}

static void select_page_pipe(struct selection *w, const Stepdump__Snapshot *all,
			     const struct snap_request *req)
{
	if (!all->page_pipe)
		return;
	w->page_pipe = *all->page_pipe;
	w->s.page_pipe = &w->page_pipe;
	w->ppb = xcalloc(w->page_pipe.n_ppbs + 1, sizeof(*w->ppb));
	w->ppbs = xcalloc(w->page_pipe.n_ppbs + 1, sizeof(*w->ppbs));
	for (size_t i = 0; i < w->page_pipe.n_ppbs; i++) {
		w->ppb[i] = *all->page_pipe->ppbs[i];
		w->ppbs[i] = &w->ppb[i];
		select_iovs(w->ppbs[i], req);
	}
	w->page_pipe.ppbs = w->ppbs;
	if (!(req->parts & SNAP_HOLES))
		w->page_pipe.n_holes = 0;
}

static void select_runs(struct selection *w, const Stepdump__Snapshot *all,
			const struct snap_request *req)
{
	uint64_t start = req->runs_start, end = req->runs_end ? req->runs_end : UINT64_MAX;
	size_t max = req->runs_max ? req->runs_max : all->n_runs;
	size_t from = vec_first(all->n_runs, i, run_end(all->runs[i]) > start);

	w->runs = xcalloc(all->n_runs + 1, sizeof(*w->runs));
	w->s.runs = w->runs;
	for (size_t i = from; i < all->n_runs && w->s.n_runs < max; i++) {
		Stepdump__VerdictRun *r = all->runs[i];

		if (r->start >= end)
			break;
		if (r->start < start || run_end(r) > end) {
			Stepdump__VerdictRun *edge = w->s.n_runs ? &w->last : &w->first;

			*edge = *r;
			run_cut(edge, start, end);
			r = edge;
		}
		w->runs[w->s.n_runs++] = r;
	}
}

static void select_parents(struct selection *w, const Stepdump__Snapshot *all,
			   const struct snap_request *req)
{
	size_t n = all->n_parents;

	w->parent = xcalloc(n + 1, sizeof(*w->parent));
	w->parents = xcalloc(n + 1, sizeof(*w->parents));
	w->parent_runs = xcalloc(n + 1, sizeof(*w->parent_runs));
	for (size_t g = 0; g < n; g++) {
		const Stepdump__ParentGeneration *in = all->parents[g];
		Stepdump__ParentGeneration *o = &w->parent[g];

		*o = *in;
		o->n_runs = 0;
		o->runs = w->parent_runs[g] = xcalloc(in->n_runs + 1, sizeof(*o->runs));
		for (size_t i = 0; i < in->n_runs && o->n_runs < SNAP_PARENT_RUNS_MAX; i++) {
			Stepdump__PagemapEntry *e = in->runs[i];
			uint64_t end = add_sat(e->vaddr, mul_sat(e->nr_pages, PAGE_BYTES));

			if (end > req->runs_start && (!req->runs_end || e->vaddr < req->runs_end))
				o->runs[o->n_runs++] = e;
		}
		w->parents[g] = o;
	}
	w->s.parents = w->parents;
	w->s.n_parents = n;
}

static void select_events(struct selection *w, const Stepdump__Snapshot *all, size_t max)
{
	size_t n = all->n_events;

	if (n > max)
		n = max;
	w->s.events = all->events + (all->n_events - n);
	w->s.n_events = n;
}

#define SELECT_MANY(field)                                                                         \
	do {                                                                                       \
		w->s.field = all->field;                                                           \
		w->s.n_##field = all->n_##field;                                                   \
	} while (0)

static void select_parts(struct selection *w, const Stepdump__Snapshot *all,
			 const struct snap_request *req)
{
	uint32_t parts = req->parts;

	if (parts & SNAP_TARGET)
		w->s.target = all->target;
	if (parts & SNAP_TASKS)
		SELECT_MANY(tasks);
	if (parts & SNAP_THREADS)
		SELECT_MANY(threads);
	if (parts & SNAP_VMAS)
		select_vmas(w, all, req);
	if (parts & SNAP_PMC && all->pmc) {
		w->pmc = *all->pmc;
		if (!(parts & SNAP_PMC_REGIONS))
			w->pmc.n_regions = 0;
		w->s.pmc = &w->pmc;
	}
	if (parts & (SNAP_PAGE_PIPE | SNAP_IOVS | SNAP_HOLES))
		select_page_pipe(w, all, req);
	if (parts & SNAP_RUNS)
		select_runs(w, all, req);
	if (parts & SNAP_SHMEM)
		SELECT_MANY(shmem);
	if (parts & SNAP_XFER)
		w->s.xfer = all->xfer;
	if (parts & SNAP_PARENTS)
		select_parents(w, all, req);
	if (parts & SNAP_TRACKER)
		w->s.tracker = all->tracker;
	if (parts & SNAP_COUNTERS)
		w->s.counters = all->counters;
	if (parts & SNAP_CHECKS)
		SELECT_MANY(checks);
	if (parts & SNAP_EVENTS)
		select_events(w, all, req->events_max ? req->events_max : 100);
	if (parts & SNAP_CAPS)
		SELECT_MANY(caps);
	if (parts & SNAP_SETTINGS)
		SELECT_MANY(settings);
	if (parts & SNAP_CURSOR)
		w->s.cursor = all->cursor;
	if (parts & SNAP_ERROR)
		w->s.error = all->error;
	w->s.watch = all->watch; /* as live: it tells a pane whose dump it paints */
}

static void selection_deinit(struct selection *w)
{
	for (size_t g = 0; g < w->s.n_parents; g++)
		free(w->parent_runs[g]);
	free(w->parent_runs);
	free(w->parents);
	free(w->parent);
	free(w->vmas);
	free(w->vma);
	free(w->ppbs);
	free(w->ppb);
	free(w->runs);
}

Stepdump__Snapshot *frame_select(const Stepdump__Snapshot *all, const struct snap_request *req)
{
	struct selection w = { .s = STEPDUMP__SNAPSHOT__INIT };

	select_parts(&w, all, req);
	w.s.has_version = all->has_version;
	w.s.version = all->version;
	w.s.has_taken_us = all->has_taken_us;
	w.s.taken_us = all->taken_us;
	w.s.has_page_bytes = all->has_page_bytes;
	w.s.page_bytes = all->page_bytes;
	w.s.host = all->host;
	w.s.kernel = all->kernel;

	size_t len = stepdump__snapshot__get_packed_size(&w.s);
	AUTO_FREE uint8_t *buf = xcalloc(len + 1, 1);

	stepdump__snapshot__pack(&w.s, buf);
	Stepdump__Snapshot *copy = stepdump__snapshot__unpack(NULL, len, buf);

	selection_deinit(&w);
	if (!copy)
		abort(); /* no memory for it: as the allocators of base/mem.h do */
	return copy;
}
