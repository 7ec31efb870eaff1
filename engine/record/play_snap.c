/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a recording knows of single pages: the reason for each run, a line of its bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "engine/record/play_priv.h"
#include "engine/session/session_priv.h"
#include "proto/message.h"
#include "proto/verdict.h"

static uint64_t run_end_of(const Stepdump__VerdictRun *r)
{
	return add_sat(r->start, mul_sat(r->nr_pages, PAGE_BYTES));
}

static const Stepdump__VerdictRun *play_run_of(const Stepdump__Snapshot *s, uint64_t addr)
{
	size_t i = vec_first(s->n_runs, k, run_end_of(s->runs[k]) > addr);

	return i < s->n_runs && s->runs[i]->start <= addr ? s->runs[i] : NULL;
}

/* In the words of the live session (snap_why.c). */
static char *play_held_by(const Stepdump__Snapshot *s, uint64_t addr)
{
	for (size_t i = 0; s->page_pipe && i < s->page_pipe->n_ppbs; i++) {
		const Stepdump__Ppb *b = s->page_pipe->ppbs[i];
		uint64_t off = 0;

		for (size_t k = 0; k < b->n_iovs; off += b->iovs[k++]->nr_pages) {
			const Stepdump__Iov *v = b->iovs[k];

			if (addr < v->start || addr >= v->start + v->nr_pages * PAGE_BYTES)
				continue;
			off += (addr - v->start) / PAGE_BYTES;
			if (off < b->pages_sent)
				return NULL;
			return xasprintf("ppb %u, iov %zu, page %lu of the ppb, %s", b->index, k,
					 off,
					 b->state == STEPDUMP__PPB_STATE__DRAINED ? "in its pipe" :
										    "planned");
		}
	}
	return NULL;
}

/* "pages-1.img, byte 0x4000", moved on by some bytes; heap. */
static char *play_moved(const char *held, uint64_t bytes)
{
	const char *hex = held ? strstr(held, "byte 0x") : NULL;
	char *end;

	if (!hex)
		return held ? xstrdup(held) : NULL;

	uint64_t off = strtoull(hex + 5, &end, 16) + bytes;

	return xasprintf("%.*sbyte 0x%lx%s", (int)(hex - held), held, off, end);
}

static Stepdump__Why *why_copy(const Stepdump__Why *w)
{
	size_t len = stepdump__why__get_packed_size(w);
	AUTO_FREE uint8_t *buf = xcalloc(len + 1, 1);

	stepdump__why__pack(w, buf);
	return stepdump__why__unpack(NULL, len, buf);
}

/* The recording asked about the first page of each run; what it says of the others follows. */
static void play_derive(const Stepdump__Snapshot *s, uint64_t addr, Stepdump__Why *w)
{
	uint64_t first = w->vaddr;
	char *held = play_held_by(s, addr);

	if (!held)
		held = play_moved(w->held_by, addr - first);
	w->vaddr = addr;
	free(w->held_by);
	w->held_by = held;
	free(w->sentence);
	w->sentence = xasprintf("%lx: %s%s%s", addr, verdict_info(w->verdict)->why,
				held ? "; held by " : "", held ? held : "");
	if (addr == first)
		return;
	w->has_pagemap_raw = false; /* that of the first page */
	*vec_push(w->facts, w->n_facts) =
		xasprintf("recorded of %lx, the first page of its run", first);
}

/* A page that is not scanned yet: a later stop of the recording knows what becomes of it. */
static Stepdump__Why *play_foresee(const struct player *p, const Stepdump__VerdictRun *run,
				   uint64_t addr)
{
	const struct play_page *page = play_page_find(p->why, p->nr_whys, addr, SIZE_MAX);
	Stepdump__Why *w;

	while (page && page > p->why && page[-1].vaddr == page->vaddr && page[-1].stop > p->at)
		page--; /* as soon as it is known */
	if (!page || page->vaddr < run->start || page->why->verdict == VD(NOT_SCANNED))
		return NULL;
	w = why_copy(page->why);
	if (!w)
		return NULL;
	play_derive(p->now, addr, w);
	free(TAKE_PTR(w->held_by));
	free(w->sentence);
	w->sentence = xasprintf("%lx: will be %s", addr, verdict_info(w->verdict)->why);
	return w;
}

