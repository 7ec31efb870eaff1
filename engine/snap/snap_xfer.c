/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is written, in a snapshot: the xfer, its files and entries, and the generations that holes point into. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "engine/net/client.h"
#include "engine/snap/snap_priv.h"

int snap_file_by_name(const void *a, const void *b)
{
	Stepdump__ImageFile *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

void snap_files(int dirfd, Stepdump__Xfer *o)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct stat st;

	if (!dir)
		return;
	for (struct dirent *de; (de = readdir(dir));) {
		if (fstatat(dirfd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
			continue;
		Stepdump__ImageFile *f = MSG_PUSH(o, files, image_file);

		f->name = xstrdup(de->d_name);
		SET(f, bytes, (uint64_t)st.st_size);
	}
	closedir(dir);
	vec_sort(o->files, o->n_files, snap_file_by_name);
}

void snap_flag_names(uint32_t flags, char ***out, size_t *nr)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = { { PE_PARENT, "PARENT" }, { PE_LAZY, "LAZY" }, { PE_PRESENT, "PRESENT" } };

	*out = xzalloc(3 * sizeof(char *));
	for (size_t i = 0; i < 3; i++)
		if (flags & names[i].bit)
			(*out)[(*nr)++] = xstrdup(names[i].name);
}

void snap_entry(Stepdump__PagemapEntry *o, const struct pagemap_entry *e)
{
	o->vaddr = e->vaddr;
	o->nr_pages = e->nr_pages;
	snap_flag_names(e->flags, &o->flags, &o->n_flags);
	if (!(e->flags & PE_PARENT))
		SET(o, pages_off, e->pages_off);
}

static void snap_recent(const struct page_xfer *x, Stepdump__Xfer *o)
{
	uint64_t n = x->entries_here < XFER_RECENT ? x->entries_here : XFER_RECENT;

	for (uint64_t i = x->entries_here - n; i < x->entries_here; i++) {
		const struct xfer_entry *in = &x->recent[i % XFER_RECENT];
		Stepdump__PagemapEntry *e = MSG_PUSH(o, recent, pagemap_entry);

		e->vaddr = in->vaddr;
		e->nr_pages = in->nr_pages;
		snap_flag_names(in->flags, &e->flags, &e->n_flags);
		if (!(in->flags & PE_PARENT))
			SET(e, pages_off, in->pages_off);
	}
}

static void snap_server(const struct ps_client *c, Stepdump__Xfer *o)
{
	struct ps_client_stats st;

	ps_client_stats(c, &st);
	o->server = xstrdup(ps_client_where(c));
	if (st.wire != PS_WIRE_UNKNOWN)
		o->wire = xstrdup(ps_wire_name(st.wire));
	SET(o, messages, st.messages);
	SET(o, sent_bytes, st.bytes);
	SET(o, queued_bytes, st.queued);
	if (st.busy_us)
		SET(o, sent_bytes_per_s, (double)(st.bytes - st.queued) * 1e6 / (double)st.busy_us);

	size_t n = st.talked < PS_TALK ? st.talked : PS_TALK;

	o->conversation = xcalloc(n, sizeof(*o->conversation));
	for (uint64_t i = st.talked - n; i < st.talked; i++)
		o->conversation[o->n_conversation++] = ps_client_line(c, i);
}

void snap_xfer(struct session *s, Stepdump__Snapshot *snap)
{
	const struct page_xfer *x = &s->d.xfer;
	Stepdump__Xfer *o = MSG_NEW(Stepdump__Xfer, xfer);
	struct statvfs vfs;

	snap->xfer = o;
	o->kind = xstrdup(x->ops                      ? x->ops->name :
			  s->opts.xfer == XFER_NULL   ? "null" :
			  s->opts.xfer == XFER_SERVER ? "page-server" :
							"local");
	if (s->d.committed || s->opts.dir)
		o->dir = xstrdup(s->d.committed ? s->d.committed : s->opts.dir);
	SET(o, pages_written, x->pages);
	SET(o, bytes_written, x->pages * PAGE_BYTES);
	SET(o, entries, x->entries);
	SET(o, holes_written, x->holes);
	SET(o, holes_checked, s->d.count.holes_checked);
	if (x->object[0]) {
		o->object = xstrdup(x->object);
		if (!page_xfer_client(x)) /* how a server numbers its files is not known here */
			SET(o, pages_id, x->pages_id);
	}
	SET(o, nr_open, x->calls.open);
	SET(o, nr_write_pagemap, x->calls.pagemap);
	SET(o, nr_write_pages, x->calls.pages);
	SET(o, nr_write_hole, x->calls.holes);
	SET(o, nr_close, x->calls.close);
	snap_recent(x, o);
	if (page_xfer_client(x))
		snap_server(page_xfer_client(x), o);

	AUTO_CLOSE int set =
		s->d.committed ? open(s->d.committed, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int dirfd = s->d.staging ? staging_dirfd(s->d.staging) : set;

	if (s->d.staging)
		o->staging = xstrdup(staging_path(s->d.staging));
	if (dirfd < 0)
		return;
	snap_files(dirfd, o);
	if (!fstatvfs(dirfd, &vfs))
		SET(o, fs_free_bytes, vfs.f_bavail * vfs.f_frsize);
}

/* ---- parents ------------------------------------------------------------------------------------------- */

void snap_generation(const struct page_read *pr, size_t g, const struct snap_request *req,
		     Stepdump__Snapshot *snap)
{
	const struct pagemap_image *pi = page_read_image(pr, g);
	Stepdump__ParentGeneration *o = MSG_PUSH(snap, parents, parent_generation);
	size_t max = req->parent_runs_max ? req->parent_runs_max : SNAP_PARENT_RUNS_MAX;
	uint64_t holes = 0;

	o->dir = xstrdup(page_read_dir(pr, g));
	SET(o, entries, pi->nr);
	SET(o, pages_stored, pi->nr_present);
	o->at_server = page_read_server(pr, g);
	for (size_t i = 0; i < pi->nr; i++) {
		const struct pagemap_entry *e = &pi->e[i];
		bool inside = pagemap_entry_end(e) > req->runs_start &&
			      (!req->runs_end || e->vaddr < req->runs_end);

		if (e->flags & PE_PARENT)
			holes += e->nr_pages;
		if (!inside || o->n_runs == max)
			continue;
		Stepdump__PagemapEntry *r = MSG_PUSH(o, runs, pagemap_entry);

		r->vaddr = e->vaddr;
		r->nr_pages = e->nr_pages;
		snap_flag_names(e->flags, &r->flags, &r->n_flags);
		if (e->flags & PE_PRESENT && !o->at_server)
			SET(r, pages_off, e->pages_off);
	}
	SET(o, holes, holes);
}

void snap_parents(struct session *s, const struct snap_request *req, Stepdump__Snapshot *snap)
{
	const struct page_read *pr = s->d.task[session_task(s)].parent;

	for (size_t g = 0; pr && g < page_read_generations(pr); g++)
		snap_generation(pr, g, req, snap);
}
