/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A drain that fails half way and is tried again: no page is lost or stored twice. */
#include "engine/dump/phases.h"

#include "tests/lib/test.h"

static struct opts opts;
static struct caps caps;
static struct target nobody;
static struct dump d;
static int fd;

static void plan(unsigned page, unsigned nr, unsigned flags)
{
	uint64_t added = 0;

	ok(page_pipe_add_pages(&d.pp, page * PAGE, nr, flags, &added));
	assert_int_equal(added, nr);
}

/* A pre-dump that stands before the drain of a shared object of eight pages, number i filled with
 * i + 1. */
static int begin(void **state)
{
	char page[PAGE];

	fd = memfd_create("object", MFD_CLOEXEC);
	MUST(fd >= 0);
	for (int i = 0; i < 8; i++) {
		memset(page, i + 1, PAGE);
		MUST(pwrite(fd, page, PAGE, i * (off_t)PAGE) == (ssize_t)PAGE);
	}
	opts_init(&opts);
	opts.mode = MODE_PRE_DUMP;
	nobody = (struct target){ .pagemap_fd = -1 };
	dump_init(&d, &nobody, 1, NULL, NULL, &opts, &caps);
	d.shmem.o = calloc(1, sizeof(*d.shmem.o));
	d.shmem.nr = 1;
	d.shmem.o[0] =
		(struct shmem_info){ .kind = "anon", .name = "", .size = 8 * PAGE, .fd = fd };
	d.at.item = 1;
	page_pipe_init(&d.pp, 0, 16);
	return 0;
}

static int end(void **state)
{
	dump_deinit(&d); /* closes fd, too */
	opts_deinit(&opts);
	return 0;
}

static void expect_pages(int pipe_fd, const unsigned *number, unsigned nr)
{
	char page[PAGE];

	for (unsigned i = 0; i < nr; i++) {
		MUST(read(pipe_fd, page, PAGE) == (ssize_t)PAGE);
		assert_int_equal(page[0], number[i] + 1);
		assert_int_equal(page[PAGE - 1], number[i] + 1);
	}
	assert_true(read(pipe_fd, page, 1) < 0 && errno == EAGAIN);
}

/* The pipe is emptied, so the ppb before it in the same pipe has to be drained again as well. */
TEST(a_shared_pipe_is_filled_again, begin, end)
{
	static const unsigned want[] = { 0, 1, 4, 5, 6 };

	plan(0, 2, 0);
	plan(4, 3, PPB_LAZY);
	assert_int_equal(d.pp.nr_ppbs, 2);
	assert_true(d.pp.ppb[1].shares);
	dump_begin_drain(&d);
	ok(ph_drain.step(&d, PACE_UNIT));
	assert_int_equal(d.pp.ppb[0].state, PPB_DRAINED);

	MUST(!ftruncate(fd, 4 * PAGE));
	fails(ph_drain.step(&d, PACE_UNIT), ERR_SYS, "ppb 1");
	assert_int_equal(d.phase, PH(DRAIN));
	assert_int_equal(d.pp.ppb[0].state, PPB_PLANNED);
	assert_int_equal(page_pipe_in_pipe(&d.pp.ppb[0]), 0);

	MUST(!ftruncate(fd, 8 * PAGE));
	for (int i = 4; i < 8; i++) {
		char page[PAGE];

		memset(page, i + 1, PAGE);
		MUST(pwrite(fd, page, PAGE, i * (off_t)PAGE) == (ssize_t)PAGE);
	}
	for (int n = 0; d.phase == PH(DRAIN); n++) {
		assert_true(n < 2);
		ok(ph_drain.step(&d, PACE_UNIT));
	}
	assert_int_equal(d.phase, PH(GATE));
	for (int i = 0; i < 2; i++)
		assert_int_equal(d.kept[1].ppb[i].state, PPB_DRAINED);
	expect_pages(d.kept[1].ppb[0].p[0], want, 5);
}
