/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The state behind the screen: keys in, effects out. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/view_impl.h"

void ui_init(struct ui *ui, unsigned rows, unsigned cols, bool ascii)
{
	*ui = (struct ui){ .rows = rows, .cols = cols, .ascii = ascii };
}

static void pager_close(struct ui *ui)
{
	for (size_t i = 0; i < ui->pager.nr; i++)
		free(ui->pager.line[i]);
	free(ui->pager.line);
	free(ui->pager.title);
	ui->pager = (struct pager){ 0 };
	if (ui->mode == UI_PAGER)
		ui->mode = UI_VIEW;
}

void ui_deinit(struct ui *ui)
{
	pager_close(ui);
	free(ui->filtered);
	ui->filtered = NULL;
}

void ui_message(struct ui *ui, enum tone tone, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(ui->message, sizeof(ui->message), fmt, ap) < 0)
		*ui->message = '\0';
	va_end(ap);
	ui->message_tone = tone;
}

static void pager_add(struct pager *p, const char *text, size_t len)
{
	if ((p->nr & (p->nr - 1)) == 0) {
		char **line = reallocarray(p->line, p->nr ? p->nr * 2 : 1, sizeof(*line));

		if (!line)
			abort();
		p->line = line;
	}
	if (!(p->line[p->nr++] = strndup(text, len)))
		abort();
}

void ui_page(struct ui *ui, const char *title, const char *text)
{
	size_t len = strlen(text);

	while (len && text[len - 1] == '\n')
		len--;
	pager_close(ui);
	if (!len)
		return;
	if (!memchr(text, '\n', len) && grid_text_width(text) < ui->cols) {
		ui_message(ui, TONE_NORMAL, "%.*s", (int)len, text);
		return;
	}
	ui->pager.title = strdup(title);
	if (!ui->pager.title)
		abort();
	for (const char *end = text + len; text < end;) {
		const char *eol = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((eol ? eol : end) - text);

		pager_add(&ui->pager, text, n);
		text += n + 1;
	}
	ui->mode = UI_PAGER;
}

const struct view_ops *view_ops(enum view_id v)
{
	static const struct view_ops *const ops[] = {
		[VIEW_PIPELINE] = &view_pipeline, [VIEW_PIPES] = &view_pipes,
		[VIEW_MAP] = &view_map,           [VIEW_PARENTS] = &view_parents,
		[VIEW_THREADS] = &view_list,      [VIEW_EVENTS] = &view_list,
	};

	return ops[v < NR_VIEWS ? v : VIEW_PIPELINE];
}

/* ---- what is wanted ------------------------------------------------------------------------ */

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

