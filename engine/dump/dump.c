/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the phases have in common.  Mirrors criu/mem.c __parasite_dump_pages_seized(). */
#include "engine/dump/dump.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "engine/dump/flow.h"

static void dump_blank(struct dump *d)
{
	*d = (struct dump){ .task = d->task,
			    .nr_tasks = d->nr_tasks,
			    .keeper = d->keeper,
			    .trackers = d->trackers,
			    .opts = d->opts,
			    .caps = d->caps,
			    .rehearsal = d->rehearsal,
			    .told = d->told,
			    .told_arg = d->told_arg,
			    .stop = d->stop,
			    .phase = PH(READY),
			    .parent.dirfd = -1 };
}

void dump_init(struct dump *d, struct target *t, size_t nr, struct keeper *k,
	       struct tracker_table *tt, const struct opts *o, const struct caps *c)
{
	d->task = xcalloc(nr, sizeof(*d->task));
	d->nr_tasks = nr;
	d->keeper = k;
	d->trackers = tt;
	d->opts = o;
	d->caps = c;
	dump_blank(d);
	for (size_t i = 0; i < nr; i++) {
		d->task[i].t = &t[i];
		d->task[i].opts = o;
		d->task[i].pmc.pagemap_fd = -1;
	}
}

void dump_tell(struct dump *d, phase_t phase, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	if (!d->told)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	d->told(d->told_arg, phase, text);
}

#define TOLD_VMAS 16

void dump_tell_readable(struct dump *d, const struct task_dump *td, phase_t phase, bool added)
{
	for (size_t i = 0; i < td->nr_readable && i < TOLD_VMAS; i++) {
		const struct parasite_vma *v = &td->readable[i];
		char was[5], now[5];

		vma_prot_str(v->prot, 0, was);
		vma_prot_str(v->prot | PROT_READ, 0, now);
		dump_tell(d, phase, "mprotect %lx-%lx: %.3s -> %.3s%s", (unsigned long)v->start,
			  (unsigned long)(v->start + v->len), added ? was : now, added ? now : was,
			  added ? ", so that vmsplice can read it" : "");
	}
	if (td->nr_readable > TOLD_VMAS)
		dump_tell(d, phase, "mprotect: %zu mappings more", td->nr_readable - TOLD_VMAS);
}

static void dump_free_task(struct task_dump *td)
{
	pmc_deinit(&td->pmc);
	page_read_close(td->parent);
	task_info_deinit(&td->ti);
	free(td->readable);
	free(td->by_vma);
	free(td->images.guard);
	free(td->holes_there);
	*td = (struct task_dump){ .t = td->t, .opts = td->opts, .pmc.pagemap_fd = -1 };
}

/* Everything but the array of tasks, which stays for the next run. */
static void dump_free(struct dump *d)
{
	for (size_t i = 0; d->kept && i < d->nr_tasks + d->shmem.nr; i++)
		page_pipe_deinit(&d->kept[i]);
	free(d->kept);
	file_table_destroy(d->files);
	for (size_t i = 0; i < d->nr_tasks; i++)
		dump_free_task(&d->task[i]);
	mover_destroy(d->flow.mover);
	page_xfer_destroy(&d->xfer);
	page_pipe_deinit(&d->pp);
	shmem_list_deinit(&d->shmem);
	parent_set_close(&d->parent);
	free(d->committed);
	dump_blank(d);
}

bool dump_is_tracked(const struct dump *d)
{
	return d->opts->parent || d->opts->mode == MODE_PRE_DUMP ||
	       d->opts->track != OPT_TRACK_NONE;
}

struct err *dump_unless_dead(struct keeper *k, pid_t pid, struct err *e)
{
	if (!e || (e->code != ERR_TARGET && !keeper_task_gone(k, pid)))
		return e;
	err_free(e);
	return NULL;
}

