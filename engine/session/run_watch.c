/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Run control over a criu that is watched: it is held at its system calls, which are the units. */
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/vec.h"
#include "engine/proc/proc.h"
#include "engine/session/session_priv.h"
#include "engine/session/session_watch.h"
#include "engine/watch/cause.h"
#include "proto/message.h"

#define TICK_US 100000
#define FIND_US 3000

/* ---- begin and end --------------------------------------------------------------------------------- */

static struct err *watch_begin(struct session *s)
{
	if (attached(s))
		return err_hint(err_new(ERR_STATE, "process %d is attached", s->t[0].pid),
				"`detach` first");
	if (s->watch && !s->watch->over)
		return err_hint(err_new(ERR_STATE, "criu %d is watched already", s->watch->t.pid),
				"`detach` first");
	watch_drop(s);
	s->t_attach_us = now_us();
	s->selected = -1;
	s->interrupted = 0;
	return NULL;
}

static pid_t parent_of(pid_t pid)
{
	struct proc_stat st;
	AUTO_ERR struct err *e = proc_read_stat(pid, &st);

	return e ? 0 : st.ppid;
}

/* The root of the tree that criu's words ask for; 0: they name none. */
static pid_t watch_root(char *const argv[])
{
	static const char *const options[] = { "-t", "--tree" };

	for (size_t i = 0; argv[i]; i++)
		for (size_t o = 0; o < 2; o++) {
			size_t len = strlen(options[o]);
			const char *value = argv[i] + len;

			if (strncmp(argv[i], options[o], len))
				continue;
			value = *value ? value + (*value == '=') : argv[i + 1] ?: "";
			if (strtol(value, NULL, 10) > 0)
				return (pid_t)strtol(value, NULL, 10);
		}
	return 0;
}

/* A criu that freezes us while we hold it: neither could go on, and the tree would stay frozen. */
static struct err *watch_own_tree(char *const argv[])
{
	pid_t root = watch_root(argv);

	for (pid_t pid = getpid(); root > 0 && pid > 0; pid = parent_of(pid))
		if (pid == root)
			return err_hint(
				err_cause_only(err_new(ERR_REFUSED,
						       "stepdump is in the tree of %d, which "
						       "criu would freeze",
						       root),
					       "dumper-in-tree"),
				"run stepdump from another session of the machine");
	return NULL;
}

/* The same of a criu that runs. */
static struct err *watch_own_tree_of(pid_t criu)
{
	AUTO_FREE char *text = NULL;
	AUTO_FREE char **argv = NULL;
	size_t len = 0, nr = 0;
	AUTO_ERR struct err *gone = proc_read_file(criu, "cmdline", &text, &len);

	for (size_t at = 0; !gone && at < len; at += strlen(text + at) + 1)
		*vec_push(argv, nr) = text + at;
	*vec_push(argv, nr) = NULL;
	return watch_own_tree(argv);
}

struct err *session_watch_start(struct session *s, char *const argv[])
{
	TRY(watch_own_tree(argv));
	TRY(watch_begin(s));
	TRY(session_keep_error(s, watch_start(argv, &s->nofile, &s->watch)));
	session_event(s, PH(READY), "started %s as %d", argv[0], s->watch->t.pid);
	return NULL;
}

struct err *session_watch_attach(struct session *s, pid_t pid)
{
	TRY(watch_own_tree_of(pid));
	TRY(watch_begin(s));
	TRY(session_keep_error(s, watch_attach(pid, &s->watch)));
	session_event(s, PH(READY), "watching %d", pid);
	return NULL;
}

/* A criu that is not the child of a criu: those are its probes and helpers. */
static bool is_criu(pid_t pid)
{
	struct proc_stat st;
	AUTO_ERR struct err *e = proc_read_stat(pid, &st);

	return !e && !strcmp(st.comm, "criu") && st.state != 'Z';
}

/* Appends those that run now. */
static void criu_pids(pid_t **v, size_t *nr)
{
	AUTO_CLOSEDIR DIR *dir = opendir("/proc");

	for (struct dirent *de; dir && (de = readdir(dir));) {
		pid_t pid = (pid_t)strtol(de->d_name, NULL, 10);

		if (pid > 0 && is_criu(pid) && !is_criu(parent_of(pid)))
			*vec_push(*v, *nr) = pid;
	}
}

struct err *session_watch_next(struct session *s)
{
	AUTO_FREE pid_t *old = NULL;
	size_t nr_old = 0;

