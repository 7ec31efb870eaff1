/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A page server and a client that nobody knows: whole conversations in both headers, mutated, cut
 * into pieces of any length.  Whatever comes, nothing crashes, nothing is written outside the
 * directory, memory does not follow what is announced, and a set that was closed is a good one.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/num.h"
#include "engine/image/flatdir.h"
#include "engine/image/pagemap_image.h"
#include "engine/net/page_conn.h"
#include "tests/lib/fuzz.h"

#define CAP (96u << 10)
#define MAX_BYTES (256u << 10)

static char base[] = "/dev/shm/stepdump-fuzz.XXXXXX";
static int base_fd = -1, set_fd = -1, parent_fd = -1;

/* ---- what a good client says ------------------------------------------------------------------ */

struct stream {
	uint8_t b[CAP];
	size_t nr;
};

static void put(struct stream *s, const void *data, size_t len)
{
	if (s->nr + len > sizeof(s->b))
		return;
	memcpy(s->b + s->nr, data, len);
	s->nr += len;
}

static void put_msg(struct stream *s, enum ps_wire w, struct ps_msg m)
{
	uint8_t header[PS_HEADER_MAX];

	ps_pack(w, &m, header);
	put(s, header, ps_header_size(w));
}

static void put_object(struct stream *s, enum ps_wire w, uint64_t dst)
{
	static const uint8_t page[4096] = { 1, 2, 3 };
	uint64_t at = rnd(3) * PAGE_BYTES;

	put_msg(s, w, (struct ps_msg){ .cmd = rnd(4) ? PS_OPEN2 : PS_OPEN, .dst_id = dst });
	for (uint64_t n = rnd(6); n--;) {
		uint64_t nr = 1 + rnd(2);
		bool hole = !rnd(3);

		put_msg(s, w,
			(struct ps_msg){ .cmd = PS_ADD_F,
					 .flags = hole   ? PE_PARENT :
						  rnd(2) ? PE_PRESENT :
							   PE_PRESENT | PE_LAZY,
					 .nr_pages = nr,
					 .vaddr = at,
					 .dst_id = dst });
		for (uint64_t i = 0; i < nr && !hole; i++)
			put(s, page, sizeof(page));
		at += (nr + rnd(2)) * PAGE_BYTES;
	}
}

static void make_stream(struct stream *s)
{
	enum ps_wire w = rnd(2) ? PS_WIRE_4_2 : PS_WIRE_3_17;

	s->nr = 0;
	if (rnd(2))
		put_msg(s, w, (struct ps_msg){ .cmd = PS_PARENT, .dst_id = ps_dst_id(false, 5) });
	put_object(s, w, ps_dst_id(false, 5));
	if (rnd(2))
		put_object(s, w, ps_dst_id(true, rnd(3)));
	if (rnd(8))
		put_msg(s, w, (struct ps_msg){ .cmd = rnd(4) ? PS_CLOSE : PS_FORCE_CLOSE });
}

/* ---- the server ------------------------------------------------------------------------------- */

/* A set that was closed: its pagemaps are in order, and its pages files as long as they say. */
static struct err *check_image(void *arg, int dirfd, const char *name)
{
	struct pagemap_image pi;
	char pages[32];
	uint64_t id;
	const struct image_desc *d = image_desc_by_name(name, &id);

	if (!d || (d->kind != IMG_PAGEMAP && d->kind != IMG_SHMEM_PAGEMAP))
		return NULL;
	TRY(pagemap_image_read(dirfd, name, &pi));
	struct err *e = pagemap_image_check(&pi, name);

	snprintf(pages, sizeof(pages), "pages-%u.img", pi.pages_id);
	AUTO_CLOSE int fd = openat(dirfd, pages, O_RDONLY | O_CLOEXEC);

	require(fd >= 0 && (uint64_t)lseek(fd, 0, SEEK_END) == pi.nr_present * PAGE_BYTES,
		"the pages of", name);
	pagemap_image_deinit(&pi);
	return e;
}

static struct err *check_name(void *arg, int dirfd, const char *name)
{
	require(!strcmp(name, "set") || !strcmp(name, "parent"), "outside of the set", name);
	return NULL;
}

static bool converse(const uint8_t *data, size_t size)
{
	struct page_conn *c = page_conn_create(set_fd, rnd(4) ? parent_fd : -1, MAX_BYTES);
	struct err *e = NULL;
	size_t len = 0;

	for (size_t at = 0; at < size && !e; at += len) {
		len = rnd(2) ? 1 + rnd(64) : 1 + rnd(PAGE_CONN_FEED_MAX);
		if (len > size - at)
			len = size - at;
		e = page_conn_feed(c, data + at, len);
		if (rnd(4) || len > 64)
			page_conn_reply(c, &(size_t){ 0 });
	}
	bool closed = !e && page_conn_closed(c);

	require(page_conn_stats(c)->pages * PAGE_BYTES <= MAX_BYTES, "more than the limit", "");
	page_conn_destroy(c);
	if (closed) {
		struct err *bad = flatdir_each(set_fd, "set", check_image, NULL);

		require(!bad, "a bad set was closed", bad ? bad->msg : "");
	}
	require(!flatdir_clear(set_fd, "set"), "clear", "set");
	err_free(e);
	return closed;
}

static void set_up(void)
{
	struct stream *s;

	if (base_fd >= 0)
		return;
	require(mkdtemp(base) != NULL, "make", base);
	base_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	require(!mkdirat(base_fd, "set", 0700) && !mkdirat(base_fd, "parent", 0700), "make", base);
	set_fd = openat(base_fd, "set", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	parent_fd = openat(base_fd, "parent", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* The parent: a whole object of 20 pages. */
	struct page_conn *c = page_conn_create(parent_fd, -1, 0);

	s = xzalloc(sizeof(*s));
	put_msg(s, PS_WIRE_4_2, (struct ps_msg){ .cmd = PS_OPEN2, .dst_id = ps_dst_id(false, 5) });
	put_msg(s, PS_WIRE_4_2,
		(struct ps_msg){ .cmd = PS_ADD_F,
				 .flags = PE_PRESENT,
				 .nr_pages = 20,
				 .dst_id = ps_dst_id(false, 5) });
	s->nr += 20 * PAGE_BYTES;
	put_msg(s, PS_WIRE_4_2, (struct ps_msg){ .cmd = PS_CLOSE });
	for (size_t at = 0; at < s->nr; at += 4096)
		require(!page_conn_feed(c, s->b + at, s->nr - at < 4096 ? s->nr - at : 4096),
			"feed", "the parent");
	require(page_conn_closed(c), "close", "the parent");
	page_conn_destroy(c);
	free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	set_up();
	converse(data, size);
	return 0;
}

#ifndef LIBFUZZER
static bool one_round(unsigned i)
{
	static struct stream s;

	set_up();
	make_stream(&s);
	if (rnd(3))
		s.nr = fuzz_mutate(s.b, 0, s.nr, sizeof(s.b));
	bool good = converse(s.b, s.nr);

	if (i % 256 == 0)
		require(!flatdir_each(base_fd, base, check_name, NULL), "look into", base);
	return good;
}

int main(int argc, char **argv)
{
	int status = fuzz_main(argc, argv, one_round, 10, 90);

	if (base_fd >= 0) {
		err_free(flatdir_clear(parent_fd, "parent"));
		unlinkat(base_fd, "set", AT_REMOVEDIR);
		unlinkat(base_fd, "parent", AT_REMOVEDIR);
		rmdir(base);
	}
	return status;
}
#endif
