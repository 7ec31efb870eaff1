/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a fill finds in real memory, our own: both ways are compared with a model made together with
 * the memory, with each other, and with bounds on time and space.
 */
#include "engine/dump/dump.h"

#include "tests/lib/test.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define GIB (1ul << 30)
#define RW (PROT_READ | PROT_WRITE)
#define MODEL (PAGE_IS_PRESENT | PAGE_IS_SWAPPED | PAGE_IS_FILE | PAGE_IS_PFNZERO | PAGE_IS_GUARD)

static struct caps caps;
static int pagemap_fd;
static struct vma_list l;
static volatile char sink;

static int setup(void **state)
{
	struct err *e = caps_probe(&caps);

	if (!e)
		e = pagemap_open(getpid(), &pagemap_fd);
	err_free(e);
	return e ? -1 : 0;
}

static struct vma *add(void *start, size_t len)
{
	struct vma v = { .start = (uint64_t)start,
			 .end = (uint64_t)start + len,
			 .status = VMA_AREA_REGULAR | VMA_ANON_PRIVATE,
			 .flags = MAP_PRIVATE | MAP_ANONYMOUS,
			 .rss_bytes = PAGE };

	vma_list_add(&l, &v, "");
	return &l.v[l.nr - 1];
}

static char *arena;
static size_t arena_len;

static int end(void **state)
{
	if (arena)
		MUST(!munmap(arena, arena_len));
	arena = NULL;
	vma_list_deinit(&l);
	return 0;
}

