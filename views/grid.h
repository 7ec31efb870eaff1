/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A grid of cells: what every pane renders to.  `show` prints it, the full-screen
 * views copy it to curses, golden tests compare its text.  Nothing here uses a terminal.
 */
#ifndef STEPDUMP_GRID_H
#define STEPDUMP_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uchar.h>

/* Tones say what a cell means, not its colour (views/theme.c maps them).  Each meaning has a glyph too. */
enum tone {
	TONE_NORMAL,
	TONE_TITLE,
	TONE_HEAD,
	TONE_DIM,
	TONE_KEY,
	TONE_ADDR,
	TONE_DUMP,
	TONE_LAZY,
	TONE_HOLE,
	TONE_ZERO,
	TONE_FILE,
	TONE_ABSENT,
	TONE_GUARD,
	TONE_NEVER,
	TONE_ALWAYS,
	TONE_SWAP,
	TONE_MIXED,
	TONE_UNSCANNED,
	TONE_ENGINE,
	TONE_OK,
	TONE_WARN,
	TONE_BAD,
	TONE_CURSOR,
	TONE_CHANGED,
	NR_TONES
};

struct cell {
	char32_t ch; /* 0: right half of a double-width character */
	uint8_t tone;
};

struct grid {
	unsigned rows, cols; /* rows grow on demand up to `max_rows` */
	unsigned max_rows;   /* 0: no bound */
	struct cell *cells;
	size_t cap; /* cells allocated */
	bool ascii; /* anything above 0x7e is written as '?' */
};

/* cols >= 1.  Running out of memory aborts. */
void grid_init(struct grid *g, unsigned cols, unsigned max_rows);
void grid_deinit(struct grid *g);
/* Writes UTF-8 text at (row, col), clipped at the right edge (never wraps, never outside);
 * control and invalid bytes become '?'.  Returns the column after the last one written. */
unsigned grid_puts(struct grid *g, unsigned row, unsigned col, enum tone tone, const char *text);
unsigned grid_printf(struct grid *g, unsigned row, unsigned col, enum tone tone, const char *fmt,
		     ...) __attribute__((format(printf, 5, 6)));
void grid_putc(struct grid *g, unsigned row, unsigned col, enum tone tone, char32_t ch);
/* Columns that grid_puts() would take for `text` if nothing clipped it. */
unsigned grid_text_width(const char *text);
/* How many bytes of `text` fit into `width` columns, ending between two characters. */
size_t grid_text_fit(const char *text, unsigned width);
/* Text without trailing blanks, '\n' after each row.  Caller frees. */
char *grid_to_text(const struct grid *g);
/* Same with SGR colour sequences from the theme (NULL: none). */
struct theme;
char *grid_to_ansi(const struct grid *g, const struct theme *t);

/* Copies rows of `src` to (row, col) of `dst`, clipped on both sides. */
void grid_blit(struct grid *dst, unsigned row, unsigned col, const struct grid *src);
/* Sets the tone of cells that are there already. */
void tone_cells(struct grid *g, unsigned row, unsigned col, unsigned width, enum tone tone);

#endif
