/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * generate-iovs: runs of pages with one verdict become iovs, holes, or nothing.
 * Mirrors: criu/mem.c generate_iovs(), should_dump_page(); criu/shmem.c do_dump_one_shmem().
 * Differs in: a turn of the loop is a run, not a page.
 */
#include <stdio.h>

#include "base/clock.h"
#include "engine/dump/dump_images.h"
#include "engine/dump/phases.h"
#include "engine/dump/zero_pages.h"

/*
 * A hole that the parent does not cover stops the dump when it is transferred, as in CRIU.  With
 * `set hole-missing dump` the run is cut where the parent's entries begin and end, and what it
 * lacks is dumped.
 */
static void generate_fit_to_parent(struct dump *d, verdict_t otherwise)
{
	const struct page_read *pr = dump_parent(d);
	const struct pagemap_entry *before, *after;
	uint64_t missing, pages = (d->scan.end - d->scan.vaddr) / PAGE_BYTES;

	if (d->opts->hole_missing == HOLE_MISSING_FAIL ||
	    page_read_covers(pr, d->scan.vaddr, pages, &missing))
		return;
	if (missing > d->scan.vaddr) {
		d->scan.end = missing;
		return;
	}
	d->scan.verdict = otherwise;
	page_read_neighbours(pr, d->scan.vaddr, &before, &after);
	if (after && after->vaddr < d->scan.end)
		d->scan.end = after->vaddr;
}

/* The next run of a shared object: from its pstate map, or by SEEK_DATA where the map has no entry.
 * Mirrors criu/shmem.c do_dump_one_shmem(). */
static struct err *generate_look_ahead_shmem(struct dump *d, const struct shmem_info *o)
{
	uint64_t page = d->scan.vaddr / PAGE_BYTES, start, end, data_end;

	d->scan.lazy = false;
	end = pstate_run(&o->pstate, page, o->size / PAGE_BYTES) * PAGE_BYTES;
	switch (pstate_get(&o->pstate, page)) {
	case PST_DONT_DUMP:
		/* Nothing is noted before it has worked: an end would be taken for a run that is known. */
		TRY(shmem_next_data(o, d->scan.vaddr, &start, &data_end));
		d->scan.verdict = start > d->scan.vaddr ? VD(ABSENT) : VD(DUMP);
		if (start > d->scan.vaddr)
			data_end = start;
		d->scan.end = data_end < end ? data_end : end;
		return NULL;
	case PST_ZERO:
		d->scan.verdict = VD(ZERO);
		d->scan.end = end;
		return NULL;
	case PST_DUMP:
		d->scan.verdict = o->parent ? VD(HOLE) : VD(DUMP);
		d->scan.end = end;
		if (o->parent)
			generate_fit_to_parent(d, VD(DUMP));
		return NULL;
	case PST_DIRTY:
		d->scan.verdict = VD(DUMP);
		d->scan.end = end;
		return NULL;
	}
	return NULL;
}

/* Splits what is to be dumped into pages that hold only zeroes, and others. */
static void generate_drop_zeroes(struct dump *d, const struct vma *v)
{
	bool zero;

	/* A page that is swapped out would be read in, and a rehearsal does not read memory. */
	if (d->opts->zero != ZERO_DROP || d->scan.verdict != VD(DUMP) || d->rehearsal ||
	    !zero_pages_come_back(v))
		return;
	d->scan.end =
		d->scan.vaddr + zero_pages_run(dump_task(d)->t, d->scan.vaddr,
					       (d->scan.end - d->scan.vaddr) / PAGE_BYTES, &zero) *
					PAGE_BYTES;
	d->scan.zeroes = zero;
	if (zero)
		d->scan.verdict = VD(ZERO);
}

/* Finds the run that begins at d->scan.vaddr, unless it is known already.  Changes only d->scan. */
static struct err *generate_look_ahead(struct dump *d)
{
	if (d->scan.end > d->scan.vaddr)
		return NULL;
	d->scan.zeroes = false;
	if (dump_shmem(d))
		return generate_look_ahead_shmem(d, dump_shmem(d));

	struct task_dump *td = dump_task(d);
	const struct vma *v = &td->t->vmas.v[d->scan.vma];

	if (dump_decides_alone(td, v)) {
		d->scan.verdict = dump_verdict(td, v, 0);
		d->scan.end = v->end;
	} else {
		uint64_t cats = pmc_run(&td->pmc, d->scan.vaddr, v->end, &d->scan.end);

		d->scan.state = dump_pstate(td, cats);
		d->scan.verdict = dump_verdict(td, v, cats);
		if (d->scan.verdict == VD(HOLE))
			generate_fit_to_parent(d, page_verdict(v, cats));
		generate_drop_zeroes(d, v);
	}
	d->scan.lazy = d->opts->lazy && verdict_is_data(d->scan.verdict) && vma_can_be_lazy(v);
	return NULL;
}

static void generate_next(struct dump *d, struct unit *u)
{
	u->start = u->end = d->scan.vaddr;
	if (!dump_shmem(d) && !dump_item_scanned(d))
		u->vma = (int64_t)d->scan.vma;
	if (dump_item_scanned(d)) /* an item without anything to look at */
		return;
	/* A failure is reported when the unit is done. */
	struct err *e = generate_look_ahead(d);

	if (!e) {
		u->end = d->scan.end;
		u->has_verdict = true;
		u->verdict = d->scan.verdict;
	}
	err_free(e);
}

