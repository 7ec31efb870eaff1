/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A page server: takes image sets from CRIU (any version) and from stepdump, several at a time.
 *
 * Each connection is served by a process of its own, so that whatever a client sends costs that
 * connection only.  Its images are staged, and published when the client says CLOSE; whatever else
 * ends it leaves nothing behind.
 *
 * Mirrors: criu/page-xfer.c cr_page_server().
 */
#ifndef STEPDUMP_NET_SERVE_H
#define STEPDUMP_NET_SERVE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/net/page_conn.h"

struct serve_opts {
	const char *where;  /* as in addr.h */
	const char *dir;    /* the set of connection N goes to DIR/N; with `once`, to DIR itself */
	const char *parent; /* images that holes point into; NULL: none */
	bool once;          /* one connection, then end */
	uint64_t max_bytes; /* of pages in a set; 0: what is free on the file system */
	uint32_t silence_s; /* a client that says nothing for so long is dropped; 0: never */
	uint32_t max_s;     /* longest time for one connection; 0: any */
	uint32_t clients;   /* at the same time; others wait */
};

enum serve_what {
	SERVE_LISTENING, /* text: the address */
	SERVE_CONNECTED,
	SERVE_PROGRESS,  /* about once a second while bytes come */
	SERVE_COMMITTED, /* text: the directory */
	SERVE_REFUSED,   /* text: why */
};

struct serve_event {
	enum serve_what what;
	unsigned client; /* number of the connection, from 1 */
	bool open;       /* SERVE_LISTENING: other machines can reach it */
	const char *peer, *text;
	struct page_conn_stats st;
};

/*
 * serve_run - serves until *stop, or with `once` until one connection has ended.
 * Fails: what kept it from listening; with `once`, what was wrong with the connection.
 * All its processes have ended when it returns.
 */
struct err *serve_run(const struct serve_opts *o, const volatile sig_atomic_t *stop,
		      void (*event)(void *arg, const struct serve_event *ev), void *arg);

#endif
