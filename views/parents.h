/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The picture of a dump and its parents: strips of one range above each other, so that "is this hole
 * covered?" is a look straight down.  `show parents` and the parents view draw it.  Internal to views/.
 */
#ifndef STEPDUMP_PARENTS_H
#define STEPDUMP_PARENTS_H

#include "views/runs.h"

#define PARENTS_COL 18 /* where the strips begin */

struct parents_picture {
	struct run_index runs; /* what this dump does with the pages */
	struct strip frame;
	uint64_t origin;     /* number of the page that counts as 0 */
	unsigned rows;       /* room; the strips that matter least are left out */
	uint32_t generation; /* the selected one, which stays visible */
};

/*
 * What this dump does with the pages: the snapshot's verdicts or, in a snapshot without them, what the
 * page-pipe holds.  End with runs_deinit().
 */
struct run_index parents_runs(const Stepdump__Snapshot *s);
/* The strips, without the axis above them. */
void paint_parents(struct paint *p, const struct parents_picture *pic);

/* Is the entry a hole? */
bool entry_in_parent(const Stepdump__PagemapEntry *e);
/* The entry of that generation that has the page; NULL: none. */
const Stepdump__PagemapEntry *entry_at(const Stepdump__ParentGeneration *g, uint64_t addr);
/* The last part of its path. */
const char *generation_name(const Stepdump__ParentGeneration *g);

#endif
