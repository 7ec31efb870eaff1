/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * prepare: everything that has to be in place before the first page is looked at.
 * Mirrors: criu/mem.c prep_dump_pages_args(), parasite_dump_pages_seized() up to the loop;
 * criu/parasite-syscall.c; criu/page-xfer.c open_page_xfer().
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/vec.h"
#include "engine/dump/phases.h"
#include "engine/dump/reserve.h"
#include "engine/net/client.h"
#include "engine/target/parasite_rpc.h"

static bool prepare_must_become_readable(const struct vma *v)
{
	return vma_is_private(v) && !vma_never_dumped(v) && !(v->prot & PROT_READ) &&
	       (v->rss_bytes || v->swap_bytes ||
		(v->vmf & VMF_HUGETLB)); /* huge pages do not count as Rss */
}

/* The totals that later views are checked against, and room for the counts. */
static struct err *prepare_collect_task(struct task_dump *td)
{
	const struct vma_list *l = &td->t->vmas;

	free(td->by_vma);
	td->by_vma = xcalloc(l->nr, sizeof(*td->by_vma));
	memset(&td->total, 0, sizeof(td->total));
	for (size_t i = 0; i < l->nr; i++) {
		bool priv = vma_is_private(&l->v[i]);
		uint64_t pages = vma_pages(&l->v[i]);

		td->by_vma[i].pages[priv ? VD(NOT_SCANNED) : VD(SHARED)] = pages;
		if (priv)
			td->total.pages[VD(NOT_SCANNED)] += pages;
	}
	task_info_deinit(&td->ti);
	return FAULT_ERR(TASK_INFO, task_info_collect(td->t->pid, &td->ti));
}

/* All tasks at once: shared objects are known by all their mappings. */
static struct err *prepare_collect(struct dump *d)
{
	shmem_list_deinit(&d->shmem);
	for (size_t i = 0; i < d->nr_tasks; i++) {
		TRY(prepare_collect_task(&d->task[i]));
		shmem_collect(&d->shmem, i, d->task[i].t, d->opts->mode == MODE_PRE_DUMP);
	}
	for (size_t i = 0; i < d->shmem.nr; i++) {
		struct shmem_info *o = &d->shmem.o[i];

		struct err *e = shmem_open(o);

		if (e && d->rehearsal) { /* its pages are not counted, then */
			err_free(e);
			o->size = 0;
			continue;
		}
		TRY(e);
		/* A memfd can be written through its descriptor, which no page table shows. */
		o->tracked = d->opts->track_shmem && strcmp(o->kind, "memfd") != 0;
	}
	return NULL;
}

/* Is the history since the parent known for every task that maps the object?  Only soft-dirty sees
 * stores to shared memory. */
static bool prepare_all_mappers_tracked(const struct dump *d, const struct shmem_info *o)
{
	for (size_t i = 0; i < o->nr_maps; i++) {
		const struct task_dump *td = &d->task[o->map[i].task];

		if (!td->parent || tracker_kind(td->tracker) != TRACK_SOFT_DIRTY)
			return false;
	}
	return true;
}

/* Pages of tracked objects may be left in the parent too, as CRIU does with CRIU_TRACK_SHMEM. */
static struct err *prepare_shmem_parents(struct dump *d)
{
	for (size_t i = 0; i < d->shmem.nr && d->parent.dirfd >= 0; i++) {
		struct shmem_info *o = &d->shmem.o[i];
		char name[IMAGE_NAME_MAX];

		if (!o->tracked || !prepare_all_mappers_tracked(d, o))
			continue;
		image_name(IMG_SHMEM_PAGEMAP, o->shmid, name);
		page_read_close(TAKE_PTR(o->parent));
		TRY(page_read_open(d->parent.dirfd, name, &o->parent));
		if (o->parent && !history_may_leave(o->parent, d->opts))
			page_read_close(TAKE_PTR(o->parent));
	}
	return NULL;
}

/* The parent, and the trackers of all tasks.  Before infection: a userfaultfd can only be obtained from a
 * task that is not infected. */
static struct err *prepare_history(struct dump *d)
{
	enum opt_track want = d->opts->track == OPT_TRACK_NONE ? OPT_TRACK_AUTO : d->opts->track;

