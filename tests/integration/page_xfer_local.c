/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where planned pages and holes end up: xfer of whole plans into files, read back byte by byte, and
 * what a full disk leaves.  The pages are our own; no other process is dumped.
 */
#include <sys/resource.h>
#include <sys/uio.h>

#include "engine/dump/phases.h"
#include "engine/image/pagemap_image.h"

#include "tests/lib/images.h"

#define ARENA 4096u /* pages */

static uint8_t *arena;
static struct page_xfer x;

static int setup(void **state)
{
	arena = mmap(NULL, ARENA * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	if (arena == MAP_FAILED)
		return -1;
	for (uint32_t i = 0; i < ARENA; i++)
		for (uint32_t k = 0; k < PAGE / 8; k++)
			((uint64_t *)arena)[i * PAGE / 8 + k] = (uint64_t)i << 32 | k;
	return 0;
}

static int drop(void **state)
{
	page_xfer_destroy(&x);
	return scratch_drop(state);
}

static uint64_t addr(unsigned page)
{
	return (uint64_t)arena + page * PAGE;
}

/* Every entry's pages are the arena's, and there are no others. */
static void stored_pages_are_right(const struct pm *pm)
{
	char name[32];

	snprintf(name, sizeof(name), "pages-%u.img", pm->pages_id);
	struct bytes f = slurp(scratch_fd, name);
	size_t at = 0;

	assert_int_equal(f.nr, pm->stored * PAGE);
	for (size_t i = 0; i < pm->nr; i++)
		if (pm->e[i].flags & 4) {
			assert_memory_equal(f.b + at, (void *)pm->e[i].vaddr,
					    pm->e[i].pages * PAGE);
			at += pm->e[i].pages * PAGE;
		}
	assert_int_equal(at, f.nr);
	free(f.b);
}

/* ---- whole plans through the phase ------------------------------------------------ */

static struct dump d;
static struct target nobody;
static struct opts opts;
static struct caps caps;

/* A set whose pagemap has these pages of the arena: holes are checked against it. */
static void parent_has(unsigned page, unsigned nr)
{
	struct page_xfer px;
	int fd;

	mkdirat(scratch_fd, "parent", 0700);
	fd = openat(scratch_fd, "parent", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(fd >= 0);
	page_xfer_local(&px, fd, 0);
	ok(page_xfer_open_task(&px, 4242));
	ok(page_xfer_entry(&px, addr(page), nr, PE_PRESENT));
	ok(page_xfer_close_object(&px));
	page_xfer_destroy(&px);
	ok(page_read_open(fd, "pagemap-4242.img", &d.task[0].parent));
	assert_non_null(d.task[0].parent);
	close(fd);
}

/* A dump that stands at the end of drain: the plan is in d.pp, the pages are in the pipes. */
static void plan_begin(unsigned pipe_pages)
{
	opts_init(&opts);
	nobody = (struct target){ .pagemap_fd = -1 };
	dump_init(&d, &nobody, 1, NULL, NULL, &opts, &caps);
	page_pipe_init(&d.pp, 0, pipe_pages);
	parent_has(0, ARENA);
}

static void pages(unsigned page, unsigned nr, unsigned flags)
{
	uint64_t added = 0;

	ok(page_pipe_add_pages(&d.pp, addr(page), nr, flags, &added));
	assert_int_equal(added, nr);
}

static void hole(unsigned page, unsigned nr)
{
	page_pipe_add_hole(&d.pp, addr(page), nr, PP_HOLE_PARENT);
}

static void fill(struct page_pipe_buf *ppb)
{
	for (unsigned k = ppb->moved_iov; k < ppb->nr_segs; k++)
		MUST(vmsplice(ppb->p[1], &ppb->iov[k], 1, SPLICE_F_NONBLOCK) ==
		     (ssize_t)ppb->iov[k].iov_len);
	ppb->state = PPB_DRAINED;
}

/* Runs the phase over the plan; returns how many units it took. */
static unsigned plan_out(bool bulk)
{
	unsigned units = 0;

	for (unsigned i = 0; i < d.pp.nr_ppbs; i++)
		fill(&d.pp.ppb[i]);
	page_xfer_local(&d.xfer, scratch_fd, 0);
	ok(page_xfer_open_task(&d.xfer, 4242));
	d.at.chunk = 1;
	d.phase = PH(XFER);
	while (d.phase == PH(XFER)) {
		struct unit u = { .phase = PH(XFER), .ppb = -1 };

		assert_true(units++ < 100000);
		ph_xfer.next(&d, &u);
		uint64_t entries = d.xfer.entries;

		ok(ph_xfer.step(&d, bulk));
		assert_true(d.xfer.entries > entries);
		if (!bulk)
			assert_int_equal(d.xfer.entries, entries + 1);
	}
	assert_int_equal(d.phase, PH(GATE));
	return units;
}

static void plan_end(void)
{
	dump_deinit(&d);
	opts_deinit(&opts);
}

static void entries_are(const struct pm *pm, const struct pm_entry *want, size_t nr)
{
	assert_int_equal(pm->nr, nr);
	for (size_t i = 0; i < nr; i++) {
		assert_int_equal(pm->e[i].vaddr, want[i].vaddr);
		assert_int_equal(pm->e[i].pages, want[i].pages);
		assert_int_equal(pm->e[i].flags, want[i].flags);
	}
}

TEST(the_worked_example, scratch_make, drop)
{
	const struct pm_entry want[] = {
		{ addr(0x03), 2, PE_PARENT },  { addr(0x05), 1, PE_PRESENT },
		{ addr(0x0b), 4, PE_PARENT },  { addr(0x0f), 3, PE_PRESENT },
		{ addr(0x17), 2, PE_PRESENT }, { addr(0x19), 3, PE_PARENT },
	};

	for (int bulk = 0; bulk < 2; bulk++) {
		plan_begin(16);
		pages(0x05, 1, 0);
		pages(0x0f, 3, 0);
		pages(0x17, 2, 0);
		hole(0x03, 2);
		hole(0x0b, 4);
		hole(0x19, 3);
		unsigned units = plan_out(bulk);

		if (!bulk)
			assert_int_equal(units, 6);
		assert_int_equal(d.xfer.pages, 6);
		assert_int_equal(d.xfer.holes, 3);
		assert_int_equal(d.xfer.hole_pages, 9);
		plan_end();

		struct pm pm = pm_read(scratch_fd, "pagemap-4242.img");

		assert_int_equal(pm.pages_id, 1);
		entries_are(&pm, want, 6);
		stored_pages_are_right(&pm);
		free(pm.e);
	}
}

TEST(holes_alone, scratch_make, drop)
{
	plan_begin(16);
	hole(1, 2);
	hole(5, 1);
	plan_out(false);
	plan_end();

	struct pm pm = pm_read(scratch_fd, "pagemap-4242.img");

	entries_are(&pm, (const struct pm_entry[]){ { addr(1), 2, 1 }, { addr(5), 1, 1 } }, 2);
	stored_pages_are_right(&pm);
	free(pm.e);
}

/* Memory in a hole that the parent does not cover would be lost: no entry is recorded. */
TEST(a_hole_that_the_parent_lacks_is_refused, scratch_make, drop)
{
	plan_begin(16);
	page_read_close(d.task[0].parent);
	parent_has(10, 20);
	pages(0, 2, 0);
	hole(10, 20);
	hole(40, 1);
	fill(&d.pp.ppb[0]);
	page_xfer_local(&d.xfer, scratch_fd, 0);
	ok(page_xfer_open_task(&d.xfer, 4242));
	d.phase = PH(XFER);
	ok(ph_xfer.step(&d, false));
	ok(ph_xfer.step(&d, false));
	for (int i = 0; i < 2; i++) {
		char where[32];
		struct err *e = ph_xfer.step(&d, false);

		snprintf(where, sizeof(where), "%llx is unchanged", (unsigned long long)addr(40));
		assert_non_null(e);
		assert_non_null(e->hint);
		fails(e, ERR_CHECK, where);
		assert_int_equal(d.xfer.entries, 2);
		assert_int_equal(d.phase, PH(XFER));
	}
	plan_end();
}

/* Random plans: each page is data, lazy data, hole or nothing.  The entries must say so page by
 * page, in order, and stepping and running must write the same bytes. */
TEST(random_plans, scratch_make, drop)
{
	for (unsigned round = 0; round < rounds(20); round++) {
		static uint8_t want[ARENA]; /* PE_* flags; 0: nothing */
		unsigned pipe_pages = 16u << rnd(4), runs = 0;
		struct bytes first[2] = { { 0 }, { 0 } };

		memset(want, 0, sizeof(want));
		for (unsigned at = (unsigned)rnd(4); at < ARENA;) {
			static const uint8_t kinds[] = { 0, PE_PRESENT, PE_PRESENT | PE_LAZY,
							 PE_PARENT };
			unsigned nr = 1 + (unsigned)rnd(rnd(6) ? 12 : 300);
			uint8_t kind = kinds[rnd(4)];

			for (; nr && at < ARENA; nr--)
				want[at++] = kind;
		}
		for (int bulk = 0; bulk < 2; bulk++) {
			plan_begin(pipe_pages);
			for (unsigned i = 0, n; i < ARENA; i += n, runs++) {
				for (n = 1; i + n < ARENA && want[i + n] == want[i];)
					n++;
				if (want[i] & PE_PRESENT)
					pages(i, n, want[i] & PE_LAZY ? PPB_LAZY : 0);
				else if (want[i])
					hole(i, n);
			}
			plan_out(bulk);
			plan_end();

			struct pm pm = pm_read(scratch_fd, "pagemap-4242.img");
			unsigned at = 0;

			for (size_t i = 0; i < pm.nr; i++) {
				unsigned page = (unsigned)((pm.e[i].vaddr - addr(0)) / PAGE);

				for (; at < page; at++)
					assert_int_equal(want[at], 0);
				for (; at < page + pm.e[i].pages; at++)
					assert_int_equal(want[at], pm.e[i].flags);
			}
			for (; at < ARENA; at++)
				assert_int_equal(want[at], 0);
			stored_pages_are_right(&pm);
			free(pm.e);

			struct bytes now[2] = { slurp(scratch_fd, "pagemap-4242.img"),
						slurp(scratch_fd, "pages-1.img") };

			for (int i = 0; bulk && i < 2; i++) {
				assert_int_equal(now[i].nr, first[i].nr);
				assert_memory_equal(now[i].b, first[i].b, now[i].nr);
				free(first[i].b);
				free(now[i].b);
			}
			memcpy(first, now, sizeof(first));
		}
		assert_true(runs > 20);
	}
}

/* ---- objects ---------------------------------------------------------------------- */

static int pipe_with(unsigned page, unsigned nr, int p[2])
{
	struct iovec v = { (void *)addr(page), nr * PAGE };

	MUST(!pipe2(p, O_NONBLOCK | O_CLOEXEC) && fcntl(p[1], F_SETPIPE_SZ, 256 * (int)PAGE) > 0);
	MUST(vmsplice(p[1], &v, 1, 0) == (ssize_t)v.iov_len);
	return p[0];
}

static void put(unsigned page, unsigned nr)
{
	int p[2];

	ok(page_xfer_pages(&x, pipe_with(page, nr, p), nr));
	ok(page_xfer_entry(&x, addr(page), nr, PE_PRESENT));
	close(p[0]);
	close(p[1]);
}

TEST(objects_have_names_and_numbers, scratch_make, drop)
{
	page_xfer_local(&x, scratch_fd, 0);
	assert_string_equal(x.ops->name, "local");
	ok(page_xfer_close_object(&x)); /* none is open */
	ok(page_xfer_open_task(&x, 17));
	assert_string_equal(x.object, "pagemap-17.img");
	put(1, 2);
	assert_int_equal(x.object_pages, 2);
	ok(page_xfer_close_object(&x));
	assert_string_equal(x.object, "");
	ok(page_xfer_open_shmem(&x, 4294967299));
	assert_string_equal(x.object, "pagemap-shmem-4294967299.img");
	assert_int_equal(x.pages_id, 2);
	assert_int_equal(x.object_pages, 0);
	put(9, 1);
	ok(page_xfer_close_object(&x));
	assert_int_equal(x.pages, 3);
	assert_int_equal(x.entries, 2);

	struct pm task = pm_read(scratch_fd, "pagemap-17.img");
	struct pm shmem = pm_read(scratch_fd, "pagemap-shmem-4294967299.img");

	assert_int_equal(task.pages_id, 1);
	assert_int_equal(shmem.pages_id, 2);
	stored_pages_are_right(&task);
	stored_pages_are_right(&shmem);
	free(task.e);
	free(shmem.e);
}

TEST(an_object_that_cannot_be_made_takes_no_number, scratch_make, drop)
{
	MUST(!mkdirat(scratch_fd, "pages-1.img", 0700));
	page_xfer_local(&x, scratch_fd, 0);
	fails(page_xfer_open_task(&x, 17), ERR_SYS, "create pages-1.img");
	assert_int_equal(x.pages_id, 0);
	assert_string_equal(x.object, "");
	MUST(!unlinkat(scratch_fd, "pages-1.img", AT_REMOVEDIR));
	ok(page_xfer_open_task(&x, 17));
	put(1, 1);
	ok(page_xfer_close_object(&x));
	struct pm pm = pm_read(scratch_fd, "pagemap-17.img");

	assert_int_equal(pm.pages_id, 1);
	stored_pages_are_right(&pm);
	free(pm.e);
}

TEST(a_rehearsal_takes_all_and_writes_nothing, scratch_make, drop)
{
	ok(page_xfer_null(&x));
	assert_string_equal(x.ops->name, "null");
	ok(page_xfer_open_task(&x, 17));
	put(1, 200);
	ok(page_xfer_entry(&x, addr(300), 5, PE_PARENT));
	ok(page_xfer_close_object(&x));
	assert_int_equal(x.pages, 200);
	assert_int_equal(x.entries, 2);
	assert_int_equal(x.hole_pages, 5);
	assert_int_equal(entries_in(scratch), 0);
}

/* ---- failures --------------------------------------------------------------------- */

static off_t size_of(const char *name)
{
	struct stat st;

	MUST(!fstatat(scratch_fd, name, &st, 0));
	return st.st_size;
}

/* 100 pages are in; 200 more do not fit.  Afterwards there is room. */
static void pages_that_do_not_fit(int why, void (*make_room)(void))
{
	int p[2];

	put(0, 100);
	struct page_xfer before = x;
	struct err *e = page_xfer_pages(&x, pipe_with(100, 200, p), 200);

	assert_non_null(e);
	assert_int_equal(e->sys_errno, why);
	assert_non_null(e->hint);
	fails(e, ERR_SYS, "pages-1.img");
	/* The pages that were moved do not count yet, and are not asked for again. */
	assert_int_equal(x.pages, before.pages);
	assert_int_equal(x.entries, before.entries);
	assert_int_equal(size_of("pages-1.img"), 100 * PAGE + (off_t)x.partial);
	assert_true(x.partial < 200 * PAGE);

	make_room();
	ok(page_xfer_pages(&x, p[0], 200));
	ok(page_xfer_entry(&x, addr(100), 200, PE_PRESENT));
	assert_int_equal(x.partial, 0);
	close(p[0]);
	close(p[1]);
	put(1000, 50);
	ok(page_xfer_close_object(&x));

	struct pm pm = pm_read(scratch_fd, "pagemap-17.img");

	assert_int_equal(pm.stored, 350);
	stored_pages_are_right(&pm);
	free(pm.e);
}

static void more_disk(void)
{
	scratch_resize(16384);
}

TEST(a_full_disk_is_gone_on_from, scratch_make, drop)
{
	scratch_small(1024);
	page_xfer_local(&x, scratch_fd, 0);
	ok(page_xfer_open_task(&x, 17));
	pages_that_do_not_fit(ENOSPC, more_disk);
}

static struct rlimit no_limit;

static void more_file(void)
{
	MUST(!setrlimit(RLIMIT_FSIZE, &no_limit));
}

TEST(a_file_size_limit_is_gone_on_from, scratch_make, drop)
{
	struct rlimit tight;

	MUST(!getrlimit(RLIMIT_FSIZE, &no_limit));
	tight = no_limit;
	tight.rlim_cur = 250 * PAGE;
	signal(SIGXFSZ, SIG_IGN);
	page_xfer_local(&x, scratch_fd, 0);
	ok(page_xfer_open_task(&x, 17));
	MUST(!setrlimit(RLIMIT_FSIZE, &tight));
	pages_that_do_not_fit(EFBIG, more_file);
}

TEST(a_pipe_that_holds_less_is_gone_on_from, scratch_make, drop)
{
	int p[2];

	page_xfer_local(&x, scratch_fd, 0);
	ok(page_xfer_open_task(&x, 17));
	put(0, 3);
	struct err *e = page_xfer_pages(&x, pipe_with(3, 5, p), 6);

	assert_non_null(e);
	assert_int_equal(e->sys_errno, EAGAIN);
	err_free(e);
	close(p[0]);
	close(p[1]);
	assert_int_equal(x.pages, 3);
	assert_int_equal(x.partial, 5 * PAGE);
	ok(page_xfer_pages(&x, pipe_with(8, 1, p), 6));
	close(p[0]);
	close(p[1]);
	assert_int_equal(x.pages, 9);
	assert_int_equal(size_of("pages-1.img"), 9 * PAGE);
}

/* Fills what is left of the file system, to the last page. */
static void fill_up(void)
{
	static const char byte[PAGE];
	int fd = openat(scratch_fd, "ballast", O_WRONLY | O_CREAT | O_APPEND, 0600);

	MUST(fd >= 0);
	while (write(fd, byte, sizeof(byte)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

/* Entries are buffered, so the disk may turn out full long after the page that they describe. */
TEST(entries_that_do_not_fit_come_again, scratch_make, drop)
{
	unsigned nr = 0, refused = 0;
	struct pm pm;

	scratch_small(256);
	page_xfer_local(&x, scratch_fd, 0);
	ok(page_xfer_open_task(&x, 17));
	fill_up();
	while (!refused) {
		struct page_xfer before = x;
		struct err *e = page_xfer_entry(&x, 0x10000000 + 2 * PAGE * nr, 1, PE_PARENT);

		if (e) {
			assert_int_equal(e->sys_errno, ENOSPC);
			err_free(e);
			assert_memory_equal(&x, &before, sizeof(x));
			refused++;
			break;
		}
		assert_true(nr++ < 100000);
	}
	fails(page_xfer_entry(&x, 0x10000000 + 2 * PAGE * nr, 1, PE_PARENT), ERR_SYS,
	      "pagemap-17.img");
	MUST(!unlinkat(scratch_fd, "ballast", 0));
	for (unsigned i = 0; i < 1000; i++, nr++)
		ok(page_xfer_entry(&x, 0x10000000 + 2 * PAGE * nr, 1, PE_PARENT));
	ok(page_xfer_close_object(&x));
	pm = pm_read(scratch_fd, "pagemap-17.img");
	assert_int_equal(pm.nr, nr);
	for (unsigned i = 0; i < nr; i++)
		assert_int_equal(pm.e[i].vaddr, 0x10000000 + 2 * PAGE * i);
	free(pm.e);
}

TEST(an_object_is_not_closed_before_all_is_written, scratch_make, drop)
{
	scratch_small(256);
	page_xfer_local(&x, scratch_fd, 0);
	ok(page_xfer_open_task(&x, 17));
	put(5, 2);
	ok(page_xfer_entry(&x, addr(10), 2, PE_PARENT));
	fill_up();
	for (int i = 0; i < 3; i++) {
		struct err *e = page_xfer_close_object(&x);

		assert_non_null(e);
		assert_int_equal(e->sys_errno, ENOSPC);
		assert_non_null(e->hint);
		err_free(e);
		assert_string_equal(x.object, "pagemap-17.img");
	}
	MUST(!unlinkat(scratch_fd, "ballast", 0));
	ok(page_xfer_close_object(&x));
	assert_string_equal(x.object, "");

	struct pm pm = pm_read(scratch_fd, "pagemap-17.img");

	entries_are(&pm, (const struct pm_entry[]){ { addr(5), 2, 4 }, { addr(10), 2, 1 } }, 2);
	stored_pages_are_right(&pm);
	free(pm.e);
}

TEST(giving_up_on_a_full_disk_leaks_nothing, scratch_make, drop)
{
	int before = dup(0), after;

	MUST(!close(before));
	scratch_small(256);
	page_xfer_local(&x, scratch_fd, 0);
	ok(page_xfer_open_task(&x, 17));
	put(5, 2);
	fill_up();
	page_xfer_destroy(&x);
	after = dup(0);
	MUST(!close(after));
	assert_int_equal(before, after);
}

GROUP(setup, NULL);
