/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Single pages in a snapshot: runs of verdicts, the reason for one, and bytes.
 *
 * Verdicts are not stored while the pipeline runs (a process may have a billion pages): the
 * target is frozen, so asking the kernel again gives the same answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/vec.h"
#include "engine/pages/page_walk.h"
#include "engine/session/snap_priv.h"

#define PEEK_MAX (1u << 20)

/* Has generate-iovs been past this address of task number `task`? */
static bool is_scanned(const struct dump *d, size_t task, uint64_t addr)
{
	if (task < d->at.item)
		return true;
	if (task > d->at.item)
		return false;
	switch (d->phase) {
	case PH(READY):
	case PH(PREPARE):
		return false;
	case PH(GATE):
	case PH(RESET):
	case PH(DONE):
		return true;
	default:
		return dump_item_scanned(d) || addr < d->scan.vaddr;
	}
}

/* ---- runs ------------------------------------------------------------------------------------------ */

static void push_run(struct session *s, const struct page_run *r, Stepdump__Snapshot *snap)
{
	const struct dump *d = &s->d;
	const struct task_dump *td = &d->task[session_task(s)];
	verdict_t verdict = dump_verdict(td, r->vma, r->categories);
	bool known = is_scanned(d, session_task(s), r->start);

	/* A run that the cursor cuts is two. */
	if (known && !is_scanned(d, session_task(s), r->end - PAGE_BYTES)) {
		struct page_run before = *r, after = *r;

		before.end = after.start = d->scan.vaddr;
		push_run(s, &before, snap);
		push_run(s, &after, snap);
		return;
	}

	Stepdump__VerdictRun *o = msg_push(&snap->runs, &snap->n_runs, sizeof(*o));

	stepdump__verdict_run__init(o);
	o->start = r->start;
	o->nr_pages = page_run_pages(r);
	o->verdict = known || verdict == VD(SHARED) ? verdict : VD(NOT_SCANNED);
	if (td->tracker)
		SET(o, dirty, tracker_page_dirty(td->tracker, r->vma, r->categories));
	SET(o, lazy, d->opts->lazy && verdict_is_data(verdict) && vma_can_be_lazy(r->vma));
	SET(o, present, (r->categories & PAGE_IS_PRESENT) != 0);
}

static struct err *snap_runs(struct session *s, const struct snap_request *req,
			     Stepdump__Snapshot *snap)
{
	const struct target *t = &s->t[session_task(s)];
	uint32_t max = req->runs_max ? req->runs_max : 65536;
	struct page_run run;
	struct pmc pmc; /* of its own: the pipeline's window must not move */
	struct err *e = NULL;

	TRY(pmc_init(&pmc, t->pagemap_fd, &s->caps, s->opts.pmc, s->opts.pmc_cache));
	pmc.extra = s->d.task[session_task(s)].pmc.extra;

	struct page_walk w = { .pmc = &pmc,
			       .vmas = &t->vmas,
			       .at = req->runs_start,
			       .end = req->runs_end ? req->runs_end : UINT64_MAX };

	while (snap->n_runs < max && !(e = page_walk_next(&w, &run)) && run.vma)
		push_run(s, &run, snap);
	pmc_deinit(&pmc);
	return e;
}

/* ---- where a page's bytes are ------------------------------------------------------------------------ */

/* Byte offset of the page in pages-N.img, once its entry is on disk. */
static bool find_in_image(struct session *s, uint64_t addr, uint32_t *pages_id, uint64_t *off)
{
	struct pagemap_image pi;
	char name[64];
	bool found = false;
	int fd = s->d.staging   ? fcntl(staging_dirfd(s->d.staging), F_DUPFD_CLOEXEC, 0) :
		 s->d.committed ? open(s->d.committed, O_RDONLY | O_DIRECTORY | O_CLOEXEC) :
				  -1;

	if (fd < 0)
		return false;
	snprintf(name, sizeof(name), "pagemap-%d.img", s->d.task[session_task(s)].ti.ns_pid);
	struct err *e = pagemap_image_read(fd, name, &pi);

	close(fd);
	if (e) {
		err_free(e);
		return false;
	}
	ssize_t i = pagemap_image_find(&pi, addr);

	if (i >= 0 && (pi.e[i].flags & PE_PRESENT)) {
		*pages_id = pi.pages_id;
		*off = pi.e[i].pages_off + (addr - pi.e[i].vaddr);
		found = true;
	}
	pagemap_image_deinit(&pi);
	return found;
}

