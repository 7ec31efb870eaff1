/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The whole dump at a glance: phases, pages, pipes, output, in the order data flows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/pane_impl.h"

#define FIGURES_COL 50 /* where the right-hand figures begin, at 80 columns or more */

static const struct phase_label {
	Stepdump__Phase phase;
	const char *name, *brief;
	bool loop; /* repeats for each chunk */
} labels[] = {
	{ STEPDUMP__PHASE__PREPARE, "prepare", "prep", false },
	{ STEPDUMP__PHASE__PMC_FILL, "pmc-fill", "fill", true },
	{ STEPDUMP__PHASE__GENERATE_IOVS, "generate-iovs", "iovs", true },
	{ STEPDUMP__PHASE__DRAIN, "drain", "drain", true },
	{ STEPDUMP__PHASE__XFER, "xfer", "xfer", true },
	{ STEPDUMP__PHASE__GATE, "gate", "gate", false },
	{ STEPDUMP__PHASE__RESET, "reset", "reset", false },
	{ STEPDUMP__PHASE__DONE, "done", "done", false },
};

#define NR_LABELS (sizeof(labels) / sizeof(*labels))

static const Stepdump__PhaseInfo *phase_info(const Stepdump__Cursor *c, Stepdump__Phase phase)
{
	for (size_t i = 0; c && i < c->n_phases; i++)
		if (c->phases[i]->phase == phase)
			return c->phases[i];
	return NULL;
}

static struct txt phase_state(const Stepdump__Cursor *c, Stepdump__Phase phase, enum tone *tone)
{
	const Stepdump__PhaseInfo *info = phase_info(c, phase);
	bool here = c && c->phase == phase;
	struct txt t = { .s = "-" };

	*tone = here ? TONE_ENGINE : TONE_DIM;
	if (info && info->state && !strcmp(info->state, "failed")) {
		*tone = TONE_BAD;
		snprintf(t.s, sizeof(t.s), "failed");
	} else if (here && info && info->has_units_done && info->has_units_total) {
		snprintf(t.s, sizeof(t.s), ">%lu of %lu", info->units_done, info->units_total);
	} else if (here && info && info->has_units_done && info->units_done) {
		snprintf(t.s, sizeof(t.s), ">%lu", info->units_done);
	} else if (here) {
		snprintf(t.s, sizeof(t.s), ">here");
	} else if (c && phase == STEPDUMP__PHASE__GATE &&
		   (c->settled || c->phase == STEPDUMP__PHASE__RESET)) {
		*tone = TONE_OK;
		snprintf(t.s, sizeof(t.s), "ok");
	} else if (info && info->state) {
		*tone = strcmp(info->state, "ok") ? TONE_DIM : TONE_OK;
		snprintf(t.s, sizeof(t.s), "%s", info->state);
	}
	return t;
}

static unsigned pipeline_centre(unsigned col, unsigned room, const char *text)
{
	unsigned width = grid_text_width(text);

	return width < room ? col + (room - width) / 2 : col;
}

/* The bracket under the phases that repeat: '---- repeats, per chunk ----' */
static void paint_loop(struct paint *p, unsigned from, unsigned to)
{
	static const char text[] = " repeats, per chunk ";

	grid_putc(p->g, p->row, from, TONE_DIM, p->o->ascii ? U'\'' : U'└');
	for (unsigned col = from + 1; col < to; col++)
		grid_putc(p->g, p->row, col, TONE_DIM, p->o->ascii ? U'-' : U'─');
	grid_putc(p->g, p->row, to, TONE_DIM, p->o->ascii ? U'\'' : U'┘');
	grid_puts(p->g, p->row, pipeline_centre(from, to - from + 1, text), TONE_DIM, text);
	p->row++;
}

