/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stopping a process and letting it go.  PTRACE_SEIZE leaves signals and group stops alone: the
 * kernel itself stops a task again after the detach that was stopped by SIGSTOP before.
 *
 * Mirrors: criu/seize.c collect_pstree(), compel/src/lib/infect.c compel_wait_task().
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/undo.h"
#include "base/vec.h"
#include "engine/arch/arch.h"
#include "engine/keeper/keeper_priv.h"

/* We give up after this long on a process that makes threads as fast as we stop them. */
#define MAX_PASSES 1000
/* How often dead threads are reaped while others may wait for that. */
#define REAP_EVERY_US 20000
/* An execve() that blocks an attach gets this long. */
#define EXEC_TIMEOUT_NS 2000000000ull
#define EXEC_RETRY_NS 2000000l
#define EXEC_RETRIES 100

static bool thread_is_dead(pid_t pid, pid_t tid)
{
	struct proc_status st;

	return !kproc_status(pid, tid, &st) || st.state == 'Z' || st.state == 'X';
}

/* Alive, and traced by us: a thread that executes a program takes over the leader's id, so the
 * thread with that id may be one that we have detached from, or have never held. */
static bool thread_is_ours(pid_t pid, pid_t tid)
{
	struct proc_status st;

	return kproc_status(pid, tid, &st) && st.state != 'Z' && st.state != 'X' &&
	       st.tracer_pid == getpid();
}

/*
 * execve() in a thread ends all others, waits until each of them has been reaped, by its tracer if
 * it has one, and makes everybody who attaches wait meanwhile.  A tracer that has some of the
 * threads and attaches to the next would wait for itself, so a timer reaps the dead threads
 * meanwhile.
 */
static struct held *seizing;

static void reap_dead(struct held *h)
{
	for (size_t i = 1; i < h->nr; i++)
		if (!h->threads[i].gone)
			h->threads[i].gone = pt_reap_dead(h->threads[i].tid);
}

static void on_alarm_reap(int sig)
{
	int saved_errno = errno;

	reap_dead(seizing);
	errno = saved_errno;
}

static int seize_reaping(struct held *h, pid_t tid)
{
	struct itimerval every = { { 0, REAP_EVERY_US }, { 0, REAP_EVERY_US } }, never = { 0 };
	struct sigaction sa = { .sa_handler = on_alarm_reap, .sa_flags = SA_RESTART }, before;

	seizing = h;
	sigaction(SIGALRM, &sa, &before);
	setitimer(ITIMER_REAL, &every, NULL);
	int err = pt_seize(tid);
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &before, NULL);
	seizing = NULL;
	return err;
}

/* *taken_ret false: it exited meanwhile. */
static struct err *seize_thread(struct held *h, pid_t tid, bool *taken_ret)
{
	*taken_ret = false;
	int err = FAULT_NEG(SEIZE, seize_reaping(h, tid));
	if (err == -ESRCH || (err == -EPERM && thread_is_dead(h->pid, tid)))
		return NULL;
	if (err)
		return explain_seize(h->pid, -err);
	vec_push(h->threads, h->nr)->tid = tid;
	*taken_ret = true;
	pt_interrupt(tid); /* fails only if it is dying: the wait shows that */
	return NULL;
}

/* Calls that fail with EINTR after any stop although no handler has run; see signal(7). */
static bool fails_when_stopped(long nr)
{
	switch (nr) {
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
	case SYS_epoll_pwait2:
	case SYS_rt_sigtimedwait:
	case SYS_semop:
	case SYS_semtimedop:
	case SYS_io_getevents:
	case SYS_io_pgetevents:
	case SYS_recvfrom: /* these with a timeout on their socket */
	case SYS_recvmsg:
	case SYS_sendto:
	case SYS_sendmsg:
	case SYS_accept:
	case SYS_accept4:
		return true;
	default:
		return false;
	}
}

/* Many programs do not expect EINTR and exit.  So the kernel is made to run the call again, or still
 * fail with EINTR if a handler does run first.  A timeout starts over. */
static void restart_call(pid_t tid)
{
	struct user_regs_struct regs;

	if (!pt_get_regs(tid, &regs) && arch_restart_call(&regs, fails_when_stopped))
		pt_set_regs(tid, &regs);
}

/* libcompel lets the parasite run with SIGTRAP unblocked, since the kernel resets the handler of one that is forced
 * while it is blocked.  So one that the program has raised itself, by its trap flag, must be delivered before. */