static char *held_by(struct session *s, uint64_t addr, verdict_t v)
{
	const struct dump *d = &s->d;
	unsigned ppb, iov;
	uint64_t off;
	uint32_t id;

	if (!verdict_is_data(v) || !is_scanned(d, session_task(s), addr))
		return NULL;
	if (d->at.item == session_task(s) && page_pipe_find(&d->pp, addr, &ppb, &iov, &off) &&
	    iov >= d->pp.ppb[ppb].moved_iov)
		return xasprintf("ppb %u, iov %u, page %lu of the ppb, %s", ppb, iov, off,
				 d->pp.ppb[ppb].state == PPB_DRAINED ? "in its pipe" : "planned");
	if (find_in_image(s, addr, &id, &off))
		return xasprintf("pages-%u.img, byte 0x%lx", id, off);
	return xstrdup(d->staging ? "pages image (its pagemap entry is still in our buffer)" :
				    "nowhere: it went to xfer null");
}

/* ---- why ------------------------------------------------------------------------------------------------ */

static void why_fact(Stepdump__Why *w, char *text)
{
	*vec_push(w->facts, w->n_facts) = text;
}

static void why_shared(struct session *s, size_t vi, uint64_t addr, Stepdump__Why *w)
{
	const struct vma *v = &s->t[session_task(s)].vmas.v[vi];
	uint64_t off = v->pgoff + (addr - v->start), start, end;

	for (size_t i = 0; i < s->d.shmem.nr; i++) {
		const struct shmem_info *o = &s->d.shmem.o[i];

		if (o->shmid != v->ino || o->dev != v->dev || o->fd < 0)
			continue;
		struct err *e = shmem_next_data(o, off, &start, &end);

		why_fact(w,
			 xasprintf("object: %s %lu, offset 0x%lx, %s (SEEK_DATA)", o->kind,
				   o->shmid, off,
				   !e && start <= off && off < end ? "data" : "hole: not dumped"));
		err_free(e);
		w->held_by = xasprintf("pagemap-shmem-%lu.img", o->shmid);
		return;
	}
	if (v->status & VMA_FILE_SHARED)
		why_fact(w, xstrdup("a shared mapping of a file: the file itself has the data"));
}

/* What the tracker says, and why a page that would be dumped is or is not left to the parent. */
static void why_tracked(const struct task_dump *td, const struct vma *v, uint64_t cats,
			Stepdump__Why *w)
{
	const char *untrusted;

	if (!td->tracker)
		return;
	untrusted = tracker_untrusted(td->tracker, v);
	why_fact(w, xasprintf("%s: %s%s%s", tracker_kind_name(tracker_kind(td->tracker)),
			      tracker_page_dirty(td->tracker, v, cats) ? "dirty" : "clean",
			      untrusted ? ", always: " : "", untrusted ? untrusted : ""));
	if (!td->parent && td->no_parent)
		why_fact(w, xasprintf("parent: none used: %s", td->no_parent));
}

/* Where the parent chain has the bytes of a hole. */
static char *held_by_parent(const struct task_dump *td, uint64_t addr)
{
	struct page_place p;
	struct err *e = page_read_locate(td->parent, addr, &p);

	if (e) {
		char *text = xasprintf("nothing: %s", e->msg);

		err_free(e);
		return text;
	}
	return xasprintf("parent %s, generation %u, pages-%u.img byte 0x%lx",
			 page_read_dir(td->parent, p.generation), p.generation + 1, p.pages_id,
			 p.off);
}

/* Of an address in no mapping: what lies on either side of it. */
static void snap_neighbours(const struct vma_list *l, uint64_t addr, Stepdump__Why *w)
{
	size_t above = 0;

	while (above < l->nr && l->v[above].start <= addr)
		above++;
	if (above)
		why_fact(w,
			 xasprintf("below: VMA %zu ends at %lx", above - 1, l->v[above - 1].end));
	if (above < l->nr)
		why_fact(w, xasprintf("above: VMA %zu begins at %lx", above, l->v[above].start));
}

static struct err *why_one(struct session *s, uint64_t addr, Stepdump__Snapshot *snap)
{
	addr &= ~(PAGE_BYTES - 1);

