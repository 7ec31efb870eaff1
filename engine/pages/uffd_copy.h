/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Copying memory into new pages of a file on tmpfs by UFFDIO_COPY: one copy, no zeroing, no fault, and
 * no lock of the inode, so it is the one way in which two threads can write to the same file at once.
 *
 * A window of the file is mapped and registered.  What is copied must lie below the end of the file; it is
 * allocated page by page.  Only tmpfs and hugetlbfs can do this.
 */
#ifndef STEPDUMP_UFFD_COPY_H
#define STEPDUMP_UFFD_COPY_H

#include <stdbool.h>
#include <stdint.h>

struct uffd_window {
	int uffd; /* -1: none */
	int fd;   /* borrowed; open for reading and writing */
	char *map;
	uint64_t start, len; /* bytes of the file */
};

/* 0, or -errno: EPERM and ENOSYS where userfaultfd is not to be had, EINVAL where the file system
 * cannot do it. */
int uffd_window_open(struct uffd_window *w, int fd, uint64_t start, uint64_t len);
/*
 * uffd_window_copy - `len` bytes, which lie in the window; pages that are there already, and whatever
 * else UFFDIO_COPY refuses, are written by pwrite(), whose error is the one that counts.
 * Returns 0 or -errno.  Several threads may copy at once.
 */
int uffd_window_copy(const struct uffd_window *w, uint64_t off, const void *buf, uint64_t len);
/* The pages stay in the file, and count as our memory no more. */
void uffd_window_forget(const struct uffd_window *w, uint64_t off, uint64_t len);
void uffd_window_close(struct uffd_window *w);

/* Does it work at all?  0, or -errno as uffd_window_open().  Leaves nothing behind. */
int uffd_copy_probe(void);

#endif
