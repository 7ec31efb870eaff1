/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The two headers of the page-server protocol, as CRIU 3.17.1 and 4.2 were recorded to send them, and
 * the receiver fed with whole conversations at every way of cutting them. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "engine/image/flatdir.h"
#include "engine/image/pagemap_image.h"
#include "engine/net/addr.h"
#include "engine/net/page_conn.h"
#include "tests/lib/test.h"

static size_t from_hex(const char *text, uint8_t *out)
{
	size_t nr = 0;
	unsigned byte;

	for (; *text; text += *text == ' ' ? 1 : 2)
		if (*text != ' ') {
			assert_int_equal(sscanf(text, "%2x", &byte), 1);
			out[nr++] = (uint8_t)byte;
		}
	return nr;
}

static const struct {
	enum ps_wire wire;
	const char *hex;
	struct ps_msg m;
	const char *text;
} headers[] = {
	{ PS_WIRE_4_2,
	  "05000000 00000000 0000000000000000 0000000000000000 017b000000000000",
	  { .cmd = PS_PARENT, .dst_id = 0x7b01 },
	  "PARENT pagemap-123.img" },
	{ PS_WIRE_4_2,
	  "06000100 00000000 0200000000000000 0000010000000000 017b000000000000",
	  { .cmd = PS_ADD_F, .flags = 1, .nr_pages = 2, .vaddr = 0x10000, .dst_id = 0x7b01 },
	  "ADD_F 10000 +2 PARENT" },
	{ PS_WIRE_4_2,
	  "04000000 00000000 0000000000000000 0000000000000000 024d000000000000",
	  { .cmd = PS_OPEN2, .dst_id = 0x4d02 },
	  "OPEN2 pagemap-shmem-77.img" },
	{ PS_WIRE_4_2,
	  "23100000 00000000 0000000000000000 0000000000000000 0000000000000000",
	  { .cmd = PS_CLOSE },
	  "CLOSE" },
	{ PS_WIRE_3_17,
	  "05000000 00000000 0000000000000000 017b000000000000",
	  { .cmd = PS_PARENT, .dst_id = 0x7b01 },
	  "PARENT pagemap-123.img" },
	{ PS_WIRE_3_17,
	  "06000400 02000000 0000010000000000 017b000000000000",
	  { .cmd = PS_ADD_F, .flags = 4, .nr_pages = 2, .vaddr = 0x10000, .dst_id = 0x7b01 },
	  "ADD_F 10000 +2 PRESENT" },
	{ PS_WIRE_3_17,
	  "23100000 00000000 0000000000000000 0000000000000000",
	  { .cmd = PS_CLOSE },
	  "CLOSE" },
};

static void test_headers(void **state)
{
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		uint8_t want[PS_HEADER_MAX] = { 0 }, got[PS_HEADER_MAX];
		size_t size = from_hex(headers[i].hex, want);
		struct ps_msg m;
		char text[80];

		assert_int_equal(size, ps_header_size(headers[i].wire));
		ps_pack(headers[i].wire, &headers[i].m, got);
		assert_memory_equal(got, want, size);
		ps_unpack(headers[i].wire, want, &m);
		assert_memory_equal(&m, &headers[i].m, sizeof(m));
		if (m.cmd != PS_CLOSE && m.cmd != PS_ADD_F)
			assert_int_equal(ps_detect(want), headers[i].wire);
		ps_describe(&m, text, sizeof(text));
		assert_string_equal(text, headers[i].text);
	}
}

static void test_garbage_in_the_padding(void **state)
{
	uint8_t b[PS_HEADER_MAX];
	struct ps_msg m;

	from_hex("04000000 06000600 0000000000000000 0000000000000000 017b000000000000", b);
	assert_int_equal(ps_detect(b), PS_WIRE_4_2);
	ps_unpack(PS_WIRE_4_2, b, &m);
	assert_int_equal(m.cmd, PS_OPEN2);
	assert_int_equal(m.nr_pages, 0);
	assert_int_equal(m.dst_id, 0x7b01);
}

