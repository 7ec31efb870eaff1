/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Takes what a view needs as snapshots: windows of VMAs, ranges of pages, some bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "base/mem.h"
#include "shell/view.h"

#define RUNS_MAX 16384 /* of one range */

/* Moves the elements of src behind those of dst. */
static void look_append(void *dst_array, size_t *dst_nr, void *src_array, size_t *src_nr)
{
	void ***d = dst_array, ***s = src_array;

	if (!*src_nr)
		return;

	void **all = xreallocarray(*d, *dst_nr + *src_nr, sizeof(void *));
	memcpy(all + *dst_nr, *s, *src_nr * sizeof(void *));
	*d = all;
	*dst_nr += *src_nr;
	*src_nr = 0;
	free(*s);
	*s = NULL;
}

static int look_vma_order(const void *a, const void *b)
{
	const Stepdump__Vma *x = *(Stepdump__Vma *const *)a, *y = *(Stepdump__Vma *const *)b;

	return x->index < y->index ? -1 : x->index > y->index;
}

static void look_merge(Stepdump__Snapshot *into, Stepdump__Snapshot *from)
{
	look_append(&into->vmas, &into->n_vmas, &from->vmas, &from->n_vmas);
	look_append(&into->runs, &into->n_runs, &from->runs, &from->n_runs);
	look_append(&into->peeks, &into->n_peeks, &from->peeks, &from->n_peeks);
	look_append(&into->parents, &into->n_parents, &from->parents, &from->n_parents);
	stepdump__snapshot__free_unpacked(from, NULL);
}

static struct err *look_take_more(struct session *s, const struct snap_request *req,
				  Stepdump__Snapshot *into)
{
	Stepdump__Snapshot *more;

	TRY(snap_take(s, req, &more));
	look_merge(into, more);
	return NULL;
}

/* The VMAs may have been asked for twice: by the rows and by the iovs. */
static void look_sort_vmas(Stepdump__Snapshot *s)
{
	size_t nr = 0;

	vec_sort(s->vmas, s->n_vmas, look_vma_order);
	for (size_t i = 0; i < s->n_vmas; i++) {
		if (nr && s->vmas[nr - 1]->index == s->vmas[i]->index)
			stepdump__vma__free_unpacked(s->vmas[i], NULL);
		else
			s->vmas[nr++] = s->vmas[i];
	}
	s->n_vmas = nr;
}

static struct err *look_take_vmas(struct session *s, const struct view_want *w, uint32_t needs,
				  Stepdump__Snapshot *into)
{
	struct snap_request req = { .parts = SNAP_VMAS | (needs & SNAP_VMA_COUNTS) };

	for (unsigned i = 0; i < w->nr_vmas; i++) {
		req.vma_first = w->vmas[i].first;
		req.vma_nr = w->vmas[i].nr;
		TRY(look_take_more(s, &req, into));
	}
	if (into->n_vmas)
		look_sort_vmas(into);
	return NULL;
}

static int look_range_order(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Takes neighbours in one go; overlaps are asked for once. */
static struct err *look_take_runs(struct session *s, struct view_want *w, Stepdump__Snapshot *into)
{
	struct snap_request req = { .parts = w->needs & SNAP_PARENTS, .runs_max = RUNS_MAX };

	if (!w->nr_runs && req.parts)
		return look_take_more(s, &req, into);
	req.parts |= SNAP_RUNS;
	vec_sort(w->runs, w->nr_runs, look_range_order);
	for (unsigned i = 0, next; i < w->nr_runs; i = next) {
		uint64_t end = w->runs[i].end;

		for (next = i + 1; next < w->nr_runs && w->runs[next].start <= end; next++)
			end = w->runs[next].end > end ? w->runs[next].end : end;
		req.runs_start = w->runs[i].start;
		req.runs_end = end;
		TRY(look_take_more(s, &req, into));
		req.parts = SNAP_RUNS;
	}
	return NULL;
}

/* If the bytes cannot be read, the reason is shown in their place. */
static void look_take_peek(struct session *s, const struct view_want *w, Stepdump__Snapshot *into)
{
	struct snap_request req = { .parts = SNAP_PEEK };

	if (w->peek == UINT64_MAX || !w->peek_len)
		return;
	req.peek.vaddr = w->peek;
	req.peek.len = w->peek_len;
	req.peek_source = w->peek_source;

	struct err *e = look_take_more(s, &req, into);

	if (!e)
		return;

	Stepdump__Peek **all = xreallocarray(into->peeks, into->n_peeks + 1, sizeof(*all));
	Stepdump__Peek *k = xcalloc(1, sizeof(*k));
	stepdump__peek__init(k);
	k->vaddr = w->peek;
	k->source = xstrdup(w->peek_source);
	k->error = xstrdup(e->msg ? e->msg : "");
	err_free(e);
	into->peeks = all;
	into->peeks[into->n_peeks++] = k;
}

static struct err *look_take(struct view_session *v, const struct view_want *first,
			     Stepdump__Snapshot **ret)
{
	struct session *s = v->sh->session;
	struct snap_request req = { .parts = first->needs & ~(SNAP_VMAS | SNAP_RUNS) };
	Stepdump__Snapshot *snap;
	struct view_want more;

	req.events_max = first->events_max;
	req.ppb_first = first->iovs_of_ppb;
	req.ppb_nr = 1;
	req.iov_first = first->iov_first;
	req.iov_max = first->iov_max;
	TRY(snap_take(s, &req, &snap));

	struct err *e = look_take_vmas(s, first, first->needs, snap);

	ui_want(&v->ui, snap, &more);
	if (!e)
		e = look_take_vmas(s, &more, first->needs, snap);
	if (!e)
		e = look_take_runs(s, &more, snap);
	if (e) {
		stepdump__snapshot__free_unpacked(snap, NULL);
		return e;
	}
	look_take_peek(s, first, snap);
	look_take_peek(s, &more, snap);
	*ret = snap;
	return NULL;
}

void view_free_snapshots(struct view_session *v)
{
	if (v->now && !v->opened)
		stepdump__snapshot__free_unpacked(v->now, NULL);
	if (v->before)
		stepdump__snapshot__free_unpacked(v->before, NULL);
	v->now = v->before = NULL;
}

struct err *view_look(struct view_session *v)
{
	struct view_want w, again;

	v->ui.saved = v->sh->opened != NULL;
	if (v->sh->opened) {
		view_free_snapshots(v);
		v->opened = true;
		v->now = v->sh->opened;
		ui_settle(&v->ui, v->now);
		return NULL;
	}
	/* Settling may move the window, once: to where there is something. */
	for (int tries = 0; tries < 2; tries++) {
		Stepdump__Snapshot *snap;

		ui_want(&v->ui, NULL, &w);
		TRY(look_take(v, &w, &snap));
		if (v->now && !v->opened)
			stepdump__snapshot__free_unpacked(v->now, NULL);
		v->opened = false;
		v->now = snap;
		ui_settle(&v->ui, snap);
		ui_want(&v->ui, NULL, &again);
		if (!memcmp(&w, &again, sizeof(w)))
			break;
	}
	return NULL;
}
