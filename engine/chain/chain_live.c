/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Compares a directory with the process that it was made from. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/vec.h"
#include "engine/chain/chain_rows.h"
#include "engine/chain/chain_verify.h"
#include "engine/image/image_dir.h"
#include "engine/image/image_set.h"
#include "engine/pages/page_walk.h"
#include "engine/pages/verdict.h"
#include "engine/proc/vma.h"
#include "proto/message.h"

#define BLOCK_PAGES 64u

struct live {
	const struct target *t;
	const struct caps *caps;
	chain_stop_t stop;
	struct page_read *pr;
	struct chain_reader reader;
	Criu__MmEntry *mm; /* NULL: the directory has none */
	Stepdump__LiveReport *r;
	size_t row; /* where the last page was counted */
	/* A shared object is read as a file: that touches no page table, and a page that is not in
	 * that of this task is there too.  -1: through the task. */
	int shared_fd;
	uint64_t shared_shift; /* from an address to an offset in the file */
	uint8_t image[BLOCK_PAGES * PAGE_BYTES_MAX], memory[BLOCK_PAGES * PAGE_BYTES_MAX];
};

/* ---- VMAs ---------------------------------------------------------------------------------- */

static Stepdump__LiveVma *live_push_row(struct live *l, uint64_t start, uint64_t end,
					const char *prot, const char *kind, const char *state)
{
	Stepdump__LiveVma *o = msg_push(&l->r->vmas, &l->r->n_vmas, sizeof(*o));

	stepdump__live_vma__init(o);
	o->start = start;
	o->end = end;
	o->prot = xstrdup(prot);
	o->kind = xstrdup(kind);
	o->state = xstrdup(state);
	SET(o, image_pages, 0);
	SET(o, same, 0);
	SET(o, changed, 0);
	SET(o, unreadable, 0);
	SET(o, missing, 0);
	return o;
}

static void push_live(struct live *l, const struct vma *v, const char *state)
{
	char prot[5];

	vma_prot_str(v->prot, v->vmf & VMF_SHARED, prot);
	Stepdump__LiveVma *o = live_push_row(l, v->start, v->end, prot, vma_kind(v), state);

	if (v->name && *v->name)
		o->name = xstrdup(v->name);
}

/* How an image's VMA differs from the one that is mapped now; NULL: it does not.  Caller frees. */
static char *difference(const Criu__VmaEntry *e, const struct vma *v)
{
	char was[5], is[5];

	chain_vma_prot(e, was);
	vma_prot_str(v->prot, v->vmf & VMF_SHARED, is);
	if (e->start != v->start || e->end != v->end)
		return xasprintf("was %lx-%lx", e->start, e->end);
	if (strcmp(was, is))
		return xasprintf("was %s", was);
	if (strcmp(chain_vma_kind(e), vma_kind(v)))
		return xasprintf("was %s", chain_vma_kind(e));
	if (e->flags != v->flags)
		return xasprintf("flags were %x, are %x", e->flags, v->flags);
	if (e->madv != v->madv)
		return xasprintf("madvise bits were %lx, are %lx", e->madv, v->madv);
	return NULL;
}

/* The mapping that `e` has become: same start, or same end (a stack grows down).  -1: none. */
static ssize_t find_live(const struct live *l, const Criu__VmaEntry *e)
{
	const struct vma_list *vl = &l->t->vmas;
	ssize_t i = vma_list_find(vl, e->start);

	if (i >= 0 && vl->v[i].start == e->start)
		return i;
	i = vma_list_find(vl, e->end - 1);
	return i >= 0 && vl->v[i].end == e->end ? i : -1;
}

static int by_start(const void *a, const void *b)
{
	const Stepdump__LiveVma *const *x = a, *const *y = b;

	return (*x)->start < (*y)->start ? -1 : (*x)->start > (*y)->start;
}

