/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Run control in a recording: the same commands, and where they stop is where they stopped live. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/record/play_priv.h"
#include "engine/session/session_priv.h"
#include "proto/message.h"

struct err *play_refuse(const struct session *s, const char *what)
{
	return err_hint(
		err_new(ERR_STATE, "%s: a recording is open, it can only be looked at", what),
		"`close` goes back to the live session");
}

/* ---- breakpoints --------------------------------------------------------------------------------- */

/* `vma ADDR` asks for the mappings of the moment. */
static void play_vmas(const Stepdump__Snapshot *snap, struct vma_list *l)
{
	*l = (struct vma_list){ .v = xcalloc(snap->n_vmas + 1, sizeof(*l->v)), .nr = snap->n_vmas };
	for (size_t i = 0; i < l->nr; i++) {
		l->v[i].start = snap->vmas[i]->start;
		l->v[i].end = snap->vmas[i]->end;
	}
}

/* The breakpoint that stop i is on; hits are counted if `count`. */
static struct brk *play_brk(struct session *s, size_t i, const struct vma_list *vmas, bool count)
{
	const struct play_stop *st = &s->player->stop[i];

	if (!i)
		return NULL;
	if (st->failed && !s->player->stop[i - 1].failed) {
		for (size_t k = 0; k < s->breaks.nr; k++)
			if (s->breaks.b[k].kind == BRK_FAIL && !s->breaks.b[k].disabled)
				return &s->breaks.b[k];
	}
	return count ? brk_hit(&s->breaks, &st->next, &st->last, vmas) :
		       brk_match(&s->breaks, &st->next, &st->last, vmas);
}

/* ---- goals ------------------------------------------------------------------------------------------ */

struct play_goal {
	const struct run_request *req;
	unsigned left, until, breakpoint;
	unsigned chunk; /* RUN_FINISH: the one to end */
	const char *reason;
	Stepdump__Stop *stop; /* lines of `step` and `next` */
};

static bool play_is_end(const struct player *p, size_t i)
{
	return p->stop[i].phase == PH(GATE) || p->stop[i].phase == PH(DONE);
}

/* Is stop i in another phase than the one before it?  The first unit of prepare is done from READY. */
static bool play_changes(const struct player *p, size_t i)
{
	phase_t from = p->stop[i - 1].phase;

	return (from == PH(READY) ? PH(PREPARE) : from) != p->stop[i].phase;
}

/* Coming to stop i: is this where the command ends? */
static bool play_reached(const struct player *p, size_t i, struct play_goal *g)
{
	const struct play_stop *st = &p->stop[i];
	bool changed = play_changes(p, i);

	switch (g->req->kind) {
	case RUN_NEXT:
		g->reason = "unit";
		return --g->left == 0 || play_is_end(p, i);
	case RUN_STEP:
		if (!changed)
			return false;
		g->reason = "phase";
		return --g->left == 0 || play_is_end(p, i);
	case RUN_FINISH:
		g->reason = "chunk";
		return st->chunk > g->chunk || play_is_end(p, i);
	default:
		g->reason = play_is_end(p, i) && changed ? "gate" : g->reason;
		return play_is_end(p, i) && changed;
	}
}

/* What the last unit did, as live, for those commands that tell it at each turn. */
static struct err *play_tell(struct session *s, size_t i, bool there, struct play_goal *g)
{
	const struct player *p = s->player;
	const Stepdump__Cursor *c;
	bool each = g->req->kind == RUN_NEXT;

	if (!each && !(g->req->kind == RUN_STEP && play_changes(p, i)) &&
	    !(g->req->kind == RUN_FINISH && there))
		return NULL;
	if (g->stop->n_lines == 200)
		return NULL;
	TRY(player_go(s->player, i));
	c = p->now->cursor;
	if (!c || !c->last || !c->last->text || !*c->last->text)
		return NULL;

	AUTO_FREE char *line = xasprintf("%-14s %s", phase_name(c->last->phase), c->last->text);

