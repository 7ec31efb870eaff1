/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "views/theme.h"

#include <string.h>

#define SGR(params) "\033[" params "m"

const struct theme themes[] = {
	{
		.name = "mono",
		.summary = "no colour: bold, dim and reverse only",
		.sgr = {
			[TONE_TITLE] = SGR("1"),
			[TONE_HEAD] = SGR("4"),
			[TONE_DIM] = SGR("2"),
			[TONE_KEY] = SGR("1"),
			[TONE_ENGINE] = SGR("1"),
			[TONE_BAD] = SGR("1;7"),
			[TONE_WARN] = SGR("1"),
			[TONE_CURSOR] = SGR("7"),
			[TONE_CHANGED] = SGR("1;4"),
		},
	},
	{
		/* Bright colours: plain blue (34) and plain red (31) are unreadable on black. */
		.name = "dark",
		.summary = "for a dark background",
		.sgr = {
			[TONE_TITLE] = SGR("1;97"),
			[TONE_HEAD] = SGR("4;37"),
			[TONE_DIM] = SGR("90"),
			[TONE_KEY] = SGR("1;96"),
			[TONE_ADDR] = SGR("96"),
			[TONE_DUMP] = SGR("92"),
			[TONE_LAZY] = SGR("36"),
			[TONE_HOLE] = SGR("94"),
			[TONE_ZERO] = SGR("37"),
			[TONE_FILE] = SGR("95"),
			[TONE_ABSENT] = SGR("90"),
			[TONE_GUARD] = SGR("33"),
			[TONE_NEVER] = SGR("90"),
			[TONE_ALWAYS] = SGR("1;92"),
			[TONE_SWAP] = SGR("93"),
			[TONE_MIXED] = SGR("97"),
			[TONE_UNSCANNED] = SGR("90"),
			[TONE_ENGINE] = SGR("1;93"),
			[TONE_OK] = SGR("92"),
			[TONE_WARN] = SGR("93"),
			[TONE_BAD] = SGR("1;91"),
			[TONE_CURSOR] = SGR("7"),
			[TONE_CHANGED] = SGR("1;4;93"),
		},
	},
	{
		.name = "light",
		.summary = "for a light background",
		.sgr = {
			[TONE_TITLE] = SGR("1;30"),
			[TONE_HEAD] = SGR("4;30"),
			[TONE_DIM] = SGR("90"),
			[TONE_KEY] = SGR("1;34"),
			[TONE_ADDR] = SGR("34"),
			[TONE_DUMP] = SGR("32"),
			[TONE_LAZY] = SGR("36"),
			[TONE_HOLE] = SGR("34"),
			[TONE_ZERO] = SGR("90"),
			[TONE_FILE] = SGR("35"),
			[TONE_ABSENT] = SGR("90"),
			[TONE_GUARD] = SGR("31"),
			[TONE_NEVER] = SGR("90"),
			[TONE_ALWAYS] = SGR("1;32"),
			[TONE_SWAP] = SGR("1;35"),
			[TONE_MIXED] = SGR("30"),
			[TONE_UNSCANNED] = SGR("90"),
			[TONE_ENGINE] = SGR("1;31"),
			[TONE_OK] = SGR("32"),
			[TONE_WARN] = SGR("1;35"),
			[TONE_BAD] = SGR("1;31"),
			[TONE_CURSOR] = SGR("7"),
			[TONE_CHANGED] = SGR("1;4;35"),
		},
	},
	{
		/*
		 * Orange, sky blue, yellow and grey of the 256-colour cube: they differ in
		 * lightness too, so red-green and blue-yellow blindness both keep them apart;
		 * tests/unit/theme_safe measures it.
		 */
		.name = "cb",
		.summary = "safe for colour-blind eyes (256 colours, dark background)",
		.sgr = {
			[TONE_TITLE] = SGR("1;97"),
			[TONE_HEAD] = SGR("4;37"),
			[TONE_DIM] = SGR("38;5;245"),
			[TONE_KEY] = SGR("1;38;5;117"),
			[TONE_ADDR] = SGR("38;5;152"),
			[TONE_DUMP] = SGR("38;5;214"),
			[TONE_LAZY] = SGR("38;5;222"),
			[TONE_HOLE] = SGR("38;5;75"),
			[TONE_ZERO] = SGR("38;5;250"),
			[TONE_FILE] = SGR("38;5;139"),
			[TONE_ABSENT] = SGR("38;5;245"),
			[TONE_GUARD] = SGR("38;5;194"),
			[TONE_NEVER] = SGR("38;5;245"),
			[TONE_ALWAYS] = SGR("1;38;5;214"),
			[TONE_SWAP] = SGR("38;5;229"),
			[TONE_MIXED] = SGR("97"),
			[TONE_UNSCANNED] = SGR("38;5;245"),
			[TONE_ENGINE] = SGR("1;38;5;229"),
			[TONE_OK] = SGR("38;5;75"),
			[TONE_WARN] = SGR("38;5;229"),
			[TONE_BAD] = SGR("1;7;38;5;208"),
			[TONE_CURSOR] = SGR("7"),
			[TONE_CHANGED] = SGR("1;4;38;5;229"),
		},
	},
	{ 0 },
};

const struct theme *theme_find(const char *name)
{
	for (const struct theme *t = themes; t->name; t++)
		if (!strcmp(t->name, name))
			return t;
	return NULL;
}

const char *theme_sgr(const struct theme *t, unsigned tone)
{
	const char *sgr = tone < NR_TONES ? t->sgr[tone] : NULL;

	return sgr ? sgr : "";
}