static void live_make_rows(struct live *l)
{
	const struct vma_list *vl = &l->t->vmas;
	AUTO_FREE bool *taken = xcalloc(vl->nr, sizeof(*taken));

	for (size_t i = 0; l->mm && i < l->mm->n_vmas; i++) {
		const Criu__VmaEntry *e = l->mm->vmas[i];
		ssize_t k = e->status & VMA_AREA_GUARD || e->start >= e->end ? -1 : find_live(l, e);
		char prot[5];

		if (e->status & VMA_AREA_GUARD)
			continue;
		if (k < 0 || taken[k]) {
			chain_vma_prot(e, prot);
			live_push_row(l, e->start, e->end, prot, chain_vma_kind(e), "gone");
			continue;
		}
		char *detail = difference(e, &vl->v[k]);

		push_live(l, &vl->v[k], detail ? "differs" : "same");
		l->r->vmas[l->r->n_vmas - 1]->detail = detail;
		taken[k] = true;
	}
	for (size_t i = 0; i < vl->nr; i++)
		if (!taken[i])
			push_live(l, &vl->v[i], l->mm ? "new" : "same");
	vec_sort(l->r->vmas, l->r->n_vmas, by_start);
}

/* Rows and pages both ascend: usually it is the row of the last page, or the next one. */
static Stepdump__LiveVma *row_of(struct live *l, uint64_t addr)
{
	for (int pass = 0; pass < 2; pass++, l->row = 0)
		for (size_t i = l->row; i < l->r->n_vmas && l->r->vmas[i]->start <= addr; i++)
			if (addr < l->r->vmas[i]->end) {
				l->row = i;
				return l->r->vmas[i];
			}
	/* An image whose pages lie outside of its VMAs. */
	Stepdump__LiveVma *o =
		live_push_row(l, addr, addr + PAGE_BYTES, "----", "unmapped", "gone");

	vec_sort(l->r->vmas, l->r->n_vmas, by_start);
	return o;
}

/* ---- pages --------------------------------------------------------------------------------- */

static void count_page(struct live *l, uint64_t addr, const uint8_t *image, const uint8_t *memory)
{
	Stepdump__LiveVma *row = row_of(l, addr);

	row->image_pages++;
	if (!memory)
		row->unreadable++;
	else if (memcmp(image, memory, PAGE_BYTES))
		row->changed++;
	else
		row->same++;
}

