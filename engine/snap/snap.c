/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a session to a snapshot: the request, and the parts that need no file of their own.
 * snap_target.c fills in the target, snap_cursor.c the position of the pipeline, snap_pipe.c its
 * structures, snap_pages.c single pages.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "engine/proc/proc.h"
#include "engine/record/play.h"
#include "engine/session/error.h"
#include "engine/snap/snap_priv.h"

static void snap_events(struct session *s, uint32_t max, Stepdump__Snapshot *snap)
{
	uint64_t n = s->nr_events < NR_EVENTS ? s->nr_events : NR_EVENTS;

	if (!max)
		max = 100;
	if (n > max)
		n = max;
	for (uint64_t i = s->nr_events - n; i < s->nr_events; i++) {
		const struct event *ev = &s->events[i % NR_EVENTS];
		Stepdump__Event *o = MSG_PUSH(snap, events, event);

		o->seq = ev->seq;
		o->t_us = ev->t_us;
		o->phase = ev->phase;
		o->text = xstrdup(ev->text);
	}
}

static void snap_caps(struct session *s, Stepdump__Snapshot *snap)
{
	struct cap_line line[CAP_LINES_MAX];
	size_t n = caps_describe(&s->caps, line, CAP_LINES_MAX);

	for (size_t i = 0; i < n; i++) {
		Stepdump__Cap *c = MSG_PUSH(snap, caps, cap);

		c->name = xstrdup(line[i].name);
		c->available = line[i].available;
		if (*line[i].value)
			c->value = xstrdup(line[i].value);
		c->consequence = xstrdup(line[i].consequence);
	}
}

static void snap_settings(struct session *s, Stepdump__Snapshot *snap)
{
	struct opts defaults;

	opts_init(&defaults);
	for (const struct opt_desc *d = opt_descs; d->name; d++) {
		Stepdump__Setting *o = MSG_PUSH(snap, settings, setting);

		o->name = xstrdup(d->name);
		o->value = opt_print(&s->opts, d);
		o->default_value = opt_print(&defaults, d);
		o->values = xstrdup(d->values);
		o->summary = xstrdup(d->summary);
	}
	opts_deinit(&defaults);
}

static void snap_breakpoints(struct session *s, Stepdump__Snapshot *snap)
{
	for (size_t i = 0; i < s->breaks.nr; i++) {
		const struct brk *b = &s->breaks.b[i];
		Stepdump__Breakpoint *o = MSG_PUSH(snap, breakpoints, breakpoint);

		o->number = b->number;
		o->where = xstrdup(b->where);
		SET(o, temporary, b->temporary);
		SET(o, hits, b->hits);
		SET(o, enabled, !b->disabled);
		if (b->ignore)
			SET(o, ignore, b->ignore);
	}
}

static void snap_error(struct session *s, Stepdump__Snapshot *snap)
{
	if (s->error)
		snap->error = error_message(s, s->error);
}

static void snap_tracker(struct session *s, Stepdump__Snapshot *snap)
{
	Stepdump__Tracker *o = MSG_NEW(Stepdump__Tracker, tracker);
	const struct target *in = attached(s) ? &s->t[session_task(s)] : NULL;
	const struct tracker *t = in ? tracker_table_find(&s->trackers, in) : NULL;
	uint64_t dirty, total, now;

	snap->tracker = o;
	o->kind = xstrdup(t ? tracker_kind_name(tracker_kind(t)) : "none");
	o->reason = xstrdup(t ? tracker_reason(t) :
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
	if (PAGE_BYTES != snap->page_bytes)
		SET(snap, page_bytes, (uint32_t)PAGE_BYTES);
	SET(snap, taken_us, (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000);
	if (!uname(&u)) {
		snap->host = xstrdup(u.nodename);
		snap->kernel = xasprintf("%s %s %s", u.sysname, u.release, u.machine);
	}
}

struct err *snap_take(struct session *s, const struct snap_request *req, Stepdump__Snapshot **ret)
{
	Stepdump__Snapshot *snap;
	struct err *e = NULL;

	if (s->player) {
		TRY(play_snap(s, req, ret));
		if (req->parts & SNAP_BREAKPOINTS)
			snap_breakpoints(s, *ret);
		return NULL;
	}
	snap = MSG_NEW(Stepdump__Snapshot, snapshot);
	snap_origin(snap);
	if (req->parts & SNAP_TARGET && !s->watch)
		snap_target(s, snap);
	if (req->parts & SNAP_CAPS)
		snap_caps(s, snap);
	if (req->parts & SNAP_SETTINGS)
		snap_settings(s, snap);
	if (req->parts & SNAP_BREAKPOINTS)
		snap_breakpoints(s, snap);
	if (req->parts & SNAP_FAULTS)
		snap_faults(s, snap);
	if (req->parts & SNAP_UNDO)
		snap_undo(s, snap);
	if (req->parts & SNAP_ERROR)
		snap_error(s, snap);
	if (req->parts & SNAP_TRACKER)
		snap_tracker(s, snap);
	if (req->parts & SNAP_EVENTS)
		snap_events(s, req->events_max, snap);
	if (req->parts & SNAP_CURSOR && !s->watch)
		snap->cursor = snap_cursor(s);
	if (req->parts & SNAP_COUNTERS && !s->watch)
		snap->counters = snap_counters(s);
	if (s->watch)
		e = snap_watch(s, req, snap);
	if (attached(s)) {
		if (req->parts & SNAP_TASKS)
			snap_tasks(s, snap);
		if (req->parts & SNAP_THREADS)
			snap_threads(s, snap);
		if (req->parts & SNAP_VMAS)
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
