/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/target/recheck.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/vec.h"
#include "engine/pages/pagemap.h"
#include "engine/proc/proc.h"

/* What decides how the pages of a mapping are treated. */
#define NATURE (VMF_IO | VMF_PFNMAP | VMF_HUGETLB | VMF_DROPPABLE | VMF_UFFD_OWED | VMF_SHADOWSTACK)

/* Mapping `was` of the early list is, or is part of, `now` of the new one, and differs. */
struct recheck_change {
	size_t was, now;
};

struct recheck {
	pthread_t thread;
	bool started;
	pid_t pid;
	struct vma *early; /* borrowed; what is compared is not written while the thread runs */
	size_t nr_early;
	struct vma_list vmas;          /* as read inside the freeze */
	struct recheck_change *change; /* owned */
	size_t nr_changes;
	ssize_t strange; /* the first that is of another nature now; -1: none */
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

static bool recheck_is_like(const struct vma *v, const struct vma *now)
{
	return v->vmf == now->vmf && v->status == now->status && v->unsupp == now->unsupp &&
	       v->flags == now->flags && v->madv == now->madv &&
	       v->hugepage_kb == now->hugepage_kb && v->pkey == now->pkey;
}

/* What counts for mappings that have to be made readable is found by recheck_unreadable(). */
static bool recheck_holds_as_much(const struct vma *v, const struct vma *now)
{
	return now->start != v->start || now->end != v->end || !(v->prot & PROT_READ) ||
	       (now->rss_bytes == v->rss_bytes && now->swap_bytes == v->swap_bytes);
}

static bool recheck_same_nature(const struct vma *v, const struct vma *now)
{
	return (now->vmf & NATURE) == (v->vmf & NATURE) && now->status == v->status &&
	       now->hugepage_kb == v->hugepage_kb;
}

/* By address, as neighbours may have merged since we changed protections, and the parasite has a
 * mapping of its own. */
static void recheck_compare(struct recheck *r)
{
	const struct vma_list *l = &r->vmas;
	size_t at = 0;

	for (size_t i = 0; i < r->nr_early; i++) {
		const struct vma *v = &r->early[i];

		while (at < l->nr && l->v[at].end <= v->start)
			at++;

		const struct vma *now = at < l->nr ? &l->v[at] : NULL;
		bool there = now && now->start <= v->start && now->end >= v->end;

		if ((!there || !recheck_same_nature(v, now)) && r->strange < 0)
			r->strange = (ssize_t)i;
		if (there && !(recheck_is_like(v, now) && recheck_holds_as_much(v, now)))
			*vec_push(r->change, r->nr_changes) = (struct recheck_change){ i, at };
	}
}

static void *recheck_main(void *arg)
{
	struct recheck *r = arg;

	r->err = FAULT_ERR(RECHECK_VMAS, proc_read_vmas(r->pid, &r->vmas));
	if (!r->err)
		recheck_compare(r);
	return NULL;
}

/* early: of the frozen target, if it is what it was. */
static void recheck_begin(struct target *t, const struct vma_list *early)
{
	sigset_t all, before;

	if (t->recheck)
		return;
	t->recheck = xzalloc(sizeof(*t->recheck));
	t->recheck->pid = t->pid;
	t->recheck->early = early->v;
	t->recheck->nr_early = early->nr;
	t->recheck->strange = -1;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the main thread */
	t->recheck->started = !pthread_create(&t->recheck->thread, NULL, recheck_main, t->recheck);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
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
	free(r->change);
	err_free(r->err);
	free(r);
}

/* Other mappings than before the freeze: the list that is being read is the right one. */
static bool recheck_take_new(struct target *t)
{
	struct recheck *r = recheck_wait(t);
	bool worked = !r->err;

	if (worked) {
		t->vmas = r->vmas;
		r->vmas = (struct vma_list){ 0 };
	}
	recheck_free(r);
	return worked;
}

struct err *recheck_take(struct target *t, struct target_early *early, bool *taken_ret)
{
	uint64_t hash;

	*taken_ret = false;
	if (!early || !early->vmas.nr)
		return NULL;
	recheck_begin(t, &early->vmas);
	TRY(proc_maps_hash(t->pid, &hash));
	if (hash != early->vmas.maps_hash) {
		*taken_ret = recheck_take_new(t);
		return NULL;
	}
	t->vmas = early->vmas;
	early->vmas = (struct vma_list){ 0 };
	t->vmas_are_early = true;
	*taken_ret = true;
	return recheck_unreadable(t, early->knows_guards);
}

static void recheck_apply(struct vma *v, const struct vma *now)
{
	v->vmf = now->vmf;
	v->status = now->status;
	v->unsupp = now->unsupp;
	v->flags = now->flags;
	v->madv = now->madv;
	v->hugepage_kb = now->hugepage_kb;
	v->pkey = now->pkey;
	if (now->start == v->start && now->end == v->end) {
		v->rss_bytes = now->rss_bytes;
		v->swap_bytes = now->swap_bytes;
	}
}

struct err *recheck_end(struct target *t)
{
	struct err *e = NULL;

	if (!t->vmas_are_early)
		return NULL;
	recheck_begin(t, &t->vmas); /* again, if it has failed */

	struct recheck *r = recheck_wait(t);

	if (r->err) { /* still early: whoever tries again has them read again */
		e = TAKE_PTR(r->err);
		recheck_free(r);
		return e;
	}
	t->vmas_are_early = false;
	for (size_t i = 0; i < r->nr_changes; i++)
		recheck_apply(&t->vmas.v[r->change[i].was], &r->vmas.v[r->change[i].now]);
	if (r->strange >= 0)
		e = err_vaddr(
			err_hint(err_new(ERR_TARGET,
					 "mapping %lx-%lx became one of another kind "
					 "just before the freeze",
					 t->vmas.v[r->strange].start, t->vmas.v[r->strange].end),
				 "`restart`, or run it again"),
			t->vmas.v[r->strange].start);
	recheck_free(r);
	return e;
}

void recheck_drop(struct target *t)
{
	struct recheck *r = recheck_wait(t);

	if (r)
		recheck_free(r);
}
