/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/settings.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const color_names[] = { "auto", "always", "never", NULL };
static const char *const theme_names[] = { "dark", "light", "cb", "mono", NULL };

const struct opt_desc setting_descs[] = {
	{
		.name = "color",
		.values = "auto|always|never",
		.summary = "colours: auto looks at the terminal and NO_COLOR",
		.offset = offsetof(struct settings, color),
		.type = OPT_ENUM,
		.names = color_names,
	},
	{
		.name = "theme",
		.values = "dark|light|cb|mono",
		.summary = "colours for this background; cb is for the colour-blind",
		.offset = offsetof(struct settings, theme),
		.type = OPT_ENUM,
		.names = theme_names,
	},
	{
		.name = "pager",
		.values = "on|off",
		.summary = "long output goes through $STEPDUMP_PAGER or $PAGER",
		.offset = offsetof(struct settings, pager),
		.type = OPT_BOOL,
	},
	{
		.name = "repeat",
		.values = "on|off",
		.summary = "Enter on an empty line repeats step, next, x, show, ...",
		.offset = offsetof(struct settings, repeat),
		.type = OPT_BOOL,
	},
	{
		.name = "ascii",
		.values = "on|off",
		.summary = "print nothing outside ASCII",
		.offset = offsetof(struct settings, ascii),
		.type = OPT_BOOL,
	},
	{
		.name = "json",
		.values = "on|off",
		.summary = "each command prints one JSON object on one line",
		.offset = offsetof(struct settings, json),
		.type = OPT_BOOL,
	},
	{
		.name = "keep-going",
		.values = "on|off",
		.summary = "scripts go on after an error; the first gives the status",
		.offset = offsetof(struct settings, keep_going),
		.type = OPT_BOOL,
	},
	{
		.name = "mouse",
		.values = "on|off",
		.summary = "views take clicks and the wheel; Shift selects text",
		.offset = offsetof(struct settings, mouse),
		.type = OPT_BOOL,
	},
	{
		.name = "lessons",
		.values = "DIR",
		.summary = "where tours and exercises are; empty: those installed",
		.offset = offsetof(struct settings, lessons),
		.type = OPT_STRING,
	},
	{ .name = NULL },
};

void settings_init(struct settings *s)
{
	*s = (struct settings){
		.color = COLOR_AUTO,
		.pager = true,
		.repeat = true,
		.ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0,
	};
}

void settings_deinit(struct settings *s)
{
	free(s->lessons);
	s->lessons = NULL;
}

bool settings_color(const struct settings *s, int fd)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (s->color != COLOR_AUTO)
		return s->color == COLOR_ALWAYS;
	return !(no && *no) && term && strcmp(term, "dumb") && isatty(fd);
}

const struct theme *settings_theme(const struct settings *s)
{
	return theme_find(theme_names[s->theme]);
}
