/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * generate-iovs: runs of pages with one verdict become iovs, holes, or nothing.
 * Mirrors: criu/mem.c generate_iovs(), should_dump_page(); criu/shmem.c do_dump_one_shmem().
 * Differs in: a turn of the loop is a run, not a page.
 */
#include <stdio.h>

#include "base/clock.h"
#include "engine/dump/dump.h"

/*
 * A hole that the parent does not cover stops the dump when it is transferred, as in CRIU.  With
 * `set hole-missing dump` the run is cut where the parent's entries begin and end, and what it
 * lacks is dumped.
 */
static void fit_to_parent(struct dump *d, verdict_t otherwise)
{
	const struct page_read *pr = dump_parent(d);
	const struct pagemap_entry *before, *after;
	uint64_t missing, pages = (d->run_end - d->vaddr) / PAGE_BYTES;

	if (d->opts->hole_missing == HOLE_MISSING_FAIL ||
	    page_read_covers(pr, d->vaddr, pages, &missing))
		return;
	if (missing > d->vaddr) {
		d->run_end = missing;
		return;
	}
	d->run_verdict = otherwise;
	page_read_neighbours(pr, d->vaddr, &before, &after);
	if (after && after->vaddr < d->run_end)
		d->run_end = after->vaddr;
}

/* Of a shared object: by its pstate map, and by SEEK_DATA where that says nothing.
 * Mirrors criu/shmem.c do_dump_one_shmem(). */
static struct err *look_ahead_shmem(struct dump *d, const struct shmem_info *o)
{
	uint64_t page = d->vaddr / PAGE_BYTES, start, end;

	d->run_lazy = false;
	end = pstate_run(&o->pstate, page, o->size / PAGE_BYTES) * PAGE_BYTES;
	switch (pstate_get(&o->pstate, page)) {
	case PST_DONT_DUMP:
		d->run_end = end;
		TRY(shmem_next_data(o, d->vaddr, &start, &end));
		d->run_verdict = start > d->vaddr ? VD(ABSENT) : VD(DUMP);
		if (start > d->vaddr)
			end = start;
		if (end < d->run_end)
			d->run_end = end;
		return NULL;
	case PST_ZERO:
		d->run_verdict = VD(ZERO);
		d->run_end = end;
		return NULL;
	case PST_DUMP:
		d->run_verdict = o->parent ? VD(HOLE) : VD(DUMP);
		d->run_end = end;
		if (o->parent)
			fit_to_parent(d, VD(DUMP));
		return NULL;
	case PST_DIRTY:
		d->run_verdict = VD(DUMP);
		d->run_end = end;
		return NULL;
	}
	return NULL;
}

/* Finds the run that begins at d->vaddr, if it is not known yet.  Pure but for the memo. */
static struct err *look_ahead(struct dump *d)
{
	if (d->run_end > d->vaddr)
		return NULL;
	if (dump_shmem(d))
		return look_ahead_shmem(d, dump_shmem(d));

	struct task_dump *td = dump_task(d);
	const struct vma *v = &td->t->vmas.v[d->vma];

	if (dump_decides_alone(td, v)) {
		d->run_verdict = dump_verdict(td, v, 0);
		d->run_end = v->end;
	} else {
		uint64_t cats = pmc_run(&td->pmc, d->vaddr, v->end, &d->run_end);

		d->run_state = dump_pstate(td, cats);
		d->run_verdict = dump_verdict(td, v, cats);
		if (d->run_verdict == VD(HOLE))
			fit_to_parent(d, page_verdict(v, cats));
	}
	d->run_lazy = d->opts->lazy && verdict_is_data(d->run_verdict) && vma_can_be_lazy(v);
	return NULL;
}

static void generate_next(struct dump *d, struct unit *u)
{
	u->start = u->end = d->vaddr;
	if (!dump_shmem(d) && !dump_item_scanned(d))
		u->vma = (int64_t)d->vma;
	if (dump_item_scanned(d)) /* an item without anything to look at */
		return;
	/* A failure shows when the unit is done. */
	struct err *e = look_ahead(d);

	if (!e) {
		u->end = d->run_end;
		u->has_verdict = true;
		u->verdict = d->run_verdict;
	}
	err_free(e);
}

static void count(struct dump *d, uint64_t pages)
{
	struct shmem_info *o = dump_shmem(d);
	struct task_dump *td = dump_task(d);

	if (o) {
		if (verdict_is_data(d->run_verdict)) {
			d->shpages_written += pages;
			o->pages_dumped += pages;
		}
		return;
	}
	if (d->run_verdict == VD(SHARED))
		return; /* counted as shared from the start */
	td->by_vma[d->vma].pages[d->run_verdict] += pages;
	td->by_vma[d->vma].pages[VD(NOT_SCANNED)] -= pages;
	td->total.pages[d->run_verdict] += pages;
	td->total.pages[VD(NOT_SCANNED)] -= pages;
	d->pages_scanned += td->pmc.scan ? 1 : pages;
}

