/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * xfer: writes pagemap entries in address order, iovs with their pages and holes without.
 * Mirrors: criu/page-xfer.c page_xfer_dump_pages(), dump_holes().
 * Differs in: in bulk, one splice moves a whole pipe instead of one iov, unless it goes to a server.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/vec.h"
#include "base/fault.h"
#include "engine/dump/flow.h"
#include "engine/dump/phases.h"
#include "engine/image/pagemap_image.h"

#define READ_BUF_PAGES 256u
#define MAX_HOLES 4096u /* in one step */

static uint32_t xfer_data_flags(const struct page_pipe_buf *ppb)
{
	return PE_PRESENT | (ppb->flags & PPB_LAZY ? PE_LAZY : 0);
}

/* The first ppb that is not completely transferred; NULL: there is none. */
static struct page_pipe_buf *xfer_current(struct dump *d)
{
	while (d->at.xfer < d->pp.nr_ppbs && d->pp.ppb[d->at.xfer].state == PPB_SENT)
		d->at.xfer++;
	return d->at.xfer < d->pp.nr_ppbs ? &d->pp.ppb[d->at.xfer] : NULL;
}

/* Does the next hole come before the next iov? */
static bool xfer_hole_first(const struct dump *d, const struct page_pipe_buf *ppb)
{
	return d->at.hole < d->pp.nr_holes &&
	       (!ppb || d->pp.hole[d->at.hole].start < (uint64_t)ppb->iov[ppb->next_iov].iov_base);
}

static void xfer_next(struct dump *d, struct unit *u)
{
	const struct page_pipe_buf *ppb = xfer_current(d);

	if (xfer_hole_first(d, ppb)) {
		u->start = d->pp.hole[d->at.hole].start;
		u->end = u->start + d->pp.hole[d->at.hole].nr_pages * PAGE_BYTES;
		u->pe_flags = PE_PARENT;
	} else if (ppb) {
		u->ppb = (int)d->at.xfer;
		u->start = (uint64_t)ppb->iov[ppb->next_iov].iov_base;
		u->end = u->start + ppb->iov[ppb->next_iov].iov_len;
		u->pe_flags = xfer_data_flags(ppb);
	}
}

/* Memory in a hole that the parent does not cover would be lost.  Mirrors
 * check_pagehole_in_parent(). */
static struct err *xfer_check_hole(struct dump *d, const struct page_pipe_hole *h)
{
	const struct page_read *pr = dump_parent(d);
	const struct pagemap_entry *before, *after;
	char text[2][64] = { "none before", "none after" };
	uint64_t missing;

	if (page_read_covers(pr, h->start, h->nr_pages, &missing)) {
		d->count.holes_checked++;
		return NULL;
	}
	page_read_neighbours(pr, missing, &before, &after);
	if (before)
		snprintf(text[0], sizeof(text[0]), "%lx-%lx before", before->vaddr,
			 pagemap_entry_end(before));
	if (after)
		snprintf(text[1], sizeof(text[1]), "%lx-%lx after", after->vaddr,
			 pagemap_entry_end(after));
	return err_vaddr(
		err_hint(err_cause_only(
				 err_new(ERR_CHECK,
					 "the page at %lx is unchanged, but parent %s does not "
					 "have it (its entries: %s, %s)",
					 missing, page_read_dir(pr, 0), text[0], text[1]),
				 "hole-not-in-parent"),
			 "`restart`, then `set hole-missing dump` dumps such pages, or "
			 "`set parent \"\"` makes a full dump"),
		missing);
}

static struct err *xfer_hole(struct dump *d)
{
	const struct page_pipe_hole *h = &d->pp.hole[d->at.hole];

	TRY(xfer_check_hole(d, h));
	TRY(page_xfer_entry(&d->xfer, h->start, h->nr_pages, PE_PARENT));
	if (page_xfer_client(&d->xfer) && !dump_shmem(d))
		*vec_push(dump_task(d)->holes_there, dump_task(d)->nr_holes_there) = h->start;
	d->at.hole++;
	return NULL;
}

static struct err *xfer_iov(struct dump *d, struct page_pipe_buf *ppb)
{
	const struct iovec *v = &ppb->iov[ppb->next_iov];

