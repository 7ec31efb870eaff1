/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Untrusted chains: pagemaps, mm images and inventories of three generations.  Nothing in them may
 * crash or hang page_read, verify, diff or flatten; a directory that flatten did publish is good.
 *
 * An input is, for each generation: how many pages pages-1.img has, how many bytes it lacks (each one byte),
 * GEN_* in one byte, and the contents of three files, each with its length in two bytes in front.
 */

#include "engine/chain/chain_diff.h"
#include "engine/chain/chain_flatten.h"
#include "engine/chain/chain_verify.h"
#include "engine/image/flatdir.h"
#include "engine/image/page_read.h"
#include "engine/image/verify.h"

#include "tests/lib/fuzz.h"
#include "tests/lib/images.h"

#define GENERATIONS 3

static char base[] = "/dev/shm/stepdump-fuzz.XXXXXX";
static unsigned published;

static uint64_t odd_number(void)
{
	static const uint64_t odd[] = { 0,          1,          4095,       4097,
					1ull << 32, 1ull << 52, UINT64_MAX, UINT64_MAX - 4095 };

	return odd[rnd(sizeof(odd) / sizeof(odd[0]))];
}

#define GEN_NO_MM 1
#define GEN_PARENT 2
#define GEN_NO_PAGES 4
#define GEN_NO_PAGEMAP 8
#define GEN_NO_INVENTORY 16

static void remove_or_write(int dirfd, const char *name, bool remove, const uint8_t *data,
			    size_t len)
{
	if (remove) {
		unlinkat(dirfd, name, 0);
		return;
	}
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		abort();
	close(fd);
}

/* Takes one generation off the input. */
static void write_generation(const char *dir, unsigned g, const uint8_t **data, size_t *size)
{
	static const char *const names[] = { "pagemap-7.img", "mm-7.img", "inventory.img" };
	static const uint8_t missing[] = { GEN_NO_PAGEMAP, GEN_NO_MM, GEN_NO_INVENTORY };
	uint8_t head[3] = { 0 };
	int fd = open(dir, O_RDONLY | O_DIRECTORY);

	if (*size >= sizeof(head)) {
		memcpy(head, *data, sizeof(head));
		*data += sizeof(head);
		*size -= sizeof(head);
	}
	for (int i = 0; i < 3; i++) {
		size_t len = 0;

		if (*size >= 2) {
			len = (size_t)((*data)[0] | (*data)[1] << 8);
			*data += 2;
			*size -= 2;
		}
		len = len < *size ? len : *size;
		remove_or_write(fd, names[i], head[2] & missing[i], *data, len);
		*data += len;
		*size -= len;
	}
	remove_or_write(fd, "pages-1.img", head[2] & GEN_NO_PAGES, NULL, 0);
	int pages = openat(fd, "pages-1.img", O_WRONLY);
	off_t bytes = head[0] * 4096l - head[1];

	if (pages >= 0 && ftruncate(pages, bytes < 0 ? 0 : bytes))
		abort();
	if (pages >= 0)
		close(pages);
	unlinkat(fd, "parent", 0);
	if (head[2] & GEN_PARENT) {
		char to[16];

		snprintf(to, sizeof(to), "../%u", (g + 1) % GENERATIONS);
		if (symlinkat(to, fd, "parent"))
			abort();
	}
	close(fd);
}

static void look_up(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	struct page_read *pr = NULL;
	struct err *e = page_read_open(fd, "pagemap-7.img", &pr);

	for (int i = 0; !e && pr && i < 40; i++) {
		uint64_t at = rnd(4) ? 0x10000 + rnd(60) * 4096 : odd_number(), missing;
		const struct pagemap_entry *before, *after;
		struct page_place place;
		uint8_t page[4096];

		struct err *no = page_read_locate(pr, at, &place);

		if (!no)
			no = page_read_page(pr, at, page);
		err_free(no);
		page_read_covers(pr, at & ~4095ull, 1 + rnd(100), &missing);
		page_read_neighbours(pr, at, &before, &after);
	}
	err_free(e);
	page_read_close(pr);
	close(fd);
}

static void use_tools(const char *dir, const char *other, const char *flat)
{
	Stepdump__VerifyReport *v = NULL;
	Stepdump__DiffReport *d = NULL;
	Stepdump__FlattenReport *f = NULL;
	struct verify_report good;
	struct err *e = chain_verify(dir, NULL, &v);

	if (!e)
		stepdump__verify_report__free_unpacked(v, NULL);
	err_free(e);
	e = chain_diff(other, dir, 0, NULL, &d);
	if (!e)
		stepdump__diff_report__free_unpacked(d, NULL);
	err_free(e);
	e = chain_flatten(dir, flat, NULL, NULL, &f);
	if (!e) {
		stepdump__flatten_report__free_unpacked(f, NULL);
		e = verify_dir(flat, &good);
		if (e) {
			printf("flatten published a bad set: %s\n", e->msg);
			abort();
		}
		verify_report_deinit(&good);
		published++;
		int fd = open(flat, O_RDONLY | O_DIRECTORY);

		err_free(flatdir_clear(fd, flat));
		close(fd);
		rmdir(flat);
	}
	err_free(e);
}

static char dir[GENERATIONS][64], flat[64];

/* Staging directories that were left behind show here. */
static void chain_end(void)
{
	for (unsigned g = 0; g < GENERATIONS; g++)
		remove_tree(AT_FDCWD, dir[g]);
	if (rmdir(base)) {
		printf("%s is not empty\n", base);
		abort();
	}
}

