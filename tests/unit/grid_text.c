/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The grid: clipping, UTF-8, double width, growth, text and colour output; the themes. */
#include "views/grid.h"
#include "views/theme.h"

#include "tests/lib/test.h"

static void assert_text(const struct grid *g, const char *expected)
{
	char *text = grid_to_text(g);

	assert_string_equal(text, expected);
	free(text);
}

TEST(clips_at_the_right_edge)
{
	struct grid g;

	grid_init(&g, 5, 0);
	assert_int_equal(grid_puts(&g, 0, 3, TONE_NORMAL, "abc"), 5);
	assert_int_equal(grid_puts(&g, 1, 9, TONE_NORMAL, "abc"), 9);
	grid_putc(&g, 2, 5, TONE_NORMAL, U'x');
	grid_putc(&g, 2, 4, TONE_NORMAL, U'y');
	assert_text(&g, "   ab\n\n    y\n");
	grid_deinit(&g);
}

TEST(rows_stop_at_the_bound)
{
	struct grid g;

	grid_init(&g, 3, 2);
	for (unsigned row = 0; row < 9; row++)
		grid_printf(&g, row, 0, TONE_NORMAL, "%u", row);
	assert_int_equal(g.rows, 2);
	assert_text(&g, "0\n1\n");
	grid_deinit(&g);
	assert_int_equal(g.rows, 0);
	assert_text(&g, "");
}

TEST(rows_grow_in_any_order)
{
	struct grid g;

	grid_init(&g, 3, 0);
	grid_puts(&g, 1000, 1, TONE_NORMAL, "z");
	grid_puts(&g, 2, 0, TONE_NORMAL, "a");
	assert_int_equal(g.rows, 1001);
	assert_int_equal(g.cells[2 * 3].ch, 'a');
	assert_int_equal(g.cells[1000 * 3 + 1].ch, 'z');
	assert_int_equal(g.cells[999 * 3 + 1].ch, ' ');
	grid_deinit(&g);
}

TEST(odd_bytes_become_question_marks)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "a\tb\033[31m\177", "a?b?[31m?\n" },
		{ "\xff\xfe", "??\n" },
		{ "\xc3", "?\n" },      /* cut short */
		{ "\xc0\xaf", "??\n" }, /* overlong slash */
		{ "\xe0\x80\xaf", "???\n" },
		{ "\xed\xa0\x80", "???\n" },      /* a surrogate */
		{ "\xf4\x90\x80\x80", "????\n" }, /* beyond U+10FFFF */
		{ "\xe2\x80\xae"
		  "evil",
		  "?evil\n" },           /* right-to-left override */
		{ "e\xcc\x81", "e?\n" }, /* combining accent */
		{ "\xc2\x9b"
		  "31m",
		  "?31m\n" }, /* CSI as one C1 character */
		{ "\xc3\xa4\xe2\x94\x80\xf0\x9d\x84\x9e",
		  "\xc3\xa4\xe2\x94\x80\xf0\x9d\x84\x9e\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct grid g;

		grid_init(&g, 20, 0);
		grid_puts(&g, 0, 0, TONE_NORMAL, cases[i].in);
		assert_text(&g, cases[i].out);
		grid_deinit(&g);
	}
}

TEST(ascii_grids_stay_ascii)
{
	struct grid g;

	grid_init(&g, 20, 0);
	g.ascii = true;
	grid_puts(&g, 0, 0, TONE_NORMAL, "\xc3\xa4\xe6\xbc\xa2!");
	grid_putc(&g, 1, 0, TONE_NORMAL, U'█');
	assert_text(&g, "?"
			"?!\n?\n");
	grid_deinit(&g);
}

TEST(double_width_takes_two_cells)
{
	struct grid g;

	grid_init(&g, 5, 0);
	assert_int_equal(grid_puts(&g, 0, 0, TONE_NORMAL, "\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2"),
			 4);
	assert_int_equal(g.cells[1].ch, 0);
	assert_text(&g, "\xe6\xbc\xa2\xe5\xad\x97\n");
	/* Overwriting one half of a wide character also removes the other. */
	grid_putc(&g, 0, 1, TONE_NORMAL, U'x');
	grid_putc(&g, 0, 2, TONE_NORMAL, U'y');
	assert_text(&g, " xy\n");
	assert_int_equal(grid_text_width("a\xe6\xbc\xa2"), 3);
	assert_int_equal(grid_text_fit("a\xe6\xbc\xa2", 2), 1);
	assert_int_equal(grid_text_fit("a\xe6\xbc\xa2", 3), 4);
	grid_deinit(&g);
}

/* Colour must not change a single visible character. */
TEST(colour_only_adds_sequences)
{
	for (const struct theme *t = themes; t->name; t++) {
		struct grid g;

		grid_init(&g, 40, 0);
		for (unsigned tone = 0; tone < NR_TONES; tone++)
			grid_printf(&g, tone / 4, tone % 4 * 9, (enum tone)tone, "tone %u", tone);

		char *plain = grid_to_text(&g), *ansi = grid_to_ansi(&g, t), *out = ansi;

		for (const char *in = ansi; *in;) {
			if (*in == '\033') {
				in += strcspn(in, "m") + 1;
				continue;
			}
			*out++ = *in++;
		}
		*out = '\0';
		assert_string_equal(ansi, plain);
		free(plain);
		free(ansi);
		grid_deinit(&g);
	}
}

TEST(themes_are_readable)
{
	assert_null(theme_find("no such"));
	assert_null(theme_find(""));
	for (const struct theme *t = themes; t->name; t++) {
		assert_ptr_equal(theme_find(t->name), t);
		for (unsigned tone = 0; tone < NR_TONES + 3; tone++) {
			const char *sgr = theme_sgr(t, tone);

			assert_true(strlen(sgr) < THEME_SGR_MAX);
			if (!strcmp(t->name, "dark") || !strcmp(t->name, "cb"))
				assert_null(strstr(sgr, "[34m")); /* plain blue on black */
			if (!strcmp(t->name, "mono"))
				assert_null(strstr(sgr, "3"));
		}
	}
	assert_non_null(theme_find("cb"));
	assert_non_null(theme_find("light"));
}
