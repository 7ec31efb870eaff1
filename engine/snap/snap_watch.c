/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A watched criu in a snapshot, in the same parts as a dump of our own. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "engine/image/pagemap_image.h"
#include "engine/proc/proc.h"
#include "engine/session/session_watch.h"
#include "engine/snap/snap_priv.h"

#define MAX_WATCH_REGIONS 65536
#define RECENT_ENTRIES 16

static const struct wtask *shown_task(const struct session *s)
{
	const struct watch *w = s->watch;
	size_t i = s->selected >= 0 ? (size_t)s->selected : w->cur;

	return i < w->nr_tasks ? &w->task[i] : NULL;
}

/* ---- the process --------------------------------------------------------------------------------- */

static void snap_watch_target(struct session *s, Stepdump__Snapshot *snap)
{
	const struct watch *w = s->watch;
	const struct wtask *t = shown_task(s);
	Stepdump__Target *o = snap->target = MSG_NEW(Stepdump__Target, target);
	struct proc_status st;

	o->state = STEPDUMP__TARGET_STATE__NO_TARGET;
	if (!t || !t->pid)
		return;
	SET(o, pid, (uint32_t)t->pid);
	o->comm = xstrdup(t->comm);
	SET(o, nr_threads, t->nr_threads);
	AUTO_ERR struct err *e = proc_read_status(t->pid, &st);

	o->state = e || st.state == 'Z' ? STEPDUMP__TARGET_STATE__GONE :
		   t->infected          ? STEPDUMP__TARGET_STATE__INFECTED :
		   t->frozen            ? STEPDUMP__TARGET_STATE__FROZEN :
					  STEPDUMP__TARGET_STATE__RUNNING;
	if (w->t_freeze)
		SET(o, frozen_us, w->frozen_us ? w->frozen_us : now_us() - w->t_freeze);
	if (!e) {
		SET(o, ppid, (uint32_t)st.ppid);
		SET(o, uid, st.uid[0]);
		SET(o, rss_bytes, st.vm_rss);
		SET(o, swap_bytes, st.vm_swap);
	}
	const struct vma_list *l = watch_vmas(s, t->pid);

	if (!l)
		return;
	SET(o, nr_vmas, (uint32_t)l->nr);
	SET(o, nr_private_pages, l->nr_priv_pages);
}

static void snap_watch_tasks(struct session *s, Stepdump__Snapshot *snap)
{
	const struct watch *w = s->watch;

	for (size_t i = 0; i < w->nr_tasks; i++) {
		const struct wtask *t = &w->task[i];
		Stepdump__Task *o = MSG_PUSH(snap, tasks, task);
		char name[32];

		o->index = (uint32_t)i;
		o->pid = (uint32_t)t->pid;
		if (t->kind != WTASK_PROCESS)
			watch_task_name(t, name, sizeof(name));
		o->comm = xstrdup(t->kind == WTASK_PROCESS ? t->comm : name);
		SET(o, ppid, (uint32_t)t->ppid);
		SET(o, nr_threads, t->nr_threads);
		SET(o, pages_dumped, t->spliced_bytes / PAGE_BYTES);
		SET(o, infected, t->infected);
		SET(o, selected, t == shown_task(s));
		SET(o, current, i == w->cur);
	}
}

/* From outside: registers are criu's to read. */
static void snap_watch_threads(const struct session *s, Stepdump__Snapshot *snap)
{
	const struct wtask *t = shown_task(s);
	struct proc_threads l = { 0 };
	AUTO_ERR struct err *e = t && t->pid ? proc_read_threads(t->pid, &l) : NULL;

	for (size_t i = 0; !e && i < l.nr; i++) {
		struct proc_status st;
		AUTO_ERR struct err *gone = proc_read_thread_status(t->pid, l.tid[i], &st);

		if (gone)
			continue;
		Stepdump__Thread *o = MSG_PUSH(snap, threads, thread);

		o->tid = (uint32_t)l.tid[i];
		o->comm = xstrdup(st.comm);
		SET(o, leader, l.tid[i] == t->pid);
		SET(o, has_parasite, t->infected && l.tid[i] == t->pid);
		SET(o, sig_pending, st.sig_pnd);
		SET(o, sig_blocked, st.sig_blk);
	}
	proc_threads_deinit(&l);
}

