/* SPDX-License-Identifier: GPL-3.0-or-later */
/* render FILE PANE COLUMNS ascii|utf8|THEME [INDEX]: a pane of a saved snapshot, as `show` draws it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/snapfile.h"
#include "views/panes.h"
#include "views/theme.h"

int main(int argc, char **argv)
{
	Stepdump__Snapshot *s = NULL;

	if (argc < 5 || !pane_find(argv[2])) {
		fprintf(stderr, "usage: render FILE PANE COLUMNS ascii|utf8|THEME [INDEX]\n");
		return 2;
	}

	struct err *e = snapfile_load(argv[1], &s);

	if (e) {
		fprintf(stderr, "%s\n", e->msg);
		return 1;
	}

	const struct pane_opts o = {
		.ascii = !strcmp(argv[4], "ascii"),
		.relative = getenv("RELATIVE") != NULL,
		.index = argc > 5 ? strtoll(argv[5], NULL, 0) : -1,
	};
	struct grid g;

	grid_init(&g, (unsigned)atoi(argv[3]), 0);
	pane_render(pane_find(argv[2]), s, &o, &g);

	char *text = theme_find(argv[4]) ? grid_to_ansi(&g, theme_find(argv[4])) : grid_to_text(&g);

	fputs(text, stdout);
	free(text);
	grid_deinit(&g);
	stepdump__snapshot__free_unpacked(s, NULL);
	return 0;
}
