/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Generations above each other on one axis, so that "is this hole covered?" is a look straight
 * down; below, a shared object and what each mapping says of its pages.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/verdict.h"
#include "views/map_impl.h"

#define STRIP_COL 18

static unsigned parents_strip_width(const struct ui *ui)
{
	unsigned width = ui->cols > STRIP_COL + 17 ? ui->cols - STRIP_COL - 1 : 16;

	width -= width % 16;
	return width > STRIP_MAX ? STRIP_MAX : width;
}

static void parents_want(const struct ui *ui, const Stepdump__Snapshot *s, struct view_want *w)
{
	uint64_t start, end;

	if (!s) {
		w->needs |= SNAP_SHMEM | SNAP_XFER | SNAP_PMC;
		if (ui->relative)
			want_vmas(w, 0, ui->place.vma ? 1 : 0);
		want_vmas(w, ui->place.vma, 1);
		if (body_rows(ui) >= 24) {
			w->peek = ui->place.addr;
			w->peek_len = 64;
			w->peek_source = byte_source_name(ui->place.bytes);
		}
		return;
	}
	/* The entries of the generations come with the range. */
	w->needs |= SNAP_PARENTS;
	const Stepdump__Vma *v = vma_by_index(s, ui->place.vma);

	/* To find its first hole, all of the VMA has to be seen once. */
	if (v && ui->find.to_hole && span_pages(v->start, v->end) <= map_pages_max(s)) {
		want_runs(w, v->start, v->end);
		return;
	}
	if (zoom_range(ui, s, parents_strip_width(ui), &start, &end) &&
	    span_pages(start, end) <= map_pages_max(s))
		want_runs(w, start, end);
}

static void parents_settle(struct ui *ui, const Stepdump__Snapshot *s)
{
	uint32_t nr = total_vmas(s);
	const Stepdump__Vma *v;

	if (nr && ui->place.vma >= nr)
		ui->place.vma = nr - 1;
	v = vma_by_index(s, ui->place.vma);
	if (v && (ui->place.addr < v->start || ui->place.addr >= v->end))
		ui->place.addr = v->start;
	if (ui->parents.shmem >= s->n_shmem)
		ui->parents.shmem = 0;
	if (ui->parents.generation >= s->n_parents)
		ui->parents.generation = s->n_parents ? (uint32_t)s->n_parents - 1 : 0;
}

static enum ui_effect parents_act(struct ui *ui, enum action a, const Stepdump__Snapshot *s)
{
	uint32_t vma = ui->place.vma;
	char where[32];

	switch (a) {
	case ACT_ZOOM_IN:
	case ACT_ZOOM_OUT:
		return zoom_by(ui, a, s);
	case ACT_WHY:
		return why_here(ui);
	case ACT_OLDER:
		ui->parents.generation += s && ui->parents.generation + 1 < s->n_parents;
		return UI_DRAW;
	case ACT_NEWER:
		ui->parents.generation -= ui->parents.generation > 0;
		return UI_DRAW;
	case ACT_SHMEM:
		ui->parents.shmem++;
		return UI_LOOK;
	case ACT_BREAK:
		snprintf(where, sizeof(where), "%lx", ui->place.addr);
		return s ? toggle_break(ui, s, where) : UI_NOTHING;
	default:
		break;
	}
	if (s && move_rows(a, 10, total_vmas(s), &vma)) {
		ui->place.addr = vma != ui->place.vma ? 0 : ui->place.addr;
		ui->place.vma = vma;
		return UI_LOOK;
	}
	return move_in_vma(ui, a, s);
}

/* ---- strips -------------------------------------------------------------------------------- */

struct rows {
	struct paint *p;
	const struct strip *frame;
	struct run_index index;
	uint64_t start, end, origin; /* addresses; page number that counts as 0 */
};

