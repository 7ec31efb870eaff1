/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The argument area of criu's parasite: both layouts of its head, found among other bytes. */
#include "engine/watch/area.h"

#include <string.h>

#include "tests/lib/random.h"
#include "tests/lib/test.h"

#define ROOM 65536

struct made {
	_Alignas(8) char buf[ROOM];
	size_t at;
};

static void put32(struct made *m, size_t at, uint32_t v)
{
	memcpy(m->buf + m->at + at, &v, sizeof(v));
}

static void put64(struct made *m, size_t at, uint64_t v)
{
	memcpy(m->buf + m->at + at, &v, sizeof(v));
}

/* An area at `at`: VMAs, three iovs of ppbs that went before, then `segs` of one page more each. */
static uint64_t make(struct made *m, size_t at, size_t head, uint32_t vmas, uint32_t segs)
{
	uint64_t pages = 0;

	memset(m->buf, 0, ROOM);
	m->at = at;
	put32(m, 0, vmas);
	put32(m, 4, 1);
	put32(m, 8, 3);
	put32(m, 12, segs);
	for (uint32_t i = 0; i < vmas; i++) {
		put64(m, head + i * 24, 0x400000 + i * 0x10000);
		put64(m, head + i * 24 + 8, 0x8000);
		put32(m, head + i * 24 + 16, 2);
	}
	for (uint32_t i = 0; i < 3 + segs; i++) {
		size_t iov = head + vmas * 24 + i * 16;

		put64(m, iov, 0x7f0000000000 + i * 0x100000ul);
		put64(m, iov + 8, (i + 1) * 4096ul);
		pages += i >= 3 ? i + 1 : 0;
	}
	if (head == 24)
		put64(m, 16, pages);
	else
		put32(m, 16, (uint32_t)pages);
	return pages;
}

static void finds(size_t at, size_t head, uint32_t vmas, uint32_t segs)
{
	static struct made m;
	uint64_t pages = make(&m, at, head, vmas, segs);
	struct area_head h;

	assert_int_equal(area_search(m.buf, ROOM, 0, &h), at);
	assert_int_equal(h.size, head);
	assert_int_equal(h.nr_vmas, vmas);
	assert_int_equal(h.nr_segs, segs);
	assert_int_equal(h.off, 3);
	assert_int_equal(h.nr_pages, pages);
	assert_int_equal(area_iov_at(&h, h.off), head + vmas * 24 + 48);
}

TEST(both_heads_are_found)
{
	for (uint32_t vmas = 0; vmas < 4; vmas++)
		for (uint32_t segs = 1; segs < 40; segs += 7) {
			finds(0x6290, 24, vmas, segs);
			finds(0x6290, 20, vmas, segs);
			finds(0x6294, 20, vmas, segs);
		}
}

TEST(nothing_is_found_in_nothing)
{
	static char zeros[ROOM];
	struct area_head h;

	assert_int_equal(area_search(zeros, ROOM, 0, &h), -1);
	assert_int_equal(area_search(zeros, 8, 0, &h), -1);
}

/* One wrong byte of the count, of an address or of a length, and it is no area. */
TEST(what_is_not_consistent_is_not_taken)
{
	static struct made m;
	struct area_head h;

	make(&m, 0x1000, 24, 0, 4);
	put64(&m, 16, 1);
	assert_int_equal(area_search(m.buf, ROOM, 0, &h), -1);
	make(&m, 0x1000, 24, 0, 4);
	put64(&m, 24 + 4 * 16, 0x7f0000000001);
	assert_int_equal(area_search(m.buf, ROOM, 0, &h), -1);
	make(&m, 0x1000, 24, 0, 4);
	put64(&m, 24 + 5 * 16, 0x1000);
	assert_int_equal(area_search(m.buf, ROOM, 0, &h), -1);
	make(&m, 0x1000, 24, 2, 4);
	put64(&m, 24 + 8, 0);
	assert_int_equal(area_search(m.buf, ROOM, 0, &h), -1);
}

/* Counts that reach behind the end, in bytes of any kind: no read outside of them (make asan). */
TEST(any_bytes_are_read_safely)
{
	struct area_head h;

	for (int round = 0; round < 200; round++) {
		size_t len = rnd(600);
		char *p = malloc(len ? len : 1);

		for (size_t i = 0; i < len; i++)
			p[i] = (char)(rnd(3) ? 0 : rnd(256));
		long at = area_search(p, len, 0, &h);

		assert_true(at < (long)len);
		free(p);
	}
}
