/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Faults on purpose: the words of `fault`, and when their conditions hold. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/undo.h"
#include "engine/session/session_priv.h"
#include "proto/message.h"

#define MAX_DELAY_MS 60000u
#define MAX_ERRNO 134

static struct err *fault_grammar(const char *what)
{
	return err_hint(err_new(ERR_USAGE, "fault \"%s\" is not understood", what),
			"POINT [ERRNO|short N|delay MS|kill|kill-keeper] [after N] [if COND]; "
			"`fault list` names the points");
}

/* The next word of *p in place; NULL at the end. */
static char *fault_word(char **p)
{
	char *w = *p + strspn(*p, " \t");

	if (!*w)
		return NULL;
	*p = w + strcspn(w, " \t");
	if (**p)
		*(*p)++ = '\0';
	return w;
}

static bool fault_number(const char *w, uint32_t max, uint32_t *ret)
{
	char *end;

	if (!w || *w < '0' || *w > '9')
		return false;
	errno = 0;
	unsigned long n = strtoul(w, &end, 10);

	if (errno || *end || n > max)
		return false;
	*ret = (uint32_t)n;
	return true;
}

static int fault_errno(const char *name)
{
	for (int i = 1; i < MAX_ERRNO; i++)
		if (!strcmp(name, err_errno_name(i)))
			return i;
	return 0;
}

/* What happens there; false: the words are none of those. */
static bool fault_parse_action(struct fault *f, const char *w, char **p)
{
	int why = fault_errno(w);

	f->action = FAULT_ERRNO;
	f->arg = (uint32_t)why;
	if (why)
		return true;
	if (!strcmp(w, "kill")) {
		f->action = FAULT_KILL;
		return true;
	}
	if (!strcmp(w, "kill-keeper")) {
		f->action = FAULT_KILL_KEEPER;
		return true;
	}
	f->action = !strcmp(w, "short") ? FAULT_SHORT : FAULT_DELAY;
	return (!strcmp(w, "short") && fault_number(fault_word(p), UINT32_MAX, &f->arg)) ||
	       (!strcmp(w, "delay") && fault_number(fault_word(p), MAX_DELAY_MS, &f->arg));
}

/* A condition is a breakpoint that stops nothing: what may be asked depends on the phase. */
static struct err *fault_parse_cond(struct session *s, struct fault *f, const char *cond,
				    unsigned *number_ret)
{
	const char *phase = fault_phase(f->point);

	if (!*phase)
		return err_hint(err_new(ERR_USAGE, "fault %s is in no phase of its own",
					fault_name(f->point)),
				"use `after N` in place of a condition");
	AUTO_FREE char *where = xasprintf("%s if %s", phase, cond);

	f->waits = true;
	return brk_add(&s->fault_conds, where, false, number_ret);
}

static struct err *fault_parse(struct session *s, const char *what, struct fault *f,
			       unsigned *cond_ret)
{
	AUTO_FREE char *copy = xstrdup(what);
	char *p = copy, *w = fault_word(&p);

	*f = (struct fault){ .arg = EIO };
	if (!w)
		return fault_grammar(what);
	f->point = fault_find(w);
	if (f->point == NR_FAULT_POINTS)
		return err_hint(err_new(ERR_USAGE, "no fault point is called \"%s\"", w),
				"`fault list` names them");
	w = fault_word(&p);
	if (w && strcmp(w, "after") != 0 && strcmp(w, "if") != 0) {
		if (!fault_parse_action(f, w, &p))
			return fault_grammar(what);
		w = fault_word(&p);
	}
	if (w && !strcmp(w, "after")) {
		if (!fault_number(fault_word(&p), UINT32_MAX, &f->after))
			return fault_grammar(what);
		w = fault_word(&p);
	}
	if (w && !strcmp(w, "if"))
		return fault_parse_cond(s, f, p, cond_ret);
	return w ? fault_grammar(what) : NULL;
}

struct err *session_fault(struct session *s, const char *what)
{
	struct fault f;
	unsigned cond = 0, index = 0;

	TRY(fault_parse(s, what, &f, &cond));
	struct err *e = fault_arm(&f, &index);

	if (e)
		return cond ? err_first(e, brk_delete(&s->fault_conds, cond)) : e;
	s->fault_cond[index] = cond;
	return NULL;
}

