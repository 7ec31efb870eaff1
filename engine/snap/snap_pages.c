/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Single pages in a snapshot: runs of verdicts, and bytes (the reason for one: snap_why.c).
 *
 * Verdicts are not stored while the pipeline runs (a process may have a billion pages): the
 * target is frozen, so asking the kernel again gives the same answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/vec.h"
#include "engine/pages/page_walk.h"
#include "engine/snap/snap_priv.h"

#define PEEK_MAX (1u << 20)

/* ---- runs ------------------------------------------------------------------------------------------ */

static void push_run(struct session *s, const struct page_run *r, verdict_t verdict,
		     Stepdump__Snapshot *snap)
{
	const struct dump *d = &s->d;
	const struct task_dump *td = &d->task[session_task(s)];
	bool known = snap_is_scanned(d, session_task(s), r->start);

	Stepdump__VerdictRun *o = msg_push(&snap->runs, &snap->n_runs, sizeof(*o));

	stepdump__verdict_run__init(o);
	o->start = r->start;
	o->nr_pages = page_run_pages(r);
	o->verdict = known || verdict == VD(SHARED) ? verdict : VD(NOT_SCANNED);
	if (td->tracker)
		SET(o, dirty, tracker_page_dirty(td->tracker, r->vma, r->categories));
	SET(o, lazy, d->opts->lazy && verdict_is_data(verdict) && vma_can_be_lazy(r->vma));
	SET(o, present, (r->categories & PAGE_IS_PRESENT) != 0);
	if (r->categories)
		SET(o, pagemap, (uint32_t)r->categories);
}

/* What was done with the pages of a run need not be the same for all of them. */
static void push_runs_done(struct session *s, const struct pagemap_image *done, struct page_run r,
			   verdict_t judged, uint32_t max, Stepdump__Snapshot *snap)
{
	uint64_t end = r.end, at;
	verdict_t v = snap_done_verdict(done, judged, r.start, &end), next;

	for (at = end; at < r.end && snap->n_runs < max; at = end) {
		end = r.end;
		next = snap_done_verdict(done, judged, at, &end);
		if (next == v)
			continue;
		push_run(s, &(struct page_run){ r.vma, r.start, at, r.categories }, v, snap);
		r.start = at;
		v = next;
	}
	if (snap->n_runs < max)
		push_run(s, &r, v, snap);
}

static void push_runs(struct session *s, const struct page_run *r, uint32_t max,
		      Stepdump__Snapshot *snap)
{
	const struct dump *d = &s->d;
	const struct pagemap_image *done = snap_done(s);
	verdict_t judged = dump_verdict(&d->task[session_task(s)], r->vma, r->categories);
	struct page_run before = *r, after = *r;

	if (done) {
		push_runs_done(s, done, *r, judged, max, snap);
	} else if (snap_is_scanned(d, session_task(s), r->start) &&
		   !snap_is_scanned(d, session_task(s), r->end - PAGE_BYTES)) {
		before.end = after.start = d->scan.vaddr; /* the cursor cuts it */
		push_run(s, &before, judged, snap);
		push_run(s, &after, judged, snap);
	} else {
		push_run(s, r, judged, snap);
	}
}

#define BITS_SHIFT 55u
#define BITS_BATCH 512u
#define BITS_PAGES_MAX (1ul << 22) /* of all runs: 32 MiB of entries are read */

static void push_bits(Stepdump__Snapshot *snap, uint64_t addr, uint32_t bits)
{
	Stepdump__PagemapBits *last =
		snap->n_pagemap_bits ? snap->pagemap_bits[snap->n_pagemap_bits - 1] : NULL;

	if (!last || last->bits != bits || last->start + last->nr_pages * PAGE_BYTES != addr) {
		last = MSG_PUSH(snap, pagemap_bits, pagemap_bits);
		last->start = addr;
		last->bits = bits;
	}
	last->nr_pages++;
}