static unsigned pipeline_strip_width(const Stepdump__Cursor *c, bool brief)
{
	unsigned width = 0;

	for (size_t i = 0; i < NR_LABELS; i++) {
		enum tone tone;
		unsigned name = grid_text_width(brief ? labels[i].brief : labels[i].name);
		unsigned state = grid_text_width(phase_state(c, labels[i].phase, &tone).s);

		width += (name > state ? name : state) + 2;
	}
	return width + 4; /* the two bars of the loop */
}

static void paint_strip(struct paint *p, bool loop)
{
	const Stepdump__Cursor *c = p->s->cursor;
	bool brief = pipeline_strip_width(c, false) > p->g->cols;
	unsigned col = 1, from = 0, to = 0;

	for (size_t i = 0; i < NR_LABELS; i++) {
		const char *name = brief ? labels[i].brief : labels[i].name;
		enum tone tone;
		struct txt state = phase_state(c, labels[i].phase, &tone);
		unsigned width = grid_text_width(name), need = grid_text_width(state.s);

		if (i && labels[i].loop != labels[i - 1].loop) {
			char32_t bar = p->o->ascii ? U'|' : U'│';

			grid_putc(p->g, p->row, col, TONE_DIM, bar);
			grid_putc(p->g, p->row + 1, col, TONE_DIM, bar);
			if (labels[i].loop)
				from = col;
			else
				to = col;
			col += 2;
		}
		width = width > need ? width : need;
		grid_puts(p->g, p->row, pipeline_centre(col, width, name),
			  c && c->phase == labels[i].phase ? TONE_ENGINE : TONE_NORMAL, name);
		grid_puts(p->g, p->row + 1, pipeline_centre(col, width, state.s), tone, state.s);
		col += width + 2;
	}
	p->row += 2;
	if (loop)
		paint_loop(p, from, to);
}

void paint_phases(struct paint *p)
{
	paint_strip(p, true);
}

void paint_phases_short(struct paint *p)
{
	paint_strip(p, false);
}

static void pipeline_figure(struct paint *p, unsigned row, enum tone tone, const char *name,
			    uint64_t pages)
{
	char line[96];

	snprintf(line, sizeof(line), "%-9s%10lu  %7s", name, pages, txt_pages(pages).s);
	grid_puts(p->g, row, FIGURES_COL, tone, line);
}

static void paint_skipped(struct paint *p, const Stepdump__Counters *c, unsigned end)
{
	static const struct {
		Stepdump__Verdict v;
		const char *name;
	} kinds[] = {
		{ STEPDUMP__VERDICT__ZERO, "zero" },     { STEPDUMP__VERDICT__FILE_CLEAN, "file" },
		{ STEPDUMP__VERDICT__ABSENT, "absent" }, { STEPDUMP__VERDICT__GUARD, "guard" },
		{ STEPDUMP__VERDICT__NEVER, "never" },   { STEPDUMP__VERDICT__SHARED, "shared" },
	};
	unsigned col = grid_puts(p->g, p->row, 2, TONE_DIM, "skipped:") + 1, first = col;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		uint64_t n = count_of(c->verdicts, c->n_verdicts, kinds[i].v);

		char text[40];

		snprintf(text, sizeof(text), "%s %lu", kinds[i].name, n);
		if (!n)
			continue;
		if (col > first && col + strlen(text) >= end) { /* the sum is beside it anyway */
			grid_puts(p->g, p->row, col, TONE_DIM, "...");
			break;
		}
		col = grid_puts(p->g, p->row, col, verdict_tone(kinds[i].v, false), text) + 2;
	}
	if (col == first)
		grid_puts(p->g, p->row, col, TONE_DIM, "nothing");
	p->row++;
}

