/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Mirrors criu/pagemap-cache.c.  Differs in: fills are bounded (CRIU sizes the buffer by the
 * longest VMA); the scan also asks for the pages that will be skipped, so that the reason is
 * known (CRIU's mask hides zero, file and guard pages).
 */
#include "engine/pages/pmc.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct err *pmc_init(struct pmc *pmc, int pagemap_fd, const struct caps *caps, enum opt_pmc mode,
		     bool cache)
{
	*pmc = (struct pmc){
		.pagemap_fd = pagemap_fd,
		.scan = mode != PMC_PREAD && caps->pagemap_scan,
		.cache = cache,
		.caps = caps,
	};
	if (mode == PMC_SCAN && !caps->pagemap_scan)
		return err_hint(err_new(ERR_UNSUPPORTED, "this kernel has no ioctl PAGEMAP_SCAN"),
				"`set pmc pread` or `set pmc auto`");
	return NULL;
}

void pmc_deinit(struct pmc *pmc)
{
	free(pmc->entry);
	free(pmc->region);
	*pmc = (struct pmc){ .pagemap_fd = -1 };
}

bool pmc_covers(const struct pmc *pmc, uint64_t from, uint64_t end)
{
	return pmc->start <= from && end <= pmc->end;
}

/* What one fill for VMA idx should cover.  Mirrors pmc_fill_cache(). */
static void pmc_window(const struct pmc *pmc, const struct vma_list *l, size_t idx, uint64_t from,
		       uint64_t *end_ret, bool *cached_ret, unsigned *nr_vmas_ret)
{
	const struct vma *v = &l->v[idx];
	uint64_t low = v->start & ~(PMC_SIZE - 1), high = low + PMC_SIZE;

	*end_ret = v->end;
	*cached_ret = false;
	*nr_vmas_ret = 1;
	if (!pmc->cache || from != v->start || v->end - v->start >= PMC_SIZE ||
	    v->start - low >= PMC_SIZE_GAP)
		return;
	for (size_t i = idx + 1; i < l->nr && l->v[i].end <= high; i++) {
		*end_ret = high < PAGEMAP_TASK_SIZE ? high : PAGEMAP_TASK_SIZE;
		*cached_ret = true;
		++*nr_vmas_ret;
	}
}

/* Room for that many entries or regions; at most PMC_MAX_*. */
static void *pmc_room(struct pmc *pmc, void *p, size_t want, size_t size)
{
	if (want <= pmc->cap)
		return p;
	pmc->cap = want;
	return xreallocarray(p, want, size);
}

static struct err *pmc_fill_scan(struct pmc *pmc, uint64_t start, uint64_t end)
{
	uint64_t guard = pmc->caps->scan_guard ? PAGE_IS_GUARD : 0;
	struct pagemap_scan_query q = {
		.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED | guard,
		.return_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED | PAGE_IS_FILE | PAGE_IS_PFNZERO |
			       guard | (pmc->caps->scan_soft_dirty ? PAGE_IS_SOFT_DIRTY : 0) |
			       pmc->extra,
	};
	uint64_t pages = (end - start) / PAGE_BYTES;
	size_t want = pages < PMC_MAX_REGIONS ? (size_t)pages : PMC_MAX_REGIONS;
	uint64_t entry;

	pmc->region = pmc_room(pmc, pmc->region, want, sizeof(*pmc->region));
	TRY(pagemap_scan(pmc->pagemap_fd, start, end, &q, pmc->region, want, &pmc->nr, &pmc->end));
	/* In the memory of a process that died, the ioctl finds nothing and does not fail, but a
	 * read fails.  So if this read succeeds, the answer of the ioctl was about live memory. */
	return pagemap_read(pmc->pagemap_fd, start, 1, &entry);
}

static struct err *pmc_fill_pread(struct pmc *pmc, const struct vma *v, uint64_t start,
				  uint64_t end)
{
	uint64_t pages = (end - start) / PAGE_BYTES;

	/* A reservation that was never touched: smaps has just counted its pages, and reading eight
	 * bytes for each of them (2 GiB for a TiB) would only confirm that.  It does not count the
	 * pages of hugetlbfs, and what it counted before the freeze does not hold. */
	if (!pmc->sizes_are_early && !pmc->cached && pages > PMC_MAX_ENTRIES && !v->rss_bytes &&
	    !v->swap_bytes && !(v->vmf & VMF_HUGETLB)) {
		pmc->nr = 0;
		pmc->end = end;
		return NULL;
	}
	if (pages > PMC_MAX_ENTRIES)
		pages = PMC_MAX_ENTRIES;
	pmc->entry = pmc_room(pmc, pmc->entry, pages, sizeof(*pmc->entry));
	TRY(pagemap_read(pmc->pagemap_fd, start, pages, pmc->entry));
	pmc->nr = pages;
	pmc->end = start + pages * PAGE_BYTES;
	return NULL;
}

