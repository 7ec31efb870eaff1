/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Run control: where the engine is, the phases, breakpoints, events, checks, the last error. */
#include <stdlib.h>
#include <string.h>

#include "views/pane_impl.h"

static const char *phase_mirrors(const Stepdump__Cursor *c, Stepdump__Phase phase)
{
	for (size_t i = 0; i < c->n_phases; i++)
		if (c->phases[i]->phase == phase)
			return c->phases[i]->mirrors;
	return NULL;
}

static struct txt phase_txt(int phase)
{
	return txt_enum(&stepdump__phase__descriptor, phase);
}

static void paint_unit(struct paint *p, const char *label, enum tone tone, const Stepdump__Unit *u)
{
	AUTO_FREE char *text = text_shown(p, u->text);

	paint_field(p, label, tone, "%s: %s", phase_txt(u->phase).s, text);
}

void paint_now_next(struct paint *p)
{
	const Stepdump__Cursor *c = p->s->cursor;

	if (!c) {
		paint_field(p, "NOW", TONE_DIM, "-");
		return;
	}
	if (c->last)
		paint_unit(p, "NOW  (done)", TONE_NORMAL, c->last);
	if (c->next)
		paint_unit(p, "NEXT", TONE_ENGINE, c->next);
	else
		paint_field(p, "NEXT", TONE_ENGINE, "%s", phase_txt(c->phase).s);
}

static void paint_phase_table(struct paint *p, bool full)
{
	const struct column columns[] = {
		{ .head = "phase" },
		{ "state", .drop = 5 },
		{ "units", .drop = 4, .right = true },
		{ "one unit", .drop = 1, .min = 18, .prose = true },
		{ "effect on target", .drop = full ? 2 : 6, .min = 14, .prose = true },
		{ "undo", .drop = 3 },
		{ "mirrors in CRIU", .drop = full ? 2 : 7, .min = 23, .prose = true },
	};
	const Stepdump__Cursor *c = p->s->cursor;
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; c && i < c->n_phases; i++) {
		const Stepdump__PhaseInfo *ph = c->phases[i];
		bool failed = ph->state && !strcmp(ph->state, "failed");

		table_row(t, ph, ph->phase == c->phase);
		table_cell(t, TONE_KEY, "%s", ph->name);
		table_cell(t, failed ? TONE_BAD : TONE_NORMAL, "%s", str_or_dash(ph->state));
		if (ph->has_units_total)
			table_cell(t, TONE_NORMAL, "%s of %lu",
				   txt_opt(ph->has_units_done, ph->units_done).s, ph->units_total);
		else
			table_cell(t, TONE_NORMAL, "%s",
				   txt_opt(ph->has_units_done, ph->units_done).s);
		table_cell(t, TONE_NORMAL, "%s", str_or_dash(ph->unit));
		table_cell(t, TONE_NORMAL, "%s", str_or_dash(ph->effect));
		table_cell(t, ph->has_undo && !ph->undo ? TONE_WARN : TONE_NORMAL, "%s",
			   !ph->has_undo ? "-" :
			   ph->undo      ? "yes" :
					   "no");
		table_cell(t, TONE_DIM, "%s", str_or_dash(ph->mirrors));
	}
	table_end(t, p, "nothing known of the phases: no target");
}

void pane_cursor(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	const Stepdump__Cursor *c = s->cursor;

	if (!c) {
		paint_prose(p, 1, TONE_DIM, "nowhere: no target is attached");
		return;
	}
	paint_now_next(p);
	if (phase_mirrors(c, c->phase))
		paint_field(p, "mirrors", TONE_DIM, "%s", phase_mirrors(c, c->phase));
	paint_field(p, "chunk", TONE_NORMAL, "%s",
		    c->has_chunk && c->chunk ? txt_opt(true, c->chunk).s : "- (none begun)");
	if (c->item) {
		AUTO_FREE char *item = text_shown(p, c->item);

		paint_field(p, "item", TONE_NORMAL, "%s", item);
	}
	if (c->has_unit)
		paint_field(p, "units done", TONE_NORMAL, "%lu", c->unit);
	if (c->has_scan_vaddr)
		paint_field(p, "scanned below", TONE_ADDR, "%s", txt_addr(p, c->scan_vaddr).s);
	paint_blank(p);
	paint_phase_table(p, false);
}

void pane_phases(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;

	paint_phase_table(p, true);
	if (!s->cursor || !s->cursor->n_phases)
		return;
	paint_prose(p, 1, TONE_DIM,
		    "pmc-fill, generate-iovs, drain and xfer repeat for each chunk. "
		    "Names of phases are breakpoint names too.");
}

