/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stops only after the calls that matter: a small BPF program at the kernel's sys_exit tracepoint
 * knows them by number and arguments, and sends criu MARKER_SIGNAL when it returns from one.  The
 * tracer sees that as a signal-delivery stop and takes the signal away.  All other calls run at full
 * speed: the lines of the log, opens and closes, replies of the parasite that are no errors, and
 * splices, whose bytes are added up instead.
 *
 * The signal is one that is ignored by default, and it is sent when a call is over, so that none is
 * interrupted: if the tracer dies at any moment, the signal does nothing.  The program goes with the
 * last descriptor of it, which is ours.
 *
 * While it is loaded, every system call of the machine goes through the tracepoint, and those of
 * others are let pass at the first comparison.
 */
#ifndef STEPDUMP_MARKER_H
#define STEPDUMP_MARKER_H

#include <stdbool.h>
#include <stdint.h>
#include <signal.h>
#include <sys/types.h>

#include "base/err.h"

#define MARKER_SIGNAL SIGURG

struct marker;

struct marker_call {
	uint64_t nr, arg[6];
	int64_t ret; /* -errno for a failure */
};

/*
 * marker_new - load the program for one process, switched off.
 * Fails: ERR_UNSUPPORTED if the kernel or our privileges (CAP_BPF, CAP_PERFMON) do not allow it.
 */
struct err *marker_new(pid_t pid, struct marker **ret);
void marker_free(struct marker *m); /* NULL is fine */
void marker_switch(struct marker *m, bool on);
/* The call that was marked last, which the process stands behind. */
struct marker_call marker_call(const struct marker *m);
/* errno of the last call, marked or not, that was not a write; 0: it succeeded. */
int marker_last_errno(const struct marker *m);
/* Bytes that splices took out of descriptor `fd` while they were not marked, ever.  The first
 * splice after a command to the parasite is marked, and not counted here. */
uint64_t marker_spliced(const struct marker *m, int fd);
uint64_t marker_spliced_all(const struct marker *m);

#endif