	Stepdump__Why *w = msg_push(&snap->whys, &snap->n_whys, sizeof(*w));
	const struct target *t = &s->t[session_task(s)];
	ssize_t vi = vma_list_find(&t->vmas, addr);

	stepdump__why__init(w);
	w->vaddr = addr;
	if (vi < 0) {
		w->verdict = VD(ABSENT);
		w->sentence = xasprintf("%lx: nothing is mapped here", addr);
		snap_neighbours(&t->vmas, addr, w);
		return NULL;
	}

	const struct task_dump *td = &s->d.task[session_task(s)];
	const struct vma *v = &t->vmas.v[vi];
	uint64_t raw = 0, cats = 0, run_end;
	char prot[5];

	vma_prot_str(v->prot, v->vmf & VMF_SHARED, prot);
	SET(w, vma_index, (uint32_t)vi);
	why_fact(w, xasprintf("VMA %zd: %lx-%lx %s %s%s%s", vi, v->start, v->end, prot, vma_kind(v),
			      *v->name ? " " : "", v->name));
	if (addr < PAGEMAP_TASK_SIZE) {
		struct pmc pmc;
		struct err *e;

		TRY(pmc_init(&pmc, t->pagemap_fd, &s->caps, s->opts.pmc, false));
		pmc.extra = td->pmc.extra;
		e = page_walk_fill(&pmc, &t->vmas, (size_t)vi, addr, addr + PAGE_BYTES);
		if (!e)
			cats = pmc_run(&pmc, addr, addr + PAGE_BYTES, &run_end);
		pmc_deinit(&pmc);
		TRY(e);
		TRY(pagemap_read(t->pagemap_fd, addr, 1, &raw));
		SET(w, pagemap_raw, raw);
		why_fact(
			w,
			xasprintf(
				"pagemap: present %d, swapped %d, file %d, zero page %d, guard %d, "
				"soft-dirty %d (raw %016lx)",
				!!(raw & PM_PRESENT), !!(raw & PM_SWAP), !!(raw & PM_FILE),
				!!(cats & PAGE_IS_PFNZERO), !!(raw & PM_GUARD_REGION),
				!!(raw & PM_SOFT_DIRTY), raw));
	}
	w->verdict = dump_verdict(td, v, cats);
	why_tracked(td, v, cats, w);
	w->rule = xstrdup(verdict_info(w->verdict)->rule);
	if (w->verdict == VD(HOLE))
		w->held_by = held_by_parent(td, addr);
	else if (w->verdict == VD(SHARED))
		why_shared(s, (size_t)vi, addr, w);
	else
		w->held_by = held_by(s, addr, w->verdict);
	w->sentence = xasprintf("%lx: %s%s%s%s", addr,
				is_scanned(&s->d, session_task(s), addr) ? "" : "will be ",
				verdict_info(w->verdict)->why, w->held_by ? "; held by " : "",
				w->held_by ? w->held_by : "");
	return NULL;
}

/* ---- peek ------------------------------------------------------------------------------------------------ */

/* One page out of a pipe without taking it: tee(2) copies references into a second pipe. */
static struct err *peek_pipe(struct session *s, uint64_t addr, uint8_t *page)
{
	const struct dump *d = &s->d;
	unsigned ppb, iov;
	uint64_t off;
	int p[2];

	if (d->at.item != session_task(s) || !page_pipe_find(&d->pp, addr, &ppb, &iov, &off) ||
	    d->pp.ppb[ppb].state != PPB_DRAINED || iov < d->pp.ppb[ppb].moved_iov)
		return err_hint(err_new(ERR_STATE, "%lx is in no pipe now", addr),
				"`why %lx` says where it is", addr);

	const struct page_pipe_buf *b = &d->pp.ppb[ppb];
	uint64_t skip = off - ppb_pages(b, 0, b->moved_iov);
	struct err *e = NULL;

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK))
		return err_sys(errno, "make a pipe to look into ppb %u", ppb);
	if (fcntl(p[1], F_SETPIPE_SZ, (int)(b->pipe_size * PAGE_BYTES)) < 0)
		e = err_sys(errno, "make a pipe of %u pages to look into ppb %u", b->pipe_size,
			    ppb);
	if (!e && tee(b->p[0], p[1], (skip + 1) * PAGE_BYTES, SPLICE_F_NONBLOCK) <
			  (ssize_t)((skip + 1) * PAGE_BYTES))
		e = err_sys(errno, "tee from ppb %u", ppb);
	for (uint64_t i = 0; !e && i <= skip; i++)
		if (read(p[0], page, PAGE_BYTES) != (ssize_t)PAGE_BYTES)
			e = err_sys(errno, "read what tee copied from ppb %u", ppb);
	close(p[0]);
	close(p[1]);
	return e;
}

