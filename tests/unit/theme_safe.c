/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A screen says the same without colours, and to eyes that see fewer: no meaning by colour alone, and
 * the theme `cb` keeps its colours apart for the three kinds of colour-blindness.
 */
#include <ctype.h>
#include <math.h>

#include "proto/verdict.h"
#include "views/pane_impl.h"
#include "views/theme.h"
#include "views/view.h"

#include "tests/lib/random_snapshot.h"
#include "tests/lib/test.h"

/* The tones of verdicts, which a map and a bar put beside each other. */
static const enum tone verdicts[] = { TONE_DUMP, TONE_LAZY, TONE_HOLE,  TONE_ZERO,
				      TONE_FILE, TONE_SWAP, TONE_GUARD, TONE_ABSENT };

/* ---- what eyes make of a colour --------------------------------------------------------------- */

struct rgb {
	double r, g, b; /* linear, 0 to 1 */
};

static double linear(unsigned level)
{
	double c = level / 255.0;

	return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
}

/* The 256-colour cube of xterm. */
static struct rgb colour_256(unsigned n)
{
	static const unsigned steps[] = { 0, 95, 135, 175, 215, 255 };

	if (n >= 232) {
		unsigned grey = 8 + (n - 232) * 10;

		return (struct rgb){ linear(grey), linear(grey), linear(grey) };
	}
	assert_true(n >= 16);
	n -= 16;
	return (struct rgb){ linear(steps[n / 36]), linear(steps[n / 6 % 6]),
			     linear(steps[n % 6]) };
}

/* Machado, Oliveira and Fernandes 2009, severity 1. */
static const struct {
	const char *name;
	double m[9];
} eyes[] = {
	{ "all colours", { 1, 0, 0, 0, 1, 0, 0, 0, 1 } },
	{ "protanopia",
	  { 0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116,
	    1.051998 } },
	{ "deuteranopia",
	  { 0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940,
	    0.968881 } },
	{ "tritanopia",
	  { 1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367,
	    0.303900 } },
};

static double root(double t)
{
	return t > 0.008856 ? cbrt(t) : 7.787 * t + 16.0 / 116;
}

/* How far apart two colours are (CIE 1976); about 2 is the least that is noticed side by side. */
static double apart(struct rgb a, struct rgb b, const double *m)
{
	double lab[2][3];

	for (unsigned i = 0; i < 2; i++) {
		struct rgb c = i ? b : a;
		double r = fmin(fmax(m[0] * c.r + m[1] * c.g + m[2] * c.b, 0), 1);
		double g = fmin(fmax(m[3] * c.r + m[4] * c.g + m[5] * c.b, 0), 1);
		double v = fmin(fmax(m[6] * c.r + m[7] * c.g + m[8] * c.b, 0), 1);
		double x = root((0.4124 * r + 0.3576 * g + 0.1805 * v) / 0.95047);
		double y = root(0.2126 * r + 0.7152 * g + 0.0722 * v);
		double z = root((0.0193 * r + 0.1192 * g + 0.9505 * v) / 1.08883);

		lab[i][0] = 116 * y - 16;
		lab[i][1] = 500 * (x - y);
		lab[i][2] = 200 * (y - z);
	}
	return sqrt(pow(lab[0][0] - lab[1][0], 2) + pow(lab[0][1] - lab[1][1], 2) +
		    pow(lab[0][2] - lab[1][2], 2));
}

static struct rgb colour_of(const char *sgr)
{
	const char *c = strstr(sgr, "38;5;");

	assert_non_null(c);
	return colour_256((unsigned)atoi(c + 5));
}

TEST(cb_keeps_verdicts_apart)
{
	const struct theme *cb = theme_find("cb");

	for (size_t e = 0; e < ARRAY_SIZE(eyes); e++)
		for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++)
			for (size_t k = i + 1; k < ARRAY_SIZE(verdicts); k++) {
				double d = apart(colour_of(theme_sgr(cb, verdicts[i])),
						 colour_of(theme_sgr(cb, verdicts[k])), eyes[e].m);

				if (d < 10)
					fail_msg("%s: tones %u and %u are only %.1f apart",
						 eyes[e].name, verdicts[i], verdicts[k], d);
			}
	/* What is well, what is not. */
	for (size_t e = 0; e < ARRAY_SIZE(eyes); e++)
		assert_true(apart(colour_of(theme_sgr(cb, TONE_OK)),
				  colour_of(theme_sgr(cb, TONE_BAD)), eyes[e].m) > 25);
}

