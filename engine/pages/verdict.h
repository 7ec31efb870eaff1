/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What becomes of a page, and by which rule.
 * Mirrors: criu/mem.c should_dump_page().
 */
#ifndef STEPDUMP_VERDICT_H
#define STEPDUMP_VERDICT_H

#include <stdint.h>

#include "engine/proc/vma.h"
#include "proto/names.h"

struct verdict_counts {
	uint64_t pages[NR_VERDICTS];
};

/* The verdict on pages with these PAGE_IS_* categories in VMA v: pure. */
verdict_t page_verdict(const struct vma *v, uint64_t categories);

#endif
