/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/plan/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/vec.h"
#include "engine/dump/phases.h"
#include "engine/plan/plan_priv.h"
#include "engine/proc/proc.h"

/* ---- the rehearsal ------------------------------------------------------------------------------ */

/* Runs the pipeline to the gate, without frozen tasks and without pages. */
static struct err *plan_rehearse(struct plan *p)
{
	struct dump *d = &p->d;

	dump_init(d, p->t, p->nr, NULL, p->env->trackers, &p->opts, p->env->caps);
	d->rehearsal = true;
	d->phase = PH(PREPARE);
	while (d->phase != PH(GATE)) {
		const struct phase_ops *last;

		TRY(plan_go_on(p));
		if (d->phase == PH(DRAIN))
			for (unsigned i = 0; i < d->pp.nr_ppbs; i++)
				p->iovs += d->pp.ppb[i].nr_segs;
		TRY(phase_run(d, PACE_BULK, &last));
	}
	return NULL;
}

/* ---- the report --------------------------------------------------------------------------------- */

static uint64_t data_pages(const struct verdict_counts *c)
{
	uint64_t pages = 0;

	for (unsigned v = 0; v < NR_VERDICTS; v++)
		if (verdict_is_data((verdict_t)v))
			pages += c->pages[v];
	return pages;
}

static void put_counts(const struct verdict_counts *c, Stepdump__VerdictCount ***out, size_t *nr)
{
	for (unsigned v = 0; v < NR_VERDICTS; v++) {
		if (!c->pages[v])
			continue;
		Stepdump__VerdictCount *o = msg_push(out, nr, sizeof(*o));

		stepdump__verdict_count__init(o);
		o->verdict = (verdict_t)v;
		o->pages = c->pages[v];
	}
}

/* Adds to the row of that reason, in both lists. */
static void left_out(struct plan *p, Stepdump__PlanTask *task, const char *reason, const char *who,
		     uint64_t bytes)
{
	struct {
		Stepdump__PlanLeftOut ***v;
		size_t *nr;
	} lists[] = { { &task->left_out, &task->n_left_out },
		      { &p->r->left_out, &p->r->n_left_out } };

	for (size_t i = 0; bytes && i < 2; i++) {
		Stepdump__PlanLeftOut *o = NULL;

		for (size_t k = 0; k < *lists[i].nr && !o; k++)
			if (!strcmp((*lists[i].v)[k]->reason, reason))
				o = (*lists[i].v)[k];
		if (!o) {
			o = msg_push(lists[i].v, lists[i].nr, sizeof(*o));
			stepdump__plan_left_out__init(o);
			o->reason = xstrdup(reason);
			o->who_has_it = xstrdup(who);
		}
		o->bytes += bytes;
	}
}

/* A shared mapping of a file: who has its pages depends on where the file is. */
static void file_left_out(struct plan *p, Stepdump__PlanTask *task, const struct vma *v)
{
	if (vma_is_deleted(v))
		left_out(p, task, "shared mapping of a deleted file",
			 "CRIU's file phase, as a ghost file (criu --ghost-limit)", v->rss_bytes);
	else if (proc_on_tmpfs((pid_t)task->pid, v->dev))
		left_out(p, task, "shared mapping of a file on tmpfs",
			 "the tmpfs: the file has to be there at the restore", v->rss_bytes);
	else
		left_out(p, task, "shared mapping of a file", "the file itself", v->rss_bytes);
}

/* Counts what is resident in the mapping and goes into no pipe of this task. */
static void vma_left_out(struct plan *p, Stepdump__PlanTask *task, const struct vma *v,
			 const struct verdict_counts *c)
{
	left_out(p, task, "clean page of a file", "the file itself",
		 c->pages[VD(FILE_CLEAN)] * PAGE_BYTES);
	left_out(p, task, "unchanged since the parent", "the parent images",
		 c->pages[VD(HOLE)] * PAGE_BYTES);
	if (vma_is_private(v) && c->pages[VD(NEVER)])
		left_out(p, task, vma_never_dumped(v) ? "never dumped" : "left out of a pre-dump",
			 vma_never_dumped(v) ? "nobody: vvar, vsyscall, droppable memory" :
					       "the dump that follows",
			 v->rss_bytes);
	else if (!vma_is_private(v) && vma_is_shmem(v))
		left_out(p, task, "shared memory", "its object, which is dumped once",
			 v->rss_bytes);
	else if (!vma_is_private(v))
		file_left_out(p, task, v);
}

