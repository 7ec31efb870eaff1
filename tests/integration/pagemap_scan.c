/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pagemap_scan() against entries read one by one, and against what we did to the pages. */
#include "engine/pages/pagemap.h"
#include "engine/proc/vma.h"

#include "tests/lib/test.h"

#define PAGES 8192u
#define MADV_GUARD_INSTALL_NR 102

static const struct pagemap_scan_query taken = {
	/* CRIU's own query */
	.category_inverted = PAGE_IS_PFNZERO | PAGE_IS_FILE,
	.category_mask = PAGE_IS_PFNZERO | PAGE_IS_FILE,
	.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
	.return_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
};

static struct pagemap_probe probe;
static int fd;
static char *area;
static bool touched[PAGES];

static int set_up(void **state)
{
	if (pagemap_probe(&probe) || pagemap_open(getpid(), &fd))
		return -1;
	area = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	if (area == MAP_FAILED || madvise(area, PAGES * PAGE_BYTES, MADV_NOHUGEPAGE))
		return -1;
	/* first every second page: far more regions than one ioctl takes; then at random */
	for (unsigned i = 0; i < PAGES; i++) {
		touched[i] = i < PAGES / 2 ? i % 2 : rnd(3) == 0;
		if (touched[i])
			area[i * PAGE_BYTES] = 1;
	}
	return 0;
}

static void need_scan(void)
{
	if (!probe.scan)
		skip_because("this kernel has no PAGEMAP_SCAN");
}

static uint64_t page_addr(unsigned i)
{
	return (uintptr_t)area + i * PAGE_BYTES;
}

/* Marks the pages of the regions; checks that they ascend, without overlap and unmerged. */
static void mark(const struct page_region *r, size_t nr, uint64_t floor, bool *seen)
{
	for (size_t i = 0; i < nr; i++) {
		assert_true(r[i].start >= floor && r[i].end > r[i].start);
		if (i)
			assert_true(r[i].start > r[i - 1].end);
		for (uint64_t a = r[i].start; a < r[i].end; a += PAGE_BYTES) {
			unsigned page = (a - page_addr(0)) / PAGE_BYTES;

			assert_false(seen[page]);
			seen[page] = true;
		}
		floor = r[i].end;
	}
}

/* The answer must be the same, whatever room there is for it. */
TEST(every_capacity)
{
	static const size_t caps[] = { 1, 2, 511, 512, 513, 1024, PAGES };
	struct page_region *r = calloc(PAGES, sizeof(*r));

	need_scan();
	for (size_t c = 0; c < ARRAY_SIZE(caps); c++) {
		bool seen[PAGES] = { false };
		uint64_t at = page_addr(0);

		while (at < page_addr(PAGES)) {
			uint64_t from = at;
			size_t nr;

			ok(pagemap_scan(fd, at, page_addr(PAGES), &taken, r, caps[c], &nr, &at));
			assert_true(nr <= caps[c]);
			assert_true(at > from);
			if (nr < caps[c])
				assert_int_equal(at, page_addr(PAGES));
			mark(r, nr, from, seen);
		}
		assert_memory_equal(seen, touched, sizeof(seen));
	}
	free(r);
}

TEST(entries_agree)
{
	uint64_t *entry = calloc(PAGES, sizeof(*entry));

	ok(pagemap_read(fd, page_addr(0), PAGES, entry));
	for (unsigned i = 0; i < PAGES; i++)
		assert_int_equal(!!(entry[i] & (PM_PRESENT | PM_SWAP)), touched[i]);
	free(entry);
}

struct guards {
	uint64_t start[2000], end[2000];
	size_t nr;
};

static struct err *add_guard(void *arg, uint64_t start, uint64_t end)
{
	struct guards *g = arg;

	g->start[g->nr] = start;
	g->end[g->nr++] = end;
	return NULL;
}

static struct err *give_up(void *arg, uint64_t start, uint64_t end)
{
	++*(int *)arg;
	return err_new(ERR_INTERRUPTED, "enough");
}

