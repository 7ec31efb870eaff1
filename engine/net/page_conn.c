/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/net/page_conn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/num.h"
#include "engine/image/page_read.h"
#include "engine/image/pagemap_image.h"
#include "engine/image/staging.h"

/* criu page-server begins there too, so that pages files can lie beside those of a local dump. */
#define FIRST_PAGES_ID 0x10001u
#define MAX_OBJECTS 65536u
#define GATHER 256u /* pieces of pages that one call writes */

struct page_conn {
	int dirfd, parent_fd; /* borrowed */
	uint64_t max_bytes;
	struct page_conn_stats st;
	bool closed;

	uint8_t header[PS_HEADER_MAX];
	size_t have; /* bytes of it */

	uint64_t dst_id; /* of the open object; 0: none */
	struct pagemap_writer pm;
	struct page_read *parent; /* of the object; NULL: none */
	int pages_fd;
	off_t off;      /* bytes of the pages file that have come */
	uint64_t await; /* bytes of pages that are still to come */

	/* Of the bytes that page_conn_feed() is given: pages, which lie between headers there and follow each
	 * other in the file, up to c->off. */
	struct iovec gather[GATHER];
	unsigned gathered;
	size_t gathered_bytes;

	uint8_t reply[PAGE_CONN_FEED_MAX / PS_HEADER_MIN * 4 + 8];
	size_t reply_len;
};

struct page_conn *page_conn_create(int dirfd, int parent_fd, uint64_t max_bytes)
{
	struct page_conn *c = xzalloc(sizeof(*c));

	c->dirfd = dirfd;
	c->parent_fd = parent_fd;
	c->max_bytes = max_bytes;
	c->pages_fd = -1;
	return c;
}

void page_conn_destroy(struct page_conn *c)
{
	if (!c)
		return;
	if (c->dst_id)
		pagemap_writer_abandon(&c->pm);
	page_read_close(c->parent);
	close_fd(&c->pages_fd);
	free(c);
}

static void conn_reply(struct page_conn *c, uint32_t value, size_t len)
{
	memcpy(c->reply + c->reply_len, &value, len);
	c->reply_len += len;
}

const void *page_conn_reply(struct page_conn *c, size_t *len_ret)
{
	*len_ret = c->reply_len;
	c->reply_len = 0;
	return c->reply;
}

/* ---- objects ---------------------------------------------------------------------------------- */

/* Writes what page_conn_feed() has gathered. */
static struct err *conn_write(struct page_conn *c)
{
	off_t at = c->off - (off_t)c->gathered_bytes;
	size_t len = c->gathered_bytes;
	int nr = (int)c->gathered;

	c->gathered_bytes = c->gathered = 0;
	if (pwritev_full(c->pages_fd, c->gather, nr, at) < 0)
		return staging_advise(
			err_sys(errno, "write %zu bytes of %s at %ld", len, c->st.object, at),
			c->dirfd, add_sat(len, c->await));
	return NULL;
}

static struct err *conn_end_object(struct page_conn *c)
{
	if (!c->dst_id)
		return NULL;
	struct err *e = conn_write(c);

	c->dst_id = 0;
	c->st.object[0] = '\0';
	page_read_close(TAKE_PTR(c->parent));
	e = err_first(e, pagemap_writer_close(&c->pm));
	if (close(TAKE_FD(c->pages_fd)))
		e = err_first(e, err_sys(errno, "close a pages file"));
	return staging_advise(e, c->dirfd, 0);
}

static struct err *conn_object_name(uint64_t dst_id, char name[IMAGE_NAME_MAX])
{
	enum image_kind kind;
	uint64_t id;

	if (!ps_dst_object(dst_id, &kind, &id))
		return err_new(ERR_FORMAT, "0x%lx is not the id of a task or of shared memory",
			       dst_id);
	image_name(kind, id, name);
	return NULL;
}

static bool conn_in_parent(const struct page_conn *c, const char *name)
{
	return c->parent_fd >= 0 && !faccessat(c->parent_fd, name, F_OK, AT_SYMLINK_NOFOLLOW);
}

static struct err *conn_create_images(struct page_conn *c, const char *name)
{
	uint32_t pages_id = FIRST_PAGES_ID + (uint32_t)c->st.objects;
	char pages[32];