static void put_vma(struct plan *p, Stepdump__PlanTask *task, size_t t, size_t i)
{
	const struct task_dump *td = &p->d.task[t];
	const struct vma *v = &td->t->vmas.v[i];
	Stepdump__PlanVma *o = MSG_PUSH(task, vmas, plan_vma);
	char prot[5];

	o->index = (uint32_t)vma_list_find(&p->from[t].vmas, v->start);
	o->start = v->start;
	o->end = v->end;
	vma_prot_str(v->prot, v->vmf & VMF_SHARED, prot);
	o->prot = xstrdup(prot);
	o->kind = xstrdup(vma_kind(v));
	if (*v->name)
		o->name = xstrdup(v->name);
	put_counts(&td->by_vma[i], &o->counts, &o->n_counts);
	o->pages_dumped = data_pages(&td->by_vma[i]);
	SET(o, rss_bytes, v->rss_bytes);
	SET(o, swap_bytes, v->swap_bytes);
	vma_left_out(p, task, v, &td->by_vma[i]);
}

static void put_task(struct plan *p, size_t i)
{
	const struct task_dump *td = &p->d.task[i];
	Stepdump__PlanTask *o = MSG_PUSH(p->r, tasks, plan_task);
	uint64_t rss = 0, swap = 0;

	o->pid = (uint32_t)td->t->pid;
	if (td->t->comm)
		o->comm = xstrdup(td->t->comm);
	SET(o, threads, (uint32_t)td->ti.nr_tids);
	for (size_t v = 0; v < td->t->vmas.nr; v++) {
		rss += td->t->vmas.v[v].rss_bytes;
		swap += td->t->vmas.v[v].swap_bytes;
		put_vma(p, o, i, v);
	}
	SET(o, rss_bytes, rss);
	SET(o, swap_bytes, swap);
	put_counts(&td->total, &o->counts, &o->n_counts);
	o->pages_dumped = data_pages(&td->total);
	p->r->pages += o->pages_dumped;
}

static void put_shmem(struct plan *p)
{
	Stepdump__PlanReport *r = p->r;

	for (size_t i = 0; i < p->d.shmem.nr; i++) {
		const struct shmem_info *s = &p->d.shmem.o[i];
		Stepdump__PlanShmem *o = MSG_PUSH(r, shmem, plan_shmem);

		o->shmid = s->shmid;
		o->kind = xstrdup(s->kind);
		o->name = xstrdup(s->name);
		o->pages_dumped = s->pages_dumped;
		if (s->fd < 0)
			o->error = xstrdup("not counted: it cannot be opened without root or "
					   "CAP_CHECKPOINT_RESTORE, and its dump would be refused");
		SET(r, shared_pages, r->shared_pages + s->pages_dumped);
	}
	r->pages += r->shared_pages;
}

/* Pages and pagemaps; the rest is what one task's, one mapping's images take by experience. */
static uint64_t image_bytes(const struct plan *p)
{
	uint64_t bytes = p->r->bytes + p->d.xfer.entries * 16;
	bool whole = p->opts.mode == MODE_DUMP;

	for (size_t i = 0; i < p->nr; i++)
		bytes += 4096 + (whole ? p->t[i].vmas.nr * 150 : 0);
	return bytes;
}

/* The lowest directory on the path that exists. */
static char *existing_dir(const struct plan *p)
{
	const char *want = p->req->dir ?: p->opts.dir ?: ".";
	AUTO_FREE char *dir = xstrdup(want);
	size_t len = strlen(dir);

	while (len > 1 && dir[len - 1] == '/')
		dir[--len] = '\0';
	while (access(dir, X_OK)) {
		char *slash = strrchr(dir, '/');

		if (!slash)
			return xstrdup(".");
		if (slash == dir)
			return xstrdup("/");
		*slash = '\0';
	}
	return TAKE_PTR(dir);
}

