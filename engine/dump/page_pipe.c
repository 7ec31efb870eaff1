/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Mirrors criu/page-pipe.c.  Differs in: pages are added by runs, not one by one; an array of
 * iovs belongs to its ppb (bounded by its pipe) instead of one array sized by all private
 * pages, so a terabyte of reserved memory costs nothing; a refused pipe size is remembered.
 */
#include "engine/dump/page_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/vec.h"
#include "engine/proc/vma.h"

void page_pipe_init(struct page_pipe *pp, unsigned max_pipes, unsigned ask_pages)
{
	*pp = (struct page_pipe){
		.max_pipes = max_pipes,
		.ask_pages = ask_pages ? ask_pages : PIPE_ASK_PAGES,
	};
}

void page_pipe_init_no_pipes(struct page_pipe *pp, unsigned ask_pages)
{
	page_pipe_init(pp, 0, ask_pages);
	pp->no_pipes = true;
}

/* Drops the ppbs from `from` on, and the pipes that only they use. */
static void page_pipe_drop_ppbs(struct page_pipe *pp, unsigned from)
{
	for (unsigned i = from; i < pp->nr_pipes; i++) {
		if (!pp->ppb[i].shares && !pp->no_pipes) {
			close(pp->ppb[i].p[0]);
			close(pp->ppb[i].p[1]);
		}
		free(pp->ppb[i].iov);
	}
	if (pp->nr_pipes > from)
		pp->nr_pipes = from;
}

void page_pipe_deinit(struct page_pipe *pp)
{
	page_pipe_drop_ppbs(pp, 0);
	free(pp->ppb);
	free(pp->hole);
	*pp = (struct page_pipe){ 0 };
}

unsigned page_pipe_iovs_before(const struct page_pipe *pp, unsigned i)
{
	unsigned n = 0;

	for (unsigned k = 0; k < i; k++)
		n += pp->ppb[k].nr_segs;
	return n;
}

void page_pipe_reinit(struct page_pipe *pp)
{
	pp->nr_ppbs = 0;
	pp->nr_holes = 0;
}

static struct err *ppb_make_pipe(struct page_pipe *pp, struct page_pipe_buf *ppb)
{
	if (pp->no_pipes) {
		ppb->pipe_size = ppb->pipe_asked = pp->ask_pages;
		return NULL;
	}
	if (FAULT(PIPE_MAKE, pipe2(ppb->p, O_CLOEXEC | O_NONBLOCK))) {
		struct err *e = err_sys(errno, "make pipe %u for the page-pipe", pp->nr_pipes);

		return err_cause(err_hint(e, "raise the limit of open files (ulimit -n)"),
				 "pipe-fds", "pipe2(): %s", err_errno_name(e->sys_errno));
	}
	int size = fcntl(ppb->p[1], F_GETPIPE_SZ);

	ppb->pipe_size = size > 0 ? (unsigned)size / PAGE_BYTES : 1;
	ppb->pipe_asked = ppb->pipe_size;
	pp->pipes_made++;
	return NULL;
}

static unsigned ppb_room(const struct page_pipe_buf *ppb)
{
	return ppb->pipe_size - ppb->pipe_off - ppb->pages_in;
}

/* In keep mode the next ppb goes on in a pipe with room left, to save descriptors. */
static bool ppb_share_pipe(const struct page_pipe *pp, struct page_pipe_buf *ppb, unsigned i)
{
	const struct page_pipe_buf *prev = i ? &pp->ppb[i - 1] : NULL;

	if (pp->max_pipes || pp->no_pipes || !prev || !ppb_room(prev))
		return false;
	*ppb = (struct page_pipe_buf){
		.p = { prev->p[0], prev->p[1] },
		.pipe_size = prev->pipe_size,
		.pipe_asked = prev->pipe_asked,
		.grow_errno = prev->grow_errno,
		.pipe_off = prev->pipe_off + prev->pages_in,
		.shares = true,
	};
	return true;
}

/* Takes the next pipe into use, making one if need be.  *ret is NULL when the chunk is full. */
static struct err *ppb_open(struct page_pipe *pp, unsigned flags, struct page_pipe_buf **ret)
{
	*ret = NULL;
	if (pp->max_pipes && pp->nr_ppbs == pp->max_pipes)
		return NULL;
	if (pp->nr_ppbs == pp->nr_pipes) {
		unsigned i = pp->nr_pipes;
		struct page_pipe_buf fresh = { .p = { -1, -1 } };

		if (!ppb_share_pipe(pp, &fresh, i))
			TRY(ppb_make_pipe(pp, &fresh));
		*vec_push(pp->ppb, pp->nr_pipes) = fresh;
	}

	struct page_pipe_buf *ppb = &pp->ppb[pp->nr_ppbs++];

