/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The recorder.  A frame takes only what a unit can have changed, so that its cost does not grow
 * with the target; a key frame, which takes everything, comes now and then, and whenever the
 * pipeline is not where the frame before it left it.
 */
#include "engine/record/record.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "engine/record/record_priv.h"
#include "engine/session/session_priv.h"
#include "engine/session/session_watch.h"
#include "proto/message.h"
#include "proto/recfile.h"

#define KEY_EVERY 128 /* frames */
#define WHYS_MAX 1024 /* of one frame */
#define RUNS_MAX (1u << 20)
#define ALWAYS                                                                                     \
	(SNAP_TARGET | SNAP_CURSOR | SNAP_COUNTERS | SNAP_EVENTS | SNAP_ERROR | SNAP_PMC |         \
	 SNAP_CHECKS | SNAP_TASKS)

static uint64_t record_units(const struct session *s)
{
	uint64_t n = s->units_done;

	for (int p = 0; s->watch && p <= PH(DONE); p++)
		n += s->watch->units[p];
	return n;
}

/* ---- what is taken ------------------------------------------------------------------------------- */

static bool record_needs_all(const struct session *s, const struct recorder *r)
{
	const struct dump *d = &s->d;

	return !r->stops || s->watch || r->opts.every != RECORD_UNITS ||
	       r->since_key >= KEY_EVERY || record_units(s) != r->at.units + 1 ||
	       d->at.item != r->at.item || d->at.chunk != r->at.chunk || d->thawed ||
	       (s->error != NULL) != r->at.error || s->last.phase < PH(PMC_FILL) ||
	       s->last.phase > PH(XFER) || d->phase < PH(PMC_FILL) || d->phase > PH(XFER) ||
	       d->scan.vaddr < r->at.scan;
}

static uint32_t record_parts(const struct session *s)
{
	uint32_t parts = ALWAYS;

	switch (s->last.phase) {
	case PH(PMC_FILL):
		return parts | SNAP_PMC_REGIONS | SNAP_RUNS;
	case PH(GENERATE_IOVS):
		parts |= SNAP_RUNS | SNAP_PAGE_PIPE | SNAP_IOVS | SNAP_HOLES | SNAP_VMAS |
			 SNAP_VMA_COUNTS;
		break;
	default: /* drain, xfer */
		parts |= SNAP_PAGE_PIPE | SNAP_XFER;
	}
	return s->d.at.item >= s->d.nr_tasks ? parts | SNAP_SHMEM : parts;
}

/* The verdicts that the last unit has settled. */
static void record_range(const struct session *s, const struct recorder *r, Stepdump__Frame *f,
			 struct snap_request *req)
{
	uint64_t start = r->at.scan, end = s->d.scan.vaddr;

	if (s->d.at.item >= s->d.nr_tasks || session_task(s) != s->d.at.item || start >= end) {
		req->parts &= ~(uint32_t)SNAP_RUNS;
		return;
	}
	SET(f, runs_start, start);
	SET(f, runs_end, end);
	req->runs_start = start;
	req->runs_end = end;
}

/* A unit of generate-iovs extends the last ppb, or goes on in a new one. */
static void record_ppbs(const struct session *s, struct snap_request *req)
{
	uint32_t n = s->d.pp.nr_ppbs;

	req->ppb_first = n > 2 ? n - 2 : 0;
}

/* VMAs between the one that was scanned at the last stop and the one that is now. */
static void record_vma_range(const struct session *s, const struct recorder *r, Stepdump__Frame *f,
			     struct snap_request *req)
{
	if (s->d.scan.vma < r->at.vma)
		return;
	req->vma_first = (uint32_t)r->at.vma;
	req->vma_nr = (uint32_t)(s->d.scan.vma - r->at.vma) + 1;
	SET(f, vmas_kept, true);
}

static struct err *record_take(struct session *s, struct recorder *r, Stepdump__Frame *f)
{
	struct snap_request req = { .parts = SNAP_ALL | SNAP_RUNS | SNAP_PMC_REGIONS,
				    .runs_max = RUNS_MAX,
				    .parent_runs_max = RUNS_MAX,
				    .events_max = NR_EVENTS };

