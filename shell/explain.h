/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the words, columns and glyphs on the screen mean: one table for `explain`, `help TERM`,
 * `apropos` and completion.
 */
#ifndef STEPDUMP_EXPLAIN_H
#define STEPDUMP_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/snapshot.pb-c.h"

struct out;
struct shell;

struct explain_term {
	const char *names; /* separated by '|', the one to show first */
	const char *kind;  /* "structure", "phase", "term", "column", "glyph", "flag", "event" */
	const char *what;
	const char *why;  /* why it exists; may be NULL, as all that follow */
	const char *criu; /* CRIU's function or structure */
	const char *then; /* what the text of 2017 says, and what holds now */
	const char *look; /* what to type to see it; several are separated by ", " */
	/* This target's numbers, heap; NULL: there are none yet. */
	char *(*here)(const Stepdump__Snapshot *s);
};

/* Ideas (structures, phases, verdicts, flags, events), then what stands on the screen (columns and
 * glyphs; fields, checks and bits).  Each ends with names == NULL. */
extern const struct explain_term explain_ideas[], explain_screen[], explain_fields[];

/* Parts of a snapshot that here() may look at. */
#define EXPLAIN_NEEDS                                                                              \
	(SNAP_TARGET | SNAP_CURSOR | SNAP_PMC | SNAP_PAGE_PIPE | SNAP_COUNTERS | SNAP_TRACKER |    \
	 SNAP_PARENTS | SNAP_XFER | SNAP_SHMEM | SNAP_VMAS)

/* explain_here.c */
char *here_pmc(const Stepdump__Snapshot *s);
char *here_ppb(const Stepdump__Snapshot *s);
char *here_iov(const Stepdump__Snapshot *s);
char *here_hole(const Stepdump__Snapshot *s);
char *here_chunk(const Stepdump__Snapshot *s);
char *here_shmem(const Stepdump__Snapshot *s);
char *here_vma(const Stepdump__Snapshot *s);
char *here_parent(const Stepdump__Snapshot *s);
char *here_tracker(const Stepdump__Snapshot *s);
char *here_xfer(const Stepdump__Snapshot *s);
char *here_parasite(const Stepdump__Snapshot *s);

/* Calls fn for each term; stops, and returns it, at the first for which fn is true.  NULL: none. */
const struct explain_term *explain_find(bool (*fn)(const struct explain_term *t, const void *arg),
					const void *arg);
/* Is one of its names `name`?  Upper and lower case are the same, except for single letters. */
bool explain_is(const struct explain_term *t, const void *name);
/* Prints all terms of that name; how many there are. */
unsigned explain_print(struct shell *sh, const char *name, struct out *o);
/* The first of its names; heap. */
char *explain_name(const struct explain_term *t);

#endif
