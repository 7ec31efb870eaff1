/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pipeline view: phases, pages, pipes, output, in the order data flows; then where we are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/view_impl.h"

#define LABEL_COL 8
#define LEFT_MAX 100 /* columns of the pipeline when the pipes stand beside it */
#define SIDE_BY_SIDE 120

static void pipeline_want(const struct ui *ui, const Stepdump__Snapshot *s, struct view_want *w)
{
	if (s)
		return;
	w->needs |= SNAP_COUNTERS | SNAP_PAGE_PIPE | SNAP_XFER | SNAP_CHECKS | SNAP_EVENTS |
		    SNAP_PARENTS | SNAP_ERROR;
	w->events_max = ui->rows;
}

static void pipeline_want_both(const struct ui *ui, const Stepdump__Snapshot *s,
			       struct view_want *w)
{
	pipeline_want(ui, s, w);
	if (ui->cols >= SIDE_BY_SIDE)
		view_pipes.want(ui, s, w);
}

static void pipeline_settle(struct ui *ui, const Stepdump__Snapshot *s)
{
	view_pipes.settle(ui, s);
}

/* One row where room is short, else as many as the text needs. */
static void pipeline_field(struct paint *p, const char *label, enum tone tone, const char *text)
{
	grid_puts(p->g, p->row, 1, TONE_DIM, label);
	if (!p->brief) {
		paint_prose(p, LABEL_COL, tone, text);
		return;
	}
	paint_cut(p, LABEL_COL, p->g->cols - LABEL_COL, tone, false, text);
	p->row++;
}

static const Stepdump__PhaseInfo *pipeline_phase_now(const Stepdump__Snapshot *s)
{
	const Stepdump__Cursor *c = s->cursor;

	for (size_t i = 0; c && i < c->n_phases; i++)
		if (c->phases[i]->phase == c->phase)
			return c->phases[i];
	return NULL;
}

/* "drain: DUMPPAGES for ppb 5, its pipe fd, the reply" */
static char *pipeline_unit_text(struct paint *p, const Stepdump__Unit *u)
{
	AUTO_FREE char *text = text_shown(p, u->text);

	return xasprintf("%s: %s", txt_enum(&stepdump__phase__descriptor, u->phase).s, text);
}

static void pipeline_units(struct paint *p)
{
	const Stepdump__Cursor *c = p->s->cursor;

	if (!c) {
		pipeline_field(p, "NEXT", TONE_DIM, "-");
		return;
	}
	if (c->last) {
		AUTO_FREE char *text = pipeline_unit_text(p, c->last);

		pipeline_field(p, "DONE", TONE_NORMAL, text);
	}
	if (c->next) {
		AUTO_FREE char *text = pipeline_unit_text(p, c->next);

		pipeline_field(p, "NEXT", TONE_ENGINE, text);
	}
}

/* What one unit of the phase is, and the code that it mirrors. */
static void pipeline_words(struct paint *p)
{
	const Stepdump__PhaseInfo *ph = pipeline_phase_now(p->s);
	char line[300];

	if (!ph || !ph->unit)
		return;
	snprintf(line, sizeof(line), "one unit: %s", ph->unit);
	pipeline_field(p, "", TONE_DIM, line);
	snprintf(line, sizeof(line), "as in CRIU: %s", str_or_dash(ph->mirrors));
	pipeline_field(p, "", TONE_DIM, line);
}

#define TIME_CELLS 32

/* How many units each phase has done, in proportion, and how to go back in them. */
static void pipeline_time(struct paint *p)
{
	static const char letters[] = "?pmgdx?r?";
	const Stepdump__Cursor *c = p->s->cursor;
	uint64_t all = 0, before = 0;
	size_t used = 0; /* cells */
	char bar[TIME_CELLS + 1] = "", line[160];

	for (size_t i = 0; c && i < c->n_phases; i++)
		all = add_sat(all, c->phases[i]->units_done);
	if (!all)
		return;
	for (size_t i = 0; i < c->n_phases; i++) {
		uint64_t end = add_sat(before, c->phases[i]->units_done);
		size_t to = (size_t)((double)end / (double)all * TIME_CELLS);
		unsigned phase = (unsigned)c->phases[i]->phase;

		if (to <= used && end > before && used < TIME_CELLS)
			to = used + 1; /* a phase with few units is to be seen too */
		while (used < to && used < TIME_CELLS)
			bar[used++] = letters[phase < sizeof(letters) - 1 ? phase : 0];
		before = end;
	}
	snprintf(line, sizeof(line), "[%s>  %s%s   u, U: back", bar,
		 c->has_unit ? "unit " : "many units",
		 c->has_unit ? txt_opt(true, c->unit).s : " at once");
	pipeline_field(p, "TIME", TONE_NORMAL, line);
}

