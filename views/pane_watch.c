/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The criu that is watched: where it is held, what that costs, what it says. */
#include <string.h>

#include "views/pane_impl.h"

#define LAST_LINES 12

static void paint_lines(struct paint *p, const char *title, char *const *line, size_t nr,
			size_t last)
{
	if (!nr)
		return;
	paint_blank(p);
	paint_line(p, TONE_TITLE, "%s", title);
	for (size_t i = nr > last ? nr - last : 0; i < nr; i++)
		paint_line(p, strstr(line[i], "Error") ? TONE_BAD : TONE_NORMAL, "%s", line[i]);
}

void pane_watch(struct paint *p)
{
	const Stepdump__Watch *w = p->s->watch;

	if (!w) {
		paint_prose(p, 1, TONE_DIM,
			    "no criu is watched: `run criu dump ...`, `watch-criu PID`");
		return;
	}
	paint_field(p, "criu", TONE_KEY, "%s %s", txt_pid(p, w->pid).s, str_or_dash(w->cmdline));
	if (w->has_exit_status)
		paint_field(p, "state", w->exit_status ? TONE_BAD : TONE_OK, "ended with status %d",
			    w->exit_status);
	else if (w->has_held_us)
		paint_field(p, "state", TONE_NORMAL, "%s for %s", str_or_dash(w->state),
			    txt_took(p, w->held_us).s);
	else
		paint_field(p, "state", TONE_NORMAL, "%s", str_or_dash(w->state));
	if (w->at)
		paint_field(p, "next call", TONE_NORMAL, "%s", w->at);
	if (w->after)
		paint_field(p, "last call", TONE_NORMAL, "%s", w->after);
	paint_field(p, "stops", TONE_NORMAL, "%lu, for %lu units; criu stood %s in them", w->stops,
		    w->units, txt_took(p, w->held_total_us).s);
	paint_field(p, "mode", TONE_NORMAL, "%s%s%s", str_or_dash(w->mode),
		    w->why_full ? ", not light: " : "", w->why_full ? w->why_full : "");
	if (w->inside)
		paint_field(p, "page_pipe", TONE_NORMAL, "%s", w->inside);
	else if (w->why_outside)
		paint_field(p, "page_pipe", TONE_DIM, "not read in its memory: %s", w->why_outside);
	paint_field(p, "pages", TONE_NORMAL,
		    "planned %lu, %lu in the pipes after the drains, %lu sent on", w->pages_planned,
		    w->pages_in_pipes, w->pages_spliced);
	paint_lines(p, "its messages (> sent, < received)", w->talk, w->n_talk, LAST_LINES);
	paint_lines(p, "its log", w->log, w->n_log, LAST_LINES);
	paint_lines(p, "what its calls do not tell", w->unknown, w->n_unknown, w->n_unknown);
}
