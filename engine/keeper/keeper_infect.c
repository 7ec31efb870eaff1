/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Putting the parasite into a held task.
 *
 * libcompel maps the blob and starts its daemon.  Two things are done differently:
 * - its system calls go through borrow_syscall() (see there): the linker's --wrap replaces its
 * compel_execute_syscall() by ours;
 * - its waits have no time limit: a timer, and a check at every SIGCHLD, jump out of them.
 *
 * Mirrors: criu/parasite-syscall.c parasite_infect_seized(), compel/src/lib/infect.c
 * compel_infect().
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/num.h"
#include "base/vec.h"
#include "engine/arch/compel.h"
#include "engine/keeper/compel_api.h"
#include "engine/keeper/keeper_priv.h"
#include "engine/parasite/area.h"
#include "engine/parasite/blob.h"

#define INFECT_TIMEOUT_SEC 10
#define MAX_ERRNO 4096        /* a call returns more than its negative value, or has not failed */
#define MAP_SLACK (64u << 10) /* compel's stack and signal frame */
#define CHANNEL_SNDBUF (128 << 10)

struct saved_regs {
	user_regs_struct_t regs;
	user_fpregs_struct_t fpregs;
};

/* compel has no argument for a context of ours; there is one infection at a time. */
static struct {
	struct held *h;
	sigjmp_buf out;
	volatile sig_atomic_t armed; /* may jump */
	volatile sig_atomic_t timed_out;
	struct err *err; /* of an injected call */
	long failed_nr;  /* the system call that failed in the target */
	int failed_errno;
	char log[512]; /* the last lines that compel logged */
} infecting;

static void __attribute__((format(printf, 2, 0)))
log_line(unsigned int level, const char *fmt, va_list ap)
{
	size_t have = strlen(infecting.log);

	if (have > sizeof(infecting.log) / 2)
		have = 0;
	if (have)
		have += (size_t)snprintf(infecting.log + have, sizeof(infecting.log) - have, "; ");
	vsnprintf(infecting.log + have, sizeof(infecting.log) - have, fmt, ap);
	infecting.log[strcspn(infecting.log, "\n")] = 0;
}

void infect_init(void)
{
	compel_log_init(log_line, COMPEL_LOG_ERROR);
}

/* ---- what compel calls --------------------------------------------------- */