	if (!faccessat(c->dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW))
		return err_new(ERR_CHECK, "%s is opened a second time", name);
	if (c->st.objects == MAX_OBJECTS)
		return err_new(ERR_CHECK, "more than %u objects in one conversation", MAX_OBJECTS);
	snprintf(pages, sizeof(pages), "pages-%u.img", pages_id);
	TRY(pagemap_writer_open(&c->pm, c->dirfd, name, pages_id));
	c->pages_fd = create_private(c->dirfd, pages, O_WRONLY | O_EXCL);
	if (c->pages_fd >= 0)
		return NULL;
	struct err *e = err_sys(errno, "create %s", pages);

	pagemap_writer_abandon(&c->pm);
	return e;
}

static struct err *conn_open(struct page_conn *c, uint64_t dst_id)
{
	char name[IMAGE_NAME_MAX];

	TRY(conn_end_object(c));
	TRY(conn_object_name(dst_id, name));
	if (conn_in_parent(c, name))
		TRY(err_wrap(page_read_open(c->parent_fd, name, &c->parent), "the parent's %s",
			     name));
	TRY(staging_advise(conn_create_images(c, name), c->dirfd, 0));
	c->dst_id = dst_id;
	c->off = 0;
	c->st.objects++;
	memcpy(c->st.object, name, sizeof(name));
	return NULL;
}

/* ---- entries ---------------------------------------------------------------------------------- */

static struct err *conn_check_hole(struct page_conn *c, const struct ps_msg *m)
{
	uint64_t missing;

	if (!c->parent)
		return err_hint(err_new(ERR_CHECK,
					"%s: a hole at %lx, but the parent here has no such object",
					c->st.object, m->vaddr),
				"begin the server with --parent DIR, where the set before this one "
				"is");
	if (!page_read_covers(c->parent, m->vaddr, m->nr_pages, &missing))
		return err_vaddr(err_new(ERR_CHECK,
					 "%s: a hole at %lx, and parent %s does not have page %lx",
					 c->st.object, m->vaddr, page_read_dir(c->parent, 0),
					 missing),
				 missing);
	return NULL;
}

static struct err *conn_add(struct page_conn *c, const struct ps_msg *m)
{
	uint64_t bytes = mul_sat(m->nr_pages, PAGE_BYTES);

	if (c->pages_fd < 0 || m->dst_id != c->dst_id)
		TRY(conn_open(c, m->dst_id)); /* as CRIU's server */
	if (!(m->flags & (PE_PRESENT | PE_PARENT)))
		return err_new(ERR_CHECK,
			       "%s: an entry at %lx with flags 0x%x: neither PRESENT nor PARENT",
			       c->st.object, m->vaddr, m->flags);
	if (m->flags & PE_PRESENT && c->max_bytes &&
	    add_sat(c->st.pages * PAGE_BYTES, bytes) > c->max_bytes)
		return err_hint(err_new(ERR_CHECK,
					"%s: %lu pages at %lx are more than the limit of %lu bytes",
					c->st.object, m->nr_pages, m->vaddr, c->max_bytes),
				"--max-size raises the limit");
	/* The writer checks the entry itself, and that it lies behind the previous one. */
	TRY(err_wrap(staging_advise(pagemap_writer_add(&c->pm, m->vaddr, m->nr_pages, m->flags),
				    c->dirfd, 0),
		     "%s", c->st.object));
	c->st.entries++;
	if (m->flags & PE_PARENT) {
		TRY(conn_check_hole(c, m));
		c->st.holes++;
		c->st.hole_pages += m->nr_pages;
		return NULL;
	}
	c->await = bytes;
	c->st.pages += m->nr_pages;
	return NULL;
}

static struct err *conn_pages(struct page_conn *c, const void *buf, size_t len)
{
	if (c->gathered == GATHER)
		TRY(conn_write(c));
	c->gather[c->gathered++] = (struct iovec){ .iov_base = (void *)buf, .iov_len = len };
	c->gathered_bytes += len;
	page_conn_moved(c, len);
	return NULL;
}

