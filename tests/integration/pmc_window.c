/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which window a look-up fetches, what hits and what misses.  The VMAs are invented. */
#include "engine/pages/pmc.h"

#include "tests/lib/test.h"

#define B 0x600000000000ull /* nothing lives there */
#define K 1024ull
#define M (1024 * K)

static struct caps caps;
static int pagemap_fd;
static struct vma_list l;
static struct pmc pmc;

static int setup(void **state)
{
	err_free(caps_probe(&caps));
	return pagemap_open(getpid(), &pagemap_fd) ? -1 : 0;
}

static int end(void **state)
{
	pmc_deinit(&pmc);
	vma_list_deinit(&l);
	return 0;
}

static void add(uint64_t start, uint64_t stop)
{
	struct vma v = { .start = start,
			 .end = stop,
			 .status = VMA_AREA_REGULAR | VMA_ANON_PRIVATE,
			 .flags = MAP_PRIVATE | MAP_ANONYMOUS,
			 .rss_bytes = PAGE };

	vma_list_add(&l, &v, "");
}

static bool look_up(size_t idx, uint64_t from)
{
	bool hit;

	ok(pmc_get_map(&pmc, &l, idx, from, &hit));
	assert_int_equal(pmc.last_hit, hit);
	assert_true(pmc_covers(&pmc, from, from + PAGE));
	return hit;
}

