/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The keeper: a small child process that is the tracer of every target.
 *
 * Whoever traces a process must also put it back, and stepdump proper is the part that an operator
 * kills, that runs out of memory, that has bugs.  So ptrace and libcompel live in a process of
 * their own: it holds the threads, infects, cures, detaches, and it puts everything back by itself
 * as soon as the socket to stepdump closes, for whatever reason (quit, crash, kill -9).  The
 * windows in which a target's registers are borrowed (infection, cure, injected syscalls) lie
 * entirely inside the keeper, so a kill of stepdump cannot hit them.  The keeper runs in a session
 * of its own: ^C and SIGHUP of the terminal do not reach it.  If the keeper itself is killed, the
 * target returns to its own registers without help (engine/arch/stub.h); the journal and `rescue` are for what the
 * stub cannot do.
 *
 * This header is the client side.  All calls are synchronous; one thread only.
 * Mirrors: criu/seize.c, criu/parasite-syscall.c parasite_infect_seized(), compel/src/lib/infect.c.
 */
#ifndef STEPDUMP_KEEPER_H
#define STEPDUMP_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct keeper;

/* The keeper's own program: serves `sock` until it closes, reports deaths on `event_sock`; it must
 * never attach to the process `client`.  This is keeper_main() of engine/keeper/keeper.h, passed in
 * because the client side does not include the keeper's headers. */
typedef void keeper_fn(int sock, int event_sock, pid_t client);

/* Forks a child that runs `main`.  *ret is owned by the caller. */
struct err *keeper_start(keeper_fn *main, struct keeper **ret);
/* Orderly end: cures and releases all tasks still held, waits for the process.  ERR_HARM if a task
 * could not be put back.  NULL is fine. */
struct err *keeper_stop(struct keeper *k);
pid_t keeper_pid(const struct keeper *k);
/* Readable when a death notice waits: for poll(). */
int keeper_event_fd(const struct keeper *k);

struct keeper_thread {
	pid_t tid;
	bool was_stopped;     /* was in group stop (T), and will be again */
	uint64_t ip, sp;      /* at the freeze */
	uint64_t sig_blocked; /* bit n-1 = signal n */
	uint64_t sig_pending; /* of this thread */
	bool in_syscall;      /* interrupted inside a system call */
	int64_t orig_ax;      /* its number, or -1 */
	char comm[16];
};

struct keeper_task {
	pid_t pid;
	uint64_t start_time_ticks; /* /proc/PID/stat field 22 */
	bool was_stopped;
	struct keeper_thread *threads; /* leader first; owned */
	size_t nr_threads;
	uint64_t freezing_us;  /* from the first seize to the last stop */
	uint64_t frozen_at_us; /* CLOCK_MONOTONIC of the last stop */
	int mem_fd;            /* /proc/PID/mem, O_RDWR if that is allowed, else O_RDONLY; owned */
};

void keeper_task_deinit(struct keeper_task *t);

/*
 * keeper_seize - stop all threads of `pid`, also those that appear meanwhile.
 * Target: frozen in ptrace stops; group-stopped tasks stay so; PTRACE_O_EXITKILL is never set.
 * Fails:  ERR_TARGET with the reason (no such process, zombie, kernel thread, traced by NAME,
 *         EPERM with the setting that causes it, state D that does not end, cgroup frozen,
 *         SIGTRAP pending, ourselves).  Then everything already stopped runs on.
 */
struct err *keeper_seize(struct keeper *k, pid_t pid, struct keeper_task *ret);

struct keeper_parasite {
	int sock; /* our end of the command channel, SOCK_SEQPACKET; owned by the caller */
	uint64_t map_start,
		map_end;     /* the mapping of the blob in the target (lowest, highest + 1) */
	uint64_t syscall_ip; /* where code was borrowed: that page is now a private copy */
	uint64_t infect_us;  /* how long registers were borrowed */
};

/*
 * keeper_infect - put the parasite into a seized task.
 * Target: its leader runs our code (all signals blocked); other threads stay stopped.  A
 *         mapping "/memfd:CRIUMFD..." appears.  The parasite serves `sock` (see parasite/proto.h)
 *         until that socket or the keeper's closes; then it undoes what it did (protections).
 * max_mprotect: how many VMAs PC_MPROTECT may change at the most; sizes their journal in the
 * parasite's own argument area.
 */
struct err *keeper_infect(struct keeper *k, pid_t pid, size_t max_mprotect,
			  struct keeper_parasite *ret);

/*
 * keeper_cure - end the parasite, unmap it, put registers, FPU state, signal mask back.
 * The task is still seized and stopped, exactly as after keeper_seize().  `sock` can be closed
 * before or after.  ERR_HARM if something could not be put back (it says what).
 */
struct err *keeper_cure(struct keeper *k, pid_t pid);

/* Cures if infected, detaches from all threads.  Running tasks run, stopped ones stay stopped. */
struct err *keeper_release(struct keeper *k, pid_t pid);
/* *runs_us_ret: CLOCK_MONOTONIC just before the first thread was let run. */
struct err *keeper_release_timed(struct keeper *k, pid_t pid, uint64_t *runs_us_ret);

/*
 * keeper_take_fd - run one system call that opens a descriptor in a seized, not infected task, and
 * take the descriptor out of it.  All by one request: our death cannot leave it in the target.
 * *ret is what the call returned; if that is -errno, *fd_ret is -1 and there is no error.
 * Target: as before afterwards.
 * Fails: ERR_HARM if the target's own copy could not be closed.
 */
struct err *keeper_take_fd(struct keeper *k, pid_t pid, long nr, const uint64_t args[6],
			   int64_t *ret, int *fd_ret);

/* True if the task died or was killed while we held it.  Non-blocking. */
bool keeper_task_gone(struct keeper *k, pid_t pid);

/*
 * keeper_litter - have the keeper remove a staging directory, or a file, if stepdump dies.
 * `path` is absolute, names a file or a flat directory (removed with all its files), and need not exist yet;
 * exists false: take it back.  `keeper` is a struct keeper, in the form that staging_create() wants.
 */
struct err *keeper_litter(void *keeper, const char *path, bool exists);

/*
 * keeper_rescue - look for what a killed dumper left in a task that nobody traces: the
 * parasite's mappings (/memfd:CRIUMFD), a journal with borrowed registers and text.
 * remove: also put it right.  *report_ret: one line per finding, caller frees; "" for nothing.
 */
struct err *keeper_rescue(struct keeper *k, pid_t pid, bool remove, char **report_ret);

#endif
