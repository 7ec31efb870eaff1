/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The pagemap cache: what the kernel reports about the target's pages, fetched by windows.
 *
 *   VMAs      |--a--|  |-b-|      |------------c------------|
 *   window    [==============)                                  cache mode: a, b in one fill
 *                                 [=========================)   simple mode: c alone
 *
 * A look-up of a VMA that lies in the window is a hit; any other is a miss and one fill.  A VMA
 * below 2 MiB whose start is within 512 KiB of its 2 MiB window's start, and which has
 * neighbours in that window, is fetched with them (cache mode).  A fill is bounded whatever the
 * VMA's size: it may end before the VMA does, and the rest is another fill.
 *
 * Two ways to fill, with equal results: ioctl PAGEMAP_SCAN, and pread of pagemap.
 * Reads only; the target must be frozen for the answer to stay true.
 * Mirrors: criu/pagemap-cache.c.
 */
#ifndef STEPDUMP_PMC_H
#define STEPDUMP_PMC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/pages/caps.h"
#include "engine/pages/pagemap.h"
#include "engine/proc/vma.h"

#define PMC_SHIFT 21
#define PMC_SIZE (1ul << PMC_SHIFT)    /* 2 MiB */
#define PMC_SIZE_GAP (PMC_SIZE / 4)    /* 512 KiB */
#define PMC_MAX_ENTRIES (512u * 1024u) /* pread: one fill covers at most 2 GiB, 4 MiB of buffer */
#define PMC_MAX_REGIONS 32768u         /* scan: as CRIU */

/* How pagemap is read: AUTO takes PAGEMAP_SCAN where the kernel has it. */
enum opt_pmc { PMC_AUTO, PMC_SCAN, PMC_PREAD };

struct pmc {
	int pagemap_fd;          /* borrowed */
	bool scan;               /* PAGEMAP_SCAN, else pread */
	bool cache;              /* cache mode allowed */
	bool sizes_are_early;    /* those of the list, from before the freeze; set after init */
	uint64_t extra;          /* scan: categories that a tracker wants to see; set after init */
	const struct caps *caps; /* borrowed */

	uint64_t start, end; /* window; empty if equal */
	uint64_t want_end;   /* what the fill asked for: > end if it stopped early */
	bool cached;         /* filled in cache mode */
	unsigned nr_vmas;    /* VMAs that the window touches, as known at the fill */

	uint64_t *entry;            /* pread: one per page of the window */
	struct page_region *region; /* scan: sorted regions inside the window; the rest is absent */
	size_t nr, cap;             /* of entry or region */
	size_t at;                  /* region to look at first: look-ups ascend */

	uint64_t hits, misses, fills;
	bool last_hit;
};

struct err *pmc_init(struct pmc *pmc, int pagemap_fd, const struct caps *caps, enum opt_pmc mode,
		     bool cache);
void pmc_deinit(struct pmc *pmc);

/* Makes the window cover `from`, which lies in VMA idx of the list.  *hit_ret: nothing was read. */
struct err *pmc_get_map(struct pmc *pmc, const struct vma_list *l, size_t idx, uint64_t from,
			bool *hit_ret);

/* Would pmc_get_map() hit? */
bool pmc_covers(const struct pmc *pmc, uint64_t from, uint64_t end);

/*
 * pmc_run - the longest run of pages from `from` with the same categories.
 * from lies in the window; the run ends at `end` or at the window's end at the latest.
 * Returns PAGE_IS_* categories (0: nothing there); *run_end_ret is exclusive.
 */
uint64_t pmc_run(struct pmc *pmc, uint64_t from, uint64_t end, uint64_t *run_end_ret);

#endif
