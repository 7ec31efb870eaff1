/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where the output of one command goes: stdout, through a pager, into a file, into a pipe, or as
 * one JSON object.  Commands write with out_printf() and out_grid() and need not know which.
 */
#ifndef STEPDUMP_OUT_H
#define STEPDUMP_OUT_H

#include <json-c/json.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/err.h"
#include "shell/parse.h"
#include "views/grid.h"

struct shell;

struct out {
	FILE *f;    /* text goes here; with JSON it becomes the member "text" */
	FILE *log;  /* of the session, gets the text too; NULL: none */
	FILE *dest; /* pipe, stdout, or memory that becomes the file */
	char *buf;  /* of f, when that is memory */
	size_t len;
	int fd;         /* the file, -1: none */
	bool created;   /* we created it */
	bool append;    /* ">>" */
	bool complete;  /* set by a command whose result stands, although it ends with an error */
	char *file_buf; /* what goes into it */
	size_t file_len;
	pid_t child;               /* the pipe's reader, or 0 */
	char *what;                /* file name or command, for errors */
	int failed;                /* errno of the first write that failed, or 0 */
	bool owned;                /* dest was opened for this command */
	bool page;                 /* buffered, perhaps for the pager */
	bool tty;                  /* ends on the terminal */
	const struct theme *theme; /* NULL: no colour */
	unsigned width;
	json_object *json; /* members of the result; NULL: text mode */
};

/* Opens what `line` asks for.  streams: nothing is held back for a pager.  *o must not move. */
struct err *out_open(const struct shell *sh, const struct line *line, bool streams, struct out *o);
/*
 * Delivers and closes.  A reader that goes away early is not an error.
 * failed: the command failed; then a file that existed before is left as it was, and *kept_ret is
 * set, unless the output is complete nevertheless.
 */
struct err *out_close(struct out *o, bool failed, bool *kept_ret);
/* Delivers one line of JSON: {"command": ..., "ok": ..., members of o->json, "text": [...]}. */
void out_json_done(struct out *o, const char *command, json_object *error);

/* Replaces control characters, except newlines and tabs, by '?': the names of programs, files and
 * mappings may contain anything. */
void plain_text(char *text);
void out_printf(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prose, broken between words at the width of the output (80 at the most). */
void out_prose(struct out *o, const char *text);
void out_grid(struct out *o, const struct grid *g);
/* Adds the members of a message to the JSON result; nothing in text mode. */
void out_message(struct out *o, const ProtobufCMessage *m);
/* Adds one member; takes `value`. */
void out_member(struct out *o, const char *name, json_object *value);

/* Rows and columns of the terminal on stdout (24 x 80 if there is none). */
void term_size(unsigned *rows_ret, unsigned *cols_ret);

#endif