TEST(windows, NULL, end)
{
	const struct {
		const char *what;
		struct {
			uint64_t start, end;
		} vma[4];
		uint64_t from, end; /* of the window fetched for the first VMA */
		unsigned nr_vmas;   /* 0: simple mode */
		bool no_cache;
	} c[] = {
		{ "two neighbours",
		  { { B, B + 64 * K }, { B + 128 * K, B + 192 * K } },
		  B,
		  B + 2 * M,
		  2,
		  false },
		{ "three",
		  { { B, B + 4 * K }, { B + 4 * K, B + 8 * K }, { B + M, B + 2 * M } },
		  B,
		  B + 2 * M,
		  3,
		  false },
		{ "alone", { { B, B + 64 * K } }, B, B + 64 * K, 0, false },
		{ "not alone, but cache mode is off",
		  { { B, B + 64 * K }, { B + 128 * K, B + 192 * K } },
		  B,
		  B + 64 * K,
		  0,
		  true },
		{ "begins just within the gap",
		  { { B + 508 * K, B + 512 * K }, { B + M, B + M + 4 * K } },
		  B + 508 * K,
		  B + 2 * M,
		  2,
		  false },
		{ "begins at the gap",
		  { { B + 512 * K, B + 516 * K }, { B + M, B + M + 4 * K } },
		  B + 512 * K,
		  B + 516 * K,
		  0,
		  false },
		{ "a page less than 2 MiB",
		  { { B, B + 2 * M - 4 * K }, { B + 2 * M - 4 * K, B + 2 * M } },
		  B,
		  B + 2 * M,
		  2,
		  false },
		{ "2 MiB",
		  { { B, B + 2 * M }, { B + 2 * M, B + 2 * M + 4 * K } },
		  B,
		  B + 2 * M,
		  0,
		  false },
		{ "the neighbour leaves the window",
		  { { B, B + 64 * K }, { B + M, B + 2 * M + 4 * K } },
		  B,
		  B + 64 * K,
		  0,
		  false },
		{ "the second neighbour leaves the window",
		  { { B, B + 64 * K }, { B + 64 * K, B + M }, { B + M, B + 3 * M } },
		  B,
		  B + 2 * M,
		  2,
		  false },
		{ "what comes after one that leaves does not count",
		  { { B, B + 64 * K }, { B + M, B + 3 * M }, { B + 3 * M, B + 4 * M } },
		  B,
		  B + 64 * K,
		  0,
		  false },
		{ "it leaves the window itself",
		  { { B + 256 * K, B + 2 * M + 64 * K }, { B + 3 * M, B + 4 * M } },
		  B + 256 * K,
		  B + 2 * M + 64 * K,
		  0,
		  false },
		{ "the rest of a VMA",
		  { { B, B + 64 * K }, { B + 128 * K, B + 192 * K } },
		  B + 32 * K,
		  B + 64 * K,
		  0,
		  false },
		{ "the last window of the address space",
		  { { 0x7fffffe00000, 0x7fffffe10000 }, { 0x7fffffe20000, 0x7fffffe30000 } },
		  0x7fffffe00000,
		  PAGEMAP_TASK_SIZE,
		  2,
		  false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		for (int mode = PMC_SCAN; mode <= PMC_PREAD; mode++) {
			if (mode == PMC_SCAN && !caps.pagemap_scan)
				continue;
			for (int k = 0; k < 4 && c[i].vma[k].end; k++)
				add(c[i].vma[k].start, c[i].vma[k].end);
			ok(pmc_init(&pmc, pagemap_fd, &caps, (enum opt_pmc)mode, !c[i].no_cache));
			assert_false(look_up(0, c[i].from));
			if (pmc.end != c[i].end || pmc.cached != (c[i].nr_vmas != 0))
				print_error("%s: window %llx-%llx, cached %d\n", c[i].what,
					    (unsigned long long)pmc.start,
					    (unsigned long long)pmc.end, pmc.cached);
			assert_int_equal(pmc.start, c[i].from);
			assert_int_equal(pmc.end, c[i].end);
			assert_int_equal(pmc.want_end, c[i].end);
			assert_int_equal(pmc.cached, c[i].nr_vmas != 0);
			assert_int_equal(pmc.nr_vmas, c[i].nr_vmas ? c[i].nr_vmas : 1);
			assert_int_equal(pmc.misses, 1);
			assert_int_equal(pmc.fills, 1);
			end(state);
		}
}

TEST(hits_and_misses, NULL, end)
{
	add(B, B + 64 * K);
	add(B + 128 * K, B + 192 * K);
	add(B + M, B + 3 * M); /* begins in the window, ends behind it */
	add(B + 8 * M, B + 8 * M + 4 * K);
	ok(pmc_init(&pmc, pagemap_fd, &caps, PMC_AUTO, true));
	assert_false(pmc_covers(&pmc, B, B + 4 * K)); /* an empty window covers nothing */
	assert_false(look_up(0, B));
	assert_true(look_up(1, B + 128 * K));
	assert_true(look_up(0, B)); /* still there */
	assert_false(look_up(2, B + M));
	assert_false(look_up(0, B)); /* not any more */
	assert_true(look_up(1, B + 128 * K));
	assert_false(look_up(3, B + 8 * M));
	assert_int_equal(pmc.hits, 3);
	assert_int_equal(pmc.misses, 4);
	assert_int_equal(pmc.fills, 4);
}

TEST(nothing_mapped_is_one_empty_run, NULL, end)
{
	uint64_t run_end;

	add(B, B + 64 * K);
	add(B + 128 * K, B + 192 * K);
	for (int mode = PMC_SCAN; mode <= PMC_PREAD; mode++) {
		if (mode == PMC_SCAN && !caps.pagemap_scan)
			continue;
		ok(pmc_init(&pmc, pagemap_fd, &caps, (enum opt_pmc)mode, true));
		look_up(0, B);
		assert_int_equal(pmc_run(&pmc, B, B + 64 * K, &run_end), 0);
		assert_int_equal(run_end, B + 64 * K);
		assert_int_equal(pmc_run(&pmc, B + 4 * K, B + 3 * M, &run_end), 0);
		assert_int_equal(run_end, B + 2 * M); /* the window's end at the latest */
		pmc_deinit(&pmc);
	}
}

TEST(the_mode_asked_for_is_used, NULL, end)
{
	struct caps none = caps, with = caps;

	none.pagemap_scan = false;
	with.pagemap_scan = true;
	ok(pmc_init(&pmc, pagemap_fd, &with, PMC_AUTO, true));
	assert_true(pmc.scan);
	ok(pmc_init(&pmc, pagemap_fd, &with, PMC_PREAD, true));
	assert_false(pmc.scan);
	ok(pmc_init(&pmc, pagemap_fd, &none, PMC_AUTO, true));
	assert_false(pmc.scan);
	struct err *e = pmc_init(&pmc, pagemap_fd, &none, PMC_SCAN, true);

	assert_non_null(e);
	assert_non_null(e->hint);
	fails(e, ERR_UNSUPPORTED, "PAGEMAP_SCAN");
}

/* After a failure nothing may count as known. */
TEST(a_failed_fill_leaves_no_window, NULL, end)
{
	int dead_fd, p[2];
	char byte;
	bool hit;

	MUST(!pipe(p));
	pid_t child = fork();

	MUST(child >= 0);
	if (!child) {
		close(p[1]);
		_exit(read(p[0], &byte, 1) != 0);
	}
	ok(pagemap_open(child, &dead_fd));
	close(p[0]);
	close(p[1]);
	MUST(waitpid(child, NULL, 0) == child);

	add(B, B + 64 * K);
	add(B + 128 * K, B + 192 * K);
	for (int mode = PMC_SCAN; mode <= PMC_PREAD; mode++) {
		if (mode == PMC_SCAN && !caps.pagemap_scan)
			continue;
		ok(pmc_init(&pmc, pagemap_fd, &caps, (enum opt_pmc)mode, true));
		look_up(0, B);
		look_up(1, B + 128 * K);
		add(B + 16 * M, B + 17 * M);
		pmc.pagemap_fd = dead_fd;
		struct err *e = pmc_get_map(&pmc, &l, 2, B + 16 * M, &hit);

		assert_non_null(e);
		assert_non_null(
			strstr(e->msg, "fill the pagemap cache for 600001000000-600001100000"));
		err_free(e);
		assert_false(pmc_covers(&pmc, B + 16 * M, B + 17 * M));
		assert_false(pmc_covers(&pmc, B, B + 64 * K));
		assert_int_equal(pmc.fills, 1);
		pmc.pagemap_fd = pagemap_fd;
		assert_false(look_up(2, B + 16 * M));
		assert_int_equal(pmc.fills, 2);
		pmc_deinit(&pmc);
		vma_list_deinit(&l);
		add(B, B + 64 * K);
		add(B + 128 * K, B + 192 * K);
	}
	close(dead_fd);
}

GROUP(setup, NULL);