/* The conservation bar: its four parts are the whole. */
static void paint_tally(struct paint *p, const struct tally *t, unsigned width)
{
	const uint64_t parts[] = { t->to_pipe, t->holes, t->skipped, t->to_scan };
	static const struct {
		char32_t ch;
		enum tone tone;
	} looks[] = { { U'#', TONE_DUMP },
		      { U'=', TONE_HOLE },
		      { U'.', TONE_ABSENT },
		      { U'_', TONE_UNSCANNED } };
	unsigned columns[4], at = 2;

	share_columns(parts, 4, width, columns);
	grid_putc(p->g, p->row, 1, TONE_DIM, U'[');
	for (unsigned i = 0; i < 4; i++)
		for (unsigned n = 0; n < columns[i]; n++)
			grid_putc(p->g, p->row, at++, looks[i].tone, looks[i].ch);
	grid_putc(p->g, p->row, 2 + width, TONE_DIM, U']');
	p->row++;
}

static bool pages_known(struct paint *p)
{
	const Stepdump__Counters *c = p->s->counters;

	if (c && (c->has_pages_total || c->n_verdicts))
		return true;
	paint_line(p, TONE_DIM, "PAGES  -");
	return false;
}

void paint_pages_short(struct paint *p)
{
	if (!pages_known(p))
		return;

	struct tally t = tally_counters(p->s->counters);
	unsigned col;

	if (p->g->cols >= 12)
		paint_tally(p, &t, p->g->cols - 4);
	col = grid_printf(p->g, p->row, 1, TONE_DUMP, "# to pipe %lu", t.to_pipe) + 2;
	col = grid_printf(p->g, p->row, col, TONE_HOLE, "= holes %lu", t.holes) + 2;
	col = grid_printf(p->g, p->row, col, TONE_ABSENT, ". skipped %lu", t.skipped) + 2;
	grid_printf(p->g, p->row, col, t.balanced ? TONE_UNSCANNED : TONE_BAD, "%s %lu",
		    t.balanced ? "_ to scan" : "BAD SUM, of", t.balanced ? t.to_scan : t.total);
	p->row++;
}

void paint_pages(struct paint *p)
{
	const Stepdump__Counters *c = p->s->counters;
	bool figures = p->g->cols >= 80;
	unsigned width = (figures ? FIGURES_COL - 3 : p->g->cols) - 4, top = p->row;

	if (!pages_known(p))
		return;

	struct tally t = tally_counters(c);

	paint_line(p, TONE_TITLE, "PAGES  %lu in private VMAs, %s", t.total, txt_pages(t.total).s);
	if (p->g->cols < 12)
		return;
	paint_tally(p, &t, width);

	const struct legend items[] = { { TONE_DUMP, U'#', "to pipe" },
					{ TONE_HOLE, U'=', "hole" },
					{ TONE_ABSENT, U'.', "skipped" },
					{ TONE_UNSCANNED, U'_', "to scan" } };

	paint_legend(p, items, 4);
	paint_skipped(p, c, figures ? FIGURES_COL - 3 : p->g->cols - 3);
	if (figures) {
		grid_puts(p->g, top, FIGURES_COL + 14, TONE_HEAD, "pages");
		grid_puts(p->g, top, FIGURES_COL + 23, TONE_HEAD, "bytes");
		pipeline_figure(p, top + 1, TONE_DUMP, "to pipe", t.to_pipe);
		pipeline_figure(p, top + 2, TONE_HOLE, "holes", t.holes);
		pipeline_figure(p, top + 3, TONE_NORMAL, "skipped", t.skipped);
		pipeline_figure(p, top + 4, TONE_UNSCANNED, "to scan", t.to_scan);
		pipeline_figure(
			p, top + 5, t.balanced ? TONE_TITLE : TONE_BAD,
			t.balanced ? "= sum" : "BAD sum",
			add_sat(add_sat(t.to_pipe, t.holes), add_sat(t.skipped, t.to_scan)));
		p->row = top + 6;
	} else {
		if (!t.balanced)
			paint_line(p, TONE_BAD, " BAD: the parts do not sum to the whole");
		paint_line(p, TONE_NORMAL, " to pipe %lu + holes %lu + skipped %lu + to scan %lu",
			   t.to_pipe, t.holes, t.skipped, t.to_scan);
	}
}

