/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the files that implement engine/track/tracker.h. */
#ifndef STEPDUMP_TRACKER_PRIV_H
#define STEPDUMP_TRACKER_PRIV_H

#include "engine/track/tracker.h"

/* A stretch of memory that could not be armed. */
struct untracked {
	uint64_t start, end;
	const char *why; /* static */
};

struct tracker {
	enum tracker_kind kind;
	pid_t pid;
	uint64_t start_time_ticks;
	struct caps caps;
	char *reason; /* owned */
	bool armed;
	uint64_t reset_uptime_us;
	/* Bound to the memory that the task had when the tracker was made; -1 for TRACK_NONE. */
	int pagemap_fd;
	const char *distrust; /* static: why no page of the task can be called clean; or NULL */

	/* uffd only */
	int uffd;                    /* -1: none */
	struct untracked *untracked; /* in address order; owned */
	size_t nr_untracked;
};

struct err *soft_dirty_reset(struct tracker *t);

/* Target: userfaultfd() and close() are run in it, by one request to the keeper. */
struct err *uffd_obtain(struct tracker *t, struct keeper *k);
struct err *uffd_reset(struct tracker *t, const struct vma_list *vmas);
const char *uffd_untrusted(const struct tracker *t, const struct vma *v);
/* Does the task have a userfaultfd, or might it, that can make pages clean behind our back? */
bool uffd_has_rival(pid_t pid);

#endif