	TRY(page_xfer_entry(&d->xfer, (uint64_t)v->iov_base, v->iov_len / PAGE_BYTES,
			    xfer_data_flags(ppb)));
	if (++ppb->next_iov == ppb->nr_segs)
		ppb->state = PPB_SENT;
	return NULL;
}

/* Pages of iovs [moved_iov, to) leave the pipe. */
static struct err *xfer_move_pages(struct dump *d, struct page_pipe_buf *ppb, unsigned to)
{
	TRY(page_xfer_pages(&d->xfer, ppb->p[0], ppb_pages(ppb, ppb->moved_iov, to)));
	ppb->moved_iov = to;
	return NULL;
}

/* With a page server: the entry goes first, and its own pages behind it.  If they cannot be sent, the
 * conversation is over, and neither is tried again. */
static struct err *xfer_iov_with_pages(struct dump *d, struct page_pipe_buf *ppb)
{
	const struct iovec *v = &ppb->iov[ppb->next_iov];

	TRY(page_xfer_entry(&d->xfer, (uint64_t)v->iov_base, v->iov_len / PAGE_BYTES,
			    xfer_data_flags(ppb)));
	TRY(xfer_move_pages(d, ppb, ppb->next_iov + 1));
	if (++ppb->next_iov == ppb->nr_segs)
		ppb->state = PPB_SENT;
	return NULL;
}

/* One read of an iov, with its entry. */
static struct err *xfer_read_pages(struct dump *d, const struct page_pipe_buf *ppb, uint64_t at,
				   const void *buf, uint64_t pages)
{
	if (d->xfer.ops->entry_first) {
		TRY(page_xfer_entry(&d->xfer, at, pages, xfer_data_flags(ppb)));
		return page_xfer_memory(&d->xfer, buf, pages);
	}
	TRY(page_xfer_memory(&d->xfer, buf, pages));
	return page_xfer_entry(&d->xfer, at, pages, xfer_data_flags(ppb));
}

/*
 * Pre-dump by reading: the task runs, so a page may be gone, or have changed.  Pages that are gone
 * are left out; pages that changed are dirty, and are taken again by the next dump.  Mirrors
 * criu/page-xfer.c page_xfer_predump_pages().
 */
static struct err *xfer_read_iov(struct dump *d, struct page_pipe_buf *ppb)
{
	static char buf[READ_BUF_PAGES * PAGE_BYTES_MAX];
	const struct iovec *v = &ppb->iov[ppb->next_iov];
	const struct target *t = dump_task(d)->t;
	uint64_t end = (uint64_t)v->iov_base + v->iov_len, at;

	while ((at = (uint64_t)v->iov_base + ppb->read_pages * PAGE_BYTES) < end) {
		size_t want = end - at < sizeof(buf) ? end - at : sizeof(buf);
		struct iovec local = { buf, want }, remote = { (void *)at, want };
		ssize_t n = FAULT(XFER_READV, process_vm_readv(t->pid, &local, 1, &remote, 1, 0));
		uint64_t pages = n > 0 ? (uint64_t)n / PAGE_BYTES : 0;

		/* Some tasks of a tree may end: their pages are gone too. */
		if (n < 0 && errno != EFAULT && !(errno == ESRCH && d->nr_tasks > 1))
			return err_vaddr(
				err_hint(err_sys(errno, "read %d at %lx", t->pid, at),
					 "`set pre-dump splice` takes the pages while the target "
					 "is frozen"),
				at);
		if (!pages) {
			d->count.pages_vanished++;
			ppb->read_pages++;
			continue;
		}
		TRY(xfer_read_pages(d, ppb, at, buf, pages));
		ppb->read_pages += pages;
	}
	ppb->read_pages = 0;
	if (++ppb->next_iov == ppb->nr_segs)
		ppb->state = PPB_SENT;
	return NULL;
}

