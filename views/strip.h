/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A strip: pages of one range as cells of one row, so that several strips with the same
 * range stand above each other and can be compared by eye.  Internal to views/.
 */
#ifndef STEPDUMP_STRIP_H
#define STEPDUMP_STRIP_H

#include "views/paint.h"

#define STRIP_MAX 256

struct strip {
	uint64_t first; /* first page, as a page number */
	uint64_t nr_pages;
	uint64_t per_cell; /* pages in one cell, a power of two */
	unsigned width;    /* cells */
	struct {
		char32_t ch; /* 0: nothing known */
		enum tone tone;
	} cells[STRIP_MAX];
};

/* Smallest power of two that brings nr_pages into `width` cells. */
uint64_t strip_scale(uint64_t nr_pages, unsigned width);
/* Empty strip over pages [first, first + nr_pages) of at most `width` cells. */
void strip_init(struct strip *s, uint64_t first, uint64_t nr_pages, uint64_t per_cell,
		unsigned width);
/* Marks a run of pages, clipped to the strip; cells with two different marks become '%'. */
void strip_fill(struct strip *s, uint64_t first, uint64_t nr_pages, enum tone tone, char32_t ch);
/* Cells about which nothing is known show `rest`. */
void strip_draw(struct paint *p, const struct strip *s, unsigned col, enum tone tone,
		char32_t rest);
/* Two rows: page numbers in hex (from `origin`) and ticks. */
void strip_axis(struct paint *p, const struct strip *s, unsigned col, uint64_t origin);

#endif
