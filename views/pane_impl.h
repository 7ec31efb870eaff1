/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The render functions that views/panes.c lists; one file per family.  Internal to views/. */
#ifndef STEPDUMP_PANE_IMPL_H
#define STEPDUMP_PANE_IMPL_H

#include "views/paint.h"
#include "views/strip.h"
#include "views/table.h"

#define DECLARE_PANE(name) void pane_##name(struct paint *p)

DECLARE_PANE(pipeline);
DECLARE_PANE(cursor);
DECLARE_PANE(phases);
DECLARE_PANE(ppb);
DECLARE_PANE(iovs);
DECLARE_PANE(holes);
DECLARE_PANE(pmc);
DECLARE_PANE(vmas);
DECLARE_PANE(map);
DECLARE_PANE(pages);
DECLARE_PANE(shmem);
DECLARE_PANE(pstate);
DECLARE_PANE(xfer);
DECLARE_PANE(files);
DECLARE_PANE(pagemap);
DECLARE_PANE(parents);
DECLARE_PANE(tracker);
DECLARE_PANE(stats);
DECLARE_PANE(checks);
DECLARE_PANE(events);
DECLARE_PANE(caps);
DECLARE_PANE(settings);
DECLARE_PANE(breakpoints);
DECLARE_PANE(error);
DECLARE_PANE(threads);
DECLARE_PANE(target);
DECLARE_PANE(tasks);
DECLARE_PANE(why);
DECLARE_PANE(peek);
DECLARE_PANE(watch);
DECLARE_PANE(fault);
DECLARE_PANE(undo);

/* Pages of a list of counts, summed up for the operator. */
struct tally {
	uint64_t to_pipe, holes, skipped, to_scan;
	uint64_t total;
	bool has_total;
	bool balanced; /* the four parts sum to `total` */
};

struct tally tally_counters(const Stepdump__Counters *c);
/* Sum of the counts with that verdict. */
uint64_t count_of(Stepdump__VerdictCount *const *counts, size_t nr, Stepdump__Verdict v);
/* Do its pages go into a pipe? */
bool verdict_to_pipe(Stepdump__Verdict v);
/* A bit for each verdict that has pages. */
uint32_t verdicts_of(Stepdump__VerdictCount *const *counts, size_t nr);

/* Where the engine is; both false when it is elsewhere or nothing is known. */
bool at_ppb(const Stepdump__Snapshot *s, uint32_t ppb);
bool at_vma(const Stepdump__Snapshot *s, const Stepdump__Vma *v);

/* "anon rw- [heap]": the name of a VMA in the tables of other panes.  Caller frees. */
char *vma_label(const Stepdump__Snapshot *s, bool has_index, uint32_t index);

/* A table of pagemap entries; none: what is said if there are none. */
void paint_pagemap_entries(struct paint *p, Stepdump__PagemapEntry *const *v, size_t nr,
			   const char *none);
/* Draws one ppb's pipe over `width` columns: capacity, plan and fact. */
void draw_pipe(struct paint *p, unsigned col, unsigned width, const Stepdump__Ppb *b,
	       uint64_t scale_pages);
/* Was something done with the pages, so that tracking has begun again? */
bool is_settled(const Stepdump__Snapshot *s);
/* Why there is no pipe to show. */
const char *no_pipe_words(const Stepdump__Snapshot *s);
/* The legend of draw_pipe(). */
void pipe_legend(struct paint *p);

/* ppbs[first .. first + nr) as a table. */
void paint_ppb_table(struct paint *p, const Stepdump__PagePipe *pp, size_t first, size_t nr);
/* iovs[first .. first + nr) of one ppb; `number` is that of the first in the whole list. */
void paint_iov_rows(struct paint *p, const Stepdump__Ppb *b, size_t first, size_t number,
		    size_t nr);

/* One shared object: its data, what each mapping says of its pages, the OR of these, the verdict. */
void paint_pstate(struct paint *p, const Stepdump__Shmem *m);

/* The NOW and NEXT lines. */
void paint_now_next(struct paint *p);

/* Parts of the pipeline, in full and in the fewest rows. */
void paint_phases(struct paint *p);
void paint_phases_short(struct paint *p);
void paint_pages(struct paint *p);
void paint_pages_short(struct paint *p);
void paint_pipes(struct paint *p);
void paint_pipes_short(struct paint *p);
void paint_check_line(struct paint *p);
void paint_log(struct paint *p, size_t max); /* newest first */

#endif
