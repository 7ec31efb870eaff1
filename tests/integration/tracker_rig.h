/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Freezing targets, and asking a tracker about their pages. */
#ifndef STEPDUMP_TEST_TRACKER_RIG_H
#define STEPDUMP_TEST_TRACKER_RIG_H

#include "engine/dump/tracker.h"
#include "engine/pages/caps.h"
#include "engine/pages/pagemap.h"
#include "engine/pages/pmc.h"
#include "engine/proc/proc.h"

#include "keeper_live.h"
#include "tests/unit/unit.h"

struct frozen {
	struct keeper *k;
	struct keeper_task task;
	struct vma_list vmas;
	int pagemap_fd;
};

__attribute__((unused)) static void freeze(struct keeper *k, pid_t pid, struct frozen *f)
{
	f->k = k;
	assert_ok(keeper_seize(k, pid, &f->task));
	assert_ok(proc_read_vmas(pid, &f->vmas));
	assert_ok(pagemap_open(pid, &f->pagemap_fd));
}

__attribute__((unused)) static void thaw(struct frozen *f)
{
	close(f->pagemap_fd);
	assert_ok(keeper_release(f->k, f->task.pid));
	keeper_task_deinit(&f->task);
	vma_list_deinit(&f->vmas);
}

__attribute__((unused)) static struct tracker *track(struct frozen *f, enum opt_track want,
						     const struct caps *c)
{
	struct tracker *t;

	assert_ok(tracker_create(want, f->k, f->task.pid, f->task.start_time_ticks, c, &t));
	return t;
}

/* A page that a dump would write. */
static inline bool is_data(const struct vma *v, uint64_t cats)
{
	return vma_is_private(v) && !vma_never_dumped(v) &&
	       (cats & (PAGE_IS_PRESENT | PAGE_IS_SWAPPED)) &&
	       !(cats & (PAGE_IS_PFNZERO | PAGE_IS_FILE | PAGE_IS_GUARD));
}

/* Calls fn for each run of pages of VMA number i that are in the same state. */
__attribute__((unused)) static void for_each_run(
	struct frozen *f, const struct caps *c, const struct tracker *t, size_t i,
	void (*fn)(void *arg, const struct vma *v, uint64_t start, uint64_t end, uint64_t cats),
	void *arg)
{
	const struct vma *v = &f->vmas.v[i];
	struct pmc pmc;
	bool hit;

	assert_ok(pmc_init(&pmc, f->pagemap_fd, c, PMC_AUTO, false));
	pmc.extra = tracker_categories(t);
	for (uint64_t at = v->start; at < v->end;) {
		assert_ok(pmc_get_map(&pmc, &f->vmas, i, at, &hit));
		while (at < v->end && at < pmc.end) {
			uint64_t end, cats = pmc_run(&pmc, at, v->end, &end);

			fn(arg, v, at, end, cats);
			at = end;
		}
	}
	pmc_deinit(&pmc);
}

struct page_question {
	const struct tracker *t;
	uint64_t addr;
	char answer;
};

__attribute__((unused)) static void answer_page(void *arg, const struct vma *v, uint64_t start,
						uint64_t end, uint64_t cats)
{
	struct page_question *q = arg;

	if (q->addr < start || q->addr >= end)
		return;
	if (!is_data(v, cats))
		q->answer = '-';
	else
		q->answer = tracker_page_dirty(q->t, v, cats) ? 'd' : 'c';
}

/* 'd' dirty, 'c' clean, '-' nothing that a dump would write. */
__attribute__((unused)) static char page_state(struct frozen *f, const struct caps *c,
					       const struct tracker *t, uint64_t addr)
{
	struct page_question q = { .t = t, .addr = addr };
	ssize_t i = vma_list_find(&f->vmas, addr);

	assert_true(i >= 0);
	for_each_run(f, c, t, (size_t)i, answer_page, &q);
	return q.answer;
}

/* "ddc-" for four pages from `addr`. */
__attribute__((unused)) static const char *page_states(struct frozen *f, const struct caps *c,
						       const struct tracker *t, uint64_t addr,
						       size_t nr)
{
	static char buf[256];

	assert_true(nr < sizeof(buf));
	for (size_t i = 0; i < nr; i++)
		buf[i] = page_state(f, c, t, addr + i * PAGE);
	buf[nr] = 0;
	return buf;
}

/* Why this kind of tracking cannot be tested here; NULL: it can. */
__attribute__((unused)) static const char *cannot_track(enum opt_track want, const struct caps *c)
{
	if (want == OPT_TRACK_SOFT_DIRTY)
		return c->soft_dirty ? NULL : "this kernel has no soft-dirty bits";
	return c->uffd_wp_async ? NULL : "no asynchronous write-protection by userfaultfd here";
}

#endif
