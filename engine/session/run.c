/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The phase runner: advances the pipeline by units until a goal, a breakpoint, a failure, ^C. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "engine/session/preflight.h"
#include "engine/session/session_priv.h"
#include "engine/session/session_watch.h"
#include "proto/message.h"

#define PROGRESS_US 100000
#define MAX_LINES 200

/* ---- the report of a run ---------------------------------------------------------------------- */

struct run_report {
	const char *reason;
	unsigned breakpoint;
	char *line[MAX_LINES];
	size_t nr_lines;
};

static void run_report_line(struct run_report *r, const char *phase, const char *text)
{
	if (r->nr_lines < MAX_LINES && *text)
		r->line[r->nr_lines++] = xasprintf("%-14s %s", phase, text);
}

/* What all phases have done so far, a line each. */
static void run_report_totals(struct session *s, struct run_report *r)
{
	const struct dump *d = &s->d;
	uint64_t data = 0, skipped = 0, hits = 0, misses = 0, pipes, bufs;
	char text[160];

	dump_pipes(d, &pipes, &bufs);
	for (size_t i = 0; i < d->nr_tasks; i++) {
		hits += d->task[i].pmc.hits;
		misses += d->task[i].pmc.misses;
	}
	for (unsigned v = 0; v < NR_VERDICTS; v++) {
		if (verdict_is_data((verdict_t)v))
			data += dump_count(d, (verdict_t)v);
		else if (v != VD(HOLE) && v != VD(NOT_SCANNED))
			skipped += dump_count(d, (verdict_t)v);
	}
	snprintf(text, sizeof(text), "%lu look-ups: %lu hits, %lu misses", (hits + misses), hits,
		 misses);
	run_report_line(r, ph_pmc_fill.name, text);
	snprintf(text, sizeof(text), "%lu pages to pipes, %lu holes, %lu skipped; %.1f ms", data,
		 dump_count(d, VD(HOLE)), skipped, (double)d->times.scan / 1000);
	run_report_line(r, ph_generate_iovs.name, text);
	snprintf(text, sizeof(text), "%lu ppbs in %u chunk%s, %lu pipes; %.1f ms", bufs,
		 d->at.chunk, d->at.chunk == 1 ? "" : "s", pipes, (double)d->times.drain / 1000);
	run_report_line(r, ph_drain.name, text);
	ph_xfer.summary(d, &s->last, text, sizeof(text));
	run_report_line(r, ph_xfer.name, text);
}

static Stepdump__Stop *run_report_finish(struct session *s, struct run_report *r)
{
	Stepdump__Stop *stop = MSG_NEW(Stepdump__Stop, stop);

	stop->reason = xstrdup(r->reason);
	stop->has_breakpoint = r->breakpoint != 0;
	stop->breakpoint = r->breakpoint;
	stop->n_lines = r->nr_lines;
	stop->lines = xzalloc((r->nr_lines ? r->nr_lines : 1) * sizeof(char *));
	memcpy(stop->lines, r->line, r->nr_lines * sizeof(char *));
	stop->cursor = snap_cursor(s);
	if (s->d.committed)
		stop->committed = xstrdup(s->d.committed);
	stop->counters = snap_counters(s);
	return stop;
}

Stepdump__Stop *run_stop(struct session *s, const char *reason, unsigned breakpoint)
{
	struct run_report rep = { .reason = reason, .breakpoint = breakpoint };

	return run_report_finish(s, &rep);
}

/* ---- one unit ------------------------------------------------------------------------------------ */

static struct err *run_gone_error(struct session *s, struct err *e)
{
	if (!session_target_gone(s))
		return e;
	err_free(e);
	return err_hint(err_pid(err_cause_only(err_new(ERR_TARGET,
						       "target %d died while it was being dumped",
						       s->gone_pid),
					       "killed-in-dump"),
				s->gone_pid),
			"%s; `detach`, then attach what replaced it",
			s->d.committed ? "the images are complete and published" :
					 "nothing is published");
}

static void run_log_summary(struct session *s, const struct phase_ops *ops, const struct unit *u)
{
	char text[160] = "";

	ops->summary(&s->d, u, text, sizeof(text));
	if (*text)
		session_event(s, ops->phase, "%s", text);
}

/* Did the step that began with one of `first` and ended with one of `last` do only one unit? */
static bool run_was_one_unit(const struct phase_ops *first, const struct phase_ops *last,
			     enum pace pace)
{
	if (pace == PACE_UNIT)
		return true;
	return last == first && !first->bulk_steps && !(pace == PACE_FLOW && first->takes_turns);
}

/* Stands for several units of one phase: it is about none of their VMAs, ppbs and ranges. */
static struct unit run_several_units(const struct phase_ops *ops, const struct unit *first)
{
	return (struct unit){ .phase = ops->phase,
			      .chunk = first->chunk,
			      .vma = -1,
			      .ppb = -1,
			      .task = first->task,
			      .shmem = first->shmem };
}

