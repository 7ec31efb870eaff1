/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Threads and events: a pane that scrolls, with search and filter. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/view_impl.h"

#define EVENTS_KEPT 1000

static const struct pane *pane_of(const struct ui *ui)
{
	return pane_find(ui->view == VIEW_THREADS ? "threads" : "events");
}

/* The pane's rows as text, without its title; those that pass the filter. */
static struct grid list_draw_all(const struct ui *ui, const Stepdump__Snapshot *s)
{
	struct pane_opts o = view_opts(ui);
	const char *filter = ui->filter.text[ui->view];
	struct grid all, g;

	grid_init(&all, ui->cols, 0);
	pane_render(pane_of(ui), s, &o, &all);
	if (!*filter)
		return all;
	grid_init(&g, ui->cols, 0);
	g.ascii = ui->ascii;

	char *text = grid_to_text(&all), *line = text;

	/* Rows 0 to 2 are title, rule and column heads. */
	for (unsigned r = 0; r < all.rows; r++) {
		char *eol = strchr(line, '\n');

		*eol = '\0';
		if (r < 3 || strcasestr(line, filter)) {
			struct grid one = all;

			one.cells += (size_t)r * all.cols;
			one.rows = 1;
			grid_puts(&g, g.rows, 0, TONE_NORMAL, "");
			grid_blit(&g, g.rows - 1, 0, &one);
		}
		line = eol + 1;
	}
	free(text);
	grid_deinit(&all);
	return g;
}

static void list_want(const struct ui *ui, const Stepdump__Snapshot *s, struct view_want *w)
{
	if (s)
		return;
	w->needs |= pane_of(ui)->needs & ~(uint32_t)SNAP_VMAS;
	w->events_max = EVENTS_KEPT;
}

static uint32_t list_page(const struct ui *ui)
{
	return body_rows(ui) > 2 ? body_rows(ui) - 1 : 1;
}

static void list_settle(struct ui *ui, const Stepdump__Snapshot *s)
{
	struct grid g = list_draw_all(ui, s);
	uint32_t nr = g.rows > 3 ? g.rows - 3 : 0;

	/* Shows the newest event, unless the user has scrolled up. */
	if (ui->list[ui->view].at >= nr || (ui->view == VIEW_EVENTS && !ui->list[ui->view].moved))
		ui->list[ui->view].at = nr ? nr - 1 : 0;
	ui->list[ui->view].moved = ui->list[ui->view].at + 1 < nr;
	keep_visible(ui->list[ui->view].at, list_page(ui), nr, &ui->list[ui->view].top);
	grid_deinit(&g);
}

static enum ui_effect list_search(struct ui *ui, const Stepdump__Snapshot *s, bool back)
{
	struct grid g = list_draw_all(ui, s);
	char *text = grid_to_text(&g), *line = text, *eol;
	uint32_t nr = g.rows > 3 ? g.rows - 3 : 0, at = ui->list[ui->view].at, best = UINT32_MAX;
	uint32_t best_distance = UINT32_MAX;

	for (uint32_t r = 0; (eol = strchr(line, '\n')); r++, line = eol + 1) {
		*eol = '\0';
		if (r < 3 || !strcasestr(line, ui->find.text))
			continue;

		uint32_t distance = (back ? at + nr - (r - 3) : r - 3 + nr - at) % nr;

		distance = distance ? distance : nr; /* round to where we are */
		if (distance < best_distance) {
			best_distance = distance;
			best = r - 3;
		}
	}
	free(text);
	grid_deinit(&g);
	if (best == UINT32_MAX)
		ui_message(ui, TONE_WARN, "not found: \"%s\"", ui->find.text);
	else
		ui->list[ui->view].at = best;
	ui->list[ui->view].moved = true;
	return UI_LOOK;
}

static enum ui_effect list_act(struct ui *ui, enum action a, const Stepdump__Snapshot *s)
{
	uint32_t nr = UINT32_MAX;

	if (a == ACT_SEARCH_NEXT || a == ACT_SEARCH_PREV)
		return s ? list_search(ui, s, a == ACT_SEARCH_PREV) : UI_NOTHING;
	/* list_settle() knows how many there are. */
	ui->list[ui->view].moved = true;
	return move_rows(a, list_page(ui), nr, &ui->list[ui->view].at) ? UI_LOOK : UI_NOTHING;
}

static void list_render(const struct ui *ui, const Stepdump__Snapshot *s, struct grid *g)
{
	struct grid all = list_draw_all(ui, s), part = all;
	uint32_t top = ui->list[ui->view].top, at = ui->list[ui->view].at, page = list_page(ui);

	if (all.rows > 2) {
		part.cells = all.cells + 2ul * all.cols;
		part.rows = 1;
		grid_blit(g, 0, 0, &part);
	}
	if (all.rows > 3 + top) {
		part.cells = all.cells + (3ul + top) * all.cols;
		part.rows = all.rows - 3 - top < page ? all.rows - 3 - top : page;
		grid_blit(g, 1, 0, &part);
		mark_row(g, 1 + at - top, 0, g->cols);
	}
	grid_deinit(&all);
}

static void list_title(const struct ui *ui, const Stepdump__Snapshot *s, char *buf, size_t len)
{
	if (*ui->filter.text[ui->view])
		snprintf(buf, len, "only rows with \"%s\"", ui->filter.text[ui->view]);
	else if (ui->view == VIEW_EVENTS)
		snprintf(buf, len, "the last %zu, newest below", s->n_events);
	else
		snprintf(buf, len, "%zu threads", s->n_threads);
}

const struct view_ops view_list = {
	.want = list_want,
	.settle = list_settle,
	.act = list_act,
	.render = list_render,
	.title = list_title,
};
