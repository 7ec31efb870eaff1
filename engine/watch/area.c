/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/watch/area.h"

#include <string.h>

#include "base/num.h"

#define VMA_BYTES 24u /* start, length, protection, padding */
#define IOV_BYTES 16u
#define ALL_PROT 7u
#define USER_END (1ul << 56) /* five-level page tables */

static uint32_t get32(const void *p, size_t at)
{
	uint32_t v;

	memcpy(&v, (const char *)p + at, sizeof(v));
	return v;
}

static uint64_t get64(const void *p, size_t at)
{
	uint64_t v;

	memcpy(&v, (const char *)p + at, sizeof(v));
	return v;
}

size_t area_iov_at(const struct area_head *h, size_t i)
{
	return h->size + (size_t)h->nr_vmas * VMA_BYTES + i * IOV_BYTES;
}

bool area_read_head(const void *p, size_t room, size_t size, struct area_head *ret)
{
	if (room < size)
		return false;
	*ret = (struct area_head){
		.nr_vmas = get32(p, 0),
		.add_prot = get32(p, 4),
		.off = get32(p, 8),
		.nr_segs = get32(p, 12),
		.nr_pages = size == 24 ? get64(p, 16) : get32(p, 16),
		.size = size,
	};
	return ret->add_prot <= ALL_PROT && ret->nr_pages >= ret->nr_segs &&
	       ret->nr_pages < USER_END / PAGE_BYTES &&
	       area_iov_at(ret, (size_t)ret->off + ret->nr_segs) <= room;
}

/* Is [start, start + len) a range of whole pages that begins at or above *end?  Then *end becomes its end. */
static bool follows(uint64_t start, uint64_t len, uint64_t *end)
{
	if (start % PAGE_BYTES || len % PAGE_BYTES || !len || start < *end || start >= USER_END ||
	    len > USER_END - start)
		return false;
	*end = start + len;
	return true;
}

bool area_check(const void *p, size_t room, const struct area_head *h)
{
	uint64_t end = PAGE_BYTES, pages = 0;

	if (area_iov_at(h, (size_t)h->off + h->nr_segs) > room)
		return false;
	for (size_t i = 0; i < h->nr_vmas; i++) {
		size_t at = h->size + i * VMA_BYTES;

		if (!follows(get64(p, at), get64(p, at + 8), &end) || get32(p, at + 16) > ALL_PROT)
			return false;
	}
	end = PAGE_BYTES;
	for (size_t i = 0; i < h->nr_segs; i++) {
		size_t at = area_iov_at(h, h->off + i);

		if (!follows(get64(p, at), get64(p, at + 8), &end))
			return false;
		pages += get64(p, at + 8) / PAGE_BYTES;
	}
	return pages == h->nr_pages;
}

long area_search(const void *buf, size_t len, size_t from, struct area_head *ret)
{
	static const size_t sizes[] = { 24, 20 };

	for (size_t at = from; at + 24 <= len; at += 4)
		for (size_t i = 0; i < 2; i++) {
			const char *p = (const char *)buf + at;

			if (area_read_head(p, len - at, sizes[i], ret) && ret->nr_segs &&
			    area_check(p, len - at, ret))
				return (long)at;
		}
	return -1;
}