static void chain_begin(void)
{
	if (!mkdtemp(base))
		abort();
	snprintf(flat, sizeof(flat), "%s/flat", base);
	for (unsigned g = 0; g < GENERATIONS; g++) {
		snprintf(dir[g], sizeof(dir[g]), "%s/%u", base, g);
		if (mkdir(dir[g], 0700))
			abort();
	}
	atexit(chain_end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned before = published;

	if (!*flat)
		chain_begin();
	/* Where to look is random too, and the same for the same input. */
	rnd_seed(size);
	for (unsigned g = 0; g < GENERATIONS; g++)
		write_generation(dir[g], g, &data, &size);
	look_up(dir[0]);
	use_tools(dir[0], dir[1], flat);
	return published > before;
}

#ifndef LIBFUZZER
struct message {
	uint8_t b[4096];
	size_t nr;
};

static void put(struct message *o, const void *data, size_t nr)
{
	if (o->nr + nr > sizeof(o->b))
		return;
	memcpy(o->b + o->nr, data, nr);
	o->nr += nr;
}

static void put_u32(struct message *o, uint32_t v)
{
	put(o, &v, sizeof(v));
}

static void put_field(struct message *o, unsigned number, uint64_t v)
{
	uint8_t buf[20];
	size_t n = put_varint(buf, number << 3);

	put(o, buf, n + put_varint(buf + n, v));
}

static void put_message(struct message *o, const struct message *m)
{
	put_u32(o, (uint32_t)m->nr);
	put(o, m->b, m->nr);
}

static uint64_t make_pagemap(struct message *o)
{
	uint64_t at = 0x10000, stored = 0;
	struct message m = { 0 };

	put_u32(o, 0x54564319);
	put_u32(o, 0x56084025);
	put_field(&m, 1, 1);
	put_message(o, &m);
	for (uint64_t n = rnd(12); n--;) {
		uint64_t nr = 1 + rnd(4), flags = (uint64_t[]){ 4, 6, 1, 1 }[rnd(4)];

		at += rnd(3) * 4096;
		if (!rnd(80))
			at = odd_number();
		if (!rnd(80))
			flags = rnd(9);
		m.nr = 0;
		put_field(&m, 1, at);
		put_field(&m, 2, rnd(5) ? nr : rnd(60) ? 0 : odd_number());
		put_field(&m, 4, flags);
		put_field(&m, 5, rnd(60) ? nr : odd_number());
		put_message(o, &m);
		at += nr * 4096;
		stored += flags & 4 ? nr : 0;
	}
	return stored;
}

static void make_mm(struct message *o)
{
	uint64_t at = 0x10000 - rnd(2) * 0x3000;
	struct message m = { 0 }, v;

	put_u32(o, 0x54564319);
	put_u32(o, 0x57492820);
	for (unsigned i = 1; i <= 12; i++)
		put_field(&m, i, 0);
	for (uint64_t n = rnd(6); n--;) {
		uint64_t end = at + (1 + rnd(8)) * 4096;

		if (!rnd(50))
			end = odd_number();
		v.nr = 0;
		put_field(&v, 1, at);
		put_field(&v, 2, end);
		put_field(&v, 3, 0);
		put_field(&v, 4, 0);
		put_field(&v, 5, 3);
		put_field(&v, 6, 0x22);
		put_field(&v, 7, rnd(20) ? 0x201 : 1u << rnd(32));
		put_field(&v, 8, 1);
		uint8_t tag[] = { 14 << 3 | 2, (uint8_t)v.nr };

		put(&m, tag, sizeof(tag));
		put(&m, v.b, v.nr);
		at = end + rnd(2) * 4096;
	}
	put_message(o, &m);
}

static void put_section(struct message *in, struct message *o, unsigned damage)
{
	if (o->nr && !rnd(damage))
		for (uint64_t n = 1 + rnd(3); n--;)
			o->b[rnd(o->nr)] = (uint8_t)rnd(256);
	if (o->nr && !rnd(damage * 2))
		o->nr = rnd(o->nr);
	uint8_t len[2] = { (uint8_t)o->nr, (uint8_t)(o->nr >> 8) };

	put(in, len, sizeof(len));
	put(in, o->b, o->nr);
}

static void make_generation(struct message *in, unsigned g)
{
	static const uint8_t inventory[] = { 0x16, 0x31, 0x31, 0x58, 4, 0, 0, 0, 8, 0, 0x40, 5 };
	struct message pagemap = { 0 }, mm = { 0 }, inv = { 0 };
	uint64_t stored = make_pagemap(&pagemap);
	uint8_t head[3] = { (uint8_t)stored, stored && !rnd(40), rnd(40) ? 0 : 1u << (2 + rnd(3)) };

	if (rnd(4))
		head[2] |= GEN_NO_MM;
	else
		make_mm(&mm);
	if (g + 1 < GENERATIONS || !rnd(30))
		head[2] |= GEN_PARENT;
	put(&inv, inventory, sizeof(inventory));
	put(in, head, sizeof(head));
	put_section(in, &pagemap, 10);
	put_section(in, &mm, 10);
	put_section(in, &inv, 1000);
}

static bool one_chain(unsigned i)
{
	static struct message in;

	in.nr = 0;
	for (unsigned g = 0; g < GENERATIONS; g++)
		make_generation(&in, g);
	uint64_t next = rnd64();
	bool good = LLVMFuzzerTestOneInput(in.b, in.nr);

	rnd_seed(next);
	return good;
}

int main(int argc, char **argv)
{
	return fuzz_main(argc, argv, one_chain, 1, 99);
}
#endif
