/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Taking the parasite out of a held task.
 *
 * The parasite leaves as it would without us: through the stub (engine/arch/stub.h), which unmaps it and
 * returns to the program.  We only stop the leader in between, so a kill of the keeper changes nothing.
 * Where there is no place for the stub the parasite ends as compel's do, with an rt_sigreturn, which
 * makes the kernel forget how to restart a nanosleep, poll or futex with a timeout: we stop the thread
 * at the entry of that call, skip it, and put the registers back ourselves.  If the parasite does not
 * cooperate, everything is done from outside.
 *
 * Mirrors: compel/src/lib/infect.c compel_stop_daemon(), compel_cure_remote().
 */
#include <compel/infect-rpc.h>
#include <compel/infect.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/fault.h"
#include "base/undo.h"
#include "base/vec.h"
#include "engine/arch/arch.h"
#include "engine/keeper/keeper_priv.h"
#include "engine/parasite/area.h"

#define CMD_FINI 3u /* compel's own command: end the daemon */
#define FINI_MAX_STOPS 1000

static void on_child_wake(int sig)
{
}

static struct err *wait_rpc_awake(struct held *h, const sigset_t *awake)
{
	const struct timespec slice = { 0, 20000000 };
	uint64_t deadline = pt_now_ns() + CURE_TIMEOUT_NS;
	struct pollfd p = { .fd = h->rpc, .events = POLLIN };
	int status;

	for (;;) {
		while (pt_poll(h->pid, &status))
			held_news(h, &h->threads[0], status);
		if (h->gone)
			return held_gone_err(h);
		if (!h->running)
			return err_new(ERR_SYS, "the parasite of %d got signal %d", h->pid,
				       h->crash_sig);
		if (ppoll(&p, 1, &slice, awake) > 0)
			return NULL;
		if (pt_now_ns() > deadline)
			return err_new(ERR_SYS, "the parasite of %d does not answer", h->pid);
	}
}

/*
 * Waits until compel's socket has something to read, and handles the leader's stops meanwhile, each as soon as it
 * comes: in a storm of SIGSTOP and SIGCONT the next is there before a slice is over, and the parasite would never run.
 */
static struct err *wait_rpc(struct held *h)
{
	struct sigaction wake = { .sa_handler = on_child_wake }, before;
	sigset_t awake;

	sigprocmask(SIG_SETMASK, NULL, &awake);
	sigdelset(&awake, SIGCHLD);
	sigaction(SIGCHLD, &wake, &before);
	struct err *e = wait_rpc_awake(h, &awake);

	sigaction(SIGCHLD, &before, NULL);
	return e;
}

static void unmapped(struct held *h)
{
	undo_note(h->pid, "mapping", "%lx-%lx, the parasite, removed", h->own.map_start,
		  h->own.map_end);
	h->own.map_start = h->own.map_end = h->ours.len = 0;
}

/*
 * The parasite leaves as it would if we were dead, and we stop the leader when the stub has unmapped the
 * parasite: from then on it is ours as after any injected call.
 */
static struct err *leave_by_stub(struct held *h)
{
	struct user_regs_struct regs;

	if (compel_rpc_call(PARASITE_CMD_LEAVE, h->ctl))
		return err_new(ERR_SYS, "the parasite of %d: %s", h->pid, infect_logged(h));
	for (int stops = 0; stops < FINI_MAX_STOPS; stops++) {
		TRY(borrow_to_syscall(h));
		if (pt_get_regs(h->pid, &regs))
			return held_gone_err(h);
		if (arch_ip(&regs) != h->own.stub_ip + arch_stub.unmap + ARCH_INSN_LEN)
			continue;
		TRY(borrow_to_syscall(h)); /* done */
		if (pt_get_regs(h->pid, &regs))
			return held_gone_err(h);
		h->ours = (struct arch_stub_own){ .fd = -1,
						  .start = h->own.map_start,
						  .len = h->own.map_end - h->own.map_start };
		if (!FAULT_NEG(CURE_UNMAP, arch_call_result(&regs)))
			unmapped(h);
		return borrow_to_signal_stop(h);
	}
	return err_new(ERR_SYS, "the parasite of %d does not leave", h->pid);
}

/* The parasite ends by itself; we catch it when it enters rt_sigreturn. */
static struct err *end_daemon(struct held *h)
{
	struct user_regs_struct regs;

	if (FAULT(CURE_TALK, compel_rpc_call(PARASITE_CMD_DONE, h->ctl)))
		return err_new(ERR_SYS, "the parasite of %d: %s", h->pid, infect_logged(h));
	TRY(wait_rpc(h));
	if (compel_rpc_sync(PARASITE_CMD_SERVE, h->ctl))
		return err_new(ERR_SYS, "the parasite of %d: %s", h->pid, infect_logged(h));
	TRY(wait_rpc(h));
	if (compel_rpc_sync(PARASITE_CMD_DONE, h->ctl))
		return err_new(ERR_SYS, "the parasite of %d: %s", h->pid, infect_logged(h));
	TRY(held_stop_leader(h, CALL_TIMEOUT_NS));
	if (h->own.stub_ip) {
		borrow_stub(h, true); /* so that the parasite need not write it */
		return leave_by_stub(h);
	}
	if (compel_rpc_call(CMD_FINI, h->ctl))
		return err_new(ERR_SYS, "the parasite of %d: %s", h->pid, infect_logged(h));
	for (int stops = 0; stops < FINI_MAX_STOPS; stops++) {
		TRY(borrow_to_syscall(h));
		if (pt_get_regs(h->pid, &regs))
			return held_gone_err(h);
		if (arch_entered_call(&regs) != SYS_rt_sigreturn)
			continue;
		if (pt_skip_call(h->pid, &regs))
			return held_gone_err(h);
		TRY(borrow_to_syscall(h));
		return borrow_to_signal_stop(h);
	}
	return err_new(ERR_SYS, "the parasite of %d does not end", h->pid);
}

