/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A pane that scrolls (threads, events, pmc, holes, xfer, checks): to search, filter and sort. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/view_impl.h"

#define EVENTS_KEPT 1000
#define VMAS_MAX 1024 /* of those around the pmc's window */
#define PANE_HEAD 2   /* title and rule of a pane, which the frame has already */

static const struct pane *pane_of(const struct ui *ui)
{
	return pane_find(view_name(ui->view));
}

/* ---- the rows -------------------------------------------------------------------------------- */

struct list {
	struct grid g;  /* the pane, all of it */
	unsigned fixed; /* rows at its top that do not scroll: title, rule, perhaps headings */
	uint32_t nr;    /* rows that scroll */
};

static bool list_is_head(const struct grid *g, unsigned row)
{
	for (unsigned c = 0; row < g->rows && c < g->cols; c++)
		if (g->cells[(size_t)row * g->cols + c].tone == TONE_HEAD)
			return true;
	return false;
}

static struct list list_draw(const struct ui *ui, const Stepdump__Snapshot *s)
{
	const struct table_order order = { .filter = ui->filter.text[ui->view],
					   .by = ui->list[ui->view].by,
					   .reverse = ui->list[ui->view].reverse };
	struct pane_opts o = view_opts(ui);
	struct list l = { 0 };

	o.order = &order;
	grid_init(&l.g, ui->cols, 0);
	l.g.ascii = ui->ascii;
	pane_render(pane_of(ui), s, &o, &l.g);
	l.fixed = PANE_HEAD + list_is_head(&l.g, PANE_HEAD);
	l.nr = l.g.rows > l.fixed ? l.g.rows - l.fixed : 0;
	return l;
}

/* The text of a grid's rows from `row` on, `nr` of them; heap. */
static char *list_text(const struct grid *g, unsigned row, unsigned nr)
{
	struct grid part = *g;

	part.cells += (size_t)row * g->cols;
	part.rows = nr;
	return grid_to_text(&part);
}

/* The row that carries the engine's '>'; UINT32_MAX: none. */
static uint32_t list_engine_row(const struct list *l)
{
	for (uint32_t r = 0; r < l->nr; r++) {
		const struct cell *c = &l->g.cells[(size_t)(l->fixed + r) * l->g.cols + 1];

		if (c->ch == U'>' && c->tone == TONE_ENGINE)
			return r;
	}
	return UINT32_MAX;
}

static uint32_t list_page(const struct ui *ui, const struct list *l)
{
	unsigned heads = l->fixed - PANE_HEAD;

	return body_rows(ui) > heads + 1 ? body_rows(ui) - heads : 1;
}

/* ---- what is asked for ------------------------------------------------------------------------ */

/* All VMAs, or those around the engine: the pmc's window is there. */
static void list_want_pmc_vmas(const Stepdump__Snapshot *s, struct view_want *w)
{
	const Stepdump__Cursor *c = s->cursor;
	const Stepdump__Unit *u = c && c->next && c->next->has_vma_index ? c->next :
				  c && c->last && c->last->has_vma_index ? c->last :
									   NULL;
	uint32_t nr = total_vmas(s), first = 0;

	if (nr > VMAS_MAX && u && u->vma_index > VMAS_MAX / 2)
		first = u->vma_index - VMAS_MAX / 2;
	if (s->pmc && first < nr)
		want_vmas(w, first, nr - first < VMAS_MAX ? nr - first : VMAS_MAX);
}

static void list_want(const struct ui *ui, const Stepdump__Snapshot *s, struct view_want *w)
{
	if (s) {
		if (ui->view == VIEW_PMC)
			list_want_pmc_vmas(s, w);
		return;
	}
	w->needs |= pane_of(ui)->needs & ~(uint32_t)SNAP_VMAS;
	w->events_max = EVENTS_KEPT;
}

/* ---- moving ---------------------------------------------------------------------------------- */

static void list_settle(struct ui *ui, const Stepdump__Snapshot *s)
{
	struct list l = list_draw(ui, s);
	uint32_t at = ui->list[ui->view].at, engine = list_engine_row(&l);
	bool newest_last = ui->view == VIEW_EVENTS && !*ui->list[ui->view].by;

	/* Shows the newest event, or the engine's row, unless the user has moved away. */
	if (at >= l.nr || (newest_last && !ui->list[ui->view].moved))
		at = l.nr ? l.nr - 1 : 0;
	else if (!ui->list[ui->view].moved && engine != UINT32_MAX)
		at = engine;
	if (newest_last)
		ui->list[ui->view].moved = at + 1 < l.nr;
	ui->list[ui->view].at = at;
	keep_visible(at, list_page(ui, &l), l.nr, &ui->list[ui->view].top);
	grid_deinit(&l.g);
}

