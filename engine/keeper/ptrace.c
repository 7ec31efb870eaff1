/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/keeper/ptrace.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#ifndef PTRACE_O_SUSPEND_SECCOMP
#define PTRACE_O_SUSPEND_SECCOMP (1 << 21)
#endif
#define REQ_GET_RSEQ_CONFIGURATION 0x420f

#define NS_PER_SEC 1000000000ull
/* A wait polls this often: a SIGCHLD may have been used up by another task's change. */
#define WAIT_SLICE_NS 20000000ull

struct rseq_configuration {
	uint64_t area;
	uint32_t size, signature, flags, pad;
};

uint64_t pt_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

/* glibc declares the request as an enum that lacks the newer requests. */
static int request(int req, pid_t tid, void *addr, void *data)
{
	return ptrace((enum __ptrace_request)req, tid, addr, data) < 0 ? -errno : 0;
}

int pt_seize(pid_t tid)
{
	return request(PTRACE_SEIZE, tid, NULL, (void *)PTRACE_O_TRACESYSGOOD);
}

int pt_suspend_seccomp(pid_t tid)
{
	return request(PTRACE_SETOPTIONS, tid, NULL,
		       (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_SUSPEND_SECCOMP));
}

int pt_interrupt(pid_t tid)
{
	return request(PTRACE_INTERRUPT, tid, NULL, NULL);
}

int pt_cont(pid_t tid, int sig)
{
	return request(PTRACE_CONT, tid, NULL, (void *)(long)sig);
}

int pt_syscall(pid_t tid, int sig)
{
	return request(PTRACE_SYSCALL, tid, NULL, (void *)(long)sig);
}

int pt_detach(pid_t tid, int sig)
{
	return request(PTRACE_DETACH, tid, NULL, (void *)(long)sig);
}

int pt_get_regs(pid_t tid, struct user_regs_struct *ret)
{
	struct user_regs_struct regs;
	struct iovec iov = { &regs, sizeof(regs) };
	int err = request(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &iov);

	if (err)
		return err;
	if (iov.iov_len != sizeof(regs))
		return -ENOEXEC;
	*ret = regs;
	return 0;
}

int pt_set_regs(pid_t tid, const struct user_regs_struct *regs)
{
	struct iovec iov = { (void *)regs, sizeof(*regs) };

	return request(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &iov);
}

int64_t pt_interrupted_call(pid_t tid, const struct user_regs_struct *regs)
{
	uint8_t insn[ARCH_INSN_LEN];

	return arch_interrupted_call(
		regs, ARCH_REWINDS_IP && !pt_read(tid, arch_ip(regs), insn, sizeof(insn)) &&
			      arch_is_syscall(insn));
}

int pt_skip_call(pid_t tid, struct user_regs_struct *regs)
{
	int none = -1;
	struct iovec iov = { &none, sizeof(none) };

	if (ARCH_CALL_NOTE)
		return request(PTRACE_SETREGSET, tid, (void *)ARCH_CALL_NOTE, &iov);
	arch_forget_call(regs);
	return pt_set_regs(tid, regs);
}

/* In front of each register set, which it keeps aligned. */
struct xstate_head {
	uint64_t note, len;
};

static size_t xstate_size(size_t len)
{
	const size_t unit = sizeof(struct xstate_head);

	return unit + (len + unit - 1) / unit * unit;
}

int pt_get_xstate(pid_t tid, void *buf, size_t *len_ret)
{
	static const uint32_t note[] = ARCH_XSTATE_NOTES;
	size_t at = 0;

	for (size_t i = 0; i < sizeof(note) / sizeof(*note); i++) {
		struct xstate_head *head = (void *)((char *)buf + at);
		size_t room = PT_XSTATE_MAX - at - sizeof(*head);
		struct iovec iov = { head + 1, room };
		int err = request(PTRACE_GETREGSET, tid, (void *)(uintptr_t)note[i], &iov);

		if (err == -EINVAL && i)
			continue; /* this processor, or kernel, does not have it */
		if (err)
			return err;
		if (iov.iov_len == room)
			return -ENOBUFS; /* it may have more */
		head->note = note[i];
		head->len = iov.iov_len;
		at += xstate_size(iov.iov_len);
	}
	*len_ret = at;
	return 0;
}

