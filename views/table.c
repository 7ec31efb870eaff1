/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "views/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define GAP 2       /* blanks between two columns */
#define FIRST_COL 3 /* a blank, the marker, a blank */
#define MAX_COLUMNS 16

struct text_cell {
	size_t text; /* offset into the table's text */
	enum tone tone;
};

struct row {
	const void *item;
	size_t cells; /* index of its first cell */
	bool here;
};

struct table {
	const struct column *columns;
	unsigned nr;
	bool gone[MAX_COLUMNS];
	unsigned natural[MAX_COLUMNS], width[MAX_COLUMNS];

	struct row *rows;
	size_t nr_rows;
	struct text_cell *cells;
	size_t nr_cells;
	char *text;
	size_t nr_text, cap_text;
	unsigned next; /* column of the next table_cell() */
};

struct table *table_new(const struct column *columns, unsigned nr)
{
	struct table *t = xcalloc(1, sizeof(*t));

	if (nr > MAX_COLUMNS)
		abort();
	t->columns = columns;
	t->nr = nr;
	for (unsigned i = 0; i < nr; i++) {
		t->natural[i] = grid_text_width(columns[i].head);
		if (columns[i].draw && t->natural[i] < columns[i].min)
			t->natural[i] = columns[i].min;
	}
	return t;
}

static void table_push_cell(struct table *t, enum tone tone, size_t text)
{
	*vec_push(t->cells, t->nr_cells) = (struct text_cell){ .text = text, .tone = tone };
}

static size_t table_push_text(struct table *t, const char *text)
{
	size_t at = t->nr_text, len = strlen(text) + 1;

	if (at + len > t->cap_text) {
		t->cap_text = (at + len) * 2;
		t->text = xreallocarray(t->text, t->cap_text, 1);
	}
	memcpy(t->text + at, text, len);
	t->nr_text += len;
	return at;
}

/* Rows always have a cell for each column, so that they can be indexed. */
static void table_fill_row(struct table *t)
{
	if (!t->nr_rows)
		return;
	while (t->next < t->nr) {
		table_push_cell(t, TONE_NORMAL, table_push_text(t, ""));
		t->next++;
	}
}

void table_row(struct table *t, const void *item, bool here)
{
	table_fill_row(t);
	*vec_push(t->rows, t->nr_rows) =
		(struct row){ .item = item, .cells = t->nr_cells, .here = here };
	t->next = 0;
}

void table_cell(struct table *t, enum tone tone, const char *fmt, ...)
{
	va_list ap;

	while (t->next < t->nr && t->columns[t->next].draw) {
		table_push_cell(t, TONE_NORMAL, table_push_text(t, ""));
		t->next++;
	}
	if (t->next == t->nr)
		abort(); /* more cells than columns: a bug of the pane */
	va_start(ap, fmt);
	AUTO_FREE char *text = xvasprintf(fmt, ap);
	va_end(ap);

	unsigned width = grid_text_width(text);

	if (t->natural[t->next] < width)
		t->natural[t->next] = width;
	table_push_cell(t, tone, table_push_text(t, text));
	t->next++;
}

/* ---- filter and order ----------------------------------------------------------------------- */

/* What a cell counts for: an address, "12.5M", "3/7"; text and "-" count less than any number. */
static double table_number(const struct text_cell *cell, const char *text)
{
	static const char units[] = "KMGTPE";
	char *end;
	double value;

	text += *text == '+';
	if (cell->tone == TONE_ADDR)
		value = (double)strtoull(text, &end, 16);
	else if (!strncmp(text, "0x", 2))
		value = (double)strtoull(text + 2, &end, 16);
	else
		value = strtod(text, &end);
	if (end == text)
		return -1;

	const char *unit = *end ? strchr(units, *end) : NULL;

	for (const char *u = units; unit && u <= unit; u++)
		value *= 1024;
	return value;
}

struct table_sort {
	const struct table *t;
	unsigned column;
	bool numbers, reverse;
};

static int table_compare(const void *a, const void *b, void *arg)
{
	const struct table_sort *k = arg;
	const struct row *x = a, *y = b;
	const struct text_cell *cx = &k->t->cells[x->cells + k->column],
			       *cy = &k->t->cells[y->cells + k->column];
	const char *tx = k->t->text + cx->text, *ty = k->t->text + cy->text;
	int order;

	if (k->numbers) {
		double nx = table_number(cx, tx), ny = table_number(cy, ty);

		order = (nx > ny) - (nx < ny);
	} else {
		order = strcasecmp(tx, ty);
	}
	if (k->reverse)
		order = -order;
	/* Equal rows stay as they came. */
	return order ? order : (x->cells > y->cells) - (x->cells < y->cells);
}

static bool table_passes(const struct table *t, const struct row *r, const char *filter)
{
	for (unsigned i = 0; i < t->nr; i++)
		if (strcasestr(t->text + t->cells[r->cells + i].text, filter))
			return true;
	return false;
}

/* Returns how many rows the filter has kept back. */
static size_t table_order(struct table *t, const struct table_order *o)
{
	struct table_sort k = { .t = t, .reverse = o->reverse };
	size_t all = t->nr_rows, nr = 0;

	for (size_t i = 0; i < all; i++)
		if (!o->filter || !*o->filter || table_passes(t, &t->rows[i], o->filter))
			t->rows[nr++] = t->rows[i];
	t->nr_rows = nr;
	for (unsigned i = 0; o->by && *o->by && i < t->nr && nr; i++) {
		const struct column *c = &t->columns[i];

		if (c->draw || strcmp(c->head, o->by))
			continue;
		k.column = i;
		k.numbers = c->right || t->cells[t->rows[0].cells + i].tone == TONE_ADDR;
		qsort_r(t->rows, nr, sizeof(*t->rows), table_compare, &k);
		break;
	}
	return all - nr;
}

