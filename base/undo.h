/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The journal of what was undone: protections, mappings, registers, files, each step as it is done.
 * stepdump and its keeper write it into memory that they share; the newest UNDO_MAX steps are kept.
 */
#ifndef STEPDUMP_UNDO_H
#define STEPDUMP_UNDO_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define UNDO_MAX 512u

struct undo_step {
	uint64_t seq;  /* from 1 */
	uint64_t t_us; /* CLOCK_MONOTONIC */
	pid_t pid;     /* whose; 0: nobody's */
	pid_t by;      /* the process that did it */
	char kind[16]; /* "protection", "mapping", "registers", "files", ... */
	char text[104];
};

/* Before the keeper is started; without it nothing is kept. */
struct err *undo_init(void);
/* kind: as above. */
void undo_note(pid_t pid, const char *kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The number of the last step; 0: none yet. */
uint64_t undo_last(void);
/* NULL: it is not kept (any more).  Owned by the journal. */
const struct undo_step *undo_step(uint64_t seq);

#endif
