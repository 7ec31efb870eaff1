/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Targets for the tests of the keeper, and how to watch them. */
#ifndef STEPDUMP_TESTS_LIVE_TARGET_H
#define STEPDUMP_TESTS_LIVE_TARGET_H

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "engine/keeper/keeper_main.h"
#include "engine/parasite/proto.h"
#include "engine/target/keeper.h"
#include "tests/lib/test.h"

/* Memory that a target and the test share. */
struct shared {
	volatile int ready, go, stop, done, bad, bad_errno;
	volatile uint64_t ticks, address;
	volatile int signals[65];
};

struct target {
	pid_t pid;
	struct shared *sh;
};

extern struct shared *the_shared; /* in the target */

/* A child of the test that runs `run` and has reported that it is ready. */
struct target target_start(void (*run)(struct shared *));

/* Checks that it is still alive. */
void target_end(struct target *t);

/* Counts, in calls that the kernel must restart. */
void run_ticks(struct shared *sh);

char state_of(pid_t pid);

bool in_syscall_other_than(pid_t pid, long nr);

long status_field(pid_t pid, const char *key);

bool maps_mention(pid_t pid, const char *word);

/* Does the mapping that starts at `start` have these permissions? */
bool map_has(pid_t pid, uint64_t start, const char *perms);

size_t count_fds(pid_t pid);

/* ---- the parasite's channel ------------------------------------------------- */

struct parasite_reply get_reply(const struct keeper_parasite *p);

struct parasite_reply ask(const struct keeper_parasite *p, const void *msg, size_t len);

void ping(const struct keeper_parasite *p);

struct parasite_reply change_protection(const struct keeper_parasite *p,
					const struct parasite_vma *v, uint32_t nr, uint32_t add);

struct parasite_reply dump_pages(const struct keeper_parasite *p, const struct parasite_iov *iov,
				 uint32_t nr, int pipe_fd);

/* ---- one keeper for all tests of a program ------------------------------------- */

extern struct keeper *keeper;

/* For GROUP(). */
int keeper_up(void **state);
int keeper_down(void **state);

#endif