	if (!record_needs_all(s, r)) {
		req.parts = record_parts(s);
		if (req.parts & SNAP_RUNS)
			record_range(s, r, f, &req);
		if (req.parts & SNAP_IOVS)
			record_ppbs(s, &req);
		if (req.parts & SNAP_VMAS)
			record_vma_range(s, r, f, &req);
		req.events_max = 16;
		r->since_key++;
	} else {
		r->since_key = 0;
	}
	req.parts &= ~(uint32_t)SNAP_BREAKPOINTS;
	f->parts = req.parts;
	TRY(snap_take(s, &req, &f->snap));

	Stepdump__PagePipe *pp = f->snap->page_pipe;

	if (pp && r->since_key && r->at.holes && r->at.holes <= pp->n_holes) {
		/* They are only added to, within a chunk. */
		SET(f, holes_kept, r->at.holes);
		for (uint32_t i = 0; i < r->at.holes; i++)
			stepdump__hole__free_unpacked(pp->holes[i], NULL);
		pp->n_holes -= r->at.holes;
		memmove(pp->holes, pp->holes + r->at.holes, pp->n_holes * sizeof(*pp->holes));
	}
	return NULL;
}

/* ---- whys and bytes -------------------------------------------------------------------------------- */

/* The reason for one page, and the bytes at its beginning.  These only of a page that is present: to
 * read another would make it so, and the dump would not be the one that it is without us. */
static void record_page(struct session *s, const struct recorder *r, uint64_t addr, bool bytes,
			Stepdump__Snapshot *into)
{
	struct snap_request req = { .parts = SNAP_WHY, .why = &addr, .nr_why = 1 };
	Stepdump__Snapshot *more;
	struct err *e = snap_take(s, &req, &more);

	if (!e && more->n_whys) {
		*vec_push(into->whys, into->n_whys) = TAKE_PTR(more->whys[0]);
		more->n_whys = 0;
	}
	if (!e)
		stepdump__snapshot__free_unpacked(more, NULL);
	err_free(e);
	if (!bytes || !r->opts.run_bytes)
		return;
	req = (struct snap_request){ .parts = SNAP_PEEK };
	req.peek.vaddr = addr;
	req.peek.len = r->opts.run_bytes;
	e = snap_take(s, &req, &more);
	if (!e && more->n_peeks) {
		*vec_push(into->peeks, into->n_peeks) = TAKE_PTR(more->peeks[0]);
		more->n_peeks = 0;
	}
	if (!e)
		stepdump__snapshot__free_unpacked(more, NULL);
	err_free(e);
}

static void record_ppb_pages(struct session *s, const struct recorder *r, unsigned ppb,
			     Stepdump__Snapshot *into)
{
	const struct page_pipe_buf *b = &s->d.pp.ppb[ppb];

	for (unsigned i = 0; i < b->nr_segs && into->n_whys < WHYS_MAX; i++)
		record_page(s, r, (uint64_t)b->iov[i].iov_base, false, into);
}

/* At the beginning there are no runs yet, only mappings. */
static void record_vmas(struct session *s, const struct recorder *r, Stepdump__Snapshot *into)
{
	const struct vma_list *l = &s->t[session_task(s)].vmas;

	for (size_t i = 0; i < l->nr && into->n_whys < WHYS_MAX; i++)
		record_page(s, r, l->v[i].start, false, into);
}

/* Where runs of a key frame are new to this recording, since their units were not recorded. */
static void record_runs(struct session *s, const struct recorder *r, Stepdump__Snapshot *into)
{
	for (size_t i = 0; i < into->n_runs && into->n_whys < WHYS_MAX; i++)
		if (into->runs[i]->verdict != VD(NOT_SCANNED))
			record_page(s, r, into->runs[i]->start, into->runs[i]->verdict == VD(DUMP),
				    into);
}