void ui_want(const struct ui *ui, const Stepdump__Snapshot *s, struct view_want *w)
{
	*w = (struct view_want){ .peek = UINT64_MAX };
	if (!s) {
		/* What the frame shows, and what stepping needs. */
		w->needs = SNAP_TARGET | SNAP_CURSOR | SNAP_BREAKPOINTS | SNAP_ERROR |
			   SNAP_COUNTERS | SNAP_XFER;
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
		ui->origin = v->start;
	if (view_ops(ui->view)->settle)
		view_ops(ui->view)->settle(ui, s);
	for (size_t i = 0; ui->at_hole && i < s->n_runs; i++)
		if (s->runs[i]->verdict == STEPDUMP__VERDICT__HOLE &&
		    s->runs[i]->start >= ui->addr) {
			ui->addr = s->runs[i]->start & ~(PAGE_BYTES - 1);
			ui->at_hole = false;
		}
	ui->at_hole = false;
}

bool ui_follow(struct ui *ui, const Stepdump__Snapshot *s)
{
	const Stepdump__Unit *u = s->cursor ? s->cursor->next : NULL;

	if (!u)
		return false;
	if (u->has_ppb) {
		ui->pipes.ppb = u->ppb;
		ui->pipes.in_iovs = false;
	}
	if (u->has_shmid || !u->has_start || !u->start)
		return false;
	ui->addr = u->start & ~(PAGE_BYTES - 1);
	if (u->has_vma_index) {
		ui->vma = u->vma_index;
		return false;
	}
	ui->find_addr = true;
	return true;
}

uint32_t total_vmas(const Stepdump__Snapshot *s)
{
	uint32_t nr = s->target && s->target->has_nr_vmas ? s->target->nr_vmas : 0;

	return nr > s->n_vmas ? nr : (uint32_t)s->n_vmas;
}

/* ---- moving -------------------------------------------------------------------------------- */

bool move_rows(enum action a, uint32_t page, uint32_t nr, uint32_t *at)
{
	uint32_t last = nr ? nr - 1 : 0, by = page > 1 ? page - 1 : 1;

	switch (a) {
	case ACT_HALF_DOWN:
	case ACT_HALF_UP:
		by = page > 3 ? page / 2 : 1;
		break;
	case ACT_DOWN:
	case ACT_UP:
		by = 1;
		break;
	default:
		break;
	}
	switch (a) {
	case ACT_DOWN:
	case ACT_PAGE_DOWN:
	case ACT_HALF_DOWN:
		*at = last - (*at < last ? *at : last) < by ? last : *at + by;
		return true;
	case ACT_UP:
	case ACT_PAGE_UP:
	case ACT_HALF_UP:
		*at = *at < by ? 0 : *at - by;
		return true;
	case ACT_TOP:
		*at = 0;
		return true;
	case ACT_BOTTOM:
		*at = last;
		return true;
	default:
		return false;
	}
}

void keep_visible(uint32_t at, uint32_t page, uint32_t nr, uint32_t *top)
{
	if (!page)
		page = 1;
	if (at < *top)
		*top = at;
	if (at >= *top && at - *top >= page)
		*top = at - page + 1;
	if (nr <= page)
		*top = 0;
	else if (*top > nr - page)
		*top = nr - page;
}

enum ui_effect pager_action(struct ui *ui, enum action a)
{
	struct pager *p = &ui->pager;
	uint32_t page = body_rows(ui), nr = (uint32_t)p->nr;
	uint32_t last = nr > page ? nr - page : 0, top = (uint32_t)p->top;

	switch (a) {
	case ACT_QUIT:
	case ACT_BACK:
		pager_close(ui);
		return UI_DRAW;
	case ACT_SEARCH_NEXT:
	case ACT_SEARCH_PREV:
		for (uint32_t k = 1; *ui->search && nr && k <= nr; k++) {
			uint32_t i = (top + (a == ACT_SEARCH_NEXT ? k : nr - k)) % nr;

			if (strcasestr(p->line[i], ui->search)) {
				p->top = i < last ? i : last;
				return UI_DRAW;
			}
		}
		ui_message(ui, TONE_WARN, "not found: \"%s\"", ui->search);
		return UI_DRAW;
	case ACT_DOWN:
		p->top = top < last ? top + 1 : last;
		return UI_DRAW;
	case ACT_UP:
		p->top = top ? top - 1 : 0;
		return UI_DRAW;
	case ACT_BOTTOM:
		p->top = last;
		return UI_DRAW;
	default:
		if (!move_rows(a, page, nr, &top))
			return UI_NOTHING;
		p->top = top < last ? top : last;
		return UI_DRAW;
	}
}

/* ---- actions ------------------------------------------------------------------------------- */

static enum ui_effect run(struct ui *ui, const char *command)
{
	if (ui->saved) {
		ui_message(ui, TONE_WARN,
			   "this is a saved snapshot: there is nothing to run, only to look at");
		return UI_DRAW;
	}
	snprintf(ui->command, sizeof(ui->command), "%s", command);
	ui->command_steps = true;
	return UI_RUN;
}

static enum ui_effect switch_to(struct ui *ui, enum view_id v)
{
	ui->view = v;
	return UI_LOOK;
}

static enum ui_effect begin_line(struct ui *ui, char kind)
{
	ui->mode = UI_LINE;
	ui->line_kind = kind;
	*ui->line = '\0';
	if (kind == '\\')
		snprintf(ui->line, sizeof(ui->line), "%s", ui->filter[ui->view]);
	return UI_DRAW;
}

static void show_help(struct ui *ui)
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
		"\nThe mouse is off, so that text can be selected; `:set mouse on` turns it on.\n"
		"Colours: `:set theme dark|light|cb|mono`.\n");
	if (fclose(f))
		abort();
	snprintf(name, sizeof(name), "keys in %s", view_name(ui->view));
	ui_page(ui, name, text);
	free(text);
}

