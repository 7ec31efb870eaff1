/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes as what the kernel says of a target's pages: entries of pagemap, and regions of the ioctl
 * PAGEMAP_SCAN, which this program answers itself.  A walk over the mappings comes to an end, page by page in
 * address order, whatever the answers are, or fails.
 *
 * An input is: one byte of PM_* below, the number of mappings in one byte, for each a gap and a length in pages
 * (one byte, two bytes) and one byte for its kind; the rest are the answers, over and over.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/pages/page_walk.h"
#include "engine/pages/verdict.h"

#include "tests/lib/fuzz.h"

#define USE_SCAN 1
#define USE_CACHE 2
#define USE_GUARDS 4
#define USE_PFNS 8
#define USE_RAW 16 /* regions as they come, not ones that a kernel might make */

#define MAX_VMAS 8
#define MAX_PAGES                                                                                  \
	4096 /* of all mappings and gaps: the file that stands for pagemap has as many entries */
#define FIRST 0x200000ul
/* A kernel that never says anything new is not asked for ever. */
#define MAX_ANSWERS 100000u

static const uint8_t *answers;
static size_t nr_answers, at_answer;
static unsigned asked, use;
static int pagemap_fd = -1;

static void next_bytes(void *to, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		((uint8_t *)to)[i] = nr_answers ? answers[at_answer++ % nr_answers] : 0;
}

struct scan_arg { /* struct pm_scan_arg */
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

/* Like the kernel: in order, within what was asked for. */
static unsigned likely_regions(struct scan_arg *a, struct page_region *r)
{
	uint64_t at = a->start;
	unsigned n = 0;

	while (n < a->vec_len && at < a->end) {
		struct {
			uint8_t gap, pages;
			uint16_t categories;
		} c;

		next_bytes(&c, sizeof(c));
		if (c.gap == 255)
			break;
		r[n].start = at + c.gap % 16 * PAGE_BYTES;
		r[n].end = r[n].start + (1ul + c.pages) * PAGE_BYTES;
		r[n].categories = c.categories & a->return_mask;
		if (r[n].start >= a->end)
			break;
		if (r[n].end > a->end)
			r[n].end = a->end;
		at = r[n++].end;
	}
	a->walk_end = n == a->vec_len ? at : a->end;
	return n;
}

/* In the place of libc's, for the one call that the walk makes. */
int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	uint8_t n;

	va_start(ap, request);
	struct scan_arg *a = va_arg(ap, struct scan_arg *);
	va_end(ap);
	struct page_region *r = (struct page_region *)(uintptr_t)a->vec;

	require(fd == pagemap_fd && a->size == sizeof(*a) && a->start < a->end && a->vec_len,
		"a call that makes sense", "");
	if (asked++ > MAX_ANSWERS) {
		errno = EIO;
		return -1;
	}
	if (!(use & USE_RAW))
		return (int)likely_regions(a, r);
	next_bytes(&n, 1);
	if (n == 255) {
		errno = EFAULT;
		return -1;
	}
	n = n < a->vec_len ? n : (uint8_t)a->vec_len;
	next_bytes(r, n * sizeof(*r));
	next_bytes(&a->walk_end, sizeof(a->walk_end));
	return n;
}

/* Takes the mappings off the input. */
static void make_vmas(struct vma_list *l, unsigned nr, const uint8_t **data, size_t *size)
{
	uint64_t at = FIRST, end = FIRST + MAX_PAGES * PAGE_BYTES;

	for (; nr && *size >= 4; nr--, *data += 4, *size -= 4) {
		const uint8_t *d = *data;
		uint64_t pages = 1 + ((uint64_t)d[1] | (uint64_t)d[2] << 8) % 1024;
		struct vma v = {
			.start = at + d[0] * PAGE_BYTES,
			.status = VMA_AREA_REGULAR | VMA_ANON_PRIVATE,
			.flags = MAP_PRIVATE | MAP_ANONYMOUS,
			.prot = d[3] & 7,
			.rss_bytes = d[3] & 8 ? PAGE_BYTES : 0,
		};

		v.end = v.start + pages * PAGE_BYTES;
		if (v.end > end)
			break;
		at = v.end;
		vma_list_add(l, &v, "");
	}
}

