/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the pipeline stands, in a snapshot: the cursor, the units around it, the counters. */
#include <stdio.h>
#include <string.h>

#include "engine/snap/snap_priv.h"

static Stepdump__Unit *snap_unit(struct session *s, const struct unit *u, bool next)
{
	const struct phase_ops *ops = phase_ops(u->phase);
	Stepdump__Unit *o = MSG_NEW(Stepdump__Unit, unit);

	o->phase = u->phase;
	SET(o, chunk, u->chunk);
	if (u->vma >= 0)
		SET(o, vma_index, (uint32_t)u->vma);
	if (u->ppb >= 0)
		SET(o, ppb, (uint32_t)u->ppb);
	if (u->start != u->end) {
		SET(o, start, u->start);
		SET(o, end, u->end);
	}
	if (u->has_verdict)
		SET(o, verdict, u->verdict);
	if (s->nr_tasks > 1 && u->shmem < 0)
		SET(o, pid, (uint32_t)s->t[u->task].pid);
	if (u->shmem >= 0)
		SET(o, shmid, s->d.shmem.o[u->shmem].shmid);
	if (u->pe_flags)
		o->flags = xstrdup(u->pe_flags & PE_PARENT ? "PARENT" : "DATA");

	char text[200] = "";

	if (next)
		unit_in_words(u, text, sizeof(text));
	else if (ops && attached(s))
		ops->summary(&s->d, u, text, sizeof(text));
	o->text = xstrdup(text);
	return o;
}

void unit_in_words(const struct unit *u, char *buf, size_t len)
{
	unsigned long start = u->start, end = u->end;

	switch (u->phase) {
	case PH(PREPARE):
	case PH(RESET):
		snprintf(buf, len, "%s", u->what);
		break;
	case PH(PMC_FILL):
		snprintf(buf, len, "look up VMA %ld from %lx on in the pagemap cache", u->vma,
			 start);
		break;
	case PH(GENERATE_IOVS):
		if (u->has_verdict)
			snprintf(buf, len, "%lx-%lx: %lu page%s, verdict %s", start, end,
				 (end - start) / PAGE_BYTES, end - start == PAGE_BYTES ? "" : "s",
				 verdict_name(u->verdict));
		else
			snprintf(buf, len, "the run of pages at %lx", start);
		break;
	case PH(DRAIN):
		if (u->ppb >= 0)
			snprintf(buf, len, "DUMPPAGES for ppb %d, its pipe fd, the reply", u->ppb);
		else
			snprintf(buf, len, "nothing left to drain: on to xfer");
		break;
	case PH(XFER):
		if (u->start != u->end)
			snprintf(buf, len, "write entry %lx, %lu page%s, %s", start,
				 (end - start) / PAGE_BYTES, end - start == PAGE_BYTES ? "" : "s",
				 u->pe_flags & PE_PARENT ? "PARENT, no data" :
							   "PRESENT, with data");
		else
			snprintf(buf, len, "end of the chunk");
		break;
	case PH(READY):
		snprintf(buf, len, "prepare: nothing in the target is touched yet");
		break;
	case PH(GATE):
		snprintf(buf, len, "commit gate: `commit DIR` publishes, `restart`, `abort` drop");
		break;
	default:
		snprintf(buf, len,
			 "committed: `detach` lets go of the target, `restart` dumps again");
	}
}

static const char *snap_phase_state(const struct session *s, phase_t p)
{
	const struct dump *d = &s->d;

	if (d->phase == p)
		return s->error && s->error->phase && !strcmp(s->error->phase, phase_name(p)) ?
			       "failed" :
			       "now";
	return d->count.units[p] ? "ok" : "-";
}

Stepdump__Cursor *snap_cursor(struct session *s)
{
	const struct dump *d = &s->d;
	Stepdump__Cursor *c = MSG_NEW(Stepdump__Cursor, cursor);
	struct unit next;

	c->phase = attached(s) ? d->phase : PH(READY);
	if (!attached(s))
		return c;
	phase_next_unit(&s->d, &next);
	SET(c, chunk, d->at.chunk);
	if (!s->in_bulk)
		SET(c, unit, session_units(s));
	c->next = snap_unit(s, &next, true);
	if (s->last.phase != PH(READY))
		c->last = snap_unit(s, &s->last, false);
	SET(c, settled, snap_is_settled(d));
	c->item = dump_shmem(d) ? xasprintf("shmem %lu", dump_shmem(d)->shmid) :
				  xasprintf("task %d", dump_task(d)->t->pid);
	SET(c, scan_vaddr, d->scan.vaddr);
	for (size_t i = 0; i < NR_PHASES; i++) {
		const struct phase_ops *ops = phase_table[i];
		Stepdump__PhaseInfo *p = MSG_PUSH(c, phases, phase_info);

		p->phase = ops->phase;
		p->name = xstrdup(ops->name);
		p->unit = xstrdup(ops->unit);
		p->effect = xstrdup(ops->effect);
		SET(p, undo, ops->undo);
		p->mirrors = xstrdup(ops->mirrors);
		SET(p, units_done, d->count.units[ops->phase]);
		p->state = xstrdup(snap_phase_state(s, ops->phase));
		if (ops->phase == PH(DRAIN) && d->phase == PH(DRAIN))
			SET(p, units_total, d->pp.nr_ppbs);
	}
	return c;
}

void snap_counts(const struct verdict_counts *c, Stepdump__VerdictCount ***out, size_t *nr)
{
	for (unsigned v = 0; v < NR_VERDICTS; v++) {
		if (!c->pages[v])
			continue;
		Stepdump__VerdictCount *vc = msg_push(out, nr, sizeof(*vc));

		stepdump__verdict_count__init(vc);
		vc->verdict = (verdict_t)v;
		vc->pages = c->pages[v];
	}
}

Stepdump__Counters *snap_counters(struct session *s)
{
	const struct dump *d = &s->d;
	Stepdump__Counters *c = MSG_NEW(Stepdump__Counters, counters);

	if (!attached(s))
		return c;
	SET(c, freezing_us, s->t[0].task.freezing_us);
	SET(c, frozen_us, target_frozen_us(&s->t[0]));
	SET(c, memdump_us, d->times.scan + d->times.drain + d->times.memwrite);
	SET(c, memwrite_us, d->times.memwrite);
	SET(c, scan_us, d->times.scan);
	SET(c, drain_us, d->times.drain);
	SET(c, total_us, d->times.total);
	SET(c, pages_scanned, d->count.pages_scanned);
	SET(c, pages_skipped_parent, dump_count(d, VD(HOLE)));
	SET(c, pages_written, d->xfer.pages - d->count.shpages_written);
	SET(c, pages_lazy, d->count.pages_lazy);
	SET(c, pages_zero_dropped, d->count.pages_zero_dropped);
	c->has_page_pipes = c->has_page_pipe_bufs = true;
	dump_pipes(d, &c->page_pipes, &c->page_pipe_bufs);
	SET(c, shpages_scanned, d->count.shpages_scanned);
	SET(c, shpages_skipped_parent, d->count.shpages_skipped_parent);
	SET(c, shpages_written, d->count.shpages_written);

	struct verdict_counts sum = { 0 };
	uint64_t pages = 0;

	for (size_t i = 0; i < d->nr_tasks; i++) {
		pages += s->t[i].vmas.nr_priv_pages;
		for (unsigned v = 0; v < NR_VERDICTS; v++)
			sum.pages[v] += d->task[i].total.pages[v];
	}
	snap_counts(&sum, &c->verdicts, &c->n_verdicts);
	SET(c, pages_total, pages);
	return c;
}
