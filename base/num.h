/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Numbers: pages, and sums that do not wrap.  A uint64_t is printed with "%lu" or "%lx", without a
 * cast: every system that we build for is LP64.
 */
#ifndef STEPDUMP_NUM_H
#define STEPDUMP_NUM_H

#include <stdint.h>

_Static_assert(sizeof(long) == 8, "a uint64_t is printed as %lu");

/*
 * The size of a page: in memory, in pipes and in images, which count in pages of the machine that
 * made them.  It is asked for when we run, except where there is one size only; a build with
 * -DPAGE_BYTES_ASKED asks there too, so that code which takes it for a constant does not go
 * unnoticed.  PAGE_BYTES_MAX is for arrays.
 */
#if defined(__x86_64__) && !defined(PAGE_BYTES_ASKED)
#define PAGE_BYTES 4096ul
#define PAGE_BYTES_MAX 4096ul
#else
#define PAGE_BYTES page_bytes()
#define PAGE_BYTES_MAX 65536ul
#endif

unsigned long page_bytes(void) __attribute__((const));

#define PAGE_UP(bytes) (((bytes) + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1))

/* Never wraps around: UINT64_MAX stands for "too many". */
static inline uint64_t add_sat(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

static inline uint64_t mul_sat(uint64_t a, uint64_t b)
{
	uint64_t r;

	return __builtin_mul_overflow(a, b, &r) ? UINT64_MAX : r;
}

#endif