static enum ui_effect list_search(struct ui *ui, const Stepdump__Snapshot *s, bool back)
{
	struct list l = list_draw(ui, s);
	char *text = list_text(&l.g, l.fixed, l.nr), *line = text, *eol;
	uint32_t at = ui->list[ui->view].at, best = UINT32_MAX;
	uint32_t best_distance = UINT32_MAX;

	for (uint32_t r = 0; (eol = strchr(line, '\n')); r++, line = eol + 1) {
		*eol = '\0';
		if (!strcasestr(line, ui->find.text))
			continue;

		uint32_t distance = (back ? at + l.nr - r : r + l.nr - at) % l.nr;

		distance = distance ? distance : l.nr; /* round to where we are */
		if (distance < best_distance) {
			best_distance = distance;
			best = r;
		}
	}
	free(text);
	grid_deinit(&l.g);
	if (best == UINT32_MAX)
		ui_message(ui, TONE_WARN, "not found: \"%s\"", ui->find.text);
	else
		ui->list[ui->view].at = best;
	ui->list[ui->view].moved = true;
	return UI_LOOK;
}

/* ---- sorting --------------------------------------------------------------------------------- */

/* The heading at or behind a column of a row; where the search goes on.  False: none. */
static bool list_next_head(const struct grid *g, unsigned row, unsigned *col, char *name,
			   size_t size)
{
	const struct cell *c = &g->cells[(size_t)row * g->cols];
	size_t len = 0;
	unsigned i = *col;

	while (i < g->cols && (c[i].tone != TONE_HEAD || c[i].ch == U' ' || !c[i].ch))
		i++;
	if (i == g->cols)
		return false;
	/* Two blanks end it. */
	for (; i < g->cols && len + 1 < size && c[i].tone == TONE_HEAD && c[i].ch < 0x80; i++) {
		if (c[i].ch == U' ' && (i + 1 == g->cols || c[i + 1].ch == U' ' || !c[i + 1].ch))
			break;
		name[len++] = (char)c[i].ch;
	}
	name[len] = '\0';
	*col = i < g->cols ? i + 1 : i;
	return len > 0;
}

/* Numbers with the largest first, names from a to z: o and a click begin that way. */
static void list_sort_by(struct ui *ui, const char *by)
{
	static const char *const numbers[] = { "pages", "size", "bytes", "entries", "hits" };
	bool largest = false;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		largest |= !strcmp(by, numbers[i]);
	snprintf(ui->list[ui->view].by, sizeof(ui->list[0].by), "%s", by);
	ui->list[ui->view].reverse = largest;
	if (*by)
		ui_message(ui, TONE_NORMAL, "sorted by %s%s; I: the other way round", by,
			   largest ? ", largest first" : "");
	else
		ui_message(ui, TONE_NORMAL, "not sorted: in the order of the dump");
}

/* Through the headings, then back to no order. */
static enum ui_effect list_sort_next(struct ui *ui, const Stepdump__Snapshot *s)
{
	struct list l = list_draw(ui, s);
	char name[sizeof(ui->list[0].by)], found[sizeof(name)] = "", *by = ui->list[ui->view].by;
	bool take = !*by, any = false;

	for (unsigned row = PANE_HEAD; row < l.g.rows && !*found; row++)
		for (unsigned col = 0; list_next_head(&l.g, row, &col, name, sizeof(name));) {
			any = true;
			if (take) {
				memcpy(found, name, sizeof(found));
				break;
			}
			take = !strcmp(name, by);
		}
	grid_deinit(&l.g);
	list_sort_by(ui, found);
	if (!any)
		ui_message(ui, TONE_WARN, "there is no table to sort yet");
	return UI_LOOK;
}

static enum ui_effect list_act(struct ui *ui, enum action a, const Stepdump__Snapshot *s)
{
	if (!s)
		return UI_NOTHING;
	if (a == ACT_SEARCH_NEXT || a == ACT_SEARCH_PREV)
		return list_search(ui, s, a == ACT_SEARCH_PREV);
	if (a == ACT_SORT)
		return list_sort_next(ui, s);
	if (a == ACT_REVERSE) {
		if (*ui->list[ui->view].by)
			ui->list[ui->view].reverse = !ui->list[ui->view].reverse;
		else
			ui_message(ui, TONE_WARN, "not sorted: o sorts by a column");
		return UI_LOOK;
	}

	struct list l = list_draw(ui, s);
	uint32_t page = list_page(ui, &l);

	grid_deinit(&l.g);
	/* list_settle() knows how many there are. */
	ui->list[ui->view].moved = true;
	return move_rows(a, page, UINT32_MAX, &ui->list[ui->view].at) ? UI_LOOK : UI_NOTHING;
}