static struct err *unmap_parasite(struct held *h)
{
	uint64_t args[6] = { h->own.map_start, h->own.map_end - h->own.map_start };
	int64_t ret;

	if (!args[1])
		return NULL;
	TRY(borrow_syscall(h, SYS_munmap, args, &ret));
	if (ret)
		return err_pid(
			err_hint(err_sys((int)-ret, "cannot unmap the parasite from %d", h->pid),
				 "it does no harm there"),
			h->pid);
	unmapped(h);
	return NULL;
}

static struct err *check_text(struct held *h)
{
	uint8_t now[JOURNAL_TEXT_LEN];

	if (!pt_read(h->pid, h->own.text_ip, now, sizeof(now)) &&
	    !memcmp(now, h->own.text, sizeof(now)))
		return NULL;
	if (!pt_write(h->pid, h->own.text_ip, h->own.text, sizeof(now)))
		return NULL;
	return err_new(ERR_SYS, "cannot put back the text of %d", h->pid);
}

struct stray {
	struct held *h;
	int fds[16];
	size_t nr;
};

static void find_stray(int fd, const char *link, void *arg)
{
	struct stray *s = arg;

	for (size_t i = 0; i < s->h->nr_fds_before; i++)
		if (s->h->fds_before[i] == fd)
			return;
	if (s->nr < sizeof(s->fds) / sizeof(*s->fds) &&
	    (!strncmp(link, "socket:", 7) || !strncmp(link, "pipe:", 5) ||
	     !strncmp(link, PARASITE_MEMFD, strlen(PARASITE_MEMFD)) ||
	     !strncmp(link, "/memfd:" LOG_MEMFD, strlen("/memfd:" LOG_MEMFD))))
		s->fds[s->nr++] = fd;
}

/* The parasite is dead or never ran: does its part from outside. */
static struct err *clean_up_inside(struct held *h)
{
	struct stray stray = { .h = h };
	struct err *e = NULL;
	int64_t ret;

	for (uint32_t i = 0; h->area && i < h->area->nr && i < h->area_cap; i++) {
		struct parasite_vma *v = &h->area->changed[i];
		uint64_t args[6] = { v->start, v->len, v->prot };

		if (!v->len)
			continue;
		TRY(borrow_syscall(h, SYS_mprotect, args, &ret));
		if (ret)
			e = err_first(e, err_vaddr(err_sys((int)-ret,
							   "cannot put back the protection "
							   "of 0x%lx in %d",
							   v->start, h->pid),
						   v->start));
		else
			undo_note(h->pid, "protection", "of %lx-%lx put back from outside",
				  v->start, v->start + v->len);
	}
	kproc_each_fd(h->pid, find_stray, &stray);
	for (size_t i = 0; i < stray.nr; i++) {
		uint64_t args[6] = { (uint64_t)stray.fds[i] };

		TRY(borrow_syscall(h, SYS_close, args, &ret));
		undo_note(h->pid, "descriptor", "%d closed in the target", stray.fds[i]);
	}
	return e;
}

static struct err *cure_harm(struct held *h, struct err *e)
{
	return err_pid(h->gone ? e : err_code(e, ERR_HARM), h->pid);
}

/* From wherever the leader is, without help from the parasite. */
struct err *held_forced_cure(struct held *h)
{
	struct err *e = held_stop_leader(h, CALL_TIMEOUT_NS);

	if (e && !h->gone)
		return cure_harm(h, e); /* still ours: can be tried again */
	if (!e) {
		/* First, as the leader runs on from here if we are killed now. */
		h->ours.start = h->own.map_start;
		h->ours.len = h->own.map_end - h->own.map_start;
		if (pt_set_xstate(h->pid, h->own.xstate, h->own.xstate_len))
			e = held_gone_err(h);
		borrow_stub(h, true);
		if (borrow_park(h))
			e = held_gone_err(h);
		if (!e)
			e = clean_up_inside(h);
		e = err_first(e, unmap_parasite(h));
		e = err_first(e, check_text(h));
		e = err_first(e, borrow_end(h));
	}
	if (h->gone)
		journal_remove(h->pid);
	h->borrowed = false;
	infect_drop(h);
	return cure_harm(h, e);
}

/* The protections that the parasite is about to put back, for the journal; the caller frees. */
static size_t changed_now(const struct held *h, struct parasite_vma **ret)
{
	size_t nr = 0;

	*ret = NULL;
	for (uint32_t i = 0; i < h->area->nr && i < h->area_cap; i++)
		if (h->area->changed[i].len)
			*vec_push(*ret, nr) = h->area->changed[i];
	return nr;
}

struct err *held_cure(struct held *h)
{
	if (h->gone) {
		if (h->borrowed)
			journal_remove(h->pid);
		infect_drop(h);
		return held_gone_err(h);
	}
	if (!h->infected)
		return NULL;
	struct parasite_vma *changed;
	size_t nr = changed_now(h, &changed);
	struct err *e = end_daemon(h);
	if (e || h->area->nr) {
		free(changed);
		err_free(e); /* only what can be put back now counts */
		return held_forced_cure(h);
	}
	for (size_t i = 0; i < nr; i++)
		undo_note(h->pid, "protection", "of %lx-%lx put back by the parasite",
			  changed[i].start, changed[i].start + changed[i].len);
	free(changed);
	e = unmap_parasite(h);
	e = err_first(e, check_text(h));
	e = err_first(e, borrow_end(h));
	h->borrowed = false;
	infect_drop(h);
	return cure_harm(h, e);
}