	ppb->pages_in = 0;
	ppb->nr_segs = 0;
	ppb->next_iov = ppb->moved_iov = 0;
	ppb->read_pages = 0;
	ppb->flags = flags;
	ppb->state = PPB_PLANNED;
	ppb->drain_us = 0;
	pp->bufs_made++;
	*ret = ppb;
	return NULL;
}

/* Doubles the pipe, up to what was asked for; false if it stays as it is. */
static bool ppb_grow(struct page_pipe *pp, struct page_pipe_buf *ppb)
{
	unsigned want = ppb->pipe_size * 2;

	if (ppb->pipe_size >= pp->ask_pages)
		return false;
	if (want > pp->ask_pages)
		want = pp->ask_pages;
	if (pp->size_known && want > pp->size_known) {
		ppb->pipe_asked = want;
		ppb->grow_errno = pp->size_errno;
		return false;
	}
	ppb->pipe_asked = want;

	int given = FAULT(PIPE_GROW, fcntl(ppb->p[1], F_SETPIPE_SZ, (int)(want * PAGE_BYTES)));

	if (given < 0) {
		ppb->grow_errno = errno;
		/* The bound is system-wide (fs.pipe-max-size): no need to ask again for each
		 * pipe.  The per-user bound is not: it moves with what else the user holds. */
		if (ppb->pipe_size > PIPE_START_PAGES) {
			pp->size_known = ppb->pipe_size;
			pp->size_errno = errno;
		}
		return false;
	}
	ppb->pipe_size = (unsigned)given / PAGE_BYTES;
	ppb->grow_errno = 0;
	return true;
}

static void ppb_add(struct page_pipe_buf *ppb, uint64_t addr, uint64_t nr_pages)
{
	struct iovec *last = ppb->nr_segs ? &ppb->iov[ppb->nr_segs - 1] : NULL;

	if (last && (uint64_t)last->iov_base + last->iov_len == addr) {
		last->iov_len += nr_pages * PAGE_BYTES;
	} else {
		/* Used again in the next chunk, so it does not shrink with the count. */
		if (ppb->nr_segs == ppb->cap_segs) {
			ppb->cap_segs = ppb->cap_segs ? ppb->cap_segs * 2 : 64;
			ppb->iov = xreallocarray(ppb->iov, ppb->cap_segs, sizeof(*ppb->iov));
		}
		ppb->iov[ppb->nr_segs++] = (struct iovec){
			.iov_base = (void *)addr,
			.iov_len = nr_pages * PAGE_BYTES,
		};
	}
	ppb->pages_in += (unsigned)nr_pages;
}

static struct err *page_pipe_add_run(struct page_pipe *pp, uint64_t addr, uint64_t nr_pages,
				     unsigned flags, uint64_t *added_ret)
{
	uint64_t added = 0;
	struct page_pipe_buf *ppb = pp->nr_ppbs ? &pp->ppb[pp->nr_ppbs - 1] : NULL;

	if (ppb && ppb->flags != flags)
		ppb = NULL;
	while (added < nr_pages) {
		if (ppb && !ppb_room(ppb) && !ppb_grow(pp, ppb))
			ppb = NULL;
		if (!ppb) {
			TRY(ppb_open(pp, flags, &ppb));
			if (!ppb)
				break;
		}

		uint64_t n = nr_pages - added;

		while (n > ppb_room(ppb) && ppb_grow(pp, ppb))
			;
		if (n > ppb_room(ppb))
			n = ppb_room(ppb);
		ppb_add(ppb, addr + added * PAGE_BYTES, n);
		added += n;
	}
	*added_ret = added;
	return NULL;
}

struct err *page_pipe_add_pages(struct page_pipe *pp, uint64_t addr, uint64_t nr_pages,
				unsigned flags, uint64_t *added_ret)
{
	unsigned nr_ppbs = pp->nr_ppbs, nr_segs = 0, pages_in = 0;
	size_t last_len = 0;

	if (nr_ppbs) {
		const struct page_pipe_buf *ppb = &pp->ppb[nr_ppbs - 1];

		nr_segs = ppb->nr_segs;
		pages_in = ppb->pages_in;
		last_len = ppb->iov[nr_segs - 1].iov_len;
	}

	struct err *e = page_pipe_add_run(pp, addr, nr_pages, flags, added_ret);

	if (!e)
		return NULL;
	/* The caller will try the whole run again, so none of it may stay planned. */
	pp->bufs_made -= pp->nr_ppbs - nr_ppbs;
	pp->nr_ppbs = nr_ppbs;
	if (!pp->max_pipes)
		page_pipe_drop_ppbs(pp, nr_ppbs);
	if (nr_ppbs) {
		struct page_pipe_buf *ppb = &pp->ppb[nr_ppbs - 1];

		ppb->nr_segs = nr_segs;
		ppb->pages_in = pages_in;
		ppb->iov[nr_segs - 1].iov_len = last_len;
	}
	return e;
}

