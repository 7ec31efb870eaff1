/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/dump/flow.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/io.h"
#include "engine/image/staging.h"

#define FLOW_MIN_PPBS 2u /* below that there is nothing to share */

static bool flow_has_mover(struct dump *d)
{
	if (!d->flow.mover && !d->flow.broken) {
		struct err *e = mover_create(&d->flow.mover);

		d->flow.broken = e;
		err_free(e); /* we can do without */
	}
	return d->flow.mover;
}

/* Offset of ppb k in the pages file. */
static uint64_t flow_offset(const struct dump *d, unsigned k)
{
	uint64_t off = d->flow.base;

	for (unsigned i = d->flow.first; i < k; i++)
		off += d->pp.ppb[i].pages_in * PAGE_BYTES;
	return off;
}

bool flow_begin(struct dump *d)
{
	uint64_t base, end;
	struct stat st;
	int fd = page_xfer_file(&d->xfer, &base);

	if (d->flow.on)
		return true;
	if (fd < 0 || !page_xfer_is_in_memory(&d->xfer) || d->flow.broken || d->caps->cpus < 2 ||
	    d->caps->uffd_copy_errno || d->at.xfer + FLOW_MIN_PPBS > d->pp.nr_ppbs ||
	    d->pp.ppb[d->at.xfer].moved_iov)
		return false;
	d->flow.first = d->at.xfer;
	d->flow.base = base;
	end = flow_offset(d, d->pp.nr_ppbs);
	/* Into pages that are allocated already, a splice is as fast as both. */
	if (base < page_xfer_reserved(&d->xfer) || fstat(fd, &st) || !flow_has_mover(d))
		return false;
	/* Pages can only be put below the end of the file; it is cut to size when it is closed. */
	if ((uint64_t)st.st_size < end && ftruncate(fd, (off_t)end))
		return false;
	if (mover_window(d->flow.mover, fd, base, end)) {
		d->flow.broken = true;
		return false;
	}
	d->flow.on = true;
	d->flow.next = d->flow.first;
	d->flow.given = d->pp.nr_ppbs;
	return true;
}

static struct err *flow_splice(struct dump *d, unsigned k)
{
	const struct page_pipe_buf *ppb = &d->pp.ppb[k];
	uint64_t left = ppb->pages_in * PAGE_BYTES, base;
	loff_t off = (loff_t)flow_offset(d, k);
	int fd = page_xfer_file(&d->xfer, &base);

	while (left) {
		ssize_t n = FAULT(XFER_SPLICE,
				  RETRY(splice(ppb->p[0], NULL, fd, &off,
					       FAULT_LEN(XFER_SPLICE, left), SPLICE_F_MOVE)));

		if (n <= 0)
			return page_xfer_advise(&d->xfer, n < 0 ? errno : EPIPE, (uint64_t)off);
		left -= (uint64_t)n;
	}
	return NULL;
}

/* Loads [first, end) are in the file. */
static void flow_moved(struct dump *d, unsigned end)
{
	uint64_t pages = 0;

	for (unsigned i = d->flow.first; i < end; i++) {
		pages += d->pp.ppb[i].pages_in;
		d->pp.ppb[i].moved_iov = d->pp.ppb[i].nr_segs;
	}
	page_xfer_moved(&d->xfer, pages);
	d->flow.first = end;
}

/* Ends the sharing; `e` is what went wrong with load d->flow.next, if something did. */
static struct err *flow_end(struct dump *d, struct err *e)
{
	unsigned taken = d->flow.next + (e ? 1 : 0), lost = d->flow.next;
	int why = mover_finish(d->flow.mover);

	d->flow.on = false;
	if (why) {
		lost = d->flow.given;
		e = err_first(page_xfer_advise(&d->xfer, -why, flow_offset(d, lost)), e);
	}
	flow_moved(d, lost);
	if (!e)
		return NULL;
	/* What was taken out of the pipes behind the first gap is drained again; it goes to the same
	 * places. */
	for (unsigned i = lost; i < taken; i++)
		e = err_first(e, page_pipe_empty(&d->pp, i));
	for (unsigned i = lost; i < taken; i++)
		d->pp.ppb[i].state = PPB_PLANNED;
	d->flow.broken = true;
	d->phase = PH(DRAIN);
	d->at.drain = 0;
	return e;
}

struct err *flow_step(struct dump *d)
{
	unsigned k = d->flow.next;
	bool last = k + 1 >= d->pp.nr_ppbs;

	if (k < d->pp.nr_ppbs && d->pp.ppb[k].state == PPB_DRAINED) {
		if (!last && mover_has_room(d->flow.mover)) {
			if (k < d->flow.given)
				d->flow.given = k;
			mover_give(d->flow.mover, d->pp.ppb[k].p[0], flow_offset(d, k),
				   d->pp.ppb[k].pages_in * PAGE_BYTES);
		} else {
			struct err *e = flow_splice(d, k);

			if (e)
				return flow_end(d, e);
		}
		d->flow.next++;
	}
	return d->flow.next == d->pp.nr_ppbs ? flow_end(d, NULL) : NULL;
}

struct err *flow_settle(struct dump *d, struct err *e)
{
	return d->flow.on ? err_first(e, flow_end(d, NULL)) : e;
}

void flow_write_back(struct dump *d)
{
	uint64_t off;
	int fd = page_xfer_file(&d->xfer, &off);

	/* Not while the tasks stand: writing to the disk takes CPU and memory bandwidth from the drain. */
	if (d->thawed && fd >= 0 && !page_xfer_is_in_memory(&d->xfer) && d->caps->cpus >= 2 &&
	    flow_has_mover(d))
		mover_write_back(d->flow.mover, fd, off);
}

void flow_end_object(struct dump *d)
{
	if (d->flow.mover)
		mover_drop_file(d->flow.mover);
}