static bool has_trap_to_come(struct held *h, pid_t tid)
{
	const uint64_t trap = 1ull << (SIGTRAP - 1);
	struct proc_status st;

	return tid == h->pid && kproc_status(h->pid, 0, &st) && st.sig_pnd & ~st.sig_blk & trap;
}

static struct err *wait_stopped(struct held *h, struct held_thread *t, uint64_t deadline_ns)
{
	for (;;) {
		int status, sig = 0;
		uint64_t next = pt_now_ns() + REAP_EVERY_US * 1000ull;
		int err = FAULT_NEG(
			SEIZE_WAIT,
			pt_wait(t->tid, next < deadline_ns ? next : deadline_ns, &status));

		if (err == -ETIMEDOUT && next < deadline_ns) {
			/* If it is in an execve(), it waits for that. */
			reap_dead(h);
			if (t->gone)
				return NULL;
			continue;
		}
		if (err == -ECHILD) {
			t->gone = true;
			return NULL;
		}
		if (err) {
			struct proc_status st = { .state = '?' };

			kproc_status(h->pid, t->tid, &st);
			struct err *e =
				err_new(ERR_TARGET,
					"cannot stop thread %d of %d: it is in state %c and "
					"does not react",
					t->tid, h->pid, st.state);

			if (st.state == 'D')
				e = err_cause(e, "uninterruptible",
					      "/proc/%d/task/%d/status: State D; wchan beside it "
					      "says where",
					      h->pid, t->tid);
			return err_pid(e, h->pid);
		}
		switch (pt_classify(status, &sig)) {
		case STOP_DEAD:
			t->gone = true;
			return NULL;
		case STOP_EVENT:
			t->was_stopped = sig != SIGTRAP;
			if (t->was_stopped)
				return NULL;
			if (!has_trap_to_come(h, t->tid) || pt_now_ns() > deadline_ns) {
				restart_call(t->tid);
				return NULL;
			}
			pt_cont(t->tid, 0); /* to its delivery, the next stop */
			break;
		default:
			/* A signal is being delivered: pass it on, and our stop comes next.  Asked
			 * for again, as a signal stop that began after the first request has used
			 * it up; under a storm of signals ours would never come. */
			pt_interrupt(t->tid);
			pt_cont(t->tid, sig);
		}
	}
}

/* Repeated until a pass over the threads finds no new ones. */
static struct err *seize_all(struct held *h)
{
	uint64_t deadline = pt_now_ns() + SEIZE_TIMEOUT_NS;
	bool taken;

	TRY(seize_thread(h, h->pid, &taken));
	if (!taken)
		return held_gone_err(h);
	TRY(wait_stopped(h, &h->threads[0], deadline));
	for (int pass = 0; pass < MAX_PASSES; pass++) {
		size_t first = h->nr;
		struct proc_threads threads;
		struct err *e = NULL;

		if (h->threads[0].gone || !kproc_threads(h->pid, &threads))
			return held_gone_err(h);
		for (size_t i = 0; i < threads.nr && !e; i++)
			if (!held_find(h, threads.tid[i]))
				e = seize_thread(h, threads.tid[i], &taken);
		proc_threads_deinit(&threads);
		if (h->nr == first)
			return e;
		for (size_t i = first; i < h->nr && !e; i++)
			e = wait_stopped(h, &h->threads[i], deadline);
		TRY(e);
		if (pt_now_ns() > deadline)
			break;
	}
	return err_pid(err_new(ERR_TARGET,
			       "cannot stop %d: it makes threads faster than we stop them", h->pid),
		       h->pid);
}

static void drop_dead_threads(struct held *h)
{
	size_t to = 0;

	for (size_t i = 0; i < h->nr; i++)
		if (!h->threads[i].gone)
			h->threads[to++] = h->threads[i];
	h->nr = to;
}

static struct err *seize_once(pid_t pid, pid_t us, bool despite_frozen, struct held **ret)
{
	struct proc_stat stat, again;
	struct proc_status st;
	struct user_regs_struct regs;

