/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/pages/pagemap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/io.h"
#include "engine/proc/proc_priv.h"
#include "engine/proc/vma.h"

/* With more regions than this in one call the kernel returns a walk_end that is too low. */
#define SCAN_VEC_MAX 512u

/* What one entry of the second level of page tables maps. */
#define HUGE_PAGE_SIZE (PAGE_BYTES * (PAGE_BYTES / 8))

struct scan_arg { /* struct pm_scan_arg */
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define IOCTL_PAGEMAP_SCAN _IOWR('f', 16, struct scan_arg)

struct err *pagemap_open(pid_t pid, int *fd_ret)
{
	return proc_open(pid, "pagemap", O_RDONLY, fd_ret);
}

/* One ioctl into out[0..cap).  Returns the number of regions, or -1 with errno. */
static ssize_t scan_once(int fd, uint64_t start, uint64_t end, const struct pagemap_scan_query *q,
			 struct page_region *out, size_t cap, uint64_t *walk_end_ret)
{
	struct scan_arg arg = {
		.size = sizeof(arg),
		.flags = q->flags,
		.start = start,
		.end = end,
		.vec = (uintptr_t)out,
		.vec_len = cap,
		.category_inverted = q->category_inverted,
		.category_mask = q->category_mask,
		.category_anyof_mask = q->category_anyof_mask,
		.return_mask = q->return_mask,
	};
	int n = FAULT(PAGEMAP_SCAN, ioctl(fd, IOCTL_PAGEMAP_SCAN, &arg));

	if (n < 0)
		return -1;
	/* walk_end can be trusted only if the vector filled up */
	if ((size_t)n < cap)
		*walk_end_ret = end;
	else
		*walk_end_ret = arg.walk_end > out[n - 1].end ? arg.walk_end : out[n - 1].end;
	return n;
}

/* out[0..nr) are done; the n behind them are new.  Merges equal neighbours, drops what was
 * seen already and what nobody asked for.  Returns the new number. */
static size_t append_regions(struct page_region *out, size_t nr, size_t n, uint64_t start,
			     uint64_t end)
{
	for (size_t i = nr, total = nr + n; i < total; i++) {
		struct page_region r = out[i];

		r.start = r.start < start ? start : r.start;
		r.end = r.end > end ? end : r.end;
		if (r.start >= r.end || (r.start | r.end) % PAGE_BYTES)
			continue;
		if (nr) {
			struct page_region *last = &out[nr - 1];

			if (r.end <= last->end)
				continue;
			if (r.start < last->end)
				r.start = last->end;
			if (r.start == last->end && r.categories == last->categories) {
				last->end = r.end;
				continue;
			}
		}
		out[nr++] = r;
	}
	return nr;
}

struct err *pagemap_scan(int pagemap_fd, uint64_t start, uint64_t end,
			 const struct pagemap_scan_query *q, struct page_region *out, size_t cap,
			 size_t *nr_ret, uint64_t *walk_end_ret)
{
	uint64_t at = start;
	size_t nr = 0;

	while (at < end && nr < cap) {
		size_t room = cap - nr < SCAN_VEC_MAX ? cap - nr : SCAN_VEC_MAX;
		uint64_t from = at;
		ssize_t n = scan_once(pagemap_fd, from, end, q, out + nr, room, &at);

		if (n < 0 && errno == ENOTTY)
			return err_new(ERR_UNSUPPORTED, "this kernel has no PAGEMAP_SCAN");
		if (n < 0)
			return err_vaddr(err_sys(errno, "PAGEMAP_SCAN of %lx-%lx", from, end),
					 from);
		nr = append_regions(out, nr, (size_t)n, start, end);
		at -= at % PAGE_BYTES;
		if (at <= from || at > end)
			return err_vaddr(
				err_new(ERR_FORMAT,
					"PAGEMAP_SCAN of %lx-%lx says that it ended at %lx", from,
					end, at),
				from);
	}
	*nr_ret = nr;
	*walk_end_ret = at;
	return NULL;
}

struct err *pagemap_scan_guards(int pagemap_fd, uint64_t start, uint64_t end,
				struct err *(*fn)(void *arg, uint64_t start, uint64_t end),
				void *arg)
{
	const struct pagemap_scan_query q = {
		.category_mask = PAGE_IS_GUARD,
		.return_mask = PAGE_IS_GUARD,
	};
	struct page_region found[SCAN_VEC_MAX], held = { 0 };

	while (start < end) {
		size_t nr = 0;

		TRY(pagemap_scan(pagemap_fd, start, end, &q, found, SCAN_VEC_MAX, &nr, &start));
		for (size_t i = 0; i < nr; i++) {
			/* the last one of a full vector may go on in the next */
			if (held.end == found[i].start && held.end) {
				held.end = found[i].end;
				continue;
			}
			if (held.end)
				TRY(fn(arg, held.start, held.end));
			held = found[i];
		}
	}
	return held.end ? fn(arg, held.start, held.end) : NULL;
}

struct err *pagemap_read(int pagemap_fd, uint64_t start, size_t nr_pages, uint64_t *out)
{
	size_t len = nr_pages * sizeof(*out);
	ssize_t n = FAULT(PAGEMAP_READ, pread_full(pagemap_fd, out, len,
						   (off_t)(start / PAGE_BYTES * sizeof(*out))));

