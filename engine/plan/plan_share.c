/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pages that tasks of a tree have in common since a fork.  A dump writes them once for each task.
 * Only pages that the kernel calls mapped more than once (bit 56 of the pagemap clear) are compared:
 * by page frame where it can be seen, else by address and content.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/vec.h"
#include "engine/plan/plan_priv.h"

#define BATCH 512u
/* Without frames the pages themselves are read: that has a bound. */
#define CANDIDATES_MAX (1u << 24)

struct sharing {
	struct plan *p;
	uint64_t *key; /* one per candidate; owned */
	size_t nr;
	uint64_t compared;
	uint64_t most; /* pages that are read at most, without frames */
	bool frames;
};

/* A number that is equal for tasks that share the page; 0: not known. */
static uint64_t sharing_key(const struct sharing *s, const struct target *t, uint64_t addr,
			    uint64_t raw)
{
	char page[PAGE_BYTES_MAX];

	if (s->frames)
		return (raw & PM_PFN_MASK) | (raw & PM_SWAP); /* a swap slot is shared likewise */
	if (raw & PM_SWAP || s->compared > s->most ||
	    RETRY(pread(t->task.mem_fd, page, PAGE_BYTES, (off_t)addr)) != (ssize_t)PAGE_BYTES)
		return 0;
	return page_hash(page) ^ addr * 0x9e3779b97f4a7c15ull;
}

static void sharing_run(const struct plan_run *run, void *arg)
{
	struct sharing *s = arg;
	const struct target *t = &s->p->t[run->task];
	uint64_t raw[BATCH];

	for (uint64_t at = run->start; at < run->end; at += BATCH * PAGE_BYTES) {
		size_t n =
			(run->end - at) / PAGE_BYTES < BATCH ? (run->end - at) / PAGE_BYTES : BATCH;
		struct err *e = pagemap_read(t->pagemap_fd, at, n, raw);

		if (e) { /* the page went away meanwhile */
			err_free(e);
			return;
		}
		for (size_t i = 0; i < n && s->nr < CANDIDATES_MAX; i++) {
			uint64_t key;

			if (raw[i] & PM_MMAP_EXCLUSIVE || !(raw[i] & (PM_PRESENT | PM_SWAP)))
				continue;
			s->compared++;
			key = sharing_key(s, t, at + i * PAGE_BYTES, raw[i]);
			if (key)
				*vec_push(s->key, s->nr) = key;
		}
	}
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

struct err *plan_sharing(struct plan *p)
{
	struct sharing s = { .p = p,
			     .most = p->req->read_bytes / PAGE_BYTES,
			     .frames = p->env->caps->pfn_visible };
	Stepdump__PlanSharing *o = MSG_NEW(Stepdump__PlanSharing, plan_sharing);
	struct err *e = plan_each_run(p, sharing_run, &s);

	p->r->sharing = o;
	o->method = xstrdup(s.frames ? "pfn" : "content");
	vec_sort(s.key, s.nr, by_number);
	for (size_t i = 0, n; i < s.nr; i += n) {
		for (n = 1; i + n < s.nr && s.key[i + n] == s.key[i]; n++)
			;
		o->pages += n > 1;
		o->written_again += n - 1;
	}
	SET(o, compared, s.compared);
	if (s.nr == CANDIDATES_MAX || (!s.frames && s.compared > s.most))
		o->limits = xstrdup("not all candidates were compared: at least so many");
	free(s.key);
	return e;
}
