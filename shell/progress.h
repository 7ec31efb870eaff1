/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One line on the terminal while the pipeline runs, erased when it stops. */
#ifndef STEPDUMP_PROGRESS_H
#define STEPDUMP_PROGRESS_H

#include "shell/shell.h"

struct progress {
	struct shell *sh;
	bool shown;
	uint64_t begin_us, pages_before; /* when the command began */
};

/* "chunk 3   8192 pages 32.0M out   850.0M/s   40% scanned", or the time left once that is known.
 * us: since the command began, when that many pages were out already. */
void progress_text(const Stepdump__Snapshot *s, uint64_t pages_before, uint64_t us, char *buf,
		   size_t len);

/* Sets the callback of `req`, on a terminal only. */
void progress_begin(struct progress *p, struct shell *sh, struct run_request *req);
void progress_end(struct progress *p);

#endif
