/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The parts of a snapshot, as bits: a pane or a view declares which it reads, the shell asks for
 * them, and snap_take() fills them in.  A part that is not asked for costs nothing.
 */
#ifndef STEPDUMP_PARTS_H
#define STEPDUMP_PARTS_H

#define SNAP_TARGET 0x1u
#define SNAP_TASKS 0x2u
#define SNAP_THREADS 0x4u
#define SNAP_VMAS 0x8u
#define SNAP_VMA_COUNTS 0x10u /* pages of each verdict, in the VMAs */
#define SNAP_PMC 0x20u
#define SNAP_PMC_REGIONS 0x40u /* in the pmc */
#define SNAP_PAGE_PIPE 0x80u
#define SNAP_IOVS 0x100u  /* in the page_pipe, which they imply */
#define SNAP_HOLES 0x200u /* likewise */
#define SNAP_SHMEM 0x400u
#define SNAP_XFER 0x800u
#define SNAP_PARENTS 0x1000u
#define SNAP_PARENT_RUNS_MAX 4096 /* entries of one generation: those beyond are left out */
#define SNAP_TRACKER 0x2000u
#define SNAP_COUNTERS 0x4000u
#define SNAP_CHECKS 0x8000u
#define SNAP_EVENTS 0x10000u
#define SNAP_CAPS 0x20000u
#define SNAP_SETTINGS 0x40000u
#define SNAP_CURSOR 0x80000u
#define SNAP_BREAKPOINTS 0x100000u
#define SNAP_ERROR 0x200000u
#define SNAP_RUNS 0x400000u /* verdicts of pages, in runs */
#define SNAP_WHY 0x800000u
#define SNAP_PEEK 0x1000000u
#define SNAP_WATCH 0x2000000u  /* the criu that is watched */
#define SNAP_FAULTS 0x4000000u /* fault points, and those that are armed */
#define SNAP_UNDO 0x8000000u   /* the journal of what was undone */

/* The parts that need no range of pages: they stay small, however large the process is. */
#define SNAP_ALL                                                                                   \
	(SNAP_TARGET | SNAP_TASKS | SNAP_THREADS | SNAP_VMAS | SNAP_VMA_COUNTS | SNAP_PMC |        \
	 SNAP_PAGE_PIPE | SNAP_IOVS | SNAP_HOLES | SNAP_SHMEM | SNAP_XFER | SNAP_PARENTS |         \
	 SNAP_TRACKER | SNAP_COUNTERS | SNAP_CHECKS | SNAP_EVENTS | SNAP_CAPS | SNAP_SETTINGS |    \
	 SNAP_CURSOR | SNAP_BREAKPOINTS | SNAP_ERROR | SNAP_WATCH | SNAP_UNDO)

#endif