/* Many pipes: those around the one the engine is at. */
static size_t first_pipe(struct paint *p, unsigned room)
{
	const Stepdump__PagePipe *pp = p->s->page_pipe;
	size_t at = 0;

	for (size_t i = 0; i < pp->n_ppbs; i++)
		if (at_ppb(p->s, pp->ppbs[i]->index))
			at = i;
	if (pp->n_ppbs <= room || at < room / 2)
		return 0;
	return at + room - room / 2 > pp->n_ppbs ? pp->n_ppbs - room : at - room / 2;
}

static void paint_pipe_bars(struct paint *p, unsigned rows)
{
	const Stepdump__PagePipe *pp = p->s->page_pipe;
	const unsigned bar = p->g->cols < 62 ? 6 : 8, cell = bar + 7;
	unsigned per_row = p->g->cols > cell + 2 ? (p->g->cols - 1) / cell : 1, shown;
	uint64_t scale = 1;

	per_row = per_row >= 8 ? 8 : per_row >= 4 ? 4 : per_row;

	size_t first = first_pipe(p, per_row * rows);

	for (size_t i = 0; i < pp->n_ppbs; i++)
		if (pp->ppbs[i]->pipe_size > scale)
			scale = pp->ppbs[i]->pipe_size;
	for (shown = 0; first + shown < pp->n_ppbs && shown < per_row * rows; shown++) {
		const Stepdump__Ppb *b = pp->ppbs[first + shown];
		unsigned col = 1 + shown % per_row * cell;
		bool here = at_ppb(p->s, b->index);

		if (shown && shown % per_row == 0)
			p->row++;
		grid_printf(p->g, p->row, col, here ? TONE_ENGINE : TONE_DIM, "%3u", b->index);
		grid_putc(p->g, p->row, col + 4, here ? TONE_ENGINE : TONE_DIM, here ? U'>' : U'[');
		grid_putc(p->g, p->row, col + 5 + bar, TONE_DIM, U']');
		draw_pipe(p, col + 5, bar, b, scale);
	}
	p->row++;
	if (shown < pp->n_ppbs && rows > 2)
		paint_line(p, TONE_DIM, "and %zu more: `show ppb`", pp->n_ppbs - shown);
}

void paint_pipes_short(struct paint *p)
{
	const Stepdump__PagePipe *pp = p->s->page_pipe;

	if (pp && pp->n_ppbs)
		paint_pipe_bars(p, p->g->cols >= 121 ? 1 : 2);
	else
		paint_line(p, TONE_TITLE, "PIPES  %s", no_pipe_words(p->s));
}

void paint_pipes(struct paint *p)
{
	const Stepdump__PagePipe *pp = p->s->page_pipe;
	uint64_t capacity = 0;

	if (!pp || !pp->n_ppbs) {
		paint_line(p, TONE_TITLE, "PIPES  %s", no_pipe_words(p->s));
		return;
	}
	for (size_t i = 0; i < pp->n_ppbs; i++)
		capacity += pp->ppbs[i]->pipe_size;
	paint_line(p, TONE_TITLE, "PIPES  %zu, room for %lu pages   planned %s   in pipes %s",
		   pp->n_ppbs, capacity, txt_opt(pp->has_pages_planned, pp->pages_planned).s,
		   txt_opt(pp->has_pages_in_pipes, pp->pages_in_pipes).s);
	paint_pipe_bars(p, 4);
	pipe_legend(p);
}

static void paint_out(struct paint *p)
{
	const Stepdump__Xfer *x = p->s->xfer;

	if (!x) {
		paint_field(p, "XFER", TONE_DIM, "- (opened in prepare)");
		return;
	}

	AUTO_FREE char *object = text_shown(p, x->object);

	paint_field(p, "XFER", TONE_NORMAL, "%s to %s   %s   %s entries   %s pages out",
		    str_or_dash(x->kind), str_or_dash(x->dir), object,
		    txt_opt(x->has_entries, x->entries).s,
		    txt_opt(x->has_pages_written, x->pages_written).s);
}

