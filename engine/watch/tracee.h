/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One criu, held at its system calls: the only file besides engine/keeper/ptrace.c that calls
 * ptrace().  The keeper borrows the registers of tasks and must put them back; this tracer only looks: it
 * writes no register and no memory, and so it may die at any moment.
 *
 * What makes that true, and must stay so:
 * - PTRACE_SEIZE without EXITKILL: the kernel lets the tracee run on when its tracer ends.
 * - PTRACE_O_TRACESYSGOOD: a tracer that dies at a system-call stop leaves 0x85 as the signal to deliver,
 *   which is none; without it, it would leave SIGTRAP.
 * - Stops are looked at without taking them (WNOWAIT): if we die at a signal-delivery stop, the tracee
 *   still gets its signal.
 * - No options that follow children: criu's own probes trace themselves, and targets are never ours.
 *
 * Times are microseconds of CLOCK_MONOTONIC.
 */
#ifndef STEPDUMP_TRACEE_H
#define STEPDUMP_TRACEE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/err.h"

enum tracee_stop {
	TRACEE_RUNS,   /* nothing happened in the given time */
	TRACEE_ENTRY,  /* a system call is about to be made: nr, arg */
	TRACEE_EXIT,   /* it was made: nr, arg as at entry, ret */
	TRACEE_MARK,   /* one that matters was made: marker_call() has it */
	TRACEE_SIGNAL, /* sig is about to be delivered, as it will be by tracee_go() */
	TRACEE_EXEC,   /* it has become another program */
	TRACEE_GROUP,  /* stopped by a signal of job control; tracee_go() leaves it stopped */
	TRACEE_HELD,   /* stopped since tracee_interrupt() asked for it */
	TRACEE_ENDING, /* about to end; its memory and descriptors are still there: status */
	TRACEE_GONE,   /* ended: status, as of wait(); reaped if it was our child */
};

struct tracee {
	pid_t pid;
	bool child;   /* ours: its end is reaped, its status known */
	bool held;    /* in a stop */
	bool has_arg; /* nr, arg are of the call that it is in */
	bool calls;   /* it goes from call to call, not from mark to mark */
	enum tracee_stop stop;
	uint64_t nr, arg[6];
	int64_t ret; /* -errno for a failure */
	int sig;
	int status;
	bool sigchld_held;
	sigset_t old_mask;       /* before it was */
	uint64_t t_stop;         /* when the present stop was seen */
	uint64_t stops, held_us; /* so far: how many, and how long it was held in them */
};

/* Seizes a process that runs.  It is not stopped. */
struct err *tracee_seize(struct tracee *t, pid_t pid);
/*
 * tracee_start - start argv (NULL-terminated, PATH searched) in a session of its own with
 * /dev/null as its input, our standard error as its output and that limit on open files, seized,
 * held at its first instruction.  It outlives us.
 * Fails: ERR_SYS what execvp() said; nothing runs then.
 */
struct err *tracee_start(struct tracee *t, char *const argv[], const struct rlimit *nofile);

/* Holds SIGCHLD back, or no longer: many tracee_wait() in a row are cheaper in between. */
void tracee_hold_sigchld(struct tracee *t, bool hold);
/* Waits at most `us` for a stop; says which, also in t->stop.  EINTR ends the wait early. */
enum tracee_stop tracee_wait(struct tracee *t, uint64_t us);
/* Lets it go on to its next system call, or (calls == false) to a mark, a signal or its end.  The
 * signal of a TRACEE_SIGNAL stop is delivered, that of a mark is not. */
void tracee_go(struct tracee *t, bool calls);
/* Asks a running tracee to stop. */
void tracee_interrupt(struct tracee *t);
/* Lets it go for good; it need not be held.  Nothing is left in it. */
void tracee_detach(struct tracee *t);

/* Its memory: how many bytes could be read, from the first on. */
size_t tracee_read(const struct tracee *t, uint64_t addr, void *buf, size_t len);
/* A descriptor of its own for our use (the same open file), or -1 with errno.  Caller closes. */
int tracee_get_fd(const struct tracee *t, int fd);

#endif
