/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pages that the pagemap calls swapped where nothing is swapped out: markers.  CRIU takes them for pages,
 * and the parasite then cannot splice them, or dumps memory that was never touched.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/vec.h"
#include "engine/diagnose/check_priv.h"
#include "engine/pages/pagemap.h"

#define REGIONS 256
#define REGIONS_MAX 65536 /* of a process that is swapped out in pieces */
#define SUSPECTS_MAX 256  /* that are looked at twice, 5 ms apart */

struct markers {
	struct look *k;
	int fd;
	size_t suspects;
};

/* A page that is moved in memory looks swapped for a moment. */
static bool marker_stays(const struct markers *m, uint64_t addr, uint64_t raw)
{
	uint64_t again = 0;

	nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	struct err *e = pagemap_read(m->fd, addr, 1, &again);

	err_free(e);
	return !e && again == raw;
}

/* [start, end) of one VMA, all of it called swapped. */
static void look_at_markers(struct markers *m, const struct vma *v, uint64_t start, uint64_t end)
{
	struct look *k = m->k;
	uint64_t raw = 0;
	struct err *e = pagemap_read(m->fd, start, 1, &raw);

	if (e) {
		err_free(e);
		return;
	}
	if (!(raw & PM_SWAP) || raw & PM_GUARD_REGION || !marker_stays(m, start, raw))
		return;
	if (raw & PM_UFFD_WP)
		found(k, CAUSE_UFFD_WP_MARKERS, v,
		      "/proc/%d/pagemap: %lu pages from %lx on are markers (bits 62 and 57)",
		      k->pid, (end - start) / PAGE_BYTES, start);
	else
		found(k, CAUSE_POISONED, v,
		      "/proc/%d/pagemap: page %lx is %016lx (bit 62), and smaps counts no swap there",
		      k->pid, start, raw);
}

static void region_in_vmas(struct markers *m, const struct page_region *r)
{
	const struct vma_list *l = &m->k->vmas;
	size_t i = vec_first(l->nr, k, l->v[k].end > r->start);

	for (; i < l->nr && l->v[i].start < r->end; i++) {
		const struct vma *v = &l->v[i];

		if (vma_is_private(v) && !v->swap_bytes && !(v->vmf & VMF_HUGETLB) &&
		    m->suspects++ < SUSPECTS_MAX)
			look_at_markers(m, v, v->start > r->start ? v->start : r->start,
					v->end < r->end ? v->end : r->end);
	}
}

static struct err *scan_markers(struct markers *m)
{
	static const struct pagemap_scan_query swapped = { .category_mask = PAGE_IS_SWAPPED,
							   .return_mask = PAGE_IS_SWAPPED };
	struct page_region out[REGIONS];
	size_t nr, looked = 0;

	for (uint64_t at = 0; at < PAGEMAP_TASK_SIZE && looked < REGIONS_MAX;) {
		TRY(pagemap_scan(m->fd, at, PAGEMAP_TASK_SIZE, &swapped, out, REGIONS, &nr, &at));
		for (size_t i = 0; i < nr; i++)
			region_in_vmas(m, &out[i]);
		looked += nr;
	}
	return NULL;
}

static struct err *note_guard(void *arg, uint64_t start, uint64_t end)
{
	*(uint64_t *)arg = start;
	(void)end;
	return err_new(ERR_INTERRUPTED, "one is enough");
}

/* CRIU 4.2 keeps guard regions behind the last mapping; without a vsyscall page there it trips over them. */
static void check_guards(struct look *k, int fd)
{
	uint64_t guard = 0;

	if (!k->env->caps->scan_guard || !k->vmas.nr ||
	    k->vmas.v[k->vmas.nr - 1].status & VMA_AREA_VSYSCALL)
		return;
	err_free(pagemap_scan_guards(fd, 0, PAGEMAP_TASK_SIZE, note_guard, &guard));
	if (guard)
		found(k, CAUSE_GUARD_LOOKAHEAD, NULL,
		      "/proc/%d/pagemap: guard page at %lx; no [vsyscall] in /proc/%d/maps", k->pid,
		      guard, k->pid);
}

void check_pages(struct look *k)
{
	AUTO_CLOSE int fd = -1;
	struct markers m = { .k = k };
	struct err *e = pagemap_open(k->pid, &fd);

	if (e) {
		found(k, CAUSE_PAGEMAP_REFUSED, NULL, "/proc/%d/pagemap: %s", k->pid,
		      err_errno_name(e->sys_errno));
		err_free(e);
		return;
	}
	m.fd = fd;
	if (k->env->caps->pagemap_scan)
		err_free(scan_markers(&m));
	check_guards(k, fd);
}
