/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The keeper process: a loop over requests and deaths.  When stepdump is gone, for whatever
 * reason, or when memory runs out, it puts everything back and ends.
 */
#include "engine/arch/arch.h"
#include "engine/keeper/keeper_main.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/mem.h"
#include "engine/keeper/keeper_priv.h"
#include "engine/target/keeper_wire.h"

#define TICK_MS 500

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

/*
 * Set aside for putting targets back when memory has run out.  That needs errors and their texts (a
 * few KiB for each target), a directory stream (32 KiB), and the small buffers for reading /proc.
 * A list of a target's descriptors or threads that was being made at that moment may need more, but
 * no such list is needed afterwards.
 */
#define RESERVE_BYTES (512ul << 10)

static struct {
	int sock, event_sock;
	pid_t client;
	struct held *held;
} keeper;

static struct held *keeper_find(pid_t pid)
{
	for (struct held *h = keeper.held; h; h = h->next)
		if (h->pid == pid)
			return h;
	return NULL;
}

static struct err *must_find(pid_t pid, struct held **ret)
{
	*ret = keeper_find(pid);
	return *ret ? NULL : err_pid(err_new(ERR_STATE, "%d is not attached", pid), pid);
}

static void tell_death(struct held *h)
{
	if (h->gone && !h->gone_told)
		h->gone_told = send(keeper.event_sock, &h->pid, sizeof(h->pid),
				    MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(h->pid);
}

/* Handles all changes of the tasks that we trace. */
static void reap(void)
{
	int status, sig = 0;
	pid_t tid;

	while ((tid = pt_poll_any(&status))) {
		struct held_thread *t = NULL;

		for (struct held *h = keeper.held; h && !t; h = h->next) {
			t = held_find(h, tid);
			if (t)
				held_news(h, t, status);
		}
		/* A thread that did not stop before we gave up on it. */
		if (!t && pt_classify(status, &sig) != STOP_DEAD)
			pt_detach(tid, pt_classify(status, &sig) == STOP_SIGNAL ? sig : 0);
	}
	for (struct held *h = keeper.held; h; h = h->next)
		tell_death(h);
}

/* Cures, detaches, forgets.  *runs_us_ret: when the first thread was let run. */
static struct err *let_go(struct held *h, uint64_t *runs_us_ret)
{
	struct err *e = NULL;

	if (!h->gone) {
		e = held_cure(h);
		if (h->infected && !h->gone) {
			/* The leader may wait for a thread that we hold, such as a userfaultfd
			 * handler. */
			held_detach_others(h);
			err_free(e);
			e = held_cure(h);
		}
	}
	if (h->gone) { /* nothing left to put back */
		err_free(held_cure(h));
		err_free(e);
		e = NULL;
	}
	*runs_us_ret = pt_now_ns() / 1000;
	e = err_first(e, held_detach(h));
	for (struct held **at = &keeper.held; *at; at = &(*at)->next)
		if (*at == h) {
			*at = h->next;
			break;
		}
	held_free(h);
	reap();
	return e;
}

/* ---- requests ------------------------------------------------------------ */

static struct keeper_thread *describe(struct held *h)
{
	struct keeper_thread *threads = xcalloc(h->nr, sizeof(*threads));

	for (size_t i = 0; i < h->nr; i++) {
		struct keeper_thread *t = &threads[i];
		struct user_regs_struct regs;
		struct proc_status st = { 0 };

		t->tid = h->threads[i].tid;
		t->was_stopped = h->threads[i].was_stopped;
		t->orig_ax = -1;
		if (!pt_get_regs(t->tid, &regs)) {
			t->ip = arch_ip(&regs);
			t->sp = arch_sp(&regs);
			t->orig_ax = pt_interrupted_call(t->tid, &regs);
			t->in_syscall = t->orig_ax >= 0;
		}
		if (kproc_status(h->pid, t->tid, &st)) {
			t->sig_blocked = st.sig_blk;
			t->sig_pending = st.sig_pnd;
			memcpy(t->comm, st.comm, sizeof(t->comm));
		}
	}
	return threads;
}

/* Seizing asks for CAP_SYS_PTRACE alone; the files in /proc are files, with an owner and a mode. */
static struct err *explain_mem(pid_t pid, const char *path, int sys_errno)
{
	struct err *e = err_pid(err_sys(sys_errno, "cannot open %s", path), pid);

	if (sys_errno != EACCES)
		return e;
	return err_hint(err_cause(err_code(e, ERR_TARGET), "no-rights", "%s: EACCES", path),
			"CAP_SYS_PTRACE is not enough for a process of another user: "
			"CAP_DAC_OVERRIDE is needed too; or run as root or as that user");
}

static struct err *do_seize(struct keeper_msg *m, struct keeper_thread **body_ret, int *fd_ret)
{
	uint64_t begin = pt_now_ns(), end;
	struct held *h;
	char path[64];

	if (keeper_find(m->pid))
		return err_pid(err_new(ERR_STATE, "%d is attached already", m->pid), m->pid);
	TRY(held_seize(m->pid, keeper.client, false, &h));
	end = pt_now_ns();
	m->arg[2] = (end - begin) / 1000;
	m->arg[4] = end / 1000;
	h->next = keeper.held;
	keeper.held = h;
	snprintf(path, sizeof(path), "/proc/%d/mem", h->pid);
	*fd_ret = FAULT(SEIZE_MEM, open(path, O_RDWR | O_CLOEXEC));
	if (*fd_ret < 0 && errno != EIO)
		*fd_ret = open(path, O_RDONLY | O_CLOEXEC);
	if (*fd_ret < 0) {
		struct err *e = explain_mem(h->pid, path, errno);

		return err_first(e, let_go(h, &end));
	}
	*body_ret = describe(h);
	m->arg[0] = h->start_time_ticks;
	m->arg[1] = h->was_stopped;
	m->arg[3] = h->nr;
	m->body_len = h->nr * sizeof(**body_ret);
	return NULL;
}

static struct err *do_infect(struct keeper_msg *m, int *fd_ret)
{
	struct keeper_parasite p;
	struct held *h;

	TRY(must_find(m->pid, &h));
	if (h->gone)
		return held_gone_err(h);
	if (h->infected)
		return err_pid(err_new(ERR_STATE, "%d is infected already", h->pid), h->pid);
	struct err *e = held_infect(h, m->arg[0], fd_ret, &p);
	if (e)
		return h->borrowed ? err_first(e, held_forced_cure(h)) : e;
	m->arg[0] = p.map_start;
	m->arg[1] = p.map_end;
	m->arg[2] = p.syscall_ip;
	m->arg[3] = p.infect_us;
	return NULL;
}

static struct err *pull_fd(pid_t pid, int their_fd, int *fd_ret)
{
	AUTO_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (pidfd < 0)
		return err_sys(errno, "pidfd_open of %d", pid);
	*fd_ret = (int)FAULT(UFFD_PULL, syscall(SYS_pidfd_getfd, pidfd, their_fd, 0));
	return *fd_ret < 0 ?
		       err_sys(errno, "pidfd_getfd: take descriptor %d out of %d", their_fd, pid) :
		       NULL;
}

/* Between borrow_begin() and borrow_end(). */
static struct err *open_and_pull_fd(struct held *h, struct keeper_msg *m, int *fd_ret)
{
	int64_t fd, closed;

	TRY(borrow_syscall(h, (long)m->arg[6], m->arg, &fd));
	m->arg[0] = (uint64_t)fd;
	if (fd < 0)
		return NULL;
	struct err *e = pull_fd(h->pid, (int)fd, fd_ret);
	const uint64_t args[6] = { (uint64_t)fd };
	struct err *e2 = borrow_syscall(h, SYS_close, args, &closed);
	if (!e2 && closed)
		e2 = err_pid(err_new(ERR_HARM,
				     "descriptor %d, which we opened in %d, could not be "
				     "closed there",
				     (int)fd, h->pid),
			     h->pid);
	return err_first(e2, e);
}

/* A descriptor of ours that is still there, since one of the calls failed: once more. */
static struct err *close_ours(struct held *h)
{
	const uint64_t args[6] = { (uint64_t)h->ours.fd };
	int64_t closed;

	return h->gone || h->ours.fd < 0 ? NULL : borrow_syscall(h, SYS_close, args, &closed);
}

static struct err *do_take_fd(struct keeper_msg *m, int *fd_ret)
{
	struct held *h;

	TRY(must_find(m->pid, &h));
	if (h->gone)
		return held_gone_err(h);
	if (h->infected || h->borrowed)
		return err_pid(err_new(ERR_STATE, "cannot run a system call in %d: it is infected",
				       h->pid),
			       h->pid);
	if (h->seccomp && !h->seccomp_suspended)
		return seccomp_err(h, "run a system call in");
	TRY(borrow_begin(h));
	struct err *e = open_and_pull_fd(h, m, fd_ret);
	e = err_first(e, close_ours(h));
	return err_pid(err_first(e, borrow_end(h)), h->pid);
}

/* true: it was the last request. */
static bool keeper_serve_one(void)
{
	struct keeper_msg m = { 0 };
	AUTO_FREE struct keeper_thread *threads = NULL;
	AUTO_FREE char *body = NULL;
	AUTO_FREE char *report = NULL;
	const void *answer = NULL;
	AUTO_CLOSE int in_fd = -1;
	AUTO_CLOSE int fd = -1;
	struct held *h;
	struct err *e = NULL;

	if (wire_recv(keeper.sock, -1, &m, &body, &in_fd))
		return true;
	m.body_len = 0;
	switch (m.op) {
	case KOP_SEIZE:
		e = do_seize(&m, &threads, &fd);
		answer = threads;
		break;
	case KOP_INFECT:
		e = do_infect(&m, &fd);
		break;
	case KOP_CURE:
		e = must_find(m.pid, &h);
		if (!e)
			e = held_cure(h);
		break;
	case KOP_RELEASE:
		e = must_find(m.pid, &h);
		if (!e)
			e = let_go(h, &m.arg[0]);
		break;
	case KOP_TAKE_FD:
		e = do_take_fd(&m, &fd);
		break;
	case KOP_LITTER_ADD:
		e = litter_add(body);
		break;
	case KOP_LITTER_DEL:
		litter_del(body);
		break;
	case KOP_RESCUE:
		e = keeper_find(m.pid) ?
			    err_pid(err_new(ERR_STATE, "%d is attached", m.pid), m.pid) :
			    rescue(m.pid, keeper.client, m.arg[0], &report);
		if (!e) {
			answer = report;
			m.body_len = strlen(report);
		}
		break;
	case KOP_STOP:
		while (keeper.held)
			e = err_first(e, let_go(keeper.held, &m.arg[0]));
		break;
	default:
		e = err_new(ERR_CHECK, "the keeper does not know request %u", m.op);
	}
	reap();
	if (FAULT(KEEPER_REPLY, 0)) /* never answers again */
		return true;
	return wire_reply(keeper.sock, &m, answer, fd, e) || m.op == KOP_STOP;
}

static void set_up_process(void)
{
	static const int deaf[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGPIPE, SIGTSTP,
				    SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGXFSZ };
	sigset_t mask;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	for (size_t i = 0; i < sizeof(deaf) / sizeof(*deaf); i++)
		signal(deaf[i], SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	setsid();
	prctl(PR_SET_NAME, "stepdump-keeper");
	/* We must not keep the directory busy that we were started in. */
	if (chdir("/"))
		return;
}

/* Closes all descriptors but our two: what stepdump has open must not stay open because of us. */
static void close_others(void)
{
	int null = open("/dev/null", O_RDWR);
	int lo = keeper.sock < keeper.event_sock ? keeper.sock : keeper.event_sock;
	int hi = keeper.sock < keeper.event_sock ? keeper.event_sock : keeper.sock;

	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	if (lo > 3)
		close_range(3, (unsigned)lo - 1, 0);
	if (hi > lo + 1)
		close_range((unsigned)lo + 1, (unsigned)hi - 1, 0);
	close_range((unsigned)hi + 1, ~0u, 0);
}

_Noreturn void keeper_main(int sock, int event_sock, pid_t client)
{
	sigset_t chld;

	/* Numbers 0 to 2 are about to become /dev/null. */
	keeper.sock = fcntl(sock, F_DUPFD_CLOEXEC, 3);
	keeper.event_sock = fcntl(event_sock, F_DUPFD_CLOEXEC, 3);
	keeper.client = client;
	set_up_process();
	close_others();
	infect_init();
	mem_reserve(RESERVE_BYTES);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	int sigfd = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	struct pollfd p[2] = {
		{ .fd = keeper.sock, .events = POLLIN },
		{ .fd = sigfd, .events = POLLIN },
	};
	for (bool last = false; !last;) {
		struct signalfd_siginfo si;

		poll(p, 2, keeper.held ? TICK_MS : -1);
		while (sigfd >= 0 && read(sigfd, &si, sizeof(si)) > 0)
			;
		reap();
		if (p[0].revents)
			last = keeper_serve_one();
		last |= mem_low();
	}
	while (keeper.held)
		err_free(let_go(keeper.held, &(uint64_t){ 0 }));
	litter_remove_all();
	_exit(mem_low() ? KEEPER_EXIT_NOMEM : 0);
}