static void snap_watch_vmas(struct session *s, const struct snap_request *req,
			    Stepdump__Snapshot *snap)
{
	const struct wtask *t = shown_task(s);
	const struct vma_list *l = t && t->pid ? watch_vmas(s, t->pid) : NULL;

	if (!l)
		return;
	size_t end = l->nr;

	if (req->vma_nr && req->vma_first + (size_t)req->vma_nr < end)
		end = req->vma_first + (size_t)req->vma_nr;
	for (size_t i = req->vma_first; i < end; i++)
		snap_vma_text(&l->v[i], i, snap);
}

/* ---- pmc ------------------------------------------------------------------------------------------- */

static void snap_watch_regions(const struct watch *w, Stepdump__Pmc *o)
{
	size_t nr = w->pmc.nr_entries < MAX_WATCH_REGIONS ? w->pmc.nr_entries : MAX_WATCH_REGIONS;
	AUTO_FREE struct {
		uint64_t start, end, categories;
	} *v = xcalloc(nr ? nr : 1, sizeof(*v));

	/* criu has moved on, and its buffer holds something else? */
	if (tracee_read(&w->t, w->pmc.vec, v, nr * sizeof(*v)) != nr * sizeof(*v))
		return;
	for (size_t i = 0; i < nr; i++)
		if (v[i].start < w->pmc.start || v[i].end > w->pmc.end || v[i].start >= v[i].end)
			return;
	for (size_t i = 0; i < nr; i++)
		snap_region(v[i].start, v[i].end, v[i].categories, o);
}

static void snap_watch_pmc(const struct watch *w, bool regions, Stepdump__Snapshot *snap)
{
	Stepdump__Pmc *o = snap->pmc = MSG_NEW(Stepdump__Pmc, pmc);

	if (!w->pmc.pid)
		return;
	o->mode = xstrdup(w->pmc.scan ? "scan" : "pread");
	SET(o, start, w->pmc.start);
	SET(o, end, w->pmc.end);
	SET(o, walk_end, w->pmc.walk_end);
	SET(o, fills, w->pmc.fills);
	SET(o, nr_entries, w->pmc.nr_entries);
	if (regions && w->pmc.scan && w->t.held)
		snap_watch_regions(w, o);
}

/* ---- page_pipe ---------------------------------------------------------------------------------------- */

static void snap_watch_iovs(struct session *s, const struct wppb *b, const struct snap_request *req,
			    Stepdump__Ppb *o)
{
	const struct vma_list *l = b->task < s->watch->nr_tasks && s->watch->task[b->task].pid ?
					   watch_vmas(s, s->watch->task[b->task].pid) :
					   NULL;
	uint64_t off = 0;

	for (size_t i = 0; i < b->nr_segs; i++) {
		bool inside =
			i >= req->iov_first && (!req->iov_max || i - req->iov_first < req->iov_max);

		if (inside) {
			Stepdump__Iov *v = MSG_PUSH(o, iovs, iov);
			ssize_t vma = l ? vma_list_find(l, b->iov[i].start) : -1;

			v->start = b->iov[i].start;
			v->nr_pages = (uint32_t)b->iov[i].nr_pages;
			SET(v, pipe_off_pages, off);
			if (vma >= 0)
				SET(v, vma_index, (uint32_t)vma);
		}
		off += b->iov[i].nr_pages;
	}
}

/* The array is criu's. */
static void snap_inside_iovs(const struct watch *w, const struct inside_ppb *b,
			     const struct snap_request *req, Stepdump__Ppb *o)
{
	size_t nr = b->nr_segs < WATCH_MAX_IOVS ? b->nr_segs : WATCH_MAX_IOVS;
	AUTO_FREE struct iovec *iov = xcalloc(nr + 1, sizeof(*iov));
	uint64_t off = 0;

	if (tracee_read(&w->t, b->iov, iov, nr * sizeof(*iov)) != nr * sizeof(*iov))
		return;
	for (size_t i = 0; i < nr; i++) {
		if (i >= req->iov_first && (!req->iov_max || i - req->iov_first < req->iov_max)) {
			Stepdump__Iov *v = MSG_PUSH(o, iovs, iov);

			v->start = (uint64_t)iov[i].iov_base;
			v->nr_pages = (uint32_t)(iov[i].iov_len / PAGE_BYTES);
			SET(v, pipe_off_pages, off);
		}
		off += iov[i].iov_len / PAGE_BYTES;
	}
}