	if (n < 0)
		return err_vaddr(err_sys(errno, "reading pagemap at %lx", start), start);
	if ((size_t)n < len)
		return err_vaddr(err_new(ERR_TARGET,
					 "pagemap has no entries at %lx: the process is gone, or "
					 "did exec",
					 start),
				 start);
	return NULL;
}

/* ---- probes --------------------------------------------------------------------- */

static bool scan_accepts(int fd, const volatile char *page, uint64_t category)
{
	const struct pagemap_scan_query q = {
		.category_anyof_mask = PAGE_IS_PRESENT | category,
		.return_mask = PAGE_IS_PRESENT | category,
	};
	uint64_t start = (uintptr_t)page, walk_end;
	struct page_region r;

	return scan_once(fd, start, start + PAGE_BYTES, &q, &r, 1, &walk_end) == 1 &&
	       (r.categories & PAGE_IS_PRESENT);
}

static struct err *probe_zero_page(int fd, struct pagemap_probe *p)
{
	uint64_t entry;
	volatile char *page = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return err_sys(errno, "mapping a page");
	(void)page[0];
	p->scan = scan_accepts(fd, page, 0);
	p->scan_guard = p->scan && scan_accepts(fd, page, PAGE_IS_GUARD);
	p->scan_soft_dirty = p->scan && scan_accepts(fd, page, PAGE_IS_SOFT_DIRTY);

	struct err *e = pagemap_read(fd, (uintptr_t)page, 1, &entry);
	if (!e && (entry & PM_PRESENT) && (entry & PM_PFN_MASK)) {
		p->pfn_visible = true;
		p->zero_pfn = entry & PM_PFN_MASK;
	}
	munmap((void *)page, PAGE_BYTES);
	return e;
}

/* A huge page read before it was written is the huge zero page, if THP is not off. */
static struct err *probe_huge_zero_page(int fd, struct pagemap_probe *p)
{
	const size_t len = 2 * HUGE_PAGE_SIZE;
	uint64_t entry[2];
	char *map = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED)
		return err_sys(errno, "mapping %zu bytes", len);
	uintptr_t huge = ((uintptr_t)map + HUGE_PAGE_SIZE - 1) & ~(HUGE_PAGE_SIZE - 1);

	struct err *e = NULL;
	if (!madvise((void *)huge, HUGE_PAGE_SIZE, MADV_HUGEPAGE)) {
		(void)*(volatile char *)huge;
		e = pagemap_read(fd, huge, 2, entry);
		if (!e && (entry[1] & PM_PRESENT) && entry[1] == entry[0] + 1 &&
		    (entry[0] & PM_PFN_MASK) != p->zero_pfn)
			p->huge_zero_pfn = entry[0] & PM_PFN_MASK;
	}
	munmap(map, len);
	return e;
}

struct err *pagemap_probe(struct pagemap_probe *ret)
{
	struct pagemap_probe p = { 0 };
	int fd;

	TRY(pagemap_open(getpid(), &fd));
	struct err *e = probe_zero_page(fd, &p);
	if (!e && p.pfn_visible)
		e = probe_huge_zero_page(fd, &p);
	close(fd);
	if (!e)
		*ret = p;
	return e;
}