void session_fault_off(struct session *s)
{
	fault_disarm_all();
	memset(s->fault_cond, 0, sizeof(s->fault_cond));
	err_free(brk_delete(&s->fault_conds, 0));
}

bool session_fault_point(unsigned i, struct session_fault_point *ret)
{
	enum fault_point p = (enum fault_point)i;

	if (i >= NR_FAULT_POINTS)
		return false;
	ret->name = fault_name(p);
	ret->phase = fault_phase(p);
	ret->what = fault_what(p);
	fault_counts(p, &ret->passed, &ret->fired);
	return true;
}

static const struct brk *fault_cond_of(const struct session *s, unsigned index)
{
	for (size_t i = 0; s->fault_cond[index] && i < s->fault_conds.nr; i++)
		if (s->fault_conds.b[i].number == s->fault_cond[index])
			return &s->fault_conds.b[i];
	return NULL;
}

void faults_look(struct session *s, const struct unit *u)
{
	const struct unit none = { .phase = PH(READY) };

	for (unsigned i = 0; s->fault_conds.nr && i < fault_nr_armed(); i++) {
		const struct brk *b = fault_cond_of(s, i);

		if (b)
			fault_armed(i)->waits = !brk_matches(b, u, &none, &s->t[u->task].vmas);
	}
}

bool faults_fine_grained(const struct session *s)
{
	return s->fault_conds.nr;
}

/* ---- for snapshots ----------------------------------------------------------------------- */

static char *fault_action_text(const struct session *s, unsigned index)
{
	const struct fault *f = fault_armed(index);
	const struct brk *b = fault_cond_of(s, index);
	char what[32] = "", after[24] = "";

	switch (f->action) {
	case FAULT_ERRNO:
		snprintf(what, sizeof(what), "%s", err_errno_name((int)f->arg));
		break;
	case FAULT_SHORT:
		snprintf(what, sizeof(what), "short %u", f->arg);
		break;
	case FAULT_DELAY:
		snprintf(what, sizeof(what), "delay %u", f->arg);
		break;
	case FAULT_KILL:
		snprintf(what, sizeof(what), "kill");
		break;
	case FAULT_KILL_KEEPER:
		snprintf(what, sizeof(what), "kill-keeper");
		break;
	}
	if (f->after)
		snprintf(after, sizeof(after), " after %u", f->after);
	return xasprintf("%s%s%s", what, after, b ? strstr(b->where, " if ") : "");
}

static Stepdump__Fault *snap_fault(Stepdump__Snapshot *snap, enum fault_point p)
{
	Stepdump__Fault *o = MSG_PUSH(snap, faults, fault);
	uint32_t passed, fired;

	fault_counts(p, &passed, &fired);
	o->point = xstrdup(fault_name(p));
	o->what = xstrdup(fault_what(p));
	if (*fault_phase(p))
		o->phase = xstrdup(fault_phase(p));
	SET(o, times_passed, passed);
	SET(o, times_fired, fired);
	return o;
}

void snap_faults(struct session *s, Stepdump__Snapshot *snap)
{
	for (unsigned i = 0; i < fault_nr_armed(); i++) {
		const struct fault *f = fault_armed(i);
		Stepdump__Fault *o = snap_fault(snap, f->point);

		o->action = fault_action_text(s, i);
		SET(o, fired, f->fired);
		if (f->fired)
			o->fired_in = xstrdup(f->fired_in == keeper_pid(s->keeper) ? "keeper" :
										     "stepdump");
	}
}

void snap_undo(struct session *s, Stepdump__Snapshot *snap)
{
	uint64_t last = undo_last(), first = last > UNDO_MAX ? last - UNDO_MAX + 1 : 1;

	for (uint64_t seq = first; seq <= last; seq++) {
		const struct undo_step *u = undo_step(seq);
		Stepdump__UndoStep *o = u ? MSG_PUSH(snap, undo, undo_step) : NULL;

		if (!o)
			continue;
		o->seq = u->seq;
		o->t_us = u->t_us > s->t_attach_us ? u->t_us - s->t_attach_us : 0;
		o->kind = xstrdup(u->kind);
		o->text = xstrdup(u->text);
		if (u->pid)
			SET(o, pid, (uint32_t)u->pid);
		SET(o, by_keeper, u->by == keeper_pid(s->keeper));
	}
}
