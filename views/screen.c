/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The frame around a view: title, rules, message, bottom bar, pager pane, and what changed. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/view_impl.h"

struct pane_opts view_opts(const struct ui *ui)
{
	return (struct pane_opts){ .ascii = ui->ascii, .relative = ui->relative, .index = -1 };
}

struct paint view_paint(const struct ui *ui, const struct pane_opts *o, const Stepdump__Snapshot *s,
			struct grid *g)
{
	g->ascii = ui->ascii;
	return (struct paint){ .s = s, .o = o, .g = g, .base = ui->origin };
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

void mark_row(struct grid *g, unsigned row, unsigned col, unsigned width)
{
	grid_putc(g, row, col, TONE_CURSOR, U'*');
	tone_cells(g, row, col, width, TONE_CURSOR);
}

static void rule(const struct ui *ui, struct grid *g, unsigned row)
{
	for (unsigned c = 0; c < g->cols; c++)
		grid_putc(g, row, c, TONE_DIM, ui->ascii ? U'-' : U'─');
}

/* " stepdump 4242 redis-server   PIPES   ...            drain 5/8   chunk 1" */
static void paint_title_row(const struct ui *ui, const Stepdump__Snapshot *s, struct grid *g)
{
	struct pane_opts o = view_opts(ui);
	struct paint p = view_paint(ui, &o, s, g);
	const Stepdump__Target *t = s->target;
	const Stepdump__Cursor *c = s->cursor;
	char left[160] = "", extra[96] = "", right[96] = "";
	unsigned col, width;

	if (t && t->has_pid)
		snprintf(left, sizeof(left), "%s %s", txt_pid(&p, t->pid).s, t->comm ?: "");
	col = grid_puts(g, 0, 1, TONE_DIM, "stepdump") + 1;
	col = grid_puts(g, 0, col, TONE_KEY, left) + 2;
	for (const char *n = view_name(ui->view); *n; n++)
		grid_putc(g, 0, col++, TONE_TITLE, (char32_t)toupper((unsigned char)*n));
	if (ui->saved)
		snprintf(right, sizeof(right), "saved snapshot");
	else if (!t || t->state == STEPDUMP__TARGET_STATE__NO_TARGET)
		snprintf(right, sizeof(right), "no target");
	if (c) {
		size_t n = strlen(right);

		snprintf(right + n, sizeof(right) - n, "%s%s", n ? "  " : "",
			 txt_enum(&stepdump__phase__descriptor, c->phase).s);
		n = strlen(right);
		if (c->has_chunk && c->chunk)
			snprintf(right + n, sizeof(right) - n, "  chunk %u", c->chunk);
	}
	if (t && t->state == STEPDUMP__TARGET_STATE__GONE) {
		snprintf(right, sizeof(right), "the target has DIED");
	} else if (t && t->has_frozen_us && !ui->saved && ui->cols >= 80) {
		size_t n = strlen(right);

		snprintf(right + n, sizeof(right) - n, "  frozen %ss",
			 txt_when(&p, t->frozen_us).s);
	}
	width = grid_text_width(right);
	if (width + 2 < g->cols)
		grid_puts(g, 0, g->cols - 1 - width, TONE_ENGINE, right);
	if (view_ops(ui->view)->title)
		view_ops(ui->view)->title(ui, s, extra, sizeof(extra));
	if (*extra && col + 3 + grid_text_width(extra) + 2 + width < g->cols)
		grid_puts(g, 0, col + 3, TONE_NORMAL, extra);
}

static void paint_bar_row(const struct ui *ui, struct grid *g, unsigned row)
{
	struct bar_item items[BAR_ITEMS_MAX];
	uint32_t where = ui->mode == UI_PAGER ? IN_PAGER : IN_VIEW(ui->view);
	unsigned nr = bar_items(where, g->cols, items);

	if (ui->mode == UI_LINE) {
		const char *text = ui->line;

		while (grid_text_width(text) + 3 > g->cols) /* the end of a long line counts */
			text++;
		grid_putc(g, row, 0, TONE_KEY, (char32_t)ui->line_kind);
		grid_puts(g, row, 1, TONE_NORMAL, text);
		return;
	}
	for (unsigned i = 0; i < nr; i++) {
		unsigned col = items[i].col;

		for (size_t k = 0; k < items[i].key_len; k++)
			grid_putc(g, row, col++, TONE_KEY, (char32_t)items[i].key[k]);
		grid_puts(g, row, col + 1, TONE_DIM, items[i].text);
	}
}

int screen_cursor(const struct ui *ui)
{
	if (ui->mode != UI_LINE)
		return -1;

	unsigned width = grid_text_width(ui->line);

	return (int)(width + 3 > ui->cols ? ui->cols - 2 : width + 1);
}

static void paint_message(const struct ui *ui, struct grid *g, unsigned row)
{
	rule(ui, g, row);
	if (!*ui->message)
		return;

	char *text = strndup(ui->message, grid_text_fit(ui->message, g->cols - 4));
	unsigned end;

	if (!text)
		abort();
	grid_putc(g, row, 1, TONE_NORMAL, U' ');
	end = grid_puts(g, row, 2, ui->message_tone, text);
	if (end < g->cols)
		grid_putc(g, row, end, TONE_NORMAL, U' ');
	free(text);
}

static void paint_pager(const struct ui *ui, struct grid *g)
{
	const struct pager *pg = &ui->pager;
	unsigned rows = body_rows(ui);
	char right[48];

	grid_puts(g, 0, 1, TONE_TITLE, pg->title);
	snprintf(right, sizeof(right), "%zu-%zu of %zu", pg->nr ? pg->top + 1 : 0,
		 pg->top + rows < pg->nr ? pg->top + rows : pg->nr, pg->nr);
	if (grid_text_width(pg->title) + grid_text_width(right) + 4 < g->cols)
		grid_puts(g, 0, g->cols - 1 - grid_text_width(right), TONE_DIM, right);
	rule(ui, g, 1);
	for (unsigned r = 0; r < rows && pg->top + r < pg->nr; r++) {
		const char *line = pg->line[pg->top + r];
		bool head = *line && *line != ' ' && r + pg->top + 1 < pg->nr &&
			    pg->line[pg->top + r + 1][0] == ' ';

		grid_puts(g, FRAME_TOP + r, 0, head ? TONE_KEY : TONE_NORMAL, line);
	}
}

static void render_plain(const struct ui *ui, const Stepdump__Snapshot *s, struct grid *g)
{
	unsigned rows = body_rows(ui);
	struct grid body;

	grid_init(&body, g->cols, rows);
	body.ascii = ui->ascii;
	view_ops(ui->view)->render(ui, s, &body);
	grid_blit(g, FRAME_TOP, 0, &body);
	grid_deinit(&body);
}

static bool in_word(char32_t c)
{
	return (c < 0x80 && isalnum((int)c)) || c == U'.' || c == U'+';
}

/* A number of which one digit changed has changed as a whole. */
static void mark_changed(struct grid *now, const struct grid *was)
{
	for (unsigned r = 0; r < now->rows; r++) {
		struct cell *a = now->cells + (size_t)r * now->cols;
		const struct cell *b = r < was->rows ? was->cells + (size_t)r * was->cols : NULL;
		unsigned different = 0, used = 0;

		for (unsigned c = 0; c < now->cols; c++) {
			used += a[c].ch != ' ';
			different += b && a[c].ch != ' ' && a[c].ch != b[c].ch;
		}
		/* Another line altogether: nothing in it has changed, it moved here. */
		if (!b || !different || (different > 12 && different * 2 > used))
			continue;
		for (unsigned c = 0; c < now->cols; c++) {
			/* Words in the background move, they do not change. */
			if (a[c].ch == b[c].ch || a[c].ch == ' ' || !a[c].ch ||
			    a[c].tone == TONE_DIM)
				continue;

			unsigned from = c, to = c + 1;

			if (in_word(a[c].ch)) {
				while (from && in_word(a[from - 1].ch) &&
				       a[from - 1].tone == a[c].tone)
					from--;
				while (to < now->cols && in_word(a[to].ch) &&
				       a[to].tone == a[c].tone)
					to++;
			}
			for (unsigned k = from; k < to; k++)
				a[k].tone = TONE_CHANGED;
			c = to - 1;
		}
	}
}

static void render_view(const struct ui *ui, const Stepdump__Snapshot *s,
			const Stepdump__Snapshot *before, struct grid *g)
{
	struct grid was;

	render_plain(ui, s, g);
	if (!before)
		return;
	grid_init(&was, g->cols, ui->rows);
	render_plain(ui, before, &was);
	mark_changed(g, &was);
	grid_deinit(&was);
}

void screen_render(const struct ui *ui, const Stepdump__Snapshot *s,
		   const Stepdump__Snapshot *before, struct grid *g)
{
	g->max_rows = ui->rows;
	g->ascii = ui->ascii;
	for (unsigned r = 0; r < ui->rows; r++)
		grid_puts(g, r, 0, TONE_NORMAL, "");
	if (ui->rows < SCREEN_MIN_ROWS || ui->cols < SCREEN_MIN_COLS) {
		grid_printf(g, 0, 0, TONE_WARN,
			    "needs %dx%d, have %ux%u - q to leave, text version: `show %s`",
			    SCREEN_MIN_COLS, SCREEN_MIN_ROWS, ui->cols, ui->rows,
			    ui->view == VIEW_PIPES ? "ppb" : view_name(ui->view));
		return;
	}
	if (ui->pager.nr) {
		paint_pager(ui, g);
	} else {
		render_view(ui, s, before, g);
		paint_title_row(ui, s, g);
		rule(ui, g, 1);
	}
	paint_message(ui, g, ui->rows - 2);
	paint_bar_row(ui, g, ui->rows - 1);
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

/* ---- shared by the views ------------------------------------------------------------------- */

void paint_hex(struct paint *p, uint64_t addr, unsigned rows)
{
	const Stepdump__Peek *k = p->s->n_peeks ? p->s->peeks[p->s->n_peeks - 1] : NULL;
	unsigned per_row = p->g->cols >= 152 ? 32 : 16;

	if (!k || k->vaddr / PAGE_BYTES != addr / PAGE_BYTES)
		return;
	if (!k->data.len) {
		char *why = text_shown(p, k->error);

		grid_printf(p->g, p->row++, 1, TONE_DIM, "%s: %s", str_or_dash(k->source), why);
		free(why);
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
			/* Narrow: pairs without a blank between leave room for the text. */
			col += p->g->cols >= 96 || i % 2 ? 3 : 2;
		}
		for (unsigned i = 0; i < n; i++)
			grid_putc(p->g, p->row, col + 1 + i, TONE_DIM,
				  d[i] >= 0x20 && d[i] < 0x7f ? d[i] : U'.');
		p->row++;
	}
}
