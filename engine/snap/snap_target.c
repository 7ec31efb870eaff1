/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The target in a snapshot: the process, the tree, threads, VMAs. */
#include <stdlib.h>
#include <string.h>

#include "engine/proc/proc.h"
#include "engine/snap/snap_priv.h"

static void name_list(char ***out, size_t *nr, const char *const *names, size_t n)
{
	*out = xzalloc((n ? n : 1) * sizeof(char *));
	*nr = n;
	for (size_t i = 0; i < n; i++)
		(*out)[i] = xstrdup(names[i]);
}

void snap_target(struct session *s, Stepdump__Snapshot *snap)
{
	Stepdump__Target *t = MSG_NEW(Stepdump__Target, target);

	snap->target = t;
	if (!attached(s)) {
		t->state = STEPDUMP__TARGET_STATE__NO_TARGET;
		return;
	}
	const struct task_dump *td = &s->d.task[session_task(s)];
	const struct target *in = td->t;

	t->state = in->thawed             ? STEPDUMP__TARGET_STATE__RUNNING :
		   session_target_gone(s) ? STEPDUMP__TARGET_STATE__GONE :
		   in->infected           ? STEPDUMP__TARGET_STATE__INFECTED :
					    STEPDUMP__TARGET_STATE__FROZEN;
	SET(t, pid, (uint32_t)in->pid);
	t->comm = xstrdup(in->comm);
	if (in->cmdline)
		t->cmdline = xstrdup(in->cmdline);
	SET(t, start_time_ticks, in->task.start_time_ticks);
	t->was = xstrdup(in->task.was_stopped ? "stopped" : "running");
	SET(t, frozen_us, target_frozen_us(in));
	SET(t, nr_vmas, (uint32_t)in->vmas.nr);
	SET(t, nr_threads, (uint32_t)in->task.nr_threads);
	SET(t, nr_private_pages, in->vmas.nr_priv_pages);
	SET(t, started_by_us, in->started_by_us);
	SET(t, nr_vmas_made_readable, (uint32_t)td->nr_readable);

	uint64_t rss = 0, swap = 0;

	for (size_t i = 0; i < in->vmas.nr; i++) {
		rss += in->vmas.v[i].rss_bytes;
		swap += in->vmas.v[i].swap_bytes;
	}
	SET(t, rss_bytes, rss);
	SET(t, swap_bytes, swap);
	if (in->infected) {
		SET(t, parasite_start, in->par.map_start);
		SET(t, parasite_end, in->par.map_end);
	}

	struct proc_status st;
	struct err *e = proc_read_status(in->pid, &st);

	if (!e) {
		SET(t, ppid, (uint32_t)st.ppid);
		SET(t, uid, st.uid[0]);
	}
	err_free(e);
}

void snap_tasks(struct session *s, Stepdump__Snapshot *snap)
{
	for (size_t i = 0; i < s->nr_tasks; i++) {
		const struct target *in = &s->t[i];
		Stepdump__Task *o = MSG_PUSH(snap, tasks, task);
		uint64_t dumped = 0;

		o->index = (uint32_t)i;
		o->pid = (uint32_t)in->pid;
		SET(o, ppid, in->parent >= 0 ? (uint32_t)s->t[in->parent].pid : 0);
		o->comm = xstrdup(in->comm);
		SET(o, nr_threads, (uint32_t)in->task.nr_threads);
		SET(o, nr_vmas, (uint32_t)in->vmas.nr);
		SET(o, nr_private_pages, in->vmas.nr_priv_pages);
		for (unsigned v = 0; v < NR_VERDICTS; v++)
			if (verdict_is_data((verdict_t)v))
				dumped += s->d.task[i].total.pages[v];
		SET(o, pages_dumped, dumped);
		SET(o, infected, in->infected);
		SET(o, selected, i == session_task(s));
		SET(o, current, s->d.at.item == i && session_has_pipeline(s));
	}
}

void snap_threads(struct session *s, Stepdump__Snapshot *snap)
{
	const struct target *in = &s->t[session_task(s)];

	for (size_t i = 0; i < in->task.nr_threads; i++) {
		const struct keeper_thread *kt = &in->task.threads[i];
		Stepdump__Thread *t = MSG_PUSH(snap, threads, thread);

		t->tid = (uint32_t)kt->tid;
		t->comm = xasprintf("%.16s", kt->comm);
		t->state_before = xstrdup(kt->was_stopped ? "stopped" : "running");
		SET(t, ip, kt->ip);
		SET(t, sp, kt->sp);
		SET(t, leader, i == 0);
		SET(t, has_parasite, i == 0 && in->infected);
		SET(t, sig_pending, kt->sig_pending);
		SET(t, sig_blocked, kt->sig_blocked);
	}
}

static bool was_made_readable(const struct task_dump *td, const struct vma *v)
{
	for (size_t i = 0; i < td->nr_readable; i++)
		if (td->readable[i].start == v->start)
			return true;
	return false;
}

Stepdump__Vma *snap_vma_text(const struct vma *v, size_t index, Stepdump__Snapshot *snap)
{
	Stepdump__Vma *o = MSG_PUSH(snap, vmas, vma);
	const char *names[64];
	char prot[5];

	o->index = (uint32_t)index;
	o->start = v->start;
	o->end = v->end;
	vma_prot_str(v->prot, v->vmf & VMF_SHARED, prot);
	o->prot = xstrdup(prot);
	o->kind = xstrdup(vma_kind(v));
	SET(o, status, v->status);
	name_list(&o->status_names, &o->n_status_names, names, vma_status_names(v->status, names));
	SET(o, flags, v->flags);
	name_list(&o->flag_names, &o->n_flag_names, names, vma_flag_names(v->flags, names));
	SET(o, madv, v->madv);
	name_list(&o->madv_names, &o->n_madv_names, names, vma_madv_names(v->madv, names));
	SET(o, pgoff, v->pgoff);
	SET(o, shmid, v->shmid);
	if (*v->name)
		o->name = xstrdup(v->name);
	SET(o, rss_bytes, v->rss_bytes);
	SET(o, swap_bytes, v->swap_bytes);
	SET(o, is_private, vma_is_private(v));
	SET(o, shared, (v->vmf & VMF_SHARED) != 0);
	if (v->unsupp)
		o->unsupp = xstrdup(v->unsupp);
	return o;
}

static void snap_vma(struct session *s, size_t i, bool counts, Stepdump__Snapshot *snap)
{
	const struct task_dump *td = &s->d.task[session_task(s)];
	const struct vma *v = &td->t->vmas.v[i];
	Stepdump__Vma *o = snap_vma_text(v, i, snap);

	SET(o, made_readable, was_made_readable(td, v));
	if (counts && td->by_vma)
		snap_counts(&td->by_vma[i], &o->counts, &o->n_counts);
}

void snap_vmas(struct session *s, const struct snap_request *req, Stepdump__Snapshot *snap)
{
	size_t end = s->t[session_task(s)].vmas.nr;

	if (req->vma_nr && req->vma_first + (size_t)req->vma_nr < end)
		end = req->vma_first + (size_t)req->vma_nr;
	for (size_t i = req->vma_first; i < end; i++)
		snap_vma(s, i, req->parts & SNAP_VMA_COUNTS, snap);
}
