/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A process that changes its private memory at random, in all the ways that programs do, in several
 * threads.  Each thread stays in an arena of its own and knows the state of every page in it, so
 * that it never crashes on a fault; a pool that all of them write to lies at sh->address.
 */
#ifndef STEPDUMP_TESTS_TRACKER_VICTIM_H
#define STEPDUMP_TESTS_TRACKER_VICTIM_H

#include "tests/lib/live_target.h"

#define VICTIM_POOL_PAGES 64u

extern uint64_t victim_seed; /* set it before target_start(run_victim) */

void run_victim(struct shared *sh);

#endif