static Stepdump__PpbState watch_ppb_state(enum wppb_state st)
{
	return st == WPPB_PLANNED ? STEPDUMP__PPB_STATE__PLANNED :
	       st == WPPB_DRAINED ? STEPDUMP__PPB_STATE__DRAINED :
	       st == WPPB_SENT    ? STEPDUMP__PPB_STATE__SENT :
				    STEPDUMP__PPB_STATE__FAILED;
}

static void snap_watch_ppb(struct session *s, const struct snap_request *req, size_t i,
			   Stepdump__PagePipe *pp)
{
	const struct watch *w = s->watch;
	const struct wppb *b = &w->ppb[i];
	Stepdump__Ppb *o = MSG_PUSH(pp, ppbs, ppb);
	int64_t in_pipe = b->state == WPPB_SENT || w->over ? 0 : watch_in_pipe(w, i);

	o->index = (uint32_t)i;
	o->pages_in = (uint32_t)b->nr_pages;
	if (b->pipe >= 0) {
		const struct wpipe *p = &w->pipe[b->pipe];

		o->pipe_size = p->size;
		if (p->asked)
			SET(o, pipe_asked, p->asked);
		if (p->refused)
			o->pipe_refused = xasprintf("%s: more than %u pages",
						    err_errno_name(p->refused), p->size);
		if (p->fd_read >= 0)
			SET(o, fd_read, p->fd_read);
		if (p->fd_write >= 0)
			SET(o, fd_write, p->fd_write);
	}
	SET(o, nr_segs, (uint32_t)b->nr_segs);
	SET(o, state, watch_ppb_state(b->state));
	if (in_pipe >= 0)
		SET(o, in_pipe_bytes, (uint64_t)in_pipe);
	if (b->state != WPPB_PLANNED)
		SET(o, drain_us, b->drain_us);
	SET(o, pages_sent, b->sent_bytes / PAGE_BYTES);
	pp->pages_planned += b->nr_pages;
	pp->pages_in_pipes += in_pipe > 0 ? (uint64_t)in_pipe / PAGE_BYTES : 0;
	pp->nr_iovs += (uint32_t)b->nr_segs;
	if (req->parts & SNAP_IOVS && i >= req->ppb_first &&
	    (!req->ppb_nr || i - req->ppb_first < req->ppb_nr))
		snap_watch_iovs(s, b, req, o);
}

/* Of the ppbs that are in both pictures criu says whether they are lazy; those behind them are still to be
 * drained. */
static void snap_inside_ppbs(const struct watch *w, const struct snap_request *req,
			     const struct inside_pipe *in, Stepdump__PagePipe *o)
{
	size_t known = w->nr_ppbs, sent = 0;

	for (size_t i = 0; i < known; i++)
		sent += w->ppb[i].state == WPPB_SENT;
	if (sent == known)
		known = 0; /* of the chunk before */
	for (size_t i = 0; i < known; i++)
		if (i >= in->nr_ppbs ||
		    (w->ppb[i].has_plan && in->ppb[i].nr_segs != w->ppb[i].nr_segs))
			return; /* another page_pipe */
	for (size_t i = 0; i < known; i++) {
		const struct inside_ppb *b = &in->ppb[i];

		SET(o->ppbs[i], lazy, b->lazy);
		SET(o->ppbs[i], fd_read, b->fd_read);
		SET(o->ppbs[i], fd_write, b->fd_write);
		o->ppbs[i]->pipe_size = b->pipe_size;
	}
	for (size_t i = known; i < in->nr_ppbs; i++) {
		const struct inside_ppb *b = &in->ppb[i];
		Stepdump__Ppb *n = MSG_PUSH(o, ppbs, ppb);

		n->index = (uint32_t)(o->n_ppbs - 1);
		n->pages_in = (uint32_t)b->pages_in;
		n->pipe_size = b->pipe_size;
		SET(n, fd_read, b->fd_read);
		SET(n, fd_write, b->fd_write);
		SET(n, nr_segs, b->nr_segs);
		SET(n, state, STEPDUMP__PPB_STATE__PLANNED);
		SET(n, lazy, b->lazy);
		o->pages_planned += b->pages_in;
		o->nr_iovs += b->nr_segs;
		if (req->parts & SNAP_IOVS && i >= req->ppb_first &&
		    (!req->ppb_nr || i - req->ppb_first < req->ppb_nr))
			snap_inside_iovs(w, b, req, n);
	}
}