TEST(guard_regions)
{
	const size_t pages = 4096;
	char *g = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct guards *found = calloc(1, sizeof(*found));
	uint64_t base = (uintptr_t)g, entry;
	int calls = 0;

	assert_ptr_not_equal(g, MAP_FAILED);
	need_scan();
	if (!probe.scan_guard || madvise(g, PAGE_BYTES, MADV_GUARD_INSTALL_NR))
		skip_because("no guard regions here");
	/* 1024 single pages, then a region of 2000 pages, which several page tables hold */
	for (size_t i = 0; i < 1024; i++)
		assert_int_equal(madvise(g + (2 * i + (i > 0)) * PAGE_BYTES, PAGE_BYTES,
					 MADV_GUARD_INSTALL_NR),
				 0);
	assert_int_equal(madvise(g + 2090 * PAGE_BYTES, 2000 * PAGE_BYTES, MADV_GUARD_INSTALL_NR),
			 0);

	ok(pagemap_scan_guards(fd, base, base + pages * PAGE_BYTES, add_guard, found));
	assert_int_equal(found->nr, 1025);
	assert_int_equal(found->start[0], base);
	for (size_t i = 1; i < 1024; i++) {
		assert_int_equal(found->start[i], base + (2 * i + 1) * PAGE_BYTES);
		assert_int_equal(found->end[i], found->start[i] + PAGE_BYTES);
	}
	assert_int_equal(found->start[1024], base + 2090 * PAGE_BYTES);
	assert_int_equal(found->end[1024], base + 4090 * PAGE_BYTES);

	ok(pagemap_read(fd, base, 1, &entry));
	assert_true(entry & PM_GUARD_REGION);

	struct err *e = pagemap_scan_guards(fd, base, base + pages * PAGE_BYTES, give_up, &calls);
	assert_non_null(e);
	assert_int_equal(e->code, ERR_INTERRUPTED);
	assert_int_equal(calls, 1);
	err_free(e);
	munmap(g, pages * PAGE_BYTES);
	free(found);
}

TEST(zero_pages)
{
	uint64_t entry;
	volatile char *p =
		mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (!probe.pfn_visible)
		skip_because("page frame numbers are hidden");
	(void)p[0];
	ok(pagemap_read(fd, (uintptr_t)p, 1, &entry));
	assert_int_equal(entry & PM_PFN_MASK, probe.zero_pfn);
	p[0] = 0;
	ok(pagemap_read(fd, (uintptr_t)p, 1, &entry));
	assert_int_not_equal(entry & PM_PFN_MASK, probe.zero_pfn);
	munmap((void *)p, PAGE_BYTES);
}

TEST(huge_zero_page)
{
	const size_t huge = 2 << 20;
	char *map =
		mmap(NULL, 2 * huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t at = ((uintptr_t)map + huge - 1) & ~(huge - 1), entry[512];

	if (!probe.huge_zero_pfn)
		skip_because("no huge zero page seen");
	assert_int_equal(madvise((void *)at, huge, MADV_HUGEPAGE), 0);
	(void)*(volatile char *)at;
	ok(pagemap_read(fd, at, 512, entry));
	for (int i = 0; i < 512; i++)
		assert_int_equal(entry[i] & PM_PFN_MASK, probe.huge_zero_pfn + i);

	if (probe.scan) { /* the kernel's own opinion */
		const struct pagemap_scan_query q = { .return_mask = PAGE_IS_PFNZERO };
		struct page_region r;
		uint64_t walk_end;
		size_t nr;

		ok(pagemap_scan(fd, at, at + huge, &q, &r, 1, &nr, &walk_end));
		assert_int_equal(nr, 1);
		assert_int_equal(r.categories, PAGE_IS_PFNZERO);
		assert_int_equal(r.end - r.start, huge);
	}
	munmap(map, 2 * huge);
}

TEST(gone)
{
	uint64_t entry;
	int its;
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	ok(pagemap_open(pid, &its));
	ok(pagemap_read(its, page_addr(1), 1, &entry));
	assert_true(entry & PM_PRESENT);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	struct err *e = pagemap_read(its, page_addr(1), 1, &entry);
	fails(e, ERR_TARGET, "");
	close(its);
	e = pagemap_open(pid, &its);
	fails(e, ERR_TARGET, "");
}

TEST(unknown_category)
{
	const struct pagemap_scan_query q = { .category_mask = 1ull << 60,
					      .return_mask = 1ull << 60 };
	struct page_region r;
	uint64_t walk_end;
	size_t nr;

	need_scan();
	struct err *e = pagemap_scan(fd, page_addr(0), page_addr(1), &q, &r, 1, &nr, &walk_end);
	assert_non_null(e);
	assert_int_equal(e->sys_errno, 22);
	assert_true(e->has_vaddr);
	err_free(e);
}

GROUP(set_up, NULL);
