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
static struct err *collect_task(struct task_dump *td)
{
	const struct vma_list *l = &td->t->vmas;

	free(td->by_vma);
	td->by_vma = calloc(l->nr ? l->nr : 1, sizeof(*td->by_vma));
	if (!td->by_vma)
		return err_nomem();
	memset(&td->total, 0, sizeof(td->total));
	for (size_t i = 0; i < l->nr; i++) {
		bool priv = vma_is_private(&l->v[i]);
		uint64_t pages = vma_pages(&l->v[i]);

		td->by_vma[i].pages[priv ? VD(NOT_SCANNED) : VD(SHARED)] = pages;
		if (priv)
			td->total.pages[VD(NOT_SCANNED)] += pages;
	}
	task_info_deinit(&td->ti);
	return task_info_collect(td->t->pid, &td->ti);
}

/* All tasks at once: shared objects are known by all their mappings. */
static struct err *unit_collect(struct dump *d)
{
	shmem_list_deinit(&d->shmem);
	for (size_t i = 0; i < d->nr_tasks; i++) {
		TRY(collect_task(&d->task[i]));
		TRY(shmem_collect(&d->shmem, i, d->task[i].t));
	}
	for (size_t i = 0; i < d->shmem.nr; i++)
		TRY(shmem_open(&d->shmem.o[i]));
	return NULL;
}

static struct err *unit_infect(struct dump *d)
{
	struct task_dump *td = dump_task(d);
	uint64_t dumpable, thp_disabled;
	size_t unreadable = 0;

	for (size_t i = 0; i < td->t->vmas.nr; i++)
		unreadable += must_become_readable(&td->t->vmas.v[i]);
	if (!td->t->infected)
		TRY(target_infect(td->t, unreadable));

	int sock = td->t->par.sock;

	TRY(pc_call(sock, PC_BRK, &td->ti.brk));
	TRY(pc_call(sock, PC_DUMPABLE, &dumpable));
	TRY(pc_call(sock, PC_THP_DISABLED, &thp_disabled));
	td->ti.dumpable = (int)dumpable;
	td->ti.thp_disabled = thp_disabled;
	return NULL;
}

static struct err *unit_readable(struct dump *d)
{
	struct task_dump *td = dump_task(d);
	const struct vma_list *l = &td->t->vmas;
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

	struct err *e = pc_mprotect(td->t->par.sock, v, nr, PROT_READ, &at);

	if (e) {
		/* The parasite remembers what it changed and puts it back when it ends. */
		e = err_hint(err_vaddr(e, v[at].start),
			     "the mapping may be sealed (mseal) or the target at vm.max_map_count; "
			     "`show vmas` shows its flags");
		free(v);
		return e;
	}
	free(td->readable);
	td->readable = v;
	td->nr_readable = nr;
	return NULL;
}

static struct err *unit_pmc(struct dump *d)
{
	struct task_dump *td = dump_task(d);

	pmc_deinit(&td->pmc);
	return pmc_init(&td->pmc, td->t->pagemap_fd, d->caps, d->opts->pmc, d->opts->pmc_cache);
}

static struct err *unit_page_pipe(struct dump *d)
{
	page_pipe_deinit(&d->pp);
	page_pipe_init(&d->pp, NR_PIPES_PER_CHUNK, d->opts->pipe_pages);
	return NULL;
}

static struct err *make_xfer(struct dump *d)
{
	page_xfer_destroy(&d->xfer);
	if (d->opts->xfer == XFER_NULL)
		return page_xfer_null(&d->xfer);
	if (!d->staging) {
		TRY(staging_create(d->commit_to ? d->commit_to : d->opts->dir, &d->staging));
		TRY(keeper_litter_add(d->keeper, staging_path(d->staging)));
	}
	return page_xfer_local(&d->xfer, staging_dirfd(d->staging));
}

static struct err *unit_xfer(struct dump *d)
{
	if (d->item == 0)
		TRY(make_xfer(d));
	return page_xfer_open_task(&d->xfer, dump_task(d)->ti.ns_pid);
}

static const struct {
	const char *what;
	bool once; /* for the whole dump, not for each task */
	struct err *(*run)(struct dump *d);
} units[] = {
	{ "collect VMAs", true, unit_collect },
	{ "infect", false, unit_infect },
	{ "add PROT_READ", false, unit_readable },
	{ "size the pmc", false, unit_pmc },
	{ "create the page-pipe", true, unit_page_pipe },
	{ "open the xfer", false, unit_xfer },
};

#define NR_UNITS (sizeof(units) / sizeof(units[0]))

static unsigned this_unit(const struct dump *d)
{
	unsigned i = d->unit;

	while (units[i].once && d->item > 0)
		i++;
	return i;
}

static void prepare_next(struct dump *d, struct unit *u)
{
	u->what = units[this_unit(d)].what;
}

static struct err *prepare_step(struct dump *d, bool bulk)
{
	d->unit = this_unit(d);
	TRY(units[d->unit].run(d));
	if (++d->unit < NR_UNITS)
		return NULL;
	d->unit = 0;
	if (d->item == 0)
		d->chunk = 1;
	dump_begin_item(d);
	return NULL;
}

static void prepare_summary(const struct dump *d, const struct unit *last, char *buf, size_t len)
{
	const struct task_dump *td = dump_task(d);

	if (d->phase == PH(PREPARE)) {
		snprintf(buf, len, "%s: done", last->what);
		return;
	}
	snprintf(buf, len,
		 "%d infected, %zu VMA%s made readable, pmc by %s, page-pipe of %u pipes, xfer to %s",
		 td->t->pid, td->nr_readable, td->nr_readable == 1 ? "" : "s",
		 td->pmc.scan ? "PAGEMAP_SCAN" : "pread", NR_PIPES_PER_CHUNK,
		 d->staging ? staging_path(d->staging) : "nowhere");
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
