/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The phases of the pipeline, and how they are run.
 *
 * A phase does one unit at a time, and everything can be inspected between two units.  `next`
 * describes the unit that would be done now, without doing it; `step` does it, or several if
 * nothing can stop us between them (enum pace).  The images are the same at every pace.
 */
#ifndef STEPDUMP_PHASES_H
#define STEPDUMP_PHASES_H

#include "engine/dump/dump.h"

/* A unit: what is about to be done, or was done. */
struct unit {
	phase_t phase;
	unsigned chunk;      /* 1-based */
	int64_t vma;         /* index; -1: not about one */
	int ppb;             /* -1: not about one */
	size_t task;         /* index; meaningless if shmem >= 0 */
	int64_t shmem;       /* index; -1: about the task */
	uint64_t start, end; /* addresses (task) or offsets (shmem); equal: none */
	bool has_verdict;
	verdict_t verdict;
	uint32_t pe_flags; /* xfer: PE_* */
	const char *what;  /* prepare, reset: static name of the unit */
};

enum pace {
	PACE_UNIT, /* one unit */
	PACE_BULK, /* several units of this phase: nothing could stop us between them */
	PACE_FLOW, /* the same, and the caller goes on with the other phase when it comes up */
};

#define NR_PHASES 6

struct phase_ops {
	phase_t phase;
	const char *name;
	const char *unit;   /* what one unit is */
	const char *effect; /* on the target */
	bool undo;
	const char *mirrors;
	/* The phase that this one takes turns with, for every VMA or for every ppb. */
	bool takes_turns;
	phase_t turns_with;
	bool small_units; /* in bulk, its units get no line in the log */
	bool bulk_steps;  /* in bulk, one step does several units */
	/* Describes the next unit; pure. */
	void (*next)(struct dump *d, struct unit *u);
	/* Does it; sets d->phase (and what goes with it) to where the pipeline goes on.  On failure
	 * the same unit is next, unless the phase says otherwise. */
	struct err *(*step)(struct dump *d, enum pace pace);
	/* Ends what PACE_FLOW has left under way, before anything is inspected; NULL: there never
	 * is anything.  Takes and returns the error of the flow. */
	struct err *(*settle)(struct dump *d, struct err *e);
	/* One line on what the phase has done, for the operator; "" if it did nothing. */
	void (*summary)(const struct dump *d, const struct unit *last, char *buf, size_t len);
};

extern const struct phase_ops ph_prepare, ph_pmc_fill, ph_generate_iovs, ph_drain, ph_xfer,
	ph_reset;
extern const struct phase_ops *const phase_table[NR_PHASES]; /* in the order of the pipeline */
/* NULL for READY, GATE, DONE. */
const struct phase_ops *phase_ops(phase_t p);

/* The next unit; without one (READY, GATE, DONE) only where the pipeline stands. */
void phase_next_unit(struct dump *d, struct unit *u);
/*
 * phase_run - one step of the phase that is next.
 * With PACE_FLOW the phases that take turns go on, a bounded number of times: nothing comes between
 * a VMA's fill and its iovs, or between draining a ppb and its transfer.
 * *last_ret: the phase that the last step was of, or that failed.
 */
struct err *phase_run(struct dump *d, enum pace pace, const struct phase_ops **last_ret);

#endif
