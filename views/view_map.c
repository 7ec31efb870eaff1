/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The map: above, where we are in the address space; below, the pages around the cursor with
 * the facts behind their verdict.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/verdict.h"
#include "views/map_impl.h"

struct plan {
	uint32_t upper; /* rows of VMAs, or of the continuous map */
	unsigned legend, hex;
	bool inputs; /* present and dirty beside the verdict */
};

static uint32_t map_nr_rows(const struct ui *ui, const Stepdump__Snapshot *s)
{
	return ui->filter.vma ? ui->filter.nr : s ? total_vmas(s) : UINT32_MAX;
}

static struct plan map_share(const struct ui *ui, const Stepdump__Snapshot *s)
{
	unsigned rows = body_rows(ui);
	struct plan p = { .inputs = rows >= 12 };

	p.legend = rows < 12 ? 0 : ui->cols < 110 && rows >= 18 ? 2 : 1;

	p.hex = rows >= 50 ? 8 : rows >= 30 ? 4 : rows >= 18 ? 2 : 0;

	unsigned fixed = 1 + p.legend + zoom_rows(p.inputs) + p.hex;

	p.upper = rows > fixed + 2 ? rows - fixed : 2;
	/* Few VMAs leave room for bytes. */
	if (p.hex && !ui->map.continuous && p.upper > map_nr_rows(ui, s)) {
		p.hex += p.upper - map_nr_rows(ui, s);
		p.upper = map_nr_rows(ui, s);
	}
	return p;
}

/* ---- rows are VMAs, perhaps not all of them ------------------------------------------------ */

static uint32_t map_vma_of_row(const struct ui *ui, uint32_t row)
{
	return !ui->filter.vma     ? row :
	       row < ui->filter.nr ? ui->filter.vma[row] :
				     ui->filter.vma[ui->filter.nr - 1];
}

/* The first row at or behind that VMA. */
static uint32_t map_row_of_vma(const struct ui *ui, uint32_t vma)
{
	uint32_t row;

	if (!ui->filter.vma)
		return vma;
	row = (uint32_t)vec_first(ui->filter.nr, i, ui->filter.vma[i] >= vma);
	return row < ui->filter.nr ? row : ui->filter.nr - 1;
}

static uint32_t map_top_row(const struct ui *ui, const Stepdump__Snapshot *s)
{
	uint32_t top = ui->map.top;

	keep_visible(map_row_of_vma(ui, ui->place.vma), map_share(ui, s).upper, map_nr_rows(ui, s),
		     &top);
	return top;
}

/* The VMAs that are visible, in both layouts. */
static void map_visible(const struct ui *ui, const Stepdump__Snapshot *s, uint32_t *first,
			uint32_t *nr)
{
	if (ui->map.continuous) {
		continuous_window(ui, map_share(ui, s).upper, first, nr);
		return;
	}
	*first = map_top_row(ui, s);
	*nr = map_share(ui, s).upper;
}

static void map_want(const struct ui *ui, const Stepdump__Snapshot *s, struct view_want *w)
{
	uint32_t first, nr;

	map_visible(ui, s, &first, &nr);
	if (!s) {
		w->needs |= SNAP_PMC | SNAP_VMA_COUNTS;
		if (ui->relative)
			want_vmas(w, 0, first ? 1 : 0);
		if (ui->map.continuous)
			want_vmas(w, first, nr);
		for (uint32_t r = first;
		     !ui->map.continuous && r < first + nr && r < map_nr_rows(ui, s); r++)
			want_vmas(w, map_vma_of_row(ui, r), 1);
		return;
	}
	w->peek = ui->place.addr;
	w->peek_len = 32 * map_share(ui, s).hex;
	w->peek_source = byte_source_name(ui->place.bytes);

	uint64_t left = map_pages_max(s) - want_zoom(ui, s, w);

	for (size_t i = 0; i < s->n_vmas; i++) {
		const Stepdump__Vma *v = s->vmas[i];
		uint64_t pages = span_pages(v->start, v->end);

		if (v->index == ui->place.vma || pages > left ||
		    (!ui->map.continuous && pages > map_pages_max(s) / 4))
			continue;
		want_runs(w, v->start, v->end);
		left -= pages;
	}
}

static void map_settle(struct ui *ui, const Stepdump__Snapshot *s)
{
	uint32_t nr = total_vmas(s);
	const Stepdump__Vma *v;

	if (nr && ui->place.vma >= nr)
		ui->place.vma = nr - 1;
	if (ui->filter.vma)
		ui->place.vma = map_vma_of_row(ui, map_row_of_vma(ui, ui->place.vma));
	ui->map.top = map_top_row(ui, s);
	v = vma_by_index(s, ui->place.vma);
	if (v && (ui->place.addr < v->start || ui->place.addr >= v->end))
		ui->place.addr = v->start;
}