	TRY(preflight_seize(pid, us, despite_frozen));
	struct held *h = xzalloc(sizeof(*h));
	h->pid = pid;
	h->rpc = h->log = h->ours.fd = -1;
	struct err *e = NULL;
	if (!kproc_stat(pid, &stat))
		e = held_gone_err(h);
	/* What takes long is read while it still runs, and only checked again when it is needed. */
	borrow_look(h);
	if (!e)
		e = seize_all(h);
	if (!e) {
		drop_dead_threads(h);
		h->was_stopped = h->threads[0].was_stopped;
		h->start_time_ticks = stat.start_time_ticks;
		if (!kproc_stat(pid, &again) || again.start_time_ticks != stat.start_time_ticks ||
		    !kproc_status(pid, 0, &st))
			e = held_gone_err(h);
	}
	if (!e) {
		int err = FAULT_NEG(SEIZE_REGS, pt_get_regs(pid, &regs));

		if (err == -ENOEXEC)
			e = err_new(ERR_UNSUPPORTED,
				    "cannot attach to %d: 32-bit programs are not "
				    "supported",
				    pid);
		else if (err)
			e = held_gone_err(h);
	}
	if (e) {
		err_free(held_detach(h));
		held_free(h);
		return err_pid(e, pid);
	}
	h->seccomp = st.seccomp;
	if (st.seccomp)
		h->seccomp_suspended = !pt_suspend_seccomp(pid);
	*ret = h;
	return NULL;
}

/*
 * Could an execve() be in the way, which is over soon?  Meanwhile the kernel returns EPERM, or the
 * leader is a zombie, or it is gone for a moment.
 */
static bool was_in_exec(pid_t pid, const struct err *e, unsigned nr_tried)
{
	struct proc_status st;
	struct proc_threads threads = { 0 };

	if (e->code != ERR_TARGET || !kproc_status(pid, 0, &st) ||
	    (st.tracer_pid && st.tracer_pid != getpid()))
		return false;
	if (nr_tried < EXEC_RETRIES)
		return true;
	if (st.state == 'Z')
		kproc_threads(pid, &threads);
	bool others = threads.nr > 1;
	proc_threads_deinit(&threads);
	return others;
}

struct err *held_seize(pid_t pid, pid_t us, bool despite_frozen, struct held **ret)
{
	uint64_t deadline = pt_now_ns() + EXEC_TIMEOUT_NS;

	for (unsigned nr_tried = 1;; nr_tried++) {
		struct timespec pause = { 0, EXEC_RETRY_NS };
		struct err *e = seize_once(pid, us, despite_frozen, ret);

		if (!e || !was_in_exec(pid, e, nr_tried) || pt_now_ns() > deadline)
			return e;
		err_free(e);
		nanosleep(&pause, NULL);
	}
}

static struct err *detach_one(struct held *h, struct held_thread *t)
{
	int status, sig = 0;

	if (t->gone)
		return NULL;
	t->gone = true;
	int err = FAULT_NEG(DETACH, pt_detach(t->tid, 0));
	if (err && err != -ESRCH)
		err = pt_detach(t->tid, 0);
	if (err == -ESRCH && thread_is_ours(h->pid, t->tid)) {
		/* The thread runs.  If it does not stop now, the main loop detaches from it when it
		 * does. */
		pt_interrupt(t->tid);
		err = pt_wait(t->tid, pt_now_ns() + CALL_TIMEOUT_NS / 10, &status);
		if (!err && pt_classify(status, &sig) == STOP_DEAD)
			return NULL;
		err = pt_detach(t->tid, sig == SIGTRAP ? 0 : sig);
	}
	if (err)
		pt_reap_dead(t->tid); /* an execve() may wait for that */
	if (err && thread_is_ours(h->pid, t->tid))
		return err_pid(err_hint(err_new(ERR_HARM, "cannot let go of thread %d of %d",
						t->tid, h->pid),
					"it is detached when stepdump ends"),
			       h->pid);
	return NULL;
}

void held_detach_others(struct held *h)
{
	for (size_t i = 1; i < h->nr; i++)
		err_free(detach_one(h, &h->threads[i]));
}

struct err *held_detach(struct held *h)
{
	struct err *e = NULL;
	size_t nr = 0;

	for (size_t i = 0; i < h->nr; i++)
		nr += !h->threads[i].gone;
	for (size_t i = h->nr; i-- > 0;)
		e = err_first(e, detach_one(h, &h->threads[i]));
	/* A thread of ours may have become the leader by an execve(). */
	struct held_thread heir = { .tid = h->pid };
	if (h->nr && thread_is_ours(h->pid, h->pid))
		e = err_first(e, detach_one(h, &heir));
	if (nr && !e)
		undo_note(h->pid, "threads", "%zu thread%s let go", nr, nr == 1 ? "" : "s");
	return e;
}
