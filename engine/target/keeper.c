/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Client side: stepdump's calls to the keeper. */
#include "engine/target/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/vec.h"
#include "engine/target/keeper_wire.h"

/* Longer than every limit of the keeper itself: only a keeper that hangs takes so long. */
#define REPLY_TIMEOUT_MS 180000

struct keeper {
	pid_t pid;
	int sock, event_sock;
	bool dead, out_of_memory;
	pid_t *gone; /* targets whose death was reported */
	size_t nr_gone;
};

struct err *keeper_start(keeper_fn *main, struct keeper **ret)
{
	int sv[2] = { -1, -1 }, ev[2] = { -1, -1 };

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
		return err_sys(errno, "cannot make a socket for the keeper");
	AUTO_CLOSE int ours = sv[0];
	AUTO_CLOSE int theirs = sv[1];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ev))
		return err_sys(errno, "cannot make a socket for the keeper");
	AUTO_CLOSE int our_events = ev[0];
	AUTO_CLOSE int their_events = ev[1];
	/* Until the child has set its own dispositions it has ours, and a ^C would end it. */
	sigset_t all, before;
	pid_t us = getpid();

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();
	if (!pid) {
		close(ours);
		close(our_events);
		main(theirs, their_events, us);
		_exit(1);
	}
	int fork_errno = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid < 0)
		return err_sys(fork_errno, "cannot start the keeper");
	struct keeper *k = xzalloc(sizeof(*k));
	k->pid = pid;
	k->sock = TAKE_FD(ours);
	k->event_sock = TAKE_FD(our_events);
	*ret = k;
	return NULL;
}

pid_t keeper_pid(const struct keeper *k)
{
	return k->pid;
}

int keeper_event_fd(const struct keeper *k)
{
	return k->event_sock;
}

/* Finds out why the keeper closed its socket or does not answer.  Reaps it if it has ended. */
static struct err *keeper_lost(struct keeper *k, pid_t pid, bool ended)
{
	int status;

	k->dead = true;
	if (ended && RETRY(waitpid(k->pid, &status, 0)) == k->pid)
		k->out_of_memory = WIFEXITED(status) && WEXITSTATUS(status) == KEEPER_EXIT_NOMEM;
	if (k->out_of_memory)
		return err_hint(err_new(ERR_NOMEM,
					"the keeper process %d ran out of memory, put back all "
					"that it held, and ended",
					k->pid),
				"free memory or raise its limits, then start stepdump again");
	if (!pid)
		return err_new(ERR_CHECK, "the keeper process %d is gone", k->pid);
	return err_pid(err_hint(err_new(ERR_HARM,
					"the keeper process %d is gone: %d runs on, but parts "
					"of the parasite may be left in it",
					k->pid, pid),
				"rescue %d", pid),
		       pid);
}

/* One request and its reply.  body_ret, fd_ret: NULL if not wanted; else as in wire_recv(). */
static struct err *keeper_call(struct keeper *k, struct keeper_msg *m, const void *body,
			       char **body_ret, int *fd_ret)
{
	uint32_t op = m->op;
	pid_t pid = m->pid;
	AUTO_FREE char *in = NULL;
	AUTO_CLOSE int fd = -1;
	int err;

	if (k->dead)
		return keeper_lost(k, pid, false);
	err = FAULT_NEG(KEEPER_CALL, wire_send(k->sock, m, body, -1));
	if (!err)
		err = wire_recv(k->sock, REPLY_TIMEOUT_MS, m, &in, &fd);
	if (err || m->op != op)
		return keeper_lost(k, pid, err == -EPIPE);
	TRY(wire_err(m, in));
	if (fd_ret)
		*fd_ret = TAKE_FD(fd);
	if (body_ret)
		*body_ret = TAKE_PTR(in);
	return NULL;
}

struct err *keeper_stop(struct keeper *k)
{
	struct keeper_msg m = { .op = KOP_STOP };

	if (!k)
		return NULL;
	struct err *e = keeper_call(k, &m, NULL, NULL, NULL);
	close(k->sock);
	close(k->event_sock);
	RETRY(waitpid(k->pid, NULL, 0)); /* fails if keeper_lost() came first */
	free(k->gone);
	free(k);
	return e;
}

void keeper_task_deinit(struct keeper_task *t)
{
	free(t->threads);
	close_fd(&t->mem_fd);
	*t = (struct keeper_task){ .mem_fd = -1 };
}

static void forget_death(struct keeper *k, pid_t pid)
{
	keeper_task_gone(k, pid); /* receives the notices that wait */
	for (size_t i = 0; i < k->nr_gone; i++)
		if (k->gone[i] == pid)
			k->gone[i--] = k->gone[--k->nr_gone];
}

