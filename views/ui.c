/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The state behind the screen: keys in, effects out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/view_impl.h"

void ui_init(struct ui *ui, unsigned rows, unsigned cols, bool ascii)
{
	*ui = (struct ui){ .rows = rows, .cols = cols, .ascii = ascii };
}

void ui_deinit(struct ui *ui)
{
	pager_close(ui);
	ui_line_offer(ui, NULL);
	free(ui->filter.vma);
	ui->filter.vma = NULL;
}

/* ---- what is wanted ------------------------------------------------------------------------ */

void ui_want(const struct ui *ui, const Stepdump__Snapshot *s, struct view_want *w)
{
	*w = (struct view_want){ .peek = UINT64_MAX };
	if (!s) {
		/* What the frame shows, and what the keys need. */
		w->needs = SNAP_TARGET | SNAP_CURSOR | SNAP_BREAKPOINTS;
		w->events_max = 1;
		if (ui->relative && ui->view != VIEW_MAP)
			want_vmas(w, 0, 1);
	}
	view_ops(ui->view)->want(ui, s, w);
}

void ui_settle(struct ui *ui, const Stepdump__Snapshot *s)
{
	const Stepdump__Vma *v = vma_by_index(s, 0);

	if (v)
		ui->place.origin = v->start;
	if (view_ops(ui->view)->settle)
		view_ops(ui->view)->settle(ui, s);
	for (size_t i = 0; ui->find.to_hole && i < s->n_runs; i++)
		if (s->runs[i]->verdict == STEPDUMP__VERDICT__HOLE &&
		    s->runs[i]->start >= ui->place.addr) {
			ui->place.addr = s->runs[i]->start & ~(PAGE_BYTES - 1);
			ui->find.to_hole = false;
		}
	ui->find.to_hole = false;
}

bool ui_follow(struct ui *ui, const Stepdump__Snapshot *s)
{
	const Stepdump__Unit *u = s->cursor ? s->cursor->next : NULL;

	for (unsigned v = 0; v < NR_VIEWS; v++)
		ui->list[v].moved = false;
	if (!u)
		return false;
	if (u->has_ppb) {
		ui->pipes.ppb = u->ppb;
		ui->pipes.in_iovs = false;
	}
	if (u->has_shmid || !u->has_start || !u->start)
		return false;
	ui->place.addr = u->start & ~(PAGE_BYTES - 1);
	if (u->has_vma_index) {
		ui->place.vma = u->vma_index;
		return false;
	}
	ui->find.what = FIND_ADDR;
	return true;
}

/* ---- actions ------------------------------------------------------------------------------- */

static enum ui_effect ui_switch_to(struct ui *ui, enum view_id v)
{
	ui->view = v;
	return UI_LOOK;
}

static enum ui_effect ui_begin_line(struct ui *ui, char kind)
{
	ui->mode = UI_LINE;
	ui->typed.kind = kind;
	ui_line_show(ui, (char[]){ kind, '\0' }, kind == '\\' ? ui->filter.text[ui->view] : "", 0);
	return UI_DRAW;
}

static void ui_show_help(struct ui *ui)
{
	char *text, name[40];
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		abort();
	for (enum action_group g = 0; g < NR_ACTION_GROUPS; g++) {
		fprintf(f, "%s%s\n", g ? "\n" : "", action_group_name(g));
		for (const struct action_desc *a = actions; a->id; a++)
			if (a->group == g && a->where & IN_VIEW(ui->view))
				fprintf(f, "  %-12s %s\n", a->keys, a->help);
	}
	fprintf(f,
		"\nThe mouse is off, so that text can be selected; `:set mouse on` turns it on:\n"
		"a click selects a row, sorts by a heading, or presses a key of the bottom bar.\n"
		"Colours: `:set theme dark|light|cb|mono`.\n");
	if (fclose(f))
		abort();
	snprintf(name, sizeof(name), "keys in %s", view_name(ui->view));
	ui_page(ui, name, text);
	free(text);
}

enum ui_effect search_again(struct ui *ui, enum action a, const Stepdump__Snapshot *s)
{
	if (!*ui->find.text)
		return ui_begin_line(ui, '/');
	ui->find.back = a == ACT_SEARCH_PREV;
	if (!(IN_VIEW(ui->view) & IN_LISTS))
		return UI_FIND;
	return view_ops(ui->view)->act(ui, a, s);
}

static enum ui_effect ui_explain(struct ui *ui, const Stepdump__Snapshot *s)
{
	AUTO_FREE char *words = s ? view_ops(ui->view)->term(ui, s) : NULL;

	if (!words)
		return UI_NOTHING;
	snprintf(ui->command.line, sizeof(ui->command.line), "%s", words);
	ui->command.steps = false;
	return UI_EXPLAIN;
}