static void snap_inside(const struct watch *w, const struct snap_request *req,
			Stepdump__PagePipe *o)
{
	struct inside_pipe in;

	if (!w->inside || !w->t.held || w->over || !inside_read(w->inside, &w->t, &in))
		return;
	SET(o, chunk_mode, in.chunk_mode);
	SET(o, nr_iovs_max, in.nr_iovs);
	SET(o, nr_holes, (uint32_t)in.nr_holes);
	SET(o, holes_cap, in.nr_holes_max);
	for (size_t i = 0; req->parts & SNAP_HOLES && i < in.nr_holes; i++) {
		Stepdump__Hole *h = MSG_PUSH(o, holes, hole);

		h->start = in.hole[i].start;
		h->nr_pages = in.hole[i].nr_pages;
		h->flags = xstrdup(in.hole[i].parent ? "PARENT" : "-");
	}
	snap_inside_ppbs(w, req, &in, o);
	inside_pipe_deinit(&in);
}

static void snap_watch_page_pipe(struct session *s, const struct snap_request *req,
				 Stepdump__Snapshot *snap)
{
	const struct watch *w = s->watch;
	Stepdump__PagePipe *o = snap->page_pipe = MSG_NEW(Stepdump__PagePipe, page_pipe);
	uint32_t open = 0;

	for (size_t i = 0; i < w->nr_pipes; i++)
		open += w->pipe[i].fd_read >= 0 || w->pipe[i].fd_write >= 0;
	SET(o, nr_pipes, open);
	o->has_nr_iovs = o->has_pages_planned = o->has_pages_in_pipes = 1;
	for (size_t i = 0; i < w->nr_ppbs; i++)
		snap_watch_ppb(s, req, i, o);
	snap_inside(w, req, o);
}

/* Pages in the plan of a ppb will be dumped; of the others the calls tell nothing. */
static void snap_watch_runs(struct session *s, const struct snap_request *req,
			    Stepdump__Snapshot *snap)
{
	const struct wtask *t = shown_task(s);
	size_t max = req->runs_max ? req->runs_max : 65536;

	for (size_t i = 0; t && t->pid && i < t->nr_runs && snap->n_runs < max; i++) {
		const struct wiov *v = &t->run[i];

		if (req->runs_end && (v->start >= req->runs_end ||
				      v->start + v->nr_pages * PAGE_BYTES <= req->runs_start))
			continue;
		Stepdump__VerdictRun *r = MSG_PUSH(snap, runs, verdict_run);

		r->start = v->start;
		r->nr_pages = v->nr_pages;
		r->verdict = VD(DUMP);
		SET(r, present, true);
	}
}

/* ---- xfer ------------------------------------------------------------------------------------------------ */

static void snap_watch_entries(int dirfd, const char *name, Stepdump__Xfer *o)
{
	struct pagemap_image pi;
	uint64_t holes = 0;
	struct err *e = pagemap_image_read(dirfd, name, &pi);

	if (e) { /* not all of it is written yet */
		err_free(e);
		return;
	}
	for (size_t i = 0; i < pi.nr; i++)
		if (pi.e[i].flags & PE_PARENT)
			holes += pi.e[i].nr_pages;
	SET(o, entries, pi.nr);
	SET(o, holes_written, holes);
	for (size_t i = pi.nr > RECENT_ENTRIES ? pi.nr - RECENT_ENTRIES : 0; i < pi.nr; i++)
		snap_entry(MSG_PUSH(o, recent, pagemap_entry), &pi.e[i]);
	pagemap_image_deinit(&pi);
}

