/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes as a snapshot, drawn by all panes: nothing outside of the grid, nothing but ASCII
 * where ASCII was asked for, and JSON that parses.  The first byte chooses width and options, the
 * rest is the message.
 *
 * With libFuzzer: clang -fsanitize=fuzzer,address -DLIBFUZZER.  As a plain program:
 * snapshot ROUNDS SEED FILE...  mutates the files (snapshot files); the seed repeats a run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"
#include "proto/snapfile.h"
#include "views/panes.h"
#include "views/theme.h"

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

		/* A message of a few bytes can ask for a terabyte of rows: screens have an end. */
		grid_init(&g, cols, 500);
		p->render(s, &o, &g);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	Stepdump__Snapshot *s;
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
static uint64_t state;

static uint64_t next_random(void) /* splitmix64 */
{
	uint64_t z = state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static size_t mutate(uint8_t *buf, size_t len, size_t cap)
{
	for (unsigned n = 1 + next_random() % 8; n && len > 2; n--) {
		size_t at = 1 + next_random() % (len - 1);
		size_t from = 1 + next_random() % (len - 1), nr = 1 + next_random() % 32;

		switch (next_random() % 5) {
		case 0:
			buf[at] ^= (uint8_t)(1 << next_random() % 8);
			break;
		case 1:
			buf[at] = (uint8_t)next_random();
			break;
		case 2: /* varints of all lengths begin with such a byte */
			buf[at] = next_random() & 1 ? 0xff : 0;
			break;
		case 3: /* a piece twice */
			nr = nr < len - from ? nr : len - from;
			if (len + nr <= cap) {
				memmove(buf + at + nr, buf + at, len - at);
				memmove(buf + at, buf + from, nr < len - from ? nr : len - from);
				len += nr;
			}
			break;
		case 4: /* a piece less */
			nr = nr < len - at ? nr : len - at;
			memmove(buf + at, buf + at + nr, len - at - nr);
			len -= nr;
			break;
		}
	}
	return len;
}

static size_t load(const char *path, uint8_t *buf, size_t cap)
{
	FILE *f = fopen(path, "rb");
	size_t len = 0;

	if (f && !fseek(f, HEAD, SEEK_SET))
		len = fread(buf, 1, cap, f);
	if (f)
		fclose(f);
	if (!len) {
		fprintf(stderr, "%s: no snapshot\n", path);
		exit(2);
	}
	return len;
}

int main(int argc, char **argv)
{
	static uint8_t seeds[8][65536], buf[131072];
	size_t lens[8];
	unsigned nr = 0, rounds, parsed = 0;

	if (argc < 4) {
		fprintf(stderr, "usage: snapshot ROUNDS SEED FILE...\n");
		return 2;
	}
	rounds = (unsigned)strtoul(argv[1], NULL, 0);
	state = strtoull(argv[2], NULL, 0);
	printf("seed %s\n", argv[2]);
	for (int i = 3; i < argc && nr < 8; i++, nr++)
		lens[nr] = load(argv[i], seeds[nr], sizeof(seeds[nr]));
	for (unsigned i = 0; i < rounds; i++) {
		unsigned k = (unsigned)(next_random() % nr);

		memcpy(buf + 1, seeds[k], lens[k]);
		buf[0] = (uint8_t)next_random();

		size_t len = i < 256 * nr ? lens[k] + 1 : mutate(buf, lens[k] + 1, sizeof(buf));

		parsed += (unsigned)LLVMFuzzerTestOneInput(buf, len);
	}
	printf("%u rounds, %u of them parsed\n", rounds, parsed);
	/* If hardly anything parsed, nothing was drawn and nothing was tested. */
	return parsed > rounds / 20 ? 0 : 1;
}
#endif
