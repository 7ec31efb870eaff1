/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "views/strip.h"

#include <stdio.h>

uint64_t strip_scale(uint64_t nr_pages, unsigned width)
{
	uint64_t per_cell = 1;

	if (!width)
		width = 1;
	while (per_cell < 1ull << 62 && (nr_pages - (nr_pages != 0)) / per_cell >= width)
		per_cell <<= 1;
	return per_cell;
}

void strip_init(struct strip *s, uint64_t first, uint64_t nr_pages, uint64_t per_cell,
		unsigned width)
{
	uint64_t cells = nr_pages / per_cell + (nr_pages % per_cell != 0);

	*s = (struct strip){ .first = first, .nr_pages = nr_pages, .per_cell = per_cell };
	if (width > STRIP_MAX)
		width = STRIP_MAX;
	s->width = cells < width ? (unsigned)cells : width;
}

void strip_fill(struct strip *s, uint64_t first, uint64_t nr_pages, enum tone tone, char32_t ch)
{
	uint64_t end = add_sat(first, nr_pages), s_end = add_sat(s->first, s->nr_pages);

	if (first < s->first)
		first = s->first;
	if (end > s_end)
		end = s_end;
	if (first >= end)
		return;
	for (uint64_t c = (first - s->first) / s->per_cell;
	     c <= (end - 1 - s->first) / s->per_cell && c < s->width; c++) {
		if (s->cells[c].ch && s->cells[c].ch != ch) {
			s->cells[c].ch = U'%';
			s->cells[c].tone = TONE_MIXED;
		} else {
			s->cells[c].ch = ch;
			s->cells[c].tone = tone;
		}
	}
}

void strip_draw(struct paint *p, const struct strip *s, unsigned col, enum tone tone, char32_t rest)
{
	for (unsigned i = 0; i < s->width; i++)
		grid_putc(p->g, p->row, col + i, s->cells[i].ch ? s->cells[i].tone : tone,
			  s->cells[i].ch ?: rest);
}

void strip_axis(struct paint *p, const struct strip *s, unsigned col, uint64_t origin)
{
	char label[24];
	unsigned digits =
		(unsigned)snprintf(label, sizeof(label), "%lX", s->first + s->nr_pages - origin);
	unsigned step = 4;

	if (digits < 2)
		digits = 2;
	while (step < digits + 1)
		step *= 2;
	for (unsigned i = 0; i < s->width; i += step) {
		snprintf(label, sizeof(label), "%0*lX", (int)digits,
			 s->first - origin + i * s->per_cell);
		grid_puts(p->g, p->row, col + i, TONE_DIM, label);
		grid_putc(p->g, p->row + 1, col + i, TONE_DIM, p->o->ascii ? U'|' : U'│');
	}
	p->row += 2;
}
