/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The verdict runs of a snapshot in address order, for looking up parts of them.  Internal to
 * views/. */
#ifndef STEPDUMP_RUNS_H
#define STEPDUMP_RUNS_H

#include "views/strip.h"

struct run_index {
	Stepdump__VerdictRun **runs; /* by start */
	Stepdump__VerdictRun *own;   /* those that are not the snapshot's; NULL: none */
	size_t nr;
};

struct run_index runs_index(const Stepdump__Snapshot *s);
void runs_sort(struct run_index *x);
void runs_deinit(struct run_index *x);
uint64_t run_end(const Stepdump__VerdictRun *r);
/* Index of the first run that reaches beyond `addr`; x->nr if none. */
size_t runs_first(const struct run_index *x, uint64_t addr);
/* The run that holds `addr`, or NULL. */
const Stepdump__VerdictRun *runs_at(const struct run_index *x, uint64_t addr);
/* Pages of [start, end) that are in some run. */
uint64_t runs_covered(const struct run_index *x, uint64_t start, uint64_t end);

/* What was drawn, for the legend. */
struct run_look {
	uint32_t verdicts;
	bool lazy, mixed;
};

/* Pages of [start, end) into a strip as verdicts; false if no run covers any of them. */
bool runs_fill(const struct run_index *x, struct strip *st, uint64_t start, uint64_t end,
	       struct run_look *look);
/* Same as 'p'/'.' and 'd'/'.'. */
void runs_fill_present(const struct run_index *x, struct strip *st, uint64_t start, uint64_t end);
void runs_fill_dirty(const struct run_index *x, struct strip *st, uint64_t start, uint64_t end);

/* Column of the engine in a strip drawn at `col`; -1: not in it. */
int engine_column(const Stepdump__Snapshot *s, const struct strip *st, unsigned col);

/* No runs, but counts: the shares are known, the places are not.  "(###==..)" over width + 2. */
void draw_composition(struct paint *p, const Stepdump__Vma *v, unsigned col, unsigned width,
		      uint32_t *verdicts);
/* Pages of the longest VMA that a common scale should have room for. */
uint64_t longest_that_counts(Stepdump__Vma *const *vmas, size_t nr);

#endif
