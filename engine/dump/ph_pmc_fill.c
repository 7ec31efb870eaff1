/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pmc-fill: one VMA (or the rest of a large one) looked up in the pagemap cache.
 * Mirrors: criu/pagemap-cache.c pmc_get_map(), pmc_fill_cache(). */
#include <stdio.h>

#include "base/clock.h"
#include "engine/dump/phases.h"

static void pmc_fill_next(struct dump *d, struct unit *u)
{
	u->vma = (int64_t)d->scan.vma;
	u->start = d->scan.vaddr;
	u->end = dump_task(d)->t->vmas.v[d->scan.vma].end;
}

static struct err *pmc_fill_step(struct dump *d, enum pace pace)
{
	struct task_dump *td = dump_task(d);
	const struct vma *v = &td->t->vmas.v[d->scan.vma];
	uint64_t t0 = now_us();
	bool hit;

	/* VMAs whose verdict does not depend on the pagemap. */
	if (!dump_decides_alone(td, v)) {
		struct err *e =
			pmc_get_map(&td->pmc, &td->t->vmas, d->scan.vma, d->scan.vaddr, &hit);

		if (e)
			return err_vaddr(e, d->scan.vaddr);
	}
	d->times.scan += now_us() - t0;
	d->scan.end = d->scan.vaddr;
	d->phase = PH(GENERATE_IOVS);
	return NULL;
}

static void pmc_fill_summary(const struct dump *d, const struct unit *u, char *buf, size_t len)
{
	const struct task_dump *td = dump_task(d);
	const struct pmc *p = &td->pmc;

	if (u->vma < 0) { /* several look-ups */
		snprintf(buf, len, "%lu hits, %lu misses", p->hits, p->misses);
		return;
	}

	const struct vma *v = &td->t->vmas.v[u->vma];
	int n = snprintf(buf, len, "VMA %ld of %zu %lx-%lx: ", u->vma, td->t->vmas.nr, v->start,
			 v->end);

	if (n < 0 || (size_t)n >= len)
		return;
	buf += n;
	len -= (size_t)n;
	if (dump_decides_alone(td, v))
		snprintf(buf, len, "%s, %s whatever pagemap says", vma_kind(v),
			 dump_verdict(td, v, 0) == VD(ALWAYS) ? "dumped whole" : "skipped");
	else if (p->last_hit)
		snprintf(buf, len, "hit in window %lx-%lx", p->start, p->end);
	else
		snprintf(buf, len, "miss, %s mode, window %lx-%lx covers %u VMA%s%s",
			 p->cached ? "cache" : "simple", p->start, p->end, p->nr_vmas,
			 p->nr_vmas == 1 ? "" : "s",
			 p->end < p->want_end ? " (stopped early: buffer full)" : "");
}

const struct phase_ops ph_pmc_fill = {
	.phase = PH(PMC_FILL),
	.name = "pmc-fill",
	.unit = "one VMA looked up in the pagemap cache: a hit, or a miss and one fill",
	.effect = "none",
	.undo = true,
	.mirrors = "pmc_get_map, pmc_fill_cache",
	.takes_turns = true,
	.turns_with = PH(GENERATE_IOVS),
	.small_units = true,
	.next = pmc_fill_next,
	.step = pmc_fill_step,
	.summary = pmc_fill_summary,
};
