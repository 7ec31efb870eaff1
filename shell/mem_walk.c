/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/mem_walk.h"

#include <stdlib.h>
#include <string.h>

#include "proto/verdict.h"
#include "shell/cmd.h"
#include "shell/signals.h"

static void walk_gap(struct mem_walk *w)
{
	if (w->gap)
		w->gap(w->arg);
}

/* What cannot be read is skipped, and counted. */
static struct err *walk_range(struct mem_walk *w, uint64_t start, uint64_t end)
{
	while (start < end && !w->stop) {
		struct snap_request req = { .parts = SNAP_PEEK };
		uint64_t len = end - start < WALK_BLOCK ? end - start : WALK_BLOCK, got = 0;
		Stepdump__Snapshot *s;

		if (signals_quit() || signals_take_int())
			return err_new(ERR_INTERRUPTED, "stopped at %lx", start);
		req.peek.vaddr = start;
		req.peek.len = (uint32_t)len;

		struct err *e = shell_snap(w->sh, &req, &s);

		if (!e) {
			const Stepdump__Peek *p = s->n_peeks ? s->peeks[0] : NULL;

			got = p ? p->data.len : 0;
			if (got)
				w->block(w->arg, start, p->data.data, got);
			shell_snap_free(w->sh, s);
		}
		err_free(e);
		start += got;
		if (got < len) { /* behind the page that is not to be had */
			uint64_t next = (start | 4095) + 1;

			next = next < end ? next : end;
			w->unreadable += next - start;
			walk_gap(w);
			start = next;
		}
	}
	return NULL;
}

#define PAGEMAP_FILE 4u

bool mem_walk_is_file(const Stepdump__Vma *v, const Stepdump__VerdictRun *r)
{
	return r->verdict == VD(FILE_CLEAN) ||
	       (r->verdict == VD(NOT_SCANNED) && r->pagemap & PAGEMAP_FILE && v->prot[3] != 's');
}

static bool walk_wants_run(const struct mem_walk *w, const Stepdump__VerdictRun *r)
{
	if (mem_walk_is_file(w->vma, r) && !w->files)
		return false;
	/* To read a page of a live task that is not there would make it: nothing is touched. */
	if (!w->sh->set && (r->verdict == VD(SHARED) || r->verdict == VD(NOT_SCANNED)))
		return r->present;
	return verdict_is_data(r->verdict) || r->verdict == VD(HOLE) || r->verdict == VD(SHARED) ||
	       mem_walk_is_file(w->vma, r);
}

static struct err *walk_vma(struct mem_walk *w, const Stepdump__Vma *v)
{
	uint64_t at = v->start > w->start ? v->start : w->start;
	uint64_t end = v->end < w->end ? v->end : w->end;

	w->vma = v;
	while (at < end && !w->stop) {
		struct snap_request req = { .parts = SNAP_RUNS,
					    .runs_start = at & ~4095ull,
					    .runs_end = (end + 4095) & ~4095ull };
		Stepdump__Snapshot *s;
		uint64_t next = end;
		struct err *e = NULL;

		TRY(shell_snap(w->sh, &req, &s));
		for (size_t i = 0; i < s->n_runs && !e; i++) {
			const Stepdump__VerdictRun *r = s->runs[i];
			uint64_t to = r->start + r->nr_pages * 4096;

			if (i + 1 == s->n_runs && s->n_runs >= 65536)
				next = to > at ? to : end; /* there are more */
			if (to <= at || r->start >= end || !walk_wants_run(w, r))
				continue;

			uint64_t from = r->start > at ? r->start : at, until = to < end ? to : end;

			if (w->run)
				w->run(w->arg, r, (until - from) / 4096);
			if (w->block)
				e = walk_range(w, from, until);
		}
		shell_snap_free(w->sh, s);
		TRY(e);
		at = next;
	}
	return NULL;
}

static bool walk_wants_vma(const struct mem_walk *w, const Stepdump__Vma *v)
{
	bool named = v->name && *v->name == '/';

	if (v->end <= w->start || v->start >= w->end ||
	    (w->vma_index >= 0 && v->index != (uint64_t)w->vma_index))
		return false;
	for (const char *p = w->prot; p && *p; p++)
		if (*p != '-' && !strchr(v->prot, *p))
			return false;
	if (!w->kind)
		return true;
	if (!strcmp(w->kind, "heap") || !strcmp(w->kind, "stack"))
		return strstr(v->kind, w->kind) || (v->name && strstr(v->name, w->kind));
	if (!strcmp(w->kind, "shared"))
		return v->has_shared ? v->shared : v->prot[3] == 's';
	return !strcmp(w->kind, "file") ? named : !named;
}

struct err *mem_walk(struct mem_walk *w)
{
	struct snap_request req = { .parts = SNAP_VMAS };
	Stepdump__Snapshot *s;
	struct err *e = NULL;

	TRY(shell_snap(w->sh, &req, &s));
	for (size_t i = 0; i < s->n_vmas && !e && !w->stop; i++)
		if (walk_wants_vma(w, s->vmas[i]))
			e = walk_vma(w, s->vmas[i]);
	if (!e)
		walk_gap(w);
	shell_snap_free(w->sh, s);
	return e;
}
