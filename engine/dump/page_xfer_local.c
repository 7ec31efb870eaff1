/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * page_xfer into image files in a directory.  A pages file may have been made before the freeze
 * (reserve.h), and may be longer than what has been written to it; it is cut to size when it is closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/io.h"
#include "base/mem.h"
#include "engine/dump/page_xfer.h"
#include "engine/dump/reserve.h"
#include "engine/image/pagemap_image.h"
#include "engine/image/staging.h"
#include "engine/proc/vma.h"

#define TMPFS_MAGIC 0x01021994

struct local {
	int dirfd;            /* borrowed */
	bool in_memory;       /* the directory is on tmpfs */
	unsigned nr_reserved; /* pages-1.img to pages-NR.img were made before the freeze */
	int pages_fd;         /* -1: no object open */
	loff_t off;           /* bytes of pages-N.img that are written */
	uint64_t reserved;    /* bytes of it that were allocated before */
	struct pagemap_writer pm;
};

/* The space that this write needs, or better: that all the rest of the dump needs. */
static uint64_t local_still_needed(const struct page_xfer *x, uint64_t lacking)
{
	uint64_t out = x->pages * PAGE_BYTES;

	return x->expected > out && x->expected - out > lacking ? x->expected - out : lacking;
}

static struct err *local_open_object(struct page_xfer *x)
{
	struct local *l = x->priv;
	char name[32];

	snprintf(name, sizeof(name), "pages-%u.img", x->pages_id);
	TRY(FAULT_ERR(XFER_PAGEMAP, pagemap_writer_open(&l->pm, l->dirfd, x->object, x->pages_id)));
	bool made = x->pages_id <= l->nr_reserved;
	struct stat st;

	l->pages_fd =
		FAULT(XFER_PAGES, create_private(l->dirfd, name, O_RDWR | (made ? 0 : O_TRUNC)));
	if (l->pages_fd < 0) {
		struct err *e = err_sys(errno, "create %s", name);

		return err_first(e, pagemap_writer_close(&l->pm));
	}
	l->off = 0;
	l->reserved = made && !fstat(l->pages_fd, &st) ? (uint64_t)st.st_size : 0;
	return NULL;
}

static struct err *local_write_pages(struct page_xfer *x, int pipe_fd, uint64_t len,
				     uint64_t *moved)
{
	struct local *l = x->priv;

	while (*moved < len) {
		ssize_t n = FAULT(XFER_SPLICE, RETRY(splice(pipe_fd, NULL, l->pages_fd, &l->off,
							    FAULT_LEN(XFER_SPLICE, len - *moved),
							    SPLICE_F_MOVE)));

		if (n <= 0)
			return staging_advise(err_sys(n < 0 ? errno : EPIPE,
						      "write pages to pages-%u.img at %ld",
						      x->pages_id, l->off),
					      l->dirfd, local_still_needed(x, len - *moved));
		*moved += (uint64_t)n;
	}
	return NULL;
}

static struct err *local_write_memory(struct page_xfer *x, const void *buf, uint64_t len)
{
	struct local *l = x->priv;

	if (FAULT(XFER_WRITE, pwrite_full(l->pages_fd, buf, len, l->off)) < 0) {
		struct err *e =
			err_sys(errno, "write pages to pages-%u.img at %ld", x->pages_id, l->off);

		if (ftruncate(l->pages_fd, l->off))
			e = err_wrap(e, "pages-%u.img keeps a torn tail (%s)", x->pages_id,
				     err_errno_name(errno));
		return staging_advise(e, l->dirfd, local_still_needed(x, len));
	}
	l->off += (off_t)len;
	return NULL;
}

static struct err *local_write_pagemap(struct page_xfer *x, uint64_t vaddr, uint64_t nr_pages,
				       uint32_t flags)
{
	struct local *l = x->priv;

	return staging_advise(
		FAULT_ERR(XFER_ENTRY, pagemap_writer_add(&l->pm, vaddr, nr_pages, flags)), l->dirfd,
		0);
}

static struct err *local_close_object(struct page_xfer *x)
{
	struct local *l = x->priv;

	if (l->pages_fd < 0)
		return err_hint(err_new(ERR_STATE, "%s may be incomplete: closing it failed before",
					x->object),
				"`restart` writes it again");
	TRY(staging_advise(pagemap_writer_flush(&l->pm), l->dirfd, 0));

	struct err *e = NULL;
	struct stat st;

	if (fstat(l->pages_fd, &st) || (st.st_size != l->off && ftruncate(l->pages_fd, l->off)))
		e = err_sys(errno, "cut pages-%u.img to size", x->pages_id);
	e = err_first(e, pagemap_writer_close(&l->pm));
	if (FAULT(XFER_CLOSE, close(l->pages_fd)) && !e)
		e = err_sys(errno, "close pages-%u.img", x->pages_id);
	l->pages_fd = -1;
	return staging_advise(e, l->dirfd, 0);
}

static void local_destroy(struct page_xfer *x)
{
	struct local *l = x->priv;

	if (l->pages_fd >= 0) {
		pagemap_writer_abandon(&l->pm);
		close(l->pages_fd);
	}
	free(l);
}

static const struct page_xfer_ops local_ops = {
	.name = "local",
	.open_object = local_open_object,
	.write_pages = local_write_pages,
	.write_memory = local_write_memory,
	.write_pagemap = local_write_pagemap,
	.close_object = local_close_object,
	.destroy = local_destroy,
};

void page_xfer_local(struct page_xfer *x, int dirfd, unsigned nr_reserved)
{
	struct local *l = xzalloc(sizeof(*l));
	struct statfs fs;

	l->dirfd = dirfd;
	l->pages_fd = -1;
	l->in_memory = !fstatfs(dirfd, &fs) && fs.f_type == TMPFS_MAGIC;
	l->nr_reserved = nr_reserved;
	*x = (struct page_xfer){ .ops = &local_ops, .priv = l };
}

static const struct local *local_of(const struct page_xfer *x)
{
	return x->ops == &local_ops ? x->priv : NULL;
}

int page_xfer_file(const struct page_xfer *x, uint64_t *off_ret)
{
	const struct local *l = local_of(x);

	*off_ret = l ? (uint64_t)l->off : 0;
	return l ? l->pages_fd : -1;
}

bool page_xfer_is_in_memory(const struct page_xfer *x)
{
	return local_of(x) && local_of(x)->in_memory;
}

uint64_t page_xfer_reserved(const struct page_xfer *x)
{
	return local_of(x) ? local_of(x)->reserved : 0;
}

void page_xfer_moved(struct page_xfer *x, uint64_t nr_pages)
{
	struct local *l = x->priv;

	l->off += (loff_t)(nr_pages * PAGE_BYTES);
	x->pages += nr_pages;
	x->object_pages += nr_pages;
}

struct err *page_xfer_advise(const struct page_xfer *x, int sys_errno, uint64_t off)
{
	return staging_advise(
		err_sys(sys_errno, "write pages to pages-%u.img at %ld", x->pages_id, off),
		local_of(x)->dirfd, local_still_needed(x, PAGE_BYTES));
}

void page_xfer_drop_unused(const struct page_xfer *x)
{
	const struct local *l = local_of(x);

	if (l)
		reserve_drop(l->dirfd, x->pages_id, l->nr_reserved);
}
