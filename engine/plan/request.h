/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a plan (plan.h) is asked for. */
#ifndef STEPDUMP_PLAN_REQUEST_H
#define STEPDUMP_PLAN_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

struct plan_request {
	bool quick;           /* page tables only: nothing is read, measured or waited for */
	uint32_t interval_ms; /* for the rate of writes; 0: not measured */
	uint64_t read_bytes;  /* how much memory is read at the most */
	const char *dir; /* where the images would go; NULL: opts.dir, else the working directory */
	/* The selection; all that is not set matches. */
	uint64_t start, end; /* addresses; end 0: all */
	const char *vma;     /* index, or name, or a part of it */
	const char *prot;    /* "rw-", '?' for either */
};

#endif
