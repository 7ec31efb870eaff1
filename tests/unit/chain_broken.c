/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Chains that are broken somewhere: verify finds where, flatten and diff refuse, nothing is left. */
#include "engine/chain/chain_diff.h"
#include "engine/chain/chain_flatten.h"
#include "engine/chain/chain_verify.h"
#include "engine/image/image.h"
#include "engine/image/page_read.h"
#include "proto/inventory.pb-c.h"
#include "proto/pagemap.pb-c.h"

#include "tests/lib/images.h"

#define NAME "pagemap-42.img"
#define P PE_PRESENT
#define H PE_PARENT

static char path[4][96]; /* g0 is the newest here, g1 its parent, ... */

/* Entries end with nr_pages 0.  field5: 0 leaves it out. */
struct raw {
	uint64_t vaddr;
	uint32_t nr_pages, flags;
	uint64_t field5;
};

static void generation(unsigned g, bool uptime, const struct raw *e)
{
	Criu__InventoryEntry inv = CRIU__INVENTORY_ENTRY__INIT;
	Criu__PagemapHead head = CRIU__PAGEMAP_HEAD__INIT;
	struct image_writer *w;
	uint64_t stored = 0;

	snprintf(path[g], sizeof(path[g]), "%s/g%u", scratch, g);
	MUST(!mkdir(path[g], 0755));
	int d = open(path[g], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	MUST(d >= 0);
	if (g) { /* the directory made before is the child */
		char to[32];

		snprintf(to, sizeof(to), "../g%u", g);
		char child[128];

		snprintf(child, sizeof(child), "%s/parent", path[g - 1]);
		MUST(!symlink(to, child));
	}
	inv.has_dump_uptime = uptime;
	inv.dump_uptime = 5;
	ok(image_write_one(d, IMG_INVENTORY, 0, &inv.base));
	ok(image_create(d, NAME, IMG_PAGEMAP, &w));
	head.pages_id = 1;
	ok(image_write(w, &head.base));
	for (; e->nr_pages || e->field5; e++) {
		Criu__PagemapEntry m = CRIU__PAGEMAP_ENTRY__INIT;

		m.vaddr = e->vaddr;
		m.compat_nr_pages = e->nr_pages;
		m.has_nr_pages = e->field5 != 0;
		m.nr_pages = e->field5;
		m.has_flags = true;
		m.flags = e->flags;
		ok(image_write(w, &m.base));
		if (e->flags & P)
			stored += e->field5 ? e->field5 : e->nr_pages;
	}
	ok(image_finish(w));
	put_pages(d, 1, stored);
	close(d);
}
#define GENERATION(g, uptime, ...) generation(g, uptime, (const struct raw[]){ __VA_ARGS__, { 0 } })

static const Stepdump__Finding *find(const Stepdump__VerifyReport *r, const char *text)
{
	for (size_t i = 0; i < r->n_findings; i++)
		if (strstr(r->findings[i]->text, text))
			return r->findings[i];
	for (size_t i = 0; i < r->n_findings; i++)
		print_error("%s: %s\n", r->findings[i]->file, r->findings[i]->text);
	fail_msg("no finding \"%s\"", text);
	return NULL;
}

static void verify_says(bool fatal, const char *file, int64_t entry, uint64_t vaddr,
			const char *text)
{
	Stepdump__VerifyReport *r = NULL;

	ok(chain_verify(path[0], NULL, &r));
	const Stepdump__Finding *f = find(r, text);

	/* Each fault is reported once, though two paths lead to a parent. */
	for (size_t i = 0; i < r->n_findings; i++)
		for (size_t k = i + 1; k < r->n_findings; k++)
			if (!strcmp(r->findings[i]->file, r->findings[k]->file))
				assert_int_not_equal(strncmp(r->findings[i]->text,
							     r->findings[k]->text,
							     strlen(r->findings[i]->text)),
						     0);

	assert_int_equal(f->fatal, fatal);
	assert_string_equal(f->file, file);
	if (entry >= 0)
		assert_int_equal(f->entry, entry);
	if (vaddr)
		assert_int_equal(f->vaddr, vaddr);
	assert_int_equal(r->nr_fatal != 0, fatal);
	stepdump__verify_report__free_unpacked(r, NULL);
}

/* It fails with that error, and leaves nothing behind. */
static void flatten_fails(enum err_code code, const char *text)
{
	Stepdump__FlattenReport *r;
	char to[96];
	unsigned nr = entries_in(scratch);

	snprintf(to, sizeof(to), "%s/flat", scratch);
	fails(chain_flatten(path[0], to, NULL, NULL, &r), code, text);
	assert_int_equal(entries_in(scratch), nr);
}

TEST(hole_that_nobody_covers, scratch_make, scratch_drop)
{
	GENERATION(0, true, { 0x10000, 4, H, 0 });
	GENERATION(1, true, { 0x10000, 4, H, 0 });
	GENERATION(2, true, { 0x10000, 2, P, 0 }, { 0x13000, 1, P, 0 });
	verify_says(true, "parent/" NAME, 0, 0x12000, "the parent does not have the page");
	flatten_fails(ERR_CHECK, "the parent does not have the page");
}

TEST(hole_without_a_parent, scratch_make, scratch_drop)
{
	GENERATION(0, true, { 0x10000, 4, H, 0 });
	verify_says(true, NAME, -1, 0, "its parent cannot be opened");
	flatten_fails(ERR_CHECK, "its parent cannot be opened");
}

TEST(circle, scratch_make, scratch_drop)
{
	char link[128];

	GENERATION(0, true, { 0x10000, 4, H, 0 });
	GENERATION(1, true, { 0x10000, 4, H, 0 });
	snprintf(link, sizeof(link), "%s/parent", path[1]);
	MUST(!symlink("../g0", link));
	verify_says(true, "parent", -1, 0, "circle");
	flatten_fails(ERR_CHECK, "chain does not end");
}

TEST(page_without_data, scratch_make, scratch_drop)
{
	GENERATION(0, true, { 0x10000, 1, H, 0 });
	GENERATION(1, true, { 0x10000, 1, PE_LAZY, 0 });
	verify_says(true, NAME, 0, 0x10000, "without its data");
	flatten_fails(ERR_CHECK, "without its data");
}

static void in_newest(const char *name, int (*make)(int dirfd, const char *name))
{
	int d = open(path[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	MUST(d >= 0);
	MUST(!make(d, name));
	close(d);
}

static int make_nothing(int dirfd, const char *name)
{
	return unlinkat(dirfd, name, 0);
}

static int make_fifo(int dirfd, const char *name)
{
	return mkfifoat(dirfd, name, 0600);
}

static int make_link_to_itself(int dirfd, const char *name)
{
	return symlinkat(name, dirfd, name);
}

static int make_sparse(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT, 0600);
	int ret = fd < 0 || pwrite(fd, "data", 4, 5l << 30) != 4 || ftruncate(fd, 10l << 30);

	close(fd);
	return ret;
}

/* Memory that is there, but cannot be found, is not flattened into a set without memory. */
TEST(a_pagemap_is_missing, scratch_make, scratch_drop)
{
	GENERATION(0, true, { 0x10000, 2, P, 0 });
	in_newest(NAME, make_nothing);
	verify_says(true, "pages-1.img", -1, 0, "no pagemap refers to it");
	flatten_fails(ERR_CHECK, "no pagemap refers to it");
	in_newest("pages-1.img", make_nothing);
	flatten_fails(ERR_CHECK, "page server");
}

TEST(a_parent_link_that_leads_to_itself, scratch_make, scratch_drop)
{
	Stepdump__FlattenReport *r;
	char to[96];

	GENERATION(0, true, { 0x10000, 1, H, 0 });
	in_newest("parent", make_link_to_itself);
	verify_says(true, NAME, -1, 0, "its parent cannot be opened");
	flatten_fails(ERR_CHECK, "its parent cannot be opened");

	remove_tree(AT_FDCWD, path[0]);
	GENERATION(0, true, { 0x10000, 1, P, 0 }); /* nothing is looked for there */
	in_newest("parent", make_link_to_itself);
	verify_says(false, "parent", -1, 0, "the link leads nowhere");
	snprintf(to, sizeof(to), "%s/flat", scratch);
	ok(chain_flatten(path[0], to, NULL, NULL, &r));
	assert_int_equal(r->pages, 1);
	stepdump__flatten_report__free_unpacked(r, NULL);
}

/* Files that we do not know are copied, if they are files. */
TEST(strange_files_are_not_waited_for, scratch_make, scratch_drop)
{
	Stepdump__FlattenReport *r;
	char to[96], data[5] = "";
	struct stat st;

	alarm(60);
	GENERATION(0, true, { 0x10000, 1, P, 0 });
	in_newest("fdinfo-2.img", make_fifo);
	flatten_fails(ERR_CHECK, "fdinfo-2.img: read fdinfo-2.img: not a regular file");
	in_newest("fdinfo-2.img", make_nothing);
	in_newest("notes", make_fifo);
	flatten_fails(ERR_FORMAT, "not a regular file");
	in_newest("notes", make_nothing);

	in_newest("notes", make_sparse);
	snprintf(to, sizeof(to), "%s/flat", scratch);
	ok(chain_flatten(path[0], to, NULL, NULL, &r));
	stepdump__flatten_report__free_unpacked(r, NULL);
	snprintf(to, sizeof(to), "%s/flat/notes", scratch);
	int fd = open(to, O_RDONLY | O_CLOEXEC);
	MUST(fd >= 0 && !fstat(fd, &st));
	assert_int_equal(st.st_size, 10l << 30);
	assert_true(st.st_blocks < 2048);
	assert_int_equal(pread(fd, data, 4, 5l << 30), 4);
	assert_string_equal(data, "data");
	close(fd);

	/* What verify calls broken is not copied at all. */
	snprintf(to, sizeof(to), "%s/flat", scratch);
	remove_tree(AT_FDCWD, to);
	in_newest("fdinfo-2.img", make_sparse);
	flatten_fails(ERR_CHECK, "fdinfo-2.img");
	alarm(0);
}

TEST(counts_that_disagree, scratch_make, scratch_drop)
{
	GENERATION(0, true, { 0x10000, 3, P, 4 });
	verify_says(true, NAME, -1, 0, "different counts in fields 2 and 5");
}

TEST(counts_of_criu_4_2, scratch_make, scratch_drop)
{
	GENERATION(0, true, { 0x10000, 0, P, 4 });
	verify_says(false, NAME, -1, 0, "CRIU before 4.2 cannot read");
}

TEST(no_uptime, scratch_make, scratch_drop)
{
	GENERATION(0, true, { 0x10000, 1, H, 0 });
	GENERATION(1, false, { 0x10000, 1, P, 0 });
	verify_says(false, "parent/inventory.img", -1, 0, "no dump_uptime");
}

TEST(short_data, scratch_make, scratch_drop)
{
	char file[128];

	GENERATION(0, true, { 0x10000, 2, H, 0 });
	GENERATION(1, true, { 0x10000, 2, P, 0 });
	snprintf(file, sizeof(file), "%s/pages-1.img", path[1]);
	MUST(!truncate(file, 5000));
	verify_says(true, "parent/" NAME, -1, 0, "has 5000 bytes");
	flatten_fails(ERR_CHECK, "has 5000 bytes");
}

/* Faults in the parent that nothing of ours depends on. */
TEST(harm_to_the_parent_alone, scratch_make, scratch_drop)
{
	GENERATION(0, true, { 0x10000, 2, P, 0 });
	GENERATION(1, true, { 0x13000, 1, P, 0 }, { 0x10000, 1, P, 0 });
	verify_says(false, "parent/" NAME, 1, 0x10000, "matters if this parent itself is restored");
}

/* The pages of a parent are found without its inventory, which CRIU reads when it dumps, not when it
 * restores: a note. */
TEST(inventory_of_a_parent, scratch_make, scratch_drop)
{
	Stepdump__FlattenReport *r;
	char to[96];

	GENERATION(0, true, { 0x10000, 1, H, 0 });
	GENERATION(1, true, { 0x10000, 1, P, 0 });
	MUST(!unlinkat(scratch_fd, "g1/inventory.img", 0));
	/* As criu page-server leaves it. */
	verify_says(false, "parent/inventory.img", -1, 0, "as criu page-server leaves them");
	put_file(scratch_fd, "g1/inventory.img", "foreign", 7);
	verify_says(false, "parent/inventory.img", -1, 0, "matters if this parent itself");
	snprintf(to, sizeof(to), "%s/flat", scratch);
	ok(chain_flatten(path[0], to, NULL, NULL, &r));
	assert_int_equal(r->pages_from_parents, 1);
	stepdump__flatten_report__free_unpacked(r, NULL);
}

TEST(stopped_by_the_operator, scratch_make, scratch_drop)
{
	static volatile sig_atomic_t stop = 1;
	Stepdump__FlattenReport *f;
	Stepdump__DiffReport *d;
	char to[96];

	GENERATION(0, true, { 0x10000, 2, P, 0 });
	snprintf(to, sizeof(to), "%s/flat", scratch);
	fails(chain_flatten(path[0], to, NULL, &stop, &f), ERR_INTERRUPTED, "stopped");
	assert_int_not_equal(access(to, F_OK), 0);
	fails(chain_diff(path[0], path[0], 0, &stop, &d), ERR_INTERRUPTED, "stopped");
	fails(chain_diff(path[0], path[0], 43, NULL, &d), ERR_USAGE, "task 43");
}

TEST(full_disk, scratch_make, scratch_drop)
{
	Stepdump__FlattenReport *r;
	char to[96];

	scratch_small(20 << 10);
	GENERATION(0, true, { 0x10000, 4, H, 0 });
	GENERATION(1, true, { 0x10000, 4096, P, 0 }); /* 16 MiB, most of the disk */
	unlinkat(scratch_fd, "g0/" NAME, 0);
	int d = open(path[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct pagemap_writer w;

	ok(pagemap_writer_open(&w, d, NAME, 1));
	ok(pagemap_writer_add(&w, 0x10000, 4096, H));
	ok(pagemap_writer_close(&w));
	close(d);
	snprintf(to, sizeof(to), "%s/flat", scratch);
	struct err *e = chain_flatten(path[0], to, NULL, NULL, &r);

	assert_non_null(e);
	assert_int_equal(e->sys_errno, ENOSPC);
	assert_non_null(e->hint);
	assert_non_null(strstr(e->hint, "16.0 needed"));
	err_free(e);
	assert_int_not_equal(access(to, F_OK), 0);
}