enum ui_effect ui_action(struct ui *ui, enum action a, const Stepdump__Snapshot *s)
{
	*ui->message.text = '\0';
	if (ui->mode == UI_PAGER && a != ACT_SEARCH && a != ACT_SUSPEND && a != ACT_LEAVE &&
	    a != ACT_REDRAW && a != ACT_COMMAND)
		return pager_action(ui, a);
	switch (a) {
	case ACT_NONE:
		return UI_NOTHING;
	case ACT_NEXT:
		return ui_run(ui, "next");
	case ACT_STEP:
		return ui_run(ui, "step");
	case ACT_FINISH:
		return ui_run(ui, "finish");
	case ACT_REVERSE_NEXT:
		return ui_run(ui, "back");
	case ACT_REVERSE_STEP:
		return ui_run(ui, "reverse-step");
	case ACT_CONTINUE:
		return ui_run(ui, "continue");
	case ACT_VIEW_1 ... ACT_VIEW_10:
		return ui_switch_to(ui, (enum view_id)(a - ACT_VIEW_1));
	case ACT_VIEW_NEXT:
		return ui_switch_to(ui, (ui->view + 1) % NR_VIEWS);
	case ACT_VIEW_PREV:
		return ui_switch_to(ui, (ui->view + NR_VIEWS - 1) % NR_VIEWS);
	case ACT_COMMAND:
		return ui_begin_line(ui, ':');
	case ACT_SEARCH:
		return ui_begin_line(ui, '/');
	case ACT_FILTER:
		return ui_begin_line(ui, '\\');
	case ACT_GOTO:
		return ui_begin_line(ui, '@');
	case ACT_SEARCH_NEXT:
	case ACT_SEARCH_PREV:
		return search_again(ui, a, s);
	case ACT_BYTES:
		ui->place.bytes = (ui->place.bytes + 1) % NR_BYTE_SOURCES;
		ui_message(ui, TONE_NORMAL, "bytes from: %s", byte_source_name(ui->place.bytes));
		return UI_LOOK;
	case ACT_HELP:
		ui_show_help(ui);
		return UI_DRAW;
	case ACT_REDRAW:
		return UI_LOOK;
	case ACT_SUSPEND:
		return UI_SUSPEND;
	case ACT_PROMPT:
	case ACT_QUIT:
	case ACT_LEAVE:
		return UI_LEAVE;
	case ACT_FOLLOW:
		ui->stay = !ui->stay;
		ui_message(ui, TONE_NORMAL,
			   ui->stay ? "stays here while the engine goes on; F follows it" :
				      "follows the engine after each step");
		return ui->stay || !s ? UI_DRAW : ui_follow(ui, s) ? UI_FIND : UI_LOOK;
	case ACT_EXPLAIN:
		return ui_explain(ui, s);
	case ACT_NEXT_HOLE:
		ui->find.what = FIND_HOLE;
		return UI_FIND;
	case ACT_ENGINE:
		return s && ui_follow(ui, s) ? UI_FIND : UI_LOOK;
	default:
		return view_ops(ui->view)->act(ui, a, s);
	}
}

/* ---- keys ---------------------------------------------------------------------------------- */

enum ui_effect ui_key(struct ui *ui, int key, const Stepdump__Snapshot *s)
{
	if (ui->rows < SCREEN_MIN_ROWS || ui->cols < SCREEN_MIN_COLS) {
		/* Only the way out is visible. */
		return key == 'q' || key == 'Q' || key == 'i' ? UI_LEAVE :
		       key == K_SUSPEND                       ? UI_SUSPEND :
								UI_NOTHING;
	}

	uint32_t where = ui->mode == UI_PAGER ? IN_PAGER : IN_VIEW(ui->view);
	enum action a = key_action(key, where);

	if (a == ACT_NONE && key > ' ' && key < K_BACKSPACE) {
		ui_message(ui, TONE_WARN, "\"%c\" does nothing here: ? lists the keys", key);
		return UI_DRAW;
	}
	return ui_action(ui, a, s);
}

enum ui_effect ui_click(struct ui *ui, unsigned row, unsigned col, const Stepdump__Snapshot *s)
{
	struct bar_item items[BAR_ITEMS_MAX];
	uint32_t where = ui->mode == UI_PAGER ? IN_PAGER : IN_VIEW(ui->view);
	unsigned nr = bar_items(where, ui->cols, items);

	if (ui->mode == UI_LINE || ui->rows < SCREEN_MIN_ROWS || ui->cols < SCREEN_MIN_COLS)
		return UI_NOTHING;
	if (row >= FRAME_TOP && row < FRAME_TOP + body_rows(ui) && ui->mode == UI_VIEW && s &&
	    view_ops(ui->view)->click)
		return view_ops(ui->view)->click(ui, row - FRAME_TOP, col, s);
	if (row + 1 != ui->rows)
		return UI_NOTHING;
	for (unsigned i = 0; i < nr; i++)
		if (col >= items[i].col && col < items[i].col + items[i].width)
			return ui_action(ui, items[i].id, s);
	return UI_NOTHING;
}
