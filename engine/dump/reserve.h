/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Room for the pages, made before the target is stopped: files on tmpfs are allocated as large as the
 * dump will probably be.  Allocation is the greater part of a write to tmpfs, so the freeze is shorter
 * by it.  An estimate that is too high costs memory until the files are cut to size, one that is too low
 * some of the gain.  Nothing depends on it: what cannot be reserved is not.
 */
#ifndef STEPDUMP_RESERVE_H
#define STEPDUMP_RESERVE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "engine/image/staging.h"

/* Bytes of pages-1.img and so on, in the order in which a dump writes them. */
struct reserve_plan {
	uint64_t *bytes; /* owned */
	size_t nr;
};

/* What a dump of `pid`, and of its descendants if `tree`, will write, from outside.  Never fails: what
 * cannot be read counts as nothing. */
void reserve_estimate(pid_t pid, bool tree, struct reserve_plan *ret);
/* `pid`, and its descendants if `tree`, in the order in which they will be frozen; the caller frees. */
void reserve_tasks(pid_t pid, bool tree, pid_t **ret, size_t *nr_ret);
void reserve_plan_deinit(struct reserve_plan *p);

/*
 * reserve_files - make the staging directory and the files, if `dir` (which may not exist yet) is on a
 * tmpfs with that much room.  *bytes_ret: what is allocated; 0: nothing, and *staging_ret is NULL.
 * Two threads do it where there are two CPUs.
 * Fails: ERR_INTERRUPTED; as staging_create().
 */
struct err *reserve_files(const char *dir, struct staging_guard guard, const struct reserve_plan *p,
			  const volatile sig_atomic_t *interrupted, struct staging **staging_ret,
			  uint64_t *bytes_ret);
/* Removes pages-N.img of N > used, up to nr. */
void reserve_drop(int dirfd, unsigned used, unsigned nr);

#endif
