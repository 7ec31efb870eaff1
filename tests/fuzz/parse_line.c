/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes as a line typed at the prompt: parsed, resolved to a command, split for completion.
 * What parses and is quoted again must parse to the same words.
 *
 * With libFuzzer: clang -fsanitize=fuzzer,address -DLIBFUZZER.  As a plain program:
 * parse_line -n ROUNDS -s SEED  runs that many lines made from pieces of real ones.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell/cmds.h"
#include "shell/dispatch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok, const char *what, const char *text)
{
	if (ok)
		return;
	fprintf(stderr, "violated: %s: %s\n", what, text);
	abort();
}

static void check_round_trip(const struct line *l, const char *text)
{
	char *again = strdup("x");
	struct line m;

	for (unsigned i = 0; i < l->argc; i++)
		err_free(line_add_quoted(&again, l->argv[i]));
	require(!line_parse(again, &m), "quoted words parse", text);
	require(m.argc == l->argc + 1 && !m.pipe && !m.file, "to as many words", text);
	for (unsigned i = 0; i < l->argc; i++)
		require(!strcmp(l->argv[i], m.argv[i + 1]), "that are the same", text);
	line_deinit(&m);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct resolved r;
	struct line l;
	bool tail;
	int parsed = 0;

	memcpy(text, data, size);
	text[size] = '\0';
	struct err *e = line_parse(text, &l);
	if (!e) {
		require(!(l.pipe && l.file), "a pipe or a file", text);
		require(!l.argc || !l.argv[l.argc], "argv ends with NULL", text);
		check_round_trip(&l, text);
		line_deinit(&l);
		parsed = 1;
	}
	err_free(e);
	e = line_resolve(cmd_table, NULL, text, &r);
	if (!e) {
		require(!r.cmd == !r.word_len, "a word is a command", text);
		resolved_deinit(&r);
	}
	err_free(e);
	for (size_t point = 0; point <= strlen(text); point++) {
		err_free(line_split_partial(text, point, &l, &tail));
		require(tail || l.argc > 0, "a word under the cursor", text);
		line_deinit(&l);
	}
	free(text);
	return parsed;
}

#ifndef LIBFUZZER
static uint64_t rng;

static uint32_t random_below(uint32_t n)
{
	rng = rng * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(rng >> 33) % n;
}

int main(int argc, char **argv)
{
	static const char *const pieces[] = {
		"show", " ",  " ",    "  ",    "\t",     "'",   "\"", "\\",    "|",  ">",
		">>",   "#",  "x/4w", "/",     "!",      "$sp", "=",  "break", "if", "re",
		"s",    "\n", "\xff", "alias", "commit", "",    "0",  "-",     "q",  "help",
	};
	const uint32_t nr = sizeof(pieces) / sizeof(pieces[0]);
	unsigned parsed = 0;

	if (argc != 5 || strcmp(argv[1], "-n") || strcmp(argv[3], "-s")) {
		fprintf(stderr, "usage: parse_line -n ROUNDS -s SEED\n");
		return 2;
	}
	unsigned rounds = (unsigned)strtoul(argv[2], NULL, 0);
	rng = strtoull(argv[4], NULL, 0);
	printf("seed %s\n", argv[4]);
	for (unsigned i = 0; i < rounds; i++) {
		char text[256] = "";

		for (uint32_t n = random_below(24); n; n--)
			strcat(text, pieces[random_below(nr)]);
		parsed += (unsigned)LLVMFuzzerTestOneInput((const uint8_t *)text, strlen(text));
	}
	printf("%u lines, %u of them parsed\n", rounds, parsed);
	/* If only one kind came up, half of the parser was not tested. */
	return parsed > rounds / 20 && parsed < rounds - rounds / 20 ? 0 : 1;
}
#endif
