/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <sys/mman.h>

#include "base/num.h"
#include "engine/arch/arch.h"

#define BITS_MIN 36
#define BITS_MAX 48

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/* Something may be mapped there, which stays. */
static bool is_user_address(uint64_t addr)
{
	void *p = mmap((void *)addr, PAGE_BYTES, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED)
		return errno == EEXIST;
	munmap(p, PAGE_BYTES);
	return p == (void *)addr;
}

uint64_t arch_probe_task_size(void)
{
	static uint64_t size;

	for (unsigned bits = BITS_MAX; !size; bits--)
		if (bits == BITS_MIN || is_user_address((1ull << bits) - PAGE_BYTES))
			size = 1ull << bits;
	return size;
}
