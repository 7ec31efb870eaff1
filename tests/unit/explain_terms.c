/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whatever a pane has as the heading of a column or as a glyph of its legend, `explain` knows.  The
 * panes are drawn, from snapshots full of everything, and read from their cells.
 */
#include "shell/cmds.h"
#include "shell/explain.h"
#include "engine/proc/vma.h"
#include "proto/verdict.h"
#include "views/paint.h"
#include "views/panes.h"
#include "views/view.h"
#include "views/reports.h"

#include "tests/lib/random_snapshot.h"
#include "tests/lib/test.h"

#define COLS 400

static unsigned heads, glyphs, fields, unknown;

static void demand(const char *where, const char *what, const char *name)
{
	if (explain_find(explain_is, name))
		return;
	unknown++;
	print_error("%s: no `explain` for the %s \"%s\"\n", where, what, name);
}

/* All headings of a row: stretches in the tone of headings, two blanks apart. */
static void read_heads(const char *where, const struct grid *g, unsigned row)
{
	const struct cell *c = &g->cells[row * g->cols];

	for (unsigned i = 0; i < g->cols; i++) {
		char name[128];
		size_t len = 0;

		if (c[i].tone != TONE_HEAD || c[i].ch == U' ' || !c[i].ch)
			continue;
		for (; i < g->cols && len < sizeof(name) - 1; i++) {
			if ((c[i].ch == U' ' || !c[i].ch) &&
			    (i + 1 == g->cols || c[i + 1].ch == U' ' || !c[i + 1].ch))
				break;
			name[len++] = (char)c[i].ch;
		}
		name[len] = '\0';
		heads++;
		demand(where, "column", name);
	}
}

/* A legend is a row of glyphs, each with a blank and words in the dim tone behind it. */
static void read_legend(const char *where, const struct grid *g, unsigned row)
{
	const struct cell *c = &g->cells[row * g->cols];
	unsigned nr = 0, at[32];

	for (unsigned i = 1; i + 2 < g->cols && nr < 32;) {
		if (c[i].ch == U' ' || !c[i].ch || c[i + 1].ch != U' ' ||
		    c[i + 2].tone != TONE_DIM || c[i + 2].ch == U' ')
			break;
		at[nr++] = i;
		for (i += 2; i + 1 < g->cols && !(c[i].ch == U' ' && c[i + 1].ch == U' '); i++)
			;
		i += 2;
	}
	for (unsigned i = 0; nr >= 3 && i < nr; i++) {
		struct grid one;

		grid_init(&one, 2, 0);
		grid_putc(&one, 0, 0, TONE_NORMAL, c[at[i]].ch);

		char *text = grid_to_text(&one);

		text[strcspn(text, " \n")] = '\0';
		glyphs++;
		demand(where, "glyph", text);
		free(text);
		grid_deinit(&one);
	}
}

#define FIELD_COL 17

/* "label         value": the label of a field, at the left of its value. */
static void read_label(const char *where, const struct grid *g, unsigned row)
{
	const struct cell *c = &g->cells[row * g->cols];
	char name[FIELD_COL + 1];
	size_t len = 0;

	for (unsigned i = 1; i < FIELD_COL; i++) {
		if (c[i].ch && c[i].ch != U' ' && (c[i].tone != TONE_DIM || c[i].ch >= 0x80))
			return;
		name[len++] = c[i].ch ? (char)c[i].ch : ' ';
	}
	while (len && name[len - 1] == ' ')
		len--;
	name[len] = '\0';
	/* Prose has no two blanks before that column. */
	if (!len || *name == ' ' || len > FIELD_COL - 2 || strstr(name, "  ") ||
	    c[FIELD_COL - 2].ch > U' ' || c[FIELD_COL - 1].ch > U' ' || c[FIELD_COL].ch <= U' ')
		return;
	fields++;
	demand(where, "field", name);
}

TEST(headings_and_glyphs_are_explained)
{
	unsigned before = 0;

	for (unsigned round = 0; round < rounds(60); round++) {
		Stepdump__Snapshot *s = random_snapshot();

		for (const struct pane *p = panes; p->name; p++) {
			const struct pane_opts o = { .ascii = round % 2,
						     .verbose = round % 3 == 0,
						     .index = round % 4 ? -1 : 0 };
			struct grid g;

			grid_init(&g, COLS, 0);
			pane_render(p, s, &o, &g);
			for (unsigned row = 2; row < g.rows; row++) {
				read_heads(p->name, &g, row);
				read_legend(p->name, &g, row);
				/* The directories of the generations are no labels. */
				if (strcmp(p->name, "parents"))
					read_label(p->name, &g, row);
			}
			grid_deinit(&g);
		}
		stepdump__snapshot__free_unpacked(s, NULL);
		if (unknown > before + 40)
			break;
	}
	assert_in_range(heads, 500, UINT32_MAX);
	assert_in_range(glyphs, 50, UINT32_MAX);
	assert_in_range(fields, 500, UINT32_MAX);
	assert_int_equal(unknown, 0);
}

