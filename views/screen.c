/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The frame around a view: title, rules, message, bottom bar, pager pane, and what changed. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/view_impl.h"

static void screen_rule(const struct ui *ui, struct grid *g, unsigned row)
{
	for (unsigned c = 0; c < g->cols; c++)
		grid_putc(g, row, c, TONE_DIM, ui->ascii ? U'-' : U'─');
}

/* " stepdump 4242 redis-server   PIPES   ...            drain 5/8   chunk 1" */
static void screen_title_row(const struct ui *ui, const Stepdump__Snapshot *s, struct grid *g)
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

/* Columns of the line before the text cursor. */
static unsigned screen_line_width(const struct ui *ui, unsigned skip)
{
	AUTO_FREE char *before = xstrndup(ui->typed.text + skip, ui->typed.cursor - skip);

	return grid_text_width(ui->typed.prompt) + grid_text_width(before);
}

/* How many bytes of a long line are left out on the left, so that the text cursor is seen. */
static unsigned screen_line_skip(const struct ui *ui)
{
	unsigned skip = 0;

	while (skip < ui->typed.cursor && screen_line_width(ui, skip) + 2 > ui->cols)
		do
			skip++;
		while ((ui->typed.text[skip] & 0xc0) == 0x80);
	return skip;
}

/* The candidates of a completion, in the last rows above the message; only the first, if there are
 * many. */
static void screen_offered(const struct ui *ui, struct grid *g)
{
	const char *line = ui->typed.offered;
	unsigned nr = 0, rows = body_rows(ui), row;

	for (const char *c = line; *c; c++)
		nr += *c == '\n';
	row = FRAME_TOP + (nr < rows ? rows - nr : 0);
	for (; row < FRAME_TOP + rows && *line; row++) {
		size_t len = strcspn(line, "\n");
		AUTO_FREE char *text = xasprintf(" %-*.*s", (int)g->cols - 1, (int)len, line);

		text[grid_text_fit(text, g->cols)] = '\0';
		grid_puts(g, row, 0, TONE_KEY, text);
		line += len + (line[len] == '\n');
	}
	if (*line)
		grid_puts(g, row - 1, g->cols - 9, TONE_DIM, "and more ");
}

static void screen_bar_row(const struct ui *ui, struct grid *g, unsigned row)
{
	struct bar_item items[BAR_ITEMS_MAX];
	uint32_t where = ui->mode == UI_PAGER ? IN_PAGER : IN_VIEW(ui->view);
	unsigned nr = bar_items(where, g->cols, items);

	if (ui->mode == UI_LINE) {
		unsigned skip = screen_line_skip(ui), col = 0;

		col = grid_puts(g, row, 0, TONE_KEY, ui->typed.prompt);
		grid_puts(g, row, col, TONE_NORMAL, ui->typed.text + skip);
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
	return (int)screen_line_width(ui, screen_line_skip(ui));
}

static void screen_message(const struct ui *ui, struct grid *g, unsigned row)
{
	screen_rule(ui, g, row);
	if (!*ui->message.text)
		return;

	AUTO_FREE char *text =
		xstrndup(ui->message.text, grid_text_fit(ui->message.text, g->cols - 4));
	unsigned end;
	grid_putc(g, row, 1, TONE_NORMAL, U' ');
	end = grid_puts(g, row, 2, ui->message.tone, text);
	if (end < g->cols)
		grid_putc(g, row, end, TONE_NORMAL, U' ');
}

static void screen_pager(const struct ui *ui, struct grid *g)
{
	const struct pager *pg = &ui->pager;
	unsigned rows = body_rows(ui);
	char right[48];

	grid_puts(g, 0, 1, TONE_TITLE, pg->title);
	snprintf(right, sizeof(right), "%zu-%zu of %zu", pg->nr ? pg->top + 1 : 0,
		 pg->top + rows < pg->nr ? pg->top + rows : pg->nr, pg->nr);
	if (grid_text_width(pg->title) + grid_text_width(right) + 4 < g->cols)
		grid_puts(g, 0, g->cols - 1 - grid_text_width(right), TONE_DIM, right);
	screen_rule(ui, g, 1);
	for (unsigned r = 0; r < rows && pg->top + r < pg->nr; r++) {
		const char *line = pg->line[pg->top + r];
		bool head = *line && *line != ' ' && r + pg->top + 1 < pg->nr &&
			    pg->line[pg->top + r + 1][0] == ' ';

		grid_puts(g, FRAME_TOP + r, 0, head ? TONE_KEY : TONE_NORMAL, line);
	}
}

static void screen_render_plain(const struct ui *ui, const Stepdump__Snapshot *s, struct grid *g)
{
	unsigned rows = body_rows(ui);
	struct grid body;

	grid_init(&body, g->cols, rows);
	body.ascii = ui->ascii;
	view_ops(ui->view)->render(ui, s, &body);
	grid_blit(g, FRAME_TOP, 0, &body);
	grid_deinit(&body);
}

static bool screen_in_word(char32_t c)
{
	return (c < 0x80 && isalnum((int)c)) || c == U'.' || c == U'+';
}

/* A number with one changed digit is highlighted as a whole. */
static void screen_mark_changed(struct grid *now, const struct grid *was)
{
	for (unsigned r = 0; r < now->rows; r++) {
		struct cell *a = now->cells + (size_t)r * now->cols;
		const struct cell *b = r < was->rows ? was->cells + (size_t)r * was->cols : NULL;
		unsigned different = 0, used = 0;

		for (unsigned c = 0; c < now->cols; c++) {
			used += a[c].ch != ' ';
			different += b && a[c].ch != ' ' && a[c].ch != b[c].ch;
		}
		/* A different line: nothing in it has changed, it moved here. */
		if (!b || !different || (different > 12 && different * 2 > used))
			continue;
		for (unsigned c = 0; c < now->cols; c++) {
			/* Background text moves, but does not change. */
			if (a[c].ch == b[c].ch || a[c].ch == ' ' || !a[c].ch ||
			    a[c].tone == TONE_DIM)
				continue;

			unsigned from = c, to = c + 1;

			if (screen_in_word(a[c].ch)) {
				while (from && screen_in_word(a[from - 1].ch) &&
				       a[from - 1].tone == a[c].tone)
					from--;
				while (to < now->cols && screen_in_word(a[to].ch) &&
				       a[to].tone == a[c].tone)
					to++;
			}
			for (unsigned k = from; k < to; k++)
				a[k].tone = TONE_CHANGED;
			c = to - 1;
		}
	}
}

static void screen_render_view(const struct ui *ui, const Stepdump__Snapshot *s,
			       const Stepdump__Snapshot *before, struct grid *g)
{
	struct grid was;

	screen_render_plain(ui, s, g);
	if (!before)
		return;
	grid_init(&was, g->cols, ui->rows);
	screen_render_plain(ui, before, &was);
	screen_mark_changed(g, &was);
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
		screen_pager(ui, g);
	} else {
		screen_render_view(ui, s, before, g);
		screen_title_row(ui, s, g);
		screen_rule(ui, g, 1);
	}
	if (ui->typed.offered)
		screen_offered(ui, g);
	screen_message(ui, g, ui->rows - 2);
	screen_bar_row(ui, g, ui->rows - 1);
}
