/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared-memory objects in a snapshot: their data, what each mapping says of their pages, and the OR of these. */
#include "engine/snap/snap_priv.h"

#define MAX_DATA_RUNS 4096

static void snap_data_runs(const struct shmem_info *i, Stepdump__Shmem *o)
{
	uint64_t start, end, at = 0, bytes = 0;

	while (o->n_data < MAX_DATA_RUNS) {
		struct err *e = shmem_next_data(i, at, &start, &end);

		if (e || start == end) {
			err_free(e);
			break;
		}
		Stepdump__PstateRun *r = MSG_PUSH(o, data, pstate_run);

		r->page = start / PAGE_BYTES;
		r->nr_pages = (end - start) / PAGE_BYTES;
		r->state = 1;
		bytes += end - start;
		at = end;
	}
	SET(o, data_bytes, bytes);
}

static void snap_push_state(Stepdump__PstateRun ***runs, size_t *nr, uint64_t page,
			    uint64_t nr_pages, uint32_t state)
{
	if (!state || *nr == MAX_DATA_RUNS)
		return;
	Stepdump__PstateRun *r = msg_push(runs, nr, sizeof(*r));

	stepdump__pstate_run__init(r);
	r->page = page;
	r->nr_pages = nr_pages;
	r->state = state;
}

static void snap_pstate(const struct shmem_info *in, Stepdump__Shmem *o)
{
	uint64_t pages = in->size / PAGE_BYTES, end;

	for (uint64_t page = 0; page < pages; page = end) {
		end = pstate_run(&in->pstate, page, pages);
		snap_push_state(&o->pstate, &o->n_pstate, page, end - page,
				pstate_get(&in->pstate, page));
	}
}

/* What one mapping contributes: the frozen task gives the same answer again. */
static void snap_contribution(struct session *s, const struct shmem_map *m,
			      Stepdump__PstateContribution *c)
{
	const struct task_dump *td = &s->d.task[m->task];
	uint64_t first = m->off_pages, at = m->start, end;
	struct pmc pmc;
	struct err *e = pmc_init(&pmc, td->t->pagemap_fd, &s->caps, s->opts.pmc, false);
	bool hit;

	while (!e && at < m->end) {
		if (!pmc_covers(&pmc, at, at + PAGE_BYTES))
			e = pmc_get_map(&pmc, &td->t->vmas, m->vma, at, &hit);
		if (e)
			break;
		uint64_t cats = pmc_run(&pmc, at, m->end, &end);

		snap_push_state(&c->runs, &c->n_runs, first + (at - m->start) / PAGE_BYTES,
				(end - at) / PAGE_BYTES, dump_pstate(td, cats));
		at = end;
	}
	pmc_deinit(&pmc);
	err_free(e);
}

void snap_shmem(struct session *s, Stepdump__Snapshot *snap)
{
	for (size_t i = 0; i < s->d.shmem.nr; i++) {
		const struct shmem_info *in = &s->d.shmem.o[i];
		Stepdump__Shmem *o = MSG_PUSH(snap, shmem, shmem);

		o->shmid = in->shmid;
		SET(o, size_bytes, in->size);
		o->kind = xstrdup(in->kind);
		o->name = xstrdup(in->name);
		if (in->fd >= 0)
			snap_data_runs(in, o);
		SET(o, pages_dumped, in->pages_dumped);
		SET(o, done, in->done);
		if (in->how)
			o->how_read = xstrdup(in->how);
		for (size_t k = 0; k < in->nr_maps; k++) {
			const struct vma *v = &s->t[in->map[k].task].vmas.v[in->map[k].vma];
			Stepdump__PstateContribution *c = MSG_PUSH(o, maps, pstate_contribution);
			char prot[5];

			SET(c, pid, (uint32_t)in->map[k].pid);
			SET(c, vma_index, (uint32_t)in->map[k].vma);
			SET(c, off_pages, in->map[k].off_pages);
			SET(c, nr_pages, in->map[k].nr_pages);
			vma_prot_str(v->prot, v->vmf & VMF_SHARED, prot);
			c->prot = xstrdup(prot);
			if (in->tracked && !snap_is_settled(&s->d))
				snap_contribution(s, &in->map[k], c);
		}
		if (in->tracked)
			snap_pstate(in, o);
	}
}