/* What the kernel says of each page of the run.  Categories are less: they do not tell who else maps it. */
static struct err *snap_bits(const struct target *t, const struct page_run *r, uint64_t *left,
			     Stepdump__Snapshot *snap)
{
	uint64_t raw[BITS_BATCH];

	if (!(r->categories & (PAGE_IS_PRESENT | PAGE_IS_SWAPPED)))
		return NULL;
	for (uint64_t at = r->start; at < r->end && *left;) {
		uint64_t n = (r->end - at) / PAGE_BYTES;

		n = n < BITS_BATCH ? n : BITS_BATCH;
		n = n < *left ? n : *left;
		TRY(pagemap_read(t->pagemap_fd, at, n, raw));
		for (uint64_t i = 0; i < n; i++, at += PAGE_BYTES)
			push_bits(snap, at, (uint32_t)(raw[i] >> BITS_SHIFT));
		*left -= n;
	}
	return NULL;
}

static struct err *snap_runs(struct session *s, const struct snap_request *req,
			     Stepdump__Snapshot *snap)
{
	const struct target *t = &s->t[session_task(s)];
	uint32_t max = req->runs_max ? req->runs_max : 65536;
	struct page_run run;
	struct pmc pmc; /* of its own: the pipeline's window must not move */
	uint64_t left = BITS_PAGES_MAX;
	struct err *e = NULL;

	TRY(pmc_init(&pmc, t->pagemap_fd, &s->caps, s->opts.pmc, s->opts.pmc_cache));
	pmc.extra = s->d.task[session_task(s)].pmc.extra;

	struct page_walk w = { .pmc = &pmc,
			       .vmas = &t->vmas,
			       .at = req->runs_start,
			       .end = req->runs_end ? req->runs_end : UINT64_MAX };

	while (snap->n_runs < max && !(e = page_walk_next(&w, &run)) && run.vma) {
		push_runs(s, &run, max, snap);
		if (req->raw_bits && (e = snap_bits(t, &run, &left, snap)))
			break;
	}
	pmc_deinit(&pmc);
	return e;
}

/* ---- peek ------------------------------------------------------------------------------------------------ */

/* One page out of a pipe without taking it: tee(2) copies references into a second pipe. */
static struct err *peek_pipe(struct session *s, uint64_t addr, uint8_t *page)
{
	const struct dump *d = &s->d;
	const struct page_pipe *pp = snap_pages_in_pipes(s);
	unsigned ppb, iov;
	uint64_t off;
	int p[2];

	if ((pp == &d->pp && d->at.item != session_task(s)) ||
	    !page_pipe_find(pp, addr, &ppb, &iov, &off) || pp->ppb[ppb].state != PPB_DRAINED ||
	    iov < pp->ppb[ppb].moved_iov)
		return err_hint(err_new(ERR_STATE, "%lx is in no pipe now", addr),
				"`why %lx` says where it is", addr);

	const struct page_pipe_buf *b = &pp->ppb[ppb];
	uint64_t skip = off - ppb_pages(b, 0, b->moved_iov);
	struct err *e = NULL;

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK))
		return err_sys(errno, "make a pipe to look into ppb %u", ppb);
	if (fcntl(p[1], F_SETPIPE_SZ, (int)(b->pipe_size * PAGE_BYTES)) < 0)
		e = err_sys(errno, "make a pipe of %u pages to look into ppb %u", b->pipe_size,
			    ppb);
	if (!e && tee(b->p[0], p[1], (skip + 1) * PAGE_BYTES, SPLICE_F_NONBLOCK) <
			  (ssize_t)((skip + 1) * PAGE_BYTES))
		e = err_sys(errno, "tee from ppb %u", ppb);
	for (uint64_t i = 0; !e && i <= skip; i++)
		if (read(p[0], page, PAGE_BYTES) != (ssize_t)PAGE_BYTES)
			e = err_sys(errno, "read what tee copied from ppb %u", ppb);
	close(p[0]);
	close(p[1]);
	return e;
}

