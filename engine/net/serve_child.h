/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The process that serves one connection, and what it tells the listener.  Internal to engine/net/serve*.c. */
#ifndef STEPDUMP_NET_SERVE_CHILD_H
#define STEPDUMP_NET_SERVE_CHILD_H

#include "engine/net/serve.h"

struct serve_note {
	enum { NOTE_STAGED, NOTE_PROGRESS, NOTE_COMMITTED, NOTE_REFUSED } kind;
	struct page_conn_stats st;
	char text[2048]; /* STAGED: the path, "" when it is gone; REFUSED: why */
};

_Static_assert(sizeof(struct serve_note) <= 4096, "longer than PIPE_BUF");

/* Just forked.  Keeps nothing of the parent's open but these two; ends the process. */
void serve_child(const struct serve_opts *o, const char *dir, int fd, int notes)
	__attribute__((noreturn));

#endif
