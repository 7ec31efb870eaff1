/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/session/set_view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/vec.h"
#include "engine/image/image_set.h"
#include "engine/session/session_priv.h"
#include "engine/snap/set_view_priv.h"
#include "proto/pstree.pb-c.h"
#include "proto/stats.pb-c.h"

#define PEEK_MAX (1u << 20)

struct err *set_view_open(struct session *s, const char *path, uint32_t pid, struct set_view **ret)
{
	struct set_view *v = xzalloc(sizeof(*v));

	s->interrupted = 0;

	struct err *e = image_dir_open(path, PAGES_OF_TASK, pid, &s->interrupted, &v->dir);

	v->dirfd = v->dir.dirfd;
	if (!e)
		e = image_set_open(v->dirfd, path, &v->set);
	for (size_t i = 0; !e && !pid && i < v->set->nr_tasks; i++)
		if (v->set->task[i].has_memory)
			pid = v->set->task[i].pid;
	if (!e && !pid)
		e = err_hint(err_new(ERR_STATE, "%s has the memory of no task", path),
			     "`verify %s` says what is missing", path);
	if (!e)
		e = set_memory_open(v->set, pid, &v->m);
	if (e) {
		set_view_close(v);
		return e;
	}
	for (size_t i = 0; i < v->set->nr_tasks; i++)
		if (v->set->task[i].pid == pid)
			v->task = &v->set->task[i];
	*ret = v;
	return NULL;
}

void set_view_close(struct set_view *v)
{
	if (!v)
		return;
	set_memory_close(v->m);
	image_set_close(v->set);
	image_dir_close(&v->dir);
	free(v);
}

size_t set_view_nr_trouble(const struct set_view *v)
{
	return v->set->nr_trouble;
}

const char *set_view_trouble(const struct set_view *v, size_t i)
{
	return v->set->trouble[i];
}

size_t set_view_nr_about(const struct set_view *v)
{
	return v->dir.nr_about;
}

const char *set_view_about(const struct set_view *v, size_t i)
{
	return v->dir.about[i];
}

bool set_view_is_archive(const char *path)
{
	static const struct {
		unsigned at, len;
		const char *magic;
	} magics[] = { { 0, 2, "\x1f\x8b" },
		       { 0, 4, "\x28\xb5\x2f\xfd" },
		       { 0, 5,
			 "\xfd"
			 "7zXZ" },
		       { 0, 3, "BZh" },
		       { 0, 4, "\x04\x22\x4d\x18" },
		       { 257, 5, "ustar" } };
	AUTO_CLOSE int fd = -1;
	uint64_t size;
	char head[512] = { 0 };
	AUTO_ERR struct err *e = image_open_file(AT_FDCWD, path, &fd, &size);

	if (e || pread_full(fd, head, sizeof(head), 0) < 0)
		return false;
	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
		if (!memcmp(head + magics[i].at, magics[i].magic, magics[i].len))
			return true;
	return false;
}

struct set_memory *set_view_memory(struct set_view *v)
{
	return v->m;
}

/* ---- target, tasks, threads ---------------------------------------------------------------------- */

static void set_view_target(const struct set_view *v, Stepdump__Snapshot *snap)
{
	Stepdump__Target *t = MSG_NEW(Stepdump__Target, target);

	snap->target = t;
	t->state = STEPDUMP__TARGET_STATE__GONE; /* it is an image now */
	SET(t, pid, v->m->pid);
	t->comm = xstrdup(v->task ? v->task->comm : "");
	if (v->m->mm) {
		const char *exe = image_set_file_name(v->set, v->m->mm->exe_file_id);

		t->cmdline = exe ? xstrdup(exe) : NULL;
	}
	SET(t, nr_vmas, (uint32_t)v->m->vmas.nr);
	SET(t, nr_threads, v->task ? (uint32_t)v->task->nr_threads : 0);
	SET(t, nr_private_pages, v->m->vmas.nr_priv_pages);
	if (v->task)
		SET(t, ppid, v->task->ppid);
}

static uint64_t pages_of_task(const struct set_view *v, uint32_t pid)
{
	char name[IMAGE_NAME_MAX];
	struct pagemap_image pi;
	struct err *e = pagemap_image_read(v->dirfd, image_name(IMG_PAGEMAP, pid, name), &pi);
	uint64_t nr = 0;

	if (!e) {
		nr = pi.nr_present;
		pagemap_image_deinit(&pi);
	}
	err_free(e);
	return nr;
}