/* Reserves addresses, aligned to 2 MiB, without huge pages; NULL if there are not so many. */
static char *reserve(size_t len)
{
	const size_t align = 2ul << 20;
	char *p = mmap(NULL, len + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	char *from = (char *)(((uintptr_t)p + align - 1) & ~(align - 1));

	if (from > p)
		MUST(!munmap(p, (size_t)(from - p)));
	if (from < p + align)
		MUST(!munmap(from + len, (size_t)(p + align - from)));
	MUST(!madvise(from, len, MADV_NOHUGEPAGE));
	arena_len = len;
	return from;
}

/* ---- runs, as the pipeline asks for them ------------------------------------------ */

struct run {
	uint64_t start, end, categories;
};

struct runs {
	struct run *r;
	size_t nr, cap;
};

/* A page that is being migrated looks swapped; a guard's marker is a kind of swap entry. */
static uint64_t settled(uint64_t categories)
{
	if (!(categories & PAGE_IS_SWAPPED))
		return categories & MODEL;
	categories &= ~(uint64_t)PAGE_IS_SWAPPED;
	return (categories & PAGE_IS_GUARD ? categories : categories | PAGE_IS_PRESENT) & MODEL;
}

static void collect(struct pmc *pmc, struct runs *out)
{
	for (size_t i = 0; i < l.nr; i++) {
		uint64_t before = ~0ull; /* categories of the run before, in this window */

		for (uint64_t at = l.v[i].start, to; at < l.v[i].end; at = to) {
			bool hit;

			if (at == l.v[i].start || at >= pmc->end) {
				ok(pmc_get_map(pmc, &l, i, at, &hit));
				before = ~0ull;
			}
			uint64_t c = pmc_run(pmc, at, l.v[i].end, &to);

			assert_true(to > at && to <= l.v[i].end && to <= pmc->end);
			assert_true(c != before); /* runs are as long as they can be */
			before = c;
			c = settled(c);
			if (out->nr && at > l.v[i].start && out->r[out->nr - 1].categories == c) {
				out->r[out->nr - 1].end = to;
				continue;
			}
			if (out->nr == out->cap) {
				out->cap = out->cap ? 2 * out->cap : 1024;
				out->r = reallocarray(out->r, out->cap, sizeof(*out->r));
				MUST(out->r);
			}
			out->r[out->nr++] = (struct run){ at, to, c };
		}
	}
}

static void fill_all(enum opt_pmc mode, bool cache, struct pmc *pmc, struct runs *out)
{
	*out = (struct runs){ 0 };
	ok(pmc_init(pmc, pagemap_fd, &caps, mode, cache));
	collect(pmc, out);
}

static void need_scan(void)
{
	if (caps.pagemap_scan)
		return;
	skip_because("this kernel has no PAGEMAP_SCAN");
}

/* ---- random layouts --------------------------------------------------------------- */

#define ARENA_PAGES (24u * 512u)

static uint64_t model[ARENA_PAGES];

static void random_anon(size_t first, size_t nr)
{
	char *p = arena + first * PAGE;
	unsigned kinds = caps.scan_guard ? 5 : 4;

	MUST(!mprotect(p, nr * PAGE, RW));
	for (size_t i = 0; i < nr; i++)
		switch (rnd(kinds)) {
		case 0:
			break;
		case 1:
			p[i * PAGE] = 1;
			model[first + i] = PAGE_IS_PRESENT;
			break;
		case 2:
			if (!caps.pfn_visible) /* pread could not tell */
				break;
			sink = p[i * PAGE];
			model[first + i] = PAGE_IS_PRESENT | PAGE_IS_PFNZERO;
			break;
		case 3:
			p[i * PAGE] = 1;
			MUST(!madvise(p + i * PAGE, PAGE, MADV_DONTNEED));
			break;
		case 4:
			MUST(!madvise(p + i * PAGE, PAGE, MADV_GUARD_INSTALL));
			model[first + i] = PAGE_IS_GUARD;
			break;
		}
	if (!rnd(4))
		MUST(!mprotect(p, nr * PAGE, PROT_NONE));
}

static void random_file(size_t first, size_t nr, bool shared)
{
	char *p = arena + first * PAGE;
	int fd = memfd_create("pmc", MFD_CLOEXEC);

	MUST(fd >= 0 && !ftruncate(fd, (off_t)(nr * PAGE)));
	MUST(mmap(p, nr * PAGE, RW, (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED, fd, 0) == p);
	close(fd);
	if (shared) { /* only what is written exists */
		for (size_t i = 0; i < nr; i++)
			if (rnd(2)) {
				p[i * PAGE] = 1;
				model[first + i] = PAGE_IS_PRESENT | PAGE_IS_FILE;
			}
		return;
	}
	if (!rnd(3))
		return; /* untouched */
	/* all read, since one fault maps its neighbours too; some then copied */
	for (size_t i = 0; i < nr; i++) {
		sink = p[i * PAGE];
		model[first + i] = PAGE_IS_PRESENT | PAGE_IS_FILE;
	}
	for (size_t i = 0; i < nr; i++)
		if (rnd(2)) {
			p[i * PAGE] = 1;
			model[first + i] = PAGE_IS_PRESENT;
		}
}

static void random_layout(void)
{
	arena = reserve(ARENA_PAGES * PAGE);
	MUST(arena);
	memset(model, 0, sizeof(model));
	for (size_t at = rnd(200);;) {
		size_t nr = 1 + (rnd(5) ? rnd(60) : rnd(1500));

		if (at + nr > ARENA_PAGES)
			break;
		switch (rnd(5)) {
		case 0:
			random_file(at, nr, false);
			break;
		case 1:
			random_file(at, nr, true);
			break;
		case 2:
			break; /* a reservation */
		default:
			random_anon(at, nr);
		}
		add(arena + at * PAGE, nr * PAGE);
		at += nr + (rnd(3) ? 0 : rnd(300));
	}
}

/* Every page must be as in the model. */
static void compare_with_model(const struct runs *r)
{
	for (size_t i = 0; i < r->nr; i++)
		for (uint64_t a = r->r[i].start; a < r->r[i].end; a += PAGE) {
			uint64_t is = r->r[i].categories,
				 want = model[(a - (uint64_t)arena) / PAGE];

			if (is != want)
				print_error("page %llx: %llx, made as %llx\n",
					    (unsigned long long)a, (unsigned long long)is,
					    (unsigned long long)want);
			assert_int_equal(is, want);
		}
}

TEST(both_ways_find_what_was_made, NULL, end)
{
	need_scan();
	uint64_t hits = 0, with_cache = 0;

	for (unsigned round = 0; round < rounds(12); round++) {
		struct pmc pmc;
		struct runs scan, read, again;

		random_layout();
		fill_all(PMC_SCAN, true, &pmc, &scan);
		hits += pmc.hits;
		pmc_deinit(&pmc);
		fill_all(PMC_PREAD, true, &pmc, &read);
		pmc_deinit(&pmc);
		compare_with_model(&scan);
		compare_with_model(&read);
		assert_int_equal(scan.nr, read.nr);
		assert_memory_equal(scan.r, read.r, scan.nr * sizeof(*scan.r));

		for (int mode = PMC_SCAN; mode <= PMC_PREAD; mode++) {
			fill_all((enum opt_pmc)mode, false, &pmc, &again);
			assert_int_equal(pmc.hits, 0);
			assert_int_equal(pmc.misses, l.nr);
			pmc_deinit(&pmc);
			assert_int_equal(again.nr, scan.nr);
			assert_memory_equal(again.r, scan.r, scan.nr * sizeof(*scan.r));
			free(again.r);
		}
		with_cache += scan.nr;
		free(scan.r);
		free(read.r);
		end(state);
	}
	/* the test proves little if the layouts never share a window */
	assert_true(hits > 20);
	assert_true(with_cache > 1000);
}

/* ---- the huge zero page ----------------------------------------------------------- */

TEST(the_huge_zero_page_is_zero, NULL, end)
{
	if (!caps.pfn_visible || !caps.huge_zero_pfn) {
		print_message(
			"skipped: no huge zero page here, or page frame numbers are hidden\n");
		skip();
	}
	struct pmc pmc;
	uint64_t run_end;

	arena = reserve(4ul << 20);
	MUST(arena && !mprotect(arena, 4ul << 20, RW) && !madvise(arena, 4ul << 20, MADV_HUGEPAGE));
	sink = arena[0];
	arena[2ul << 20] = 1;
	add(arena, 4ul << 20);
	for (int mode = PMC_SCAN; mode <= PMC_PREAD; mode++) {
		bool hit;

		if (mode == PMC_SCAN && !caps.pagemap_scan)
			continue;
		ok(pmc_init(&pmc, pagemap_fd, &caps, (enum opt_pmc)mode, true));
		ok(pmc_get_map(&pmc, &l, 0, l.v[0].start, &hit));
		uint64_t c = pmc_run(&pmc, l.v[0].start, l.v[0].end, &run_end);

		/* the kernel calls it a page of a file besides, as it is not anonymous */
		assert_int_equal(settled(c) & ~PAGE_IS_FILE, PAGE_IS_PRESENT | PAGE_IS_PFNZERO);
		assert_int_equal(page_verdict(&l.v[0], c), VD(ZERO));
		assert_int_equal(run_end, l.v[0].start + (2ul << 20));
		c = pmc_run(&pmc, run_end, l.v[0].end, &run_end);
		assert_int_equal(settled(c), PAGE_IS_PRESENT);
		pmc_deinit(&pmc);
	}
}

/* ---- bounds ----------------------------------------------------------------------- */

static uint64_t status_kib(const char *key)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	uint64_t kib = 0;

	MUST(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			kib = strtoull(line + strlen(key) + 1, NULL, 10);
	fclose(f);
	MUST(kib);
	return kib;
}

static uint64_t peak_reset(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY);

	MUST(fd >= 0 && write(fd, "5", 1) == 1);
	close(fd);
	return status_kib("VmHWM");
}

/* More regions than the buffer holds: the scan stops early, and the rest is another fill. */
TEST(a_scan_that_stops_early_goes_on, NULL, end)
{
	const size_t nr = 3ul * PMC_MAX_REGIONS; /* pages; every second one exists */
	struct pmc pmc;
	bool hit;

	need_scan();
	arena = reserve(nr * PAGE);
	MUST(arena && !mprotect(arena, nr * PAGE, RW));
	for (size_t i = 1; i < nr; i += 2)
		arena[i * PAGE] = 1;
	add(arena, nr * PAGE);
	ok(pmc_init(&pmc, pagemap_fd, &caps, PMC_SCAN, true));
	ok(pmc_get_map(&pmc, &l, 0, l.v[0].start, &hit));
	assert_int_equal(pmc.nr, PMC_MAX_REGIONS);
	assert_int_equal(pmc.want_end, l.v[0].end);
	assert_true(pmc.end < pmc.want_end);
	assert_true(pmc.end >= l.v[0].start + 2 * PMC_MAX_REGIONS * PAGE);
	assert_false(pmc_covers(&pmc, l.v[0].start, l.v[0].end));
	pmc_deinit(&pmc);

	for (int mode = PMC_SCAN; mode <= PMC_PREAD; mode++) {
		struct runs r;
		uint64_t at = l.v[0].start;

		fill_all((enum opt_pmc)mode, true, &pmc, &r);
		assert_int_equal(pmc.fills, mode == PMC_SCAN ? 2 : 1);
		assert_true(pmc.cap <= (mode == PMC_SCAN ? PMC_MAX_REGIONS : PMC_MAX_ENTRIES));
		for (size_t i = 0; i < r.nr; i++) {
			assert_int_equal(r.r[i].start, at);
			for (; at < r.r[i].end; at += PAGE)
				assert_int_equal(r.r[i].categories, (at - l.v[0].start) / PAGE & 1 ?
									    PAGE_IS_PRESENT :
									    0);
		}
		assert_int_equal(at, l.v[0].end);
		pmc_deinit(&pmc);
		free(r.r);
	}
}

/* Several pieces, pages at their edges. */
TEST(a_vma_longer_than_a_buffer_is_read_in_pieces, NULL, end)
{
	static const size_t page[] = { 0, 3, PMC_MAX_ENTRIES - 1, PMC_MAX_ENTRIES,
				       3 * (size_t)PMC_MAX_ENTRIES - 1 };
	const size_t len = 3 * (size_t)PMC_MAX_ENTRIES * PAGE;

	arena = reserve(len);
	if (!arena)
		skip_because("cannot reserve 6 GiB of addresses");
	for (size_t i = 0; i < 5; i++) {
		MUST(!mprotect(arena + page[i] * PAGE, PAGE, RW));
		arena[page[i] * PAGE] = 1;
	}
	add(arena, len);
	/* huge pages of hugetlbfs are not in Rss: as a reservation they would be lost */
	for (int hugetlb = 0; hugetlb < 2; hugetlb++) {
		l.v[0].vmf = hugetlb ? VMF_HUGETLB : 0;
		l.v[0].rss_bytes = hugetlb ? 0 : 5 * PAGE;
		for (int mode = PMC_SCAN; mode <= PMC_PREAD; mode++) {
			struct pmc pmc;
			struct runs r;
			size_t found = 0;

			if (mode == PMC_SCAN && !caps.pagemap_scan)
				continue;
			fill_all((enum opt_pmc)mode, true, &pmc, &r);
			assert_int_equal(pmc.fills, mode == PMC_SCAN ? 1 : 3);
			assert_true(pmc.cap <= PMC_MAX_ENTRIES);
			for (size_t i = 0; i < r.nr; i++)
				for (uint64_t a = r.r[i].start; r.r[i].categories && a < r.r[i].end;
				     a += PAGE) {
					assert_true(found < 5);
					assert_int_equal(a, l.v[0].start + page[found++] * PAGE);
				}
			assert_int_equal(found, 5);
			pmc_deinit(&pmc);
			free(r.r);
		}
	}
}

TEST(a_terabyte_of_nothing_costs_nothing, NULL, end)
{
	const size_t len = 1024 * GIB;

	arena = reserve(len);
	if (!arena)
		skip_because("cannot reserve 1 TiB of addresses");
	add(arena, len)->rss_bytes = 0;
	for (int mode = PMC_SCAN; mode <= PMC_PREAD; mode++) {
		struct timespec t0, t1;
		struct pmc pmc;
		struct runs r;

		if (mode == PMC_SCAN && !caps.pagemap_scan)
			continue;
		uint64_t before = peak_reset();

		clock_gettime(CLOCK_MONOTONIC, &t0);
		fill_all((enum opt_pmc)mode, true, &pmc, &r);
		clock_gettime(CLOCK_MONOTONIC, &t1);
		uint64_t after = status_kib("VmHWM");
		double s =
			(double)(t1.tv_sec - t0.tv_sec) + (double)(t1.tv_nsec - t0.tv_nsec) / 1e9;

		print_message("%s: %.3f s, %llu KiB\n", mode == PMC_SCAN ? "scan" : "pread", s,
			      (unsigned long long)(after - before));
		assert_true(s < 1);
		assert_true(after - before < 8 * 1024);
		assert_int_equal(r.nr, 1);
		assert_int_equal(r.r[0].end - r.r[0].start, len);
		assert_int_equal(r.r[0].categories, 0);
		pmc_deinit(&pmc);
		free(r.r);
	}
}

GROUP(setup, NULL);
