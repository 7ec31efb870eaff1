/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Framing, kinds, pagemap writer and reader, against bytes recorded from real CRIU runs. */
#include "engine/image/flatdir.h"
#include "engine/image/image.h"
#include "engine/image/pagemap_image.h"
#include "proto/inventory.pb-c.h"
#include "proto/pagemap.pb-c.h"
#include "proto/pstree.pb-c.h"

#include "tests/lib/images.h"

static size_t get(const char *name, uint8_t *buf, size_t cap)
{
	int fd = openat(scratch_fd, name, O_RDONLY);

	assert_true(fd >= 0);
	ssize_t n = read(fd, buf, cap);
	assert_true(n >= 0);
	close(fd);
	return (size_t)n;
}

/* pagemap of `sleep 1000`, written by CRIU 4.2 */
static const uint8_t criu42[] = {
	0x19, 0x43, 0x56, 0x54, 0x25, 0x40, 0x08, 0x56, 0x02, 0,    0,    0,    0x08, 0x01,
	0x0e, 0,    0,    0,    0x08, 0x80, 0xc0, 0xbf, 0xa5, 0x9c, 0xb3, 0x15, 0x10, 0x00,
	0x20, 0x04, 0x28, 0x01, 0x0e, 0,    0,    0,    0x08, 0x80, 0xa0, 0xc1, 0xa5, 0x9c,
	0xb3, 0x15, 0x10, 0x00, 0x20, 0x04, 0x28, 0x02, 0x0e, 0,    0,    0,    0x08, 0x80,
	0xc0, 0x84, 0xee, 0x9d, 0xb3, 0x15, 0x10, 0x00, 0x20, 0x06, 0x28, 0x04,
};
/* the same kind of file by CRIU 3.17.1 */
static const uint8_t criu317[] = {
	0x19, 0x43, 0x56, 0x54, 0x25, 0x40, 0x08, 0x56, 0x02, 0,    0,    0,    0x08, 0x03, 0x0c,
	0,    0,    0,    0x08, 0x80, 0xa0, 0xa0, 0xfa, 0xe3, 0xc3, 0x15, 0x10, 0x01, 0x20, 0x04,
};

TEST(reads_criu_4_2, scratch_make, scratch_drop)
{
	struct pagemap_image pi;

	put_file(scratch_fd, "pagemap-1.img", criu42, sizeof(criu42));
	ok(pagemap_image_read(scratch_fd, "pagemap-1.img", &pi));
	assert_int_equal(pi.pages_id, 1);
	assert_int_equal(pi.nr, 3);
	assert_int_equal(pi.e[0].vaddr, 0x5599c4afe000);
	assert_int_equal(pi.e[1].vaddr, 0x5599c4b05000);
	assert_int_equal(pi.e[2].vaddr, 0x5599ddc12000);
	assert_int_equal(pi.e[2].flags, PE_PRESENT | PE_LAZY);
	assert_int_equal(pi.e[1].nr_pages, 2);
	assert_int_equal(pi.e[1].pages_off, 0x1000);
	assert_int_equal(pi.e[2].pages_off, 0x3000);
	assert_int_equal(pi.nr_present, 7);
	ok(pagemap_image_check(&pi, "x"));
	assert_int_equal(pagemap_image_find(&pi, 0x5599c4b06fff), 1);
	assert_int_equal(pagemap_image_find(&pi, 0x5599c4b07000), -1);
	assert_int_equal(pagemap_image_find(&pi, 0), -1);
	pagemap_image_deinit(&pi);
}

TEST(reads_criu_3_17, scratch_make, scratch_drop)
{
	struct pagemap_image pi;

	put_file(scratch_fd, "pagemap-1.img", criu317, sizeof(criu317));
	ok(pagemap_image_read(scratch_fd, "pagemap-1.img", &pi));
	assert_int_equal(pi.pages_id, 3);
	assert_int_equal(pi.nr, 1);
	assert_int_equal(pi.e[0].nr_pages, 1);
	assert_int_equal(pi.e[0].flags, PE_PRESENT);
	pagemap_image_deinit(&pi);
}