/* All of the item is looked at: what is planned must go out, however little it is. */
static struct err *item_scanned(struct dump *d)
{
	if (!d->pp.nr_ppbs && !d->pp.nr_holes)
		return dump_next_item(d);
	if (dump_reads_pages(d)) /* nothing to splice */
		return dump_next_item(d);
	d->ppb = d->hole = 0;
	d->phase = PH(DRAIN);
	return NULL;
}

/* Where to go once d->vaddr has moved. */
static struct err *advance(struct dump *d)
{
	if (dump_shmem(d))
		return dump_item_scanned(d) ? item_scanned(d) : NULL;

	const struct task_dump *td = dump_task(d);
	const struct vma *v = &td->t->vmas.v[d->vma];

	if (d->vaddr < v->end) {
		if (!dump_decides_alone(td, v) && d->vaddr >= td->pmc.end)
			d->phase = PH(PMC_FILL); /* the fill ended before the VMA did */
		return NULL;
	}
	d->vma = dump_next_vma(d, d->vma + 1);
	if (dump_item_scanned(d))
		return item_scanned(d);
	d->vaddr = d->run_end = td->t->vmas.v[d->vma].start;
	d->phase = PH(PMC_FILL);
	return NULL;
}

/* A run of a shared VMA says something of its object's pages.  Mirrors update_shmem_pmaps(). */
static struct err *contribute(struct dump *d, uint64_t pages)
{
	const struct vma *v = &dump_task(d)->t->vmas.v[d->vma];
	struct shmem_info *o = dump_pstate_of(d, v);

	return pstate_or(&o->pstate, (v->pgoff + (d->vaddr - v->start)) / PAGE_BYTES, pages,
			 d->run_state);
}

static struct err *one_run(struct dump *d)
{
	if (dump_item_scanned(d))
		return item_scanned(d); /* there was nothing to look at */
	TRY(look_ahead(d));

	uint64_t pages = (d->run_end - d->vaddr) / PAGE_BYTES, added = pages;

	if (verdict_is_data(d->run_verdict))
		TRY(page_pipe_add_pages(&d->pp, d->vaddr, pages, d->run_lazy ? PPB_LAZY : 0,
					&added));
	else if (d->run_verdict == VD(SHARED))
		TRY(contribute(d, pages));
	else if (d->run_verdict == VD(HOLE))
		TRY(page_pipe_add_hole(&d->pp, d->vaddr, pages, PP_HOLE_PARENT));
	if (d->run_lazy)
		d->pages_lazy += added;
	count(d, added);
	d->vaddr += added * PAGE_BYTES;
	if (added < pages) { /* -EAGAIN: the page-pipe is full, go on in the same VMA after xfer */
		d->ppb = d->hole = 0;
		d->phase = PH(DRAIN);
		return NULL;
	}
	return advance(d);
}

static struct err *generate_step(struct dump *d, enum pace pace)
{
	uint64_t t0 = now_us();
	struct err *e = NULL;

	/* In bulk: until the phase changes, but come back now and then for ^C and progress. */
	for (unsigned n = 0; n < (pace == PACE_UNIT ? 1u : 4096u); n++) {
		e = one_run(d);
		if (e || d->phase != PH(GENERATE_IOVS))
			break;
	}
	d->times.scan += now_us() - t0;
	return e ? err_vaddr(e, d->vaddr) : NULL;
}

static void generate_summary(const struct dump *d, const struct unit *u, char *buf, size_t len)
{
	uint64_t planned = page_pipe_planned(&d->pp);

	if (u->has_verdict && d->phase == PH(GENERATE_IOVS)) {
		snprintf(buf, len, "%llx-%llx: %llu page%s, %s", (unsigned long long)u->start,
			 (unsigned long long)u->end,
			 (unsigned long long)((u->end - u->start) / PAGE_BYTES),
			 u->end - u->start == PAGE_BYTES ? "" : "s", verdict_name(u->verdict));
		return;
	}
	snprintf(buf, len, "%llu pages planned in %u ppb%s, %u hole%s%s",
		 (unsigned long long)planned, d->pp.nr_ppbs, d->pp.nr_ppbs == 1 ? "" : "s",
		 d->pp.nr_holes, d->pp.nr_holes == 1 ? "" : "s",
		 d->phase == PH(DRAIN) && !dump_item_scanned(d) ? "; page-pipe full (-EAGAIN)" :
								  "");
}

const struct phase_ops ph_generate_iovs = {
	.phase = PH(GENERATE_IOVS),
	.name = "generate-iovs",
	.unit = "one run of pages with the same verdict becomes (part of) an iov or a hole",
	.effect = "none",
	.undo = true,
	.mirrors = "generate_iovs, page_pipe_add_page, page_pipe_add_hole, add_shmem_area",
	.next = generate_next,
	.step = generate_step,
	.summary = generate_summary,
};
