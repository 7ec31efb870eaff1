/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/watch/tracee.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "engine/watch/marker.h"

#define OPTIONS (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT)
#define START_US 10000000

static long pt(int request, pid_t pid, void *addr, uintptr_t data)
{
	return ptrace((enum __ptrace_request)request, pid, addr, (void *)data);
}

struct err *tracee_seize(struct tracee *t, pid_t pid)
{
	*t = (struct tracee){ .pid = pid };
	if (!pt(PTRACE_SEIZE, pid, NULL, OPTIONS))
		return NULL;

	int why = errno;
	struct err *e = err_sys(why, "watch %d", pid);

	e->code = ERR_TARGET;
	if (why == ESRCH)
		return err_hint(e, "no such process");
	return err_hint(
		e, "is it traced already (TracerPid in /proc/%d/status), or another user's?", pid);
}

/* In the child: waits until it is seized, then becomes the program, or says why not. */
static void exec_seized(char *const argv[], const struct rlimit *nofile, int go, int report)
{
	int null = open("/dev/null", O_RDONLY);
	sigset_t none;
	char c;

	setsid();
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO); /* ours may be JSON */
	for (int sig = 1; sig < 32; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setrlimit(RLIMIT_NOFILE, nofile);
	if (RETRY(read(go, &c, 1)) != 1)
		_exit(126);
	execvp(argv[0], argv);

	int why = errno;

	if (write(report, &why, sizeof(why)) < 0)
		_exit(126);
	_exit(127);
}

/* Waits for the exec, which closes the pipe `report`, or for the error that comes through it. */
static struct err *await_exec(struct tracee *t, int report)
{
	uint64_t deadline = now_us() + START_US;
	int why;

	while (now_us() < deadline) {
		switch (tracee_wait(t, 100000)) {
		case TRACEE_EXEC:
			return NULL;
		case TRACEE_ENDING:
		case TRACEE_GONE:
			if (read_full(report, &why, sizeof(why)) != sizeof(why))
				why = ECHILD;
			return err_sys(why, "start it");
		case TRACEE_RUNS:
			break;
		default:
			tracee_go(t, false);
		}
	}
	return err_sys(ETIMEDOUT, "start it");
}

struct err *tracee_start(struct tracee *t, char *const argv[], const struct rlimit *nofile)
{
	int go[2], report[2];

	if (pipe2(go, O_CLOEXEC))
		return err_sys(errno, "start %s", argv[0]);
	AUTO_CLOSE int go_read = go[0], go_write = go[1];
	if (pipe2(report, O_CLOEXEC))
		return err_sys(errno, "start %s", argv[0]);
	AUTO_CLOSE int report_read = report[0], report_write = report[1];
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(errno, "start %s", argv[0]);
	if (!pid)
		exec_seized(argv, nofile, go_read, report_write);
	close_fd(&report_write);

	struct err *e = tracee_seize(t, pid);

	t->child = true;
	if (!e && write_full(go_write, "", 1) < 0)
		e = err_sys(errno, "start %s", argv[0]);
	if (!e)
		e = err_wrap(await_exec(t, report_read), "start %s", argv[0]);
	if (!e)
		return NULL;
	/* Whatever went wrong, the child has not become the program. */
	kill(pid, SIGKILL);
	RETRY(waitpid(pid, NULL, 0));
	return err_hint(e, "a program is a path, or a name that is found in PATH");
}

/* ---- stops -------------------------------------------------------------------------------------- */

static enum tracee_stop syscall_stop(struct tracee *t)
{
	struct __ptrace_syscall_info si;

	memset(&si, 0, sizeof(si));
	if (pt(PTRACE_GET_SYSCALL_INFO, t->pid, (void *)sizeof(si), (uintptr_t)&si) <= 0)
		return TRACEE_HELD;
	if (si.op == PTRACE_SYSCALL_INFO_ENTRY) {
		t->nr = si.entry.nr;
		memcpy(t->arg, si.entry.args, sizeof(t->arg));
		t->has_arg = true;
		return TRACEE_ENTRY;
	}
	if (si.op != PTRACE_SYSCALL_INFO_EXIT || !t->has_arg)
		return TRACEE_HELD; /* seized in the middle of a call: its arguments are not known */
	t->ret = si.exit.rval;
	t->has_arg = false;
	return TRACEE_EXIT;
}

static enum tracee_stop event_stop(struct tracee *t, int event, int sig)
{
	unsigned long message = 0;

	switch (event) {
	case PTRACE_EVENT_EXEC:
		t->has_arg = false;
		return TRACEE_EXEC;
	case PTRACE_EVENT_EXIT:
		pt(PTRACE_GETEVENTMSG, t->pid, NULL, (uintptr_t)&message);
		t->status = (int)message;
		return TRACEE_ENDING;
	case PTRACE_EVENT_STOP:
		return sig == SIGTRAP ? TRACEE_HELD : TRACEE_GROUP;
	default:
		return TRACEE_HELD;
	}
}