int __wrap_compel_execute_syscall(struct parasite_ctl *ctl, user_regs_struct_t *regs,
				  const char *code)
{
	struct held *h = infecting.h;
	sigset_t quiet, before;
	uint64_t args[6];
	int64_t ret = 0;
	long nr;

	arch_compel_call(regs, &nr, args);
	/* Our own wait is bounded; jumping out of it would lose track of the thread. */
	sigemptyset(&quiet);
	sigaddset(&quiet, SIGCHLD);
	sigaddset(&quiet, SIGALRM);
	sigprocmask(SIG_BLOCK, &quiet, &before);
	struct err *e = borrow_syscall(h, nr, args, &ret);
	if (!e)
		ret = FAULT_NEG(INJECT_RESULT, ret);
	if (e) {
		infecting.err = err_first(infecting.err, e);
	} else if (ret < 0 && ret > -MAX_ERRNO) {
		if (!infecting.failed_errno) { /* what follows is a consequence */
			infecting.failed_nr = nr;
			infecting.failed_errno = (int)-ret;
		}
	} else if (nr == SYS_mmap) {
		h->own.map_start = (uint64_t)ret;
		h->own.map_end = (uint64_t)ret + round_up(args[1], PAGE_BYTES);
		infecting.err = journal_write(&h->own);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	arch_compel_result(regs, ret);
	return infecting.err ? -1 : 0;
}

/* Handles a change of the leader while compel waits for the daemon to start. */
static void on_child(int sig, siginfo_t *si, void *ctx)
{
	int saved_errno = errno, status;
	struct held *h = infecting.h;

	if (infecting.armed && pt_poll(h->pid, &status)) {
		held_news(h, &h->threads[0], status);
		if (h->gone || !h->running)
			siglongjmp(infecting.out, 1);
	}
	errno = saved_errno;
}

static void on_alarm(int sig)
{
	if (!infecting.armed)
		return;
	infecting.timed_out = 1;
	siglongjmp(infecting.out, 1);
}

/*
 * Tells the parasite how to leave without us.  compel has the blob mapped here at the start of a page,
 * and the argument area behind it and its GOT, which is shorter than a page.
 */
static void give_leave(struct held *h)
{
	uint64_t args = (uint64_t)(uintptr_t)compel_parasite_args_p(h->ctl);
	uint64_t blob = (args - sizeof(parasite_blob)) & ~(PAGE_BYTES - 1);
	struct parasite_leave *l = (void *)(uintptr_t)(blob + parasite_sym__export_leave);

	if (l->magic != PARASITE_LEAVE_MAGIC || h->own.xstate_len > sizeof(l->xstate))
		return; /* it will return as compel's parasites do */
	l->map_start = h->own.map_start;
	l->map_len = h->own.map_end - h->own.map_start;
	l->stub_ip = h->own.stub_ip;
	l->page_start = h->own.text_ip; /* where the vDSO begins */
	l->page_len = h->own.stub_ip + ARCH_STUB_MAX - h->own.text_ip;
	l->leave = arch_stub.leave;
	l->stub_len = arch_stub.len;
	arch_stub_make(&h->own.regs, h->own.sigmask, l->stub);
	/* Behind a head of 16 bytes: see ptrace.c.  The first note is what the processor's own
	 * instruction restores. */
	memcpy(l->xstate, h->own.xstate + PT_XSTATE_HEAD, h->own.xstate_len - PT_XSTATE_HEAD);
	l->ready = 1;
}

static int save_regs(SAVE_REGS_PARAMS)
{
	struct saved_regs *s = to;

	struct user_regs_struct back;
	struct held *h = infecting.h;

	s->regs = *regs;
	s->fpregs = *fpregs;
	if (h->own.stub_ip) {
		/* They are those of the stub now. */
		arch_stub_resume(&h->own.regs, &back);
		arch_compel_set(&s->regs, &back);
		give_leave(h);
	}
	/* From here on compel does nothing but start the daemon and wait for it. */
	infecting.h->running = true;
	return 0;
}

/* The frame through which the parasite returns if the keeper dies before the cure. */
static int make_sigframe(void *from, struct rt_sigframe *frame, struct rt_sigframe *rframe,
			 k_rtsigset_t *sigmask)
{
	struct saved_regs *s = from;

	memset(frame, 0, sizeof(*frame));
	if (sigreturn_prep_regs_plain(frame, &s->regs, &s->fpregs))
		return -1;
	if (sigmask)
		rt_sigframe_copy_sigset(frame, sigmask);
	return RT_SIGFRAME_HAS_FPU(frame) ? sigreturn_prep_fpu_frame_plain(frame, rframe) : 0;
}

static int __attribute__((format(printf, 3, 4))) open_proc(int pid, int mode, const char *fmt, ...)
{
	char path[128];
	va_list ap;
	int n = snprintf(path, sizeof(path), "/proc/%d/", pid);

	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - (size_t)n, fmt, ap);
	va_end(ap);
	return open(path, mode | O_CLOEXEC);
}

/* ---- preparations -------------------------------------------------------- */

/* The socket that the parasite connects to must be in its network namespace, as abstract names are
 * per namespace. */
static struct err *make_sock(pid_t pid, int *ret)
{
	struct stat ours, theirs;
	struct err *e = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	if (stat(path, &theirs) || stat("/proc/self/ns/net", &ours))
		return err_pid(err_sys(errno, "cannot look at the network namespace of %d", pid),
			       pid);
	bool other = ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev;
	AUTO_CLOSE int ns = other ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	AUTO_CLOSE int own_ns = other ? open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC) : -1;
	if (other && (ns < 0 || own_ns < 0 || setns(ns, CLONE_NEWNET)))
		return err_pid(
			err_hint(err_sys(errno, "cannot enter the network namespace of %d", pid),
				 "this needs CAP_SYS_ADMIN"),
			pid);
	AUTO_CLOSE int sock = FAULT(
		INFECT_SOCK, socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
	if (sock < 0)
		e = err_sys(errno, "cannot make a socket for the parasite of %d", pid);
	if (other && setns(own_ns, CLONE_NEWNET))
		e = err_first(
			e, err_sys(errno, "cannot return from the network namespace of %d", pid));
	if (!e)
		*ret = TAKE_FD(sock);
	return e;
}