static void generate_count(struct dump *d, uint64_t pages)
{
	struct shmem_info *o = dump_shmem(d);
	struct task_dump *td = dump_task(d);

	if (o) {
		if (verdict_is_data(d->scan.verdict)) {
			d->count.shpages_written += pages;
			o->pages_dumped += pages;
		} else if (d->scan.verdict == VD(HOLE)) {
			d->count.shpages_skipped_parent += pages;
		}
		return;
	}
	if (d->scan.verdict == VD(SHARED))
		return; /* counted as shared from the start */
	if (d->scan.verdict == VD(GUARD))
		dump_images_add_guard(&td->images, d->scan.vaddr,
				      d->scan.vaddr + pages * PAGE_BYTES);
	td->by_vma[d->scan.vma].pages[d->scan.verdict] += pages;
	td->by_vma[d->scan.vma].pages[VD(NOT_SCANNED)] -= pages;
	td->total.pages[d->scan.verdict] += pages;
	td->total.pages[VD(NOT_SCANNED)] -= pages;
	d->count.pages_scanned += td->pmc.scan ? 1 : pages;
	if (d->scan.zeroes)
		d->count.pages_zero_dropped += pages;
}

/* The item is scanned: drain what is planned, however little it is. */
static struct err *generate_item_scanned(struct dump *d)
{
	if (!d->pp.nr_ppbs && !d->pp.nr_holes)
		return dump_next_item(d);
	if (dump_reads_pages(d)) /* nothing to splice */
		return dump_next_item(d);
	dump_begin_drain(d);
	return NULL;
}

/* Where to go once d->scan.vaddr has moved. */
static struct err *generate_advance(struct dump *d)
{
	if (dump_shmem(d))
		return dump_item_scanned(d) ? generate_item_scanned(d) : NULL;

	const struct task_dump *td = dump_task(d);
	const struct vma *v = &td->t->vmas.v[d->scan.vma];

	if (d->scan.vaddr < v->end) {
		if (!dump_decides_alone(td, v) && d->scan.vaddr >= td->pmc.end)
			d->phase = PH(PMC_FILL); /* the fill ended before the VMA did */
		return NULL;
	}
	d->scan.vma = dump_next_vma(d, d->scan.vma + 1);
	if (dump_item_scanned(d))
		return generate_item_scanned(d);
	d->scan.vaddr = d->scan.end = td->t->vmas.v[d->scan.vma].start;
	d->phase = PH(PMC_FILL);
	return NULL;
}

/* A run of a shared VMA goes into the pstate map of its object.  Mirrors update_shmem_pmaps(). */
static struct err *generate_contribute(struct dump *d, uint64_t pages)
{
	const struct vma *v = &dump_task(d)->t->vmas.v[d->scan.vma];
	struct shmem_info *o = dump_pstate_of(d, v);

	return pstate_or(&o->pstate, (v->pgoff + (d->scan.vaddr - v->start)) / PAGE_BYTES, pages,
			 d->scan.state);
}

static struct err *generate_run(struct dump *d)
{
	if (dump_item_scanned(d))
		return generate_item_scanned(d); /* there was nothing to look at */
	TRY(generate_look_ahead(d));

	uint64_t pages = (d->scan.end - d->scan.vaddr) / PAGE_BYTES, added = pages;

	if (verdict_is_data(d->scan.verdict))
		TRY(page_pipe_add_pages(&d->pp, d->scan.vaddr, pages, d->scan.lazy ? PPB_LAZY : 0,
					&added));
	else if (d->scan.verdict == VD(SHARED))
		TRY(generate_contribute(d, pages));
	else if (d->scan.verdict == VD(HOLE))
		page_pipe_add_hole(&d->pp, d->scan.vaddr, pages, PP_HOLE_PARENT);
	if (d->scan.lazy)
		d->count.pages_lazy += added;
	generate_count(d, added);
	d->scan.vaddr += added * PAGE_BYTES;
	if (added < pages) { /* -EAGAIN: the page-pipe is full, go on in the same VMA after xfer */
		dump_tell(
			d, PH(GENERATE_IOVS),
			"page_pipe_add_page: -EAGAIN at off %lx, all %u pipes are full: drain, xfer, "
			"then again from there",
			d->scan.vaddr, d->pp.nr_pipes);
		dump_begin_drain(d);
		return NULL;
	}
	return generate_advance(d);
}

static struct err *generate_step(struct dump *d, enum pace pace)
{
	uint64_t t0 = now_us();
	struct err *e = NULL;

	/* In bulk: until the phase changes, but return now and then for ^C and progress. */
	for (unsigned n = 0; n < (pace == PACE_UNIT ? 1u : 4096u); n++) {
		e = generate_run(d);
		if (e || d->phase != PH(GENERATE_IOVS))
			break;
	}
	d->times.scan += now_us() - t0;
	return e ? err_vaddr(e, d->scan.vaddr) : NULL;
}

static void generate_summary(const struct dump *d, const struct unit *u, char *buf, size_t len)
{
	uint64_t planned = page_pipe_planned(&d->pp);

	if (u->has_verdict && d->phase == PH(GENERATE_IOVS)) {
		snprintf(buf, len, "%lx-%lx: %lu page%s, %s", u->start, u->end,
			 ((u->end - u->start) / PAGE_BYTES),
			 u->end - u->start == PAGE_BYTES ? "" : "s", verdict_name(u->verdict));
		return;
	}
	snprintf(buf, len, "%lu pages planned in %u ppb%s, %u hole%s%s", planned, d->pp.nr_ppbs,
		 d->pp.nr_ppbs == 1 ? "" : "s", d->pp.nr_holes, d->pp.nr_holes == 1 ? "" : "s",
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
	.takes_turns = true,
	.turns_with = PH(PMC_FILL),
	.small_units = true,
	.bulk_steps = true,
	.next = generate_next,
	.step = generate_step,
	.summary = generate_summary,
};
