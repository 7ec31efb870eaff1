/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One uprobe, for one process: what a function was called with, or returned, by way of perf. */
#ifndef STEPDUMP_WATCH_UPROBE_H
#define STEPDUMP_WATCH_UPROBE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum uprobe_kind {
	UPROBE_CALLED,  /* its first argument */
	UPROBE_RETURNS, /* its result */
};

struct uprobe_note {
	uint64_t value; /* 0: it has not happened yet */
	uint64_t time;  /* of one clock for all uprobes */
};

struct uprobe;

/* offset: of the function in the file that runs as `pid`.  Fails: ERR_SYS; EACCES and EPERM without
 * CAP_PERFMON (see kernel.perf_event_paranoid). */
struct err *uprobe_open(pid_t pid, uint64_t offset, enum uprobe_kind kind, struct uprobe **ret);
/* NULL is fine. */
void uprobe_close(struct uprobe *u);
/* The last time. */
struct uprobe_note uprobe_last(struct uprobe *u);

#endif