/* Failed checks come first: they are the reason to look here. */
void paint_check_line(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	unsigned first = field_col(p), col = first;

	grid_puts(p->g, p->row, 1, TONE_DIM, "CHECK");
	if (!s->n_checks)
		grid_puts(p->g, p->row, col, TONE_DIM, "-");
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < s->n_checks; i++) {
			const Stepdump__Check *c = s->checks[i];
			unsigned width = grid_text_width(c->name) + 4;

			if ((c->ok ? 1 : 0) != pass)
				continue;
			if (col > first && col + width > p->g->cols) {
				p->row++;
				col = first;
			}
			col = grid_puts(p->g, p->row, col, TONE_NORMAL, c->name) + 1;
			col = grid_puts(p->g, p->row, col, c->ok ? TONE_OK : TONE_BAD,
					c->ok ? "ok" : "BAD") +
			      3;
		}
	p->row++;
}

void paint_log(struct paint *p, size_t max)
{
	const Stepdump__Snapshot *s = p->s;
	unsigned col = field_col(p);

	for (size_t i = 0; i < s->n_events && i < max; i++) {
		const Stepdump__Event *e = s->events[s->n_events - 1 - i];
		AUTO_FREE char *text = text_shown(p, e->text);
		/* In a view only changes stand out. */
		enum tone tone = i && p->field_col ? TONE_DIM : TONE_NORMAL;

		grid_puts(p->g, p->row, 1, TONE_DIM,
			  i            ? "" :
			  p->field_col ? "LOG" :
					 "LOG  (newest)");
		AUTO_FREE char *line =
			xasprintf("%s %s: %s", txt_when(p, e->t_us).s,
				  txt_enum(&stepdump__phase__descriptor, e->phase).s, text);
		paint_cut(p, col, p->g->cols > col ? p->g->cols - col : 0, tone, false, line);
		p->row++;
	}
}

static void paint_state(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	const Stepdump__Target *t = s->target;
	unsigned col = 1;

	if (!t)
		return;
	col = grid_printf(p->g, p->row, col, TONE_KEY, "%s",
			  txt_enum(&stepdump__target_state__descriptor, t->state).s) +
	      3;
	if (t->has_frozen_us)
		col = grid_printf(p->g, p->row, col, TONE_NORMAL, "frozen %ss",
				  txt_when(p, t->frozen_us).s) +
		      3;
	if (s->cursor && s->cursor->has_chunk && s->cursor->chunk)
		col = grid_printf(p->g, p->row, col, TONE_NORMAL, "chunk %u", s->cursor->chunk) + 3;
	if (s->n_parents)
		grid_printf(p->g, p->row, col, TONE_NORMAL, "parent %s",
			    str_or_dash(s->parents[0]->dir));
	else if (!s->watch) /* which parent a watched criu has is not known */
		grid_puts(p->g, p->row, col, TONE_NORMAL, "full dump, no parent");
	p->row++;
}

void pane_pipeline(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	const struct pane_opts *o = p->o;

	if (!s->cursor && (!s->target || s->target->state == STEPDUMP__TARGET_STATE__NO_TARGET)) {
		paint_prose(p, 1, TONE_DIM, "no target: `attach PID` takes one");
		return;
	}
	paint_state(p);
	paint_phases(p);
	paint_pages(p);
	paint_pipes(p);
	paint_blank(p);
	paint_out(p);
	paint_now_next(p);
	if (s->error) {
		AUTO_FREE char *message = text_shown(p, s->error->message);

		paint_field(p, "ERROR", TONE_BAD, "%s (`show error`)", message);
	}
	paint_check_line(p);
	paint_log(p, o->verbose ? 10 : 3);
}
