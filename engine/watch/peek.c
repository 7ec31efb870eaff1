/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Looking into criu's pipes without taking anything out. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/num.h"
#include "engine/watch/watch.h"

/* The ppb that holds `vaddr` in its pipe, and how many bytes of the ppb come before it. */
static ssize_t find_in_pipe(const struct watch *w, uint64_t vaddr, uint64_t *before, uint64_t *room)
{
	for (size_t i = 0; i < w->nr_ppbs; i++) {
		const struct wppb *b = &w->ppb[i];
		uint64_t off = 0;

		for (size_t k = 0; b->state == WPPB_DRAINED && b->pipe >= 0 && k < b->nr_segs;
		     k++) {
			uint64_t len = b->iov[k].nr_pages * PAGE_BYTES,
				 in = vaddr - b->iov[k].start;

			if (vaddr >= b->iov[k].start && in < len && off + in >= b->sent_bytes) {
				*before = off + in - b->sent_bytes;
				*room = len - in;
				return (ssize_t)i;
			}
			off += len;
		}
	}
	return -1;
}

ssize_t watch_peek_pipe(const struct watch *w, uint64_t vaddr, void *buf, size_t len)
{
	uint64_t skip, room;
	ssize_t at = find_in_pipe(w, vaddr, &skip, &room), got = -1;
	int p[2];

	if (at < 0) {
		errno = ENODATA;
		return -1;
	}
	const struct wpipe *pipe = &w->pipe[w->ppb[at].pipe];
	AUTO_CLOSE int from = tracee_get_fd(&w->t, pipe->fd_read);

	if (from < 0 || pipe2(p, O_CLOEXEC | O_NONBLOCK))
		return -1;
	AUTO_CLOSE int in = p[1], out = p[0];

	len = len < room ? len : room;
	if (fcntl(in, F_SETPIPE_SZ, (int)((uint64_t)pipe->size * PAGE_BYTES)) < 0)
		return -1;
	size_t want = skip + len, pages = (want + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
	ssize_t n = tee(from, in, pages, SPLICE_F_NONBLOCK);

	if (n < 0)
		return -1;
	AUTO_FREE char *copy = xzalloc(want);

	got = read_full(out, copy, want < (size_t)n ? want : (size_t)n);
	if (got <= (ssize_t)skip) {
		errno = ENODATA;
		return -1;
	}
	memcpy(buf, copy + skip, (size_t)got - skip);
	return got - (ssize_t)skip;
}
