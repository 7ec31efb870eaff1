/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The address space of a task according to its mm images, as rows that pages are counted in. */
#ifndef STEPDUMP_CHAIN_ROWS_H
#define STEPDUMP_CHAIN_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/mm.pb-c.h"

enum row_mapped { ROW_BOTH, ROW_OLD, ROW_NEW, ROW_UNKNOWN };

struct chain_row {
	uint64_t start, end;
	enum row_mapped mapped;
	const Criu__VmaEntry *vma; /* borrowed; NULL: ROW_UNKNOWN */
};

/* In address order, without overlap, and without gaps: where nothing is mapped, ROW_UNKNOWN. */
struct chain_rows {
	struct chain_row *row;
	size_t nr;
};

/* The mm image of a task; *ret is NULL, without an error, if the directory has none. */
struct err *chain_read_mm(int dirfd, uint64_t pid, Criu__MmEntry **ret);

/*
 * chain_rows_make - the VMAs of the new side, and the parts of the old ones outside of them.  An
 * image that is missing (NULL) counts as equal to the other.  Both are borrowed for the life of
 * *ret.  ERR_CHECK if the VMAs of one are not in order.
 */
struct err *chain_rows_make(const Criu__MmEntry *old_mm, const Criu__MmEntry *new_mm,
			    struct chain_rows *ret);
void chain_rows_deinit(struct chain_rows *r);
/* The row that holds vaddr. */
size_t chain_rows_find(const struct chain_rows *r, uint64_t vaddr);

/* How a VMA of an image looks in a table: "rw-p", "anon". */
void chain_vma_prot(const Criu__VmaEntry *e, char out[5]);
const char *chain_vma_kind(const Criu__VmaEntry *e);

#endif
