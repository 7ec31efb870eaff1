/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Why a page is dumped or not, and who holds it: the rule, the facts, the place.  While the pipeline
 * runs the page is judged on the spot, since the target is frozen; once something was done
 * with it, that is told (snap_done.c).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "engine/image/page_read.h"
#include "engine/pages/page_walk.h"
#include "engine/session/error.h"
#include "engine/snap/snap_priv.h"

bool snap_is_scanned(const struct dump *d, size_t task, uint64_t addr)
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

/* ---- where a page's bytes are ------------------------------------------------------------------------ */

bool snap_find_in_image(struct session *s, uint64_t addr, uint32_t *pages_id, uint64_t *off)
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

	if (!verdict_is_data(v) || !snap_is_scanned(d, session_task(s), addr))
		return NULL;
	const struct page_pipe *pp = snap_pages_in_pipes(s);

	if ((pp != &d->pp || d->at.item == session_task(s)) &&
	    page_pipe_find(pp, addr, &ppb, &iov, &off) && iov >= pp->ppb[ppb].moved_iov)
		return xasprintf("ppb %u, iov %u, page %lu of the ppb, %s", ppb, iov, off,
				 pp->ppb[ppb].state == PPB_DRAINED ? "in its pipe" : "planned");
	if (snap_find_in_image(s, addr, &id, &off))
		return xasprintf("pages-%u.img, byte 0x%lx", id, off);
	return xstrdup(d->staging ? "pages image (its pagemap entry is still in our buffer)" :
				    "nowhere: it went to xfer null");
}

/* ---- why ------------------------------------------------------------------------------------------------ */

static void why_fact(Stepdump__Why *w, char *text)
{
	*vec_push(w->facts, w->n_facts) = text;
}

/* No image of this set holds it: whose job is it? */
static void why_in_file(const struct vma *v, Stepdump__Why *w)
{
	if (vma_is_deleted(v)) {
		why_fact(
			w,
			xstrdup("a shared mapping of a deleted file: CRIU's file phase writes it as a "
				"ghost file, if it is not larger than --ghost-limit"));
		w->held_by = xstrdup("no image of this set; the deleted file has the data");
	} else {
		why_fact(
			w,
			xstrdup("a shared mapping of a file: it has to be there when the process is "
				"restored; on tmpfs, copy it with the images"));
		w->held_by = xstrdup("no image of this set; the file itself has the data");
	}
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
		why_in_file(v, w);
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

/* Where the images of a set that is published have the page. */
static char *held_by_set(struct session *s, uint64_t addr)
{
	AUTO_CLOSE int fd = open(s->d.committed, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct page_read *pr = NULL;
	struct page_place place;
	char name[IMAGE_NAME_MAX];
	char *text = NULL;

	if (fd < 0)
		return NULL;
	snprintf(name, sizeof(name), "pagemap-%d.img", s->d.task[session_task(s)].ti.ns_pid);
	AUTO_ERR struct err *e = page_read_open(fd, name, &pr);

	if (!pr)
		return NULL;
	e = page_read_locate(pr, addr, &place);
	text = e ? xasprintf("nothing: %s", e->msg) :
		   xasprintf("%s%s, pages-%u.img byte 0x%lx", place.generation ? "parent " : "",
			     page_read_dir(pr, place.generation), place.pages_id, place.off);
	page_read_close(pr);
	return text;
}

/* Once something was done with the page, that is the answer; judged again it would be another. */
static bool why_done(struct session *s, uint64_t addr, Stepdump__Why *w)
{
	const struct pagemap_image *done = snap_done(s);
	uint64_t end = addr + PAGE_BYTES;
	verdict_t v;

	if (!done || w->verdict == VD(SHARED))
		return false;
	v = snap_done_verdict(done, w->verdict, addr, &end);
	if (v == VD(ABSENT) && v != w->verdict)
		why_fact(w, xstrdup("the page has come into being since it was scanned, or was "
				    "left out then: the images have no entry for it"));
	w->verdict = v;
	return true;
}

static char *why_held_by(struct session *s, uint64_t addr, verdict_t v)
{
	if (s->d.committed && (verdict_is_data(v) || v == VD(HOLE)))
		return held_by_set(s, addr);
	if (v == VD(HOLE))
		return held_by_parent(&s->d.task[session_task(s)], addr);
	return held_by(s, addr, v);
}

/* The last failure, if this page was the one at fault: that is what is asked about. */
static char *why_failed(struct session *s, uint64_t addr, Stepdump__Why *w)
{
	const struct err *e = s->error;

	if (!e || !e->has_vaddr || (e->vaddr & ~(PAGE_BYTES - 1)) != addr ||
	    (e->pid && e->pid != s->t[session_task(s)].pid))
		return NULL;

	Stepdump__Error *m = error_message(s, e);
	char *text = xasprintf("; %s failed on it%s%s", m->phase ? m->phase : "the last command",
			       m->title ? ": " : "", m->title ? m->title : "");

	why_fact(w, xasprintf("failure: %s", m->message));
	if (m->evidence)
		why_fact(w, xasprintf("seen: %s", m->evidence));
	if (m->hint || m->advice)
		why_fact(w, xasprintf("to do: %s", m->hint ? m->hint : m->advice));
	if (m->cause) {
		why_fact(w, xasprintf("cause: `explain %s`", m->cause));
		w->cause = xstrdup(m->cause);
	}
	stepdump__error__free_unpacked(m, NULL);
	return text;
}

struct err *snap_why(struct session *s, uint64_t addr, Stepdump__Snapshot *snap)
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
				"soft-dirty %d",
				!!(raw & PM_PRESENT), !!(raw & PM_SWAP), !!(raw & PM_FILE),
				!!(cats & PAGE_IS_PFNZERO), !!(raw & PM_GUARD_REGION),
				!!(raw & PM_SOFT_DIRTY)));
	}
	w->verdict = dump_verdict(td, v, cats);
	if (!why_done(s, addr, w))
		why_tracked(td, v, cats, w);
	if (verdict_is_data(w->verdict) && v->status & VMA_FILE_PRIVATE &&
	    (raw & (PM_PRESENT | PM_FILE)) == PM_PRESENT)
		why_fact(w, xstrdup("copied by a write: this is not the file's page any more"));
	w->rule = xstrdup(verdict_info(w->verdict)->rule);
	if (w->verdict == VD(SHARED))
		why_shared(s, (size_t)vi, addr, w);
	else
		w->held_by = why_held_by(s, addr, w->verdict);
	AUTO_FREE char *failed = why_failed(s, addr, w);

	/* Shared memory that is not an object of the dump. */
	bool in_file =
		w->verdict == VD(SHARED) && w->held_by && !strncmp(w->held_by, "no image", 8);

	w->sentence = xasprintf(
		"%lx: %s%s%s%s%s", addr,
		in_file || snap_is_scanned(&s->d, session_task(s), addr) ? "" : "will be ",
		in_file ? "not dumped" : verdict_info(w->verdict)->why,
		w->held_by ? "; held by " : "", w->held_by ? w->held_by : "", failed ? failed : "");
	return NULL;
}