/* The full-screen views, and whatever E names for a row that is selected in one. */
TEST(views_are_explained)
{
	unsigned before = heads, explained = 0;

	for (unsigned round = 0; round < rounds(40); round++) {
		Stepdump__Snapshot *s = random_snapshot();

		for (enum view_id v = 0; v < NR_VIEWS; v++) {
			struct ui ui;
			struct grid g;

			ui_init(&ui, 60, 200, round % 2);
			ui.view = v;
			ui_settle(&ui, s);
			grid_init(&g, ui.cols, 0);
			screen_render(&ui, s, NULL, &g);
			for (unsigned row = 2; row + 2 < g.rows; row++) {
				read_heads(view_name(v), &g, row);
				read_legend(view_name(v), &g, row);
			}
			grid_deinit(&g);
			for (unsigned down = 0; down < 12; down++) {
				char *save = NULL, *words;
				bool found = false;

				assert_int_equal(ui_key(&ui, 'E', s), UI_EXPLAIN);
				words = strdup(ui.command.line);
				for (char *w = strtok_r(words, "\n", &save); w && !found;
				     w = strtok_r(NULL, "\n", &save))
					found = explain_find(explain_is, w) != NULL;
				if (!found)
					fail_msg("%s: E names nothing that is explained: %s",
						 view_name(v), ui.command.line);
				explained++;
				free(words);
				ui_key(&ui, 'j', s);
				ui_settle(&ui, s);
			}
			ui_deinit(&ui);
		}
		stepdump__snapshot__free_unpacked(s, NULL);
	}
	assert_in_range(heads - before, 200, UINT32_MAX);
	assert_in_range(explained, 1000, UINT32_MAX);
	assert_int_equal(unknown, 0);
}

/* Verdicts, phases, and the bits that are shown by name. */
TEST(names_are_explained)
{
	const char *names[64];
	size_t nr;

	for (unsigned v = 0; v < NR_VERDICTS; v++)
		demand("verdicts", "verdict", verdict_name((verdict_t)v));
	for (unsigned i = 0; i < stepdump__phase__descriptor.n_values; i++)
		if (stepdump__phase__descriptor.values[i].value) {
			struct txt t = txt_enum(&stepdump__phase__descriptor,
						stepdump__phase__descriptor.values[i].value);

			demand("phases", "phase", t.s);
		}
	nr = vma_status_names(UINT32_MAX, names);
	for (size_t i = 0; i < nr; i++)
		demand("vmas", "flag", names[i]);
	nr = vma_flag_names(UINT32_MAX, names);
	for (size_t i = 0; i < nr; i++)
		demand("vmas", "flag", names[i]);
	nr = vma_madv_names(UINT64_MAX, names);
	for (size_t i = 0; i < nr; i++)
		demand("vmas", "flag", names[i]);
	assert_int_equal(unknown, 0);
}

/* The labels at the left of a report are titles of its fields: those that name a quantity. */
TEST(headings_of_plans_are_explained)
{
	static const char *const labels[] = { "page-pipe", "frozen",  "zeros", "duplicates",
					      "in common", "written", "rate" };
	unsigned before = heads;

	for (unsigned round = 0; round < rounds(60); round++) {
		Stepdump__PlanReport *r = NULL;
		const struct pane_opts o = { .verbose = round % 2, .index = -1 };
		struct grid g;

		do {
			stepdump__plan_report__free_unpacked(r, NULL);
			r = malloc(sizeof(*r));
			stepdump__plan_report__init(r);
			random_message(&r->base);
		} while (!r->n_tasks);
		grid_init(&g, COLS, 0);
		report_plan(r, &o, &g);
		for (unsigned row = 2; row < g.rows; row++)
			read_heads("plan", &g, row);
		grid_deinit(&g);
		stepdump__plan_report__free_unpacked(r, NULL);
	}
	for (size_t i = 0; i < sizeof(labels) / sizeof(*labels); i++)
		demand("plan", "field", labels[i]);
	assert_in_range(heads - before, 200, UINT32_MAX);
	assert_int_equal(unknown, 0);
}

static bool is_whole(const struct explain_term *t, const void *arg)
{
	assert_non_null(t->kind);
	assert_true(t->what && strlen(t->what) > 10 && t->what[strlen(t->what) - 1] == '.');
	assert_true(!t->why || t->why[strlen(t->why) - 1] == '.');
	assert_true(!t->then || t->then[strlen(t->then) - 1] == '.');
	assert_non_null(t->look);
	return false;
}

TEST(terms_are_whole)
{
	explain_find(is_whole, NULL);
	for (const char *const *w = (const char *const[]){ "ppb", "PMC", "hole", "vmsplice",
							   "-EAGAIN", "chunk offset", "#", NULL };
	     *w; w++)
		assert_non_null(explain_find(explain_is, *w));
	assert_null(explain_find(explain_is, "pp b"));
	assert_null(explain_find(explain_is, ""));
	/* s and S are two glyphs. */
	assert_ptr_not_equal(explain_find(explain_is, "s"), explain_find(explain_is, "S"));
}