static void remember_fd(int fd, const char *link, void *arg)
{
	struct held *h = arg;
	*vec_push(h->fds_before, h->nr_fds_before) = fd;
}

static struct err *prepare_ctl(struct held *h)
{
	static uint64_t run;

	h->ctl = compel_new_ctl(h->pid);
	h->compel_regs = aligned_alloc(64, round_up(sizeof(struct saved_regs), 64ul));
	if (!h->ctl || !h->compel_regs)
		return err_pid(err_new(ERR_SYS, "cannot prepare the infection of %d: %s", h->pid,
				       infecting.log),
			       h->pid);
	/* We have blocked all signals; the signal frame needs the task's own mask. */
	compel_task_sigmask(h->ctl)->sig[0] = h->own.sigmask;
	struct infect_ctx *c = compel_infect_ctx(h->ctl);
	c->sock = -1;
	c->save_regs = save_regs;
	c->make_sigframe = make_sigframe;
	c->regs_arg = h->compel_regs;
	c->task_size = compel_task_size();
	/* Where compel writes a name for the length of one call. */
	c->syscall_ip = h->own.stub_ip ? h->own.stub_ip + arch_stub.scratch : h->own.text_ip;
	c->child_handler = on_child;
	c->open_proc = open_proc;
	compel_set_run_id((uint64_t)getpid() << 32 | ++run);
	parasite_setup_c_header(h->ctl);
	h->log = FAULT(INFECT_LOG, memfd_create(LOG_MEMFD, MFD_CLOEXEC));
	if (h->log < 0)
		return err_sys(errno, "cannot make a log for the parasite");
	c->log_fd = h->log;
	return make_sock(h->pid, &c->sock);
}

void infect_drop(struct held *h)
{
	close_fd(&h->rpc);
	close_fd(&h->log);
	/* Unmaps our side of the shared memory; nothing can be done if that fails. */
	int ignored = h->ctl ? compel_cure_local(h->ctl) : 0;
	(void)ignored;
	h->ctl = NULL;
	h->area = NULL;
	free(h->compel_regs);
	h->compel_regs = NULL;
	free(h->fds_before);
	h->fds_before = NULL;
	h->nr_fds_before = 0;
	h->infected = false;
	h->crash_sig = 0;
}

/* ---- infection ----------------------------------------------------------- */

static void set_timer(int sec)
{
	struct itimerval t = { .it_value.tv_sec = sec };

	setitimer(ITIMER_REAL, &t, NULL);
}

/* compel_infect(), with a way out of its waits.  false: it failed. */
static bool run_compel_infect(struct held *h, size_t args_size)
{
	struct sigaction alarm_sa = { .sa_handler = on_alarm }, dfl = { .sa_handler = SIG_DFL };
	volatile bool ok = false;
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigaction(SIGALRM, &alarm_sa, NULL);
	infecting.timed_out = 0;
	if (!sigsetjmp(infecting.out, 1)) {
		infecting.armed = 1;
		set_timer(INFECT_TIMEOUT_SEC);
		sigprocmask(SIG_UNBLOCK, &chld, NULL);
		ok = !FAULT(INFECT_RUN, compel_infect(h->ctl, 1, args_size));
	}
	infecting.armed = 0;
	set_timer(0);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	sigaction(SIGCHLD, &dfl, NULL); /* compel has set its handler */
	return ok;
}

/* Logs the last lines of compel here, and of compel's code in the target. */
const char *infect_logged(struct held *h)
{
	size_t have = strlen(infecting.log);
	ssize_t n = pread(h->log, infecting.log + have, sizeof(infecting.log) - 1 - have, 0);

	infecting.log[have + (n > 0 ? (size_t)n : 0)] = 0;
	for (char *nl = infecting.log; (nl = strchr(nl, '\n'));)
		*nl = nl[1] ? ' ' : 0;
	return infecting.log;
}

static struct err *explain_infect(struct held *h)
{
	struct err *e = infecting.err;

