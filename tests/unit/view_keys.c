/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of keys: nothing is bound twice, everything is in the help, the bar fits. */
#include "views/view.h"

#include "tests/lib/test.h"

/* Calls for each key name of an action. */
static unsigned keys_of(const struct action_desc *a, int *keys)
{
	unsigned nr = 0;

	for (const char *p = a->keys; *p; p += strcspn(p, " "), p += *p == ' ')
		keys[nr++] = key_parse(p, strcspn(p, " "));
	return nr;
}

TEST(keys_parse_and_lead_back)
{
	for (const struct action_desc *a = actions; a->id; a++) {
		int keys[8];
		unsigned nr = keys_of(a, keys);

		assert_in_range(nr, 1, 8);
		assert_true(a->where != 0);
		for (unsigned k = 0; k < nr; k++) {
			assert_int_not_equal(keys[k], K_NONE);
			for (unsigned v = 0; v <= NR_VIEWS; v++)
				if (a->where & 1u << v)
					assert_int_equal(key_action(keys[k], 1u << v), a->id);
		}
	}
	assert_int_equal(key_parse("PgDn", 4), K_PGDN);
	assert_int_equal(key_parse("^F", 2), 6);
	assert_int_equal(key_parse("F11", 3), K_F1 + 10);
	assert_int_equal(key_parse("S-F11", 5), K_SHIFT_F1 + 10);
	assert_int_equal(key_parse("Nonsense", 8), K_NONE);
	assert_int_equal(key_parse("F99", 3), K_NONE);
}

TEST(no_key_is_bound_twice_in_a_view)
{
	for (unsigned v = 0; v <= NR_VIEWS; v++)
		for (const struct action_desc *a = actions; a->id; a++)
			for (const struct action_desc *b = a + 1; b->id; b++) {
				int x[8], y[8];
				unsigned nx = keys_of(a, x), ny = keys_of(b, y);

				if (!(a->where & b->where & 1u << v))
					continue;
				for (unsigned i = 0; i < nx; i++)
					for (unsigned k = 0; k < ny; k++)
						if (x[i] == y[k])
							fail_msg(
								"\"%s\" and \"%s\" share a key in view %u",
								a->help, b->help, v);
			}
}

TEST(every_action_has_a_binding_and_help)
{
	for (int id = ACT_NONE + 1; id < NR_ACTIONS; id++) {
		const struct action_desc *found = NULL;

		/* Once in each view, perhaps with other keys. */
		for (const struct action_desc *a = actions; a->id; a++)
			if ((int)a->id == id) {
				assert_false(found && found->where & a->where);
				found = a;
			}
		assert_non_null(found);
		assert_in_range(strlen(found->help), 5, 60);
		assert_true(*action_group_name(found->group));
	}
}

/* The help that ? shows in a view has every key that works there. */
TEST(help_lists_every_key)
{
	for (enum view_id v = 0; v < NR_VIEWS; v++) {
		struct ui ui;

		ui_init(&ui, 24, 80, true);
		ui.view = v;
		assert_int_equal(ui_key(&ui, '?', NULL), UI_DRAW);
		assert_int_equal(ui.mode, UI_PAGER);
		for (const struct action_desc *a = actions; a->id; a++) {
			unsigned hits = 0;

			for (size_t i = 0; i < ui.pager.nr; i++)
				hits += strstr(ui.pager.line[i], a->help) &&
					!strncmp(ui.pager.line[i] + 2, a->keys, strlen(a->keys));
			assert_int_equal(hits, a->where & IN_VIEW(v) ? 1 : 0);
		}
		for (size_t i = 0; i < ui.pager.nr; i++)
			assert_true(strlen(ui.pager.line[i]) <= 80);
		ui_deinit(&ui);
	}
}

TEST(bottom_bar_fits)
{
	for (unsigned v = 0; v <= NR_VIEWS; v++) {
		struct bar_item items[BAR_ITEMS_MAX];
		unsigned all = 0;

		for (const struct action_desc *a = actions; a->id; a++)
			all += a->bar && a->bar_in & 1u << v;
		/* At 80 columns nothing is left out. */
		assert_int_equal(bar_items(1u << v, 80, items), all);
		for (unsigned cols = SCREEN_MIN_COLS; cols <= 250; cols++) {
			unsigned nr = bar_items(1u << v, cols, items), end = 0;
			bool help = false, quit = false;

			for (unsigned i = 0; i < nr; i++) {
				assert_true(items[i].col >= end);
				end = items[i].col + items[i].width;
				assert_true(end <= cols);
				help |= items[i].id == ACT_HELP;
				quit |= items[i].id == ACT_QUIT;
				/* Every key that the bar offers works there. */
				assert_int_equal(
					key_action(key_parse(items[i].key, items[i].key_len),
						   1u << v),
					items[i].id);
			}
			assert_true(quit);
			assert_true(help || v == NR_VIEWS);
		}
	}
}

/* A key does in a view what its letter does at the prompt. */
TEST(keys_mean_what_they_mean_at_the_prompt)
{
	for (enum view_id v = 0; v < NR_VIEWS; v++) {
		assert_int_equal(key_action('n', IN_VIEW(v)), ACT_NEXT);
		assert_int_equal(key_action('s', IN_VIEW(v)), ACT_STEP);
		assert_int_equal(key_action('c', IN_VIEW(v)), ACT_CONTINUE);
	}
}

TEST(names_of_views)
{
	assert_int_equal(view_find("pipeline"), VIEW_PIPELINE);
	assert_int_equal(view_find("ma"), VIEW_MAP);
	assert_int_equal(view_find("pip"), NR_VIEWS);
	assert_int_equal(view_find(""), NR_VIEWS);
	assert_int_equal(view_find("nonsense"), NR_VIEWS);
	for (enum view_id v = 0; v < NR_VIEWS; v++)
		assert_int_equal(view_find(view_name(v)), v);
}