static enum ui_effect map_go_to_vma(struct ui *ui, uint32_t vma)
{
	if (vma != ui->place.vma)
		ui->place.addr = 0; /* map_settle() puts it to the start of the VMA */
	ui->place.vma = vma;
	return UI_LOOK;
}

enum ui_effect move_in_vma(struct ui *ui, enum action a, const Stepdump__Snapshot *s)
{
	const Stepdump__Vma *v = s ? vma_by_index(s, ui->place.vma) : NULL;
	uint64_t cell = PAGE_BYTES << (ui->map.continuous && ui->view == VIEW_MAP ?
					       continuous_scale(ui, s, map_share(ui, s).upper) :
					       ui->place.zoom);

	if (!v)
		return UI_NOTHING;
	switch (a) {
	case ACT_LEFT:
		ui->place.addr =
			ui->place.addr - v->start < cell ? v->start : ui->place.addr - cell;
		break;
	case ACT_RIGHT:
		if (v->end - ui->place.addr > cell)
			ui->place.addr += cell;
		break;
	case ACT_LINE_START:
		ui->place.addr = v->start;
		break;
	case ACT_LINE_END:
		ui->place.addr = v->end - PAGE_BYTES;
		break;
	default:
		return UI_NOTHING;
	}
	return UI_LOOK;
}

enum ui_effect zoom_by(struct ui *ui, enum action a, const Stepdump__Snapshot *s)
{
	const Stepdump__Vma *v = s ? vma_by_index(s, ui->place.vma) : NULL;
	bool out = a == ACT_ZOOM_OUT;

	if (ui->map.continuous && ui->view == VIEW_MAP) {
		unsigned scale = continuous_scale(ui, s, map_share(ui, s).upper);

		if (out ? scale < 40 : scale > 0)
			ui->map.scale = scale + (out ? 2 : 0); /* one more than log2, 0 is "fit" */
		return UI_LOOK;
	}
	if (!out && ui->place.zoom)
		ui->place.zoom--;
	else if (out && v && span_pages(v->start, v->end) >> ui->place.zoom > zoom_width(ui))
		ui->place.zoom++;
	return UI_LOOK;
}

enum ui_effect why_here(struct ui *ui)
{
	snprintf(ui->command.line, sizeof(ui->command.line), "why %lx", ui->place.addr);
	ui->command.steps = false;
	return UI_RUN;
}

char *verdict_here(const struct ui *ui, const Stepdump__Snapshot *s)
{
	struct run_index x = runs_index(s);
	const Stepdump__VerdictRun *r = runs_at(&x, ui->place.addr);
	char *term = xasprintf("%s\nvma", r ? verdict_name(r->verdict) : "not-scanned");

	runs_deinit(&x);
	return term;
}

static enum ui_effect map_act(struct ui *ui, enum action a, const Stepdump__Snapshot *s)
{
	uint32_t row = map_row_of_vma(ui, ui->place.vma);
	char where[32];

	switch (a) {
	case ACT_ZOOM_IN:
	case ACT_ZOOM_OUT:
		return zoom_by(ui, a, s);
	case ACT_LAYOUT:
		ui->map.continuous = !ui->map.continuous;
		return UI_LOOK;
	case ACT_SHOW:
		ui->map.channel = (ui->map.channel + 1) % NR_CHANNELS;
		return UI_DRAW;
	case ACT_WHY:
		return why_here(ui);
	case ACT_BREAK:
		snprintf(where, sizeof(where), "%lx", ui->place.addr);
		return s ? toggle_break(ui, s, where) : UI_NOTHING;
	default:
		break;
	}
	if (s && move_rows(a, map_share(ui, s).upper, map_nr_rows(ui, s), &row))
		return map_go_to_vma(ui, map_vma_of_row(ui, row));
	return move_in_vma(ui, a, s);
}

/* The VMA of that row; in the rows of pages below, the page of that column. */
static enum ui_effect map_click(struct ui *ui, unsigned row, unsigned col,
				const Stepdump__Snapshot *s)
{
	struct plan plan = map_share(ui, s);
	unsigned zoom = 1 + plan.upper + plan.legend;
	uint32_t at = ui->map.top + row - 1;
	uint64_t start, end, addr;

	if (row >= 1 && row <= plan.upper && !ui->map.continuous && at < map_nr_rows(ui, s))
		return map_go_to_vma(ui, map_vma_of_row(ui, at));
	if (row < zoom || row >= zoom + zoom_rows(plan.inputs) || col < ZOOM_COL ||
	    !zoom_range(ui, s, zoom_width(ui), &start, &end))
		return UI_NOTHING;
	addr = start + ((uint64_t)(col - ZOOM_COL) << ui->place.zoom) * PAGE_BYTES;
	if (addr < end)
		ui->place.addr = addr;
	return UI_LOOK;
}