static void test_objects(void **state)
{
	static const uint8_t tasks[] = { 1, 10, 11, 16, 17 },
			     shmem[] = { 2, 27, 28, 29, 32, 33, 34 };
	unsigned known = 0;

	for (unsigned type = 0; type < 256; type++) {
		enum image_kind kind;
		uint64_t id;

		if (!ps_dst_object(77u << 8 | type, &kind, &id))
			continue;
		known++;
		assert_int_equal(id, 77);
		assert_int_equal(kind, memchr(tasks, (int)type, sizeof(tasks)) ? IMG_PAGEMAP :
										 IMG_SHMEM_PAGEMAP);
	}
	assert_int_equal(known, sizeof(tasks) + sizeof(shmem));
}

static void test_addresses(void **state)
{
	static const char *const good[] = { "80",          ":80",      "localhost:80",
					    "127.0.0.1:0", "[::1]:80", "unix:/tmp/x",
					    "unix:x" };
	static const char *const bad[] = { "",           "host",    "host:",   "::1:80",
					   "host:70000", "host:-1", "host:8a", "unix:" };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_null(net_check(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err *e = net_check(bad[i]);

		assert_non_null(e);
		assert_int_equal(e->code, ERR_USAGE);
		err_free(e);
	}
}

/* One conversation, in pieces of every length: always the same images and the same answers. */
static void test_pieces(void **state)
{
	static uint8_t talk[16384];
	size_t nr = from_hex("05000000 00000000 0000000000000000 0000000000000000 017b000000000000"
			     "04000000 00000000 0000000000000000 0000000000000000 017b000000000000"
			     "06000400 00000000 0200000000000000 0000050000000000 017b000000000000",
			     talk);

	memset(talk + nr, 7, 8192);
	nr += 8192;
	nr += from_hex("23100000 00000000 0000000000000000 0000000000000000 0000000000000000",
		       talk + nr);
	for (size_t piece = 1; piece < nr; piece = piece < 100 ? piece + 1 : piece * 3) {
		char dir[] = "/dev/shm/stepdump-test.XXXXXX";
		uint8_t answers[64];
		size_t answered = 0;
		struct pagemap_image pi;

		assert_non_null(mkdtemp(dir));
		int fd = open(dir, O_RDONLY | O_DIRECTORY);
		struct page_conn *c = page_conn_create(fd, -1, 0);

		for (size_t at = 0; at < nr; at += piece) {
			size_t len = 0;

			assert_false(page_conn_closed(c));
			assert_null(
				page_conn_feed(c, talk + at, nr - at < piece ? nr - at : piece));
			const void *reply = page_conn_reply(c, &len);

			memcpy(answers + answered, reply, len);
			answered += len;
		}
		assert_true(page_conn_closed(c));
		assert_false(page_conn_in_message(c));
		assert_int_equal(page_conn_stats(c)->bytes, nr);
		assert_int_equal(page_conn_stats(c)->pages, 2);
		assert_int_equal(answered, 5);
		assert_memory_equal(answers, "\0\0\0\0\0", 5);
		page_conn_destroy(c);
		assert_null(pagemap_image_read(fd, "pagemap-123.img", &pi));
		assert_int_equal(pi.nr, 1);
		assert_int_equal(pi.e[0].vaddr, 0x50000);
		assert_int_equal(pi.nr_present, 2);
		pagemap_image_deinit(&pi);
		assert_null(flatdir_clear(fd, dir));
		close(fd);
		rmdir(dir);
	}
}

/* Without a look at the replies in between: there is room for all of one piece. */
static void test_many_questions(void **state)
{
	static uint8_t talk[PAGE_CONN_FEED_MAX];
	char dir[] = "/dev/shm/stepdump-test.XXXXXX";
	struct ps_msg m = { .cmd = PS_PARENT, .dst_id = 0x7b01 };
	size_t nr = 0, len;

	for (; nr + PS_HEADER_MIN <= sizeof(talk); nr += PS_HEADER_MIN) {
		uint8_t b[PS_HEADER_MAX];

		ps_pack(PS_WIRE_3_17, &m, b);
		memcpy(talk + nr, b, PS_HEADER_MIN);
	}
	assert_non_null(mkdtemp(dir));
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	struct page_conn *c = page_conn_create(fd, -1, 0);

	for (unsigned i = 0; i < 3; i++) {
		assert_null(page_conn_feed(c, talk, nr));
		page_conn_reply(c, &len);
		assert_int_equal(len, nr / PS_HEADER_MIN * 4);
	}
	page_conn_destroy(c);
	close(fd);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers), cmocka_unit_test(test_garbage_in_the_padding),
		cmocka_unit_test(test_objects), cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_pieces),  cmocka_unit_test(test_many_questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