uint64_t page_conn_awaits(const struct page_conn *c, int *fd_ret, off_t *off_ret)
{
	*fd_ret = c->pages_fd;
	*off_ret = c->off;
	return c->await;
}

void page_conn_moved(struct page_conn *c, uint64_t len)
{
	c->off += (off_t)len;
	c->await -= len;
	c->st.bytes += len;
}

/* ---- messages --------------------------------------------------------------------------------- */

static struct err *conn_parent(struct page_conn *c, const struct ps_msg *m, size_t reply)
{
	char name[IMAGE_NAME_MAX];

	TRY(conn_object_name(m->dst_id, name));
	conn_reply(c, conn_in_parent(c, name), reply);
	return NULL;
}

static struct err *conn_message(struct page_conn *c, struct ps_msg *m)
{
	switch (m->cmd) {
	case PS_PARENT:
		return conn_parent(c, m, 4);
	case PS_OPEN:
		return conn_open(c, m->dst_id);
	case PS_OPEN2:
		TRY(conn_open(c, m->dst_id));
		return conn_parent(c, m, 1);
	case PS_ADD:
		m->flags = PE_PRESENT;
		return conn_add(c, m);
	case PS_HOLE:
		m->flags = PE_PARENT;
		return conn_add(c, m);
	case PS_ADD_F:
		return conn_add(c, m);
	case PS_CLOSE:
	case PS_FORCE_CLOSE:
		TRY(conn_end_object(c));
		c->closed = true;
		return NULL;
	case PS_GET:
		return err_new(ERR_UNSUPPORTED, "the client asks for pages (GET): this server only "
						"takes them");
	default:
		return err_new(ERR_FORMAT, "unknown command 0x%x", m->cmd);
	}
}

static struct err *conn_first(struct page_conn *c)
{
	uint32_t cmd;

	memcpy(&cmd, c->header, 4);
	if (cmd != PS_OPEN && cmd != PS_OPEN2 && cmd != PS_PARENT)
		return err_hint(err_new(ERR_FORMAT,
					"the first message begins with 0x%08x: this is "
					"not a page-server client",
					cmd),
				"CRIU and stepdump begin with OPEN, OPEN2 or PARENT");
	c->st.wire = ps_detect(c->header);
	return NULL;
}

/* Takes bytes of the header, and acts on it once it is whole. */
static struct err *conn_header(struct page_conn *c, const uint8_t *buf, size_t len,
			       size_t *took_ret)
{
	size_t want = ps_header_size(c->st.wire) - c->have;
	struct ps_msg m;

	*took_ret = len < want ? len : want;
	memcpy(c->header + c->have, buf, *took_ret);
	c->have += *took_ret;
	c->st.bytes += *took_ret;
	if (c->have == PS_HEADER_MIN && c->st.wire == PS_WIRE_UNKNOWN)
		TRY(conn_first(c));
	if (c->have < ps_header_size(c->st.wire))
		return NULL;
	c->have = 0;
	ps_unpack(c->st.wire, c->header, &m);
	c->st.messages++;
	c->st.last = m;
	return err_wrap(conn_message(c, &m), "message %lu", c->st.messages);
}

static struct err *conn_take(struct page_conn *c, const uint8_t *p, const uint8_t *end)
{
	while (p < end) {
		size_t took = (size_t)(end - p);

		if (c->closed)
			return err_new(ERR_FORMAT, "%zu bytes after CLOSE", took);
		if (c->await) {
			took = took < c->await ? took : c->await;
			TRY(conn_pages(c, p, took));
		} else {
			TRY(conn_header(c, p, took, &took));
		}
		p += took;
	}
	return NULL;
}

struct err *page_conn_feed(struct page_conn *c, const void *buf, size_t len)
{
	struct err *e = conn_take(c, buf, (const uint8_t *)buf + len);

	/* What came before an error is written as well: an error of writing is the one to tell. */
	return c->dst_id ? err_first(conn_write(c), e) : e;
}

bool page_conn_closed(const struct page_conn *c)
{
	return c->closed;
}

bool page_conn_in_message(const struct page_conn *c)
{
	return c->have || c->await;
}

const struct page_conn_stats *page_conn_stats(const struct page_conn *c)
{
	return &c->st;
}