struct err *run_unit(struct session *s, const struct unit *u, enum pace pace)
{
	struct dump *d = &s->d;
	const struct phase_ops *ops = phase_ops(u->phase), *last;
	uint64_t t0 = now_us();

	faults_look(s, u);
	struct err *e = phase_run(d, pace, &last);

	d->times.total += now_us() - t0;
	if (e) {
		e = run_gone_error(s, e);
		if (!e->phase)
			e = err_phase(e, last->name);
		session_event(s, last->phase, "failed: %s", e->msg);
		e = session_keep_error(s, e);
		session_stopped(s, STOP_RUN);
		return e;
	}

	bool one = run_was_one_unit(ops, last, pace);
	struct unit done = one ? *u : run_several_units(ops, u);

	s->in_bulk |= !one;
	s->units_done++;
	if (pace == PACE_UNIT || !ops->small_units)
		run_log_summary(s, ops, &done);
	s->last = one ? *u : run_several_units(last, u);
	if (last != ops && !last->small_units &&
	    d->phase != last->phase) /* otherwise it is not done yet */
		run_log_summary(s, last, &s->last);
	session_stopped(s, d->phase != last->phase ? STOP_PHASE : STOP_UNIT);
	return NULL;
}

/* ---- the loop --------------------------------------------------------------------------------------- */

struct run {
	struct session *s;
	const struct run_request *req;
	struct run_report rep;
	unsigned left;      /* RUN_STEP, RUN_NEXT: how many more */
	unsigned chunk;     /* RUN_FINISH: the chunk to end */
	bool ignore_breaks; /* commit */
	unsigned until;     /* number of the temporary breakpoint; 0: none */
	uint64_t next_progress;
};

/* Could a breakpoint match in `phase`, or in the phase that takes turns with it? */
static bool run_stops_between(const struct brk_list *l, phase_t phase)
{
	const struct phase_ops *ops = phase_ops(phase);

	return ops->takes_turns && (brk_in_phase(l, phase) || brk_in_phase(l, ops->turns_with));
}

static enum pace run_pace(const struct run *r, phase_t phase)
{
	const struct brk_list *l = &r->s->breaks;

	if (r->req->kind == RUN_NEXT || r->req->stop || record_wants_units(r->s) ||
	    faults_fine_grained(r->s) || (!r->ignore_breaks && brk_fine_grained(l, phase)))
		return PACE_UNIT;
	if (r->req->kind == RUN_STEP || (!r->ignore_breaks && run_stops_between(l, phase)))
		return PACE_BULK;
	return PACE_FLOW;
}

/* Stops before `u`?  Fills the report then. */
static bool run_hits_breakpoint(struct run *r, const struct unit *u)
{
	struct session *s = r->s;

	if (r->ignore_breaks || s->stopped_at == s->units_done + 1)
		return false; /* this breakpoint stopped us here before: go on */

	struct brk *b = brk_hit(&s->breaks, u, &s->last, &s->t[u->task].vmas);

	if (!b)
		return false;
	s->stopped_at = s->units_done + 1;
	r->rep.reason = b->number == r->until ? "until" : "breakpoint";
	r->rep.breakpoint = b->number;
	if (b->temporary && b->number != r->until)
		err_free(brk_delete(&s->breaks, b->number));
	return true;
}

/* After a unit: is the goal reached? */
static bool run_reached_goal(struct run *r, const struct unit *u)
{
	struct dump *d = &r->s->d;
	const struct phase_ops *ops = phase_ops(u->phase);
	bool changed = d->phase != u->phase;
	char text[200] = "";

	switch (r->req->kind) {
	case RUN_NEXT:
		ops->summary(d, u, text, sizeof(text));
		run_report_line(&r->rep, ops->name, text);
		r->rep.reason = "unit";
		return --r->left == 0 || d->phase == PH(GATE);
	case RUN_STEP:
		if (!changed)
			return false;
		ops->summary(d, u, text, sizeof(text));
		run_report_line(&r->rep, ops->name, text);
		r->rep.reason = "phase";
		return --r->left == 0 || d->phase == PH(GATE);
	case RUN_FINISH:
		r->rep.reason = "chunk";
		if (d->at.chunk <= r->chunk && d->phase != PH(GATE))
			return false;
		ph_xfer.summary(d, u, text, sizeof(text));
		run_report_line(&r->rep, "xfer", text);
		return true;
	case RUN_CONTINUE:
	case RUN_UNTIL:
	default:
		return d->phase == PH(GATE);
	}
}

static void run_tell_progress(struct run *r)
{
	uint64_t now;

	if (!r->req->progress || (now = now_us()) < r->next_progress)
		return;
	r->next_progress = now + PROGRESS_US;
	r->req->progress(r->s, r->req->progress_arg);
}