static void play_why(const struct player *p, uint64_t addr, Stepdump__Snapshot *snap)
{
	const Stepdump__Snapshot *s = p->now;
	const Stepdump__VerdictRun *run;
	const struct play_page *page;
	Stepdump__Why *w = NULL;

	addr &= ~(PAGE_BYTES - 1);
	run = play_run_of(s, addr);
	page = play_page_find(p->why, p->nr_whys, addr, p->at);
	if (page && page->vaddr == addr) {
		w = why_copy(page->why);
	} else if (page && run && page->vaddr >= run->start && run->verdict != VD(NOT_SCANNED)) {
		w = why_copy(page->why);
		if (w)
			play_derive(s, addr, w);
	} else if (run && run->verdict == VD(NOT_SCANNED)) {
		w = play_foresee(p, run, addr);
	}
	if (!w) {
		w = MSG_NEW(Stepdump__Why, why);
		w->vaddr = addr;
		w->verdict = run ? run->verdict : VD(ABSENT);
		w->sentence = run ? xasprintf("%lx: %s", addr, verdict_info(run->verdict)->why) :
				    xasprintf("%lx: nothing is mapped here", addr);
		if (run)
			w->rule = xstrdup(verdict_info(run->verdict)->rule);
	}
	*vec_push(snap->whys, snap->n_whys) = w;
}

static struct err *play_no_bytes(const struct player *p, uint64_t addr, const char *source)
{
	const Stepdump__VerdictRun *run = play_run_of(p->now, addr);

	if (!p->nr_peeks)
		return err_new(ERR_STATE, "the recording holds no bytes of memory");
	if (strcmp(source, "target"))
		return err_hint(
			err_new(ERR_STATE,
				"the recording holds bytes of the target only, not of the %s",
				source),
			"they are the same, unless a check says otherwise");

	struct err *e = err_new(ERR_STATE, "the recording holds no bytes of %lx", addr);

	return run ? err_hint(e, "it holds the first ones of each run of pages; try %lx",
			      run->start) :
		     e;
}

static struct err *play_peek(const struct player *p, const struct snap_request *req,
			     Stepdump__Snapshot *snap)
{
	const char *source = req->peek_source ? req->peek_source : "target";
	uint64_t addr = req->peek.vaddr;
	const struct play_page *page = play_page_find(p->peek, p->nr_peeks, addr, p->at);
	const Stepdump__Peek *k = page ? page->peek : NULL;

	if (!k || strcmp(source, "target") || addr - k->vaddr >= k->data.len)
		return err_vaddr(play_no_bytes(p, addr, source), addr);

	Stepdump__Peek *o = MSG_PUSH(snap, peeks, peek);
	size_t off = addr - k->vaddr, n = k->data.len - off;

	if (n > req->peek.len)
		n = req->peek.len;
	o->vaddr = addr;
	o->source = xstrdup(source);
	o->data.data = xmemdup(k->data.data + off, n);
	o->data.len = n;
	if (n < req->peek.len)
		o->error = xasprintf("the recording holds %zu bytes of each run", k->data.len);
	return NULL;
}

struct err *play_snap(struct session *s, const struct snap_request *req, Stepdump__Snapshot **ret)
{
	const struct player *p = s->player;
	Stepdump__Snapshot *snap = frame_select(p->now, req);
	struct err *e = NULL;

	for (size_t i = 0; req->parts & SNAP_WHY && i < req->nr_why; i++)
		play_why(p, req->why[i], snap);
	if (req->parts & SNAP_PEEK && req->peek.len)
		e = play_peek(p, req, snap);
	if (e) {
		stepdump__snapshot__free_unpacked(snap, NULL);
		return e;
	}
	*ret = snap;
	return NULL;
}
