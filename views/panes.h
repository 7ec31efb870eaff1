/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Panes: pure functions from a snapshot to a grid.  Same input, same cells: no clock, no
 * environment, no engine.  `show NAME` prints the pane of that name.
 */
#ifndef STEPDUMP_PANES_H
#define STEPDUMP_PANES_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/parts.h"
#include "proto/snapshot.pb-c.h"
#include "views/grid.h"

struct paint;

/* Which rows of a table are drawn, and in which order. */
struct table_order {
	const char *filter; /* only rows of which a cell has this text; NULL or empty: all */
	const char *by;     /* the heading of the column to sort by; NULL or empty: as they come */
	bool reverse;       /* the largest, or the last of the alphabet, first */
};

struct pane_opts {
	bool ascii;    /* no character above 0x7e */
	bool relative; /* addresses as +offset from the first VMA, no pids or times: for tests */
	bool verbose;  /* everything (show vmas -v) */
	int64_t index; /* which ppb, VMA, shmid, ...; -1: all */
	const struct table_order *order; /* NULL: all rows, as they come */
};

struct pane {
	const char *name;    /* "ppb": as in `show ppb` */
	const char *summary; /* <= 60 columns */
	const char *arg;     /* "[N]" or NULL */
	/* Snapshot parts that it reads, as bits of proto/parts.h, so that the caller takes no more. */
	uint32_t needs;
	void (*render)(struct paint *p); /* below the title; see pane_render() */
};

/* In the order of `help show`; ends with name == NULL. */
extern const struct pane panes[];
const struct pane *pane_find(const char *name); /* exact name or unique prefix; NULL otherwise */

/* Appends the pane with its title to `g`, whose width is fixed; never writes outside. */
void pane_render(const struct pane *pane, const Stepdump__Snapshot *s, const struct pane_opts *o,
		 struct grid *g);

/* Why the pmc's window has the kind that it has: the condition of the rule, in words; heap, NULL if
 * nothing is known.  Needs SNAP_PMC and SNAP_VMAS. */
char *pmc_why(const Stepdump__Snapshot *s);

/* One glyph per verdict, the same on every screen. */
char verdict_glyph(Stepdump__Verdict v, bool lazy);
enum tone verdict_tone(Stepdump__Verdict v, bool lazy);

#endif
