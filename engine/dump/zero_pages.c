/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/dump/zero_pages.h"

#include <string.h>
#include <sys/mman.h>

#include "base/num.h"

#define WINDOW_PAGES 64u /* stays in the cache from the copy to the look */

bool zero_pages_come_back(const struct vma *v)
{
	const uint32_t both = MAP_ANONYMOUS | MAP_PRIVATE;

	/* A handler of page faults would be asked for the page. */
	return (v->flags & both) == both && (v->status & VMA_ANON_PRIVATE) &&
	       !(v->vmf & (VMF_HUGETLB | VMF_UFFD | VMF_SHADOWSTACK | VMF_IO | VMF_PFNMAP));
}

static bool zero_page(const unsigned char *page)
{
	static const unsigned char zeroes[64];

	return !memcmp(page, zeroes, sizeof(zeroes)) &&
	       !memcmp(page, page + sizeof(zeroes), PAGE_BYTES - sizeof(zeroes));
}

uint64_t zero_pages_run(const struct target *t, uint64_t vaddr, uint64_t pages, bool *zero_ret)
{
	static unsigned char window[WINDOW_PAGES * PAGE_BYTES];
	size_t nr = pages < WINDOW_PAGES ? (size_t)pages : WINDOW_PAGES, i = 1, got = 0;
	struct err *e = target_read(t, vaddr, window, nr * PAGE_BYTES, &got);

	if (e || got < PAGE_BYTES) {
		err_free(e); /* met again, and reported, when it is drained */
		*zero_ret = false;
		return nr;
	}
	nr = got / PAGE_BYTES;
	*zero_ret = zero_page(window);
	while (i < nr && zero_page(window + i * PAGE_BYTES) == *zero_ret)
		i++;
	return i;
}
