/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/pages/verdict.h"

#include "engine/pages/pagemap.h"

/*
 * Mirrors criu/mem.c should_dump_page() and the kernel's masks in criu/pagemap-cache.c.
 * One rule for both ways of reading pagemap.
 */
verdict_t page_verdict(const struct vma *v, uint64_t c)
{
	if (vma_never_dumped(v)) /* also vsyscall, which lies above all private memory */
		return VD(NEVER);
	if (!vma_is_private(v))
		return VD(SHARED);
	if (vma_always_dumped(v))
		return VD(ALWAYS);
	if (c & PAGE_IS_GUARD)
		return VD(GUARD);
	if (!(c & (PAGE_IS_PRESENT | PAGE_IS_SWAPPED)))
		return VD(ABSENT);
	if (c & PAGE_IS_PFNZERO) /* tested before FILE, which the huge zero page has too */
		return VD(ZERO);
	if (c & PAGE_IS_FILE)
		return VD(FILE_CLEAN);
	return c & PAGE_IS_PRESENT ? VD(DUMP) : VD(DUMP_SWAPPED);
}