static void snap_watch_xfer(const struct watch *w, Stepdump__Snapshot *snap)
{
	Stepdump__Xfer *o = snap->xfer = MSG_NEW(Stepdump__Xfer, xfer);
	unsigned id;

	o->kind = xstrdup(w->to_socket ? "page-server" : "local");
	SET(o, pages_written, w->spliced_bytes / PAGE_BYTES);
	SET(o, bytes_written, w->spliced_bytes);
	if (*w->pagemap_img)
		o->object = xstrdup(w->pagemap_img);
	if (sscanf(w->pages_img, "pages-%u", &id) == 1)
		SET(o, pages_id, id);
	for (uint64_t i = w->nr_talk > WATCH_TALK ? w->nr_talk - WATCH_TALK : 0; i < w->nr_talk;
	     i++)
		if (w->talk[i % WATCH_TALK].server)
			msg_push_text(&o->conversation, &o->n_conversation,
				      w->talk[i % WATCH_TALK].text);
	if (!*w->images)
		return;
	o->dir = xstrdup(w->images);
	AUTO_CLOSE int dirfd = open(w->images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dirfd < 0)
		return;
	snap_files(dirfd, o);
	if (*w->pagemap_img)
		snap_watch_entries(dirfd, w->pagemap_img, o);
}

/* ---- where it stands --------------------------------------------------------------------------------------- */

static Stepdump__Unit *snap_watch_unit(const struct watch_unit *u)
{
	Stepdump__Unit *o = MSG_NEW(Stepdump__Unit, unit);

	o->phase = u->phase;
	SET(o, chunk, u->chunk);
	if (u->ppb >= 0)
		SET(o, ppb, (uint32_t)u->ppb);
	if (u->start != u->end) {
		SET(o, start, u->start);
		SET(o, end, u->end);
	}
	if (u->pid)
		SET(o, pid, (uint32_t)u->pid);
	o->text = xstrdup(u->text);
	return o;
}

Stepdump__Cursor *snap_watch_cursor(const struct watch *w)
{
	Stepdump__Cursor *c = MSG_NEW(Stepdump__Cursor, cursor);

	c->phase = w->phase;
	SET(c, chunk, w->chunk);
	if (w->t.held && w->t.stop == TRACEE_ENTRY)
		c->next = snap_watch_unit(&w->next);
	if (*w->last.text)
		c->last = snap_watch_unit(&w->last);
	if (w->cur < w->nr_tasks) {
		char name[32];

		watch_task_name(&w->task[w->cur], name, sizeof(name));
		c->item = xstrdup(name);
	}
	for (size_t i = 0; i < NR_PHASES; i++) {
		const struct phase_ops *ops = phase_table[i];
		Stepdump__PhaseInfo *p = MSG_PUSH(c, phases, phase_info);

		p->phase = ops->phase;
		p->name = xstrdup(ops->name);
		p->unit = xstrdup("a system call of criu");
		p->mirrors = xstrdup(ops->mirrors);
		SET(p, units_done, w->units[ops->phase]);
		p->state = xstrdup(w->phase == ops->phase ? w->fault.set ? "failed" : "now" :
				   w->units[ops->phase]   ? "ok" :
							    "-");
	}
	return c;
}

Stepdump__Counters *snap_watch_counters(const struct watch *w)
{
	Stepdump__Counters *c = MSG_NEW(Stepdump__Counters, counters);
	uint64_t shared = 0;

	for (size_t i = 0; i < w->nr_tasks; i++)
		if (w->task[i].kind == WTASK_SHMEM)
			shared += w->task[i].spliced_bytes / PAGE_BYTES;
	if (w->t_freeze)
		SET(c, frozen_us, w->frozen_us ? w->frozen_us : now_us() - w->t_freeze);
	SET(c, scan_us, w->scan_us);
	SET(c, drain_us, w->drain_us);
	SET(c, memwrite_us, w->memwrite_us);
	SET(c, memdump_us, w->scan_us + w->drain_us + w->memwrite_us);
	SET(c, total_us, now_us() - w->t0);
	SET(c, pages_written, w->spliced_bytes / PAGE_BYTES - shared);
	SET(c, page_pipes, w->pipes_ever);
	SET(c, page_pipe_bufs, w->ppbs_ever);
	SET(c, shpages_written, shared);
	return c;
}