	msg_push_text(&g->stop->lines, &g->stop->n_lines, line);
	return NULL;
}

static struct err *play_forward(struct session *s, struct play_goal *g, size_t *to)
{
	struct player *p = s->player;
	struct vma_list vmas;
	struct err *e = NULL;
	size_t i = p->at;

	if (i + 1 == p->nr)
		return err_hint(err_new(ERR_STATE, "this is the last stop of the recording"),
				"`back`, `reverse-step` and `goto 0` go back");
	play_vmas(p->now, &vmas);
	g->reason = "end";
	while (!e && ++i < p->nr) {
		bool there = play_reached(p, i, g);

		e = play_tell(s, i, there, g);
		if (there)
			break;
		if (!e && g->req->stop) {
			e = player_go(p, i);
			if (!e && g->req->stop(s, g->req->stop_arg)) {
				g->reason = "watch";
				break;
			}
		}

		struct brk *b = play_brk(s, i, &vmas, true);

		if (b) {
			g->reason = b->number == g->until ? "until" : "breakpoint";
			g->breakpoint = b->number;
			if (b->temporary && b->number != g->until)
				err_free(brk_delete(&s->breaks, b->number));
			break;
		}
		if (p->stop[i].failed && !p->stop[i - 1].failed) {
			g->reason = "error";
			break;
		}
	}
	free(vmas.v);
	*to = i < p->nr ? i : p->nr - 1;
	return e;
}

static size_t play_goto(const struct player *p, uint64_t unit)
{
	size_t last = p->at;

	/* From here on, then from the beginning: a recording may go over a place twice. */
	for (size_t n = 0; n < p->nr; n++) {
		size_t i = (p->at + n) % p->nr;

		if (p->stop[i].has_unit && p->stop[i].unit == unit && p->stop[i].phase <= PH(GATE))
			return i;
	}
	for (size_t i = 0; i < p->nr && p->stop[i].phase <= PH(GATE); i++)
		last = i;
	return last;
}

/* Where a phase began, or a breakpoint is, before stop `from`; 0 if there is no such place. */
static size_t play_before(struct session *s, enum run_kind kind, size_t from, struct play_goal *g)
{
	const struct player *p = s->player;
	struct vma_list vmas;
	size_t i;

	g->breakpoint = 0;
	play_vmas(p->now, &vmas);
	for (i = from; i-- > 1;) {
		const struct play_stop *st = &p->stop[i];
		struct brk *b = kind == RUN_REVERSE_CONTINUE ? play_brk(s, i, &vmas, false) : NULL;

		if (b)
			g->breakpoint = b->number;
		if (b || (kind == RUN_REVERSE_STEP && st->last.phase != st->phase))
			break;
	}
	free(vmas.v);
	return i == SIZE_MAX ? 0 : i;
}

static struct err *play_back(struct session *s, struct play_goal *g, size_t *to)
{
	const struct player *p = s->player;
	size_t n = g->req->count ? g->req->count : 1;

	g->reason = "back";
	*to = p->at;
	if (g->req->kind == RUN_GOTO) {
		*to = play_goto(p, g->req->unit);
		return NULL;
	}
	if (!p->at)
		return err_hint(err_new(ERR_STATE, "this is the first stop of the recording"),
				"`next` goes to the second");
	if (g->req->kind == RUN_BACK) {
		*to = p->at > n ? p->at - n : 0;
		return NULL;
	}
	for (; n && *to; n--)
		*to = play_before(s, g->req->kind, *to, g);
	return NULL;
}

/* ---- session_run() ------------------------------------------------------------------------------------- */