static struct err *run_loop(struct run *r)
{
	struct session *s = r->s;
	struct dump *d = &s->d;

	for (;;) {
		struct unit u;

		if (s->interrupted) {
			r->rep.reason = "interrupted";
			return err_hint(err_new(ERR_INTERRUPTED, "stopped between two units"),
					"`continue` goes on, `abort` gives up");
		}
		phase_next_unit(d, &u);
		if (run_hits_breakpoint(r, &u))
			return NULL;

		struct err *e = run_unit(s, &u, run_pace(r, u.phase));

		if (e) {
			r->rep.reason = "error";
			return e;
		}
		if (run_reached_goal(r, &u))
			break;
		if (r->req->stop && r->req->stop(s, r->req->stop_arg)) {
			r->rep.reason = "watch";
			return NULL;
		}
		run_tell_progress(r);
	}
	if (d->phase == PH(GATE)) {
		r->rep.reason = "gate";
		if (r->req->kind == RUN_CONTINUE || r->req->kind == RUN_UNTIL)
			run_report_totals(s, &r->rep);
		record_lines(s, r->rep.line, r->rep.nr_lines);
		session_event(s, PH(GATE), "commit gate: everything is staged");
	}
	return NULL;
}

static struct err *run_begin(struct session *s)
{
	struct dump *d = &s->d;

	if (s->watch)
		return watch_refuse(s, "no target is attached");
	if (!attached(s))
		return err_hint(err_new(ERR_STATE, "no target is attached"), "`attach PID`");
	s->interrupted = 0;
	if (session_target_gone(s))
		return session_keep_error(s, run_gone_error(s, NULL));
	if (s->commit_dir) /* a commit stopped on its way: it goes on */
		return NULL;
	if (d->thawed && d->phase != PH(DONE))
		return err_hint(
			err_new(ERR_STATE, "the target runs again, and its pages wait in %s",
				d->opts->mode == MODE_PRE_DUMP ? "the pipes" : "staged images"),
			"`commit DIR` goes on, `abort` drops them");
	if (d->phase == PH(GATE) || d->phase == PH(RESET))
		return err_hint(err_new(ERR_STATE,
					"the pipeline stands at the commit gate: everything is %s",
					d->staging ? "staged" : "rehearsed"),
				"%s",
				d->staging ?
					"`commit DIR` publishes it; `restart` or `abort` drop it" :
					"`restart` or `abort` end the rehearsal");
	if (d->phase == PH(DONE))
		return err_hint(err_new(ERR_STATE, "this dump is committed to %s", d->committed),
				"`restart` begins another one, `detach` lets the target run");
	if (d->phase == PH(READY)) {
		d->phase = PH(PREPARE);
		d->at.unit = 0;
	}
	return NULL;
}

/* ---- commit, restart, abort ----------------------------------------------------------------------------- */

/* A unit after the gate has failed. */
static struct err *run_reset_failed(struct session *s, struct err *e)
{
	struct dump *d = &s->d;

	if (d->committed) {
		/* What failed is putting the target back. */
		if (!session_target_gone(s))
			e = err_as(e, ERR_HARM);
	} else if (!d->thawed) {
		d->phase = PH(GATE);
		d->at.unit = 0;
	}
	return e;
}

/* `break reset` stops a commit; the other breakpoints do not. */
static bool run_breaks_reset(struct run *r, const struct unit *u)
{
	bool first = u->phase == PH(RESET) && r->s->last.phase != PH(RESET);

	if (!first || !brk_in_phase(&r->s->breaks, PH(RESET)))
		return false;
	r->ignore_breaks = false;
	return run_hits_breakpoint(r, u);
}

/* After a unit: does the command that stepped over it end here?  A commit goes on to the end. */
static bool run_reset_reached(struct run *r, const struct unit *u)
{
	const struct phase_ops *ops = phase_ops(u->phase);
	char text[4200] = "";

	if (r->req->kind != RUN_NEXT || r->s->d.phase == PH(DONE))
		return false;
	ops->summary(&r->s->d, u, text, sizeof(text));
	run_report_line(&r->rep, ops->name, text);
	r->rep.reason = "unit";
	return --r->left == 0;
}

/* From the gate to the end: reset, and in a pre-dump the transfer in its middle.  It may stop on the
 * way, and go on with the next call. */
static struct err *run_reset(struct run *r)
{
	struct session *s = r->s;
	struct dump *d = &s->d;