enum ui_effect search_again(struct ui *ui, enum action a, const Stepdump__Snapshot *s)
{
	if (!*ui->search)
		return begin_line(ui, '/');
	ui->find_back = a == ACT_SEARCH_PREV;
	if (ui->view != VIEW_THREADS && ui->view != VIEW_EVENTS)
		return UI_FIND;
	return view_ops(ui->view)->act(ui, a, s);
}

enum ui_effect ui_action(struct ui *ui, enum action a, const Stepdump__Snapshot *s)
{
	*ui->message = '\0';
	if (ui->mode == UI_PAGER && a != ACT_SEARCH && a != ACT_SUSPEND && a != ACT_LEAVE &&
	    a != ACT_REDRAW && a != ACT_COMMAND)
		return pager_action(ui, a);
	switch (a) {
	case ACT_NONE:
		return UI_NOTHING;
	case ACT_NEXT:
		return run(ui, "next");
	case ACT_STEP:
		return run(ui, "step");
	case ACT_FINISH:
		return run(ui, "finish");
	case ACT_CONTINUE:
		return run(ui, "continue");
	case ACT_VIEW_1 ... ACT_VIEW_6:
		return switch_to(ui, (enum view_id)(a - ACT_VIEW_1));
	case ACT_VIEW_NEXT:
		return switch_to(ui, (ui->view + 1) % NR_VIEWS);
	case ACT_VIEW_PREV:
		return switch_to(ui, (ui->view + NR_VIEWS - 1) % NR_VIEWS);
	case ACT_COMMAND:
		return begin_line(ui, ':');
	case ACT_SEARCH:
		return begin_line(ui, '/');
	case ACT_FILTER:
		return begin_line(ui, '\\');
	case ACT_GOTO:
		return begin_line(ui, '@');
	case ACT_SEARCH_NEXT:
	case ACT_SEARCH_PREV:
		return search_again(ui, a, s);
	case ACT_BYTES:
		ui->bytes = (ui->bytes + 1) % NR_BYTE_SOURCES;
		ui_message(ui, TONE_NORMAL, "bytes from: %s", byte_source_name(ui->bytes));
		return UI_LOOK;
	case ACT_HELP:
		show_help(ui);
		return UI_DRAW;
	case ACT_REDRAW:
		return UI_LOOK;
	case ACT_SUSPEND:
		return UI_SUSPEND;
	case ACT_PROMPT:
	case ACT_QUIT:
	case ACT_LEAVE:
		return UI_LEAVE;
	case ACT_NEXT_HOLE:
		ui->find_hole = true;
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
	if (ui->mode == UI_LINE && key != K_SUSPEND)
		return line_key(ui, key, s);
	if (ui->rows < SCREEN_MIN_ROWS || ui->cols < SCREEN_MIN_COLS) {
		/* Nothing but the way out can be seen. */
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

	if (ui->mode == UI_LINE || row + 1 != ui->rows)
		return UI_NOTHING;
	for (unsigned i = 0; i < nr; i++)
		if (col >= items[i].col && col < items[i].col + items[i].width)
			return ui_action(ui, items[i].id, s);
	return UI_NOTHING;
}

/* ---- breakpoints --------------------------------------------------------------------------- */

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

	enum ui_effect e = run(ui, text);

	ui->command_steps = false;
	return e;
}

const char *byte_source_name(enum byte_source b)
{
	static const char *const names[] = { "target", "pipe", "image", "parent" };

	return b < NR_BYTE_SOURCES ? names[b] : "";
}