static void set_view_tasks(const struct set_view *v, Stepdump__Snapshot *snap)
{
	for (size_t i = 0; i < v->set->nr_tasks; i++) {
		const struct set_task *t = &v->set->task[i];
		Stepdump__Task *o = MSG_PUSH(snap, tasks, task);

		o->index = (uint32_t)i;
		o->pid = t->pid;
		SET(o, ppid, t->ppid);
		o->comm = xstrdup(*t->comm ? t->comm : t->has_memory ? "" : "(no memory)");
		SET(o, nr_threads, (uint32_t)t->nr_threads);
		SET(o, pages_dumped, pages_of_task(v, t->pid));
		SET(o, selected, t == v->task);
		if (t == v->task) {
			SET(o, nr_vmas, (uint32_t)v->m->vmas.nr);
			SET(o, nr_private_pages, v->m->vmas.nr_priv_pages);
		}
	}
}

static void set_view_threads(const struct set_view *v, Stepdump__Snapshot *snap)
{
	for (size_t i = 0; v->task && i < v->task->nr_threads; i++) {
		Stepdump__Thread *t = MSG_PUSH(snap, threads, thread);
		struct set_thread st;

		image_set_thread(v->set, v->task->threads[i], &st);
		t->tid = v->task->threads[i];
		t->comm = st.comm;
		SET(t, leader, t->tid == v->m->pid);
		if (st.has_registers) {
			SET(t, ip, st.ip);
			SET(t, sp, st.sp);
		}
	}
}

/* ---- statistics ------------------------------------------------------------------------------------ */

static void set_view_counters(const struct set_view *v, Stepdump__Snapshot *snap)
{
	Stepdump__Counters *c = MSG_NEW(Stepdump__Counters, counters);
	ProtobufCMessage *m;
	struct err *e = image_read_one(v->dirfd, "stats-dump", IMG_STATS_DUMP, &m);

	snap->counters = c;
	if (e) {
		err_free(e);
		return;
	}

	const Criu__DumpStatsEntry *d = ((Criu__StatsEntry *)m)->dump;

	if (d) {
		SET(c, freezing_us, d->freezing_time);
		SET(c, frozen_us, d->frozen_time);
		SET(c, memdump_us, d->memdump_time);
		SET(c, memwrite_us, d->memwrite_time);
		SET(c, pages_scanned, d->pages_scanned);
		SET(c, pages_skipped_parent, d->pages_skipped_parent);
		SET(c, pages_written, d->pages_written);
		SET(c, pages_lazy, d->pages_lazy);
		SET(c, page_pipes, d->page_pipes);
		SET(c, page_pipe_bufs, d->page_pipe_bufs);
		SET(c, shpages_scanned, d->shpages_scanned);
		SET(c, shpages_skipped_parent, d->shpages_skipped_parent);
		SET(c, shpages_written, d->shpages_written);
	}
	protobuf_c_message_free_unpacked(m, NULL);
}

/* ---- why and bytes ----------------------------------------------------------------------------------- */

static char *place_text(const struct set_page *p)
{
	AUTO_FREE char *server = page_read_server(p->pr, p->place.generation);
	const char *dir = page_read_dir(p->pr, p->place.generation);

	if (server)
		return xasprintf("%s", server);

	AUTO_FREE char *block =
		p->place.block_pages ?
			xasprintf(" (in an LZ4 block of %u page%s)", p->place.block_pages,
				  p->place.block_pages == 1 ? "" : "s") :
			xstrdup("");

	if (p->place.generation)
		return xasprintf("pages-%u.img 0x%lx%s of %s (%u generation%s back)",
				 p->place.pages_id, p->place.stored_off, block, dir,
				 p->place.generation, p->place.generation == 1 ? "" : "s");
	return xasprintf("pages-%u.img 0x%lx%s", p->place.pages_id, p->place.stored_off, block);
}

