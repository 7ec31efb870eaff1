/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The numbers of the target that is attached, for `explain`. */
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/num.h"
#include "shell/explain.h"
#include "shell/format.h"
#include "views/panes.h"

char *here_pmc(const Stepdump__Snapshot *s)
{
	const Stepdump__Pmc *p = s->pmc;

	if (!p || !p->has_start)
		return NULL;
	AUTO_FREE char *why = pmc_why(s);

	return xasprintf("%lu hits, %lu misses, %lu fills; window %lx-%lx, %s%s%s", p->hits,
			 p->misses, p->fills, p->start, p->end,
			 p->cache_mode ? "cache mode" : "simple mode", why ? ": " : "", why ?: "");
}

char *here_ppb(const Stepdump__Snapshot *s)
{
	const Stepdump__PagePipe *pp = s->page_pipe;

	if (!pp || !pp->n_ppbs)
		return NULL;
	return xasprintf("%zu ppbs in %u pipes; %lu pages planned, %lu in the pipes", pp->n_ppbs,
			 pp->nr_pipes, pp->pages_planned, pp->pages_in_pipes);
}

char *here_iov(const Stepdump__Snapshot *s)
{
	const Stepdump__PagePipe *pp = s->page_pipe;

	if (!pp || !pp->nr_iovs)
		return NULL;
	return xasprintf("%u iovs hold the %lu planned pages, %.1f pages each", pp->nr_iovs,
			 pp->pages_planned, (double)pp->pages_planned / pp->nr_iovs);
}

static uint64_t here_count(const Stepdump__Snapshot *s, Stepdump__Verdict v)
{
	for (size_t i = 0; s->counters && i < s->counters->n_verdicts; i++)
		if (s->counters->verdicts[i]->verdict == v)
			return s->counters->verdicts[i]->pages;
	return 0;
}

char *here_hole(const Stepdump__Snapshot *s)
{
	uint64_t holes = here_count(s, STEPDUMP__VERDICT__HOLE);

	if (!s->counters || !s->n_parents)
		return NULL;
	return xasprintf("%lu pages are holes so far, %lu go into pipes", holes,
			 here_count(s, STEPDUMP__VERDICT__DUMP));
}

char *here_chunk(const Stepdump__Snapshot *s)
{
	if (!s->cursor || !s->cursor->chunk)
		return NULL;
	return xasprintf("the pipeline is in chunk %u", s->cursor->chunk);
}

char *here_shmem(const Stepdump__Snapshot *s)
{
	uint64_t maps = 0;

	for (size_t i = 0; i < s->n_shmem; i++)
		maps += s->shmem[i]->n_maps;
	return s->n_shmem ? xasprintf("%zu objects, %lu mappings of them", s->n_shmem, maps) : NULL;
}

char *here_vma(const Stepdump__Snapshot *s)
{
	if (!s->target || !s->target->has_nr_vmas)
		return NULL;
	return xasprintf("%u VMAs, %lu pages in private ones", s->target->nr_vmas,
			 s->target->nr_private_pages);
}

char *here_parent(const Stepdump__Snapshot *s)
{
	if (!s->n_parents)
		return NULL;
	return xasprintf("%zu generation%s; the parent is %s", s->n_parents,
			 s->n_parents == 1 ? "" : "s", s->parents[0]->dir ?: "?");
}

char *here_tracker(const Stepdump__Snapshot *s)
{
	const Stepdump__Tracker *t = s->tracker;

	if (!t || !t->kind)
		return NULL;
	return xasprintf("%s: %s", t->kind, t->reason ?: "");
}

char *here_xfer(const Stepdump__Snapshot *s)
{
	const Stepdump__Xfer *x = s->xfer;

	if (!x || !x->has_entries)
		return NULL;
	return xasprintf("%lu entries written, %lu pages, %lu holes", x->entries, x->pages_written,
			 x->holes_written);
}

char *here_parasite(const Stepdump__Snapshot *s)
{
	const Stepdump__Target *t = s->target;

	if (!t || !t->parasite_end)
		return NULL;
	return xasprintf("at %lx-%lx; %u VMAs made readable", t->parasite_start, t->parasite_end,
			 t->nr_vmas_made_readable);
}