static void put_space(struct plan *p, const char *dir)
{
	struct statvfs vfs;
	char real[PATH_MAX];

	p->r->dir = xstrdup(realpath(dir, real) ? real : dir);
	if (statvfs(dir, &vfs))
		return;
	SET(p->r, free_bytes, (uint64_t)vfs.f_bavail * vfs.f_frsize);
	SET(p->r, fits, p->r->image_bytes <= p->r->free_bytes);
}

static void note(struct plan *p, const char *text)
{
	msg_push_text(&p->r->notes, &p->r->n_notes, text);
}

static void put_notes(struct plan *p)
{
	bool swapped = false, refused = false, untracked = false;

	for (size_t i = 0; i < p->nr; i++) {
		swapped |= p->d.task[i].total.pages[VD(DUMP_SWAPPED)] > 0;
		untracked |= p->opts.parent && !p->d.task[i].parent;
		for (size_t v = 0; v < p->t[i].vmas.nr; v++)
			refused |= (p->t[i].vmas.v[v].status & VMA_UNSUPP) != 0;
	}
	if (refused)
		note(p, "it has memory that cannot be dumped: `check` names it");
	if (swapped)
		note(p,
		     "swapped pages are brought in by a dump: see `check` for its memory cgroup");
	if (untracked)
		note(p,
		     "a parent is set, but nothing tracks its writes yet: planned as a full dump");
	if (!p->env->caps->pfn_visible && !p->d.task[0].pmc.scan)
		note(p,
		     "zero pages cannot be told without CAP_SYS_ADMIN or PAGEMAP_SCAN: they count "
		     "as dumped");
	if (p->opts.xfer == XFER_SERVER || p->env->opts->xfer == XFER_SERVER)
		note(p, "pages go to a page server: the time is without the network");
}

static void put_report(struct plan *p, const char *dir)
{
	Stepdump__PlanReport *r = p->r;

	r->mode = xstrdup(p->opts.mode == MODE_PRE_DUMP ? "pre-dump" : "dump");
	r->state = xstrdup(p->frozen ? "frozen" : p->t[0].task.was_stopped ? "stopped" : "running");
	for (size_t i = 0; i < p->nr; i++)
		put_task(p, i);
	put_shmem(p);
	r->bytes = r->pages * PAGE_BYTES;
	if (p->opts.parent)
		SET(r, pages_hole, dump_count(&p->d, VD(HOLE)));
	SET(r, pages_lazy, p->d.count.pages_lazy);
	r->chunks = p->d.at.chunk;
	dump_pipes(&p->d, &r->pipes, &r->ppbs);
	r->iovs = p->iovs;
	r->image_bytes = image_bytes(p);
	put_space(p, dir);
	put_notes(p);
}

static struct err *plan_all(struct plan *p)
{
	AUTO_FREE char *dir = NULL;

	TRY(plan_select(p));
	TRY(plan_rehearse(p));
	dir = existing_dir(p);
	put_report(p, dir);
	for (size_t i = 0; i < p->nr; i++)
		SET(p->r->tasks[i], nr_vmas, (uint32_t)p->from[i].vmas.nr);
	if (p->req->quick)
		return NULL;
	TRY(plan_content(p));
	if (p->nr > 1)
		TRY(plan_sharing(p));
	TRY(plan_time(p, dir));
	plan_iterate(p);
	return NULL;
}

struct err *plan_make(const struct plan_env *env, const struct target *t, size_t nr, bool frozen,
		      const struct plan_request *req, Stepdump__PlanReport **ret)
{
	struct plan p = { .env = env,
			  .req = req,
			  .opts = *env->opts,
			  .from = t,
			  .nr = nr,
			  .frozen = frozen,
			  .r = MSG_NEW(Stepdump__PlanReport, plan_report) };
	uint64_t begin = now_us();

	p.opts.xfer = XFER_NULL;

	struct err *e = plan_all(&p);

	if (p.d.task)
		dump_deinit(&p.d);
	plan_unselect(&p);
	if (e) {
		stepdump__plan_report__free_unpacked(p.r, NULL);
		return err_wrap(e, "plan");
	}
	SET(p.r, took_us, now_us() - begin);
	*ret = p.r;
	return NULL;
}
