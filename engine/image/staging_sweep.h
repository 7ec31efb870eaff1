/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Staging directories of which nobody is left who would remove them: stepdump was killed, and its
 * keeper with it.  They may hold memory of a target.
 *
 * A staging directory that may be swept is called "[.BASE].stepdump-PID.RANDOM", and its maker holds
 * a lock (flock) on it.  One without a guard is called ".stepdump-PID-RANDOM": it may be the only copy
 * of a process that has ended, and is never swept.
 */
#ifndef STEPDUMP_STAGING_SWEEP_H
#define STEPDUMP_STAGING_SWEEP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The part of the name after ".BASE"; the caller frees. */
char *staging_suffix(pid_t pid, uint64_t random, bool may_be_swept);
/* For as long as dirfd is open.  Without locks (some network file systems) the pid alone decides. */
void staging_hold(int dirfd);
/*
 * Removes those in the directory parent_fd (O_PATH is enough) that are ours (the same user), whose
 * process does not exist and which nobody holds.  What cannot be looked at or removed stays: this is
 * never a reason not to dump.  `parent` is for the journal of what was undone.
 */
void staging_sweep(int parent_fd, const char *parent);

#endif
