/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A seized process: its threads, and what the kernel reports about them. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "engine/keeper/keeper_priv.h"

struct held_thread *held_find(struct held *h, pid_t tid)
{
	for (size_t i = 0; i < h->nr; i++)
		if (h->threads[i].tid == tid)
			return &h->threads[i];
	return NULL;
}

struct err *held_gone_err(const struct held *h)
{
	return err_pid(err_new(ERR_TARGET, "target %d died", h->pid), h->pid);
}

void held_free(struct held *h)
{
	if (!h)
		return;
	free(h->fds_before);
	free(h->threads);
	free(h);
}

/* Handles the leader's stops while the parasite runs, so that the parasite does not notice them. */
static void held_pump(struct held *h, int status)
{
	int sig = 0;

	switch (pt_classify(status, &sig)) {
	case STOP_EVENT: /* SIGSTOP or SIGCONT came: the parasite runs on, the task stops later */
		pt_cont(h->pid, 0);
		break;
	case STOP_SIGNAL:
		if (sig == SIGSTOP) {
			pt_cont(h->pid, sig);
			break;
		}
		h->crash_sig = sig; /* all others are blocked: the parasite's own fault */
		h->running = false;
		break;
	case STOP_SYSCALL:
	case STOP_OTHER:
		pt_cont(h->pid, 0);
		break;
	case STOP_DEAD:
		break;
	}
}

void held_news(struct held *h, struct held_thread *t, int status)
{
	int sig;

	if (pt_classify(status, &sig) == STOP_DEAD) {
		t->gone = true;
		/* Only SIGKILL ends a stopped thread, and it ends all threads. */
		h->gone = true;
	} else if (t == &h->threads[0] && h->running) {
		held_pump(h, status);
	}
}

struct err *held_stop_leader(struct held *h, uint64_t timeout_ns)
{
	uint64_t deadline = pt_now_ns() + timeout_ns;
	struct user_regs_struct regs;
	int news;

	while (h->running && !h->gone && pt_poll(h->pid, &news))
		held_news(h, &h->threads[0], news);
	if (h->running && !pt_get_regs(h->pid, &regs))
		h->running = false; /* it was never resumed */
	if (!h->running && !h->gone)
		return NULL;
	pt_interrupt(h->pid);
	while (h->running && !h->gone) {
		int status;
		int err = pt_wait(h->pid, deadline, &status);

		if (err == -ECHILD)
			h->gone = true;
		else if (err)
			return err_pid(
				err_new(ERR_HARM, "cannot stop %d inside the parasite", h->pid),
				h->pid);
		else if (pt_classify(status, &(int){ 0 }) == STOP_EVENT) {
			h->running = false;
		} else {
			held_news(h, &h->threads[0], status);
			pt_interrupt(h->pid); /* that stop may have used up the request */
		}
	}
	return h->gone ? held_gone_err(h) : NULL;
}