/* ---- drawing ------------------------------------------------------------------------------- */

static void map_draw_row_strip(struct paint *p, unsigned col, unsigned width, const void *item,
			       void *ctx)
{
	const Stepdump__Vma *v = item;
	struct map_look *m = ctx;
	struct strip st;

	if (!v) {
		static const char *const heads[] = { "pages", "pages: present", "pages: dirty" };

		grid_puts(p->g, p->row, col, TONE_HEAD, heads[m->channel]);
		return;
	}

	uint64_t pages = span_pages(v->start, v->end);

	/* Two columns for the brackets of a composition, or the mark of a cut row. */
	strip_init(&st, v->start / PAGE_BYTES, pages, m->per_cell, width - 2);
	draw_vma_cells(p, m, v, &st, col);
	if (pages / m->per_cell >= width - 1) {
		grid_putc(p->g, p->row, col + width - 1, TONE_WARN, U'+');
		m->cut = true;
	}
}

static void map_render_rows(struct paint *p, const struct ui *ui, struct map_look *m, uint32_t rows)
{
	unsigned strip = p->g->cols > 46 ? p->g->cols - 42 : 8, head = p->row;
	const struct column columns[] = {
		{ "start", .right = true },
		{ "size", .right = true },
		{ "prot", .drop = 2 },
		{ "kind", .drop = 1, .min = 8 },
		{ "", .min = 10, .grow = 250, .draw = map_draw_row_strip, .ctx = m },
	};
	struct table *t = TABLE_NEW(columns);
	AUTO_FREE Stepdump__Vma **shown = xcalloc(rows, sizeof(*shown));
	uint32_t nr = 0, top = ui->map.top, mark = UINT32_MAX;
	for (uint32_t r = top; r < top + rows && r < map_nr_rows(ui, p->s); r++) {
		const Stepdump__Vma *v = vma_by_index(p->s, map_vma_of_row(ui, r));

		if (!v)
			continue;
		if (v->index == ui->place.vma)
			mark = nr;
		shown[nr++] = (Stepdump__Vma *)v;
		table_row(t, v, at_vma(p->s, v));
		table_cell(t, TONE_ADDR, "%s", txt_addr(p, v->start).s);
		table_cell(t, TONE_NORMAL, "%s", txt_pages(span_pages(v->start, v->end)).s);
		table_cell(t, TONE_NORMAL, "%s", v->prot);
		table_cell(t, TONE_KEY, "%s", v->kind);
	}
	m->per_cell =
		strip_scale(longest_that_counts(shown, nr), strip < STRIP_MAX ? strip : STRIP_MAX);
	table_end(t, p, "none");
	/* The strip keeps its colours: the cursor is on the words. */
	if (mark != UINT32_MAX)
		mark_row(p->g, head + 1 + mark, 0, 15);
}

static void map_legend_rows(struct paint *p, const void *ctx)
{
	map_legend(p, ctx);
}

static void map_render(const struct ui *ui, const Stepdump__Snapshot *s, struct grid *g)
{
	struct pane_opts o = view_opts(ui);
	struct paint p = view_paint(ui, &o, s, g);
	struct map_look m = { .index = runs_index(s), .channel = ui->map.channel };
	struct plan plan = map_share(ui, s);

	if (!total_vmas(s)) {
		paint_prose(&p, 1, TONE_DIM, "no VMAs: no target is attached (`:attach PID`)");
		runs_deinit(&m.index);
		return;
	}
	if (ui->map.continuous)
		render_continuous(&p, ui, &m, plan.upper);
	else
		map_render_rows(&p, ui, &m, plan.upper);
	p.row = 1 + plan.upper;
	if (plan.legend)
		paint_first_rows(&p, plan.legend, map_legend_rows, &m);
	render_zoom(&p, ui, &m.index, plan.inputs);
	if (plan.hex)
		paint_hex(&p, ui->place.addr, plan.hex);
	runs_deinit(&m.index);
}

static void map_title(const struct ui *ui, const Stepdump__Snapshot *s, char *buf, size_t len)
{
	if (ui->filter.vma)
		snprintf(buf, len, "%u of %u VMAs, with \"%s\"", ui->filter.nr, total_vmas(s),
			 ui->filter.text[VIEW_MAP]);
	else
		snprintf(buf, len, "VMA %u of %u", ui->place.vma, total_vmas(s));
}

const struct view_ops view_map = {
	.want = map_want,
	.settle = map_settle,
	.act = map_act,
	.click = map_click,
	.term = verdict_here,
	.render = map_render,
	.title = map_title,
};
