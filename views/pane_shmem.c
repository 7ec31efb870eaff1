/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared memory objects and their 2-bit page states. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/pane_impl.h"

enum { PST_DONT_DUMP, PST_DUMP, PST_ZERO, PST_DIRTY };

#define LABEL_COL 1
#define STRIP_COL 20

void pane_shmem(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	const struct column columns[] = {
		{ "shmid", .right = true },
		{ .head = "kind" },
		{ "size", .right = true },
		{ "data", .right = true, .drop = 1 },
		{ "maps", .right = true, .drop = 3 },
		{ "dumped", .right = true, .drop = 2 },
		{ "done", .drop = 4 },
		{ "read by", .drop = 6 },
		{ "name", .drop = 5, .min = 10 },
	};
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < s->n_shmem; i++) {
		const Stepdump__Shmem *m = s->shmem[i];

		table_row(t, m, false);
		table_cell(t, TONE_KEY, "%lu", m->shmid);
		table_cell(t, TONE_NORMAL, "%s", str_or_dash(m->kind));
		table_cell(t, TONE_NORMAL, "%s", txt_opt_size(m->has_size_bytes, m->size_bytes).s);
		table_cell(t, TONE_NORMAL, "%s", txt_opt_size(m->has_data_bytes, m->data_bytes).s);
		table_cell(t, TONE_NORMAL, "%zu", m->n_maps);
		table_cell(t, TONE_NORMAL, "%s", txt_opt(m->has_pages_dumped, m->pages_dumped).s);
		table_cell(t, m->done ? TONE_OK : TONE_NORMAL, "%s",
			   !m->has_done ? "-" :
			   m->done      ? "yes" :
					  "no");
		table_cell(t, TONE_NORMAL, "%s", str_or_dash(m->how_read));
		table_cell(t, TONE_NORMAL, "%s", str_or_dash(m->name));
	}
	table_end(t, p, "none: the target shares no memory that is dumped by contents");
	if (s->n_shmem)
		paint_prose(p, 1, TONE_DIM,
			    "data: what SEEK_DATA finds in the object.  dumped: pages written.  "
			    "`show pstate ID` shows page by page");
}

static void pstate_look(uint32_t state, char32_t *ch, enum tone *tone)
{
	static const struct {
		char32_t ch;
		enum tone tone;
	} looks[] = {
		[PST_DONT_DUMP] = { U'.', TONE_ABSENT },
		[PST_DUMP] = { U'd', TONE_HOLE },
		[PST_ZERO] = { U'z', TONE_ZERO },
		[PST_DIRTY] = { U'D', TONE_DUMP },
	};

	*ch = state <= PST_DIRTY ? looks[state].ch : U'?';
	*tone = state <= PST_DIRTY ? looks[state].tone : TONE_WARN;
}

static void pstate_fill(struct strip *st, Stepdump__PstateRun *const *runs, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		char32_t ch;
		enum tone tone;

		pstate_look(runs[i]->state, &ch, &tone);
		strip_fill(st, runs[i]->page, runs[i]->nr_pages, tone, ch);
	}
}

/* The state of one page, and how far from there it stays the same. */
static uint32_t pstate_at(Stepdump__PstateRun *const *runs, size_t nr, uint64_t page,
			  uint64_t *until)
{
	for (size_t i = 0; i < nr; i++) {
		uint64_t end = add_sat(runs[i]->page, runs[i]->nr_pages);

		if (page >= runs[i]->page && page < end) {
			if (end < *until)
				*until = end;
			return runs[i]->state;
		}
		if (runs[i]->page > page && runs[i]->page < *until)
			*until = runs[i]->page;
	}
	return PST_DONT_DUMP;
}

struct shm_verdicts {
	uint64_t to_pipe, holes, zero;
};

/* Mirrors the page loop of do_dump_one_shmem(): the map decides, or the file where it does not. */
static struct shm_verdicts pstate_fill_verdicts(struct strip *st, const Stepdump__Shmem *m,
						uint64_t nr_pages, bool has_parent)
{
	struct shm_verdicts sum = { 0 };
	uint64_t page = 0;

	while (page < nr_pages) {
		uint64_t until = nr_pages;
		uint32_t state = pstate_at(m->pstate, m->n_pstate, page, &until);
		bool data = pstate_at(m->data, m->n_data, page, &until) != 0;
		Stepdump__Verdict v;

		if (state == PST_DONT_DUMP)
			state = data ? PST_DIRTY : PST_ZERO;
		if (state == PST_ZERO) {
			v = STEPDUMP__VERDICT__ZERO;
			sum.zero += until - page;
		} else if (state == PST_DUMP && has_parent) {
			v = STEPDUMP__VERDICT__HOLE;
			sum.holes += until - page;
		} else {
			v = STEPDUMP__VERDICT__DUMP;
			sum.to_pipe += until - page;
		}
		strip_fill(st, page, until - page, verdict_tone(v, false),
			   (char32_t)verdict_glyph(v, false));
		page = until;
	}
	return sum;
}