void pane_breakpoints(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	const struct column columns[] = {
		{ "number", .right = true },
		{ "where", .min = 12 },
		{ "kind", .drop = 2 },
		{ "enabled", .drop = 3 },
		{ "hits", .right = true, .drop = 1 },
	};
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < s->n_breakpoints; i++) {
		const Stepdump__Breakpoint *b = s->breakpoints[i];
		AUTO_FREE char *where = text_shown(p, b->where);

		table_row(t, b, false);
		table_cell(t, TONE_NORMAL, "%u", b->number);
		table_cell(t, TONE_KEY, "%s", where);
		table_cell(t, TONE_NORMAL, "%s", b->temporary ? "once" : "keep");
		table_cell(t, TONE_NORMAL, "%s", !b->has_enabled ? "-" : b->enabled ? "yes" : "no");
		if (b->ignore)
			table_cell(t, TONE_NORMAL, "%s, ignores %u",
				   txt_opt(b->has_hits, b->hits).s, b->ignore);
		else
			table_cell(t, TONE_NORMAL, "%s", txt_opt(b->has_hits, b->hits).s);
	}
	table_end(t, p, "none: `break drain`, `break vma 3` or `break ADDR` sets one");
}

void pane_events(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	const struct column columns[] = {
		{ "no", .right = true, .drop = 2 },
		{ "seconds", .right = true, .drop = 1 },
		{ "phase", .drop = 3 },
		{ "what", .min = 20, .prose = true },
	};
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < s->n_events; i++) {
		const Stepdump__Event *e = s->events[i];
		AUTO_FREE char *text = text_shown(p, e->text);

		table_row(t, e, false);
		table_cell(t, TONE_DIM, "%lu", e->seq);
		table_cell(t, TONE_DIM, "%s", txt_when(p, e->t_us).s);
		table_cell(t, TONE_KEY, "%s", phase_txt(e->phase).s);
		table_cell(t, TONE_NORMAL, "%s", text);
	}
	table_end(t, p, "none yet");
}

void pane_checks(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	const struct column columns[] = {
		{ .head = "" },
		{ "check", .min = 12, .prose = true },
		{ "detail", .drop = 1, .min = 20, .prose = true },
	};
	struct table *t = TABLE_NEW(columns);
	size_t bad = 0;

	for (size_t i = 0; i < s->n_checks; i++) {
		const Stepdump__Check *c = s->checks[i];
		AUTO_FREE char *detail = text_shown(p, c->detail);

		table_row(t, c, false);
		table_cell(t, c->ok ? TONE_OK : TONE_BAD, c->ok ? "ok" : "BAD");
		table_cell(t, TONE_NORMAL, "%s", c->name);
		table_cell(t, c->ok ? TONE_DIM : TONE_BAD, "%s", detail);
		bad += !c->ok;
	}
	table_end(t, p, "nothing to check yet: the dump has not begun");
	if (s->n_checks)
		paint_line(p, bad ? TONE_BAD : TONE_OK, "%zu of %zu hold", s->n_checks - bad,
			   s->n_checks);
}

void pane_error(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	const Stepdump__Error *e = s->error;

	if (!e) {
		paint_prose(p, 1, TONE_OK, "none: nothing has failed");
		return;
	}

	AUTO_FREE char *message = text_shown(p, e->message), *hint = text_shown(p, e->hint);

	paint_field(p, "what failed", TONE_BAD, "%s", message);
	if (e->has_sys_errno && e->sys_errno)
		paint_field(p, "why", TONE_BAD, "%s (errno %d, %s)", str_or_dash(e->errno_name),
			    e->sys_errno, strerrordesc_np(e->sys_errno) ?: "unknown");
	paint_field(p, "kind", TONE_NORMAL, "%s", e->code);
	paint_field(p, "phase", TONE_NORMAL, "%s", str_or_dash(e->phase));
	if (e->has_pid)
		paint_field(p, "pid", TONE_NORMAL, "%s", txt_pid(p, e->pid).s);
	if (e->has_vaddr)
		paint_field(p, "address", TONE_ADDR, "%s", txt_addr(p, e->vaddr).s);
	if (e->vma)
		paint_field(p, "mapping", TONE_ADDR, "%s", e->vma);
	if (e->cause)
		paint_field(p, "cause", TONE_TITLE, "%s (%s)", e->title, e->cause);
	if (e->evidence)
		paint_field(p, "seen", TONE_KEY, "%s", e->evidence);
	if (e->hint || !e->advice)
		paint_field(p, "what to do", TONE_KEY, "%s", hint);
	if (e->advice)
		paint_field(p, e->hint ? "" : "what to do", TONE_NORMAL, "%s", e->advice);
}
