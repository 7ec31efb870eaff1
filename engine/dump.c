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

void dump_init(struct dump *d, struct target *t, struct keeper *k, const struct opts *o,
	       const struct caps *c)
{
	*d = (struct dump){
		.t = t, .keeper = k, .opts = o, .caps = c, .phase = PH(READY), .item = -1,
	};
	d->pmc.pagemap_fd = -1;
}

static void dump_free(struct dump *d)
{
	page_xfer_destroy(&d->xfer);
	page_pipe_deinit(&d->pp);
	pmc_deinit(&d->pmc);
	shmem_list_deinit(&d->shmem);
	task_info_deinit(&d->ti);
	free(d->readable);
	free(d->by_vma);
	free(d->committed);
}

struct err *dump_undo(struct dump *d)
{
	struct err *e = target_cure(d->t);

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
	dump_init(d, d->t, d->keeper, d->opts, d->caps);
	return e;
}

void dump_deinit(struct dump *d)
{
	dump_free(d);
	*d = (struct dump){ 0 };
}

size_t dump_next_vma(const struct dump *d, size_t i)
{
	const struct vma_list *l = &d->t->vmas;

	while (i < l->nr && !vma_is_private(&l->v[i]))
		i++;
	return i;
}

struct err *dump_next_item(struct dump *d)
{
	TRY(page_xfer_close_object(&d->xfer));
	page_pipe_reinit(&d->pp);
	if (d->item >= 0)
		d->shmem.o[d->item].done = true;
	if ((size_t)(d->item + 1) == d->shmem.nr) {
		d->phase = PH(GATE);
		return NULL;
	}
	d->item++;

	struct shmem_info *o = &d->shmem.o[d->item];

	d->vaddr = d->run_end = 0;
	d->phase = PH(GENERATE_IOVS);
	d->shpages_scanned += o->size / PAGE_SIZE_4K;
	return page_xfer_open_shmem(&d->xfer, o->shmid);
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
	if (c & PAGE_IS_FILE)
		return VD(FILE_CLEAN);
	if (c & PAGE_IS_PFNZERO)
		return VD(ZERO);
	return c & PAGE_IS_PRESENT ? VD(DUMP) : VD(DUMP_SWAPPED);
}