/* ---- without colours ------------------------------------------------------------------------- */

TEST(mono_has_no_colour)
{
	const struct theme *mono = theme_find("mono");

	for (unsigned t = 0; t < NR_TONES; t++)
		for (const char *p = theme_sgr(mono, t); *p;
		     p += *p == 'm' ? 1 : 1 + strcspn(p, ";m"))
			if (p[0] == '[' || p[0] == ';') {
				int n = atoi(p + 1);

				assert_true(n < 30);
			}
	assert_string_not_equal(theme_sgr(mono, TONE_CHANGED), theme_sgr(mono, TONE_NORMAL));
	assert_string_not_equal(theme_sgr(mono, TONE_CHANGED), theme_sgr(mono, TONE_KEY));
}

/* What changed is underlined too: nothing but its look tells it. */
TEST(changes_are_underlined)
{
	for (const struct theme *t = themes; t->name; t++) {
		const char *sgr = theme_sgr(t, TONE_CHANGED);

		if (!strstr(sgr, ";4;") && !strstr(sgr, ";4m") && !strstr(sgr, "[4;"))
			fail_msg("%s: %s", t->name, sgr + 1);
	}
}

/* In a row, a glyph has one meaning: two verdicts have two glyphs, whatever their colours. */
static void read_row(const char *where, const struct grid *g, unsigned row)
{
	const struct cell *c = &g->cells[(size_t)row * g->cols];
	struct {
		char32_t ch;
		uint8_t tone;
	} seen[64];
	unsigned nr = 0;

	for (unsigned i = 1; i + 1 < g->cols; i++) {
		bool data = false;

		for (size_t v = 0; v < ARRAY_SIZE(verdicts); v++)
			data |= c[i].tone == verdicts[v];
		/* Cells, not words: a word is in one tone, and its letters say it. */
		if (!data || c[i].ch == U' ' || (c[i].ch < 0x80 && isalnum((int)c[i].ch)))
			continue;
		/* Prose and addresses have points and hyphens between letters. */
		if ((c[i - 1].ch < 0x80 && isalnum((int)c[i - 1].ch) &&
		     c[i - 1].tone == c[i].tone) ||
		    (c[i + 1].ch < 0x80 && isalnum((int)c[i + 1].ch) && c[i + 1].tone == c[i].tone))
			continue;
		for (unsigned k = 0; k < nr; k++)
			if (seen[k].ch == c[i].ch && seen[k].tone != c[i].tone) {
				char *text = grid_to_text(g);

				fail_msg("%s, row %u: U+%04X in the tones %u and %u\n%s", where,
					 row, c[i].ch, seen[k].tone, c[i].tone, text);
			}
		if (nr < ARRAY_SIZE(seen)) {
			seen[nr].ch = c[i].ch;
			seen[nr++].tone = c[i].tone;
		}
	}
}

TEST(no_meaning_by_colour_alone)
{
	for (unsigned v = 0; v < NR_VERDICTS; v++)
		for (unsigned w = v + 1; w < NR_VERDICTS; w++)
			assert_int_not_equal(verdict_glyph((verdict_t)v, false),
					     verdict_glyph((verdict_t)w, false));
	for (unsigned round = 0; round < rounds(40); round++) {
		Stepdump__Snapshot *s = random_snapshot();

		for (const struct pane *p = panes; p->name; p++) {
			const struct pane_opts o = { .ascii = round % 2, .index = -1 };
			struct grid g;

			grid_init(&g, 120, 0);
			pane_render(p, s, &o, &g);
			for (unsigned row = 2; row < g.rows; row++)
				read_row(p->name, &g, row);
			grid_deinit(&g);
		}
		for (enum view_id v = 0; v < NR_VIEWS; v++) {
			struct ui ui;
			struct grid g;

			ui_init(&ui, 60, 200, round % 2);
			ui.view = v;
			ui_settle(&ui, s);
			grid_init(&g, ui.cols, 0);
			screen_render(&ui, s, NULL, &g);
			for (unsigned row = 2; row + 2 < g.rows; row++)
				read_row(view_name(v), &g, row);
			grid_deinit(&g);
			ui_deinit(&ui);
		}
		stepdump__snapshot__free_unpacked(s, NULL);
	}
}