static struct err *peek_image(struct session *s, uint64_t addr, uint8_t *page)
{
	char name[32];
	uint32_t id;
	uint64_t off;

	if (!find_in_image(s, addr, &id, &off))
		return err_hint(err_new(ERR_STATE, "%lx is in no image yet", addr),
				"`why %lx` says where it is", addr);
	int dir = s->d.staging ? staging_dirfd(s->d.staging) :
				 open(s->d.committed, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	snprintf(name, sizeof(name), "pages-%u.img", id);
	int fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pread(fd, page, PAGE_BYTES, (off_t)off);
	int why = errno;

	if (fd >= 0)
		close(fd);
	if (!s->d.staging)
		close(dir);
	return n == (ssize_t)PAGE_BYTES ? NULL : err_sys(n < 0 ? why : EIO, "read %s", name);
}

static struct err *peek_parent(struct session *s, uint64_t addr, uint8_t *page)
{
	const struct page_read *pr = s->d.task[session_task(s)].parent;

	if (!pr)
		return err_hint(err_new(ERR_STATE, "there is no parent to look into"),
				"`set parent DIR`, then `step` through prepare");
	return page_read_page(pr, addr, page);
}

static struct err *peek_page(struct session *s, const char *source, uint64_t addr, uint8_t *page)
{
	size_t got;

	if (!strcmp(source, "pipe"))
		return peek_pipe(s, addr, page);
	if (!strcmp(source, "image"))
		return peek_image(s, addr, page);
	if (!strcmp(source, "parent"))
		return peek_parent(s, addr, page);
	if (vma_list_find(&s->t[session_task(s)].vmas, addr) < 0)
		return err_hint(err_new(ERR_STATE, "nothing is mapped at %lx", addr),
				"`show vmas` lists the mappings");
	TRY(target_read(&s->t[session_task(s)], addr, page, PAGE_BYTES, &got));
	return got == PAGE_BYTES ? NULL : err_sys(EIO, "read the target's memory at %lx", addr);
}

/* Pages up to the first that cannot be read; the reason for that one is in the answer. */
static struct err *snap_peek(struct session *s, const struct snap_request *req,
			     Stepdump__Snapshot *snap)
{
	const char *source = req->peek_source ? req->peek_source : "target";
	uint32_t len = req->peek.len < PEEK_MAX ? req->peek.len : PEEK_MAX, got = 0;
	uint8_t page[PAGE_BYTES];
	Stepdump__Peek *o = msg_push(&snap->peeks, &snap->n_peeks, sizeof(*o));

	stepdump__peek__init(o);
	o->vaddr = req->peek.vaddr;
	o->source = xstrdup(source);
	o->data.data = xzalloc(len);
	while (got < len) {
		uint64_t at = req->peek.vaddr + got, base = at & ~(PAGE_BYTES - 1);
		uint32_t n = (uint32_t)(base + PAGE_BYTES - at);
		struct err *e = peek_page(s, source, base, page);

		if (e && !got)
			return err_vaddr(e, at);
		if (e) {
			o->error = err_text(e);
			err_free(e);
			break;
		}
		if (n > len - got)
			n = len - got;
		memcpy(o->data.data + got, page + (at - base), n);
		got += n;
	}
	o->data.len = got;
	return NULL;
}

struct err *snap_pages(struct session *s, const struct snap_request *req, Stepdump__Snapshot *snap)
{
	if (req->parts & SNAP_RUNS)
		TRY(snap_runs(s, req, snap));
	for (size_t i = 0; req->parts & SNAP_WHY && i < req->nr_why; i++)
		TRY(why_one(s, req->why[i], snap));
	if (req->parts & SNAP_PEEK && req->peek.len)
		TRY(snap_peek(s, req, snap));
	return NULL;
}
