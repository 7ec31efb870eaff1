/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Mirrors criu/page-xfer.c.  Differs in: pages are moved by pipe loads, many iovs in one splice,
 * and their entries recorded afterwards; a failed transfer goes on where it stopped when it is
 * tried again.
 */
#include "engine/dump/page_xfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "engine/image/pagemap_image.h"
#include "engine/image/staging.h"
#include "engine/proc/vma.h"

/* ---- null: a rehearsal --------------------------------------------------------------- */

struct null {
	int fd;
};

static struct err *null_open_object(struct page_xfer *x)
{
	return NULL;
}

static struct err *null_write_pages(struct page_xfer *x, int pipe_fd, uint64_t len, uint64_t *moved)
{
	struct null *nl = x->priv;

	while (*moved < len) {
		ssize_t n = RETRY(splice(pipe_fd, NULL, nl->fd, NULL, len - *moved, SPLICE_F_MOVE));

		if (n <= 0)
			return err_sys(n < 0 ? errno : EPIPE, "splice a pipe to /dev/null");
		*moved += (uint64_t)n;
	}
	return NULL;
}

static struct err *null_write_memory(struct page_xfer *x, const void *buf, uint64_t len)
{
	return NULL;
}

static struct err *null_write_pagemap(struct page_xfer *x, uint64_t vaddr, uint64_t nr_pages,
				      uint32_t flags)
{
	return NULL;
}

static void null_destroy(struct page_xfer *x)
{
	struct null *nl = x->priv;

	close(nl->fd);
	free(nl);
}

static const struct page_xfer_ops null_ops = {
	.name = "null",
	.open_object = null_open_object,
	.write_pages = null_write_pages,
	.write_memory = null_write_memory,
	.write_pagemap = null_write_pagemap,
	.close_object = null_open_object,
	.destroy = null_destroy,
};

struct err *page_xfer_null(struct page_xfer *x)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(errno, "open /dev/null");

	struct null *nl = xzalloc(sizeof(*nl));

	nl->fd = fd;
	*x = (struct page_xfer){ .ops = &null_ops, .priv = nl };
	return NULL;
}

/* ---- common --------------------------------------------------------------------------- */

void page_xfer_destroy(struct page_xfer *x)
{
	if (x->ops)
		x->ops->destroy(x);
	*x = (struct page_xfer){ 0 };
}

static struct err *page_xfer_open_object(struct page_xfer *x, bool is_shmem, uint64_t id)
{
	x->is_shmem = is_shmem;
	x->id = id;
	x->object_pages = x->entries_here = x->entry_pages = x->partial = 0;
	snprintf(x->object, sizeof(x->object),
		 is_shmem ? "pagemap-shmem-%lu.img" : "pagemap-%lu.img", id);
	x->pages_id++;
	struct err *e = x->ops->open_object(x);

	if (e) {
		x->pages_id--;
		x->object[0] = '\0';
	} else {
		x->calls.open++;
	}
	return e;
}

struct err *page_xfer_open_task(struct page_xfer *x, pid_t pid)
{
	return page_xfer_open_object(x, false, (uint64_t)pid);
}

struct err *page_xfer_open_shmem(struct page_xfer *x, uint64_t shmid)
{
	return page_xfer_open_object(x, true, shmid);
}

struct err *page_xfer_close_object(struct page_xfer *x)
{
	if (!x->object[0])
		return NULL;
	TRY(x->ops->close_object(x));
	x->calls.close++;
	x->object[0] = '\0';
	return NULL;
}

static struct err *page_xfer_count(struct page_xfer *x, struct err *e, uint64_t nr_pages)
{
	if (!e) {
		x->calls.pages++;
		x->pages += nr_pages;
		x->object_pages += nr_pages;
	}
	return e;
}

struct err *page_xfer_pages(struct page_xfer *x, int pipe_fd, uint64_t nr_pages)
{
	uint64_t len = nr_pages * PAGE_BYTES;

	if (x->partial < len)
		TRY(x->ops->write_pages(x, pipe_fd, len, &x->partial));
	x->partial -= len; /* the failed call may have been for more pages than this one */
	return page_xfer_count(x, NULL, nr_pages);
}

struct err *page_xfer_memory(struct page_xfer *x, const void *buf, uint64_t nr_pages)
{
	return page_xfer_count(x, x->ops->write_memory(x, buf, nr_pages * PAGE_BYTES), nr_pages);
}

struct err *page_xfer_entry(struct page_xfer *x, uint64_t vaddr, uint64_t nr_pages, uint32_t flags)
{
	TRY(x->ops->write_pagemap(x, vaddr, nr_pages, flags));
	x->recent[x->entries_here % XFER_RECENT] = (struct xfer_entry){
		.vaddr = vaddr,
		.nr_pages = nr_pages,
		.pages_off = x->entry_pages * PAGE_BYTES,
		.flags = flags,
	};
	if (!(flags & PE_PARENT))
		x->entry_pages += nr_pages;
	x->entries++;
	x->entries_here++;
	if (flags & PE_PARENT) {
		x->holes++;
		x->hole_pages += nr_pages;
		x->calls.holes++;
	} else {
		x->calls.pagemap++;
	}
	return NULL;
}

struct err *page_xfer_commit(struct page_xfer *x)
{
	return x->ops->commit ? x->ops->commit(x) : NULL;
}
