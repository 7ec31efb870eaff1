/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Numbers: pages, and sums that do not wrap.  A uint64_t is printed with "%lu" or "%lx", without a
 * cast: every system that we build for is LP64.
 */
#ifndef STEPDUMP_NUM_H
#define STEPDUMP_NUM_H

#include <stdint.h>

_Static_assert(sizeof(long) == 8, "a uint64_t is printed as %lu");

#define PAGE_BYTES 4096ul

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