static void snap_watch_unknown(const struct watch *w, Stepdump__Watch *o)
{
	static const char *const never[] = {
		"why a page is not dumped: criu's verdicts are not in its calls",
		"hits and misses of the pagemap cache: only fills are calls",
		"what a child of criu dumps: namespaces, and with them System V shared memory",
	};
	static const char *const outside[] = {
		"fields of its page_pipe: for these it has to have debug information, and uprobes be allowed",
		"whether a ppb is lazy",
		"holes, until criu has written them to the image",
		"a ppb's plan, before its DUMPPAGES command",
	};
	static const char *const light[] = {
		"lines of its log that are not errors",
		"single splices, but for the first of a chunk: their bytes are added up",
		"entries on their way to a page server",
		"when a drain was over: it is taken to last until the next call that is stopped at",
		"pipes that were refused more room, but for the first of a chunk",
	};

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		msg_push_text(&o->unknown, &o->n_unknown, never[i]);
	for (size_t i = 0; !w->inside && i < sizeof(outside) / sizeof(outside[0]); i++)
		msg_push_text(&o->unknown, &o->n_unknown, outside[i]);
	for (size_t i = 0; w->marker && i < sizeof(light) / sizeof(light[0]); i++) {
		AUTO_FREE char *text = xasprintf("light: %s", light[i]);

		msg_push_text(&o->unknown, &o->n_unknown, text);
	}
}

static char *snap_inside_words(const struct watch *w)
{
	struct inside_pipe in;

	if (w->over || !w->t.held)
		return xstrdup("read in its memory when it is held");
	if (!inside_read(w->inside, &w->t, &in))
		return xstrdup("none now, or made before we came");

	char *words = xasprintf(
		"at %lx in its memory: %u pipes, %zu ppbs, %u of %u iovs, %zu of %u holes%s", in.at,
		in.nr_pipes, in.nr_ppbs, in.free_iov, in.nr_iovs, in.nr_holes, in.nr_holes_max,
		in.chunk_mode ? ", chunk mode" : "");

	inside_pipe_deinit(&in);
	return words;
}

static void snap_watch_itself(struct session *s, Stepdump__Snapshot *snap)
{
	const struct watch *w = s->watch;
	Stepdump__Watch *o = snap->watch = MSG_NEW(Stepdump__Watch, watch);
	uint64_t planned = 0, drained = 0;

	o->pid = (uint32_t)w->t.pid;
	if (w->cmdline)
		o->cmdline = xstrdup(w->cmdline);
	o->mode = xstrdup(w->light ? "light" : "full");
	if (*w->why_full)
		o->why_full = xstrdup(w->why_full);
	if (w->inside)
		o->inside = snap_inside_words(w);
	else if (*w->why_outside)
		o->why_outside = xstrdup(w->why_outside);
	o->state = xstrdup(w->over ? "ended" : w->t.held ? "held" : "runs");
	if (w->t.held && w->t.stop == TRACEE_ENTRY)
		o->at = xstrdup(w->next.text);
	if (w->t.held && w->t.stop == TRACEE_MARK && *w->last.text)
		o->after = xstrdup(w->last.text);
	if (w->t.held)
		SET(o, held_us, now_us() - w->t.t_stop);
	SET(o, held_total_us, w->t.held_us + (w->t.held ? now_us() - w->t.t_stop : 0));
	if (w->t_freeze)
		SET(o, held_frozen_us, watch_held_frozen_us(w));
	SET(o, stops, w->t.stops);
	for (size_t i = 0; i < PH(DONE); i++)
		o->units += w->units[i];
	o->has_units = 1;
	if (w->over)
		SET(o, exit_status, watch_exit_status(w));
	for (uint64_t i = w->nr_log > WATCH_LOG ? w->nr_log - WATCH_LOG : 0; i < w->nr_log; i++)
		msg_push_text(&o->log, &o->n_log, w->log[i % WATCH_LOG].text);
	for (uint64_t i = w->nr_talk > WATCH_TALK ? w->nr_talk - WATCH_TALK : 0; i < w->nr_talk;
	     i++)
		msg_push_text(&o->talk, &o->n_talk, w->talk[i % WATCH_TALK].text);
	for (size_t i = 0; i < w->nr_tasks; i++) {
		planned += w->task[i].planned;
		drained += w->task[i].drained_bytes / PAGE_BYTES;
	}
	SET(o, pages_planned, planned);
	SET(o, pages_in_pipes, drained);
	SET(o, pages_spliced, w->spliced_bytes / PAGE_BYTES);
	snap_watch_unknown(w, o);
}

