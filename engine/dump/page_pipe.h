/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The page-pipe: pages on their way from the target to an image, held by reference in kernel
 * pipes, and the holes between them.
 *
 *      target memory   ---ppb 0---  --ppb 1--            (iovs: runs of pages, by address)
 *      holes                 == ==                       (runs that the parent image has)
 *
 * A ppb (page_pipe_buf) is one pipe and the iovs whose pages it holds or will hold.  Pages are
 * first planned (an iov grows), then drained (the parasite vmsplices them), then transferred.
 * All pages of one ppb have the same flags.  Addresses ascend over all ppbs and over all holes.
 *
 * In chunk mode there are at most NR_PIPES_PER_CHUNK pipes; when they are full, they are
 * drained, transferred and used again.  In keep mode (pre-dump) the number of pipes has no bound,
 * and a ppb begins in its predecessor's pipe if that one has room left.  Without pipes (pre-dump
 * by reading) a ppb is only a list of iovs.
 *
 * No function here touches the target.  Mirrors: criu/page-pipe.c.
 */
#ifndef STEPDUMP_PAGE_PIPE_H
#define STEPDUMP_PAGE_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"

#define NR_PIPES_PER_CHUNK 8u
#define PIPE_START_PAGES 16u /* what a new pipe holds: 64 KiB */
#define PIPE_ASK_PAGES 819u  /* CRIU's bound: 8 pages of 40-byte pipe_buffers */
#define PP_HOLES_BATCH 32u

#define PPB_LAZY 0x1u       /* pages may be restored lazily */
#define PP_HOLE_PARENT 0x1u /* the parent image has them */

enum ppb_state {
	PPB_PLANNED, /* iovs filled, pipe empty */
	PPB_DRAINED, /* the pipe holds the pages of iovs [moved_iov, nr_segs) */
	PPB_SENT,    /* all transferred and recorded */
};

struct page_pipe_buf {
	int p[2];            /* read end, write end; owned */
	unsigned pipe_size;  /* pages that the pipe can hold, as the kernel says */
	unsigned pipe_asked; /* the last size asked for */
	int grow_errno;      /* why it did not grow; 0: it did, or did not have to */
	unsigned pages_in;   /* planned pages */
	unsigned nr_segs;    /* iovs */
	unsigned cap_segs;
	struct iovec *iov; /* in the target's address space (or ours, for shared objects) */
	unsigned flags;    /* PPB_* */
	unsigned pipe_off; /* pages of earlier ppbs in the same pipe */
	bool shares;       /* the pipe is its predecessor's */
	enum ppb_state state;
	bool asked;          /* PLANNED, and the parasite is filling the pipe */
	unsigned next_iov;   /* first iov whose pagemap entry is not yet recorded */
	uint64_t read_pages; /* pre-dump by reading: pages of next_iov that are done */
	unsigned moved_iov;  /* first iov whose pages have not left the pipe; >= next_iov */
	uint64_t drain_us;
};

struct page_pipe_hole {
	uint64_t start; /* bytes */
	uint64_t nr_pages;
	unsigned flags; /* PP_HOLE_* */
};

struct page_pipe {
	struct page_pipe_buf *ppb; /* pipes that exist; the first nr_ppbs are in use */
	unsigned nr_ppbs, nr_pipes;
	struct page_pipe_hole *hole;
	unsigned nr_holes, cap_holes;
	unsigned max_pipes; /* 0: keep mode */
	bool no_pipes;
	unsigned ask_pages;  /* how far a pipe may grow */
	unsigned size_known; /* the limit that the kernel enforces; 0: not reached yet */
	int size_errno;
	/* since creation, for stats: CRIU's page_pipes, page_pipe_bufs */
	uint64_t pipes_made, bufs_made;
};

/* max_pipes 0: keep mode.  Makes no pipe yet. */
void page_pipe_init(struct page_pipe *pp, unsigned max_pipes, unsigned ask_pages);
/* Iovs only: a ppb holds ask_pages pages. */
void page_pipe_init_no_pipes(struct page_pipe *pp, unsigned ask_pages);
void page_pipe_deinit(struct page_pipe *pp);

/*
 * page_pipe_add_pages - plan a run of pages.  *added_ret <= nr_pages is how many fitted.  Fewer
 * than asked for means that the chunk is full (CRIU's -EAGAIN); drain, transfer,
 * page_pipe_reinit(), and go on with the rest.  Fails only if a pipe cannot be made (EMFILE,
 * ENFILE); then nothing of the run is planned.
 */
struct err *page_pipe_add_pages(struct page_pipe *pp, uint64_t addr, uint64_t nr_pages,
				unsigned flags, uint64_t *added_ret);
void page_pipe_add_hole(struct page_pipe *pp, uint64_t addr, uint64_t nr_pages, unsigned flags);

/* Forget iovs and holes, keep the pipes (which must be empty) for the next chunk. */
void page_pipe_reinit(struct page_pipe *pp);
/* iovs of the ppbs before ppb i: where its own begin in CRIU's pp->iovs (args->off). */
unsigned page_pipe_iovs_before(const struct page_pipe *pp, unsigned i);

/* Throw away what is in a ppb's pipe, so that it can be drained again from moved_iov on.  All ppbs
 * that share the pipe are PLANNED afterwards. */
struct err *page_pipe_empty(struct page_pipe *pp, unsigned i);

/* Bytes that should be in the pipe of ppb i, by the states of all ppbs that share it. */
uint64_t page_pipe_expected(const struct page_pipe *pp, unsigned i);

/* FIONREAD: bytes that the kernel says are in the pipe. */
uint64_t page_pipe_in_pipe(const struct page_pipe_buf *ppb);

/* Pages of iovs [from, to). */
uint64_t ppb_pages(const struct page_pipe_buf *ppb, unsigned from, unsigned to);

/* Where `addr` lies: ppb, iov and page offset inside the ppb.  False: nowhere. */
bool page_pipe_find(const struct page_pipe *pp, uint64_t addr, unsigned *ppb_ret, unsigned *iov_ret,
		    uint64_t *page_off_ret);

uint64_t page_pipe_planned(const struct page_pipe *pp);

#endif
