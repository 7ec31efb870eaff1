/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Freezing targets, asking a tracker about their pages, and a target that executes commands. */
#ifndef STEPDUMP_TESTS_TRACKER_RIG_H
#define STEPDUMP_TESTS_TRACKER_RIG_H

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "engine/track/tracker.h"
#include "engine/pages/caps.h"
#include "engine/pages/pagemap.h"
#include "engine/pages/pmc.h"
#include "engine/proc/proc.h"

#include "tests/lib/live_target.h"

struct frozen {
	struct keeper *k;
	struct keeper_task task;
	struct vma_list vmas;
	int pagemap_fd;
};

void freeze(struct keeper *k, pid_t pid, struct frozen *f);

void thaw(struct frozen *f);

struct tracker *track(struct frozen *f, enum opt_track want, const struct caps *c);

/* A page that a dump would write. */
bool is_data(const struct vma *v, uint64_t cats);

/* Calls fn for each run of pages of VMA number i that are in the same state. */
void for_each_run(struct frozen *f, const struct caps *c, const struct tracker *t, size_t i,
		  void (*fn)(void *arg, const struct vma *v, uint64_t start, uint64_t end,
			     uint64_t cats),
		  void *arg);

/* 'd' dirty, 'c' clean, '-' nothing that a dump would write. */
char page_state(struct frozen *f, const struct caps *c, const struct tracker *t, uint64_t addr);

/* "ddc-" for four pages from `addr`. */
const char *page_states(struct frozen *f, const struct caps *c, const struct tracker *t,
			uint64_t addr, size_t nr);

/* Why this kind of tracking cannot be tested here; NULL: it can. */
const char *cannot_track(enum opt_track want, const struct caps *c);

/* ---- a target that executes commands on 16 pages of its memory ---------------- */

extern struct caps caps;

#define NR 16u /* pages of the ordinary target */

#define need(want)                                                                                 \
	do {                                                                                       \
		if (cannot_track(want, &caps))                                                     \
			skip_because(cannot_track(want, &caps));                                   \
	} while (0)

/* Runs do_it(step) for each step that it is sent, in turn. */
void obey(struct shared *sh, void (*do_it)(struct shared *sh, int step));

void tell(struct target *t, int step);

extern uint8_t *mem; /* in the target */

uint8_t *map_rw(size_t pages);

/* Apart from other memory, and touched. */
void plain_set_up(struct shared *sh);

enum { STORE_3 = 1, READ_5_TO_7, STORE_ALL, UNMAP_MAP_4, DONTNEED_2, LOAD_ALL, OPEN_RIVAL };

void do_plain(struct shared *sh, int step);

void run_plain(struct shared *sh);

void reset_and_thaw(struct tracker *t, struct frozen *f);

/* For GROUP(): the capabilities, and a keeper. */
int tracker_up(void **state);

#endif
