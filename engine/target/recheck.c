/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/target/recheck.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/mem.h"
#include "engine/pages/pagemap.h"
#include "engine/proc/proc.h"

/* What decides how the pages of a mapping are treated. */
#define NATURE (VMF_IO | VMF_PFNMAP | VMF_HUGETLB | VMF_DROPPABLE | VMF_UFFD_OWED | VMF_SHADOWSTACK)

struct recheck {
	pthread_t thread;
	bool started;
	pid_t pid;
	struct vma_list vmas;
	struct err *err;
};

/* Mappings that have to be made readable are those that hold pages: how many may have changed. */
static struct err *recheck_unreadable(struct target *t, bool knows_guards)
{
	const uint64_t guard = knows_guards ? PAGE_IS_GUARD : 0;
	const struct pagemap_scan_query held = {
		.category_inverted = guard,
		.category_mask = guard,
		.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
		.return_mask = PAGE_IS_PRESENT,
	};

	for (size_t i = 0; i < t->vmas.nr; i++) {
		struct vma *v = &t->vmas.v[i];
		struct page_region r;
		uint64_t end;
		size_t nr;

		if ((v->prot & PROT_READ) || !vma_is_private(v) || v->end > PAGEMAP_TASK_SIZE)
			continue;
		TRY(pagemap_scan(t->pagemap_fd, v->start, v->end, &held, &r, 1, &nr, &end));
		v->rss_bytes = nr ? r.end - r.start : 0;
		v->swap_bytes = 0;
	}
	return NULL;
}

static void *recheck_main(void *arg)
{
	struct recheck *r = arg;

	r->err = FAULT_ERR(RECHECK_VMAS, proc_read_vmas(r->pid, &r->vmas));
	return NULL;
}

static void recheck_begin(struct target *t)
{
	sigset_t all, before;

	if (!t->vmas_are_early || t->recheck)
		return;
	t->recheck = xzalloc(sizeof(*t->recheck));
	t->recheck->pid = t->pid;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the main thread */
	t->recheck->started = !pthread_create(&t->recheck->thread, NULL, recheck_main, t->recheck);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct err *recheck_take(struct target *t, struct target_early *early, bool *taken_ret)
{
	uint64_t hash;

	*taken_ret = false;
	if (!early || !early->vmas.nr)
		return NULL;
	TRY(proc_maps_hash(t->pid, &hash));
	if (hash != early->vmas.maps_hash)
		return NULL;
	t->vmas = early->vmas;
	early->vmas = (struct vma_list){ 0 };
	t->vmas_are_early = true;
	*taken_ret = true;
	recheck_begin(t);
	return recheck_unreadable(t, early->knows_guards);
}

static struct recheck *recheck_wait(struct target *t)
{
	struct recheck *r = TAKE_PTR(t->recheck);

	if (r && r->started)
		pthread_join(r->thread, NULL);
	else if (r)
		recheck_main(r);
	return r;
}

static void recheck_free(struct recheck *r)
{
	vma_list_deinit(&r->vmas);
	err_free(r->err);
	free(r);
}

/* By address, as neighbours may have merged since we changed protections, and the parasite has a
 * mapping of its own. */
static bool recheck_one(struct vma *v, const struct vma_list *now)
{
	ssize_t i = vma_list_find(now, v->start);
	const struct vma *n = i >= 0 ? &now->v[i] : NULL;

	if (!n || n->end < v->end)
		return false;

	bool same = (n->vmf & NATURE) == (v->vmf & NATURE) && n->status == v->status &&
		    n->hugepage_kb == v->hugepage_kb;

	v->vmf = n->vmf;
	v->status = n->status;
	v->unsupp = n->unsupp;
	v->flags = n->flags;
	v->madv = n->madv;
	v->hugepage_kb = n->hugepage_kb;
	v->pkey = n->pkey;
	if (n->start == v->start && n->end == v->end) {
		v->rss_bytes = n->rss_bytes;
		v->swap_bytes = n->swap_bytes;
	}
	return same;
}

struct err *recheck_end(struct target *t)
{
	struct err *e = NULL;

	if (!t->vmas_are_early)
		return NULL;
	recheck_begin(t);

	struct recheck *r = recheck_wait(t);

	if (r->err) { /* still early: whoever tries again has them read again */
		e = TAKE_PTR(r->err);
		recheck_free(r);
		return e;
	}
	t->vmas_are_early = false;
	for (size_t i = 0; i < t->vmas.nr; i++)
		if (!recheck_one(&t->vmas.v[i], &r->vmas) && !e)
			e = err_vaddr(err_hint(err_new(ERR_TARGET,
						       "mapping %lx-%lx became one of another kind "
						       "just before the freeze",
						       t->vmas.v[i].start, t->vmas.v[i].end),
					       "`restart`, or run it again"),
				      t->vmas.v[i].start);
	recheck_free(r);
	return e;
}

void recheck_drop(struct target *t)
{
	struct recheck *r = recheck_wait(t);

	if (r)
		recheck_free(r);
}
