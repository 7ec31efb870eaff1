/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Panes: pure functions from a snapshot to a grid.  Same input, same cells: no clock, no
 * environment, no engine.  `show NAME` prints the pane of that name.
 */
#ifndef STEPDUMP_PANES_H
#define STEPDUMP_PANES_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/snapshot.pb-c.h"
#include "views/grid.h"

struct pane_opts {
	bool ascii;    /* no character above 0x7e */
	bool relative; /* addresses as +offset from the first VMA, no pids or times: for tests */
	bool verbose;  /* everything (show vmas -v) */
	int64_t index; /* which ppb, VMA, shmid, ...; -1: all */
};

struct pane {
	const char *name;    /* "ppb": as in `show ppb` */
	const char *summary; /* <= 60 columns */
	const char *arg;     /* "[N]" or NULL */
	/* Snapshot parts that it reads, as SNAP_* bits, so that the caller takes no more. */
	uint32_t needs;
	/* Appends to `g`, whose width is fixed; never writes outside. */
	void (*render)(const Stepdump__Snapshot *s, const struct pane_opts *o, struct grid *g);
};

#define SNAP_TARGET 0x1u
#define SNAP_THREADS 0x2u
#define SNAP_VMAS 0x4u
#define SNAP_PMC 0x8u
#define SNAP_PAGE_PIPE 0x10u
#define SNAP_IOVS 0x20u
#define SNAP_HOLES 0x40u
#define SNAP_SHMEM 0x80u
#define SNAP_XFER 0x100u
#define SNAP_PARENTS 0x200u
#define SNAP_TRACKER 0x400u
#define SNAP_COUNTERS 0x800u
#define SNAP_CHECKS 0x1000u
#define SNAP_EVENTS 0x2000u
#define SNAP_CAPS 0x4000u
#define SNAP_SETTINGS 0x8000u
#define SNAP_CURSOR 0x10000u
#define SNAP_BREAKPOINTS 0x20000u
#define SNAP_ERROR 0x40000u
#define SNAP_RUNS 0x80000u
#define SNAP_WHY 0x100000u
#define SNAP_PEEK 0x200000u
#define SNAP_VMA_COUNTS 0x400000u
#define SNAP_PMC_REGIONS 0x800000u
#define SNAP_TASKS 0x1000000u

/* In the order of `help show`; ends with name == NULL. */
extern const struct pane panes[];
const struct pane *pane_find(const char *name); /* exact name or unique prefix; NULL otherwise */

/* One glyph per verdict (screens.md). */
char verdict_glyph(Stepdump__Verdict v, bool lazy);
enum tone verdict_tone(Stepdump__Verdict v, bool lazy);

#endif
