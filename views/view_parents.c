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

static unsigned parents_strip_width(const struct ui *ui)
{
	unsigned width = ui->cols > PARENTS_COL + 17 ? ui->cols - PARENTS_COL - 1 : 16;

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

/* The page of that column, in the strips of the generations. */
static enum ui_effect parents_click(struct ui *ui, unsigned row, unsigned col,
				    const Stepdump__Snapshot *s)
{
	uint64_t start, end, addr;

	(void)row;
	if (col < PARENTS_COL || !zoom_range(ui, s, parents_strip_width(ui), &start, &end))
		return UI_NOTHING;
	addr = start + ((uint64_t)(col - PARENTS_COL) << ui->place.zoom) * PAGE_BYTES;
	if (addr < end)
		ui->place.addr = addr;
	return UI_LOOK;
}

static char *parents_term(const struct ui *ui, const Stepdump__Snapshot *s)
{
	return s->n_parents ? verdict_here(ui, s) : xstrdup("parent");
}

/* "0C -> this: hole -> pre-1 0B:6 PRESENT -> its pages file, byte 0x4000" */
static void paint_chain(struct paint *p, const struct parents_picture *pic, const struct ui *ui)
{
	const Stepdump__VerdictRun *v = runs_at(&pic->runs, ui->place.addr);
	unsigned col = grid_printf(p->g, p->row, 1, TONE_KEY, "%02lX",
				   ui->place.addr / PAGE_BYTES - pic->origin);

	if (!v || v->verdict != STEPDUMP__VERDICT__HOLE) {
		grid_printf(
			p->g, p->row++, col, TONE_NORMAL, " -> %s",
			!v                          ? "not looked at" :
			verdict_to_pipe(v->verdict) ? "this dump stores it; no parent is asked" :
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
				  " -> %s %02lX:%lu %s", name, e->vaddr / PAGE_BYTES - pic->origin,
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
	struct parents_picture pic = { .rows = rows, .generation = ui->parents.generation };
	const Stepdump__Vma *v = vma_by_index(p->s, ui->place.vma);
	unsigned width = parents_strip_width(ui);
	uint64_t start, end;

	if (!zoom_range(ui, p->s, width, &start, &end))
		return;
	pic.runs = parents_runs(p->s);
	pic.origin = v->start / PAGE_BYTES;
	strip_init(&pic.frame, start / PAGE_BYTES, span_pages(start, end), 1ul << ui->place.zoom,
		   width);
	grid_puts(p->g, p->row, 1, TONE_DIM, "page");
	zoom_axis(p, &pic.frame, PARENTS_COL, pic.origin, ui->place.addr);
	paint_parents(p, &pic);
	if (!p->s->n_parents)
		paint_line(p, TONE_DIM,
			   "no parent: a full dump. `:set parent DIR` before the first step "
			   "makes it an incremental one");
	paint_chain(p, &pic, ui);
	runs_deinit(&pic.runs);
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
	.click = parents_click,
	.term = parents_term,
	.render = parents_render,
	.title = parents_title,
};