struct err *pmc_get_map(struct pmc *pmc, const struct vma_list *l, size_t idx, uint64_t from,
			bool *hit_ret)
{
	const struct vma *v = &l->v[idx];

	*hit_ret = pmc->last_hit = pmc_covers(pmc, from, v->end);
	if (*hit_ret) {
		pmc->hits++;
		return NULL;
	}

	uint64_t end;

	pmc->misses++;
	pmc->start = pmc->end = 0;
	pmc->at = 0;
	pmc_window(pmc, l, idx, from, &end, &pmc->cached, &pmc->nr_vmas);
	struct err *e =
		pmc->scan ? pmc_fill_scan(pmc, from, end) : pmc_fill_pread(pmc, v, from, end);

	if (e) {
		pmc->end = 0;
		return err_wrap(e, "fill the pagemap cache for %lx-%lx", from, end);
	}
	pmc->fills++;
	pmc->start = from;
	pmc->want_end = end;
	return NULL;
}

/* A pagemap entry in the terms of PAGEMAP_SCAN, so that one rule serves both paths. */
static uint64_t entry_categories(const struct caps *caps, uint64_t e)
{
	uint64_t c = 0;

	if (e & PM_PRESENT) {
		uint64_t pfn = e & PM_PFN_MASK;

		c |= PAGE_IS_PRESENT;
		if (caps->pfn_visible && (pfn == caps->zero_pfn ||
					  (caps->huge_zero_pfn && pfn - caps->huge_zero_pfn < 512)))
			c |= PAGE_IS_PFNZERO;
	}
	if (e & PM_SWAP)
		c |= PAGE_IS_SWAPPED;
	if (e & PM_FILE)
		c |= PAGE_IS_FILE;
	if (e & PM_GUARD_REGION)
		c |= PAGE_IS_GUARD;
	if (e & PM_SOFT_DIRTY)
		c |= PAGE_IS_SOFT_DIRTY;
	/* The other bits of an absent page must not split runs. */
	return c & (PAGE_IS_PRESENT | PAGE_IS_SWAPPED | PAGE_IS_GUARD) ? c : 0;
}

static uint64_t pmc_run_pread(const struct pmc *pmc, uint64_t from, uint64_t end, uint64_t *run_end)
{
	*run_end = end;
	if (!pmc->nr) /* known to be empty without reading */
		return 0;

	size_t i = (from - pmc->start) / PAGE_BYTES, last = (end - pmc->start) / PAGE_BYTES;
	uint64_t c = entry_categories(pmc->caps, pmc->entry[i]);

	for (size_t k = i + 1; k < last; k++)
		if (entry_categories(pmc->caps, pmc->entry[k]) != c) {
			*run_end = pmc->start + k * PAGE_BYTES;
			break;
		}
	return c;
}

static uint64_t pmc_run_scan(struct pmc *pmc, uint64_t from, uint64_t end, uint64_t *run_end)
{
	size_t i = pmc->at < pmc->nr && pmc->region[pmc->at].start <= from ? pmc->at : 0;

	while (i < pmc->nr && pmc->region[i].end <= from)
		i++;
	pmc->at = i;
	if (i == pmc->nr || pmc->region[i].start > from) {
		*run_end = i < pmc->nr && pmc->region[i].start < end ? pmc->region[i].start : end;
		return 0;
	}
	*run_end = pmc->region[i].end < end ? pmc->region[i].end : end;
	return pmc->region[i].categories;
}

uint64_t pmc_run(struct pmc *pmc, uint64_t from, uint64_t end, uint64_t *run_end_ret)
{
	if (end > pmc->end)
		end = pmc->end;
	return pmc->scan ? pmc_run_scan(pmc, from, end, run_end_ret) :
			   pmc_run_pread(pmc, from, end, run_end_ret);
}
