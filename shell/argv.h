/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The command line of stepdump itself: one table for parsing, --help, the man page. */
#ifndef STEPDUMP_ARGV_H
#define STEPDUMP_ARGV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct script_item {
	bool file; /* -x FILE; otherwise -ex CMD */
	const char *text;
};

enum argv_mode {
	MODE_RUN,
	MODE_HELP,
	MODE_VERSION,
	MODE_MAN,
	MODE_MARKDOWN, /* docs/commands.md */
	MODE_FAILURES, /* docs/failures.md */
	MODE_EXAMPLES, /* the examples that run as tests */
	MODE_COMPLETE, /* candidates for a line */
};

struct argv_options {
	enum argv_mode mode;
	const char *pid;
	const char *snapshot;
	const char *complete;
	const char *color;
	const char *keys, *size, *report, *preflight, *lessons;
	char **program;             /* after "--"; NULL: none */
	char **command;             /* a command and its words, ends with NULL; owned; NULL: none */
	struct script_item *script; /* in the order given; owned */
	size_t nr_script;
	bool batch, quiet, json, ascii, readonly, relative, demo;
};

struct argv_desc {
	const char *name; /* without dashes; "p", "ex", "batch" */
	const char *arg;  /* "PID", or NULL */
	const char *what; /* NULL: not shown */
};

/* Ends with name == NULL. */
extern const struct argv_desc argv_descs[];

/* "-p", "-batch", "--json": the spelling shown to people. */
const char *argv_dashes(const struct argv_desc *d);
struct err *argv_parse(int argc, char **argv, struct argv_options *ret);
void argv_deinit(struct argv_options *o);

#endif