/* Exactly the bytes of 4.2, but for the count in field 2, which 3.17 reads. */
TEST(writes_both_counts, scratch_make, scratch_drop)
{
	struct pagemap_writer w;
	uint8_t expect[sizeof(criu42)], got[sizeof(criu42) + 1];

	memcpy(expect, criu42, sizeof(expect));
	expect[27] = 1;
	expect[45] = 2;
	expect[63] = 4;
	ok(pagemap_writer_open(&w, scratch_fd, "pagemap-1.img", 1));
	ok(pagemap_writer_add(&w, 0x5599c4afe000, 1, PE_PRESENT));
	ok(pagemap_writer_add(&w, 0x5599c4b05000, 2, PE_PRESENT));
	ok(pagemap_writer_add(&w, 0x5599ddc12000, 4, PE_PRESENT | PE_LAZY));
	ok(pagemap_writer_close(&w));
	assert_int_equal(get("pagemap-1.img", got, sizeof(got)), sizeof(expect));
	assert_memory_equal(got, expect, sizeof(expect));
}

TEST(writer_refuses_nonsense, scratch_make, scratch_drop)
{
	static const struct {
		uint64_t vaddr, nr;
		uint32_t flags;
		const char *text;
	} bad[] = {
		{ 0x2000, 1, PE_PRESENT, "overlaps" },
		{ 0x1000, 1, PE_PRESENT, "ascending" },
		{ 0x9001, 1, PE_PRESENT, "aligned" },
		{ 0x9000, 0, PE_PRESENT, "no pages" },
		{ 0x9000, 1, 0, "no flags" },
		{ 0x9000, 1, 8 | PE_PRESENT, "unknown flags" },
		{ 0x9000, 1, PE_PARENT | PE_PRESENT, "both" },
		{ 0x9000, 1ull << 32, PE_PRESENT, "too many" },
		{ 0xfffffffffffff000, 2, PE_PRESENT, "leaves" },
	};
	struct pagemap_writer w;
	uint8_t buf[256];

	ok(pagemap_writer_open(&w, scratch_fd, "pagemap-1.img", 1));
	ok(pagemap_writer_add(&w, 0x2000, 2, PE_PRESENT));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		fails(pagemap_writer_add(&w, bad[i].vaddr, bad[i].nr, bad[i].flags), ERR_CHECK,
		      bad[i].text);
	ok(pagemap_writer_add(&w, 0x4000, 1, PE_PARENT)); /* adjacent is fine */
	assert_int_equal(w.nr, 2);
	ok(pagemap_writer_close(&w));
	/* Magics, head, entries with addresses of 2 and 3 bytes: what was refused left no trace. */
	assert_int_equal(get("pagemap-1.img", buf, sizeof(buf)), 8 + 6 + (4 + 9) + (4 + 10));
}

/* Each form of the count and of the flags, hand-packed. */
TEST(normalises, scratch_make, scratch_drop)
{
	static const struct {
		bool has_in_parent, in_parent, has_flags, has_nr;
		uint32_t flags, compat, expect_flags;
		uint64_t nr, expect_nr;
	} t[] = {
		{ .compat = 3, .expect_nr = 3, .expect_flags = PE_PRESENT },
		{ .compat = 3,
		  .has_in_parent = true,
		  .in_parent = true,
		  .expect_nr = 3,
		  .expect_flags = PE_PARENT },
		{ .compat = 3, .has_in_parent = true, .expect_nr = 3, .expect_flags = PE_PRESENT },
		{ .compat = 3,
		  .has_nr = true,
		  .nr = 5,
		  .has_flags = true,
		  .flags = PE_LAZY,
		  .expect_nr = 5,
		  .expect_flags = PE_LAZY },
		{ .compat = 0,
		  .has_nr = true,
		  .nr = 1ull << 33,
		  .has_flags = true,
		  .flags = 1,
		  .expect_nr = 1ull << 33,
		  .expect_flags = PE_PARENT },
		{ .compat = 3, .has_flags = true, .flags = 0, .expect_nr = 3, .expect_flags = 0 },
	};
	Criu__PagemapHead head = CRIU__PAGEMAP_HEAD__INIT;
	struct image_writer *w;
	struct pagemap_image pi;
	size_t nr = ARRAY_SIZE(t);

	ok(image_create(scratch_fd, "pagemap-shmem-7.img", IMG_SHMEM_PAGEMAP, &w));
	head.pages_id = 9;
	ok(image_write(w, &head.base));
	for (size_t i = 0; i < nr; i++) {
		Criu__PagemapEntry m = CRIU__PAGEMAP_ENTRY__INIT;

		m.vaddr = i << 48;
		m.compat_nr_pages = t[i].compat;
		m.has_in_parent = t[i].has_in_parent;
		m.in_parent = t[i].in_parent;
		m.has_flags = t[i].has_flags;
		m.flags = t[i].flags;
		m.has_nr_pages = t[i].has_nr;
		m.nr_pages = t[i].nr;
		ok(image_write(w, &m.base));
	}
	ok(image_finish(w));
	ok(pagemap_image_read(scratch_fd, "pagemap-shmem-7.img", &pi));
	assert_int_equal(pi.nr, nr);
	for (size_t i = 0; i < nr; i++) {
		assert_int_equal(pi.e[i].nr_pages, t[i].expect_nr);
		assert_int_equal(pi.e[i].flags, t[i].expect_flags);
	}
	assert_int_equal(pi.nr_present, 6);
	fails(pagemap_image_check(&pi, "f"), ERR_CHECK, "f: entry 5: no flags");
	pagemap_image_deinit(&pi);
}

