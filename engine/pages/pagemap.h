/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the kernel reports about a process's pages: the ioctl PAGEMAP_SCAN (Linux 6.7) and plain
 * reads of /proc/PID/pagemap.  Addresses are bytes, page aligned; ranges are half-open and lie
 * below PAGEMAP_TASK_SIZE.  Nothing here changes the process, except a scan with
 * PM_SCAN_WP_MATCHING, which write-protects.
 *
 * The definitions of <linux/fs.h> are repeated: the one on the build machine may be older.
 */
#ifndef STEPDUMP_PAGEMAP_H
#define STEPDUMP_PAGEMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "engine/arch/arch.h"

#define PAGEMAP_TASK_SIZE arch_task_size()

/* Categories of a page. */
#define PAGE_IS_WPALLOWED 0x1u /* in a VMA with asynchronous write-protection */
#define PAGE_IS_WRITTEN 0x2u   /* written since it was protected */
#define PAGE_IS_FILE 0x4u      /* page of a file, or shared anonymous */
#define PAGE_IS_PRESENT 0x8u
#define PAGE_IS_SWAPPED 0x10u /* swapped out, or a marker without a page */
#define PAGE_IS_PFNZERO 0x20u /* the kernel's zero page, small or huge */
#define PAGE_IS_HUGE 0x40u
#define PAGE_IS_SOFT_DIRTY 0x80u
#define PAGE_IS_GUARD 0x100u /* MADV_GUARD_INSTALL */

#define PM_SCAN_WP_MATCHING 0x1u
#define PM_SCAN_CHECK_WPASYNC 0x2u

/* Bits of an entry of /proc/PID/pagemap. */
/* 0 without CAP_SYS_ADMIN; type and offset of the swap entry if PM_SWAP. */
#define PM_PFN_MASK ((1ull << 55) - 1)
#define PM_SOFT_DIRTY (1ull << 55)
#define PM_MMAP_EXCLUSIVE (1ull << 56)
#define PM_UFFD_WP (1ull << 57)
#define PM_GUARD_REGION (1ull << 58)
#define PM_FILE (1ull << 61)
#define PM_SWAP (1ull << 62)
#define PM_PRESENT (1ull << 63)

struct page_region {
	uint64_t start, end;
	uint64_t categories;
};

/* A page matches if ((categories ^ inverted) & mask) == mask, and it has a category of `anyof`
 * (after inversion) unless that is 0. */
struct pagemap_scan_query {
	uint64_t flags; /* PM_SCAN_* */
	uint64_t category_inverted, category_mask, category_anyof_mask;
	uint64_t return_mask;
};

/* /proc/PID/pagemap, close-on-exec; the caller closes *fd_ret.  ERR_TARGET if not possible.
 * It stays bound to the memory that the process has now: after an exec it is useless. */
struct err *pagemap_open(pid_t pid, int *fd_ret);

/*
 * pagemap_scan - the matching pages of [start, end), as regions in address order.
 * Fills at most `cap` regions; neighbours that are equal are merged, no page comes twice.
 * *walk_end_ret: everything below was looked at; `end` unless `out` filled up.
 * Fails: ERR_UNSUPPORTED no such ioctl; ERR_SYS EINVAL a category that this kernel lacks.
 */
struct err *pagemap_scan(int pagemap_fd, uint64_t start, uint64_t end,
			 const struct pagemap_scan_query *q, struct page_region *out, size_t cap,
			 size_t *nr_ret, uint64_t *walk_end_ret);

/* Calls fn for every guard region in [start, end), in address order, each in full.  Needs a kernel
 * with PAGE_IS_GUARD.  An error of fn ends the walk and is returned. */
struct err *pagemap_scan_guards(int pagemap_fd, uint64_t start, uint64_t end,
				struct err *(*fn)(void *arg, uint64_t start, uint64_t end),
				void *arg);

/* The entries of nr_pages pages from `start` on.  ERR_TARGET if the memory is gone. */
struct err *pagemap_read(int pagemap_fd, uint64_t start, size_t nr_pages, uint64_t *out);

/* What works here, found out by trying it on pages of our own, which are unmapped again. */
struct pagemap_probe {
	bool scan;                        /* PAGEMAP_SCAN */
	bool scan_guard, scan_soft_dirty; /* it knows these categories */
	bool pfn_visible;
	uint64_t zero_pfn; /* valid if pfn_visible */
	/* First of 512; 0: no huge zero page seen.  It stays the same while our process lives,
	 * which has a reference to it from then on. */
	uint64_t huge_zero_pfn;
};

struct err *pagemap_probe(struct pagemap_probe *ret);

#endif