static void draw_row(struct rows *r, const char *label, const struct strip *st, enum tone tone,
		     char32_t rest, const char *remark)
{
	struct paint *p = r->p;
	unsigned col = STRIP_COL + st->width + 2;

	paint_cut(p, 2, STRIP_COL - 3, TONE_DIM, false, label);
	strip_draw(p, st, STRIP_COL, tone, rest);
	if (col + grid_text_width(remark) < p->g->cols)
		grid_puts(p->g, p->row, col, TONE_DIM, remark);
	p->row++;
}

static void draw_task(struct rows *r)
{
	struct strip st = *r->frame;
	bool tracked = false;

	for (size_t i = 0; i < r->index.nr; i++) {
		const Stepdump__VerdictRun *v = r->index.runs[i];

		tracked |= v->has_dirty;
		strip_fill(&st, v->start / PAGE_BYTES, v->nr_pages,
			   !v->present ? TONE_ABSENT :
			   v->dirty    ? TONE_CHANGED :
					 TONE_NORMAL,
			   !v->present ? U'.' :
			   v->dirty    ? U'+' :
					 U'o');
	}
	draw_row(r, "task now", &st, TONE_UNSCANNED, U'_',
		 tracked ? "o old  + new since parent" : "o present (no tracker)");
}

/* "05:1 0F:3 17:2", in the notation of the page-pipe header; pages, if they are too many. */
static void list_runs(struct rows *r, bool holes, char *buf, size_t len)
{
	uint64_t pages = 0;
	unsigned nr = 0;
	size_t at = 0;

	for (size_t i = 0; i < r->index.nr; i++) {
		const Stepdump__VerdictRun *v = r->index.runs[i];

		if (holes ? v->verdict != STEPDUMP__VERDICT__HOLE : !verdict_is_data(v->verdict))
			continue;
		pages = add_sat(pages, v->nr_pages);
		if (++nr <= 4 && at < len)
			at += (size_t)snprintf(buf + at, len - at, " %02lX:%lu",
					       v->start / PAGE_BYTES - r->origin, v->nr_pages);
	}
	if (nr > 4 || !nr)
		snprintf(buf, len, " %lu pages", pages);
}

static void draw_pipes(struct rows *r)
{
	struct strip st = *r->frame;
	char text[96] = "bufs ";

	for (size_t i = 0; i < r->index.nr; i++)
		if (verdict_is_data(r->index.runs[i]->verdict))
			strip_fill(&st, r->index.runs[i]->start / PAGE_BYTES,
				   r->index.runs[i]->nr_pages, TONE_DUMP, U'#');
	list_runs(r, false, text + 4, sizeof(text) - 4);
	draw_row(r, "this: pipes", &st, TONE_ABSENT, U'.', text);
}

static void draw_holes(struct rows *r)
{
	struct strip st = *r->frame;
	char text[96] = "holes ";

	for (size_t i = 0; i < r->index.nr; i++)
		if (r->index.runs[i]->verdict == STEPDUMP__VERDICT__HOLE)
			strip_fill(&st, r->index.runs[i]->start / PAGE_BYTES,
				   r->index.runs[i]->nr_pages, TONE_HOLE, U'=');
	list_runs(r, true, text + 5, sizeof(text) - 5);
	draw_row(r, "this: holes", &st, TONE_ABSENT, U'.', text);
}

static void draw_pagemap(struct rows *r)
{
	const Stepdump__Xfer *x = r->p->s->xfer;
	struct strip st = *r->frame;
	char text[160];

	if (!x)
		return;
	fill_entries(&st, x->recent, x->n_recent);
	snprintf(text, sizeof(text), "%s entries, %s pages out",
		 txt_opt(x->has_entries, x->entries).s,
		 txt_opt(x->has_pages_written, x->pages_written).s);
	draw_row(r, "this: pagemap", &st, TONE_ABSENT, U'.', text);
}

const char *generation_name(const Stepdump__ParentGeneration *g)
{
	const char *name = str_or_dash(g->dir), *slash = strrchr(name, '/');

	return slash && slash[1] ? slash + 1 : name;
}

