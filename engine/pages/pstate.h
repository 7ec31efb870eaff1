/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the page tables of all mappings say about the pages of one shared object: two bits a page.
 *
 *	0 DONT_DUMP   no mapping has it: SEEK_DATA decides (data: as DIRTY, hole: as ZERO)
 *	1 DUMP        present and clean: a hole if the parent has the object, else data
 *	2 ZERO        skipped
 *	3 DIRTY       data
 *
 * States of several mappings are ORed: bits are only ever set.  The index is the page of the
 * object; a mapping at an offset contributes from that page on.
 * Mirrors: criu/shmem.c (enum page_state, update_shmem_pmaps, expand_shmem).  Differs in: it
 * walks the pages of the VMA, never beyond either end of VMA or object.
 */
#ifndef STEPDUMP_PSTATE_H
#define STEPDUMP_PSTATE_H

#include <stdint.h>

#include "base/err.h"

enum pst { PST_DONT_DUMP = 0, PST_DUMP = 1, PST_ZERO = 2, PST_DIRTY = 3 };

struct pstate {
	uint64_t *word;    /* 32 pages each; owned */
	uint64_t nr_pages; /* capacity in pages; grows, filled with zeros */
};

/*
 * ORs `state` into pages [page, page + nr).  ERR_NOMEM: an object may be far larger than what is
 * mapped of it, and the map reaches from its first page.
 */
struct err *pstate_or(struct pstate *ps, uint64_t page, uint64_t nr, enum pst state);
/* DONT_DUMP beyond the end. */
enum pst pstate_get(const struct pstate *ps, uint64_t page);
/* End of the run of pages with the state of `page`, at most `end`. */
uint64_t pstate_run(const struct pstate *ps, uint64_t page, uint64_t end);
void pstate_deinit(struct pstate *ps);

#endif
