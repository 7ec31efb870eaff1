/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * xfer: pagemap entries go out in address order, iovs with their pages and holes without.
 * Mirrors: criu/page-xfer.c page_xfer_dump_pages(), dump_holes().
 * Differs in: in bulk, one splice moves a whole pipe instead of one iov.
 */
#include <stdio.h>

#include "engine/dump.h"
#include "engine/pagemap_image.h"

static uint32_t data_flags(const struct page_pipe_buf *ppb)
{
	return PE_PRESENT | (ppb->flags & PPB_LAZY ? PE_LAZY : 0);
}

static struct page_pipe_buf *current(struct dump *d)
{
	while (d->ppb < d->pp.nr_ppbs && d->pp.ppb[d->ppb].state == PPB_SENT)
		d->ppb++;
	return d->ppb < d->pp.nr_ppbs ? &d->pp.ppb[d->ppb] : NULL;
}

/* Does the next hole come before the next iov? */
static bool hole_first(const struct dump *d, const struct page_pipe_buf *ppb)
{
	return d->hole < d->pp.nr_holes &&
	       (!ppb || d->pp.hole[d->hole].start < (uint64_t)ppb->iov[ppb->next_iov].iov_base);
}

static void xfer_next(struct dump *d, struct unit *u)
{
	const struct page_pipe_buf *ppb = current(d);

	if (hole_first(d, ppb)) {
		u->start = d->pp.hole[d->hole].start;
		u->end = u->start + d->pp.hole[d->hole].nr_pages * PAGE_SIZE_4K;
		u->pe_flags = PE_PARENT;
	} else if (ppb) {
		u->ppb = (int)d->ppb;
		u->start = (uint64_t)ppb->iov[ppb->next_iov].iov_base;
		u->end = u->start + ppb->iov[ppb->next_iov].iov_len;
		u->pe_flags = data_flags(ppb);
	}
}

static struct err *one_hole(struct dump *d)
{
	const struct page_pipe_hole *h = &d->pp.hole[d->hole];

	TRY(page_xfer_entry(&d->xfer, h->start, h->nr_pages, PE_PARENT));
	d->hole++;
	return NULL;
}

static struct err *one_iov(struct dump *d, struct page_pipe_buf *ppb)
{
	const struct iovec *v = &ppb->iov[ppb->next_iov];

	TRY(page_xfer_entry(&d->xfer, (uint64_t)v->iov_base, v->iov_len / PAGE_SIZE_4K,
			    data_flags(ppb)));
	if (++ppb->next_iov == ppb->nr_segs)
		ppb->state = PPB_SENT;
	return NULL;
}

/* Pages of iovs [moved_iov, to) leave the pipe. */
static struct err *move_pages(struct dump *d, struct page_pipe_buf *ppb, unsigned to)
{
	struct err *e = page_xfer_pages(&d->xfer, ppb->p[0], ppb_pages(ppb, ppb->moved_iov, to));

	if (e) {
		/* What has left the pipe is gone: drain this ppb once more. */
		d->phase = PH(DRAIN);
		return err_first(e, page_pipe_empty(ppb));
	}
	ppb->moved_iov = to;
	return NULL;
}

/* All of the chunk is out. */
static struct err *chunk_done(struct dump *d)
{
	page_pipe_reinit(&d->pp);
	d->ppb = d->hole = 0;
	if (dump_item_scanned(d))
		return dump_next_item(d);
	d->chunk++;
	d->phase = PH(GENERATE_IOVS);
	return NULL;
}

static struct err *one_unit(struct dump *d, bool bulk)
{
	struct page_pipe_buf *ppb = current(d);

	if (hole_first(d, ppb)) {
		TRY(one_hole(d));
	} else if (ppb) {
		if (ppb->moved_iov == ppb->next_iov)
			TRY(move_pages(d, ppb, bulk ? ppb->nr_segs : ppb->next_iov + 1));
		TRY(one_iov(d, ppb));
	}
	return NULL;
}

static struct err *xfer_step(struct dump *d, bool bulk)
{
	uint64_t t0 = now_us();
	unsigned ppb = d->ppb;
	struct err *e;

	do
		e = one_unit(d, bulk);
	while (!e && bulk && d->ppb == ppb && current(d) && d->ppb == ppb);
	d->times.memwrite += now_us() - t0;
	TRY(e);
	if (!current(d) && d->hole == d->pp.nr_holes)
		return chunk_done(d);
	return NULL;
}

static void xfer_summary(const struct dump *d, const struct unit *u, char *buf, size_t len)
{
	if (u->start != u->end && d->phase == PH(XFER))
		snprintf(buf, len, "%llx-%llx %s, %llu entries so far", (unsigned long long)u->start,
			 (unsigned long long)u->end, u->pe_flags & PE_PARENT ? "PARENT" : "PRESENT",
			 (unsigned long long)d->xfer.entries);
	else
		snprintf(buf, len, "%llu pages and %llu hole%s out, %llu pagemap entries, %.1f ms",
			 (unsigned long long)d->xfer.pages, (unsigned long long)d->xfer.holes,
			 d->xfer.holes == 1 ? "" : "s", (unsigned long long)d->xfer.entries,
			 (double)d->times.memwrite / 1000);
}

const struct phase_ops ph_xfer = {
	.phase = PH(XFER),
	.name = "xfer",
	.unit = "one pagemap entry: an iov with its pages, or a hole checked in the parent",
	.effect = "none; staged files grow",
	.undo = true,
	.mirrors = "page_xfer_dump_pages, dump_holes",
	.next = xfer_next,
	.step = xfer_step,
	.summary = xfer_summary,
};
