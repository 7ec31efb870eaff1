/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by several views: windows to ask for, commands to run, parts to draw. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/view_impl.h"

void want_vmas(struct view_want *w, uint32_t first, uint32_t nr)
{
	if (nr && w->nr_vmas && w->vmas[w->nr_vmas - 1].first + w->vmas[w->nr_vmas - 1].nr == first)
		w->vmas[w->nr_vmas - 1].nr += nr;
	else if (nr && w->nr_vmas < WANT_MAX) {
		w->vmas[w->nr_vmas].first = first;
		w->vmas[w->nr_vmas++].nr = nr;
	}
}

void want_runs(struct view_want *w, uint64_t start, uint64_t end)
{
	if (start < end && w->nr_runs < WANT_MAX) {
		w->runs[w->nr_runs].start = start;
		w->runs[w->nr_runs++].end = end;
	}
}

uint32_t total_vmas(const Stepdump__Snapshot *s)
{
	uint32_t nr = s->target && s->target->has_nr_vmas ? s->target->nr_vmas : 0;

	return nr > s->n_vmas ? nr : (uint32_t)s->n_vmas;
}

enum ui_effect ui_run(struct ui *ui, const char *command)
{
	if (ui->saved) {
		ui_message(ui, TONE_WARN,
			   "this is a saved snapshot: there is nothing to run, only to look at");
		return UI_DRAW;
	}
	snprintf(ui->command.line, sizeof(ui->command.line), "%s", command);
	ui->command.steps = true;
	return UI_RUN;
}

uint32_t breakpoint_at(const Stepdump__Snapshot *s, const char *where)
{
	for (size_t i = 0; i < s->n_breakpoints; i++)
		if (!strcmp(s->breakpoints[i]->where, where))
			return s->breakpoints[i]->number;
	return 0;
}

enum ui_effect toggle_break(struct ui *ui, const Stepdump__Snapshot *s, const char *where)
{
	uint32_t number = breakpoint_at(s, where);
	char text[128];

	if (number)
		snprintf(text, sizeof(text), "delete %u", number);
	else
		snprintf(text, sizeof(text), "break %s", where);

	enum ui_effect e = ui_run(ui, text);

	ui->command.steps = false;
	return e;
}

const char *byte_source_name(enum byte_source b)
{
	static const char *const names[] = { "target", "pipe", "image", "parent" };

	return b < NR_BYTE_SOURCES ? names[b] : "";
}

struct pane_opts view_opts(const struct ui *ui)
{
	return (struct pane_opts){ .ascii = ui->ascii, .relative = ui->relative, .index = -1 };
}

struct paint view_paint(const struct ui *ui, const struct pane_opts *o, const Stepdump__Snapshot *s,
			struct grid *g)
{
	g->ascii = ui->ascii;
	return (struct paint){ .s = s, .o = o, .g = g, .base = ui->place.origin };
}

void mark_row(struct grid *g, unsigned row, unsigned col, unsigned width)
{
	grid_putc(g, row, col, TONE_CURSOR, U'*');
	tone_cells(g, row, col, width, TONE_CURSOR);
}

void paint_first_rows(struct paint *p, unsigned rows, void (*fn)(struct paint *p, const void *ctx),
		      const void *ctx)
{
	struct paint inner = *p;
	struct grid line;

	grid_init(&line, p->g->cols, rows);
	line.ascii = p->g->ascii;
	inner.g = &line;
	inner.row = 0;
	fn(&inner, ctx);
	grid_blit(p->g, p->row, 0, &line);
	p->row += rows;
	grid_deinit(&line);
}

void paint_hex(struct paint *p, uint64_t addr, unsigned rows)
{
	const Stepdump__Peek *k = p->s->n_peeks ? p->s->peeks[p->s->n_peeks - 1] : NULL;
	unsigned per_row = p->g->cols >= 152 ? 32 : 16;

	if (!k || k->vaddr / PAGE_BYTES != addr / PAGE_BYTES)
		return;
	if (!k->data.len) {
		AUTO_FREE char *why = text_shown(p, k->error);

		grid_printf(p->g, p->row++, 1, TONE_DIM, "%s: %s", str_or_dash(k->source), why);
		return;
	}
	for (unsigned r = 0; r < rows && r * per_row < k->data.len; r++) {
		unsigned n = (unsigned)(k->data.len - r * per_row);
		const uint8_t *d = k->data.data + r * per_row;
		unsigned col;

		n = n < per_row ? n : per_row;
		grid_puts(p->g, p->row, 1, TONE_DIM, r ? "" : str_or_dash(k->source));
		col = grid_puts(p->g, p->row, 8, TONE_ADDR, txt_addr(p, k->vaddr + r * per_row).s) +
		      2;
		for (unsigned i = 0; i < per_row; i++) {
			if (i < n)
				grid_printf(p->g, p->row, col, d[i] ? TONE_NORMAL : TONE_DIM,
					    "%02x", d[i]);
			/* Narrow: leaving out the blank between pairs makes room for the text. */
			col += p->g->cols >= 96 || i % 2 ? 3 : 2;
		}
		for (unsigned i = 0; i < n; i++)
			grid_putc(p->g, p->row, col + 1 + i, TONE_DIM,
				  d[i] >= 0x20 && d[i] < 0x7f ? d[i] : U'.');
		p->row++;
	}
}