	parent_set_close(&d->parent);
	if (!dump_is_tracked(d))
		return NULL;
	if (d->opts->zero == ZERO_DROP && !d->rehearsal)
		return err_hint(err_new(ERR_STATE,
					"zero drop: the next dump of a chain leaves clean pages in "
					"this one, which would lack those that hold only zeroes"),
				"`set zero keep`, or neither mode pre-dump, nor parent, nor track");
	if (d->opts->parent)
		TRY(FAULT_ERR(PARENT_OPEN, parent_set_open(&d->parent, d->opts->parent)));
	for (size_t i = 0; i < d->nr_tasks; i++) {
		struct task_dump *td = &d->task[i];

		if (d->rehearsal)
			td->tracker = tracker_table_find(d->trackers, td->t);
		else
			TRY(FAULT_ERR(TRACKER, tracker_table_get(d->trackers, want, d->keeper,
								 td->t, d->caps, &td->tracker)));
		if (d->rehearsal && !td->tracker) {
			td->no_parent = "nothing tracks the target's writes yet";
			continue;
		}
		if (d->opts->mode == MODE_PRE_DUMP && tracker_kind(td->tracker) == TRACK_NONE)
			return err_hint(err_new(ERR_UNSUPPORTED,
						"pre-dump: nothing tracks the target's "
						"writes: %s",
						tracker_reason(td->tracker)),
					"`set mode dump` makes a full dump");
		if (tracker_needs_scan(td->tracker) && d->opts->pmc == PMC_PREAD)
			return err_hint(err_new(ERR_STATE, "the uffd tracker needs PAGEMAP_SCAN"),
					"`set pmc auto`");
		page_read_close(TAKE_PTR(td->parent));
		TRY(history_open(&d->parent, d->opts, &td->ti, td->tracker, &td->parent,
				 &td->no_parent));
	}
	return prepare_shmem_parents(d);
}

static struct err *prepare_infect(struct dump *d)
{
	struct task_dump *td = dump_task(d);

	if (dump_reads_pages(d))
		return NULL;

	uint64_t dumpable, thp_disabled;
	size_t unreadable = 0;

	for (size_t i = 0; i < td->t->vmas.nr; i++)
		unreadable += prepare_must_become_readable(&td->t->vmas.v[i]);
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

static struct err *prepare_readable(struct dump *d)
{
	struct task_dump *td = dump_task(d);
	const struct vma_list *l = &td->t->vmas;

	if (dump_reads_pages(d))
		return NULL;

	AUTO_FREE struct parasite_vma *v = NULL;
	size_t nr = 0, at = 0;

	for (size_t i = 0; i < l->nr; i++)
		if (prepare_must_become_readable(&l->v[i]))
			*vec_push(v, nr) =
				(struct parasite_vma){ .start = l->v[i].start,
						       .len = l->v[i].end - l->v[i].start,
						       .prot = l->v[i].prot };

	if (!nr)
		return NULL;

	struct err *e = pc_mprotect(td->t->par.sock, v, nr, PROT_READ, &at);

	/* After a failure the parasite remembers what it changed and puts it back when it ends. */
	if (e)
		return err_hint(err_vaddr(e, v[at].start),
				"the mapping may be sealed (mseal) or the target at "
				"vm.max_map_count; `show vmas` shows its flags");
	free(td->readable);
	td->readable = TAKE_PTR(v);
	td->nr_readable = nr;
	dump_tell_readable(d, td, PH(PREPARE), true);
	return NULL;
}

static struct err *prepare_pmc(struct dump *d)
{
	struct task_dump *td = dump_task(d);

	TRY(FAULT_ERR(FI_DUMP_PAGES, (struct err *)NULL));
	pmc_deinit(&td->pmc);
	TRY(pmc_init(&td->pmc, td->t->pagemap_fd, d->caps, d->opts->pmc, d->opts->pmc_cache));
	td->pmc.sizes_are_early = td->t->vmas_are_early;
	if (td->tracker)
		td->pmc.extra = tracker_categories(td->tracker);
	return NULL;
}

static struct err *prepare_page_pipe(struct dump *d)
{
	page_pipe_deinit(&d->pp);
	dump_new_page_pipe(d);
	return NULL;
}

/* What is resident or swapped out now.  Clean pages of files are counted, but are not dumped. */
static uint64_t prepare_bytes_at_most(const struct dump *d)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < d->nr_tasks; i++) {
		const struct vma_list *l = &d->task[i].t->vmas;

		for (size_t v = 0; v < l->nr; v++)
			sum += l->v[v].rss_bytes + l->v[v].swap_bytes;
	}
	return sum;
}

static struct err *prepare_make_xfer(struct dump *d)
{
	page_xfer_destroy(&d->xfer);
	if (d->opts->xfer == XFER_NULL) {
		/* Room may have been reserved, before this was set. */
		TRY(staging_discard(TAKE_PTR(d->staging)));
		return page_xfer_null(&d->xfer);
	}
	if (d->opts->xfer == XFER_SERVER && !d->opts->server)
		return err_hint(err_new(ERR_USAGE, "xfer server: no server is set"),
				"`set xfer server HOST:PORT`, or unix:PATH");
	if (!d->staging) {
		const struct staging_guard keeper = { keeper_litter, d->keeper };

		TRY(staging_create(d->commit_to ? d->commit_to : d->opts->dir, keeper,
				   &d->staging));
	}
	if (d->opts->xfer == XFER_SERVER)
		reserve_drop(staging_dirfd(d->staging), 0, d->nr_reserved);
	if (d->opts->xfer == XFER_SERVER)
		return page_xfer_server(&d->xfer, staging_dirfd(d->staging), d->opts->server,
					d->opts->wire, d->opts->timeout_s, d->stop);
	page_xfer_local(&d->xfer, staging_dirfd(d->staging), d->nr_reserved);
	d->xfer.expected = prepare_bytes_at_most(d);
	return NULL;
}

