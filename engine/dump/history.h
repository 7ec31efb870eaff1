/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an incremental dump builds on: the parent image set, and the tracker of each task that
 * says what has changed since.  Both are opened in prepare, before the target is infected, and
 * have to fit together: a tracker's history that began at another set would lose pages.
 *
 * Mirrors: criu/mem.c detect_pid_reuse(), criu/cr-dump.c get_parent_inventory(),
 * criu/page-xfer.c open_page_local_xfer().
 */
#ifndef STEPDUMP_HISTORY_H
#define STEPDUMP_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/dump/opts.h"
#include "engine/dump/task_info.h"
#include "engine/track/tracker.h"
#include "engine/image/page_read.h"
#include "engine/pages/caps.h"
#include "engine/target/target.h"

/* The parent image set, shared by all tasks. */
struct parent_set {
	int dirfd;  /* -1: no parent */
	char *path; /* real path; owned */
	struct parent_info info;
};

/* ERR_USAGE, ERR_FORMAT if `dir` cannot be a parent; the hint says what is missing in it. */
struct err *parent_set_open(struct parent_set *ps, const char *dir);
void parent_set_close(struct parent_set *ps);

/* Trackers outlive a dump, and an attach: the session keeps them by task. */
struct tracker_table {
	struct tracker_slot {
		pid_t pid;
		uint64_t start_time_ticks;
		struct tracker *t;
	} * slot;
	size_t nr;
};

/* The tracker of a task; creates one if there is none yet, or if the one there is of another kind
 * than asked for.  Target: frozen, not infected. */
struct err *tracker_table_get(struct tracker_table *tt, enum opt_track want, struct keeper *k,
			      const struct target *t, const struct caps *c, struct tracker **ret);
/* NULL: none yet. */
struct tracker *tracker_table_find(const struct tracker_table *tt, const struct target *t);
/* Unregisters and forgets the trackers of `pid`; 0: all. */
void tracker_table_drop(struct tracker_table *tt, pid_t pid);

/*
 * history_pid_reused - is this another process than the one in the parent, with the same pid?  Both
 * times are floored to a tick.  A process that began in an earlier tick than the dump is the one
 * that was dumped; one that began in a later tick is not.  In the same tick both are possible: then
 * it counts as reused unless the caller knows that this process was in that dump (was_dumped).
 * CRIU does not know, and calls it reused: that costs a full dump, the other answer would lose
 * pages.
 * Mirrors: criu/mem.c detect_pid_reuse().
 */
bool history_pid_reused(uint64_t start_time_ticks, uint64_t dump_uptime_us, bool was_dumped);

/* May holes be left in this parent?  Of a set that went to a page server there is only a record here: a
 * hole in it needs a dump that goes there too, or somebody who says that the set will be taken there. */
bool history_may_leave(const struct page_read *pr, const struct opts *o);

/*
 * history_open - what task `ti` can leave in the parent.
 * *pr_ret is NULL if all of it has to be dumped; *why_ret (static text) says why then.
 * Fails if using the parent would lose pages: ERR_STATE with what to do instead.
 */
struct err *history_open(const struct parent_set *ps, const struct opts *o,
			 const struct task_info *ti, const struct tracker *t,
			 struct page_read **pr_ret, const char **why_ret);

#endif
