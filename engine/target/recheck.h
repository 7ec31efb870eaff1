/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Mappings that were read before the freeze (struct target_early) are compared with /proc/PID/maps when
 * the target stands.  What only smaps tells may still have changed in between, without a trace in maps:
 * madvise(), mlock().  So a thread of its own reads smaps again from the freeze on, and compares, while the
 * pages are drained.
 */
#ifndef STEPDUMP_RECHECK_H
#define STEPDUMP_RECHECK_H

#include "engine/target/target.h"

/* Takes the list of *early, which is empty then, if the frozen target still has these mappings; smaps is
 * being read again.  If it has not: takes what that finds. */
struct err *recheck_take(struct target *t, struct target_early *early, bool *taken_ret);
/*
 * recheck_end - waits for that, and completes t->vmas.
 * Fails: ERR_TARGET if a mapping has become one of another nature just before the freeze: t->vmas are
 * right then, and what was done with them is to be done again.
 */
struct err *recheck_end(struct target *t);
/* Waits for it and forgets it. */
void recheck_drop(struct target *t);

#endif