	TRY(watch_begin(s));
	criu_pids(&old, &nr_old);
	while (!s->interrupted) {
		AUTO_FREE pid_t *now = NULL;
		size_t nr = 0;

		criu_pids(&now, &nr);
		for (size_t i = 0; i < nr; i++) {
			bool known = false;

			for (size_t k = 0; k < nr_old; k++)
				known |= old[k] == now[i];
			if (!known)
				return session_watch_attach(s, now[i]);
		}
		nanosleep(&(struct timespec){ .tv_nsec = FIND_US * 1000 }, NULL);
	}
	return err_new(ERR_INTERRUPTED, "no criu was started until now");
}

/* ---- running ------------------------------------------------------------------------------------------- */

struct watch_goal {
	const struct run_request *req;
	unsigned left;
	phase_t phase;  /* where we began */
	unsigned until; /* number of the temporary breakpoint; 0: none */
	const char *reason;
	unsigned breakpoint;
};

static bool in_ppb(const struct wppb *b, uint64_t addr)
{
	for (size_t i = 0; i < b->nr_segs; i++)
		if (addr >= b->iov[i].start &&
		    addr < b->iov[i].start + b->iov[i].nr_pages * PAGE_BYTES)
			return true;
	return false;
}

static struct unit unit_of(const struct watch_unit *u)
{
	return (struct unit){ .phase = u->phase,
			      .chunk = u->chunk,
			      .vma = -1,
			      .ppb = u->ppb,
			      .shmem = -1,
			      .start = u->start,
			      .end = u->end };
}

/* The breakpoint that the next unit is on.  A page is reached by the drain of its ppb. */
static struct brk *watch_match(struct session *s)
{
	const struct watch *w = s->watch;
	struct unit next = unit_of(&w->next), last = unit_of(&w->last);
	const struct vma_list none = { 0 };

	for (size_t i = 0; i < s->breaks.nr; i++) {
		struct brk *b = &s->breaks.b[i];

		if (b->kind == BRK_ADDR && !b->disabled && next.phase == PH(DRAIN) &&
		    next.ppb >= 0 && in_ppb(&w->ppb[next.ppb], b->value))
			return b;
	}
	struct brk *b = brk_match(&s->breaks, &next, &last, &none);

	return b && b->kind != BRK_ADDR ? b : NULL;
}

static bool watch_breaks(struct session *s, struct watch_goal *g)
{
	struct brk *b = watch_match(s);

	if (!b)
		return false;
	b->hits++;
	if (b->ignore) {
		b->ignore--;
		return false;
	}
	g->reason = b->number == g->until ? "until" : "breakpoint";
	g->breakpoint = b->number;
	if (b->temporary && b->number != g->until)
		err_free(brk_delete(&s->breaks, b->number));
	return true;
}

static bool watch_reached(struct session *s, struct watch_goal *g)
{
	const struct watch *w = s->watch;

	switch (g->req->kind) {
	case RUN_NEXT:
		g->reason = "unit";
		return !--g->left;
	case RUN_STEP:
		if (w->next.phase == g->phase)
			return false;
		g->phase = w->next.phase;
		g->reason = "phase";
		return !--g->left;
	case RUN_FINISH:
		g->reason = "chunk";
		return w->last.phase == PH(XFER) && w->next.phase != PH(XFER);
	default:
		return false;
	}
}

static struct err *watch_failed(struct session *s)
{
	struct watch *w = s->watch;
	AUTO_FREE char *cause = watch_cause(w);
	const struct watch_fault *f = &w->fault;
	struct err *e = f->sys_errno ? err_sys(f->sys_errno, "criu: %s", f->what) :
				       err_new(ERR_SYS, "criu: %s", f->what);

	e = err_phase(e, f->phase);
	if (f->pid)
		e = err_pid(e, f->pid);
	if (f->has_vaddr)
		e = err_vaddr(e, f->vaddr);
	if (cause)
		e = err_hint(e, "%s", cause);
	session_event(s, w->phase, "failed: %s", f->what);
	return session_keep_error(s, e);
}

static struct err *watch_loop(struct session *s, struct watch_goal *g)
{
	struct watch *w = s->watch;
	uint64_t told = now_us();
	bool light = s->opts.watch == OPT_WATCH_LIGHT && g->req->kind == RUN_CONTINUE &&
		     !brk_on_units(&s->breaks);

