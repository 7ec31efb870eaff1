/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "views/grid.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "views/theme.h"

void grid_init(struct grid *g, unsigned cols, unsigned max_rows)
{
	*g = (struct grid){ .cols = cols ? cols : 1, .max_rows = max_rows };
}

void grid_deinit(struct grid *g)
{
	free(g->cells);
	*g = (struct grid){ .cols = g->cols, .max_rows = g->max_rows };
}

static bool grid_reach(struct grid *g, unsigned row)
{
	if (g->max_rows && row >= g->max_rows)
		return false;
	if (row < g->rows)
		return true;

	size_t want = ((size_t)row + 1) * g->cols;

	if (want > g->cap) {
		size_t cap = want + want / 2;
		g->cells = xreallocarray(g->cells, cap, sizeof(*g->cells));
		g->cap = cap;
	}
	for (size_t i = (size_t)g->rows * g->cols; i < want; i++)
		g->cells[i] = (struct cell){ .ch = ' ' };
	g->rows = row + 1;
	return true;
}

/* With the locale's wcwidth() the same snapshot could look different on two machines. */
static unsigned char_width(char32_t c)
{
	static const struct {
		char32_t first, last;
	} wide[] = {
		{ 0x1100, 0x115f },   { 0x231a, 0x231b },   { 0x2329, 0x232a },
		{ 0x2e80, 0x303e },   { 0x3041, 0xa4cf },   { 0xa960, 0xa97c },
		{ 0xac00, 0xd7a3 },   { 0xf900, 0xfaff },   { 0xfe30, 0xfe6f },
		{ 0xff01, 0xff60 },   { 0xffe0, 0xffe6 },   { 0x1f300, 0x1f64f },
		{ 0x1f680, 0x1f6ff }, { 0x1f900, 0x1f9ff }, { 0x20000, 0x3fffd },
	};

	for (size_t i = 0; i < sizeof(wide) / sizeof(*wide); i++)
		if (c >= wide[i].first && c <= wide[i].last)
			return 2;
	return 1;
}

/* Characters that move the cursor, join their neighbour or reorder the line. */
static bool char_is_plain(char32_t c)
{
	static const struct {
		char32_t first, last;
	} odd[] = {
		{ 0x00, 0x1f },     { 0x7f, 0x9f },     { 0xad, 0xad },     { 0x300, 0x36f },
		{ 0x483, 0x489 },   { 0x591, 0x5c7 },   { 0x600, 0x605 },   { 0x610, 0x61a },
		{ 0x61c, 0x61c },   { 0x64b, 0x65f },   { 0x200b, 0x200f }, { 0x2028, 0x202e },
		{ 0x2060, 0x206f }, { 0x20d0, 0x20f0 }, { 0xd800, 0xdfff }, { 0xfe00, 0xfe0f },
		{ 0xfe20, 0xfe2f }, { 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, { 0xe0000, 0xe0fff },
	};

	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++)
		if (c >= odd[i].first && c <= odd[i].last)
			return false;
	return c <= 0x10ffff;
}