static void play_finish(struct session *s, struct play_goal *g)
{
	const struct player *p = s->player;
	const struct play_stop *st = &p->stop[p->at];
	Stepdump__Stop *stop = g->stop;
	struct snap_request req = { .parts = SNAP_CURSOR | SNAP_COUNTERS };
	Stepdump__Snapshot *copy = frame_select(p->now, &req);

	if (!strcmp(g->reason, "gate"))
		for (size_t i = 0; i < st->nr_lines; i++)
			msg_push_text(&stop->lines, &stop->n_lines, st->lines[i]);
	if (st->phase == PH(DONE) && p->now->xfer && p->now->xfer->dir && strcmp(g->reason, "back"))
		stop->committed = xstrdup(p->now->xfer->dir);
	stop->reason = xstrdup(g->reason);
	stop->has_breakpoint = g->breakpoint != 0;
	stop->breakpoint = g->breakpoint;
	stop->cursor = TAKE_PTR(copy->cursor);
	stop->counters = TAKE_PTR(copy->counters);
	stepdump__snapshot__free_unpacked(copy, NULL);
}

/* The error that the unit met when it was recorded. */
static struct err *play_error(const struct player *p)
{
	const Stepdump__Error *r = p->now->error;
	struct err *e;

	if (!r)
		return NULL;
	e = r->has_sys_errno ? err_sys(r->sys_errno, "%s", r->message) :
			       err_new(ERR_SYS, "%s", r->message);
	if (r->has_vaddr)
		e = err_vaddr(e, r->vaddr);
	if (r->phase && phase_from_name(r->phase) >= 0)
		e = err_phase(e, phase_name((phase_t)phase_from_name(r->phase)));
	return r->hint ? err_hint(e, "%s", r->hint) : e;
}

struct err *play_run(struct session *s, const struct run_request *req, Stepdump__Stop **stop_ret)
{
	struct player *p = s->player;
	struct play_goal g = { .req = req,
			       .left = req->count ? req->count : 1,
			       .chunk = p->stop[p->at].chunk ? p->stop[p->at].chunk : 1 };
	bool back = req->kind >= RUN_GOTO && req->kind <= RUN_REVERSE_CONTINUE;
	struct err *e;
	size_t to = p->at;

	if (req->kind == RUN_COMMIT)
		return play_refuse(s, "commit");
	if (req->kind == RUN_UNTIL)
		TRY(brk_add(&s->breaks, req->where, true, &g.until));
	g.stop = MSG_NEW(Stepdump__Stop, stop);
	e = back ? play_back(s, &g, &to) : play_forward(s, &g, &to);
	if (!e)
		e = player_go(p, to);
	if (g.until)
		err_free(brk_delete(&s->breaks, g.until));
	if (e) {
		free(g.stop);
		return e;
	}
	play_finish(s, &g);
	*stop_ret = g.stop;
	return !strcmp(g.reason, "error") ? play_error(p) : NULL;
}

/* ---- the session of a recording ------------------------------------------------------------------------ */

struct err *session_replay(const char *path, struct session **ret)
{
	struct session *s = xzalloc(sizeof(*s));
	struct err *e = player_open(path, &s->player);

	if (e) {
		free(s);
		return e;
	}
	opts_init(&s->opts);
	s->selected = -1;
	*ret = s;
	return NULL;
}

bool session_is_replay(const struct session *s)
{
	return s->player != NULL;
}

void session_replay_status(const struct session *s, struct replay_status *ret)
{
	const struct player *p = s->player;

	*ret = (struct replay_status){
		.stop = p->at, .stops = p->nr, .cut_short = p->cut, .damaged = p->damaged
	};
}

void play_position(const struct player *p, char *buf, size_t len)
{
	const struct play_stop *st = &p->stop[p->at];
	const Stepdump__PagePipe *pp = p->now->page_pipe;
	unsigned done = 0;

	for (size_t i = 0; pp && i < pp->n_ppbs; i++)
		done += pp->ppbs[i]->state >= (st->phase == PH(DRAIN) ?
						       STEPDUMP__PPB_STATE__DRAINED :
						       STEPDUMP__PPB_STATE__SENT);
	if (pp && (st->phase == PH(DRAIN) || st->phase == PH(XFER)))
		snprintf(buf, len, "%s %u/%zu, recorded", phase_name(st->phase), done, pp->n_ppbs);
	else
		snprintf(buf, len, "%s, recorded", phase_name(st->phase));
}