/* The effect of each key from here. */
static void pipeline_keys(struct paint *p)
{
	const Stepdump__Cursor *c = p->s->cursor;
	char line[200];

	if (!c)
		return;
	if (c->phase >= STEPDUMP__PHASE__PMC_FILL && c->phase <= STEPDUMP__PHASE__XFER)
		snprintf(line, sizeof(line),
			 "n: that unit   s: next phase   "
			 "f: end of chunk %u   c: to the gate",
			 c->chunk ? c->chunk : 1);
	else if (c->phase <= STEPDUMP__PHASE__PREPARE)
		snprintf(line, sizeof(line),
			 "n: that unit   s: all of prepare   c: to the commit gate");
	else if (c->phase == STEPDUMP__PHASE__GATE)
		snprintf(line, sizeof(line),
			 ":commit DIR publishes   :restart begins again   :abort gives up");
	else
		return;
	pipeline_field(p, "KEYS", TONE_KEY, line);
}

static void pipeline_xfer(struct paint *p)
{
	const Stepdump__Xfer *x = p->s->xfer;

	if (!x) {
		pipeline_field(p, "XFER", TONE_DIM, "- (opened in prepare)");
		return;
	}

	AUTO_FREE char *object = text_shown(p, x->object);
	AUTO_FREE char *text = xasprintf("%s%s%s   %s pages in %s entries out%s%s",
					 str_or_dash(x->kind), x->dir ? " to " : "", x->dir ?: "",
					 txt_opt(x->has_pages_written, x->pages_written).s,
					 txt_opt(x->has_entries, x->entries).s,
					 x->object ? "   now open: " : "", x->object ? object : "");

	pipeline_field(p, "XFER", TONE_NORMAL, text);
}

static void pipeline_error(struct paint *p)
{
	if (!p->s->error)
		return;

	AUTO_FREE char *message = text_shown(p, p->s->error->message);

	pipeline_field(p, "ERROR", TONE_BAD, message);
	if (p->s->error->hint) {
		AUTO_FREE char *hint = text_shown(p, p->s->error->hint);

		pipeline_field(p, "", TONE_KEY, hint);
	}
}

static const struct section {
	void (*full)(struct paint *p);
	void (*brief)(struct paint *p); /* NULL: in full or not at all */
	unsigned rank; /* 0 is drawn first, the highest is dropped first where room is short */
	bool apart;    /* a blank row before it where there is room */
} sections[] = {
	{ paint_phases, paint_phases_short, 0, false },
	{ paint_pages, paint_pages_short, 1, true },
	{ paint_pipes, paint_pipes_short, 3, true },
	{ pipeline_xfer, NULL, 6, true },
	{ pipeline_units, NULL, 2, true },
	{ pipeline_words, NULL, 8, false },
	{ pipeline_time, NULL, 6, false },
	{ pipeline_keys, NULL, 5, false },
	{ pipeline_error, NULL, 4, false },
	{ paint_check_line, NULL, 7, false },
};

#define NR_SECTIONS (sizeof(sections) / sizeof(*sections))
#define NR_BRIEF 4 /* sections up to this rank are shown in brief rather than dropped */

/* A section by itself, to see how high it is. */
static struct grid pipeline_draw_section(const struct paint *p, void (*paint)(struct paint *p),
					 bool brief)
{
	struct paint inner = *p;
	struct grid g;

	grid_init(&g, p->g->cols, 0);
	g.ascii = p->g->ascii;
	inner.g = &g;
	inner.row = 0;
	inner.brief = brief;
	paint(&inner);
	return g;
}

/* Fills the room: first the important sections in their brief form, then by rank in full, those that
 * did not fit in brief, then blank rows. */
static void pipeline_lay_out(const struct grid *full, const struct grid *brief, unsigned rows,
			     const struct grid **chosen, unsigned *left_ret)
{
	for (unsigned pass = 0; pass < 3; pass++)
		for (unsigned rank = 0; rank < NR_SECTIONS; rank++)
			for (size_t i = 0; i < NR_SECTIONS; i++) {
				const struct grid *want = pass == 1 ? &full[i] : &brief[i];
				unsigned have = chosen[i] ? chosen[i]->rows : 0;

				if (sections[i].rank != rank || (!pass && rank > NR_BRIEF) ||
				    (pass == 2 && chosen[i]) || want->rows > rows + have)
					continue;
				rows = rows + have - want->rows;
				chosen[i] = want;
			}
	*left_ret = rows;
}

