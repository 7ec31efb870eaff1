/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The numbers of the target that is attached, for `explain`. */
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/num.h"
#include "shell/explain.h"
#include "shell/format.h"

#define MIB (1ul << 20)

/* Why the last window holds one VMA, when it does: the first of pmc_fill_cache()'s conditions that
 * does not hold. */
static char *why_simple(const Stepdump__Snapshot *s, const Stepdump__Pmc *p)
{
	const Stepdump__Vma *v = NULL, *next = NULL;

	for (size_t i = 0; i < s->n_vmas; i++)
		if (s->vmas[i]->start <= p->start && p->start < s->vmas[i]->end) {
			v = s->vmas[i];
			next = i + 1 < s->n_vmas ? s->vmas[i + 1] : NULL;
		}
	if (!v)
		return xstrdup("");

	uint64_t low = v->start & ~(2 * MIB - 1), high = low + 2 * MIB;
	char text[24];

	if (v->end - v->start >= 2 * MIB) {
		format_bytes(v->end - v->start, text, sizeof(text));
		return xasprintf(": VMA %u has %s, more than the window of 2 MiB", v->index, text);
	}
	if (v->start - low >= MIB / 2) {
		format_bytes(v->start - low, text, sizeof(text));
		return xasprintf(
			": VMA %u starts %s above its window's start, more than the gap of 512 KiB",
			v->index, text);
	}
	if (next && next->start >= high) {
		format_bytes(next->start - high, text, sizeof(text));
		return xasprintf(": the next VMA begins %s behind the 2 MiB window", text);
	}
	if (next && next->end > high)
		return xasprintf(": the next VMA, %u, ends outside the 2 MiB window", next->index);
	return xstrdup("");
}

char *here_pmc(const Stepdump__Snapshot *s)
{
	const Stepdump__Pmc *p = s->pmc;

	if (!p || !p->has_start)
		return NULL;
	AUTO_FREE char *why = p->cache_mode ? NULL : why_simple(s, p);

	return xasprintf("%lu hits, %lu misses, %lu fills; window %lx-%lx, %s%s", p->hits,
			 p->misses, p->fills, p->start, p->end,
			 p->cache_mode ? "cache mode" : "simple mode", why ?: "");
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
