/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Properties of all panes over random snapshots: pure functions, inside the width, ASCII when
 * asked, figures that sum to the whole.
 */
#include "views/paint.h"
#include "views/panes.h"

#include "tests/lib/random_snapshot.h"

static char *draw(const struct pane *p, const Stepdump__Snapshot *s, const struct pane_opts *o,
		  unsigned cols)
{
	struct grid g;

	grid_init(&g, cols, 0);
	g.max_rows = 2000; /* random peeks and zooms are long */
	/* Panes append: text that is in the grid already must stay. */
	grid_puts(&g, 0, 0, TONE_NORMAL, "first");
	pane_render(p, s, o, &g);
	assert_int_equal(g.cols, cols);
	assert_true(g.rows > 1);

	char *text = grid_to_text(&g);

	assert_int_equal(strncmp(text, "first", cols < 5 ? cols : 5), 0);
	grid_deinit(&g);
	return text;
}

static void assert_fits(const char *text, unsigned cols, bool ascii)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		char *line = strndup(text, len);

		assert_true(grid_text_width(line) <= cols);
		for (size_t i = 0; i < len; i++) {
			assert_true((unsigned char)line[i] >= ' ');
			if (ascii)
				assert_true(line[i] <= '~');
		}
		free(line);
		text += len + 1;
	}
}

TEST(panes_are_pure_and_fit)
{
	for (unsigned round = 0; round < rounds(150); round++) {
		Stepdump__Snapshot *s = random_snapshot();

		for (const struct pane *p = panes; p->name; p++) {
			const struct pane_opts o = {
				.ascii = rnd64() & 1,
				.relative = rnd64() & 1,
				.verbose = rnd64() & 1,
				.index = rnd(2) ? -1 : (int64_t)(random_number() >> 1),
			};
			unsigned cols = rnd(4) ? 60 + rnd(191) : 1 + rnd(59);
			char *first = draw(p, s, &o, cols), *second = draw(p, s, &o, cols);

			assert_fits(first, cols, o.ascii);
			assert_string_equal(first, second);
			free(first);
			free(second);
		}
		stepdump__snapshot__free_unpacked(s, NULL);
	}
}

static uint64_t figure(const char *text, const char *label)
{
	for (const char *line = text; line; line = strchr(line, '\n'), line += line != NULL)
		if (strcspn(line, "\n") > 60 && !strncmp(line + 50, label, strlen(label)))
			return strtoull(line + 50 + strlen(label), NULL, 10);
	fail_msg("no figure \"%s\" in\n%s", label, text);
	return 0;
}

/* PAGES of the pipeline: the figures shown sum to the sum shown, and the bar to its width. */
TEST(figures_sum_to_the_whole)
{
	for (unsigned round = 0; round < rounds(2000); round++) {
		Stepdump__Snapshot s = STEPDUMP__SNAPSHOT__INIT;
		Stepdump__Target target = STEPDUMP__TARGET__INIT;
		Stepdump__Counters c = STEPDUMP__COUNTERS__INIT;
		Stepdump__VerdictCount vc[11], *list[11];
		const struct pane_opts o = { .ascii = true, .index = -1 };
		uint64_t total = 0;

		target.state = STEPDUMP__TARGET_STATE__FROZEN;
		s.target = &target;
		s.counters = &c;
		for (int i = 0; i < 11; i++) {
			stepdump__verdict_count__init(&vc[i]);
			vc[i].verdict = (Stepdump__Verdict)i;
			vc[i].pages = rnd(3) ? rnd64() >> (24 + rnd(40)) : 0;
			total += vc[i].pages;
			list[i] = &vc[i];
		}
		/* With the unscanned pages given, or left to be worked out from the total. */
		bool given = rnd64() & 1;

		c.verdicts = list + !given;
		c.n_verdicts = 11 - !given;
		c.has_pages_total = true;
		c.pages_total = total;

		char *text = draw(pane_find("pipeline"), &s, &o, 80);
		uint64_t sum = figure(text, "to pipe ") + figure(text, "holes ") +
			       figure(text, "skipped ") + figure(text, "to scan ");

		assert_true(sum == total);
		assert_true(figure(text, "= sum ") == total);
		assert_null(strstr(text, "BAD"));
		if (total) {
			const char *bar = strstr(text, "\n [");

			assert_non_null(bar);
			assert_int_equal(strspn(bar + 3, "#=._"), strcspn(bar + 3, "]"));
			assert_int_equal(strcspn(bar + 3, "]"), 43);
		}
		free(text);

		/* A page too many or too few must show. */
		if (given) {
			vc[4].pages++;
			text = draw(pane_find("pipeline"), &s, &o, 80);
			assert_non_null(strstr(text, "BAD sum"));
			free(text);
		}
	}
}

TEST(columns_share_exactly)
{
	for (unsigned round = 0; round < rounds(20000); round++) {
		uint64_t parts[11], whole = 0;
		unsigned columns[11], nr = 1 + rnd(11), width = rnd(260);
		unsigned sum = 0, nonzero = 0;

		for (unsigned i = 0; i < nr; i++) {
			parts[i] = random_number();
			whole |= parts[i];
			nonzero += parts[i] != 0;
		}
		share_columns(parts, nr, width, columns);
		for (unsigned i = 0; i < nr; i++) {
			sum += columns[i];
			if (!parts[i])
				assert_int_equal(columns[i], 0);
			else if (width >= nonzero)
				assert_true(columns[i] >= 1);
		}
		assert_int_equal(sum, whole ? width : 0);
	}
}

TEST(names_are_found)
{
	unsigned nr = 0;

	for (const struct pane *p = panes; p->name; p++, nr++) {
		assert_ptr_equal(pane_find(p->name), p);
		assert_true(strlen(p->summary) <= 60);
		assert_non_null(p->render);
		assert_true(p->needs & SNAP_TARGET);
	}
	assert_int_equal(nr, 32);
	assert_ptr_equal(pane_find("br"), pane_find("breakpoints"));
	assert_null(pane_find("p"));
	assert_null(pane_find(""));
	assert_null(pane_find("ppbs"));
}

/* Each verdict has a glyph of its own. */
TEST(glyphs_differ)
{
	char seen[16] = "";

	for (int v = 0; v <= STEPDUMP__VERDICT__SHARED; v++) {
		char glyph = verdict_glyph((Stepdump__Verdict)v, false);

		assert_null(strchr(seen, glyph));
		seen[v] = glyph;
		seen[v + 1] = '\0';
		assert_true(verdict_tone((Stepdump__Verdict)v, false) < NR_TONES);
	}
	assert_string_equal(seen, "_#s!=zf.gxS");
	assert_int_equal(verdict_glyph(STEPDUMP__VERDICT__DUMP, true), 'L');
	assert_int_equal(verdict_glyph((Stepdump__Verdict)99, false), '?');
	assert_int_equal(verdict_glyph((Stepdump__Verdict)-1, true), '?');
}

TEST(sizes_read_well)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0" },
		{ 23, "23B" },
		{ 1024, "1K" },
		{ 1536, "1.5K" },
		{ 65536, "64K" },
		{ 1258291, "1.2M" },
		{ 50331648, "48.0M" },
		{ 1ull << 40, "1.0T" },
		{ UINT64_MAX, "16.0E" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(txt_size(cases[i].bytes).s, cases[i].text);
}
