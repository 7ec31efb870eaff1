/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The only file that calls ptrace().  Every function returns 0 or -errno; -ESRCH means that the
 * task is dead, or not in a ptrace stop.  Waiting is always bounded, and the caller must block
 * SIGCHLD, which wakes a wait.
 */
#ifndef STEPDUMP_PTRACE_H
#define STEPDUMP_PTRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "engine/arch/arch.h"

#define PT_XSTATE_MAX ARCH_XSTATE_MAX
#define PT_XSTATE_HEAD 16u /* bytes before the first register set */

uint64_t pt_now_ns(void); /* CLOCK_MONOTONIC */

/* May wait until `tid` has ended an execve(): see seize_thread(). */
int pt_seize(pid_t tid);
/* Switches the target's seccomp filters off while we trace it: needs CAP_SYS_ADMIN. */
int pt_suspend_seccomp(pid_t tid);
int pt_interrupt(pid_t tid);
int pt_cont(pid_t tid, int sig);
int pt_syscall(pid_t tid, int sig); /* on to the next entry to or exit from a system call */
int pt_detach(pid_t tid, int sig);

/* -ENOEXEC: the task runs in 32-bit mode. */
int pt_get_regs(pid_t tid, struct user_regs_struct *ret);
int pt_set_regs(pid_t tid, const struct user_regs_struct *regs);
/* The call that the thread, stopped by pt_interrupt(), goes on with when it runs, or -1. */
int64_t pt_interrupted_call(pid_t tid, const struct user_regs_struct *regs);
/* At the entry to a call: the kernel skips it. */
int pt_skip_call(pid_t tid, struct user_regs_struct *regs);
/* The register sets of ARCH_XSTATE_NOTES, one after the other; `buf` has PT_XSTATE_MAX bytes. */
int pt_get_xstate(pid_t tid, void *buf, size_t *len_ret);
int pt_set_xstate(pid_t tid, const void *buf, size_t len);
int pt_get_sigmask(pid_t tid, uint64_t *ret);
int pt_set_sigmask(pid_t tid, uint64_t mask);

/* Address of the thread's registered struct rseq; 0 if there is none, or the kernel cannot say. */
uint64_t pt_rseq_area(pid_t tid);

/* Memory, through any protection.  Writing takes whole words, and makes a private copy of the page. */
int pt_read(pid_t tid, uint64_t addr, void *buf, size_t len);
int pt_write(pid_t tid, uint64_t addr, const void *buf, size_t len);

/* Waits for a change of `tid` until `deadline_ns`; -ETIMEDOUT, -ECHILD. */
int pt_wait(pid_t tid, uint64_t deadline_ns, int *status_ret);
/* Reaps one change of any traced task if there is one; returns its tid, or 0. */
pid_t pt_poll_any(int *status_ret);
/* Same for one task; returns 1, or 0 for nothing new. */
int pt_poll(pid_t tid, int *status_ret);
/* Reaps `tid` if it is dead; leaves stops alone.  Async-signal-safe. */
bool pt_reap_dead(pid_t tid);
/* Is there a change of `tid`?  Reaps nothing; async-signal-safe. */
bool pt_has_news(pid_t tid);

/* What a stop is. */
enum pt_stop {
	STOP_DEAD,    /* exited or killed */
	STOP_EVENT,   /* PTRACE_INTERRUPT, or a group stop: inside get_signal() */
	STOP_SYSCALL, /* entry to or exit from a system call */
	STOP_SIGNAL,  /* about to receive *sig_ret */
	STOP_OTHER,
};
/* sig_ret: the signal; for STOP_EVENT SIGTRAP, or the stop signal if it is in group stop. */
enum pt_stop pt_classify(int status, int *sig_ret);

#endif
