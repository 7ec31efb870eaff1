/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the phases have in common.  Mirrors criu/mem.c __parasite_dump_pages_seized(). */
#include "engine/dump.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

const struct phase_ops *const phase_table[6] = {
	&ph_prepare, &ph_pmc_fill, &ph_generate_iovs, &ph_drain, &ph_xfer, &ph_reset,
};

const struct phase_ops *phase_ops(phase_t p)
{
	for (size_t i = 0; i < 6; i++)
		if (phase_table[i]->phase == p)
			return phase_table[i];
	return NULL;
}

uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

struct err *dump_init(struct dump *d, struct target *t, size_t nr, struct keeper *k,
		      const struct opts *o, const struct caps *c)
{
	*d = (struct dump){ .keeper = k, .opts = o, .caps = c, .phase = PH(READY) };
	d->task = calloc(nr, sizeof(*d->task));
	if (!d->task)
		return err_nomem();
	d->nr_tasks = nr;
	for (size_t i = 0; i < nr; i++) {
		d->task[i].t = &t[i];
		d->task[i].pmc.pagemap_fd = -1;
	}
	return NULL;
}

static void task_free(struct task_dump *td)
{
	pmc_deinit(&td->pmc);
	task_info_deinit(&td->ti);
	free(td->readable);
	free(td->by_vma);
	*td = (struct task_dump){ .t = td->t, .pmc.pagemap_fd = -1 };
}

/* Everything but the array of tasks, which stays for the next run. */
static void dump_free(struct dump *d)
{
	for (size_t i = 0; i < d->nr_tasks; i++)
		task_free(&d->task[i]);
	page_xfer_destroy(&d->xfer);
	page_pipe_deinit(&d->pp);
	shmem_list_deinit(&d->shmem);
	free(d->committed);
	*d = (struct dump){ .task = d->task, .nr_tasks = d->nr_tasks, .keeper = d->keeper,
			    .opts = d->opts, .caps = d->caps, .phase = PH(READY) };
}

struct err *dump_undo(struct dump *d)
{
	struct err *e = NULL;

	for (size_t i = 0; i < d->nr_tasks; i++)
		e = err_first(e, target_cure(d->task[i].t));
	page_xfer_destroy(&d->xfer); /* closes its files, before they are removed */
	if (d->staging) {
		char *path = strdup(staging_path(d->staging));

		e = err_first(e, staging_discard(d->staging));
		d->staging = NULL;
		if (path)
			e = err_first(e, keeper_litter_del(d->keeper, path));
		free(path);
	}
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

	while (i < l->nr && !vma_is_private(&l->v[i]))
		i++;
	return i;
}

bool dump_item_scanned(const struct dump *d)
{
	const struct shmem_info *o = dump_shmem(d);

	return o ? d->vaddr == o->size : d->vma == dump_task(d)->t->vmas.nr;
}

void dump_begin_item(struct dump *d)
{
	const struct shmem_info *o = dump_shmem(d);

	d->vma = 0;
	d->vaddr = d->run_end = 0;
	d->phase = PH(GENERATE_IOVS);
	if (o) {
		d->shpages_scanned += o->size / PAGE_SIZE_4K;
		return;
	}
	d->vma = dump_next_vma(d, 0);
	if (!dump_item_scanned(d)) {
		d->vaddr = d->run_end = dump_task(d)->t->vmas.v[d->vma].start;
		d->phase = PH(PMC_FILL);
	}
}

struct err *dump_next_item(struct dump *d)
{
	TRY(page_xfer_close_object(&d->xfer));
	page_pipe_reinit(&d->pp);
	if (dump_shmem(d))
		dump_shmem(d)->done = true;
	if (d->item + 1 == d->nr_tasks + d->shmem.nr) {
		d->phase = PH(GATE);
		return NULL;
	}
	d->item++;
	if (d->item < d->nr_tasks) { /* the next task has to be infected first */
		d->phase = PH(PREPARE);
		d->unit = 0;
		return NULL;
	}
	dump_begin_item(d);
	return page_xfer_open_shmem(&d->xfer, dump_shmem(d)->shmid);
}

uint64_t dump_count(const struct dump *d, verdict_t v)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < d->nr_tasks; i++)
		pages += d->task[i].total.pages[v];
	return pages;
}

/*
 * Mirrors criu/mem.c should_dump_page() and the kernel's masks in criu/pagemap-cache.c.
 * One rule for both ways of reading pagemap.
 */
verdict_t page_verdict(const struct vma *v, uint64_t c)
{
	if (!vma_is_private(v))
		return VD(SHARED);
	if (vma_always_dumped(v))
		return VD(ALWAYS);
	if (vma_never_dumped(v))
		return VD(NEVER);
	if (c & PAGE_IS_GUARD)
		return VD(GUARD);
	if (!(c & (PAGE_IS_PRESENT | PAGE_IS_SWAPPED)))
		return VD(ABSENT);
	if (c & PAGE_IS_PFNZERO) /* before FILE, which the huge zero page has too */
		return VD(ZERO);
	if (c & PAGE_IS_FILE)
		return VD(FILE_CLEAN);
	return c & PAGE_IS_PRESENT ? VD(DUMP) : VD(DUMP_SWAPPED);
}