int pt_set_xstate(pid_t tid, const void *buf, size_t len)
{
	const char *p = buf, *end = p + len;

	while ((size_t)(end - p) > sizeof(struct xstate_head)) {
		const struct xstate_head *head = (const void *)p;
		struct iovec iov = { (void *)(head + 1), head->len };

		if (head->len > (size_t)(end - p) - sizeof(*head))
			return -EINVAL;
		int err = request(PTRACE_SETREGSET, tid, (void *)head->note, &iov);
		if (err)
			return err;
		p += xstate_size(head->len);
	}
	return 0;
}

int pt_get_sigmask(pid_t tid, uint64_t *ret)
{
	return request(PTRACE_GETSIGMASK, tid, (void *)sizeof(*ret), ret);
}

int pt_set_sigmask(pid_t tid, uint64_t mask)
{
	return request(PTRACE_SETSIGMASK, tid, (void *)sizeof(mask), &mask);
}

uint64_t pt_rseq_area(pid_t tid)
{
	struct rseq_configuration conf = { 0 };

	if (request(REQ_GET_RSEQ_CONFIGURATION, tid, (void *)sizeof(conf), &conf))
		return 0;
	return conf.area;
}

int pt_read(pid_t tid, uint64_t addr, void *buf, size_t len)
{
	char *to = buf;

	for (size_t off = 0; off < len; off += sizeof(long)) {
		errno = 0;
		long word = ptrace(PTRACE_PEEKDATA, tid, (void *)(addr + off), NULL);

		if (errno)
			return -errno;
		memcpy(to + off, &word, len - off < sizeof(word) ? len - off : sizeof(word));
	}
	return 0;
}

int pt_write(pid_t tid, uint64_t addr, const void *buf, size_t len)
{
	const char *from = buf;

	for (size_t off = 0; off < len; off += sizeof(long)) {
		long word;

		memcpy(&word, from + off, sizeof(word));
		int err = request(PTRACE_POKEDATA, tid, (void *)(addr + off), (void *)word);
		if (err)
			return err;
	}
	return 0;
}

int pt_wait(pid_t tid, uint64_t deadline_ns, int *status_ret)
{
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	for (;;) {
		int status;
		pid_t got = waitpid(tid, &status, __WALL | WNOHANG);

		if (got == tid) {
			*status_ret = status;
			return 0;
		}
		if (got < 0 && errno != EINTR)
			return -errno;
		uint64_t now = pt_now_ns();
		if (now >= deadline_ns)
			return -ETIMEDOUT;
		uint64_t left = deadline_ns - now;
		struct timespec slice = { 0, (long)(left < WAIT_SLICE_NS ? left : WAIT_SLICE_NS) };
		sigtimedwait(&chld, NULL, &slice);
	}
}

pid_t pt_poll_any(int *status_ret)
{
	pid_t tid = waitpid(-1, status_ret, __WALL | WNOHANG);

	return tid > 0 ? tid : 0;
}

int pt_poll(pid_t tid, int *status_ret)
{
	return waitpid(tid, status_ret, __WALL | WNOHANG) == tid;
}

bool pt_reap_dead(pid_t tid)
{
	siginfo_t si = { 0 };

	/* Stops of a traced task are reported whether they are asked for or not, so peek first. */
	if (waitid(P_PID, (id_t)tid, &si, WEXITED | __WALL | WNOHANG | WNOWAIT) ||
	    si.si_pid != tid ||
	    (si.si_code != CLD_EXITED && si.si_code != CLD_KILLED && si.si_code != CLD_DUMPED))
		return false;
	return waitpid(tid, NULL, __WALL | WNOHANG) == tid;
}

bool pt_has_news(pid_t tid)
{
	siginfo_t si = { 0 };

	return !waitid(P_PID, (id_t)tid, &si, WEXITED | WSTOPPED | __WALL | WNOHANG | WNOWAIT) &&
	       si.si_pid == tid;
}

enum pt_stop pt_classify(int status, int *sig_ret)
{
	if (WIFEXITED(status) || WIFSIGNALED(status))
		return STOP_DEAD;
	if (!WIFSTOPPED(status))
		return STOP_OTHER;
	int sig = WSTOPSIG(status), event = (unsigned)status >> 16;
	*sig_ret = sig & 0x7f;
	if (event == PTRACE_EVENT_STOP)
		return STOP_EVENT;
	if (event)
		return STOP_OTHER;
	return sig == (SIGTRAP | 0x80) ? STOP_SYSCALL : STOP_SIGNAL;
}
