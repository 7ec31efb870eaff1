/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One page explained, and bytes. */
#include <stdio.h>
#include <stdlib.h>

#include "proto/verdict.h"
#include "views/pane_impl.h"

/* Bits of a pagemap entry, from the top. */
static char *raw_bits(uint64_t raw)
{
	static const struct {
		unsigned bit;
		const char *name;
	} bits[] = { { 63, "present" }, { 62, "swap" },      { 61, "file" },      { 58, "guard" },
		     { 57, "uffd-wp" }, { 56, "exclusive" }, { 55, "soft-dirty" } };
	char *names[8];
	size_t nr = 0;

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (raw >> bits[i].bit & 1)
			names[nr++] = (char *)bits[i].name;
	return join_names(names, nr, ", ");
}

static void paint_why(struct paint *p, const Stepdump__Why *w)
{
	AUTO_FREE char *sentence = text_shown(p, w->sentence), *held = text_shown(p, w->held_by);
	AUTO_FREE char *vma = vma_label(p->s, w->has_vma_index, w->vma_index);

	grid_putc(p->g, p->row, 1, verdict_tone(w->verdict, false),
		  (char32_t)verdict_glyph(w->verdict, false));
	paint_prose(p, 3, TONE_TITLE, sentence);
	paint_field(p, "page", TONE_ADDR, "%s", txt_addr(p, w->vaddr).s);
	paint_field(p, "verdict", verdict_tone(w->verdict, false), "%s", verdict_name(w->verdict));
	if (w->has_vma_index)
		paint_field(p, "VMA", TONE_NORMAL, "%s", vma);
	for (size_t i = 0; i < w->n_facts; i++) {
		AUTO_FREE char *fact = text_shown(p, w->facts[i]);

		paint_field(p, i ? "" : "facts", TONE_NORMAL, "%s", fact);
	}
	if (w->has_pagemap_raw) {
		char *bits = raw_bits(w->pagemap_raw);

		paint_field(p, "pagemap entry", TONE_NORMAL, "%016lx: %s",
			    p->o->relative ? w->pagemap_raw & ~((1ul << 55) - 1) : w->pagemap_raw,
			    bits);
		free(bits);
	}
	if (w->rule && *w->rule)
		paint_field(p, "rule", TONE_NORMAL, "%s", w->rule);
	if (w->held_by)
		paint_field(p, "held by", TONE_NORMAL, "%s", held);
}

void pane_why(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;

	if (!s->n_whys)
		paint_prose(p, 1, TONE_DIM, "nothing asked: `why ADDR` explains the page at ADDR");
	for (size_t i = 0; i < s->n_whys; i++) {
		if (i)
			paint_blank(p);
		paint_why(p, s->whys[i]);
	}
}

static void paint_peek(struct paint *p, const Stepdump__Peek *k)
{
	unsigned width = grid_text_width(txt_addr(p, k->vaddr + k->data.len).s), per_row = 16;

	/* address, three columns for each byte, a blank, a column for each byte */
	while (per_row > 4 && 3 + width + per_row * 4 + 1 > p->g->cols)
		per_row /= 2;
	paint_line(p, TONE_NORMAL, "%zu bytes of the %s", k->data.len, str_or_dash(k->source));
	for (size_t at = 0; at < k->data.len; at += per_row) {
		struct txt addr = txt_addr(p, k->vaddr + at);
		unsigned col = 3 + width;

		paint_cut(p, 1, width, TONE_ADDR, true, addr.s);
		for (unsigned i = 0; i < per_row && at + i < k->data.len; i++) {
			uint8_t byte = k->data.data[at + i];
			bool print = byte >= 0x20 && byte <= 0x7e;

			grid_printf(p->g, p->row, col + i * 3, byte ? TONE_NORMAL : TONE_DIM,
				    "%02x", byte);
			grid_putc(p->g, p->row, col + per_row * 3 + i + 1,
				  print ? TONE_NORMAL : TONE_DIM, print ? byte : U'.');
		}
		p->row++;
	}
	if (k->error) {
		AUTO_FREE char *error = text_shown(p, k->error);

		paint_prose(p, 1, TONE_BAD, error);
	}
}

void pane_peek(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;

	if (!s->n_peeks)
		paint_prose(p, 1, TONE_DIM, "nothing asked: `x/64 ADDR` reads 64 bytes at ADDR");
	for (size_t i = 0; i < s->n_peeks; i++)
		paint_peek(p, s->peeks[i]);
}