static void draw_generations(struct rows *r, const struct ui *ui, unsigned max)
{
	const Stepdump__Snapshot *s = r->p->s;
	size_t first = 0;

	if (s->n_parents > max && ui->parents.generation >= max)
		first = ui->parents.generation - max + 1;
	for (size_t i = first; i < s->n_parents && i < first + max; i++) {
		const Stepdump__ParentGeneration *g = s->parents[i];
		struct strip st = *r->frame;
		char text[160];

		if (i == ui->parents.generation && s->n_parents > 1)
			grid_putc(r->p->g, r->p->row, 0, TONE_CURSOR, U'*');
		fill_entries(&st, g->runs, g->n_runs);
		snprintf(text, sizeof(text), "%s entries, %s stored",
			 txt_opt(g->has_entries, g->entries).s,
			 txt_opt(g->has_pages_stored, g->pages_stored).s);
		draw_row(r, generation_name(g), &st, TONE_ABSENT, U'.', text);
	}
}

static void draw_needed(struct rows *r)
{
	const Stepdump__ParentGeneration *direct = r->p->s->parents[0];
	struct strip st = *r->frame;
	uint64_t needed = 0, found = 0;
	char text[160];

	for (size_t i = 0; i < r->index.nr; i++) {
		const Stepdump__VerdictRun *v = r->index.runs[i];
		uint64_t covered;

		if (v->verdict != STEPDUMP__VERDICT__HOLE)
			continue;
		covered = covered_pages(direct->runs, direct->n_runs, v->start, run_end(v));
		needed = add_sat(needed, v->nr_pages);
		found = add_sat(found, covered);
		strip_fill(&st, v->start / PAGE_BYTES, v->nr_pages,
			   covered == v->nr_pages ? TONE_OK : TONE_BAD,
			   covered == v->nr_pages ? U'^' : U'?');
	}
	snprintf(text, sizeof(text), "%lu of %lu found in parent", found, needed);
	draw_row(r, "needed", &st, TONE_ABSENT, U'.', text);
}

static const Stepdump__PagemapEntry *entry_at(const Stepdump__ParentGeneration *g, uint64_t addr)
{
	for (size_t k = 0; k < g->n_runs; k++)
		if (addr >= g->runs[k]->vaddr &&
		    (addr - g->runs[k]->vaddr) / PAGE_BYTES < g->runs[k]->nr_pages)
			return g->runs[k];
	return NULL;
}

/* "0C -> this: hole -> pre-1 0B:6 PRESENT -> its pages file, byte 0x4000" */
static void paint_chain(struct rows *r, const struct ui *ui)
{
	struct paint *p = r->p;
	const Stepdump__VerdictRun *v = runs_at(&r->index, ui->place.addr);
	unsigned col = grid_printf(p->g, p->row, 1, TONE_KEY, "%02lX",
				   ui->place.addr / PAGE_BYTES - r->origin);

	if (!v || v->verdict != STEPDUMP__VERDICT__HOLE) {
		grid_printf(
			p->g, p->row++, col, TONE_NORMAL, " -> %s",
			!v                          ? "not looked at" :
			verdict_is_data(v->verdict) ? "this dump stores it; no parent is asked" :
			v->verdict == STEPDUMP__VERDICT__NOT_SCANNED ? "not scanned yet" :
								       "skipped: nobody stores it");
		return;
	}
	col = grid_puts(p->g, p->row, col, TONE_HOLE, " -> this: PARENT");
	for (size_t i = 0; i < p->s->n_parents; i++) {
		const Stepdump__ParentGeneration *g = p->s->parents[i];
		const Stepdump__PagemapEntry *e = entry_at(g, ui->place.addr);
		const char *name = generation_name(g);

		if (!e) {
			grid_printf(p->g, p->row, col, TONE_BAD, " -> %s: NO ENTRY", name);
			break;
		}
		col = grid_printf(p->g, p->row, col, entry_in_parent(e) ? TONE_HOLE : TONE_OK,
				  " -> %s %02lX:%lu %s", name, e->vaddr / PAGE_BYTES - r->origin,
				  e->nr_pages, entry_in_parent(e) ? "PARENT" : "PRESENT");
		if (entry_in_parent(e))
			continue;
		if (e->has_pages_off)
			grid_printf(p->g, p->row, col, TONE_OK, " -> pages file, byte 0x%lx",
				    e->pages_off + (ui->place.addr - e->vaddr));
		break;
	}
	p->row++;
}