static bool check_walk(struct pmc *pmc, const struct vma_list *l)
{
	struct page_walk w = { .pmc = pmc, .vmas = l, .end = UINT64_MAX };
	struct page_run run;
	uint64_t at = 0, pages = 0, want = 0;
	struct err *e;

	while (!(e = page_walk_next(&w, &run)) && run.vma) {
		require(run.start < run.end && run.start >= at, "order", "");
		require(run.start >= run.vma->start && run.end <= run.vma->end,
			"a run is within its mapping", "");
		require(!((run.start | run.end) % PAGE_BYTES), "whole pages", "");
		at = run.end;
		pages += page_run_pages(&run);
		(void)page_verdict(run.vma, run.categories);
	}
	for (size_t i = 0; i < l->nr; i++)
		want += (l->v[i].end - l->v[i].start) / PAGE_BYTES;
	require(e || pages == want, "each page comes once", "");
	require(!e || e->msg, "an error has a text", "");
	bool good = !e;

	err_free(e);
	return good;
}

static uint64_t guards_end;

static struct err *on_guard(void *arg, uint64_t start, uint64_t end)
{
	require(start < end && start >= guards_end, "guards in order", "");
	guards_end = end;
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vma_list l = { 0 };
	struct caps caps = { 0 };
	struct pmc pmc;

	if (size < 3)
		return 0;
	if (pagemap_fd < 0)
		pagemap_fd = memfd_create("pagemap", MFD_CLOEXEC);
	use = data[0];
	caps.pagemap_scan = use & USE_SCAN;
	caps.scan_guard = use & USE_GUARDS;
	caps.pfn_visible = use & USE_PFNS;
	caps.zero_pfn = 7;
	unsigned nr = data[1] % (MAX_VMAS + 1);
	data += 2;
	size -= 2;
	make_vmas(&l, nr, &data, &size);
	answers = data;
	nr_answers = size;
	at_answer = asked = 0;

	/* The entries that pread() finds: a read beyond them is a target that is gone. */
	static uint64_t entries[MAX_PAGES];
	size_t have = use & USE_RAW && size ? data[0] * 16u : MAX_PAGES;

	/* With regions from ioctl(), only whether there is an entry matters. */
	if (ftruncate(pagemap_fd, (off_t)(FIRST / PAGE_BYTES * 8 + have * sizeof(*entries))))
		abort();
	if (!(use & USE_SCAN)) {
		next_bytes(entries, have * sizeof(*entries));
		at_answer = 0;
		if (pwrite(pagemap_fd, entries, have * sizeof(*entries), FIRST / PAGE_BYTES * 8) <
		    0)
			abort();
	}
	struct err *e = pmc_init(&pmc, pagemap_fd, &caps, PMC_AUTO, use & USE_CACHE);

	require(!e, "init", "");
	bool good = check_walk(&pmc, &l);

	pmc_deinit(&pmc);
	guards_end = 0;
	if (caps.scan_guard)
		err_free(pagemap_scan_guards(pagemap_fd, FIRST, FIRST + MAX_PAGES * PAGE_BYTES,
					     on_guard, NULL));
	vma_list_deinit(&l);
	return good;
}

#ifndef LIBFUZZER
static bool one_target(unsigned i)
{
	uint8_t buf[512];
	size_t n = 2 + rnd(sizeof(buf) - 2);

	for (size_t k = 0; k < n; k++)
		buf[k] = (uint8_t)rnd(256);
	if (rnd(4))
		buf[0] &= (uint8_t)~USE_RAW;
	return LLVMFuzzerTestOneInput(buf, n);
}

int main(int argc, char **argv)
{
	return fuzz_main(argc, argv, one_target, 50, 99);
}
#endif