struct err *keeper_seize(struct keeper *k, pid_t pid, struct keeper_task *ret)
{
	struct keeper_msg m = { .op = KOP_SEIZE, .pid = pid };
	char *threads = NULL;
	int fd = -1;

	forget_death(k, pid);
	TRY(keeper_call(k, &m, NULL, &threads, &fd));
	if (fd < 0) { /* the kernel drops a descriptor that finds no place */
		struct err *e = err_sys(EMFILE, "receive /proc/%d/mem", pid);

		free(threads);
		return err_first(err_hint(e, "raise the limit of open files (ulimit -n)"),
				 keeper_release(k, pid));
	}
	*ret = (struct keeper_task){
		.pid = pid,
		.start_time_ticks = m.arg[0],
		.was_stopped = m.arg[1],
		.freezing_us = m.arg[2],
		.frozen_at_us = m.arg[4],
		.threads = (struct keeper_thread *)(void *)threads,
		.nr_threads = m.arg[3],
		.mem_fd = fd,
	};
	return NULL;
}

struct err *keeper_infect(struct keeper *k, pid_t pid, size_t max_mprotect,
			  struct keeper_parasite *ret)
{
	struct keeper_msg m = { .op = KOP_INFECT, .pid = pid, .arg = { max_mprotect } };
	int fd = -1;

	TRY(keeper_call(k, &m, NULL, NULL, &fd));
	if (fd < 0) { /* the kernel drops a descriptor that finds no place */
		struct err *e = err_sys(EMFILE, "receive the channel to the parasite in %d", pid);

		return err_first(err_hint(e, "raise the limit of open files (ulimit -n)"),
				 keeper_cure(k, pid));
	}
	*ret = (struct keeper_parasite){
		.sock = fd,
		.map_start = m.arg[0],
		.map_end = m.arg[1],
		.syscall_ip = m.arg[2],
		.infect_us = m.arg[3],
	};
	return NULL;
}

struct err *keeper_cure(struct keeper *k, pid_t pid)
{
	struct keeper_msg m = { .op = KOP_CURE, .pid = pid };

	return keeper_call(k, &m, NULL, NULL, NULL);
}

struct err *keeper_release_timed(struct keeper *k, pid_t pid, uint64_t *runs_us_ret)
{
	struct keeper_msg m = { .op = KOP_RELEASE, .pid = pid };

	TRY(keeper_call(k, &m, NULL, NULL, NULL));
	*runs_us_ret = m.arg[0];
	return NULL;
}

struct err *keeper_release(struct keeper *k, pid_t pid)
{
	return keeper_release_timed(k, pid, &(uint64_t){ 0 });
}

struct err *keeper_take_fd(struct keeper *k, pid_t pid, long nr, const uint64_t args[6],
			   int64_t *ret, int *fd_ret)
{
	struct keeper_msg m = { .op = KOP_TAKE_FD, .pid = pid };

	*fd_ret = -1;
	memcpy(m.arg, args, 6 * sizeof(*args));
	m.arg[6] = (uint64_t)nr;
	TRY(keeper_call(k, &m, NULL, NULL, fd_ret));
	*ret = (int64_t)m.arg[0];
	if (*ret >= 0 && *fd_ret < 0) /* the kernel drops a descriptor that finds no place */
		return err_hint(err_sys(EMFILE, "receive a descriptor out of %d", pid),
				"raise the limit of open files (ulimit -n)");
	return NULL;
}

bool keeper_task_gone(struct keeper *k, pid_t pid)
{
	pid_t dead;

	while (recv(k->event_sock, &dead, sizeof(dead), MSG_DONTWAIT) == sizeof(dead))
		*vec_push(k->gone, k->nr_gone) = dead;
	for (size_t i = 0; i < k->nr_gone; i++)
		if (k->gone[i] == pid)
			return true;
	return false;
}

struct err *keeper_litter(void *keeper, const char *path, bool exists)
{
	struct keeper_msg m = {
		.op = exists ? KOP_LITTER_ADD : KOP_LITTER_DEL,
		.body_len = strlen(path),
	};

	return keeper_call(keeper, &m, path, NULL, NULL);
}

struct err *keeper_rescue(struct keeper *k, pid_t pid, bool remove, char **report_ret)
{
	struct keeper_msg m = { .op = KOP_RESCUE, .pid = pid, .arg = { remove } };
	char *report = NULL;

	TRY(keeper_call(k, &m, NULL, &report, NULL));
	*report_ret = report ? report : xstrdup("");
	return NULL;
}
