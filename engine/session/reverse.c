/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Going back.  Nothing is undone step by step: the target is frozen, so a dump that starts over and
 * runs the same number of units stands at the same place.
 */
#include <string.h>

#include "engine/session/session_priv.h"
#include "engine/session/session_watch.h"

/* Do they name the same place?  Addresses ascend within an item, ppbs within a chunk. */
static bool unit_is(const struct unit *a, const struct unit *b)
{
	return a->phase == b->phase && a->chunk == b->chunk && a->task == b->task &&
	       a->shmem == b->shmem && a->vma == b->vma && a->ppb == b->ppb &&
	       a->start == b->start && a->end == b->end && !strcmp(a->what ?: "", b->what ?: "");
}

struct replay {
	uint64_t to;             /* units to do; or less, if nothing is left */
	const struct unit *stop; /* or before this one; NULL: only `to` counts */
	/* The last place before `to` at which a phase began, or a breakpoint matches; 0: none. */
	uint64_t phase_began, broke;
	unsigned breakpoint; /* that matches there */
};

static struct err *replay_interrupted(const struct session *s)
{
	return err_hint(
		err_new(ERR_INTERRUPTED, "stopped on the way, after unit %lu", session_units(s)),
		"`goto N`, `next` and `continue` go on from here");
}

/* From the start, silently.  What it passes is written into r. */
static struct err *replay(struct session *s, struct replay *r)
{
	struct dump *d = &s->d;
	uint64_t at;

	while ((at = session_units(s)) < r->to && d->phase != PH(GATE)) {
		struct unit u;

		if (s->interrupted)
			return replay_interrupted(s);
		phase_next_unit(d, &u);
		if (r->stop && unit_is(&u, r->stop))
			return NULL;

		const struct brk *b = brk_match(&s->breaks, &u, &s->last, &s->t[u.task].vmas);

		if (b && at) {
			r->broke = at;
			r->breakpoint = b->number;
		}
		if (at && s->last.phase != u.phase)
			r->phase_began = at;
		TRY(run_unit(s, &u, PACE_UNIT));
	}
	if (r->stop && d->phase != r->stop->phase)
		return err_hint(err_new(ERR_STATE,
					"the way here was not found again: the target, or a "
					"setting, is not as it was"),
				"the pipeline stands at the gate; `restart` begins again");
	return NULL;
}

/* Back to before prepare, and forward again. */
static struct err *replay_from_start(struct session *s, struct replay *r)
{
	struct err *e;

	s->replaying = true;
	e = session_restart(s);
	s->d.at.unit = 0;
	if (!e)
		e = replay(s, r);
	s->replaying = false;
	return e;
}

/* What was done in bulk was not counted unit by unit: goes the same way once more, and counts. */
static struct err *reverse_count(struct session *s)
{
	struct replay r = { .to = UINT64_MAX };
	struct unit here;

	if (!s->in_bulk)
		return NULL;
	phase_next_unit(&s->d, &here);
	r.stop = &here;
	return replay_from_start(s, &r);
}

static struct err *reverse_possible(struct session *s, const struct run_request *req)
{
	const struct dump *d = &s->d;

	if (s->watch)
		return watch_refuse(s, "a criu that runs cannot go back");
	if (!attached(s))
		return err_hint(err_new(ERR_STATE, "no target is attached"), "`attach PID`");
	if (d->thawed || d->phase == PH(RESET) || d->phase == PH(DONE) || d->committed)
		return err_hint(err_new(ERR_STATE, "past the commit gate there is no way back"),
				"`restart` begins another dump");
	/* A page server may be anybody's: CRIU's writes as it receives. */
	if (s->opts.xfer == XFER_SERVER)
		return err_hint(
			err_new(ERR_STATE, "what a page server got cannot be taken back"),
			"`restart` begins again; `set xfer local` or null lets you go back");
	if (req->kind != RUN_GOTO && !session_units(s))
		return err_hint(err_new(ERR_STATE, "this is the beginning: no unit is done"),
				"`next` does one");
	return NULL;
}

struct err *run_reverse(struct session *s, const struct run_request *req, Stepdump__Stop **stop_ret)
{
	struct replay r = { 0 };
	uint64_t from, count = req->count ? req->count : 1;
	unsigned breakpoint = 0;

	TRY(reverse_possible(s, req));
	s->interrupted = 0;
	TRY(reverse_count(s));
	from = session_units(s);
	if (req->kind == RUN_GOTO) {
		r.to = req->unit;
	} else if (req->kind == RUN_BACK) {
		r.to = from > count ? from - count : 0;
	} else {
		/* Where that is, only the way there tells. */
		r.to = from;
		for (; count && r.to; count--) {
			struct replay look = { .to = r.to };

			TRY(replay_from_start(s, &look));
			r.to = req->kind == RUN_REVERSE_STEP ? look.phase_began : look.broke;
			breakpoint = req->kind == RUN_REVERSE_STEP ? 0 : look.breakpoint;
		}
	}
	struct err *e = NULL;

	if (r.to != session_units(s))
		e = replay_from_start(s, &r);
	if (breakpoint)
		s->stopped_at = s->units_done + 1;
	session_event(s, s->d.phase, "at unit %lu, was at %lu", session_units(s), from);
	*stop_ret = run_stop(s, e ? "error" : "back", breakpoint);
	return e;
}