/* No page goes to the parent that the server does not have as well. */
static struct err *prepare_ask_about(struct dump *d, bool is_shmem, uint64_t id,
				     struct page_read **parent, const char **why)
{
	bool there;

	TRY(ps_parent(page_xfer_client(&d->xfer), ps_dst_id(is_shmem, id), &there));
	if (there || !*parent)
		return NULL;
	page_read_close(TAKE_PTR(*parent));
	*why = "the page server's parent does not have it";
	return NULL;
}

/* Connected and asked before the target is touched.  Mirrors criu/page-xfer.c
 * check_parent_page_xfer(). */
static struct err *prepare_server(struct dump *d)
{
	const char *why;

	if (d->opts->xfer != XFER_SERVER)
		return NULL;
	TRY(prepare_make_xfer(d));
	for (size_t i = 0; i < d->nr_tasks; i++)
		TRY(prepare_ask_about(d, false, (uint64_t)d->task[i].ti.ns_pid, &d->task[i].parent,
				      &d->task[i].no_parent));
	for (size_t i = 0; i < d->shmem.nr; i++)
		if (d->shmem.o[i].parent)
			TRY(prepare_ask_about(d, true, d->shmem.o[i].shmid, &d->shmem.o[i].parent,
					      &why));
	return NULL;
}

static struct err *prepare_xfer(struct dump *d)
{
	if (d->at.item == 0 && d->opts->xfer != XFER_SERVER)
		TRY(prepare_make_xfer(d));
	if (dump_keeps_pages(d)) /* opened when it is transferred */
		return NULL;
	return page_xfer_open_task(&d->xfer, dump_task(d)->ti.ns_pid);
}

static const struct {
	const char *what;
	bool once;    /* for the whole dump, not for each task */
	bool touches; /* the target: left out of a rehearsal */
	struct err *(*run)(struct dump *d);
} units[] = {
	{ "collect VMAs", true, false, prepare_collect },
	{ "open parent and tracker", true, false, prepare_history },
	{ "ask the page server", true, false, prepare_server },
	{ "infect", false, true, prepare_infect },
	{ "add PROT_READ", false, true, prepare_readable },
	{ "size the pmc", false, false, prepare_pmc },
	{ "create the page-pipe", true, false, prepare_page_pipe },
	{ "open the xfer", false, false, prepare_xfer },
};

#define NR_UNITS (sizeof(units) / sizeof(units[0]))

static unsigned prepare_this_unit(const struct dump *d)
{
	unsigned i = d->at.unit;

	while ((units[i].once && d->at.item > 0) || (units[i].touches && d->rehearsal))
		i++;
	return i;
}

static void prepare_next(struct dump *d, struct unit *u)
{
	u->what = units[prepare_this_unit(d)].what;
}

static struct err *prepare_step(struct dump *d, enum pace pace)
{
	d->at.unit = prepare_this_unit(d);
	TRY(units[d->at.unit].run(d));
	if (++d->at.unit < NR_UNITS)
		return NULL;
	d->at.unit = 0;
	if (d->at.item == 0)
		d->at.chunk = 1;
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
	char pipes[24] = "any number of";

	if (d->pp.max_pipes)
		snprintf(pipes, sizeof(pipes), "%u", d->pp.max_pipes);
	snprintf(buf, len,
		 "%d %s, %zu VMA%s made readable, pmc by %s, page-pipe of %s pipes, xfer to %s",
		 td->t->pid, td->t->infected ? "infected" : "not infected", td->nr_readable,
		 td->nr_readable == 1 ? "" : "s", td->pmc.scan ? "PAGEMAP_SCAN" : "pread", pipes,
		 page_xfer_client(&d->xfer) ? d->opts->server :
		 d->staging                 ? staging_path(d->staging) :
					      "nowhere");
}

const struct phase_ops ph_prepare = {
	.phase = PH(PREPARE),
	.name = "prepare",
	.unit = "one preparation: collect, parent, page server, infect, add PROT_READ, pmc, page-pipe, xfer",
	.effect = "registers of the leader, one mapping, protections of unreadable VMAs",
	.undo = true,
	.mirrors = "prep_dump_pages_args, pmc_init, create_page_pipe, open_page_xfer",
	.next = prepare_next,
	.step = prepare_step,
	.summary = prepare_summary,
};