void page_pipe_add_hole(struct page_pipe *pp, uint64_t addr, uint64_t nr_pages, unsigned flags)
{
	struct page_pipe_hole *last = pp->nr_holes ? &pp->hole[pp->nr_holes - 1] : NULL;

	if (last && last->flags == flags && last->start + last->nr_pages * PAGE_BYTES == addr) {
		last->nr_pages += nr_pages;
		return;
	}
	if (pp->nr_holes == pp->cap_holes) {
		pp->cap_holes += PP_HOLES_BATCH;
		pp->hole = xreallocarray(pp->hole, pp->cap_holes, sizeof(*pp->hole));
	}
	pp->hole[pp->nr_holes++] =
		(struct page_pipe_hole){ .start = addr, .nr_pages = nr_pages, .flags = flags };
}

/* The ppbs that share the pipe, which are adjacent: [*first, *end). */
static void ppb_sharers(const struct page_pipe *pp, unsigned i, unsigned *first, unsigned *end)
{
	for (*first = i; pp->ppb[*first].shares; --*first)
		;
	for (*end = i + 1; *end < pp->nr_ppbs && pp->ppb[*end].shares; ++*end)
		;
}

uint64_t page_pipe_expected(const struct page_pipe *pp, unsigned i)
{
	unsigned first, end;
	uint64_t pages = 0;

	ppb_sharers(pp, i, &first, &end);
	for (unsigned k = first; k < end; k++)
		if (pp->ppb[k].state == PPB_DRAINED)
			pages += ppb_pages(&pp->ppb[k], pp->ppb[k].moved_iov, pp->ppb[k].nr_segs);
	return pages * PAGE_BYTES;
}

struct err *page_pipe_empty(struct page_pipe *pp, unsigned i)
{
	struct page_pipe_buf *ppb = &pp->ppb[i];
	AUTO_CLOSE int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	uint64_t left;

	if (null < 0)
		return err_sys(errno, "open /dev/null to empty a pipe");
	while ((left = page_pipe_in_pipe(ppb)) > 0)
		if (RETRY(splice(ppb->p[0], NULL, null, NULL, left, 0)) < 0)
			return err_sys(errno, "empty a pipe of the page-pipe");

	unsigned first, end;

	ppb_sharers(pp, i, &first, &end);
	for (unsigned k = first; k < end; k++)
		if (pp->ppb[k].state == PPB_DRAINED)
			pp->ppb[k].state = PPB_PLANNED;
	return NULL;
}

uint64_t page_pipe_in_pipe(const struct page_pipe_buf *ppb)
{
	int n = 0;

	return FAULT(DRAIN_FIONREAD, ioctl(ppb->p[0], FIONREAD, &n)) || n < 0 ? 0 : (uint64_t)n;
}

uint64_t ppb_pages(const struct page_pipe_buf *ppb, unsigned from, unsigned to)
{
	uint64_t pages = 0;

	for (unsigned i = from; i < to; i++)
		pages += ppb->iov[i].iov_len / PAGE_BYTES;
	return pages;
}

/* Index of the iov that holds addr, or -1: iovs ascend. */
static ssize_t ppb_find_iov(const struct page_pipe_buf *ppb, uint64_t addr)
{
	size_t at = vec_first(ppb->nr_segs, i,
			      addr < (uint64_t)ppb->iov[i].iov_base + ppb->iov[i].iov_len);

	return at < ppb->nr_segs && addr >= (uint64_t)ppb->iov[at].iov_base ? (ssize_t)at : -1;
}

bool page_pipe_find(const struct page_pipe *pp, uint64_t addr, unsigned *ppb_ret, unsigned *iov_ret,
		    uint64_t *page_off_ret)
{
	for (unsigned i = 0; i < pp->nr_ppbs; i++) {
		ssize_t iov = ppb_find_iov(&pp->ppb[i], addr);

		if (iov < 0)
			continue;
		*ppb_ret = i;
		*iov_ret = (unsigned)iov;
		*page_off_ret = ppb_pages(&pp->ppb[i], 0, (unsigned)iov) +
				(addr - (uint64_t)pp->ppb[i].iov[iov].iov_base) / PAGE_BYTES;
		return true;
	}
	return false;
}

uint64_t page_pipe_planned(const struct page_pipe *pp)
{
	uint64_t pages = 0;

	for (unsigned i = 0; i < pp->nr_ppbs; i++)
		pages += pp->ppb[i].pages_in;
	return pages;
}
