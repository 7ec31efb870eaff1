/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "views/paint.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/verdict.h"

#define FIELD_COL 17

struct paint paint_begin(const Stepdump__Snapshot *s, const struct pane_opts *o, struct grid *g)
{
	g->ascii = o->ascii;
	return (struct paint){
		.s = s, .o = o, .g = g, .row = g->rows, .base = s->n_vmas ? s->vmas[0]->start : 0
	};
}

void paint_rule(struct paint *p)
{
	for (unsigned col = 0; col < p->g->cols; col++)
		grid_putc(p->g, p->row, col, TONE_DIM, p->o->ascii ? U'-' : U'─');
	p->row++;
}

void paint_blank(struct paint *p)
{
	grid_puts(p->g, p->row++, 0, TONE_NORMAL, "");
}

void paint_line(struct paint *p, enum tone tone, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	AUTO_FREE char *text = xvasprintf(fmt, ap);
	va_end(ap);
	paint_prose(p, 1, tone, text);
}

void paint_cut(struct paint *p, unsigned col, unsigned width, enum tone tone, bool right,
	       const char *text)
{
	unsigned full = grid_text_width(text);

	if (full <= width) {
		grid_puts(p->g, p->row, right ? col + width - full : col, tone, text);
		return;
	}

	AUTO_FREE char *cut = xstrndup(text, grid_text_fit(text, width ? width - 1 : 0));
	col = grid_puts(p->g, p->row, col, tone, cut);
	grid_putc(p->g, p->row, col, TONE_DIM, p->o->ascii ? U'~' : U'…');
}

void paint_prose(struct paint *p, unsigned col, enum tone tone, const char *text)
{
	if (col + 8 > p->g->cols)
		col = p->g->cols > 9 ? 1 : 0;

	unsigned width = p->g->cols - col;

	do {
		size_t len = grid_text_fit(text, width);

		if (text[len]) { /* go back to the last blank, if there is one */
			size_t cut = len;

			while (cut && text[cut] != ' ')
				cut--;
			len = cut ? cut : len ? len : strlen(text);
		}
		AUTO_FREE char *line = xstrndup(text, len);
		grid_puts(p->g, p->row++, col, tone, line);
		text += len;
		while (*text == ' ')
			text++;
	} while (*text);
}

unsigned field_col(const struct paint *p)
{
	return p->field_col ?: FIELD_COL;
}

void paint_field(struct paint *p, const char *label, enum tone tone, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	AUTO_FREE char *text = xvasprintf(fmt, ap);
	va_end(ap);
	grid_puts(p->g, p->row, 1, TONE_DIM, label);
	paint_prose(p, field_col(p), tone, text);
}

static void legend_item(struct paint *p, unsigned *col, const struct legend *l)
{
	unsigned width = 2 + grid_text_width(l->text);

	if (*col > 1 && *col + width > p->g->cols) {
		p->row++;
		*col = 1;
	}
	grid_putc(p->g, p->row, *col, l->tone, l->ch);
	*col = grid_puts(p->g, p->row, *col + 2, TONE_DIM, l->text) + 2;
}

void paint_legend(struct paint *p, const struct legend *items, unsigned nr)
{
	paint_verdict_legend(p, 0, items, nr);
}

void paint_verdict_legend(struct paint *p, uint32_t verdicts, const struct legend *more,
			  unsigned nr)
{
	unsigned col = 1;

	/* Pages that are not scanned yet come last. */
	for (int i = 1; i <= NR_VERDICTS; i++) {
		verdict_t v = (verdict_t)(i % NR_VERDICTS);
		struct legend l = { verdict_tone(v, false), (char32_t)verdict_glyph(v, false),
				    verdict_info(v)->legend };

		if (verdicts & 1u << v)
			legend_item(p, &col, &l);
	}
	for (unsigned i = 0; i < nr; i++)
		legend_item(p, &col, &more[i]);
	if (col > 1)
		p->row++;
}

char32_t glyph_full(const struct paint *p)
{
	return p->o->ascii ? U'#' : U'█';
}

char32_t glyph_plan(const struct paint *p)
{
	return p->o->ascii ? U'-' : U'░';
}

void paint_bar(struct paint *p, unsigned col, unsigned width, enum tone tone, uint64_t part,
	       uint64_t whole, char32_t ch)
{
	if (!whole || !part)
		return;
	if (part > whole)
		part = whole;

	bool eighths = ch == U'█';
	uint64_t fine = (uint64_t)((unsigned __int128)part * width * (eighths ? 8 : 1) / whole);
	unsigned full = (unsigned)(eighths ? fine / 8 : fine), rest = eighths ? fine % 8 : 0;

	if (!fine)
		rest = 1;
	for (unsigned i = 0; i < full; i++)
		grid_putc(p->g, p->row, col + i, tone, ch);
	if (rest && full < width)
		grid_putc(p->g, p->row, col + full, tone, eighths ? U'█' + (8 - rest) : ch);
}

void share_columns(const uint64_t *parts, unsigned nr, unsigned width, unsigned *columns)
{
	unsigned __int128 whole = 0;
	unsigned used = 0, largest = 0;

	for (unsigned i = 0; i < nr; i++) {
		whole += parts[i];
		columns[i] = 0;
		if (parts[i] > parts[largest])
			largest = i;
	}
	if (!whole)
		return;
	for (unsigned i = 0; i < nr; i++) {
		columns[i] = (unsigned)((unsigned __int128)parts[i] * width / whole);
		if (parts[i] && !columns[i])
			columns[i] = 1;
		used += columns[i];
	}
	/* The widest parts absorb the rounding error. */
	if (used < width)
		columns[largest] += width - used;
	for (; used > width; used--) {
		unsigned widest = 0;

		for (unsigned i = 1; i < nr; i++)
			if (columns[i] > columns[widest])
				widest = i;
		columns[widest]--;
	}
}

const Stepdump__Vma *vma_by_index(const Stepdump__Snapshot *s, uint32_t index)
{
	/* Windows of VMAs keep their order, so the index ascends. */
	size_t at = vec_first(s->n_vmas, i, s->vmas[i]->index >= index);

	return at < s->n_vmas && s->vmas[at]->index == index ? s->vmas[at] : NULL;
}

uint64_t span_pages(uint64_t start, uint64_t end)
{
	return end > start ? (end - start) / PAGE_BYTES : 0;
}

void paint_shown_of(struct paint *p, const char *what, uint64_t shown, bool has_all, uint64_t all)
{
	if (has_all && shown < all)
		paint_line(p, TONE_WARN, "%lu of %lu %s shown", shown, all, what);
}
