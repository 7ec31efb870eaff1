/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The receiving end of one page-server conversation: takes the bytes of a client, whatever they are,
 * and writes pagemaps and pages into a directory.  It knows no socket: bytes go in, replies come out.
 *
 * Nothing that a client says is trusted.  Names come from numbers alone, so nothing is written
 * outside the directory; memory does not grow with what is announced; an error ends the conversation.
 *
 * Mirrors: criu/page-xfer.c page_server_serve(), page_server_open(), page_server_add().
 * Differs in: a hole that the parent does not cover, or without a parent, is refused, and so is an
 * object that comes twice; CRIU writes both down.
 */
#ifndef STEPDUMP_NET_PAGE_CONN_H
#define STEPDUMP_NET_PAGE_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/net/wire.h"

struct page_conn;

struct page_conn_stats {
	enum ps_wire wire;
	uint64_t messages, objects, entries, pages, holes, hole_pages;
	uint64_t bytes;              /* received */
	char object[IMAGE_NAME_MAX]; /* now open; "": none */
	struct ps_msg last;          /* the last message; cmd 0: none */
};

/*
 * dirfd: where the images go; parent_fd: the images that holes point into, -1: none.  Both borrowed.
 * max_bytes: of pages, 0 for no limit.
 */
struct page_conn *page_conn_create(int dirfd, int parent_fd, uint64_t max_bytes);
/* Drops what is open.  NULL is fine. */
void page_conn_destroy(struct page_conn *c);

/*
 * page_conn_feed - the next bytes of the stream, all of which are taken.
 * Fails: ERR_FORMAT, ERR_CHECK what the client sent; ERR_SYS what could not be written.  Then the
 * conversation is over.
 */
struct err *page_conn_feed(struct page_conn *c, const void *buf, size_t len);
/* At most that many bytes at once, so that the replies have room. */
#define PAGE_CONN_FEED_MAX (1u << 20)

/* Bytes for the client since the last call; good until the next page_conn_feed(). */
const void *page_conn_reply(struct page_conn *c, size_t *len_ret);

/* Pages that are awaited may also be moved by the caller, who then says how many bytes it wrote to
 * *fd_ret at *off_ret.  0: a header comes next. */
uint64_t page_conn_awaits(const struct page_conn *c, int *fd_ret, off_t *off_ret);
void page_conn_moved(struct page_conn *c, uint64_t len);

/* The client sent CLOSE: nothing may follow, all images are complete, and it waits for four bytes of
 * status. */
bool page_conn_closed(const struct page_conn *c);
/* Has a message begun, and not ended? */
bool page_conn_in_message(const struct page_conn *c);
const struct page_conn_stats *page_conn_stats(const struct page_conn *c);

#endif
