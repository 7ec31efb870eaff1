/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The second benchmark: what a dump costs when a parent has most of the memory, what tracking its
 * writes costs the target, and how long a pre-dump freezes it.
 *
 * One target writes on command, so that a rule says which pages are dirty.  Each round runs in a
 * process of its own, with a fresh session.
 */
#ifndef STEPDUMP_BENCH_INCREMENTAL_H
#define STEPDUMP_BENCH_INCREMENTAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "engine/track/tracker.h"

#include "tests/bench/bench/bench.h"

#define DIRTY_EACH 100u /* one page of so many is written between two dumps */

/* ---- the target (writer.c) ---------------------------------------------------------- */

struct writer {
	pid_t pid;
	int sock;
	uint64_t base, nr_pages;
};

/* A process with `mib` MiB of memory, all of it written in generation 0.  It dies with us. */
struct err *writer_start(struct writer *w, uint64_t mib);
void writer_stop(struct writer *w);
/* Writes all of every page; *us_ret: how long that took. */
struct err *writer_pass(const struct writer *w, uint64_t generation, uint64_t *us_ret);
/* Writes the pages for which page_is_dirty(). */
struct err *writer_touch(const struct writer *w, uint64_t generation);
/* Between the two calls the target wakes up every millisecond; *us_ret: the longest delay. */
struct err *writer_watch(const struct writer *w);
struct err *writer_unwatch(const struct writer *w, uint64_t *us_ret);

static inline bool page_is_dirty(uint64_t i, uint64_t generation)
{
	return i % DIRTY_EACH == generation % DIRTY_EACH;
}

/* Word `k` of page `i`, if it was written in `generation` last. */
static inline uint64_t page_word(uint64_t i, uint64_t generation, unsigned k)
{
	return (i * 1000003 + generation + 1) * 0x9e3779b97f4a7c15ull + k;
}

/* ---- one round (measure.c) ------------------------------------------------------------ */

struct dump_times_us {
	uint64_t main;   /* scan to last byte written */
	uint64_t frozen; /* as the target saw it */
	uint64_t total;  /* begin of attach to end of detach */
	uint64_t delay;  /* of `main`: how long others kept dumper and target from a CPU */
	uint64_t pages;
};

enum dump_kind { FULL, INCREMENTAL, PRE_SPLICE, PRE_READ, NR_DUMPS };
enum cost { ARM_FIRST, ARM_ALL, ARM_SOME, DISARM, PASS_FREE, PASS_ARMED, PASS_AGAIN, NR_COSTS };

struct round {
	struct dump_times_us dump[NR_DUMPS];
	uint64_t cost[NR_COSTS]; /* microseconds */
	uint64_t peak_kib;
};

/* Does the tracker work for this target?  *why_ret (caller frees): the reason if not. */
struct err *tracker_try(const struct writer *w, enum opt_track kind, char **why_ret);
/* generation: the last one used; up to 10 more are used.  verify: look into the images. */
struct err *measure_round(const struct writer *w, enum opt_track kind, const char *dir, bool verify,
			  uint64_t generation, struct round *ret);

/* ---- what the images hold (check.c) ------------------------------------------------------ */

/* all: every page of the target is there, in `generation`.  Else those that page_is_dirty() are,
 * and all others are holes. */
struct err *check_images(const struct writer *w, const char *dir, bool all, uint64_t generation);

#endif
