/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Untrusted chains: pagemaps and mm images of three generations, mutated.  Nothing in them may
 * crash or hang page_read, verify, diff or flatten; a directory that flatten did publish is good.
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

static uint64_t odd_number(void)
{
	static const uint64_t odd[] = { 0,          1,          4095,       4097,
					1ull << 32, 1ull << 52, UINT64_MAX, UINT64_MAX - 4095 };

	return odd[rnd(sizeof(odd) / sizeof(odd[0]))];
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

static void write_file(int dirfd, const char *name, struct message *o, unsigned damage)
{
	if (o->nr && !rnd(damage))
		for (uint64_t n = 1 + rnd(3); n--;)
			o->b[rnd(o->nr)] = (uint8_t)rnd(256);
	if (o->nr && !rnd(damage * 2))
		o->nr = rnd(o->nr);
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, o->b, o->nr) != (ssize_t)o->nr)
		abort();
	close(fd);
}

static void make_generation(const char *dir, unsigned g)
{
	static const uint8_t inventory[] = { 0x16, 0x31, 0x31, 0x58, 4, 0, 0, 0, 8, 0, 0x40, 5 };
	struct message o = { 0 };
	int fd = open(dir, O_RDONLY | O_DIRECTORY);

	uint64_t stored = make_pagemap(&o);
	write_file(fd, "pagemap-7.img", &o, 10);
	o.nr = 0;
	put(&o, inventory, sizeof(inventory));
	write_file(fd, "inventory.img", &o, 1000);
	unlinkat(fd, "mm-7.img", 0);
	if (!rnd(4)) {
		o.nr = 0;
		make_mm(&o);
		write_file(fd, "mm-7.img", &o, 10);
	}
	int pages = openat(fd, "pages-1.img", O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (pages < 0 || ftruncate(pages, (off_t)(stored * 4096 - (stored && !rnd(40)))))
		abort();
	close(pages);
	unlinkat(fd, "parent", 0);
	if (g + 1 < GENERATIONS || !rnd(30)) {
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

static bool one_chain(unsigned i)
{
	unsigned before = published;

	for (unsigned g = 0; g < GENERATIONS; g++)
		make_generation(dir[g], g);
	look_up(dir[0]);
	use_tools(dir[0], dir[1], flat);
	return published > before;
}

int main(int argc, char **argv)
{
	if (!mkdtemp(base))
		abort();
	snprintf(flat, sizeof(flat), "%s/flat", base);
	for (unsigned g = 0; g < GENERATIONS; g++) {
		snprintf(dir[g], sizeof(dir[g]), "%s/%u", base, g);
		if (mkdir(dir[g], 0700))
			abort();
	}
	int status = fuzz_main(argc, argv, one_chain, 1, 99);

	for (unsigned g = 0; g < GENERATIONS; g++)
		remove_tree(AT_FDCWD, dir[g]);
	if (rmdir(base)) { /* staging directories that were left behind */
		printf("%s is not empty\n", base);
		return 1;
	}
	return status;
}
