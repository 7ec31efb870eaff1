/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What changed between two image directories: pages added, gone and changed, per VMA.
 *
 * Holes are followed through the parents of each side, so that a full dump can be compared with an
 * incremental one.  Contents are compared, unless both sides lead to the same bytes of the
 * same file.  Memory: the pagemaps of one object at a time, and two small buffers.
 * Effect on any target: none.
 */
#ifndef STEPDUMP_CHAIN_DIFF_H
#define STEPDUMP_CHAIN_DIFF_H

#include <sys/types.h>

#include "base/err.h"
#include "engine/chain/chain_walk.h"
#include "proto/report.pb-c.h"

/*
 * chain_diff - from `old_dir` to `new_dir`.  pid: only that task (as in the file names); 0: all
 * tasks and shared objects.
 * VMAs are those of the mm images: where only one side has one (a pre-dump has none), they count
 * for both; where none has, the pages of the object are one row.
 * Caller frees *ret.  Fails: ERR_SYS, ERR_FORMAT, ERR_CHECK for a chain that is broken (`verify`
 * finds out where), ERR_USAGE if neither side has the task.
 */
struct err *chain_diff(const char *old_dir, const char *new_dir, pid_t pid, chain_stop_t stop,
		       Stepdump__DiffReport **ret);

#endif