TEST(ranges_that_wrap_are_refused, scratch_make, scratch_drop)
{
	static const uint64_t bad[][2] = {
		{ 0xfffffffffffff000, 2 },
		{ 0, UINT64_MAX },
		{ 0x1000, 1ull << 52 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		Criu__PagemapHead head = CRIU__PAGEMAP_HEAD__INIT;
		Criu__PagemapEntry m = CRIU__PAGEMAP_ENTRY__INIT;
		struct image_writer *w;
		struct pagemap_image pi;

		ok(image_create(scratch_fd, "pagemap-1.img", IMG_PAGEMAP, &w));
		ok(image_write(w, &head.base));
		m.vaddr = bad[i][0];
		m.has_nr_pages = true;
		m.nr_pages = bad[i][1];
		ok(image_write(w, &m.base));
		ok(image_finish(w));
		fails(pagemap_image_read(scratch_fd, "pagemap-1.img", &pi), ERR_FORMAT,
		      "leaves the address space");
	}
}

/* Cut anywhere: fine at an entry boundary behind the head, an error anywhere else. */
TEST(every_truncation, scratch_make, scratch_drop)
{
	struct pagemap_image pi;

	for (size_t len = 0; len <= sizeof(criu42); len++) {
		bool boundary = len == 14 || len == 32 || len == 50 || len == 68;

		put_file(scratch_fd, "pagemap-1.img", criu42, len);
		struct err *e = pagemap_image_read(scratch_fd, "pagemap-1.img", &pi);
		if (boundary) {
			ok(e);
			assert_int_equal(pi.nr, (len - 14) / 18);
			pagemap_image_deinit(&pi);
		} else {
			fails(e, ERR_FORMAT, "pagemap-1.img");
		}
	}
}

TEST(lengths_are_not_trusted, scratch_make, scratch_drop)
{
	uint8_t buf[sizeof(criu42)];
	struct pagemap_image pi;

	memcpy(buf, criu42, sizeof(buf));
	memset(buf + 14, 0xff, 4);
	put_file(scratch_fd, "pagemap-1.img", buf, sizeof(buf));
	fails(pagemap_image_read(scratch_fd, "pagemap-1.img", &pi), ERR_FORMAT,
	      "entry 1 at offset 14: the file ends inside the entry");

	/* Long enough as a file (a hole), too long as a message. */
	uint32_t len = IMAGE_ENTRY_MAX + 1;
	memcpy(buf + 14, &len, sizeof(len));
	put_file(scratch_fd, "pagemap-1.img", buf, sizeof(buf));
	int fd = openat(scratch_fd, "pagemap-1.img", O_WRONLY);
	assert_int_equal(ftruncate(fd, 80l << 20), 0);
	close(fd);
	fails(pagemap_image_read(scratch_fd, "pagemap-1.img", &pi), ERR_FORMAT, "longer than any");
}

TEST(magics_are_checked, scratch_make, scratch_drop)
{
	uint8_t buf[sizeof(criu42)];
	struct image_reader *r;
	ProtobufCMessage *m;

	memcpy(buf, criu42, sizeof(buf));
	buf[0]++;
	put_file(scratch_fd, "pagemap-1.img", buf, sizeof(buf));
	fails(image_open(scratch_fd, "pagemap-1.img", IMG_PAGEMAP, &r), ERR_FORMAT,
	      "head magic 5456431a");
	put_file(scratch_fd, "mm-1.img", criu42, sizeof(criu42));
	fails(image_open(scratch_fd, "mm-1.img", IMG_MM, &r), ERR_FORMAT, "expected 57492820 (MM)");
	fails(image_open(scratch_fd, "none.img", IMG_MM, &r), ERR_SYS, "open none.img");
	assert_int_equal(mkfifoat(scratch_fd, "fifo.img", 0600), 0);
	fails(image_open(scratch_fd, "fifo.img", IMG_MM, &r), ERR_FORMAT, "not a regular file");
	put_file(scratch_fd, "inventory.img", criu42, sizeof(criu42));
	fails(image_read_one(scratch_fd, "inventory.img", IMG_INVENTORY, &m), ERR_FORMAT,
	      "expected 58313116");
}

/* A pre-dump's inventory by CRIU 4.2, with a field that we do not know. */
TEST(reads_criu_inventory, scratch_make, scratch_drop)
{
	static const uint8_t inv[] = { 0x16, 0x31, 0x31, 0x58, 0x0c, 0,    0,    0,    0x08, 0x00,
				       0x40, 0x90, 0xaa, 0xae, 0xbc, 0x04, 0x48, 0x01, 0x62, 0x00 };
	uint8_t two[sizeof(inv) + 4];
	ProtobufCMessage *m;

	put_file(scratch_fd, "inventory.img", inv, sizeof(inv));
	ok(image_read_one(scratch_fd, "inventory.img", IMG_INVENTORY, &m));
	Criu__InventoryEntry *e = (Criu__InventoryEntry *)m;
	assert_int_equal(e->img_version, 0);
	assert_true(e->has_dump_uptime);
	assert_int_equal(e->dump_uptime, 1200330000); /* 0x90 aa ae bc 04 */
	assert_int_equal(e->pre_dump_mode, 1);
	protobuf_c_message_free_unpacked(m, NULL);

	memcpy(two, inv, sizeof(inv));
	memset(two + sizeof(inv), 0, 4);
	put_file(scratch_fd, "inventory.img", two, sizeof(two));
	/* As by CRIU, what follows the only entry is left alone; verify tells of it. */
	ok(image_read_one(scratch_fd, "inventory.img", IMG_INVENTORY, &m));
	protobuf_c_message_free_unpacked(m, NULL);
}

/* Every kind that CRIU has is known by its name; those of ours by their number too. */
TEST(all_kinds_of_criu, scratch_make, scratch_drop)
{
	static const struct {
		const char *name, *magic_name;
		uint64_t id;
	} known[] = {
		{ "fdinfo-2.img", "FDINFO", 2 },
		{ "fs-7.img", "FS", 7 },
		{ "seccomp.img", "SECCOMP", 0 },
		{ "ghost-file-1f.img", "GHOST_FILE", 0x1f },
		{ "tcp-stream-a.img", "TCP_STREAM", 10 },
		{ "ipcns-shm-9.img", "IPCNS_SHM", 9 },
		{ "tty-info.img", "TTY_INFO", 0 },
		{ "irmap-cache", "IRMAP_CACHE", 0 },
	};
	uint64_t id;

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		const struct image_desc *d = image_desc_by_name(known[i].name, &id);

		assert_non_null(d);
		assert_int_equal(d->kind, IMG_OTHER);
		assert_string_equal(d->magic_name, known[i].magic_name);
		assert_int_equal(id, known[i].id);
	}
	assert_null(image_desc_by_name("fdinfo-1f.img", &id));
	assert_null(image_desc_by_name("ghost-file-0f.img", &id));
}