static void why_source(struct set_view *v, const struct set_page *p, Stepdump__Why *w)
{
	switch (p->source) {
	case SET_PAGES:
		w->verdict = p->place.generation       ? VD(HOLE) :
			     p->object                 ? VD(SHARED) :
			     vma_always_dumped(p->vma) ? VD(ALWAYS) :
							 VD(DUMP);
		w->held_by = place_text(p);
		w->sentence = xasprintf("%lx: its bytes are in %s", w->vaddr, w->held_by);
		if (p->object)
			msg_push_text(&w->facts, &w->n_facts,
				      "a page of shared memory: stored once, for all that map it");
		if (p->place.generation)
			msg_push_text(&w->facts, &w->n_facts,
				      "a hole here: it had not changed since the parent was made");
		if (p->place.flags & PE_LAZY)
			msg_push_text(&w->facts, &w->n_facts, "may be restored lazily");
		break;
	case SET_FILE:
		w->verdict = VD(FILE_CLEAN);
		w->held_by = xasprintf("%s 0x%lx", p->file, p->file_off);
		w->sentence =
			xasprintf("%lx: not in the images: nothing was written to it, so it is "
				  "read from %s at 0x%lx",
				  w->vaddr, p->file, p->file_off);
		break;
	case SET_NOWHERE:
		w->verdict = vma_list_find(&v->m->guards, w->vaddr) >= 0 ? VD(GUARD) : VD(NEVER);
		w->sentence =
			xasprintf("%lx: not in the images, and never is: %s", w->vaddr,
				  w->verdict == VD(GUARD) ? "a guard page" : vma_kind(p->vma));
		break;
	case SET_UNTOUCHED:
		w->verdict = p->object ? VD(SHARED) : VD(ABSENT);
		w->sentence =
			xasprintf("%lx: in no image: it was never touched (or held zeroes), and "
				  "reads as zero when restored",
				  w->vaddr);
	}
}

static void set_view_why(struct set_view *v, uint64_t vaddr, Stepdump__Snapshot *snap)
{
	Stepdump__Why *w = MSG_PUSH(snap, whys, why);
	struct set_page p = { 0 };
	ssize_t i = vma_list_find(&v->m->vmas, vaddr);

	w->vaddr = vaddr;
	if (i < 0) {
		w->verdict = VD(ABSENT);
		w->sentence = xasprintf("%lx: nothing was mapped here", vaddr);
		return;
	}

	const struct vma *vma = &v->m->vmas.v[i];
	char prot[5];
	struct err *e = set_memory_locate(v->m, vaddr, &p);

	SET(w, vma_index, (uint32_t)i);
	vma_prot_str(vma->prot, vma->vmf & VMF_SHARED, prot);

	AUTO_FREE char *where = xasprintf("VMA %zd: %lx-%lx %s %s %s", i, vma->start, vma->end,
					  prot, vma_kind(vma), vma->name);

	msg_push_text(&w->facts, &w->n_facts, where);
	if (!e) {
		why_source(v, &p, w);
		return;
	}

	/* The chain breaks: what is wrong is the answer. */
	AUTO_FREE char *text = err_text(e);

	w->verdict = VD(HOLE);
	w->sentence = xasprintf("%lx: it cannot be found: %s", vaddr, text);
	err_free(e);
}

static struct err *set_view_peek(struct set_view *v, const struct snap_request *req,
				 Stepdump__Snapshot *snap)
{
	uint32_t len = req->peek.len < PEEK_MAX ? req->peek.len : PEEK_MAX;
	Stepdump__Peek *o = MSG_PUSH(snap, peeks, peek);
	size_t got;

	o->vaddr = req->peek.vaddr;
	o->source = xstrdup("image");
	o->data.data = xzalloc(len);

	struct err *e = set_memory_read(v->m, req->peek.vaddr, o->data.data, len, &got);

	o->data.len = got;
	if (e && !got)
		return e;
	if (e)
		o->error = err_text(e);
	err_free(e);
	return NULL;
}

struct err *set_view_take(struct set_view *v, const struct snap_request *req,
			  Stepdump__Snapshot **ret)
{
	Stepdump__Snapshot *snap = MSG_NEW(Stepdump__Snapshot, snapshot);
	struct err *e = NULL;

	set_view_target(v, snap);
	if (req->parts & SNAP_TASKS)
		set_view_tasks(v, snap);
	if (req->parts & SNAP_THREADS)
		set_view_threads(v, snap);
	if (req->parts & (SNAP_VMAS | SNAP_VMA_COUNTS | SNAP_RUNS))
		set_view_pages(v, req, snap);
	if (req->parts & SNAP_COUNTERS)
		set_view_counters(v, snap);
	if (req->parts & (SNAP_PAGE_PIPE | SNAP_HOLES))
		set_view_holes(v, snap);
	if (req->parts & SNAP_PARENTS)
		set_view_parents(v, req, snap);
	if (req->parts & SNAP_SHMEM)
		e = set_view_shmem(v, snap);
	if (!e && req->parts & SNAP_XFER)
		e = set_view_files(v, snap);
	for (size_t i = 0; req->parts & SNAP_WHY && i < req->nr_why; i++)
		set_view_why(v, req->why[i], snap);
	if (!e && req->parts & SNAP_PEEK && req->peek.len)
		e = set_view_peek(v, req, snap);
	if (e) {
		stepdump__snapshot__free_unpacked(snap, NULL);
		return e;
	}
	*ret = snap;
	return NULL;
}
