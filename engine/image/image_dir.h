/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An image set by the name that a user gives: a directory, one that has the set below in checkpoint/, or an
 * archive of either (tar, plain or packed by gzip, zstd, xz, bzip2), as podman, CRI-O, Kubernetes
 * and containerd export it.
 *
 * Of an archive only what is looked at is unpacked, into a directory below $TMPDIR (/var/tmp) that nobody else
 * may enter; it goes with image_dir_close(), and what a killed stepdump left goes when the next
 * archive is opened.  An archive may come from a stranger: no path of it leaves that directory, nothing but
 * regular files, directories and `parent` links inside of the archive is made, and the file system is not filled up.
 * Effect on any target: none.
 */
#ifndef STEPDUMP_IMAGE_DIR_H
#define STEPDUMP_IMAGE_DIR_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum image_dir_pages {
	PAGES_NONE, /* pages files of an archive have their length, but no contents */
	PAGES_TO_CHECK, /* those in which a check would find something: with holes in the archive, or compressed */
	PAGES_OF_TASK, /* those of one task, of the shared objects, and of their parents */
	PAGES_ALL,
};

struct image_dir {
	int dirfd;
	char *path;   /* where it is; below the temporary directory, if it is of an archive */
	char **about; /* lines on the container that it is of, and on what was left out */
	size_t nr_about;
	bool archive;
	char *unpacked; /* the directory that goes; NULL: none */
	int unpacked_fd;
};

/*
 * image_dir_open - pid: of PAGES_OF_TASK; 0: the first task.  stop: as chain_stop_t, may be NULL.
 * Fails: ERR_SYS; ERR_FORMAT for what is neither a directory nor an archive, an archive without
 * images, one that is cut; ERR_CHECK if the file system would be full; ERR_INTERRUPTED.
 */
struct err *image_dir_open(const char *path, enum image_dir_pages pages, uint32_t pid,
			   const volatile sig_atomic_t *stop, struct image_dir *ret);
/* Fine for a zeroed one, or after a failure. */
void image_dir_close(struct image_dir *d);

/* A pages file whose contents stayed in the archive: its holes say nothing. */
bool image_dir_left_out(int fd);

#define AUTO_IMAGE_DIR __attribute__((cleanup(image_dir_close)))
#define IMAGE_DIR_INIT                                                                             \
	{                                                                                          \
		.dirfd = -1, .unpacked_fd = -1                                                     \
	}

#endif