/* ---- bytes and single pages ----------------------------------------------------------------------------------- */

static ssize_t watch_peek_target(pid_t pid, uint64_t vaddr, void *buf, size_t len)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : pread_full(fd, buf, len, (off_t)vaddr);
}

static struct err *snap_watch_peek(struct session *s, const struct snap_request *req,
				   Stepdump__Snapshot *snap)
{
	const struct wtask *t = shown_task(s);
	const char *source = req->peek_source ? req->peek_source : "target";
	uint8_t *buf = xzalloc(req->peek.len ? req->peek.len : 1);
	ssize_t n = -1;

	errno = ESRCH;
	if (!strcmp(source, "pipe"))
		n = watch_peek_pipe(s->watch, req->peek.vaddr, buf, req->peek.len);
	else if (!strcmp(source, "target") && t && t->pid)
		n = watch_peek_target(t->pid, req->peek.vaddr, buf, req->peek.len);
	else if (strcmp(source, "target"))
		errno = EOPNOTSUPP;
	int why = errno;
	Stepdump__Peek *o = MSG_PUSH(snap, peeks, peek);

	o->vaddr = req->peek.vaddr;
	o->source = xstrdup(source);
	o->data.data = buf;
	o->data.len = n > 0 ? (size_t)n : 0;
	if (n < 0)
		o->error = why == ENODATA    ? xstrdup("the page is in no pipe of criu's now") :
			   why == EOPNOTSUPP ? xstrdup("of a watched criu only target and pipe can "
						       "be looked into") :
					       xstrdup(err_errno_name(why));
	return NULL;
}

static void snap_watch_why(struct session *s, const struct snap_request *req,
			   Stepdump__Snapshot *snap)
{
	const struct wtask *t = shown_task(s);

	for (size_t i = 0; i < req->nr_why; i++) {
		uint64_t at = req->why[i] & ~(PAGE_BYTES - 1);
		Stepdump__Why *o = MSG_PUSH(snap, whys, why);
		const struct wiov *in = NULL;

		for (size_t k = 0; t && k < t->nr_runs && !in; k++)
			if (at >= t->run[k].start &&
			    at < t->run[k].start + t->run[k].nr_pages * PAGE_BYTES)
				in = &t->run[k];
		o->vaddr = at;
		o->verdict = in ? VD(DUMP) : VD(NOT_SCANNED);
		o->sentence =
			in ? xasprintf("%lx: criu dumps it, in the iov %lx of %lu pages", at,
				       in->start, in->nr_pages) :
			     xasprintf("%lx: in no plan of criu so far; the reason is not in its "
				       "calls (`attach` and `why` ask our own rules)",
				       at);
	}
}

struct err *snap_watch(struct session *s, const struct snap_request *req, Stepdump__Snapshot *snap)
{
	if (req->parts & SNAP_TARGET)
		snap_watch_target(s, snap);
	if (req->parts & SNAP_TASKS)
		snap_watch_tasks(s, snap);
	if (req->parts & SNAP_THREADS)
		snap_watch_threads(s, snap);
	if (req->parts & SNAP_VMAS)
		snap_watch_vmas(s, req, snap);
	if (req->parts & SNAP_PMC)
		snap_watch_pmc(s->watch, req->parts & SNAP_PMC_REGIONS, snap);
	if (req->parts & (SNAP_PAGE_PIPE | SNAP_IOVS | SNAP_HOLES))
		snap_watch_page_pipe(s, req, snap);
	if (req->parts & SNAP_RUNS)
		snap_watch_runs(s, req, snap);
	if (req->parts & SNAP_XFER)
		snap_watch_xfer(s->watch, snap);
	if (req->parts & SNAP_CURSOR)
		snap->cursor = snap_watch_cursor(s->watch);
	if (req->parts & SNAP_COUNTERS)
		snap->counters = snap_watch_counters(s->watch);
	/* Every pane's title says whose dump it is. */
	snap_watch_itself(s, snap);
	if (req->parts & SNAP_WHY)
		snap_watch_why(s, req, snap);
	return req->parts & SNAP_PEEK ? snap_watch_peek(s, req, snap) : NULL;
}