static struct err *peek_image(struct session *s, uint64_t addr, uint8_t *page)
{
	char name[32];
	uint32_t id;
	uint64_t off;

	if (!snap_find_in_image(s, addr, &id, &off))
		return err_hint(err_new(ERR_STATE, "%lx is in no image yet", addr),
				"`why %lx` says where it is", addr);
	int dir = s->d.staging ? staging_dirfd(s->d.staging) :
				 open(s->d.committed, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	snprintf(name, sizeof(name), "pages-%u.img", id);
	int fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pread(fd, page, PAGE_BYTES, (off_t)off);
	int why = errno;

	if (fd >= 0)
		close(fd);
	if (!s->d.staging)
		close(dir);
	return n == (ssize_t)PAGE_BYTES ? NULL : err_sys(n < 0 ? why : EIO, "read %s", name);
}

static struct err *peek_parent(struct session *s, uint64_t addr, uint8_t *page)
{
	const struct page_read *pr = s->d.task[session_task(s)].parent;

	if (!pr)
		return err_hint(err_new(ERR_STATE, "there is no parent to look into"),
				"`set parent DIR`, then `step` through prepare");
	return page_read_page(pr, addr, page);
}

static struct err *peek_page(struct session *s, const char *source, uint64_t addr, uint8_t *page)
{
	size_t got;

	if (!strcmp(source, "pipe"))
		return peek_pipe(s, addr, page);
	if (!strcmp(source, "image"))
		return peek_image(s, addr, page);
	if (!strcmp(source, "parent"))
		return peek_parent(s, addr, page);
	if (vma_list_find(&s->t[session_task(s)].vmas, addr) < 0)
		return err_hint(err_new(ERR_STATE, "nothing is mapped at %lx", addr),
				"`show vmas` lists the mappings");
	TRY(target_read(&s->t[session_task(s)], addr, page, PAGE_BYTES, &got));
	return got == PAGE_BYTES ? NULL : err_sys(EIO, "read the target's memory at %lx", addr);
}

/* Reads pages up to the first that cannot be read; the answer says why. */
static struct err *snap_peek(struct session *s, const struct snap_request *req,
			     Stepdump__Snapshot *snap)
{
	const char *source = req->peek_source ? req->peek_source : "target";
	uint32_t len = req->peek.len < PEEK_MAX ? req->peek.len : PEEK_MAX, got = 0;
	uint8_t page[PAGE_BYTES_MAX];
	Stepdump__Peek *o = msg_push(&snap->peeks, &snap->n_peeks, sizeof(*o));

	stepdump__peek__init(o);
	o->vaddr = req->peek.vaddr;
	o->source = xstrdup(source);
	o->data.data = xzalloc(len);
	while (got < len) {
		uint64_t at = req->peek.vaddr + got, base = at & ~(PAGE_BYTES - 1);
		uint32_t n = (uint32_t)(base + PAGE_BYTES - at);
		struct err *e = peek_page(s, source, base, page);

		if (e && !got)
			return err_vaddr(e, at);
		if (e) {
			o->error = err_text(e);
			err_free(e);
			break;
		}
		if (n > len - got)
			n = len - got;
		memcpy(o->data.data + got, page + (at - base), n);
		got += n;
	}
	o->data.len = got;
	return NULL;
}

struct err *snap_pages(struct session *s, const struct snap_request *req, Stepdump__Snapshot *snap)
{
	if (req->parts & SNAP_RUNS)
		TRY(snap_runs(s, req, snap));
	for (size_t i = 0; req->parts & SNAP_WHY && i < req->nr_why; i++)
		TRY(snap_why(s, req->why[i], snap));
	if (req->parts & SNAP_PEEK && req->peek.len)
		TRY(snap_peek(s, req, snap));
	return NULL;
}
