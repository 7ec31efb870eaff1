/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All pages of a range of addresses, as runs with the same categories, in address order:
 *
 *	struct page_walk w = { .pmc = &pmc, .vmas = vmas, .at = start, .end = end };
 *	struct page_run run;
 *
 *	while (!(e = page_walk_next(&w, &run)) && run.vma)
 *		... page_verdict(run.vma, run.categories) ...
 *
 * Reads pagemap only; the target must be frozen for the answer to stay true.
 */
#ifndef STEPDUMP_PAGE_WALK_H
#define STEPDUMP_PAGE_WALK_H

#include "engine/pages/pmc.h"

struct page_walk {
	struct pmc *pmc;             /* borrowed */
	const struct vma_list *vmas; /* borrowed */
	uint64_t at, end;            /* what is left; UINT64_MAX: up to the last VMA */
	size_t idx;                  /* VMA to look at first: 0 at the start */
};

struct page_run {
	const struct vma *vma; /* NULL: there are no more */
	uint64_t start, end;
	/* PAGE_IS_*.  0 for a VMA whose verdict does not depend on them, which is one run: shared,
	 * always or never dumped. */
	uint64_t categories;
};

static inline uint64_t page_run_pages(const struct page_run *r)
{
	return (r->end - r->start) / PAGE_BYTES;
}

/* Fails as pmc_get_map(). */
struct err *page_walk_next(struct page_walk *w, struct page_run *ret);

/* Makes the window of `pmc` begin at `from`, in VMA idx, and extend to `end` or the end of the VMA,
 * so that no more of a VMA of 100 GiB is read than is asked for. */
struct err *page_walk_fill(struct pmc *pmc, const struct vma_list *vmas, size_t idx, uint64_t from,
			   uint64_t end);

#endif