static void pipeline_render_left(struct paint *p, unsigned rows)
{
	struct grid full[NR_SECTIONS], brief[NR_SECTIONS];
	const struct grid *chosen[NR_SECTIONS] = { NULL };
	unsigned left, blanks = 0;

	for (size_t i = 0; i < NR_SECTIONS; i++) {
		full[i] = pipeline_draw_section(p, sections[i].full, false);
		brief[i] = pipeline_draw_section(p, sections[i].brief ?: sections[i].full, true);
	}
	pipeline_lay_out(full, brief, rows, chosen, &left);
	/* Up to three lines of the log come before blank rows. */
	blanks = left > 3 ? left - 3 : 0;
	for (size_t i = 0; i < NR_SECTIONS; i++) {
		if (!chosen[i] || !chosen[i]->rows)
			continue;
		if (sections[i].apart && blanks && p->row) {
			p->row++;
			blanks--;
			left--;
		}
		grid_blit(p->g, p->row, 0, chosen[i]);
		p->row += chosen[i]->rows;
	}
	if (left)
		paint_log(p, left);
	for (size_t i = 0; i < NR_SECTIONS; i++) {
		grid_deinit(&full[i]);
		grid_deinit(&brief[i]);
	}
}

static void pipeline_render(const struct ui *ui, const Stepdump__Snapshot *s, struct grid *g)
{
	struct pane_opts o = view_opts(ui);
	struct paint p = view_paint(ui, &o, s, g);
	unsigned left = g->cols;

	p.field_col = LABEL_COL;
	if (!s->cursor && (!s->target || s->target->state == STEPDUMP__TARGET_STATE__NO_TARGET)) {
		paint_prose(&p, 1, TONE_DIM,
			    "no target: `:attach PID` takes one, `:run PROGRAM` "
			    "starts one; q goes back to the prompt");
		return;
	}
	if (g->cols >= SIDE_BY_SIDE)
		left = g->cols - 40 < LEFT_MAX ? g->cols - 40 : LEFT_MAX;

	struct grid half;

	grid_init(&half, left, g->max_rows);
	half.ascii = g->ascii;
	p.g = &half;
	pipeline_render_left(&p, g->max_rows);
	grid_blit(g, 0, 0, &half);
	grid_deinit(&half);
	if (left == g->cols)
		return;
	grid_init(&half, g->cols - left - 2, g->max_rows);
	half.ascii = g->ascii;
	view_pipes.render(ui, s, &half);
	for (unsigned r = 0; r < g->max_rows; r++)
		grid_putc(g, r, left, TONE_DIM, g->ascii ? U'|' : U'│');
	grid_blit(g, 0, left + 2, &half);
	grid_deinit(&half);
}

static void pipeline_title(const struct ui *ui, const Stepdump__Snapshot *s, char *buf, size_t len)
{
	if (s->n_parents)
		snprintf(buf, len, "dump, parent %s", generation_name(s->parents[0]));
	else if (s->target && !s->watch && s->target->state != STEPDUMP__TARGET_STATE__NO_TARGET)
		snprintf(buf, len, "full dump, no parent");
}

static enum ui_effect pipeline_act(struct ui *ui, enum action a, const Stepdump__Snapshot *s)
{
	const Stepdump__Cursor *c = s ? s->cursor : NULL;

	if (a == ACT_BREAK && c && c->phase > STEPDUMP__PHASE__READY &&
	    c->phase != STEPDUMP__PHASE__GATE && c->phase <= STEPDUMP__PHASE__RESET)
		return toggle_break(ui, s, txt_enum(&stepdump__phase__descriptor, c->phase).s);
	if (a == ACT_BREAK)
		ui_message(ui, TONE_WARN, "no phase is under way: `:break drain` names one");
	return UI_DRAW;
}

static char *pipeline_term(const struct ui *ui, const Stepdump__Snapshot *s)
{
	(void)ui;
	return xasprintf("%s\nunit",
			 s->cursor ? txt_enum(&stepdump__phase__descriptor, s->cursor->phase).s :
				     "ready");
}

const struct view_ops view_pipeline = {
	.want = pipeline_want_both,
	.settle = pipeline_settle,
	.act = pipeline_act,
	.term = pipeline_term,
	.render = pipeline_render,
	.title = pipeline_title,
};