/* Decodes one character; a byte that is not UTF-8 counts as one '?'. */
static char32_t utf8_next(const char **text)
{
	const unsigned char *s = (const unsigned char *)*text;
	unsigned more = s[0] >= 0xf0 ? 3 : s[0] >= 0xe0 ? 2 : 1;
	static const char32_t least[] = { 0, 0x80, 0x800, 0x10000 };

	*text += 1;
	if (s[0] < 0x80)
		return s[0];
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return '?';

	char32_t c = s[0] & (0x3fu >> more);

	for (unsigned i = 1; i <= more; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return '?';
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return '?';
	*text += more;
	return c;
}

/* Writes one character and returns its width, 0 if it does not fit. */
static unsigned grid_set(struct grid *g, unsigned row, unsigned col, enum tone tone, char32_t ch)
{
	if (!char_is_plain(ch) || (g->ascii && ch > 0x7e))
		ch = '?';

	unsigned width = char_width(ch);

	if (col >= g->cols || width > g->cols - col || !grid_reach(g, row))
		return 0;

	struct cell *line = g->cells + (size_t)row * g->cols;

	/* Half of a double-width character must not stay behind. */
	if (col && line[col].ch == 0)
		line[col - 1].ch = ' ';
	if (col + width < g->cols && line[col + width].ch == 0)
		line[col + width].ch = ' ';
	line[col] = (struct cell){ .ch = ch, .tone = (uint8_t)tone };
	if (width == 2)
		line[col + 1] = (struct cell){ .ch = 0, .tone = (uint8_t)tone };
	return width;
}

void grid_putc(struct grid *g, unsigned row, unsigned col, enum tone tone, char32_t ch)
{
	grid_set(g, row, col, tone, ch);
}

unsigned grid_puts(struct grid *g, unsigned row, unsigned col, enum tone tone, const char *text)
{
	grid_reach(g, row);
	while (*text) {
		unsigned width = grid_set(g, row, col, tone, utf8_next(&text));

		if (!width)
			break;
		col += width;
	}
	return col;
}

unsigned grid_printf(struct grid *g, unsigned row, unsigned col, enum tone tone, const char *fmt,
		     ...)
{
	va_list ap;

	va_start(ap, fmt);
	AUTO_FREE char *text = xvasprintf(fmt, ap);
	va_end(ap);
	return grid_puts(g, row, col, tone, text);
}

unsigned grid_text_width(const char *text)
{
	unsigned width = 0;

	while (*text) {
		char32_t c = utf8_next(&text);

		width += char_is_plain(c) ? char_width(c) : 1;
	}
	return width;
}

size_t grid_text_fit(const char *text, unsigned width)
{
	const char *p = text;

	while (*p) {
		const char *next = p;
		char32_t c = utf8_next(&next);
		unsigned w = char_is_plain(c) ? char_width(c) : 1;

		if (w > width)
			break;
		width -= w;
		p = next;
	}
	return (size_t)(p - text);
}

static char *utf8_put(char *p, char32_t c)
{
	if (c < 0x80) {
		*p++ = (char)c;
	} else if (c < 0x800) {
		*p++ = (char)(0xc0 | c >> 6);
		*p++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*p++ = (char)(0xe0 | c >> 12);
		*p++ = (char)(0x80 | (c >> 6 & 0x3f));
		*p++ = (char)(0x80 | (c & 0x3f));
	} else {
		*p++ = (char)(0xf0 | c >> 18);
		*p++ = (char)(0x80 | (c >> 12 & 0x3f));
		*p++ = (char)(0x80 | (c >> 6 & 0x3f));
		*p++ = (char)(0x80 | (c & 0x3f));
	}
	return p;
}

static unsigned used_cols(const struct cell *line, unsigned cols)
{
	while (cols && line[cols - 1].ch == ' ')
		cols--;
	return cols;
}

char *grid_to_ansi(const struct grid *g, const struct theme *t)
{
	size_t per_cell = t ? 4 + 2 * THEME_SGR_MAX : 4;
	char *out = NULL, *p;
	size_t len = 0, cap = 0;

	for (unsigned row = 0; row <= g->rows; row++) {
		size_t want = len + (g->cols + 1) * per_cell + 2;

		if (want > cap) {
			cap = want * 2;
			out = xreallocarray(out, cap, 1);
		}
		p = out + len;
		if (row < g->rows) {
			const struct cell *line = g->cells + (size_t)row * g->cols;
			unsigned used = used_cols(line, g->cols);
			const char *now = "";

			for (unsigned col = 0; col < used; col++) {
				const char *sgr = t ? theme_sgr(t, line[col].tone) : "";

				if (!line[col].ch)
					continue;
				/* Blanks carry no colour: fewer sequences, same picture. */
				if (line[col].ch != ' ' && strcmp(sgr, now)) {
					if (*now)
						p = stpcpy(p, "\033[0m");
					p = stpcpy(p, sgr);
					now = sgr;
				}
				p = utf8_put(p, line[col].ch);
			}
			if (*now)
				p = stpcpy(p, "\033[0m");
			*p++ = '\n';
		}
		len = (size_t)(p - out);
	}
	out[len] = '\0';
	return out;
}

char *grid_to_text(const struct grid *g)
{
	return grid_to_ansi(g, NULL);
}

void grid_blit(struct grid *dst, unsigned row, unsigned col, const struct grid *src)
{
	for (unsigned r = 0; r < src->rows; r++)
		for (unsigned c = 0; c < src->cols && col + c < dst->cols; c++) {
			const struct cell *cell = &src->cells[(size_t)r * src->cols + c];

			if (cell->ch && (cell->ch != ' ' || cell->tone))
				grid_putc(dst, row + r, col + c, cell->tone, cell->ch);
		}
}

void tone_cells(struct grid *g, unsigned row, unsigned col, unsigned width, enum tone tone)
{
	if (row >= g->rows)
		return;
	for (unsigned c = col; c < g->cols && c < col + width; c++)
		g->cells[(size_t)row * g->cols + c].tone = (uint8_t)tone;
}