/* Image version 1: no head magic. */
TEST(old_framing, scratch_make, scratch_drop)
{
	Criu__PstreeEntry p = CRIU__PSTREE_ENTRY__INIT;
	struct image_reader *r;
	ProtobufCMessage *m;
	uint8_t buf[128];

	p.pid = 42;
	ok(image_write_one(scratch_fd, IMG_PSTREE, 0, &p.base));
	size_t n = (size_t)get("pstree.img", buf, sizeof(buf));
	put_file(scratch_fd, "pstree.img", buf + 4, n - 4);
	ok(image_open(scratch_fd, "pstree.img", IMG_PSTREE, &r));
	assert_true(image_is_old(r));
	ok(image_next(r, &m));
	assert_int_equal(((Criu__PstreeEntry *)m)->pid, 42);
	protobuf_c_message_free_unpacked(m, NULL);
	image_close(r);
}

TEST(names_and_kinds, scratch_make, scratch_drop)
{
	static const char *const none[] = { "pagemap-.img",
					    "pagemap-1.img.bak",
					    "pagemap-01.img",
					    "pagemap-shmem-.img",
					    "pages-1.img",
					    "mm--1.img",
					    "stats-dump.img",
					    "pagemap-99999999999999999999999.img",
					    "",
					    "parent" };
	char buf[IMAGE_NAME_MAX];
	uint64_t id;

	for (int k = 0; k < IMG_NR; k++) {
		const struct image_desc *d = image_desc_by_name(
			image_name((enum image_kind)k, 18446744073709551615ull, buf), &id);

		assert_non_null(d);
		assert_int_equal(d->kind, k);
		assert_int_equal(id, d->suffix ? UINT64_MAX : 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		assert_null(image_desc_by_name(none[i], &id));
	assert_string_equal(image_name(IMG_SHMEM_PAGEMAP, 47, buf), "pagemap-shmem-47.img");
}

TEST(symlinks_are_not_followed, scratch_make, scratch_drop)
{
	struct image_writer *w;

	put_file(scratch_fd, "victim", "x", 1);
	assert_int_equal(symlinkat("victim", scratch_fd, "pstree.img"), 0);
	fails(image_create(scratch_fd, "pstree.img", IMG_PSTREE, &w), ERR_SYS, "create pstree.img");
	uint8_t c;
	assert_int_equal(get("victim", &c, 1), 1);
	assert_int_equal(c, 'x');
}

TEST(sixty_thousand_entries, scratch_make, scratch_drop)
{
	struct pagemap_writer w;
	struct pagemap_image pi;

	ok(pagemap_writer_open(&w, scratch_fd, "pagemap-1.img", 1));
	for (uint64_t i = 0; i < 60000; i++)
		ok(pagemap_writer_add(&w, 0x7f0000000000 + (i << 13), 1, PE_PRESENT));
	ok(pagemap_writer_close(&w));
	ok(pagemap_image_read(scratch_fd, "pagemap-1.img", &pi));
	assert_int_equal(pi.nr, 60000);
	for (uint64_t i = 0; i < 60000; i++) {
		assert_int_equal(pi.e[i].vaddr, 0x7f0000000000 + (i << 13));
		assert_int_equal(pi.e[i].pages_off, i << 12);
		assert_int_equal(pagemap_image_find(&pi, pi.e[i].vaddr + 4095), i);
	}
	pagemap_image_deinit(&pi);
}

/* The disk is full: seen at the latest when the file is finished. */
TEST(write_errors_surface, scratch_make, scratch_drop)
{
	Criu__InventoryEntry inv = CRIU__INVENTORY_ENTRY__INIT;
	int full = open("/dev", O_RDONLY | O_DIRECTORY);
	struct image_writer *w;

	if (access("/dev/full", W_OK) || full < 0) {
		print_message("skipped: no writable /dev/full\n");
		if (full >= 0)
			close(full);
		skip();
	}
	ok(image_create(full, "full", IMG_INVENTORY, &w));
	ok(image_write(w, &inv.base));
	struct err *e = image_finish(w);
	assert_non_null(e);
	assert_int_equal(e->sys_errno, ENOSPC);
	fails(e, ERR_SYS, "write full");
	close(full);
}
