/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/image/pages_file.h"

#include <errno.h>
#include <lz4.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/vec.h"
#include "engine/image/image.h"

struct err *pages_file_open(int dirfd, const char *dir, const struct pagemap_image *pi,
			    struct pages_file *ret)
{
	struct pages_file f = { .fd = -1, .pi = pi, .at = SIZE_MAX };
	char name[32];
	uint64_t size;

	snprintf(name, sizeof(name), "pages-%u.img", pi->pages_id);
	TRY(err_wrap(image_open_file(dirfd, name, &f.fd, &size), "%s", dir));
	f.name = xasprintf("%s/%s", dir, name);
	*ret = f;
	return NULL;
}

void pages_file_close(struct pages_file *f)
{
	close_fd(&f->fd);
	free(f->name);
	free(f->stored);
	free(f->block);
	*f = (struct pages_file)PAGES_FILE_INIT;
}

/* `vaddr` is that of the first byte. */
static struct err *pages_read_stored(const struct pages_file *f, uint64_t at, void *buf, size_t len,
				     uint64_t vaddr)
{
	ssize_t n = pread_full(f->fd, buf, len, (off_t)at);

	if (n == (ssize_t)len)
		return NULL;
	if (n < 0)
		return err_sys(errno, "read %s", f->name);
	return err_vaddr(
		err_new(ERR_CHECK, "%s ends at byte %lu, inside a page", f->name, at + (uint64_t)n),
		vaddr);
}

/* Into f->block: block `k` of an entry. */
static struct err *pages_unpack(struct pages_file *f, const struct pagemap_entry *e, uint64_t k)
{
	size_t index = e->block + k;
	const struct pagemap_block *b = &f->pi->block[index];
	uint64_t first = k * e->block_pages, vaddr = e->vaddr + first * PAGE_BYTES;
	uint64_t pages =
		e->nr_pages - first < e->block_pages ? e->nr_pages - first : e->block_pages;
	size_t raw = pages * PAGE_BYTES;

	if (f->at == index)
		return NULL;
	if (!f->block) {
		f->block = xzalloc(PACKED_BYTES_MAX);
		f->stored = xzalloc(PACKED_BYTES_MAX);
	}
	f->at = SIZE_MAX;
	if (!b->size) {
		memset(f->block, 0, raw);
	} else if (b->size == raw) {
		TRY(pages_read_stored(f, b->off, f->block, raw, vaddr));
	} else {
		TRY(pages_read_stored(f, b->off, f->stored, b->size, vaddr));

		int n = LZ4_decompress_safe((const char *)f->stored, (char *)f->block, (int)b->size,
					    (int)raw);

		if (n != (int)raw)
			return err_vaddr(err_new(ERR_CHECK,
						 "%s: the LZ4 block at byte %lu, %u bytes long, "
						 "does not unpack to %zu bytes",
						 f->name, b->off, b->size, raw),
					 vaddr);
	}
	f->at = index;
	return NULL;
}

/* The entry that has the byte `off`. */
static const struct pagemap_entry *pages_entry(const struct pagemap_image *pi, uint64_t off)
{
	size_t i = vec_first(pi->nr, k,
			     pi->e[k].flags & PE_PRESENT ?
				     pi->e[k].pages_off + pi->e[k].nr_pages * PAGE_BYTES > off :
				     pi->e[k].pages_off > off);

	/* Entries without pages lie between, at the same offset. */
	while (i < pi->nr && !(pi->e[i].flags & PE_PRESENT))
		i++;
	return i < pi->nr ? &pi->e[i] : NULL;
}

struct err *pages_file_read(struct pages_file *f, uint64_t off, void *buf, size_t len)
{
	uint8_t *out = buf;

	while (len) {
		const struct pagemap_entry *e = pages_entry(f->pi, off);

		if (!e)
			return err_new(ERR_CHECK, "%s: no entry has page %lu", f->name,
				       off / PAGE_BYTES);

		uint64_t in = off - e->pages_off, left = e->nr_pages * PAGE_BYTES - in;
		size_t n = left < len ? left : len;

		if (!e->block_pages) {
			TRY(pages_read_stored(f, e->stored_off + in, out, n, e->vaddr + in));
		} else {
			uint64_t bytes = (uint64_t)e->block_pages * PAGE_BYTES;

			TRY(pages_unpack(f, e, in / bytes));
			if (n > bytes - in % bytes)
				n = bytes - in % bytes;
			memcpy(out, f->block + in % bytes, n);
		}
		out += n;
		off += n;
		len -= n;
	}
	return NULL;
}

struct err *pages_file_check(struct pages_file *f)
{
	for (size_t i = 0; i < f->pi->nr; i++) {
		const struct pagemap_entry *e = &f->pi->e[i];

		for (uint64_t k = 0; e->block_pages && k * e->block_pages < e->nr_pages; k++)
			TRY(pages_unpack(f, e, k));
	}
	return NULL;
}