static unsigned table_total_width(const struct table *t)
{
	unsigned total = 0;

	for (unsigned i = 0; i < t->nr; i++)
		if (!t->gone[i])
			total += t->width[i] + (total ? GAP : 0);
	return total;
}

static unsigned table_least_width(const struct table *t, unsigned i)
{
	unsigned least = t->columns[i].min, head = grid_text_width(t->columns[i].head);

	if (!least || least > t->natural[i])
		return t->natural[i];
	return least > head || t->columns[i].draw ? least : head;
}

static int table_least_important(const struct table *t)
{
	int found = -1;

	for (unsigned i = 0; i < t->nr; i++)
		if (!t->gone[i] && t->columns[i].drop &&
		    (found < 0 || t->columns[i].drop > t->columns[found].drop))
			found = (int)i;
	return found;
}

/* Minimum widths first, columns are dropped until they fit, then the spare room is handed out. */
static void table_lay_out(struct table *t, unsigned room)
{
	for (unsigned i = 0; i < t->nr; i++)
		t->width[i] = table_least_width(t, i);
	while (table_total_width(t) > room) {
		int i = table_least_important(t);

		if (i < 0)
			break;
		t->gone[i] = true;
	}
	/* Far too narrow: whole columns are dropped from the right, as half a number would be
	 * wrong. */
	for (unsigned i = t->nr - 1; i && table_total_width(t) > room; i--)
		t->gone[i] = true;
	if (table_total_width(t) > room)
		return;

	unsigned left = room - table_total_width(t);

	for (unsigned i = 0; i < t->nr; i++) {
		unsigned want = t->natural[i] - t->width[i];

		if (t->gone[i])
			continue;
		t->width[i] += want < left ? want : left;
		left -= want < left ? want : left;
	}
	for (unsigned i = 0; i < t->nr; i++) {
		unsigned grow = t->columns[i].grow;

		if (t->gone[i] || t->width[i] >= grow)
			continue;

		unsigned want = grow - t->width[i];

		t->width[i] += want < left ? want : left;
		left -= want < left ? want : left;
	}
}

static void table_draw_head(struct table *t, struct paint *p)
{
	unsigned col = FIRST_COL;
	bool any = false;

	for (unsigned i = 0; i < t->nr; i++)
		any |= !t->gone[i] && (*t->columns[i].head || t->columns[i].draw);
	if (!any)
		return;
	for (unsigned i = 0; i < t->nr; i++) {
		const struct column *c = &t->columns[i];

		if (t->gone[i])
			continue;
		paint_cut(p, col, t->width[i], TONE_HEAD, c->right, c->head);
		if (c->draw)
			c->draw(p, col, t->width[i], NULL, c->ctx);
		col += t->width[i] + GAP;
	}
	p->row++;
}

/* Prose goes down from the row's line; the row is as high as its highest column. */
static unsigned table_draw_prose(struct paint *p, unsigned col, unsigned width, enum tone tone,
				 const char *text)
{
	struct grid *g = p->g;
	struct paint inner = *p;
	struct grid lines;

	grid_init(&lines, width, 0);
	lines.ascii = g->ascii;
	inner.g = &lines;
	inner.row = 0;
	paint_prose(&inner, 0, tone, text);
	for (unsigned r = 0; r < lines.rows; r++)
		for (unsigned c = 0; c < width; c++) {
			const struct cell *cell = &lines.cells[(size_t)r * width + c];

			if (cell->ch && cell->ch != ' ')
				grid_putc(g, p->row + r, col + c, tone, cell->ch);
		}

	unsigned rows = lines.rows;

	grid_deinit(&lines);
	return rows ? rows : 1;
}

static void table_draw_row(struct table *t, struct paint *p, const struct row *r)
{
	unsigned col = FIRST_COL, height = 1;

	if (r->here)
		grid_putc(p->g, p->row, 1, TONE_ENGINE, U'>');
	grid_puts(p->g, p->row, 0, TONE_NORMAL, ""); /* a row of blanks is a row too */
	for (unsigned i = 0; i < t->nr && col < p->g->cols; i++) {
		const struct column *c = &t->columns[i];
		const struct text_cell *cell = &t->cells[r->cells + i];
		const char *text = t->text + cell->text;

		if (t->gone[i])
			continue;
		if (c->draw) {
			c->draw(p, col, t->width[i], r->item, c->ctx);
		} else if (c->prose && grid_text_width(text) > t->width[i]) {
			unsigned h = table_draw_prose(p, col, t->width[i], cell->tone, text);

			height = h > height ? h : height;
		} else {
			paint_cut(p, col, t->width[i], cell->tone, c->right, text);
		}
		col += t->width[i] + GAP;
	}
	p->row += height;
}

void table_end(struct table *t, struct paint *p, const char *empty)
{
	size_t kept_back = 0;

	table_fill_row(t);
	if (p->o->order)
		kept_back = table_order(t, p->o->order);
	if (kept_back && !t->nr_rows)
		empty = "no row has the text of the filter";
	if (t->nr_rows) {
		table_lay_out(t, p->g->cols > FIRST_COL ? p->g->cols - FIRST_COL : 1);
		table_draw_head(t, p);
		for (size_t i = 0; i < t->nr_rows; i++)
			table_draw_row(t, p, &t->rows[i]);
	} else {
		paint_prose(p, 1, TONE_DIM, empty);
	}
	free(t->rows);
	free(t->cells);
	free(t->text);
	free(t);
}