	r->rep.reason = "done";
	if (d->phase == PH(GATE)) {
		d->phase = PH(RESET);
		d->at.unit = 0;
	}
	while (d->phase != PH(DONE)) {
		struct unit u;
		struct err *e;

		phase_next_unit(d, &u);
		if (run_breaks_reset(r, &u))
			return NULL;
		e = run_unit(s, &u, u.phase == PH(XFER) ? PACE_BULK : PACE_UNIT);
		if (e) {
			free(TAKE_PTR(s->commit_dir));
			r->rep.reason = "error";
			return run_reset_failed(s, e);
		}
		if (run_reset_reached(r, &u))
			return NULL;
		run_tell_progress(r);
	}
	free(TAKE_PTR(s->commit_dir));
	if (d->thawed)
		session_finish_times(s);

	char text[4200];

	ph_reset.summary(d, &s->last, text, sizeof(text));
	run_report_line(&r->rep, "reset", text);
	return NULL;
}

static struct err *run_commit(struct session *s, const struct run_request *req,
			      Stepdump__Stop **stop_ret)
{
	struct dump *d = &s->d;
	struct run r = { .s = s, .req = req, .ignore_breaks = true, .rep.reason = "done" };
	const char *dir = req->where;
	struct err *e = NULL;

	if (!attached(s) || d->phase == PH(DONE))
		return run_begin(s);
	s->interrupted = 0;
	if (!dir || d->committed)
		dir = s->commit_dir ?: s->opts.dir;
	if (!dir)
		return err_hint(err_new(ERR_USAGE, "commit: no directory is given"),
				"`commit DIR`, or `set dir DIR` before");
	bool rehearsal = d->phase == PH(READY) ? s->opts.xfer == XFER_NULL :
						 d->phase != PH(PREPARE) && !d->staging;
	if (rehearsal)
		return err_hint(err_new(ERR_STATE,
					"commit %s: this is a rehearsal (xfer null), nothing is "
					"staged",
					dir),
				"`restart`, `set xfer local`, then commit");
	/* Checked before anything is run, which may take long. */
	AUTO_FREE char *to = xstrdup(dir);

	if (!d->committed)
		TRY(err_wrap(staging_check(to), "commit %s", to));
	d->commit_to = to;
	if (d->phase != PH(GATE) && d->phase != PH(RESET) && !d->thawed) {
		e = run_begin(s);
		if (!e)
			e = run_loop(&r);
	}
	if (!e) {
		free(s->commit_dir);
		s->commit_dir = xstrdup(to);
		e = run_reset(&r);
	}
	d->commit_to = NULL;
	*stop_ret = run_report_finish(s, &r.rep);
	return err_wrap(e, "commit %s", to);
}

/* A commit that a breakpoint or `next` stopped goes on. */
static struct err *run_commit_on(struct run *r)
{
	struct session *s = r->s;
	AUTO_FREE char *to = xstrdup(s->commit_dir);

	s->d.commit_to = to;
	r->ignore_breaks = true;
	struct err *e = run_reset(r);

	s->d.commit_to = NULL;
	return err_wrap(e, "commit %s", to);
}

struct err *run_forward(struct session *s, const struct run_request *req, Stepdump__Stop **stop_ret)
{
	struct run r = { .s = s,
			 .req = req,
			 .left = req->count ? req->count : 1,
			 .chunk = s->d.at.chunk ? s->d.at.chunk : 1,
			 .rep.reason = "gate" };

	if (req->kind == RUN_COMMIT) {
		TRY(preflight_commit(s));
		return run_commit(s, req, stop_ret);
	}
	if (req->kind == RUN_UNTIL)
		TRY(brk_add(&s->breaks, req->where, true, &r.until));

	struct err *e = run_begin(s);

	if (!e) {
		e = s->commit_dir ? run_commit_on(&r) : run_loop(&r);
		*stop_ret = run_report_finish(s, &r.rep);
	}
	if (r.until)
		err_free(brk_delete(&s->breaks, r.until));
	return e;
}

static struct err *run_undo(struct session *s, const char *what, phase_t phase)
{
	if (!attached(s))
		return run_begin(s);
	if (s->d.thawed) {
		free(TAKE_PTR(s->commit_dir));
		return err_wrap(session_refreeze(s), "%s", what);
	}

	bool gone = session_target_gone(s);
	struct err *e = dump_undo(&s->d);

	free(TAKE_PTR(s->commit_dir));
	s->d.phase = phase;
	s->last = (struct unit){ .phase = PH(READY) };
	s->units_done = s->stopped_at = 0;
	s->in_bulk = false;
	session_event(s, phase, "%s", what);
	session_stopped(s, STOP_RUN);
	/* An error of restoring a task that is alive takes precedence. */
	e = err_wrap(e, "%s", what);
	return session_keep_error(s, gone ? err_first(e, run_gone_error(s, NULL)) : e);
}

struct err *session_restart(struct session *s)
{
	return run_undo(s, "restart", PH(PREPARE));
}

struct err *session_abort(struct session *s)
{
	return run_undo(s, "abort", PH(READY));
}
