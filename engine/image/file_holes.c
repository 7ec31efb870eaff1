/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/image/file_holes.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/num.h"
#include "base/vec.h"

struct err *file_holes_read(int fd, uint64_t size, struct file_holes *ret)
{
	struct file_holes h = { 0 };
	off_t at = 0, end = (off_t)size;

	while (at < end) {
		off_t hole = lseek(fd, at, SEEK_HOLE);
		off_t data = hole < 0 || hole >= end ? end : lseek(fd, hole, SEEK_DATA);

		if (hole < 0 || (data < 0 && errno != ENXIO)) {
			file_holes_deinit(&h);
			return err_sys(errno, "look for holes");
		}
		if (hole >= end)
			break;
		if (data < 0 || data > end)
			data = end;
		*vec_push(h.v, h.nr) = (struct file_hole){ (uint64_t)hole, (uint64_t)data };
		at = data;
	}
	*ret = h;
	return NULL;
}

uint64_t file_holes_pages(const struct file_holes *h, uint64_t start, uint64_t end,
			  uint64_t *first_ret)
{
	uint64_t pages = 0;

	for (size_t i = vec_first(h->nr, k, h->v[k].end > start); i < h->nr && h->v[i].start < end;
	     i++) {
		uint64_t from = h->v[i].start > start ? h->v[i].start : start;
		uint64_t to = h->v[i].end < end ? h->v[i].end : end;

		/* Pages begin at multiples of their size in the file. */
		from = (from + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
		to &= ~(PAGE_BYTES - 1);
		if (from >= to)
			continue;
		if (!pages)
			*first_ret = from;
		pages += (to - from) / PAGE_BYTES;
	}
	return pages;
}

void file_holes_deinit(struct file_holes *h)
{
	free(h->v);
	*h = (struct file_holes){ 0 };
}
