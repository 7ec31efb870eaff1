/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cells of VMAs, and the continuous map: all VMAs one behind the other, gaps left out. */
#include <stdlib.h>
#include <string.h>

#include "proto/verdict.h"
#include "views/map_impl.h"

#define ADDR_COL 1
#define CELLS_COL 15
#define MAX_VMAS 2048 /* of one picture */

/* PAGEMAP_SCAN answers in regions; pread copies 8 bytes for each page, and is many times slower. */
uint64_t map_pages_max(const Stepdump__Snapshot *s)
{
	return s->pmc && s->pmc->mode && !strcmp(s->pmc->mode, "scan") ? 1ul << 18 : 1ul << 15;
}

void draw_vma_cells(struct paint *p, struct map_look *m, const Stepdump__Vma *v, struct strip *st,
		    unsigned col)
{
	bool known = runs_covered(&m->index, v->start, v->end) == span_pages(v->start, v->end);
	uint32_t counted = verdicts_of(v->counts, v->n_counts);
	int at;

	/* The runs were too many, and end before the VMA does: shares are right, but not all places
	 * are known. */
	if (!known && counted && m->channel == CHANNEL_VERDICT) {
		draw_composition(p, v, col, st->width, &m->look.verdicts);
		m->composition = true;
		return;
	}
	switch (m->channel) {
	case CHANNEL_PRESENT:
		runs_fill_present(&m->index, st, v->start, v->end);
		break;
	case CHANNEL_DIRTY:
		runs_fill_dirty(&m->index, st, v->start, v->end);
		break;
	default:
		runs_fill(&m->index, st, v->start, v->end, &m->look);
	}
	strip_draw(p, st, col + 1, TONE_UNSCANNED, m->channel == CHANNEL_VERDICT ? U'_' : U'?');
	for (unsigned i = 0; i < st->width; i++)
		if (!st->cells[i].ch)
			m->look.verdicts |= 1u << STEPDUMP__VERDICT__NOT_SCANNED;
	at = engine_column(p->s, st, col + 1);
	if (at >= 0) {
		grid_putc(p->g, p->row, (unsigned)at, TONE_ENGINE, U'>');
		m->engine = true;
	}
}

void map_legend(struct paint *p, const struct map_look *m)
{
	struct legend more[20];
	unsigned nr = 0;

	/* Pages that are not scanned yet come last. */
	for (int i = 1; i <= NR_VERDICTS; i++) {
		verdict_t v = (verdict_t)(i % NR_VERDICTS);

		if (m->channel == CHANNEL_VERDICT && m->look.verdicts & 1u << v)
			more[nr++] = (struct legend){ verdict_tone(v, false),
						      (char32_t)verdict_glyph(v, false),
						      verdict_info(v)->brief };
	}

	if (m->channel != CHANNEL_VERDICT)
		more[nr++] = m->channel == CHANNEL_PRESENT ?
				     (struct legend){ TONE_NORMAL, U'p', "present" } :
				     (struct legend){ TONE_CHANGED, U'd',
						      is_settled(p->s) ? "dirty since this dump" :
									 "dirty since the parent" };
	if (m->look.lazy)
		more[nr++] = (struct legend){ TONE_LAZY, U'L', "pipe, lazy" };
	if (m->engine)
		more[nr++] = (struct legend){ TONE_ENGINE, U'>', "engine" };
	if (m->look.mixed)
		more[nr++] = (struct legend){ TONE_MIXED, U'%', "mixed" };
	if (m->composition)
		more[nr++] = (struct legend){ TONE_DIM, U'(', ") shares" };
	if (m->cut)
		more[nr++] = (struct legend){ TONE_WARN, U'+', "cut" };
	paint_legend(p, more, nr);
}

/* ---- the continuous map -------------------------------------------------------------------- */

static unsigned cells_wide(unsigned cols)
{
	return cols > CELLS_COL + 9 ? cols - CELLS_COL - 1 : 8;
}

/* Pages of VMAs, so that a VMA is always in the same picture, wherever the cursor is in it. */
void continuous_window(const struct ui *ui, uint32_t rows, uint32_t *first, uint32_t *nr)
{
	uint32_t room = rows * cells_wide(ui->cols) / 2;

	if (room > MAX_VMAS)
		room = MAX_VMAS;
	*first = ui->place.vma / room * room;
	*nr = room;
}

/* Cells that the VMAs take: at least one each, and a blank between. */
static uint64_t cells_needed(const Stepdump__Snapshot *s, uint32_t first, uint32_t nr,
			     unsigned scale)
{
	uint64_t cells = 0;

	for (size_t i = 0; i < s->n_vmas; i++) {
		const Stepdump__Vma *v = s->vmas[i];

		if (v->index >= first && v->index - first < nr)
			cells += ((span_pages(v->start, v->end) + (1ul << scale) - 1) >> scale) + 1;
	}
	return cells;
}

