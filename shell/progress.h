/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One line on the terminal while the pipeline runs, erased when it stops. */
#ifndef STEPDUMP_PROGRESS_H
#define STEPDUMP_PROGRESS_H

#include "shell/shell.h"

struct progress {
	struct shell *sh;
	bool shown;
};

/* Sets the callback of `req`, on a terminal only. */
void progress_begin(struct progress *p, struct shell *sh, struct run_request *req);
void progress_end(struct progress *p);

#endif
