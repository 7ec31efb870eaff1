/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Breakpoints: conditions on the next unit.  Grammar in session.h, session_break().
 * Pure: no target, no pipeline.
 */
#ifndef STEPDUMP_BREAKS_H
#define STEPDUMP_BREAKS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "engine/dump/phases.h"

struct brk {
	unsigned number;
	bool temporary, disabled;
	unsigned hits;
	unsigned ignore; /* so many more hits do not stop */
	char *where;     /* normalised text; owned */
	enum { BRK_PHASE, BRK_ADDR, BRK_VMA, BRK_VERDICT, BRK_FAIL, BRK_CHUNK } kind;
	phase_t phase;  /* BRK_PHASE */
	char *cond;     /* BRK_PHASE: an expression; owned; NULL: none */
	uint64_t value; /* address, VMA index or address in it, chunk */
	verdict_t verdict;
};

struct brk_list {
	struct brk *b;
	size_t nr;
	unsigned last_number;
};

/* ERR_USAGE says what was understood and what is possible. */
struct err *brk_add(struct brk_list *l, const char *where, bool temporary, unsigned *number_ret);
/* number 0: all. */
struct err *brk_delete(struct brk_list *l, unsigned number);
/* number 0: all. */
struct err *brk_enable(struct brk_list *l, unsigned number, bool on);
struct err *brk_ignore(struct brk_list *l, unsigned number, unsigned count);
void brk_list_deinit(struct brk_list *l);

/*
 * brk_match - the first enabled breakpoint that stops before `u`; NULL if none.
 * prev is the unit that was done last: a phase without conditions, and a chunk, match only where
 * they begin.  vmas resolves `vma ADDR`.
 */
struct brk *brk_match(const struct brk_list *l, const struct unit *u, const struct unit *prev,
		      const struct vma_list *vmas);
/* Does this one? */
bool brk_matches(const struct brk *b, const struct unit *u, const struct unit *prev,
		 const struct vma_list *vmas);
/* Same for a run that is about to do `u`: counts hits, and passes those that are to be ignored. */
struct brk *brk_hit(struct brk_list *l, const struct unit *u, const struct unit *prev,
		    const struct vma_list *vmas);
/* Is there a breakpoint on failures? */
bool brk_on_failure(const struct brk_list *l);
/* Could a breakpoint match between the first and the last unit of a phase, so that units must not
 * be done in bulk? */
bool brk_fine_grained(const struct brk_list *l, phase_t phase);

/* Is there one that could match a unit at all? */
bool brk_on_units(const struct brk_list *l);
/* Could a breakpoint match anywhere in `phase`? */
bool brk_in_phase(const struct brk_list *l, phase_t phase);

#endif
