/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes as a snapshot, drawn by all panes: nothing outside of the grid, nothing but ASCII
 * where ASCII was asked for, and JSON that parses.  The first byte chooses width and options, the
 * rest is the message.
 *
 * As a plain program (see tests/lib/fuzz.h): mutations of the snapshot files.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"
#include "proto/snapfile.h"
#include "views/panes.h"
#include "views/theme.h"

#include "tests/lib/fuzz.h"

#define HEAD 12 /* magic and length of a snapshot file */

static void fail(const char *pane, const char *what)
{
	fprintf(stderr, "pane %s: %s\n", pane, what);
	abort();
}

static void check_grid(const struct pane *p, const struct grid *g, unsigned cols, bool ascii)
{
	if (g->cols != cols)
		fail(p->name, "changed the width");
	for (size_t i = 0; i < (size_t)g->rows * g->cols; i++) {
		if (ascii && (g->cells[i].ch < 0x20 || g->cells[i].ch > 0x7e))
			fail(p->name, "not ASCII");
		if (g->cells[i].tone >= NR_TONES)
			fail(p->name, "unknown tone");
	}
	if (!g->rows)
		fail(p->name, "drew nothing");
}

static void draw_all(const Stepdump__Snapshot *s, unsigned choice)
{
	static const unsigned widths[] = { 1,   7,   20,  40,  60,  61, 79, 80,
					   120, 132, 200, 250, 300, 80, 60, 100 };
	const struct pane_opts o = {
		.ascii = choice & 1,
		.relative = choice & 2,
		.verbose = choice & 4,
		.index = choice & 8 ? (int)(choice >> 4) - 1 : -1,
	};
	unsigned cols = widths[choice >> 4 & 15];

	for (const struct pane *p = panes; p->name; p++) {
		struct grid g;

		/* A message of a few bytes can ask for a terabyte of rows, so the height is
		 * limited. */
		grid_init(&g, cols, 500);
		pane_render(p, s, &o, &g);
		check_grid(p, &g, cols, o.ascii);
		free(grid_to_ansi(&g, &themes[choice & 3]));
		grid_deinit(&g);
	}
}

static void check_json(const Stepdump__Snapshot *s)
{
	json_object *o = pb_to_json(&s->base), *back;

	back = json_tokener_parse(json_object_to_json_string(o));
	if (!back)
		fail("json", "does not parse");
	json_object_put(back);
	json_object_put(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	Stepdump__Snapshot *s = NULL;
	uint32_t body = (uint32_t)(len ? len - 1 : 0);
	uint8_t *file;

	if (!len || len > 1 << 20)
		return 0;
	file = malloc(HEAD + body);
	if (!file)
		return 0;
	memcpy(file, "SDSNAP1\n", 8);
	for (int i = 0; i < 4; i++)
		file[8 + i] = (uint8_t)(body >> 8 * i);
	memcpy(file + HEAD, data + 1, body);

	struct err *e = snapfile_parse(file, HEAD + body, &s);

	free(file);
	if (e) {
		err_free(e);
		return 0;
	}
	draw_all(s, data[0]);
	check_json(s);
	stepdump__snapshot__free_unpacked(s, NULL);
	return 1;
}

#ifndef LIBFUZZER
static uint8_t *files[8];
static size_t lens[8];
static unsigned nr_files;

static bool one_snapshot(unsigned i)
{
	static uint8_t buf[131072];
	unsigned k = (unsigned)rnd(nr_files);

	memcpy(buf + 1, files[k], lens[k]);
	buf[0] = (uint8_t)rnd64();

	/* first each of them as it is, in all sizes */
	size_t len =
		i < 256 * nr_files ? lens[k] + 1 : fuzz_mutate(buf, 1, lens[k] + 1, sizeof(buf));

	return LLVMFuzzerTestOneInput(buf, len);
}

int main(int argc, char **argv)
{
	for (; nr_files < 8 && (int)nr_files + 2 < argc; nr_files++) {
		files[nr_files] = fuzz_load(argv[nr_files + 2], HEAD, &lens[nr_files]);
		require(lens[nr_files] < 65536, "a small file", argv[nr_files + 2]);
	}
	require(nr_files > 0, "a file to start from", "none given");
	/* If hardly anything parses, nothing is drawn and nothing is tested. */
	return fuzz_main(argc, argv, one_snapshot, 5, 100);
}
#endif