/* The marker's signal comes from the kernel, anybody else's from a process. */
static bool is_mark(const struct tracee *t)
{
	siginfo_t si;

	return !pt(PTRACE_GETSIGINFO, t->pid, NULL, (uintptr_t)&si) && si.si_code == SI_KERNEL;
}

/* Asks waitid() for its state.  A stop is not taken (see tracee.h), an end is. */
static enum tracee_stop look(struct tracee *t)
{
	siginfo_t si = { 0 };

	if (waitid(P_PID, (id_t)t->pid, &si, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL))
		return TRACEE_GONE; /* another's child, and its parent has reaped it */
	if (!si.si_pid)
		return TRACEE_RUNS;
	if (si.si_code == CLD_EXITED || si.si_code == CLD_KILLED || si.si_code == CLD_DUMPED) {
		RETRY(waitpid(t->pid, &t->status, __WALL));
		return TRACEE_GONE;
	}
	int sig = si.si_status & 0xff, event = si.si_status >> 8;

	t->sig = 0;
	if (sig == MARKER_SIGNAL && !event && is_mark(t))
		return TRACEE_MARK;
	if (sig == (SIGTRAP | 0x80))
		return syscall_stop(t);
	if (event)
		return event_stop(t, event, sig);
	t->sig = sig;
	return TRACEE_SIGNAL;
}

/* Blocked, one that comes between looking and sleeping ends the sleep. */
void tracee_hold_sigchld(struct tracee *t, bool hold)
{
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	if (hold)
		sigprocmask(SIG_BLOCK, &chld, &t->old_mask);
	else
		sigprocmask(SIG_SETMASK, &t->old_mask, NULL);
	t->sigchld_held = hold;
}

enum tracee_stop tracee_wait(struct tracee *t, uint64_t us)
{
	uint64_t deadline = now_us() + us;
	bool hold = !t->sigchld_held;
	sigset_t chld;

	if (t->held)
		return t->stop;
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	if (hold)
		tracee_hold_sigchld(t, true);
	for (;;) {
		uint64_t now = now_us(), left = deadline > now ? deadline - now : 0;
		struct timespec ts = { (time_t)(left / 1000000), (long)(left % 1000000) * 1000 };

		t->stop = look(t);
		if (t->stop != TRACEE_RUNS || !left)
			break;
		if (sigtimedwait(&chld, NULL, &ts) < 0 && errno == EINTR) {
			t->stop = look(t);
			break;
		}
	}
	if (hold)
		tracee_hold_sigchld(t, false);
	if (t->stop != TRACEE_RUNS && t->stop != TRACEE_GONE) {
		t->held = true;
		t->stops++;
		t->t_stop = now_us();
	}
	return t->stop;
}

void tracee_go(struct tracee *t, bool calls)
{
	if (!t->held)
		return;
	t->held = false;
	t->calls = calls;
	t->held_us += now_us() - t->t_stop;
	/* PTRACE_LISTEN: stopped by job control it stays stopped until SIGCONT. */
	if (t->stop == TRACEE_GROUP)
		pt(PTRACE_LISTEN, t->pid, NULL, 0);
	else
		pt(calls ? PTRACE_SYSCALL : PTRACE_CONT, t->pid, NULL, (uintptr_t)t->sig);
	t->sig = 0;
}

void tracee_interrupt(struct tracee *t)
{
	if (!t->held)
		pt(PTRACE_INTERRUPT, t->pid, NULL, 0);
}

void tracee_detach(struct tracee *t)
{
	uint64_t deadline = now_us() + START_US;

	/* Only a held tracee can be detached from.  One that does not stop within that time (it is in
	 * an uninterruptible sleep) is let go when we end. */
	while (!t->held && t->stop != TRACEE_GONE && now_us() < deadline) {
		tracee_interrupt(t);
		tracee_wait(t, 100000);
	}
	if (t->held) {
		t->held_us += now_us() - t->t_stop;
		pt(PTRACE_DETACH, t->pid, NULL, (uintptr_t)(t->stop == TRACEE_SIGNAL ? t->sig : 0));
	}
	t->held = false;
}

/* ---- looking ------------------------------------------------------------------------------------- */

size_t tracee_read(const struct tracee *t, uint64_t addr, void *buf, size_t len)
{
	struct iovec to = { buf, len }, from = { (void *)addr, len };
	ssize_t n = process_vm_readv(t->pid, &to, 1, &from, 1, 0);

	return n > 0 ? (size_t)n : 0;
}

int tracee_get_fd(const struct tracee *t, int fd)
{
	AUTO_CLOSE int pidfd = pidfd_open(t->pid, 0);
	int got = pidfd >= 0 ? pidfd_getfd(pidfd, fd, 0) : -1;

	if (got >= 0 && fcntl(got, F_SETFD, FD_CLOEXEC) < 0)
		close_fd(&got);
	return got;
}
