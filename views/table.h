/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tables that fit any width: columns shrink to their minimum, then the least important ones
 * go, one by one.  A row is one line, but for prose columns, which may flow.  Internal to views/.
 */
#ifndef STEPDUMP_TABLE_H
#define STEPDUMP_TABLE_H

#include "views/paint.h"

struct column {
	const char *head;
	uint8_t drop; /* 0: never; else the highest number goes first */
	uint8_t min;  /* text may be cut to this width, '~' shows it; 0: never cut */
	uint8_t grow; /* takes the room that is left, up to this width */
	bool right;   /* numbers */
	bool prose;   /* flows over several rows instead of being cut (needs min) */
	/*
	 * A picture instead of text, drawn over `width` columns at (p->row, col); its width is at
	 * least `min`.  item is what table_row() got; NULL: draw the head.
	 */
	void (*draw)(struct paint *p, unsigned col, unsigned width, const void *item, void *ctx);
	void *ctx;
};

struct table;

/* `columns` must live as long as the table. */
struct table *table_new(const struct column *columns, unsigned nr);
/* Begins a row; here: it carries the engine's '>'. */
void table_row(struct table *t, const void *item, bool here);
/* The next text column of that row (columns with `draw` are stepped over). */
void table_cell(struct table *t, enum tone tone, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Draws head and rows at p->row, moves it on, frees the table.  Without rows: "none: `empty`". */
void table_end(struct table *t, struct paint *p, const char *empty);

#define TABLE_NEW(columns) table_new(columns, sizeof(columns) / sizeof(*(columns)))

#endif
