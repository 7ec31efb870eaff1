/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a session to a snapshot: target, threads, VMAs, cursor, counters, settings.
 * The page-pipe and what surrounds it is in snap_pipe.c, single pages are in snap_pages.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "engine/proc.h"
#include "engine/snap_priv.h"

/* ---- allocation ------------------------------------------------------------------------------- */

void *snap_alloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	if (!p)
		abort();
	return p;
}

char *snap_strdup(const char *text)
{
	char *p = strdup(text);

	if (!p)
		abort();
	return p;
}

char *snap_printf(const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	int n = vasprintf(&p, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	return p;
}

void *snap_push(void *array, size_t *nr, size_t elem_size)
{
	void ***a = array;

	/* Grows at 0, 1, 2, 4, 8, ... elements. */
	if ((*nr & (*nr - 1)) == 0) {
		void *p = reallocarray(*a, *nr ? *nr * 2 : 1, sizeof(void *));

		if (!p)
			abort();
		*a = p;
	}
	return (*a)[(*nr)++] = snap_alloc(elem_size);
}

static void name_list(char ***out, size_t *nr, const char *const *names, size_t n)
{
	*out = snap_alloc((n ? n : 1) * sizeof(char *));
	*nr = n;
	for (size_t i = 0; i < n; i++)
		(*out)[i] = snap_strdup(names[i]);
}

/* ---- target ------------------------------------------------------------------------------------- */

static void snap_target(struct session *s, Stepdump__Snapshot *snap)
{
	Stepdump__Target *t = snap_alloc(sizeof(*t));

	stepdump__target__init(t);
	snap->target = t;
	if (!attached(s)) {
		t->state = STEPDUMP__TARGET_STATE__NO_TARGET;
		return;
	}
	const struct task_dump *td = &s->d.task[session_task(s)];
	const struct target *in = td->t;

	t->state = in->thawed		  ? STEPDUMP__TARGET_STATE__RUNNING :
		   session_target_gone(s) ? STEPDUMP__TARGET_STATE__GONE :
		   in->infected	  ? STEPDUMP__TARGET_STATE__INFECTED :
					    STEPDUMP__TARGET_STATE__FROZEN;
	SET(t, pid, (uint32_t)in->pid);
	t->comm = snap_strdup(in->comm);
	if (in->cmdline)
		t->cmdline = snap_strdup(in->cmdline);
	SET(t, start_time_ticks, in->task.start_time_ticks);
	t->was = snap_strdup(in->task.was_stopped ? "stopped" : "running");
	SET(t, frozen_us, target_frozen_us(in));
	SET(t, nr_vmas, (uint32_t)in->vmas.nr);
	SET(t, nr_threads, (uint32_t)in->task.nr_threads);
	SET(t, nr_private_pages, in->vmas.nr_priv_pages);
	SET(t, started_by_us, in->started_by_us);
	SET(t, nr_vmas_made_readable, (uint32_t)td->nr_readable);

	uint64_t rss = 0, swap = 0;

	for (size_t i = 0; i < in->vmas.nr; i++) {
		rss += in->vmas.v[i].rss_bytes;
		swap += in->vmas.v[i].swap_bytes;
	}
	SET(t, rss_bytes, rss);
	SET(t, swap_bytes, swap);
	if (in->infected) {
		SET(t, parasite_start, in->par.map_start);
		SET(t, parasite_end, in->par.map_end);
	}

	struct proc_status st;
	struct err *e = proc_read_status(in->pid, &st);

	if (!e) {
		SET(t, ppid, (uint32_t)st.ppid);
		SET(t, uid, st.uid[0]);
	}
	err_free(e);
}

static void snap_tasks(struct session *s, Stepdump__Snapshot *snap)
{
	for (size_t i = 0; i < s->nr_tasks; i++) {
		const struct target *in = &s->t[i];
		Stepdump__Task *o = snap_push(&snap->tasks, &snap->n_tasks, sizeof(*o));
		uint64_t dumped = 0;

		stepdump__task__init(o);
		o->index = (uint32_t)i;
		o->pid = (uint32_t)in->pid;
		SET(o, ppid, in->parent >= 0 ? (uint32_t)s->t[in->parent].pid : 0);
		o->comm = snap_strdup(in->comm);
		SET(o, nr_threads, (uint32_t)in->task.nr_threads);
		SET(o, nr_vmas, (uint32_t)in->vmas.nr);
		SET(o, nr_private_pages, in->vmas.nr_priv_pages);
		for (unsigned v = 0; v < NR_VERDICTS; v++)
			if (verdict_is_data((verdict_t)v))
				dumped += s->d.task[i].total.pages[v];
		SET(o, pages_dumped, dumped);
		SET(o, infected, in->infected);
		SET(o, selected, i == session_task(s));
		SET(o, current, s->d.item == i && session_has_pipeline(s));
	}
}

static void snap_threads(struct session *s, Stepdump__Snapshot *snap)
{
	const struct target *in = &s->t[session_task(s)];

	for (size_t i = 0; i < in->task.nr_threads; i++) {
		const struct keeper_thread *kt = &in->task.threads[i];
		Stepdump__Thread *t = snap_push(&snap->threads, &snap->n_threads, sizeof(*t));

		stepdump__thread__init(t);
		t->tid = (uint32_t)kt->tid;
		t->comm = snap_printf("%.16s", kt->comm);
		t->state_before = snap_strdup(kt->was_stopped ? "stopped" : "running");
		SET(t, ip, kt->ip);
		SET(t, sp, kt->sp);
		SET(t, leader, i == 0);
		SET(t, has_parasite, i == 0 && in->infected);
		SET(t, sig_pending, kt->sig_pending);
		SET(t, sig_blocked, kt->sig_blocked);
	}
}

static void snap_counts(const struct verdict_counts *c, Stepdump__VerdictCount ***out, size_t *nr)
{
	for (unsigned v = 0; v < NR_VERDICTS; v++) {
		if (!c->pages[v])
			continue;
		Stepdump__VerdictCount *vc = snap_push(out, nr, sizeof(*vc));

		stepdump__verdict_count__init(vc);
		vc->verdict = (verdict_t)v;
		vc->pages = c->pages[v];
	}
}

static bool was_made_readable(const struct task_dump *td, const struct vma *v)
{
	for (size_t i = 0; i < td->nr_readable; i++)
		if (td->readable[i].start == v->start)
			return true;
	return false;
}

static void snap_vma(struct session *s, size_t i, bool counts, Stepdump__Snapshot *snap)
{
	const struct task_dump *td = &s->d.task[session_task(s)];
	const struct vma *v = &td->t->vmas.v[i];
	Stepdump__Vma *o = snap_push(&snap->vmas, &snap->n_vmas, sizeof(*o));
	const char *names[64];
	char prot[5];

	stepdump__vma__init(o);
	o->index = (uint32_t)i;
	o->start = v->start;
	o->end = v->end;
	vma_prot_str(v->prot, v->vmf & VMF_SHARED, prot);
	o->prot = snap_strdup(prot);
	o->kind = snap_strdup(vma_kind(v));
	SET(o, status, v->status);
	name_list(&o->status_names, &o->n_status_names, names, vma_status_names(v->status, names));
	SET(o, flags, v->flags);
	name_list(&o->flag_names, &o->n_flag_names, names, vma_flag_names(v->flags, names));
	SET(o, madv, v->madv);
	name_list(&o->madv_names, &o->n_madv_names, names, vma_madv_names(v->madv, names));
	SET(o, pgoff, v->pgoff);
	SET(o, shmid, v->shmid);
	if (*v->name)
		o->name = snap_strdup(v->name);
	SET(o, rss_bytes, v->rss_bytes);
	SET(o, swap_bytes, v->swap_bytes);
	SET(o, is_private, vma_is_private(v));
	SET(o, made_readable, was_made_readable(td, v));
	SET(o, shared, (v->vmf & VMF_SHARED) != 0);
	if (v->unsupp)
		o->unsupp = snap_strdup(v->unsupp);
	if (counts && td->by_vma)
		snap_counts(&td->by_vma[i], &o->counts, &o->n_counts);
}

static void snap_vmas(struct session *s, const struct snap_request *req, Stepdump__Snapshot *snap)
{
	size_t end = s->t[session_task(s)].vmas.nr;

	if (req->vma_nr && req->vma_first + (size_t)req->vma_nr < end)
		end = req->vma_first + (size_t)req->vma_nr;
	for (size_t i = req->vma_first; i < end; i++)
		snap_vma(s, i, req->vma_counts, snap);
}

/* ---- where we are -------------------------------------------------------------------------------- */

static Stepdump__Unit *snap_unit(struct session *s, const struct unit *u, bool next)
{
	const struct phase_ops *ops = phase_ops(u->phase);
	Stepdump__Unit *o = snap_alloc(sizeof(*o));

	stepdump__unit__init(o);
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
		o->flags = snap_strdup(u->pe_flags & PE_PARENT ? "PARENT" : "DATA");

	char text[200] = "";

	if (next)
		unit_in_words(u, text, sizeof(text));
	else if (ops && attached(s))
		ops->summary(&s->d, u, text, sizeof(text));
	o->text = snap_strdup(text);
	return o;
}

void unit_in_words(const struct unit *u, char *buf, size_t len)
{
	unsigned long long start = u->start, end = u->end;

	switch (u->phase) {
	case PH(PREPARE):
	case PH(RESET):
		snprintf(buf, len, "%s", u->what);
		break;
	case PH(PMC_FILL):
		snprintf(buf, len, "look up VMA %lld from %llx on in the pagemap cache", (long long)u->vma,
			 start);
		break;
	case PH(GENERATE_IOVS):
		if (u->has_verdict)
			snprintf(buf, len, "%llx-%llx: %llu page%s, verdict %s", start, end,
				 (end - start) / PAGE_SIZE_4K, end - start == PAGE_SIZE_4K ? "" : "s",
				 verdict_name(u->verdict));
		else
			snprintf(buf, len, "the run of pages at %llx", start);
		break;
	case PH(DRAIN):
		if (u->ppb >= 0)
			snprintf(buf, len, "DUMPPAGES for ppb %d, its pipe fd, the reply", u->ppb);
		else
			snprintf(buf, len, "nothing left to drain: on to xfer");
		break;
	case PH(XFER):
		if (u->start != u->end)
			snprintf(buf, len, "write entry %llx, %llu page%s, %s", start,
				 (end - start) / PAGE_SIZE_4K, end - start == PAGE_SIZE_4K ? "" : "s",
				 u->pe_flags & PE_PARENT ? "PARENT, no data" : "PRESENT, with data");
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
		snprintf(buf, len, "committed: `detach` lets the target go, `restart` dumps again");
	}
}

static const char *phase_state(const struct session *s, phase_t p)
{
	const struct dump *d = &s->d;

	if (d->phase == p)
		return s->has_error && s->error.phase == phase_name(p) ? "failed" : "now";
	return d->units[p] ? "ok" : "-";
}

Stepdump__Cursor *snap_cursor(struct session *s)
{
	const struct dump *d = &s->d;
	Stepdump__Cursor *c = snap_alloc(sizeof(*c));
	struct unit next;

	stepdump__cursor__init(c);
	c->phase = attached(s) ? d->phase : PH(READY);
	if (!attached(s))
		return c;
	session_next_unit(s, &next);
	SET(c, chunk, d->chunk);
	c->next = snap_unit(s, &next, true);
	if (s->last.phase != PH(READY))
		c->last = snap_unit(s, &s->last, false);
	c->item = dump_shmem(d) ?
			  snap_printf("shmem %llu", (unsigned long long)dump_shmem(d)->shmid) :
			  snap_printf("task %d", dump_task(d)->t->pid);
	SET(c, scan_vaddr, d->vaddr);
	for (size_t i = 0; i < 6; i++) {
		const struct phase_ops *ops = phase_table[i];
		Stepdump__PhaseInfo *p = snap_push(&c->phases, &c->n_phases, sizeof(*p));

		stepdump__phase_info__init(p);
		p->phase = ops->phase;
		p->name = snap_strdup(ops->name);
		p->unit = snap_strdup(ops->unit);
		p->effect = snap_strdup(ops->effect);
		SET(p, undo, ops->undo);
		p->mirrors = snap_strdup(ops->mirrors);
		SET(p, units_done, d->units[ops->phase]);
		p->state = snap_strdup(phase_state(s, ops->phase));
		if (ops->phase == PH(DRAIN) && d->phase == PH(DRAIN))
			SET(p, units_total, d->pp.nr_ppbs);
	}
	return c;
}

Stepdump__Counters *snap_counters(struct session *s)
{
	const struct dump *d = &s->d;
	Stepdump__Counters *c = snap_alloc(sizeof(*c));

	stepdump__counters__init(c);
	if (!attached(s))
		return c;
	SET(c, freezing_us, s->t[0].task.freezing_us);
	SET(c, frozen_us, target_frozen_us(&s->t[0]));
	SET(c, memdump_us, d->times.scan + d->times.drain + d->times.memwrite);
	SET(c, memwrite_us, d->times.memwrite);
	SET(c, scan_us, d->times.scan);
	SET(c, drain_us, d->times.drain);
	SET(c, total_us, d->times.total);
	SET(c, pages_scanned, d->pages_scanned);
	SET(c, pages_skipped_parent, dump_count(d, VD(HOLE)));
	SET(c, pages_written, d->xfer.pages - d->shpages_written);
	SET(c, pages_lazy, d->pages_lazy);
	c->has_page_pipes = c->has_page_pipe_bufs = true;
	dump_pipes(d, &c->page_pipes, &c->page_pipe_bufs);
	SET(c, shpages_scanned, d->shpages_scanned);
	SET(c, shpages_skipped_parent, 0);
	SET(c, shpages_written, d->shpages_written);

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

/* ---- the rest --------------------------------------------------------------------------------------- */

static void snap_events(struct session *s, uint32_t max, Stepdump__Snapshot *snap)
{
	uint64_t n = s->nr_events < NR_EVENTS ? s->nr_events : NR_EVENTS;

	if (!max)
		max = 100;
	if (n > max)
		n = max;
	for (uint64_t i = s->nr_events - n; i < s->nr_events; i++) {
		const struct event *ev = &s->events[i % NR_EVENTS];
		Stepdump__Event *o = snap_push(&snap->events, &snap->n_events, sizeof(*o));

		stepdump__event__init(o);
		o->seq = ev->seq;
		o->t_us = ev->t_us;
		o->phase = ev->phase;
		o->text = snap_strdup(ev->text);
	}
}

static void snap_caps(struct session *s, Stepdump__Snapshot *snap)
{
	struct cap_line line[CAP_LINES_MAX];
	size_t n = caps_describe(&s->caps, line, CAP_LINES_MAX);

	for (size_t i = 0; i < n; i++) {
		Stepdump__Cap *c = snap_push(&snap->caps, &snap->n_caps, sizeof(*c));

		stepdump__cap__init(c);
		c->name = snap_strdup(line[i].name);
		c->available = line[i].available;
		if (*line[i].value)
			c->value = snap_strdup(line[i].value);
		c->consequence = snap_strdup(line[i].consequence);
	}
}

static void snap_settings(struct session *s, Stepdump__Snapshot *snap)
{
	struct opts defaults;

	opts_init(&defaults);
	for (const struct opt_desc *d = opt_descs; d->name; d++) {
		Stepdump__Setting *o = snap_push(&snap->settings, &snap->n_settings, sizeof(*o));

		stepdump__setting__init(o);
		o->name = snap_strdup(d->name);
		o->value = opts_get(&s->opts, d);
		o->default_value = opts_get(&defaults, d);
		o->values = snap_strdup(d->values);
		o->summary = snap_strdup(d->summary);
		if (!o->value || !o->default_value)
			abort();
	}
	opts_deinit(&defaults);
}

static void snap_breakpoints(struct session *s, Stepdump__Snapshot *snap)
{
	for (size_t i = 0; i < s->breaks.nr; i++) {
		const struct brk *b = &s->breaks.b[i];
		Stepdump__Breakpoint *o =
			snap_push(&snap->breakpoints, &snap->n_breakpoints, sizeof(*o));

		stepdump__breakpoint__init(o);
		o->number = b->number;
		o->where = snap_strdup(b->where);
		SET(o, temporary, b->temporary);
		SET(o, hits, b->hits);
		SET(o, enabled, true);
	}
}

static void snap_error(struct session *s, Stepdump__Snapshot *snap)
{
	if (!s->has_error)
		return;

	Stepdump__Error *o = snap_alloc(sizeof(*o));

	stepdump__error__init(o);
	snap->error = o;
	o->code = snap_strdup(err_code_name(s->error.code));
	o->message = snap_strdup(s->error.msg ? s->error.msg : "");
	if (s->error.sys_errno) {
		SET(o, sys_errno, s->error.sys_errno);
		o->errno_name = snap_strdup(err_errno_name(s->error.sys_errno));
	}
	if (s->error.pid)
		SET(o, pid, (uint32_t)s->error.pid);
	if (s->error.has_vaddr)
		SET(o, vaddr, s->error.vaddr);
	if (s->error.phase)
		o->phase = snap_strdup(s->error.phase);
	if (s->error.hint)
		o->hint = snap_strdup(s->error.hint);
}

static void snap_tracker(struct session *s, Stepdump__Snapshot *snap)
{
	Stepdump__Tracker *o = snap_alloc(sizeof(*o));
	const struct target *in = attached(s) ? &s->t[session_task(s)] : NULL;
	const struct tracker *t = in ? tracker_table_find(&s->trackers, in) : NULL;
	uint64_t dirty, total, now;

	stepdump__tracker__init(o);
	snap->tracker = o;
	o->kind = snap_strdup(t ? tracker_kind_name(tracker_kind(t)) : "none");
	o->reason = snap_strdup(t ? tracker_reason(t) :
				    "not asked for: `set track auto` tracks from the next commit on");
	if (!t || !tracker_armed(t))
		return;

	struct err *e = uptime_us(&now);

	if (!e)
		e = tracker_count(t, &in->vmas, &dirty, &total);
	if (!e) {
		uint64_t since = now - tracker_reset_uptime_us(t);

		SET(o, since_us, since);
		SET(o, dirty_pages, dirty);
		SET(o, total_pages, total);
		if (since)
			SET(o, dirty_pages_per_s, (double)dirty * 1e6 / (double)since);
	}
	err_free(e);
}

static void snap_origin(Stepdump__Snapshot *snap)
{
	struct timespec ts;
	struct utsname u;

	clock_gettime(CLOCK_REALTIME, &ts);
	SET(snap, version, 1);
	SET(snap, taken_us, (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000);
	if (!uname(&u)) {
		snap->host = snap_strdup(u.nodename);
		snap->kernel = snap_printf("%s %s %s", u.sysname, u.release, u.machine);
	}
}

struct snap_request snap_request_none(void)
{
	return (struct snap_request){ .iovs_of_ppb = -2 };
}

struct snap_request snap_request_all(void)
{
	return (struct snap_request){
		.target = true, .tasks = true, .threads = true, .vmas = true, .pmc = true, .page_pipe = true,
		.shmem = true, .xfer = true, .parents = true, .tracker = true, .counters = true,
		.checks = true, .events = true, .caps = true, .settings = true, .cursor = true,
		.breakpoints = true, .error = true, .vma_counts = true, .iovs_of_ppb = -1,
	};
}

struct err *snap_take(struct session *s, const struct snap_request *req, Stepdump__Snapshot **ret)
{
	Stepdump__Snapshot *snap = snap_alloc(sizeof(*snap));
	struct err *e = NULL;

	stepdump__snapshot__init(snap);
	snap_origin(snap);
	if (req->target)
		snap_target(s, snap);
	if (req->caps)
		snap_caps(s, snap);
	if (req->settings)
		snap_settings(s, snap);
	if (req->breakpoints)
		snap_breakpoints(s, snap);
	if (req->error)
		snap_error(s, snap);
	if (req->tracker)
		snap_tracker(s, snap);
	if (req->events)
		snap_events(s, req->events_max, snap);
	if (req->cursor)
		snap->cursor = snap_cursor(s);
	if (req->counters)
		snap->counters = snap_counters(s);
	if (attached(s)) {
		if (req->tasks)
			snap_tasks(s, snap);
		if (req->threads)
			snap_threads(s, snap);
		if (req->vmas)
			snap_vmas(s, req, snap);
		snap_pipeline(s, req, snap);
		e = snap_pages(s, req, snap);
	}
	if (e) {
		stepdump__snapshot__free_unpacked(snap, NULL);
		return e;
	}
	*ret = snap;
	return NULL;
}
