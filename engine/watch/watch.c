/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Watching: begin, go on, let go. */
#include "engine/watch/watch.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "engine/proc/proc.h"
#include "engine/watch/marker.h"
#include "engine/watch/watch_priv.h"

static void read_cmdline(struct watch *w)
{
	free(w->cmdline);
	w->cmdline = NULL;
	err_free(proc_read_cmdline(w->t.pid, &w->cmdline));
}

/* It may be a wrapper that becomes a criu later; then this is called again. */
static void look_inside(struct watch *w)
{
	inside_free(TAKE_PTR(w->inside));
	AUTO_ERR struct err *e = inside_new(w->t.pid, &w->inside);

	w->why_outside[0] = '\0';
	if (e)
		snprintf(w->why_outside, sizeof(w->why_outside), "%s%s%s", e->msg,
			 e->sys_errno ? ": " : "",
			 e->sys_errno ? err_errno_name(e->sys_errno) : "");
}

static struct watch *watch_new(void)
{
	struct watch *w = xzalloc(sizeof(*w));

	model_init(w);
	return w;
}

struct err *watch_start(char *const argv[], const struct rlimit *nofile, struct watch **ret)
{
	struct watch *w = watch_new();
	struct err *e = tracee_start(&w->t, argv, nofile);

	if (e) {
		model_deinit(w);
		free(w);
		return e;
	}
	read_cmdline(w);
	look_inside(w);
	*ret = w;
	return NULL;
}

struct err *watch_attach(pid_t pid, struct watch **ret)
{
	struct watch *w = watch_new();
	struct err *e = tracee_seize(&w->t, pid);

	if (e) {
		model_deinit(w);
		free(w);
		return e;
	}
	tracee_interrupt(&w->t); /* from the stop on it goes from call to call */
	read_cmdline(w);
	look_inside(w);
	*ret = w;
	return NULL;
}

uint64_t watch_held_frozen_us(const struct watch *w)
{
	uint64_t now = w->t.held_us + (w->t.held ? now_us() - w->t.t_stop : 0);

	return !w->t_freeze ? 0 : (w->frozen_us ? w->held_at_thaw : now) - w->held_at_freeze;
}

void watch_release(struct watch *w)
{
	if (!w)
		return;
	marker_free(w->marker);
	inside_free(w->inside);
	tracee_detach(&w->t);
	model_deinit(w);
	free(w);
}

static bool ends_it(int sig)
{
	return sig == SIGXFSZ || sig == SIGSEGV || sig == SIGABRT || sig == SIGBUS ||
	       sig == SIGILL || sig == SIGFPE;
}

/* criu is about to end, and no failure was noticed before. */
static void fault_of_end(struct watch *w)
{
	int status = w->t.status;

	if (w->fault.set || (WIFEXITED(status) && !WEXITSTATUS(status)))
		return;
	if (WIFSIGNALED(status))
		watch_fault(w, 0, "criu is ended by SIG%s", sigabbrev_np(WTERMSIG(status)));
	else
		watch_fault(w, w->last_errno, "criu exits with status %d", WEXITSTATUS(status));
}

/* What comes to a page server from a socket is seen by its splices alone. */
static bool is_page_server(const struct watch *w)
{
	return w->cmdline && strstr(w->cmdline, " page-server");
}

static bool can_be_light(struct watch *w)
{
	if (w->marker || *w->why_full)
		return w->marker;
	if (is_page_server(w)) {
		snprintf(w->why_full, sizeof(w->why_full), "a page server has no light way");
		return false;
	}
	AUTO_ERR struct err *e = marker_new(w->t.pid, &w->marker);

	if (e)
		snprintf(w->why_full, sizeof(w->why_full), "%s: %s", e->msg,
			 err_errno_name(e->sys_errno));
	return !e;
}

static void set_light(struct watch *w, bool light)
{
	w->light = light && can_be_light(w);
	/* What runs on in the other way has to be turned. */
	if (!w->t.held && w->t.calls == w->light)
		tracee_interrupt(&w->t);
}

/* From mark to mark; but a call whose entry was seen is seen to its end, and not marked. */
static void go(struct watch *w)
{
	bool calls = !w->light || w->t.has_arg;

	if (!w->t.held)
		return;
	if (w->marker)
		marker_switch(w->marker, !calls);
	tracee_go(&w->t, calls);
}

static void unit_done(struct watch *w)
{
	w->last = w->next;
	w->units[w->last.phase]++;
}

/* A call that matters was made, and nothing was seen of its entry. */
static void at_mark(struct watch *w)
{
	if (w->t.calls)
		return; /* sent before the marker was switched off */
	struct marker_call call = marker_call(w->marker);

	w->t.nr = call.nr;
	w->t.ret = call.ret;
	memcpy(w->t.arg, call.arg, sizeof(w->t.arg));
	wfd_doubt_all(w);
	model_catch_up(w);
	if (decode_mark(w))
		unit_done(w);
}

/* true: *ret is what it means for the caller. */
static bool at_stop(struct watch *w, enum tracee_stop stop, enum watch_event *ret)
{
	uint64_t seq = w->fault.seq;

	if (stop != TRACEE_RUNS)
		w->t_event = now_us();
	switch (stop) {
	case TRACEE_RUNS:
		*ret = WATCH_QUIET;
		return true;
	case TRACEE_ENTRY:
		*ret = WATCH_UNIT;
		if (decode_entry(w))
			return true;
		break;
	case TRACEE_EXIT:
		decode_exit(w);
		break;
	case TRACEE_MARK:
		at_mark(w);
		break;
	case TRACEE_SIGNAL:
		if (ends_it(w->t.sig))
			watch_fault(w, 0, "criu gets SIG%s", sigabbrev_np(w->t.sig));
		break;
	case TRACEE_EXEC:
		wfd_forget_all(w);
		read_cmdline(w);
		look_inside(w);
		break;
	case TRACEE_ENDING:
		model_catch_up(w);
		fault_of_end(w);
		break;
	case TRACEE_GONE:
		w->over = true;
		model_phase(w, PH(DONE));
		*ret = WATCH_OVER;
		return true;
	case TRACEE_GROUP:
	case TRACEE_HELD:
		break;
	}
	*ret = WATCH_FAULT;
	return w->fault.seq != seq;
}

enum watch_event watch_step(struct watch *w, bool light, uint64_t us)
{
	uint64_t deadline = now_us() + us;
	enum watch_event ret = WATCH_OVER;

	if (w->over)
		return ret;
	if (w->t.held && w->t.stop == TRACEE_ENTRY)
		unit_done(w);
	set_light(w, light);
	tracee_hold_sigchld(&w->t, true);
	for (;;) {
		go(w);
		uint64_t now = now_us();

		if (at_stop(w, tracee_wait(&w->t, now < deadline ? deadline - now : 0), &ret))
			break;
	}
	tracee_hold_sigchld(&w->t, false);
	return ret;
}

void watch_hold(struct watch *w)
{
	if (!w->over)
		set_light(w, false);
}