/* Why per run: of those that the last unit was about. */
static void record_whys(struct session *s, const struct recorder *r, Stepdump__Snapshot *into)
{
	const struct unit *u = &s->last;

	if (s->watch || !attached(s) || s->gone)
		return;
	if (!r->stops || u->phase <= PH(PREPARE))
		record_vmas(s, r, into);
	if (!r->stops || r->opts.every != RECORD_UNITS)
		record_runs(s, r, into);
	else if (s->d.thawed || u->shmem >= 0)
		return;
	else if (u->phase == PH(GENERATE_IOVS) && u->start < u->end)
		record_page(s, r, u->start, u->has_verdict && u->verdict == VD(DUMP), into);
	else if (u->phase == PH(XFER) && u->start < u->end)
		record_page(s, r, u->start, false, into);
	else if (u->phase == PH(DRAIN) && u->ppb >= 0 && (unsigned)u->ppb < s->d.pp.nr_ppbs)
		record_ppb_pages(s, r, (unsigned)u->ppb, into);
}

/* ---- one stop ------------------------------------------------------------------------------------------ */

static void record_ended(struct session *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void record_ended(struct session *s, const char *fmt, ...)
{
	struct recorder *r = s->record;
	va_list ap;

	va_start(ap, fmt);
	free(r->ended);
	r->ended = xvasprintf(fmt, ap);
	va_end(ap);
	rec_close(TAKE_PTR(r->file));
	session_event(s, s->d.phase, "the recording has ended: %s", r->ended);
}

static struct err *record_frame(struct session *s)
{
	struct recorder *r = s->record;
	Stepdump__Frame f = STEPDUMP__FRAME__INIT;

	TRY(record_take(s, r, &f));
	record_whys(s, r, f.snap);
	f.lines = r->lines;
	f.n_lines = r->nr_lines;

	struct err *e = rec_append(r->file, &f, !r->since_key);

	stepdump__snapshot__free_unpacked(f.snap, NULL);
	for (size_t i = 0; i < r->nr_lines; i++)
		free(r->lines[i]);
	r->nr_lines = 0;
	if (e)
		return e;
	r->stops++;
	r->bytes = rec_size(r->file);
	r->at.phase = s->d.phase;
	r->at.item = s->d.at.item;
	r->at.chunk = s->d.at.chunk;
	r->at.scan = s->d.scan.vaddr;
	r->at.vma = s->d.scan.vma;
	r->at.units = record_units(s);
	r->at.pid = session_pid(s);
	r->at.holes = attached(s) ? s->d.pp.nr_holes : 0;
	r->at.error = s->error != NULL;
	return NULL;
}

static void record_stop(struct session *s, enum record_stop kind)
{
	struct recorder *r = s->record;
	static const enum record_stop least[] = {
		[RECORD_UNITS] = STOP_UNIT, [RECORD_PHASES] = STOP_PHASE, [RECORD_STOPS] = STOP_RUN
	};

	if (!r || !r->file || s->replaying || kind < least[r->opts.every])
		return;
	/* Where a run ends a unit has ended, mostly, and was recorded. */
	if (kind == STOP_RUN && r->opts.every == RECORD_UNITS && r->stops && !r->nr_lines &&
	    record_units(s) == r->at.units && session_pid(s) == r->at.pid &&
	    s->d.phase == r->at.phase && (s->error != NULL) == r->at.error)
		return;

	struct err *e = record_frame(s);

	if (!e)
		return;

	AUTO_FREE char *text = err_text(e);

	record_ended(s, "%s%s%s", text, e->hint ? "; " : "", e->hint ? e->hint : "");
	err_free(e);
}

/* ---- what the shell asks for ----------------------------------------------------------------------------- */

struct err *session_record(struct session *s, const char *path, const struct record_opts *o)
{
	struct rec_writer *file = NULL;

	if (s->player)
		return err_new(ERR_STATE, "record %s: this is a recording already", path);
	if (s->record && s->record->file)
		return err_hint(err_new(ERR_STATE, "record %s: %s is being recorded", path,
					s->record->path),
				"`record off` ends it");
	TRY(rec_create(path, o->max_bytes, &file));
	record_free(s->record);
	s->on_stop = record_stop;
	s->record = xzalloc(sizeof(*s->record));
	s->record->file = file;
	s->record->opts = *o;
	s->record->path = xstrdup(path);
	s->record->bytes = rec_size(file);
	if (attached(s) || s->watch)
		record_stop(s, STOP_RUN);
	return NULL;
}
