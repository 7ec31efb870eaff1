/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Contents of a pages-N.img, whether its pages are stored as they are or in LZ4 blocks (image version 3).
 *
 * Offsets are those that the file would have if nothing in it were compressed or aligned, which is what
 * pagemap_entry.pages_off counts: so the callers need not know how it is stored.
 *
 * Mirrors: criu/pagemap.c of CRIU after 4.2, criu/compression.c.
 */
#ifndef STEPDUMP_PAGES_FILE_H
#define STEPDUMP_PAGES_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/image/pagemap_image.h"

struct pages_file {
	int fd;                         /* owned; -1: not open */
	const struct pagemap_image *pi; /* borrowed */
	char *name;                     /* for errors; owned */
	uint8_t *stored, *block;        /* one block, as stored and unpacked */
	size_t at;                      /* which one `block` holds; SIZE_MAX: none */
};

#define PAGES_FILE_INIT                                                                            \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* Opens the pages file that `pi` names.  dir: its path, for errors.  Fails as image_open_file(). */
struct err *pages_file_open(int dirfd, const char *dir, const struct pagemap_image *pi,
			    struct pages_file *ret);
void pages_file_close(struct pages_file *f);
/* ERR_CHECK: the file ends before, a block does not unpack, or no entry has these bytes. */
struct err *pages_file_read(struct pages_file *f, uint64_t off, void *buf, size_t len);
/* Unpacks every block.  ERR_CHECK: the first that does not unpack to the pages that it stands for. */
struct err *pages_file_check(struct pages_file *f);

#define AUTO_PAGES_FILE __attribute__((cleanup(pages_file_close)))

#endif
