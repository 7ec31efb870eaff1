/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * prepare: everything that must stand before the first page is looked at.
 * Mirrors: criu/mem.c prep_dump_pages_args(), parasite_dump_pages_seized() up to the loop;
 * criu/parasite-syscall.c; criu/page-xfer.c open_page_xfer().
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/dump.h"
#include "engine/parasite_rpc.h"

static bool must_become_readable(const struct vma *v)
{
	return vma_is_private(v) && !vma_never_dumped(v) && !(v->prot & PROT_READ) &&
	       (v->rss_bytes || v->swap_bytes);
}

/* The sums that later views are checked against, and room for the counts. */
static struct err *unit_collect(struct dump *d)
{
	const struct vma_list *l = &d->t->vmas;

	free(d->by_vma);
	d->by_vma = calloc(l->nr ? l->nr : 1, sizeof(*d->by_vma));
	if (!d->by_vma)
		return err_nomem();
	memset(&d->total, 0, sizeof(d->total));
	for (size_t i = 0; i < l->nr; i++) {
		uint64_t pages = vma_pages(&l->v[i]);

		d->by_vma[i].pages[vma_is_private(&l->v[i]) ? VD(NOT_SCANNED) : VD(SHARED)] = pages;
		if (vma_is_private(&l->v[i]))
			d->total.pages[VD(NOT_SCANNED)] += pages;
	}
	shmem_list_deinit(&d->shmem);
	TRY(shmem_collect(&d->shmem, l));
	for (size_t i = 0; i < d->shmem.nr; i++)
		TRY(shmem_open(&d->shmem.o[i], d->t->pid, l));
	task_info_deinit(&d->ti);
	return task_info_collect(d->t->pid, &d->ti);
}

static struct err *unit_infect(struct dump *d)
{
	size_t unreadable = 0;

	for (size_t i = 0; i < d->t->vmas.nr; i++)
		unreadable += must_become_readable(&d->t->vmas.v[i]);
	if (!d->t->infected)
		TRY(target_infect(d->t, unreadable));

	int sock = d->t->par.sock;

	uint64_t dumpable, thp_disabled;

	TRY(pc_call(sock, PC_BRK, &d->ti.brk));
	TRY(pc_call(sock, PC_DUMPABLE, &dumpable));
	TRY(pc_call(sock, PC_THP_DISABLED, &thp_disabled));
	d->ti.dumpable = (int)dumpable;
	d->ti.thp_disabled = thp_disabled;
	return NULL;
}

static struct err *unit_readable(struct dump *d)
{
	const struct vma_list *l = &d->t->vmas;
	size_t nr = 0, at = 0;

	for (size_t i = 0; i < l->nr; i++)
		nr += must_become_readable(&l->v[i]);
	if (!nr)
		return NULL;

	struct parasite_vma *v = calloc(nr, sizeof(*v));

	if (!v)
		return err_nomem();
	nr = 0;
	for (size_t i = 0; i < l->nr; i++)
		if (must_become_readable(&l->v[i]))
			v[nr++] = (struct parasite_vma){ .start = l->v[i].start,
							 .len = l->v[i].end - l->v[i].start,
							 .prot = l->v[i].prot };

	struct err *e = pc_mprotect(d->t->par.sock, v, nr, PROT_READ, &at);

	if (e) {
		/* The parasite remembers what it changed and puts it back when it ends. */
		e = err_hint(err_vaddr(e, v[at].start),
			     "the mapping may be sealed (mseal) or the target at vm.max_map_count; "
			     "`show vmas` shows its flags");
		free(v);
		return e;
	}
	free(d->readable);
	d->readable = v;
	d->nr_readable = nr;
	return NULL;
}

static struct err *unit_pmc(struct dump *d)
{
	pmc_deinit(&d->pmc);
	return pmc_init(&d->pmc, d->t->pagemap_fd, d->caps, d->opts->pmc, d->opts->pmc_cache);
}

static struct err *unit_page_pipe(struct dump *d)
{
	page_pipe_deinit(&d->pp);
	page_pipe_init(&d->pp, NR_PIPES_PER_CHUNK, d->opts->pipe_pages);
	return NULL;
}

static struct err *unit_xfer(struct dump *d)
{
	page_xfer_destroy(&d->xfer);
	if (d->opts->xfer == XFER_NULL) {
		TRY(page_xfer_null(&d->xfer));
	} else {
		if (!d->staging) {
			TRY(staging_create(d->commit_to ? d->commit_to : d->opts->dir, &d->staging));
			TRY(keeper_litter_add(d->keeper, staging_path(d->staging)));
		}
		TRY(page_xfer_local(&d->xfer, staging_dirfd(d->staging)));
	}
	return page_xfer_open_task(&d->xfer, d->ti.ns_pid);
}

static const struct {
	const char *what;
	struct err *(*run)(struct dump *d);
} units[] = {
	{ "collect VMAs", unit_collect },
	{ "infect", unit_infect },
	{ "add PROT_READ", unit_readable },
	{ "size the pmc", unit_pmc },
	{ "create the page-pipe", unit_page_pipe },
	{ "open the xfer", unit_xfer },
};

#define NR_UNITS (sizeof(units) / sizeof(units[0]))

static void prepare_next(struct dump *d, struct unit *u)
{
	u->what = units[d->unit].what;
}

static struct err *prepare_step(struct dump *d, bool bulk)
{
	TRY(units[d->unit].run(d));
	if (++d->unit < NR_UNITS)
		return NULL;
	d->unit = 0;
	d->chunk = 1;
	d->item = -1;
	d->vma = dump_next_vma(d, 0);
	if (d->vma == d->t->vmas.nr)
		return dump_next_item(d);
	d->vaddr = d->run_end = d->t->vmas.v[d->vma].start;
	d->phase = PH(PMC_FILL);
	return NULL;
}

static void prepare_summary(const struct dump *d, const struct unit *last, char *buf, size_t len)
{
	if (d->unit && d->phase == PH(PREPARE)) {
		snprintf(buf, len, "%s: done", last->what);
		return;
	}
	snprintf(buf, len, "infected, %zu VMA%s made readable, pmc by %s, page-pipe of %u pipes, xfer to %s",
		 d->nr_readable, d->nr_readable == 1 ? "" : "s", d->pmc.scan ? "PAGEMAP_SCAN" : "pread",
		 NR_PIPES_PER_CHUNK, d->staging ? staging_path(d->staging) : "nowhere");
}

const struct phase_ops ph_prepare = {
	.phase = PH(PREPARE),
	.name = "prepare",
	.unit = "one preparation: collect, infect, add PROT_READ, size pmc, make page-pipe, open xfer",
	.effect = "registers of the leader, one mapping, protections of unreadable VMAs",
	.undo = true,
	.mirrors = "prep_dump_pages_args, pmc_init, create_page_pipe, open_page_xfer",
	.next = prepare_next,
	.step = prepare_step,
	.summary = prepare_summary,
};