/* The whole chunk is transferred. */
static struct err *xfer_chunk_done(struct dump *d)
{
	page_pipe_reinit(&d->pp);
	d->at.xfer = d->at.hole = 0;
	if (d->thawed)
		return dump_next_item(d);
	if (dump_item_scanned(d)) {
		TRY(dump_next_item(d));
		if (d->phase != PH(GATE))
			d->at.chunk++;
		return NULL;
	}
	d->at.chunk++;
	d->phase = PH(GENERATE_IOVS);
	dump_tell(d, PH(XFER), "page_pipe_reinit: chunk %u begins at off %lx%s", d->at.chunk,
		  d->scan.vaddr, dump_shmem(d) ? "" : ", in the same VMA");
	return NULL;
}

static struct err *xfer_unit(struct dump *d, bool bulk)
{
	struct page_pipe_buf *ppb = xfer_current(d);

	if (xfer_hole_first(d, ppb)) {
		TRY(xfer_hole(d));
	} else if (ppb && d->pp.no_pipes) { /* one iov, as it comes */
		TRY(xfer_read_iov(d, ppb));
	} else if (ppb && d->xfer.ops->entry_first) {
		TRY(xfer_iov_with_pages(d, ppb));
	} else if (ppb) {
		if (ppb->moved_iov == ppb->next_iov)
			TRY(xfer_move_pages(d, ppb, bulk ? ppb->nr_segs : ppb->next_iov + 1));
		TRY(xfer_iov(d, ppb));
	}
	return NULL;
}

/* Two threads share the loads of the chunk; then come all the entries at once. */
static struct err *xfer_shared(struct dump *d)
{
	struct page_pipe_buf *ppb;

	TRY(flow_step(d));
	if (d->flow.on) {
		d->phase = PH(DRAIN);
		return NULL;
	}
	while ((ppb = xfer_current(d)) && ppb->moved_iov == ppb->nr_segs)
		TRY(xfer_unit(d, true));
	return NULL;
}

/* In bulk: a ppb with the holes before its iovs, in one splice; or the remaining holes. */
static struct err *xfer_step(struct dump *d, enum pace pace)
{
	struct page_pipe_buf *ppb = xfer_current(d);
	uint64_t t0 = now_us();
	struct err *e = NULL;

	if (pace == PACE_FLOW && ppb && flow_begin(d)) {
		e = xfer_shared(d);
		ppb = xfer_current(d);
		if (e || d->flow.on || ppb) {
			d->times.memwrite += now_us() - t0;
			return e;
		}
	}

	for (unsigned n = 0; !e && (n == 0 || pace != PACE_UNIT); n++) {
		if (ppb ? ppb->state == PPB_SENT : d->at.hole == d->pp.nr_holes || n == MAX_HOLES)
			break;
		e = xfer_unit(d, pace != PACE_UNIT);
	}
	if (pace != PACE_UNIT)
		flow_write_back(d);
	d->times.memwrite += now_us() - t0;
	TRY(e);
	ppb = xfer_current(d);
	if (ppb && ppb->state == PPB_PLANNED && !d->pp.no_pipes)
		d->phase = PH(DRAIN); /* in a flow, or when one has failed half way */
	if (!ppb && d->at.hole == d->pp.nr_holes)
		return xfer_chunk_done(d);
	return NULL;
}

static void xfer_summary(const struct dump *d, const struct unit *u, char *buf, size_t len)
{
	if (u->start != u->end && d->phase == PH(XFER))
		snprintf(buf, len, "%lx-%lx %s, %lu entries so far", u->start, u->end,
			 u->pe_flags & PE_PARENT ? "PARENT" : "PRESENT", d->xfer.entries);
	else
		snprintf(buf, len, "%lu pages and %lu hole%s out, %lu pagemap entries, %.1f ms",
			 d->xfer.pages, d->xfer.holes, d->xfer.holes == 1 ? "" : "s",
			 d->xfer.entries, (double)d->times.memwrite / 1000);
}

const struct phase_ops ph_xfer = {
	.phase = PH(XFER),
	.name = "xfer",
	.unit = "one pagemap entry: an iov with its pages, or a hole checked in the parent",
	.effect = "none; staged files grow",
	.undo = true,
	.mirrors = "page_xfer_dump_pages, dump_holes",
	.takes_turns = true,
	.turns_with = PH(DRAIN),
	.bulk_steps = true,
	.next = xfer_next,
	.step = xfer_step,
	.summary = xfer_summary,
};