static void paint_strips(struct paint *p, const struct ui *ui, unsigned rows)
{
	struct strip frame;
	struct rows r = { .p = p, .frame = &frame, .index = runs_index(p->s) };
	const Stepdump__Vma *v = vma_by_index(p->s, ui->place.vma);
	unsigned generations = rows > 14 ? rows - 14 + 2 : 2;

	if (!zoom_range(ui, p->s, parents_strip_width(ui), &r.start, &r.end)) {
		runs_deinit(&r.index);
		return;
	}
	r.origin = v->start / PAGE_BYTES;
	strip_init(&frame, r.start / PAGE_BYTES, span_pages(r.start, r.end), 1ul << ui->place.zoom,
		   parents_strip_width(ui));
	grid_puts(p->g, p->row, 2, TONE_DIM, "page");
	zoom_axis(p, &frame, STRIP_COL, r.origin, ui->place.addr);
	draw_task(&r);
	if (rows >= 10)
		draw_pipes(&r);
	draw_holes(&r);
	if (rows >= 12)
		draw_pagemap(&r);
	draw_generations(&r, ui, generations > 6 ? 6 : generations);
	if (p->s->n_parents)
		draw_needed(&r);
	else
		paint_line(p, TONE_DIM,
			   "no parent: a full dump. `:set parent DIR` before the first step "
			   "makes it an incremental one");
	paint_chain(&r, ui);
	runs_deinit(&r.index);
}

static void paint_object(struct paint *p, const struct ui *ui)
{
	const Stepdump__Snapshot *s = p->s;
	unsigned col;

	for (unsigned c = 0; c < p->g->cols; c++)
		grid_putc(p->g, p->row, c, TONE_DIM, ui->ascii ? U'-' : U'─');
	col = grid_printf(p->g, p->row, 1, TONE_TITLE, " PSTATE  shared object %u of %zu ",
			  ui->parents.shmem + 1, s->n_shmem);
	if (s->n_shmem > 1)
		grid_puts(p->g, p->row, col, TONE_DIM, " p: the next ");
	p->row++;
	paint_pstate(p, s->shmem[ui->parents.shmem]);
	if (p->row < p->g->max_rows)
		grid_puts(p->g, p->row++, 1, TONE_DIM,
			  "D: dump   d: hole if parent   . + data: dump   . + hole: zero, skip");
}

static void parents_render(const struct ui *ui, const Stepdump__Snapshot *s, struct grid *g)
{
	struct pane_opts o = view_opts(ui);
	struct paint p = view_paint(ui, &o, s, g);

	if (!total_vmas(s)) {
		paint_prose(&p, 1, TONE_DIM, "no VMAs: no target is attached (`:attach PID`)");
		return;
	}
	paint_strips(&p, ui, g->max_rows);
	if (s->n_peeks && g->max_rows >= 24)
		paint_hex(&p, ui->place.addr, 4);
	if (p.row + 6 <= g->max_rows && ui->parents.shmem < s->n_shmem) {
		p.row += p.row + 11 <= g->max_rows;
		paint_object(&p, ui);
	}
}

static void parents_title(const struct ui *ui, const Stepdump__Snapshot *s, char *buf, size_t len)
{
	const Stepdump__Vma *v = vma_by_index(s, ui->place.vma);
	size_t n = 0;

	for (size_t i = 0; i < s->n_parents && i < 2 && n < len; i++)
		n += (size_t)snprintf(buf + n, len - n, "%s%s", i ? " -> " : "this -> ",
				      generation_name(s->parents[i]));
	if (v && n < len)
		snprintf(buf + n, len - n, "%sVMA %u %s", n ? "   " : "", v->index, v->kind);
}

const struct view_ops view_parents = {
	.want = parents_want,
	.settle = parents_settle,
	.act = parents_act,
	.render = parents_render,
	.title = parents_title,
};
