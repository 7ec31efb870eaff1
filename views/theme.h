/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Themes: the colour of each meaning.  Colour is never the only carrier of a meaning (each has its
 * glyph), so "mono" loses nothing.
 */
#ifndef STEPDUMP_THEME_H
#define STEPDUMP_THEME_H

#include "views/grid.h"

#define THEME_SGR_MAX 20 /* longest sequence, with its terminating zero */

struct theme {
	const char *name;
	const char *summary;
	/* SGR sequence ("\033[1;36m") for each tone; NULL: the terminal's own colour. */
	const char *sgr[NR_TONES];
};

/* Ends with name == NULL: mono, dark, light, cb. */
extern const struct theme themes[];

/* NULL if there is no theme of that name. */
const struct theme *theme_find(const char *name);

/* The whole escape sequence for a tone; "" where the theme has no colour.  Any value of tone. */
const char *theme_sgr(const struct theme *t, unsigned tone);

#endif
