/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The argument area that criu shares with its parasite: what DUMPPAGES and MPROTECT_VMAS are told.
 * criu holds it as a shared mapping of a memfd; where in it the arguments begin differs between
 * versions, and the head has one of two layouts, so it is searched for: the first place whose content
 * is consistent (VMAs and iovs page aligned, in ascending order, the iovs adding up to the count).
 *
 * Mirrors: criu/include/parasite.h struct parasite_dump_pages_args, parasite_vma_entry.
 */
#ifndef STEPDUMP_AREA_H
#define STEPDUMP_AREA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct area_head {
	uint32_t nr_vmas, add_prot, off, nr_segs;
	uint64_t nr_pages;
	size_t size; /* of the head: 20 (before CRIU 4.2) or 24 bytes; the VMAs follow */
};

struct area_iov {
	uint64_t base, len;
};

/*
 * area_read_head - the head at `p`, in the layout of that size, if the counts fit into `room`
 * bytes.
 */
bool area_read_head(const void *p, size_t room, size_t size, struct area_head *ret);
/* Byte offset, from the head, of iov `i` of the array (the ppb's own begin at h->off). */
size_t area_iov_at(const struct area_head *h, size_t i);
/* Is all at `p` consistent with *h: the VMAs, and the iovs of this ppb? */
bool area_check(const void *p, size_t room, const struct area_head *h);
/*
 * area_search - the first consistent head in `buf` that has iovs, at a multiple of 4 from `from` on.
 * Returns its offset, or -1.
 */
long area_search(const void *buf, size_t len, size_t from, struct area_head *ret);

#endif
