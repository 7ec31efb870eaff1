/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The holes of a file: ranges that read as zero and take no room on disk. */
#ifndef STEPDUMP_FILE_HOLES_H
#define STEPDUMP_FILE_HOLES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct file_holes {
	struct file_hole {
		uint64_t start, end; /* bytes */
	} * v;                       /* in order */
	size_t nr;
};

/* Of the first `size` bytes.  A file system that knows no holes has none. */
struct err *file_holes_read(int fd, uint64_t size, struct file_holes *ret);
/* Whole pages of [start, end) that lie in holes; the start of the first one in *first_ret. */
uint64_t file_holes_pages(const struct file_holes *h, uint64_t start, uint64_t end,
			  uint64_t *first_ret);
void file_holes_deinit(struct file_holes *h);

#endif