/* Into l->memory.  Nothing is beyond the end of a mapped file or memfd. */
static struct err *live_read(struct live *l, uint64_t vaddr, size_t len, size_t *got)
{
	if (l->shared_fd >= 0) {
		ssize_t n =
			pread_full(l->shared_fd, l->memory, len, (off_t)(vaddr + l->shared_shift));

		if (n < 0)
			return err_vaddr(err_sys(errno, "read shared memory of %d", l->t->pid),
					 vaddr);
		/* The last page of an object is a whole one in memory. */
		*got = ((size_t)n + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
		memset(l->memory + n, 0, *got - (size_t)n);
		return NULL;
	}

	struct err *e = target_read(l->t, vaddr, l->memory, len, got);

	if (e && e->sys_errno == EIO) {
		err_free(e);
		e = NULL;
		*got = 0;
	}
	return e;
}

/* What is mapped at the start of `v` now. */
static void live_shared_open(struct live *l, const struct vma *v)
{
	ssize_t i = vma_list_find(&l->t->vmas, v->start);
	const struct vma *now = i >= 0 ? &l->t->vmas.v[i] : NULL;

	l->shared_fd = -1;
	if (!now || now->end < v->end || !(now->vmf & VMF_SHARED) || now->status & VMA_UNSUPP)
		return;
	AUTO_FREE char *path =
		xasprintf("/proc/%d/map_files/%lx-%lx", l->t->pid, now->start, now->end);

	l->shared_shift = now->pgoff - now->start;
	l->shared_fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

/* shift: from an offset in a shared object to the address where it is mapped; else 0. */
static struct err *live_compare_run(struct live *l, struct chain_reader *rd,
				    const struct chain_run *run, uint64_t shift)
{
	uint64_t start = run->start + shift;
	uint64_t len = run->end - run->start;

	for (uint64_t off = 0; off < len;) {
		size_t n = len - off < sizeof(l->image) ? len - off : sizeof(l->image);
		size_t done = 0;

		TRY(chain_check_stop(l->stop));
		TRY(chain_reader_read(rd, run, off, l->image, n));
		while (done < n) {
			size_t got = 0;

			TRY(live_read(l, start + off + done, n - done, &got));
			got &= ~(PAGE_BYTES - 1);
			for (size_t i = 0; i < got; i += PAGE_BYTES)
				count_page(l, start + off + done + i, l->image + done + i,
					   l->memory + i);
			done += got;
			if (done < n) {
				count_page(l, start + off + done, l->image + done, NULL);
				done += PAGE_BYTES;
			}
		}
		off += n;
	}
	return NULL;
}

static struct err *compare_pages(struct live *l)
{
	const struct pagemap_image *pi = page_read_image(l->pr, 0);

	for (size_t i = 0; i < pi->nr; i++) {
		uint64_t at = pi->e[i].vaddr, end = pagemap_entry_end(&pi->e[i]);

		while (at < end) {
			struct chain_run run;

			TRY(chain_run_at(l->pr, at, end, &run));
			TRY(live_compare_run(l, &l->reader, &run, 0));
			at = run.end;
		}
	}
	return NULL;
}

/* Pages of [start, end) that the directory has no entry for. */
static void count_missing(struct live *l, uint64_t start, uint64_t end)
{
	uint64_t missing;

	while (start < end &&
	       !page_read_covers(l->pr, start, (end - start) / PAGE_BYTES, &missing)) {
		row_of(l, missing)->missing++;
		start = missing + PAGE_BYTES;
	}
}

static struct err *find_missing(struct live *l)
{
	struct page_run run;
	struct pmc pmc;
	struct err *e;

	TRY(pmc_init(&pmc, l->t->pagemap_fd, l->caps, PMC_AUTO, true));

	struct page_walk w = { .pmc = &pmc, .vmas = &l->t->vmas, .end = UINT64_MAX };

	while (!(e = chain_check_stop(l->stop)) && !(e = page_walk_next(&w, &run)) && run.vma)
		if (verdict_is_data(page_verdict(run.vma, run.categories)))
			count_missing(l, run.start, run.end);
	pmc_deinit(&pmc);
	return e;
}

/* ---- shared objects ------------------------------------------------------------------------- */

/* What a VMA maps of an object; each of several mappings is compared. */
static struct err *compare_shared(struct live *l, const struct vma *v, const struct page_read *pr)
{
	const struct pagemap_image *pi = page_read_image(pr, 0);
	uint64_t from = v->pgoff, to = v->pgoff + (v->end - v->start), shift = v->start - v->pgoff;
	struct chain_reader rd;
	struct err *e = chain_reader_init(&rd, pr);

	for (size_t i = vec_first(pi->nr, k, pagemap_entry_end(&pi->e[k]) > from);
	     !e && i < pi->nr && pi->e[i].vaddr < to; i++) {
		uint64_t at = pi->e[i].vaddr > from ? pi->e[i].vaddr : from;
		uint64_t end = pagemap_entry_end(&pi->e[i]);

		end = end < to ? end : to;
		while (!e && at < end) {
			struct chain_run run;

			e = chain_run_at(pr, at, end, &run);
			if (e)
				break;
			e = live_compare_run(l, &rd, &run, shift);
			at = run.end;
		}
	}
	chain_reader_deinit(&rd);
	return e;
}

#define PM_HERE (3ull << 62) /* present or swapped */

/* Pages that the image lacks read as zero; those that are mapped now and are something else are missing. */
static struct err *missing_shared(struct live *l, const struct vma *v, const struct page_read *pr)
{
	static const uint8_t zero[PAGE_BYTES_MAX];
	uint64_t entry[512];

	for (uint64_t at = v->start; at < v->end;) {
		size_t nr = (v->end - at) / PAGE_BYTES;
		size_t got;

		nr = nr < 512 ? nr : 512;
		TRY(chain_check_stop(l->stop));
		ssize_t n = pread(l->t->pagemap_fd, entry, nr * sizeof(*entry),
				  (off_t)(at / PAGE_BYTES * sizeof(*entry)));

		if (n <= 0)
			return NULL;
		nr = (size_t)n / sizeof(*entry);
		for (size_t i = 0; i < nr; i++, at += PAGE_BYTES) {
			uint64_t off = at - v->start + v->pgoff;

			if (!(entry[i] & PM_HERE) ||
			    (pr && pagemap_image_find(page_read_image(pr, 0), off) >= 0))
				continue;
			TRY(live_read(l, at, PAGE_BYTES, &got));
			if (got == PAGE_BYTES && memcmp(l->memory, zero, PAGE_BYTES))
				row_of(l, at)->missing++;
		}
	}
	return NULL;
}

static struct err *live_shared(struct live *l, struct set_memory *m)
{
	for (size_t i = 0; i < m->vmas.nr; i++) {
		const struct vma *v = &m->vmas.v[i];
		const struct page_read *pr;
		uint64_t shmid;

		if (!(v->vmf & VMF_SHARED) || !set_memory_shmid(m, v, &shmid))
			continue;
		TRY(set_memory_object(m, shmid, &pr));
		live_shared_open(l, v);

		struct err *e = pr ? compare_shared(l, v, pr) : NULL;

		if (!e)
			e = missing_shared(l, v, pr);
		close_fd(&l->shared_fd);
		TRY(e);
	}
	return NULL;
}

static struct err *live_shared_objects(struct live *l, int dirfd, const char *dir, pid_t pid)
{
	struct image_set *set = NULL;
	struct set_memory *m = NULL;
	struct err *e = image_set_open(dirfd, dir, &set);

	if (!e)
		e = set_memory_open(set, (uint32_t)pid, &m);
	if (!e)
		e = live_shared(l, m);
	set_memory_close(m);
	image_set_close(set);
	return e;
}

static void live_sum_up(Stepdump__LiveReport *r)
{
	SET(r, image_pages, 0);
	SET(r, same, 0);
	SET(r, changed, 0);
	SET(r, unreadable, 0);
	SET(r, missing, 0);
	for (size_t i = 0; i < r->n_vmas; i++) {
		r->image_pages += r->vmas[i]->image_pages;
		r->same += r->vmas[i]->same;
		r->changed += r->vmas[i]->changed;
		r->unreadable += r->vmas[i]->unreadable;
		r->missing += r->vmas[i]->missing;
	}
}

static struct err *live_compare(struct live *l, int dirfd, const char *dir, pid_t pid)
{
	char name[IMAGE_NAME_MAX];

	image_name(IMG_PAGEMAP, (uint64_t)pid, name);
	TRY(page_read_open(dirfd, name, &l->pr));
	if (!l->pr)
		return err_hint(err_new(ERR_USAGE, "%s has no %s", dir, name),
				"the pid is the one that the task has in its own pid namespace");
	TRY(chain_reader_init(&l->reader, l->pr));
	TRY(chain_read_mm(dirfd, (uint64_t)pid, &l->mm));
	SET(l->r, no_mm, !l->mm);
	live_make_rows(l);
	TRY(compare_pages(l));
	TRY(find_missing(l));
	if (l->mm)
		TRY(live_shared_objects(l, dirfd, dir, pid));
	live_sum_up(l->r);
	return NULL;
}

struct err *chain_compare_live(const char *dir, const struct target *t, pid_t pid,
			       const struct caps *caps, chain_stop_t stop,
			       Stepdump__LiveReport **ret)
{
	AUTO_FREE struct live *l = xzalloc(sizeof(*l));
	AUTO_IMAGE_DIR struct image_dir set = IMAGE_DIR_INIT;
	struct err *e = image_dir_open(dir, PAGES_OF_TASK, (uint32_t)pid, stop, &set);

	l->shared_fd = -1;
	l->t = t;
	l->caps = caps;
	l->stop = stop;
	l->r = xzalloc(sizeof(*l->r));
	stepdump__live_report__init(l->r);
	l->r->pid = (uint32_t)t->pid;
	l->r->comm = xstrdup(t->comm ? t->comm : "");
	if (!e)
		e = live_compare(l, set.dirfd, dir, pid);
	if (l->mm)
		criu__mm_entry__free_unpacked(l->mm, NULL);
	chain_reader_deinit(&l->reader);
	page_read_close(l->pr);
	if (e)
		stepdump__live_report__free_unpacked(l->r, NULL);
	else
		*ret = l->r;
	return err_wrap(e, "compare %s with %d", dir, t->pid);
}
