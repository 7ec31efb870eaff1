/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What follows from the entry of a command. */
#include "shell/cmd.h"

#include <string.h>

const char *cmd_group_name(enum cmd_group g)
{
	static const char *const names[NR_GROUPS] = {
		[GROUP_TARGET] = "Target",
		[GROUP_RUN] = "Running the pipeline",
		[GROUP_BREAK] = "Breakpoints",
		[GROUP_COMMIT] = "Commit or not",
		[GROUP_LOOK] = "Looking",
		[GROUP_CHAIN] = "Image directories and chains",
		[GROUP_DIAGNOSE] = "Why a dump fails",
		[GROUP_LEARN] = "Learning",
		[GROUP_SHELL] = "The shell",
	};

	return names[g];
}

struct err *cmd_usage(const struct cmd_entry *c)
{
	return err_hint(
		err_new(ERR_USAGE, "usage: %s%s%s", c->name, *c->usage ? " " : "", c->usage),
		"`help %s` explains it", c->name);
}

char *cmd_example_text(const struct cmd_example *e)
{
	char *text = xstrdup("");

	for (const char *p = e->line; *p; p++) {
		AUTO_FREE char *before = text;
		bool place = *p == '%' && (p[1] == 'P' || p[1] == 'D');

		text = place ? xasprintf("%s%s", before, p[1] == 'P' ? "4242" : "/tmp") :
			       xasprintf("%s%c", before, *p);
		p += place;
	}
	return text;
}