	infecting.err = NULL;
	if (e)
		return err_wrap(e, "cannot inject into %d", h->pid);
	if (h->gone)
		return held_gone_err(h);
	if (h->crash_sig)
		return err_pid(err_cause_only(err_new(ERR_SYS,
						      "cannot inject into %d: the parasite got "
						      "signal %d",
						      h->pid, h->crash_sig),
					      "parasite-signal"),
			       h->pid);
	if (infecting.timed_out)
		return err_pid(err_hint(err_new(ERR_SYS,
						"cannot inject into %d: no sign of life from "
						"the parasite within %d s; %s",
						h->pid, INFECT_TIMEOUT_SEC, infect_logged(h)),
					"is the machine overloaded, or its cgroup being frozen?"),
			       h->pid);
	int err = infecting.failed_errno;
	if (!err) {
		const char *logged = infect_logged(h);

		return err_pid(err_new(ERR_SYS, "cannot inject into %d: %s", h->pid,
				       *logged ? logged : "libcompel gives no reason"),
			       h->pid);
	}
	e = err_pid(err_code(err_sys(err, "cannot inject into %d: system call %ld refused there",
				     h->pid, infecting.failed_nr),
			     ERR_TARGET),
		    h->pid);
	if (err == EMFILE)
		return err_cause(
			err_hint(e,
				 "it has no free descriptor: prlimit --pid %d --nofile=", h->pid),
			"no-free-fds", "system call %ld: EMFILE", infecting.failed_nr);
	if (err == ENOMEM)
		return err_cause(err_hint(e, "its address space limit, or vm.max_map_count, is "
					     "reached"),
				 "limit-as", "system call %ld: ENOMEM", infecting.failed_nr);
	if (err == EAGAIN)
		return err_cause(err_hint(e,
					  "it has locked all its memory (mlockall): "
					  "prlimit --pid %d --memlock=",
					  h->pid),
				 "limit-memlock", "system call %ld: EAGAIN", infecting.failed_nr);
	if (err == EPERM || err == EACCES)
		return err_hint(e, "a security module or vm.memfd_noexec forbids it");
	return e;
}

static struct err *open_channel(struct held *h, int *sock_ret)
{
	int sv[2], size = CHANNEL_SNDBUF;

	if (FAULT(INFECT_CHANNEL, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv)))
		return err_sys(errno, "cannot make a channel to the parasite");
	for (int i = 0; i < 2; i++)
		setsockopt(sv[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	bool ok =
		!compel_rpc_call(PARASITE_CMD_SERVE, h->ctl) && !compel_util_send_fd(h->ctl, sv[0]);
	close(sv[0]);
	if (!ok) {
		close(sv[1]);
		return err_pid(err_new(ERR_SYS, "cannot open a channel to the parasite of %d: %s",
				       h->pid, infect_logged(h)),
			       h->pid);
	}
	*sock_ret = sv[1];
	return NULL;
}

struct err *held_infect(struct held *h, size_t max_mprotect, int *sock_ret,
			struct keeper_parasite *ret)
{
	size_t args = sizeof(struct parasite_area) + max_mprotect * sizeof(struct parasite_vma);
	uint64_t begin = pt_now_ns();
	struct err *e;
	int sock = -1;

	borrow_look(h);
	TRY(preflight_infect(h, sizeof(parasite_blob) + args + MAP_SLACK));
	memset(&infecting, 0, sizeof(infecting));
	infecting.h = h;
	kproc_each_fd(h->pid, remember_fd, h);
	e = borrow_begin(h);
	if (!e)
		e = prepare_ctl(h);
	if (e) {
		infect_drop(h);
		return err_first(e, borrow_end(h));
	}
	bool ok = run_compel_infect(h, args);
	int sock_fd = compel_infect_ctx(h->ctl)->sock;
	if (ok && compel_rpc_sock(h->ctl) >= 0)
		h->rpc = compel_rpc_sock(h->ctl);
	if (sock_fd >= 0 && sock_fd != h->rpc)
		close(sock_fd);
	if (ok) {
		fcntl(h->rpc, F_SETFD, FD_CLOEXEC);
		h->infected = true;
		h->area = compel_parasite_args_p(h->ctl);
		memset(h->area, 0, sizeof(*h->area));
		h->area->cap = h->area_cap = (uint32_t)max_mprotect;
		e = open_channel(h, &sock);
	} else {
		e = explain_infect(h);
	}
	if (e)
		return e;
	/* It is not to be in the images.  The parasite has a copy. */
	borrow_stub(h, false);
	ret->sock = -1;
	ret->map_start = h->own.map_start;
	ret->map_end = h->own.map_end;
	ret->syscall_ip = h->own.text_ip;
	ret->infect_us = (pt_now_ns() - begin) / 1000;
	*sock_ret = sock;
	return NULL;
}
