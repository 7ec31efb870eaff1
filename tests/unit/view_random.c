/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Views over random snapshots, at random sizes, with random keys: no crash, no cell outside,
 * the same picture twice.
 */
#include "views/view.h"

#include "tests/lib/random_snapshot.h"

static char *draw(const struct ui *ui, const Stepdump__Snapshot *s,
		  const Stepdump__Snapshot *before)
{
	struct grid g;
	char *text;

	grid_init(&g, ui->cols, 0);
	screen_render(ui, s, before, &g);
	assert_int_equal(g.cols, ui->cols);
	assert_int_equal(g.rows, ui->rows);
	for (size_t i = 0; i < (size_t)g.rows * g.cols; i++) {
		assert_true(g.cells[i].tone < NR_TONES);
		if (ui->ascii)
			assert_in_range(g.cells[i].ch, ' ', '~');
	}
	assert_true(screen_cursor(ui) < (int)ui->cols);
	text = grid_to_text(&g);
	grid_deinit(&g);
	return text;
}

static int random_key(void)
{
	static const int special[] = { K_UP,        K_DOWN,   K_LEFT, K_RIGHT,
				       K_PGUP,      K_PGDN,   K_HOME, K_END,
				       K_ENTER,     K_ESC,    K_TAB,  K_SHIFT_TAB,
				       K_BACKSPACE, K_F1 + 4, 0x6f22, K_SUSPEND };

	return rnd(3) ? (int)(rnd(128)) : special[rnd64() % (ARRAY_SIZE(special))];
}

static void check_want(const struct ui *ui, const Stepdump__Snapshot *s)
{
	struct view_want w;

	ui_want(ui, s, &w);
	assert_true(w.nr_vmas <= WANT_MAX && w.nr_runs <= WANT_MAX);
	for (unsigned i = 0; i < w.nr_runs; i++)
		assert_true(w.runs[i].start < w.runs[i].end);
}

TEST(anything_can_be_looked_at)
{
	for (unsigned round = 0; round < rounds(150); round++) {
		Stepdump__Snapshot *s = random_snapshot(), *before = random_snapshot();
		struct ui ui;
		bool tiny = rnd(8) == 0;
		unsigned cols = tiny ? 1 + rnd(59) : 60 + rnd(200);

		ui_init(&ui, tiny ? 1 + rnd(11) : 12 + rnd(80), cols, rnd64() & 1);
		ui.relative = rnd64() & 1;
		ui.saved = rnd64() & 1;
		for (unsigned k = 0; k < 60; k++) {
			enum ui_effect e;
			char *first, *second;

			e = ui_key(&ui, random_key(), s);
			assert_true(ui_find_needs(&ui) & SNAP_VMAS);
			if (e == UI_FIND)
				ui_find(&ui, s);
			if (e == UI_RUN && ui.saved)
				assert_false(ui.command.steps);
			if (rnd(16) == 0)
				ui_follow(&ui, s);
			check_want(&ui, NULL);
			check_want(&ui, s);
			ui_settle(&ui, s);
			first = draw(&ui, s, k & 1 ? before : NULL);
			second = draw(&ui, s, k & 1 ? before : NULL);
			assert_string_equal(first, second);
			free(first);
			free(second);
		}
		ui_deinit(&ui);
		stepdump__snapshot__free_unpacked(s, NULL);
		stepdump__snapshot__free_unpacked(before, NULL);
	}
}

/* Rows of a window never go beyond what there is, wherever the cursor jumps. */
TEST(windows_stay_bounded)
{
	struct ui ui;

	ui_init(&ui, 80, 250, true);
	for (enum view_id v = 0; v < NR_VIEWS; v++) {
		struct view_want w;
		uint64_t vmas = 0;

		ui.view = v;
		ui.place.vma = 59999;
		ui.pipes.iov_top = 200000;
		for (unsigned layout = 0; layout < 2; layout++) {
			ui.map.continuous = layout;
			ui_want(&ui, NULL, &w);
			vmas = 0;
			for (unsigned i = 0; i < w.nr_vmas; i++)
				vmas += w.vmas[i].nr;
			assert_true(vmas <= 2048);
			assert_true(!(w.needs & SNAP_IOVS) || w.iov_max > 0);
			assert_true(w.iov_max <= 80);
		}
	}
	ui_deinit(&ui);
}