unsigned continuous_scale(const struct ui *ui, const Stepdump__Snapshot *s, uint32_t rows)
{
	uint32_t first, nr;
	unsigned scale = 0;

	if (ui->map.scale)
		return ui->map.scale - 1;
	continuous_window(ui, rows, &first, &nr);
	while (scale < 40 &&
	       cells_needed(s, first, nr, scale) > (uint64_t)rows * cells_wide(ui->cols))
		scale++;
	return scale;
}

/* The position of a cell in a picture that is as wide as the screen and has no end below. */
static uint64_t cells_before(const Stepdump__Snapshot *s, const struct ui *ui, uint32_t first,
			     uint32_t nr, unsigned scale)
{
	const Stepdump__Vma *v = vma_by_index(s, ui->place.vma);
	uint64_t before =
		ui->place.vma > first ? cells_needed(s, first, ui->place.vma - first, scale) : 0;

	if (nr && v && ui->place.addr >= v->start)
		before += (ui->place.addr - v->start) / PAGE_BYTES >> scale;
	return before;
}

/* One VMA's cells in [from, to) of the endless picture, row by row. */
static void cells_draw_part(struct paint *p, struct map_look *m, const Stepdump__Vma *v,
			    uint64_t at, uint64_t from, uint64_t to, unsigned width, unsigned scale)
{
	uint64_t cells = (span_pages(v->start, v->end) + (1ul << scale) - 1) >> scale;
	uint64_t cell = at < from ? from - at : 0;
	unsigned top = p->row;

	while (cell < cells && at + cell < to) {
		uint64_t place = at + cell - from, room = width - place % width;
		uint64_t start = v->start + (cell << scale) * PAGE_BYTES;
		uint64_t n = cells - cell < room ? cells - cell : room;
		uint64_t pages = span_pages(start, v->end);
		struct strip st;
		struct grid line;
		struct paint inner = *p;

		pages = pages < n << scale ? pages : n << scale;
		strip_init(&st, start / PAGE_BYTES, pages, 1ul << scale, (unsigned)n);

		/* draw_vma_cells() wants room for brackets on both sides. */
		grid_init(&line, (unsigned)n + 2, 1);
		line.ascii = p->g->ascii;
		inner.g = &line;
		inner.row = 0;
		draw_vma_cells(&inner, m, v, &st, 0);
		p->row = top + (unsigned)(place / width);
		for (unsigned i = 0; i < st.width && i + 1 < line.cols && line.rows; i++)
			grid_putc(p->g, p->row, CELLS_COL + (unsigned)(place % width) + i,
				  line.cells[i + 1].tone, line.cells[i + 1].ch);
		/* The first one of a row, or the first after the blank that ends another VMA. */
		if (place % width <= 1)
			grid_puts(p->g, p->row, ADDR_COL, TONE_ADDR, txt_addr(p, start).s);
		grid_deinit(&line);
		cell += st.width ? st.width : 1;
	}
	p->row = top;
}

void render_continuous(struct paint *p, const struct ui *ui, struct map_look *m, uint32_t rows)
{
	uint32_t first, nr;
	unsigned width = cells_wide(p->g->cols), scale = continuous_scale(ui, p->s, rows), col,
		 head;
	uint64_t at = 0, from, cursor, all;

	continuous_window(ui, rows, &first, &nr);
	m->per_cell = 1ul << scale;
	cursor = cells_before(p->s, ui, first, nr, scale);
	all = cells_needed(p->s, first, nr, scale);
	from = cursor / width > rows / 2 && all > (uint64_t)rows * width ?
		       (cursor / width - rows / 2) * width :
		       0;
	head = p->row;
	col = grid_printf(p->g, head, 1, TONE_HEAD, "one map, gaps left out   1 cell = %s",
			  txt_pages(m->per_cell).s);
	if (total_vmas(p->s) > nr)
		col = grid_printf(p->g, head, col + 3, TONE_DIM, "VMAs %u to %u", first,
				  first + nr - 1);
	p->row++;
	for (size_t i = 0; i < p->s->n_vmas; i++) {
		const Stepdump__Vma *v = p->s->vmas[i];

		if (v->index < first || v->index - first >= nr)
			continue;
		cells_draw_part(p, m, v, at, from, from + (uint64_t)rows * width, width, scale);
		at += ((span_pages(v->start, v->end) + (1ul << scale) - 1) >> scale) + 1;
	}
	if (m->composition) /* there is no room for the brackets */
		grid_puts(p->g, head, col + 3, TONE_WARN, "large VMAs: shares, not places");
	m->composition = false;
	if (cursor >= from && cursor - from < (uint64_t)rows * width) {
		unsigned row = p->row + (unsigned)((cursor - from) / width);

		tone_cells(p->g, row, CELLS_COL + (unsigned)((cursor - from) % width), 1,
			   TONE_CURSOR);
		grid_putc(p->g, row, 0, TONE_CURSOR, U'*');
	}
}
