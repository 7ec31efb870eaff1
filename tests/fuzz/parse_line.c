/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes as a line typed at the prompt: parsed, resolved to a command, split for completion.
 * What parses and is quoted again must parse to the same words.
 *
 * As a plain program (see tests/lib/fuzz.h): lines made from pieces of real ones.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell/cmds.h"
#include "shell/dispatch.h"

#include "tests/lib/fuzz.h"

static void check_round_trip(const struct line *l, const char *text)
{
	char *again = strdup("x");
	struct line m;

	for (unsigned i = 0; i < l->argc; i++)
		line_add_quoted(&again, l->argv[i]);
	require(!line_parse(again, false, &m), "quoted words parse", text);
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
	struct err *e = line_parse(text, size & 1, &l);
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
		line_split_partial(text, point, &l, &tail);
		require(tail || l.argc > 0, "a word under the cursor", text);
		line_deinit(&l);
	}
	free(text);
	return parsed;
}

#ifndef LIBFUZZER
static bool one_line(unsigned i)
{
	static const char *const pieces[] = {
		"show", " ",  " ",    "  ",    "\t",     "'",   "\"", "\\",    "|",  ">",
		">>",   "#",  "x/4w", "/",     "!",      "$sp", "=",  "break", "if", "re",
		"s",    "\n", "\xff", "alias", "commit", "",    "0",  "-",     "q",  "help",
	};
	char text[256] = "";

	for (uint64_t n = rnd(24); n; n--)
		strcat(text, pieces[rnd(sizeof(pieces) / sizeof(pieces[0]))]);
	return LLVMFuzzerTestOneInput((const uint8_t *)text, strlen(text));
}

int main(int argc, char **argv)
{
	return fuzz_main(argc, argv, one_line, 5, 95);
}
#endif
