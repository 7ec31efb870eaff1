/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The player's state: play_file.c reads it, play.c moves in it, play_snap.c answers from it. */
#ifndef STEPDUMP_PLAY_PRIV_H
#define STEPDUMP_PLAY_PRIV_H

#include "engine/dump/phases.h"
#include "engine/record/frames.h"
#include "engine/record/play.h"
#include "proto/recfile.h"

struct play_stop {
	uint64_t key;   /* where the key frame lies from which it is rebuilt */
	uint32_t after; /* frames that follow that one, up to this stop */
	phase_t phase;  /* of the next unit, as in the cursor */
	unsigned chunk;
	bool has_unit, failed;
	uint64_t unit;          /* units done, if has_unit */
	struct unit next, last; /* for breakpoints */
	char **lines;           /* the totals, at the gate */
	size_t nr_lines;
};

/* What a frame brought of one page: it holds from that stop on, until there is a newer one. */
struct play_page {
	uint64_t vaddr;
	size_t stop;
	Stepdump__Why *why; /* one of the two */
	Stepdump__Peek *peek;
};

struct player {
	struct rec_reader *file;
	char *path;
	struct play_stop *stop;
	size_t nr;
	struct play_page *why, *peek; /* by address, then by stop */
	size_t nr_whys, nr_peeks;
	bool cut;
	char *damaged; /* why nothing after the last stop can be read; NULL: it can */

	size_t at;      /* the stop that is looked at */
	uint64_t key;   /* `now` was built from this key frame, */
	uint32_t after; /* and so many frames after it */
	Stepdump__Snapshot *now;
};

/* Reads the whole file once: what the stops are, the whys and the bytes. */
struct err *player_open(const char *path, struct player **ret) __attribute__((warn_unused_result));
/* Makes stop i the one that is looked at. */
struct err *player_go(struct player *p, size_t i) __attribute__((warn_unused_result));

/* The newest of v[0..nr) for the address, or below it, that is known at `stop`; NULL: none. */
const struct play_page *play_page_find(const struct play_page *v, size_t nr, uint64_t vaddr,
				       size_t stop);

#endif