	for (;;) {
		if (s->interrupted) {
			watch_hold(w);
			g->reason = "interrupted";
			return err_hint(
				err_new(ERR_INTERRUPTED, "criu will be held at its next call"),
				"`continue` goes on, `detach` lets it go");
		}
		switch (watch_step(w, light, TICK_US)) {
		case WATCH_UNIT:
			session_stopped(s, w->next.phase != w->last.phase ? STOP_PHASE : STOP_UNIT);
			if (watch_breaks(s, g) || watch_reached(s, g))
				return NULL;
			break;
		case WATCH_FAULT:
			g->reason = "error";
			return watch_failed(s);
		case WATCH_OVER:
			g->reason = "done";
			session_event(s, PH(DONE), "criu ended with status %d",
				      watch_exit_status(w));
			return NULL;
		case WATCH_QUIET:
			if (!watch_stuck(w))
				break;
			g->reason = "error";
			return watch_failed(s);
		}
		if (g->req->progress && now_us() - told >= TICK_US) {
			told = now_us();
			g->req->progress(s, g->req->progress_arg);
		}
	}
}

static void stop_line(Stepdump__Stop *stop, const char *phase, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void stop_line(Stepdump__Stop *stop, const char *phase, const char *fmt, ...)
{
	char text[WATCH_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	AUTO_FREE char *line = xasprintf("%-14s %s", phase, text);

	msg_push_text(&stop->lines, &stop->n_lines, line);
}

/* The totals, once criu has ended: pages planned, in the pipes, and sent on. */
static void watch_totals(const struct watch *w, Stepdump__Stop *stop)
{
	uint64_t planned = 0, drained = 0;

	for (size_t i = 0; i < w->nr_tasks; i++) {
		planned += w->task[i].planned;
		drained += w->task[i].drained_bytes / PAGE_BYTES;
	}
	stop_line(stop, "drain", "%lu ppbs in %lu pipes, %zu task%s", w->ppbs_ever, w->pipes_ever,
		  w->nr_tasks, w->nr_tasks == 1 ? "" : "s");
	stop_line(stop, "xfer", "planned %lu pages, %lu in the pipes, %lu sent on", planned,
		  drained, w->spliced_bytes / PAGE_BYTES);
	stop_line(stop, "criu",
		  "ended with status %d; target frozen %.1f ms; %.1f ms of ours in %lu stops",
		  watch_exit_status(w), (double)w->frozen_us / 1000, (double)w->t.held_us / 1000,
		  w->t.stops);
}

/* What there is of the images when a call has failed. */
static void watch_written(const struct watch *w, Stepdump__Stop *stop)
{
	uint64_t planned = 0;

	for (size_t i = 0; i < w->nr_tasks; i++)
		planned += w->task[i].planned;
	if (w->to_socket)
		stop_line(stop, "until then", "%lu pages sent to the page server, of %lu planned",
			  w->spliced_bytes / PAGE_BYTES, planned);
	else if (*w->images)
		stop_line(
			stop, "until then",
			"%lu pages in the images, of %lu planned; %s is not a set that can be restored",
			w->spliced_bytes / PAGE_BYTES, planned, w->images);
	else
		stop_line(stop, "until then", "nothing was written");
}

static Stepdump__Stop *watch_report(struct session *s, const struct watch_goal *g)
{
	const struct watch *w = s->watch;
	Stepdump__Stop *stop = MSG_NEW(Stepdump__Stop, stop);

	stop->reason = xstrdup(g->reason);
	stop->has_breakpoint = g->breakpoint && g->breakpoint != g->until;
	stop->breakpoint = g->breakpoint;
	if (w->over)
		watch_totals(w, stop);
	else if (!strcmp(g->reason, "error"))
		watch_written(w, stop);
	else if (!stop->has_breakpoint && w->t.held && w->t.stop == TRACEE_ENTRY)
		stop_line(stop, phase_name(w->next.phase), "%s", w->next.text);
	stop->cursor = snap_watch_cursor(w);
	stop->counters = snap_watch_counters(w);
	return stop;
}

struct err *watch_run(struct session *s, const struct run_request *req, Stepdump__Stop **stop_ret)
{
	struct watch_goal g = { .req = req,
				.left = req->count ? req->count : 1,
				.phase = s->watch->t.held ? s->watch->phase : PH(READY),
				.reason = "unit" };
	struct err *e;

	*stop_ret = NULL;
	if (req->kind == RUN_COMMIT)
		return watch_refuse(s, "commit");
	if (s->watch->over)
		return err_hint(err_new(ERR_STATE, "criu %d has ended", s->watch->t.pid),
				"`show` still tells of it; `detach` forgets it");
	if (req->kind == RUN_UNTIL)
		TRY(brk_add(&s->breaks, req->where, true, &g.until));
	s->interrupted = 0;
	e = watch_loop(s, &g);
	*stop_ret = watch_report(s, &g);
	if (g.until)
		err_free(brk_delete(&s->breaks, g.until));
	return e;
}
