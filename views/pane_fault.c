/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Steps that are made to fail, and what was undone. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "views/pane_impl.h"

void pane_fault(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	const struct column columns[] = {
		{ "point", .min = 12 },
		{ "action", .min = 8 },
		{ "fired", .drop = 1 },
		{ "passed", .right = true, .drop = 3 },
		{ "step", .min = 20, .prose = true, .drop = 2 },
	};
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < s->n_faults; i++) {
		const Stepdump__Fault *f = s->faults[i];
		AUTO_FREE char *point = text_shown(p, f->point);
		AUTO_FREE char *action = text_shown(p, f->action ? f->action : "-");
		AUTO_FREE char *what = text_shown(p, f->what);
		AUTO_FREE char *fired = text_shown(p, !f->fired   ? "no" :
						      f->fired_in ? f->fired_in :
								    "yes");

		table_row(t, f, false);
		table_cell(t, TONE_KEY, "%s", point);
		table_cell(t, TONE_NORMAL, "%s", action);
		table_cell(t, TONE_NORMAL, "%s", fired);
		table_cell(t, TONE_NORMAL, "%s", txt_opt(f->has_times_passed, f->times_passed).s);
		table_cell(t, TONE_NORMAL, "%s", what);
	}
	table_end(t, p, "none is armed: `fault list` names the points");
}

void pane_undo(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	const struct column columns[] = {
		{ "no", .right = true, .drop = 3 },
		{ "seconds", .right = true, .drop = 2 },
		{ .head = "kind" },
		{ "pid", .right = true, .drop = 4 },
		{ "what", .min = 20, .prose = true },
		{ "by", .drop = 1 },
	};
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < s->n_undo; i++) {
		const Stepdump__UndoStep *u = s->undo[i];
		AUTO_FREE char *kind = text_shown(p, u->kind);
		AUTO_FREE char *text = text_shown(p, u->text);

		table_row(t, u, false);
		table_cell(t, TONE_DIM, "%lu", u->seq);
		table_cell(t, TONE_DIM, "%s", txt_when(p, u->t_us).s);
		table_cell(t, TONE_KEY, "%s", kind);
		table_cell(t, TONE_NORMAL, "%s", txt_opt(u->has_pid, u->pid).s);
		table_cell(t, TONE_NORMAL, "%s", text);
		table_cell(t, TONE_NORMAL, "%s", u->by_keeper ? "keeper" : "stepdump");
	}
	table_end(t, p, "nothing was changed yet that had to be put back");
}