enum opt_thaw dump_thaw_when(const struct dump *d)
{
	if (d->opts->leave_stopped || d->opts->thaw == THAW_OFF)
		return THAW_OFF;
	/* A socket holds the pages themselves, not copies: until the server has stored them, a write of
	 * the target would be in its set. */
	if (page_xfer_client(&d->xfer))
		return THAW_COMMITTED;
	if (d->opts->thaw != THAW_AUTO)
		return d->opts->thaw;
	/* Soft-dirty bits outlive us.  If they are cleared and the set then fails, somebody else may
	 * take them for the history of an older set. */
	for (size_t i = 0; i < d->nr_tasks; i++) {
		const struct tracker *t = d->task[i].tracker;

		if (t && tracker_kind(t) == TRACK_SOFT_DIRTY)
			return THAW_COMMITTED;
	}
	return THAW_DRAINED;
}

struct err *dump_thaw(struct dump *d)
{
	struct err *e = NULL;

	/* Children first: a parent that runs might wait for them. */
	for (size_t i = d->nr_tasks; i-- > 0;)
		e = err_first(e, dump_unless_dead(d->keeper, d->task[i].t->pid,
						  target_thaw(d->task[i].t)));
	return e;
}

struct err *dump_undo(struct dump *d)
{
	struct err *e = NULL;

	for (size_t i = 0; i < d->nr_tasks; i++)
		e = err_first(e, dump_unless_dead(d->keeper, d->task[i].t->pid,
						  target_cure(d->task[i].t)));
	mover_destroy(TAKE_PTR(d->flow.mover)); /* before the file that it writes to is closed */
	page_xfer_destroy(&d->xfer);            /* closes its files, before they are removed */
	e = err_first(e, staging_discard(TAKE_PTR(d->staging)));
	dump_free(d);
	return e;
}

void dump_deinit(struct dump *d)
{
	dump_free(d);
	free(d->task);
	*d = (struct dump){ 0 };
}

size_t dump_next_vma(const struct dump *d, size_t i)
{
	const struct vma_list *l = &dump_task(d)->t->vmas;

	while (i < l->nr && !vma_is_private(&l->v[i]) && !dump_pstate_of(d, &l->v[i]))
		i++;
	return i;
}

struct shmem_info *dump_pstate_of(const struct dump *d, const struct vma *v)
{
	struct shmem_info *o =
		vma_is_shmem(v) && !vma_is_private(v) ? shmem_find(&d->shmem, v) : NULL;

	return o && o->tracked ? o : NULL;
}

struct page_read *dump_parent(const struct dump *d)
{
	return dump_shmem(d) ? dump_shmem(d)->parent : dump_task(d)->parent;
}

bool dump_item_scanned(const struct dump *d)
{
	const struct shmem_info *o = dump_shmem(d);

	return o ? d->scan.vaddr == o->size : d->scan.vma == dump_task(d)->t->vmas.nr;
}

void dump_begin_item(struct dump *d)
{
	const struct shmem_info *o = dump_shmem(d);

	d->scan.vma = 0;
	d->scan.vaddr = d->scan.end = 0;
	d->phase = PH(GENERATE_IOVS);
	if (o) {
		d->count.shpages_scanned += o->size / PAGE_BYTES;
		return;
	}
	d->scan.vma = dump_next_vma(d, 0);
	if (!dump_item_scanned(d)) {
		d->scan.vaddr = d->scan.end = dump_task(d)->t->vmas.v[d->scan.vma].start;
		d->phase = PH(PMC_FILL);
	}
}

/* The pages of the item stay in its own pipes. */
static void dump_keep_pages(struct dump *d)
{
	if (!d->kept)
		d->kept = xcalloc(d->nr_tasks + d->shmem.nr, sizeof(*d->kept));
	d->count.pipes += d->pp.pipes_made;
	d->count.bufs += d->pp.bufs_made;
	d->pp.pipes_made = d->pp.bufs_made = 0; /* counted: not again when it comes back */
	d->kept[d->at.item] = d->pp;
	dump_new_page_pipe(d);
}

static struct err *dump_end_item(struct dump *d)
{
	if (dump_keeps_pages(d)) {
		dump_keep_pages(d);
		return NULL;
	}
	flow_end_object(d);
	TRY(page_xfer_close_object(&d->xfer));
	page_pipe_reinit(&d->pp);
	if (dump_shmem(d))
		dump_shmem(d)->done = true;
	return NULL;
}

static struct err *dump_open_object(struct dump *d, size_t item)
{
	if (item < d->nr_tasks)
		return page_xfer_open_task(&d->xfer, d->task[item].ti.ns_pid);
	return page_xfer_open_shmem(&d->xfer, d->shmem.o[item - d->nr_tasks].shmid);
}

