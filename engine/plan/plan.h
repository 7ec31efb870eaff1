/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A dump rehearsed: what would be selected, how it would be piped, how large the images and how long
 * the freeze would be.  The selection is the pipeline's own, run over targets that are neither frozen
 * nor infected; so what a running target does meanwhile makes the answer an estimate.
 *
 * Target: page tables are read, and of its memory as much as was asked for, through /proc/PID/mem.
 * Pages that are swapped out are not read, as that would bring them in.
 */
#ifndef STEPDUMP_PLAN_H
#define STEPDUMP_PLAN_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/dump/dump.h"
#include "engine/plan/request.h"
#include "proto/plan.pb-c.h"

struct plan_env {
	const struct opts *opts;
	const struct caps *caps;
	struct keeper *keeper;          /* for the process of our own that is measured */
	struct tracker_table *trackers; /* those that know what was written since; borrowed */
	const volatile sig_atomic_t *interrupted;
};

/*
 * plan_make - t[0..nr): parents before children; frozen, or from target_look().  Not changed.
 * *ret: the caller frees it with stepdump__plan_report__free_unpacked(.., NULL).
 * Fails: ERR_USAGE the selection; ERR_INTERRUPTED; ERR_TARGET it ended meanwhile; what the
 * pipeline's own phases fail with before anything is touched.
 */
struct err *plan_make(const struct plan_env *env, const struct target *t, size_t nr, bool frozen,
		      const struct plan_request *req, Stepdump__PlanReport **ret);

#endif