static enum ui_effect list_click(struct ui *ui, unsigned row, unsigned col,
				 const Stepdump__Snapshot *s)
{
	struct list l = list_draw(ui, s);
	unsigned heads = l.fixed - PANE_HEAD, from = 0;
	unsigned line =
		row < heads ? PANE_HEAD + row : l.fixed + ui->list[ui->view].top + row - heads;
	char name[sizeof(ui->list[0].by)];
	bool head = false;

	for (; line < l.g.rows && list_next_head(&l.g, line, &from, name, sizeof(name));)
		if (col < from) {
			head = true;
			break;
		}
	if (head && *ui->list[ui->view].by && !strcmp(name, ui->list[ui->view].by)) {
		ui->list[ui->view].reverse = !ui->list[ui->view].reverse;
	} else if (head) {
		list_sort_by(ui, name);
	} else if (row >= heads && line < l.g.rows) {
		ui->list[ui->view].at = line - l.fixed;
		ui->list[ui->view].moved = true;
	}
	grid_deinit(&l.g);
	return UI_LOOK;
}

/* ---- what is selected ------------------------------------------------------------------------ */

/* The cells of the row, its words, what the pane is about. */
static char *list_term(const struct ui *ui, const Stepdump__Snapshot *s)
{
	static const char *const about[NR_VIEWS] = {
		[VIEW_THREADS] = "tid", [VIEW_EVENTS] = "event", [VIEW_PMC] = "pmc",
		[VIEW_HOLES] = "hole",  [VIEW_XFER] = "xfer",    [VIEW_CHECKS] = "check",
	};
	struct list l = list_draw(ui, s);
	uint32_t at = ui->list[ui->view].at;
	char *words = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&words, &len);

	if (!f)
		abort();
	if (at < l.nr) {
		AUTO_FREE char *text = list_text(&l.g, l.fixed + at, 1);

		for (char *c = text + strspn(text, " >*"); *c;) { /* cells are two blanks apart */
			char *end = strstr(c, "  ");
			size_t n = end ? (size_t)(end - c) : strcspn(c, "\n");

			if (n > 1)
				fprintf(f, "%.*s\n", (int)n, c);
			c += n;
			c += strspn(c, " >*\n");
		}
		/* What happened says more than when and in which phase, so from behind. */
		for (size_t i = strlen(text); ui->view == VIEW_EVENTS && i--;)
			if (text[i] == ' ' && text[i + 1] != ' ')
				fprintf(f, "%.*s\n", (int)strcspn(text + i + 1, " ,:;\n"),
					text + i + 1);
	}
	fprintf(f, "%s", about[ui->view]);
	if (fclose(f))
		abort();
	grid_deinit(&l.g);
	return words;
}

/* ---- drawing --------------------------------------------------------------------------------- */

static void list_render(const struct ui *ui, const Stepdump__Snapshot *s, struct grid *g)
{
	struct list l = list_draw(ui, s);
	struct grid part = l.g;
	unsigned heads = l.fixed - PANE_HEAD;
	uint32_t top = ui->list[ui->view].top, at = ui->list[ui->view].at, page = list_page(ui, &l);

	if (heads && l.g.rows > PANE_HEAD) {
		part.cells = l.g.cells + (size_t)PANE_HEAD * l.g.cols;
		part.rows = heads;
		grid_blit(g, 0, 0, &part);
	}
	if (l.nr > top) {
		part.cells = l.g.cells + ((size_t)l.fixed + top) * l.g.cols;
		part.rows = l.nr - top < page ? l.nr - top : page;
		grid_blit(g, heads, 0, &part);
		if (at >= top && at - top < part.rows)
			mark_row(g, heads + at - top, 0, g->cols);
	}
	grid_deinit(&l.g);
}

static void list_title(const struct ui *ui, const Stepdump__Snapshot *s, char *buf, size_t len)
{
	const char *filter = ui->filter.text[ui->view], *by = ui->list[ui->view].by;
	size_t bad = 0;

	if (*filter || *by) {
		snprintf(buf, len, "%s%s%s%s%s%s%s", *filter ? "only rows with \"" : "", filter,
			 *filter ? "\"" : "", *filter && *by ? ", " : "", *by ? "by " : "", by,
			 *by && ui->list[ui->view].reverse ? ", reversed" : "");
		return;
	}
	switch (ui->view) {
	case VIEW_EVENTS:
		snprintf(buf, len, "the last %zu, newest below", s->n_events);
		break;
	case VIEW_THREADS:
		snprintf(buf, len, "%zu threads", s->n_threads);
		break;
	case VIEW_HOLES:
		if (s->page_pipe)
			snprintf(buf, len, "%s holes",
				 txt_opt(s->page_pipe->has_nr_holes, s->page_pipe->nr_holes).s);
		break;
	case VIEW_CHECKS:
		for (size_t i = 0; i < s->n_checks; i++)
			bad += !s->checks[i]->ok;
		snprintf(buf, len, "%zu of %zu hold", s->n_checks - bad, s->n_checks);
		break;
	default:
		snprintf(buf, len, "%s", view_summary(ui->view));
	}
}

const struct view_ops view_list = {
	.want = list_want,
	.settle = list_settle,
	.act = list_act,
	.click = list_click,
	.term = list_term,
	.render = list_render,
	.title = list_title,
};