static void pstate_label(struct paint *p, const char *text)
{
	grid_puts(p->g, p->row, LABEL_COL, TONE_DIM, text);
}

/* What fits right of a strip. */
static void pstate_remark(struct paint *p, const struct strip *st, const char *text)
{
	unsigned col = STRIP_COL + st->width + 2;

	if (col + grid_text_width(text) <= p->g->cols)
		grid_puts(p->g, p->row, col, TONE_DIM, text);
	p->row++;
}

static void paint_map_row(struct paint *p, const struct strip *frame,
			  const Stepdump__PstateContribution *c)
{
	struct strip st;
	char text[96];

	strip_init(&st, frame->first, frame->nr_pages, frame->per_cell, frame->width);
	pstate_fill(&st, c->runs, c->n_runs);
	snprintf(text, sizeof(text), "pid %s +%lX", c->has_pid ? txt_pid(p, c->pid).s : "-",
		 c->off_pages);
	pstate_label(p, text);
	/* Only where this mapping reaches: it contributes nothing elsewhere. */
	for (unsigned i = 0; i < st.width; i++) {
		uint64_t first = st.first + i * st.per_cell;
		bool inside = first + st.per_cell > c->off_pages &&
			      first < add_sat(c->off_pages, c->nr_pages);

		if (st.cells[i].ch || inside)
			grid_putc(p->g, p->row, STRIP_COL + i,
				  st.cells[i].ch ? st.cells[i].tone : TONE_ABSENT,
				  st.cells[i].ch   ? st.cells[i].ch :
				  is_settled(p->s) ? U'_' : /* the tracker has begun again */
						     U'.');
	}
	snprintf(text, sizeof(text), "maps %lX-%lX %s", c->off_pages,
		 add_sat(c->off_pages, c->nr_pages), c->prot ?: "");
	pstate_remark(p, &st, text);
}

void paint_pstate(struct paint *p, const Stepdump__Shmem *m)
{
	uint64_t pages = m->size_bytes / PAGE_BYTES + (m->size_bytes % PAGE_BYTES != 0);
	unsigned width = p->g->cols > STRIP_COL + 10 ? p->g->cols - STRIP_COL - 1 : 8;
	struct strip frame, st;

	if (width > STRIP_MAX)
		width = STRIP_MAX;
	strip_init(&frame, 0, pages, strip_scale(pages, width), width);
	paint_line(p, TONE_TITLE, "object %lu %s%s%s   %lu pages, 1 cell = %lu", m->shmid,
		   m->kind ?: "", m->name ? " " : "", m->name ?: "", pages, frame.per_cell);

	pstate_label(p, "page");
	strip_axis(p, &frame, STRIP_COL, 0);

	st = frame;
	for (size_t i = 0; i < m->n_data; i++)
		strip_fill(&st, m->data[i]->page, m->data[i]->nr_pages, TONE_NORMAL,
			   m->data[i]->state ? U'#' : U'.');
	pstate_label(p, "file data");
	strip_draw(p, &st, STRIP_COL, TONE_ABSENT, U'.');
	pstate_remark(p, &st, "# SEEK_DATA  . hole");
	for (size_t i = 0; i < m->n_maps; i++)
		paint_map_row(p, &frame, m->maps[i]);
	if (m->n_pstate) {
		st = frame;
		pstate_fill(&st, m->pstate, m->n_pstate);
		pstate_label(p, "pstate (OR)");
		strip_draw(p, &st, STRIP_COL, TONE_ABSENT, U'.');
		pstate_remark(p, &st, "0.  1d dump  2z zero  3D dirty");
	}
	st = frame;

	struct shm_verdicts sum = pstate_fill_verdicts(&st, m, pages, p->s->n_parents != 0);

	pstate_label(p, "verdict");
	strip_draw(p, &st, STRIP_COL, TONE_ABSENT, U'.');
	p->row++;
	paint_line(p, TONE_NORMAL, "%lu to pipe, %lu holes, %lu zero: sum %lu pages", sum.to_pipe,
		   sum.holes, sum.zero, pages);
}

void pane_pstate(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	const struct pane_opts *o = p->o;
	size_t shown = 0;

	for (size_t i = 0; i < s->n_shmem; i++) {
		if (o->index >= 0 && s->shmem[i]->shmid != (uint64_t)o->index)
			continue;
		if (shown++)
			paint_blank(p);
		paint_pstate(p, s->shmem[i]);
	}
	if (!shown) {
		paint_prose(p, 1, TONE_DIM,
			    o->index < 0 ? "no shared object is known" :
					   "no shared object with that id");
		return;
	}
	paint_prose(
		p, 1, TONE_DIM,
		"The rule: D dump.  d hole if the parent has it, else dump.  . with data: dump.  "
		". without data: zero, skipped.");
	paint_prose(
		p, 1, TONE_DIM,
		"The map: page n has the bits 2n and 2n+1, 00 do not dump, 01 dump, 10 zero, 11 "
		"dirty; mappings are ORed, so bits are only ever set.");
}
