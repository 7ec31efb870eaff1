/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * xfer to a page server.  What the server holds is written down here too, as ranges without pages
 * (server-pagemap-*.img), so that the next dump knows which pages it may leave there.
 * Mirrors: criu/page-xfer.c open_page_server_xfer(), write_pages_to_server().
 */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "engine/dump/page_xfer.h"
#include "engine/image/at_server.h"
#include "engine/image/pagemap_image.h"
#include "engine/image/staging.h"
#include "engine/net/client.h"

struct server {
	int dirfd; /* borrowed */
	struct ps_client *c;
	uint64_t opened;            /* the object that the server has open; 0: none */
	struct pagemap_writer held; /* of the object that is open here */
};

static uint64_t server_dst_id(const struct page_xfer *x)
{
	return ps_dst_id(x->is_shmem, x->id);
}

static struct err *server_open_object(struct page_xfer *x)
{
	struct server *s = x->priv;
	char name[AT_SERVER_NAME_MAX];
	bool parent;

	if (s->opened != server_dst_id(x)) /* else only the file here could not be made */
		TRY(ps_open(s->c, server_dst_id(x), &parent));
	s->opened = server_dst_id(x);
	TRY(staging_advise(pagemap_writer_open(&s->held, s->dirfd, at_server_name(x->object, name),
					       x->pages_id),
			   s->dirfd, 0));
	return NULL;
}

static struct err *server_write_pages(struct page_xfer *x, int pipe_fd, uint64_t len,
				      uint64_t *moved)
{
	struct server *s = x->priv;

	return ps_splice(s->c, pipe_fd, len, moved);
}

static struct err *server_write_memory(struct page_xfer *x, const void *buf, uint64_t len)
{
	struct server *s = x->priv;

	return ps_send(s->c, buf, len);
}

/* A hole is held by the server as well: behind its own parent link. */
static struct err *server_write_pagemap(struct page_xfer *x, uint64_t vaddr, uint64_t nr_pages,
					uint32_t flags)
{
	struct server *s = x->priv;

	TRY(ps_ready(s->c));
	TRY(staging_advise(pagemap_writer_add(&s->held, vaddr, nr_pages, PE_PRESENT), s->dirfd, 0));
	return ps_add(s->c, server_dst_id(x), vaddr, nr_pages, flags);
}

static struct err *server_close_object(struct page_xfer *x)
{
	struct server *s = x->priv;

	if (!s->held.w) /* closing it failed before; the server has the pages nevertheless */
		return NULL;
	TRY(staging_advise(pagemap_writer_flush(&s->held), s->dirfd, 0));
	return staging_advise(pagemap_writer_close(&s->held), s->dirfd, 0);
}

static struct err *server_commit(struct page_xfer *x)
{
	struct server *s = x->priv;

	return ps_close(s->c);
}

static void server_destroy(struct page_xfer *x)
{
	struct server *s = x->priv;

	pagemap_writer_abandon(&s->held);
	ps_destroy(s->c);
	free(s);
}

static const struct page_xfer_ops server_ops = {
	.name = "page-server",
	.entry_first = true,
	.open_object = server_open_object,
	.write_pages = server_write_pages,
	.write_memory = server_write_memory,
	.write_pagemap = server_write_pagemap,
	.close_object = server_close_object,
	.commit = server_commit,
	.destroy = server_destroy,
};

struct err *page_xfer_server(struct page_xfer *x, int dirfd, const char *where, enum ps_wire wire,
			     uint32_t timeout_s, const volatile sig_atomic_t *stop)
{
	struct ps_client *c;

	TRY(ps_connect(where, wire, timeout_s, stop, &c));
	struct err *e = staging_advise(at_server_write_address(dirfd, where), dirfd, 0);

	if (e) {
		ps_destroy(c);
		return e;
	}
	struct server *s = xzalloc(sizeof(*s));

	s->dirfd = dirfd;
	s->c = c;
	*x = (struct page_xfer){ .ops = &server_ops, .priv = s };
	return NULL;
}

struct ps_client *page_xfer_client(const struct page_xfer *x)
{
	return x->ops == &server_ops ? ((struct server *)x->priv)->c : NULL;
}
