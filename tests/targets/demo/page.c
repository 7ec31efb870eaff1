/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Content of one page. */
#include "demo.h"

#include <string.h>

#define WORDS (PAGE / 8)
#define HEAD_WORDS (sizeof(struct page_head) / 8)
#define GOLDEN 0x9e3779b97f4a7c15ull

uint64_t mix64(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ull;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

static uint64_t page_base(uint32_t region, uint32_t nr, uint64_t gen)
{
	return mix64(opt.seed ^ mix64(((uint64_t)region << 32 | nr) ^ mix64(gen)));
}

void page_make(void *page, uint32_t region, uint32_t nr, uint64_t gen)
{
	struct page_head *h = page;
	uint64_t *w = page, x = page_base(region, nr, gen), sum = 0;

	for (size_t i = HEAD_WORDS; i < WORDS; i++) {
		w[i] = mix64(x + i * GOLDEN);
		sum = (sum ^ w[i]) * GOLDEN;
	}
	h->region = region;
	h->page = nr;
	h->gen = gen;
	h->seed = opt.seed;
	h->sum = sum;
	h->magic = PAGE_MAGIC;
}

const char *page_check(const void *page, uint32_t region, uint32_t nr, uint64_t gen)
{
	const struct page_head *h = page;
	const uint64_t *w = page;
	uint64_t x = page_base(region, nr, gen), sum = 0;

	if (h->magic != PAGE_MAGIC)
		return page_is_zero(page) ? "all zero" : "no page header";
	if (h->seed != opt.seed)
		return "seed differs";
	if (h->region != region)
		return "page of another region";
	if (h->page != nr)
		return "page of another place";
	if (h->gen != gen)
		return h->gen < gen ? "an old generation" : "a generation never written";
	for (size_t i = HEAD_WORDS; i < WORDS; i++) {
		if (w[i] != mix64(x + i * GOLDEN))
			return "content differs";
		sum = (sum ^ w[i]) * GOLDEN;
	}
	return h->sum == sum ? NULL : "checksum differs";
}

bool page_is_zero(const void *page)
{
	const uint64_t *w = page;

	for (size_t i = 0; i < WORDS; i++)
		if (w[i])
			return false;
	return true;
}

uint32_t page_crc32(const void *page)
{
	static uint32_t table[256];
	const unsigned char *p = page;
	uint32_t crc = ~0u;

	if (!table[1])
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t c = i;

			for (int k = 0; k < 8; k++)
				c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
			table[i] = c;
		}
	for (size_t i = 0; i < PAGE; i++)
		crc = table[(crc ^ p[i]) & 0xff] ^ (crc >> 8);
	return ~crc;
}
