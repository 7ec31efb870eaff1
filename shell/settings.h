/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Settings of the shell itself, in the same kind of table as the options of a dump. */
#ifndef STEPDUMP_SETTINGS_H
#define STEPDUMP_SETTINGS_H

#include <stdbool.h>

#include "base/opt.h"
#include "views/theme.h"

enum color_when { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

struct settings {
	enum color_when color;
	int theme; /* index, see settings_theme() */
	bool pager;
	bool repeat;
	bool ascii;
	bool json;
	bool mouse;
	bool keep_going;
	char *lessons; /* directory; NULL: the one that is installed */
};

extern const struct opt_desc setting_descs[];

void settings_init(struct settings *s);
void settings_deinit(struct settings *s);
/* COLOR_AUTO decided for a stream: a terminal, no NO_COLOR, TERM not dumb. */
bool settings_color(const struct settings *s, int fd);
const struct theme *settings_theme(const struct settings *s);

#endif
