/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The sending end of a page-server conversation.  Every wait is bounded.  The first failure ends the
 * conversation: the protocol has no way to go on, so all later calls fail too.
 *
 * Mirrors: criu/page-xfer.c connect_to_page_server(), open_page_server_xfer(),
 * write_pages_to_server(), disconnect_from_page_server().
 */
#ifndef STEPDUMP_NET_CLIENT_H
#define STEPDUMP_NET_CLIENT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/net/wire.h"

struct ps_client;

enum { PS_TALK = 16 };

struct ps_client_stats {
	enum ps_wire wire; /* UNKNOWN before the first answer */
	uint64_t messages, bytes;
	uint64_t queued;  /* of them: those that the server has not acknowledged */
	uint64_t busy_us; /* of sending, and of waiting for the server */
	uint64_t talked;  /* lines of the conversation so far */
};

/* No wait is longer than timeout_s, nor goes on once *stop is set (NULL: nobody stops it).
 * wire UNKNOWN: found out with the first question, which costs two seconds with a server of 4.2. */
struct err *ps_connect(const char *where, enum ps_wire wire, uint32_t timeout_s,
		       const volatile sig_atomic_t *stop, struct ps_client **ret);
/* Closes the connection; without ps_close() the server drops what it has.  NULL is fine. */
void ps_destroy(struct ps_client *c);

/* NULL, or the error that ended the conversation. */
struct err *ps_ready(const struct ps_client *c);
/* Do the images that the server builds on have this object?  The first call comes before all others. */
struct err *ps_parent(struct ps_client *c, uint64_t dst_id, bool *ret);
/* Opens an object, and asks the same question. */
struct err *ps_open(struct ps_client *c, uint64_t dst_id, bool *ret);
/* An entry; with PE_PRESENT its pages come next, by any number of the two calls below. */
struct err *ps_add(struct ps_client *c, uint64_t dst_id, uint64_t vaddr, uint64_t nr_pages,
		   uint32_t flags);
/* Moves bytes [*moved, len) from a pipe, and *moved with them: many pages without a copy here, few of them to
 * where messages are put together until it pays to send them; a question sends all. */
struct err *ps_splice(struct ps_client *c, int pipe_fd, uint64_t len, uint64_t *moved);
struct err *ps_send(struct ps_client *c, const void *buf, uint64_t len);
/* All is sent: waits until the server says that it has stored it.  Again after that: nothing. */
struct err *ps_close(struct ps_client *c);
bool ps_closed(const struct ps_client *c);

void ps_client_stats(const struct ps_client *c, struct ps_client_stats *ret);
/* Line i of the conversation, i in [talked - PS_TALK, talked); "" for one that is no longer kept.  Caller
 * frees. */
char *ps_client_line(const struct ps_client *c, uint64_t i);
const char *ps_client_where(const struct ps_client *c);

#endif
