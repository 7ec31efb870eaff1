/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `set zero drop`: pages that were written, and hold only zeroes.  Left out of the images they come back
 * as untouched memory, which reads the same.  CRIU dumps them.
 */
#ifndef STEPDUMP_ZERO_PAGES_H
#define STEPDUMP_ZERO_PAGES_H

#include "engine/target/target.h"

/* Does a page that is in no image read as zeroes when the mapping is restored? */
bool zero_pages_come_back(const struct vma *v);
/*
 * zero_pages_run - do the pages from vaddr on hold only zeroes?  Returns for how many of `pages` the answer
 * is the same as for the first, *zero_ret; a bounded number is looked at.  Pages that cannot be read are
 * taken for others.
 */
uint64_t zero_pages_run(const struct target *t, uint64_t vaddr, uint64_t pages, bool *zero_ret);

#endif