struct err *dump_next_item(struct dump *d)
{
	TRY(dump_end_item(d));

	size_t next = d->at.item + 1;

	if (next == d->nr_tasks + d->shmem.nr) {
		d->phase = d->thawed ? PH(RESET) : PH(GATE);
		return NULL;
	}
	if (d->thawed)
		return dump_transfer_item(d, next);
	/* What can fail comes before the move to the next item, so that it can be tried again. */
	if (next >= d->nr_tasks && !dump_keeps_pages(d))
		TRY(dump_open_object(d, next));
	d->at.item = next;
	if (next < d->nr_tasks) { /* the next task has to be infected first */
		d->phase = PH(PREPARE);
		d->at.unit = 0;
	} else {
		dump_begin_item(d);
	}
	return NULL;
}

struct err *dump_transfer_item(struct dump *d, size_t i)
{
	TRY(dump_open_object(d, i));
	d->at.item = i;
	d->at.xfer = d->at.hole = 0;
	d->phase = PH(XFER);
	page_pipe_deinit(&d->pp);
	d->pp = d->kept[i];
	d->kept[i] = (struct page_pipe){ 0 };
	return NULL;
}

void dump_begin_drain(struct dump *d)
{
	d->at.drain = d->at.xfer = d->at.hole = 0;
	d->drained = (struct dump_drained){ 0 };
	d->phase = PH(DRAIN);
}

void dump_new_page_pipe(struct dump *d)
{
	if (dump_reads_pages(d))
		page_pipe_init_no_pipes(&d->pp, d->opts->pipe_pages);
	else
		page_pipe_init(&d->pp, dump_keeps_pages(d) ? 0 : NR_PIPES_PER_CHUNK,
			       d->opts->pipe_pages);
}

void dump_pipes(const struct dump *d, uint64_t *pipes_ret, uint64_t *bufs_ret)
{
	*pipes_ret = d->count.pipes + d->pp.pipes_made;
	*bufs_ret = d->count.bufs + d->pp.bufs_made;
}

uint64_t dump_count(const struct dump *d, verdict_t v)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < d->nr_tasks; i++)
		pages += d->task[i].total.pages[v];
	return pages;
}

/* Memory whose changes are not tracked, or not worth tracking: CRIU leaves a clean vdso to the
 * parent, we always dump its two pages. */
static bool dump_never_hole(const struct vma *v)
{
	return vma_always_dumped(v) || (v->vmf & VMF_HUGETLB) || !(v->prot & PROT_READ);
}

/* The last dump takes these whole anyway; process_vm_readv cannot read memory without PROT_READ. */
static bool dump_left_out_of_pre_dump(const struct task_dump *td, const struct vma *v)
{
	if (td->opts->mode != MODE_PRE_DUMP || !vma_is_private(v))
		return false;
	return (v->status & VMA_AREA_AIORING) || (v->vmf & VMF_HUGETLB) ||
	       (td->opts->pre_dump == PRE_DUMP_READ && !(v->prot & PROT_READ));
}

bool dump_decides_alone(const struct task_dump *td, const struct vma *v)
{
	return vma_always_dumped(v) || vma_never_dumped(v) || dump_left_out_of_pre_dump(td, v);
}

/* Mirrors the tail of criu/mem.c generate_iovs(). */
verdict_t dump_verdict(const struct task_dump *td, const struct vma *v, uint64_t c)
{
	verdict_t verdict = page_verdict(v, c);

	if (dump_left_out_of_pre_dump(td, v))
		return VD(NEVER);
	if (verdict_is_data(verdict) && td->parent && !dump_never_hole(v) &&
	    !tracker_page_dirty(td->tracker, v, c))
		return VD(HOLE);
	return verdict;
}

enum pst dump_pstate(const struct task_dump *td, uint64_t c)
{
	if (!(c & (PAGE_IS_PRESENT | PAGE_IS_SWAPPED)))
		return PST_DONT_DUMP;
	if (c & PAGE_IS_SOFT_DIRTY || !td->tracker || tracker_kind(td->tracker) != TRACK_SOFT_DIRTY)
		return PST_DIRTY;
	return PST_DUMP;
}
