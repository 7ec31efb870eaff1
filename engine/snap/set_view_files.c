/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The files of a set in a snapshot, what each holds, and the shared objects. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "engine/image/flatdir.h"
#include "engine/snap/set_view_priv.h"

#define ENTRIES_MAX 4096

static const struct {
	const char *magic_name, *about;
} abouts[] = {
	{ "INVENTORY", "what kind of set this is" },
	{ "PSTREE", "the tasks and their threads" },
	{ "CORE", "a thread: name and state; of a full checkpoint registers and signals too" },
	{ "IDS", "what a task shares with others" },
	{ "MM", "its mappings" },
	{ "FILES", "open and mapped files" },
	{ "REG_FILES", "open and mapped files (before CRIU 3.0)" },
	{ "FDINFO", "descriptors" },
	{ "FS", "working directory and root" },
	{ "MEMFD_INODE", "memfds and anonymous shared memory" },
	{ "VMAS", "its mappings (before CRIU 1.3)" },
	{ "STATS", "times and counts" },
	{ "SECCOMP", "seccomp filters" },
	{ "CGROUP", "control groups" },
	{ "TIMENS", "clocks of a time namespace" },
	{ "GHOST_FILE", "a deleted file that was in use" },
	{ "REMAP_FPATH", "deleted files" },
	{ "TTY_INFO", "terminals" },
	{ "TCP_STREAM", "a TCP connection, with what was in flight" },
	{ "SK_QUEUES", "what sockets had not delivered" },
	{ "PIPES_DATA", "what pipes had not delivered" },
	{ "MNTS", "mounts" },
	{ "IRMAP_CACHE", "paths of watched inodes" },
};

static const char *file_about(const struct image_desc *d)
{
	for (size_t i = 0; d && i < sizeof(abouts) / sizeof(abouts[0]); i++)
		if (!strcmp(abouts[i].magic_name, d->magic_name))
			return abouts[i].about;
	return NULL;
}

struct files_arg {
	struct set_view *v;
	Stepdump__Xfer *x;
};

static void about_pagemap(const struct set_view *v, Stepdump__ImageFile *f,
			  const struct image_desc *d, uint64_t id)
{
	struct pagemap_image pi;
	struct err *e = pagemap_image_read(v->dirfd, f->name, &pi);

	if (e) {
		f->about = err_text(e);
		err_free(e);
		return;
	}
	SET(f, entries, pi.nr);
	f->about = xasprintf("%s %lu: where its pages are, in pages-%u.img",
			     d->kind == IMG_PAGEMAP ? "task" : "shared object", id, pi.pages_id);
	pagemap_image_deinit(&pi);
}

static struct err *files_add(void *arg, int dirfd, const char *name)
{
	const struct files_arg *a = arg;
	Stepdump__ImageFile *f = MSG_PUSH(a->x, files, image_file);
	struct stat st;
	uint64_t id = 0;
	const struct image_desc *d = image_desc_by_name(name, &id);
	const char *about = file_about(d);

	f->name = xstrdup(name);
	if (!fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode))
		SET(f, bytes, (uint64_t)st.st_size);
	if (d)
		f->kind = xstrdup(d->magic_name);
	if (d && (d->kind == IMG_PAGEMAP || d->kind == IMG_SHMEM_PAGEMAP))
		about_pagemap(a->v, f, d, id);
	else if (about)
		f->about = xstrdup(about);
	else if (!strcmp(name, "parent"))
		f->about = xstrdup("the set that holes refer to");
	return NULL;
}

/* Whose a pages file is stands in the pagemap, not in its name. */
static void about_pages(const struct set_view *v, Stepdump__Xfer *x)
{
	for (size_t i = 0; i < x->n_files; i++) {
		struct pagemap_image pi;
		char pages[32];

		if (!x->files[i]->kind || strcmp(x->files[i]->kind, "PAGEMAP"))
			continue;
		struct err *e = pagemap_image_read(v->dirfd, x->files[i]->name, &pi);

		if (e) {
			err_free(e);
			continue;
		}
		snprintf(pages, sizeof(pages), "pages-%u.img", pi.pages_id);
		for (size_t k = 0; k < x->n_files; k++)
			if (!strcmp(x->files[k]->name, pages) && !x->files[k]->about) {
				x->files[k]->kind = xstrdup("PAGES");
				x->files[k]->about = xasprintf("%lu pages of %s%s", pi.nr_present,
							       x->files[i]->name,
							       pi.nr_blocks ? ", compressed" : "");
			}
		pagemap_image_deinit(&pi);
	}
}

static void files_pagemap(const struct set_view *v, Stepdump__Snapshot *snap)
{
	const struct pagemap_image *pi = v->m->pr ? page_read_image(v->m->pr, 0) : NULL;

	for (size_t i = 0; pi && i < pi->nr && i < ENTRIES_MAX; i++) {
		Stepdump__PagemapEntry *o = MSG_PUSH(snap, pagemap, pagemap_entry);

		o->vaddr = pi->e[i].vaddr;
		o->nr_pages = pi->e[i].nr_pages;
		snap_flag_names(pi->e[i].flags, &o->flags, &o->n_flags);
		if (pi->e[i].flags & PE_PRESENT)
			SET(o, pages_off, pi->e[i].stored_off);
	}
	if (pi && pi->nr > ENTRIES_MAX)
		SET(snap, pagemap_more, pi->nr - ENTRIES_MAX);
}

struct err *set_view_files(struct set_view *v, Stepdump__Snapshot *snap)
{
	Stepdump__Xfer *x = MSG_NEW(Stepdump__Xfer, xfer);
	struct files_arg a = { v, x };
	const struct pagemap_image *pi = v->m->pr ? page_read_image(v->m->pr, 0) : NULL;

	snap->xfer = x;
	x->kind = xstrdup("local");
	x->dir = xstrdup(v->set->path);
	if (pi) {
		SET(x, pages_id, pi->pages_id);
		SET(x, pages_written, pi->nr_present);
		SET(x, bytes_written, pi->stored);
		SET(x, entries, pi->nr);
	}
	TRY(flatdir_each(v->dirfd, v->set->path, files_add, &a));
	vec_sort(x->files, x->n_files, snap_file_by_name);
	about_pages(v, x);
	files_pagemap(v, snap);
	return NULL;
}

/* ---- shared objects ------------------------------------------------------------------------------------ */

static Stepdump__Shmem *view_shmem_find(Stepdump__Snapshot *snap, uint64_t shmid)
{
	for (size_t i = 0; i < snap->n_shmem; i++)
		if (snap->shmem[i]->shmid == shmid)
			return snap->shmem[i];
	return NULL;
}

static void shmem_pages(const struct set_view *v, Stepdump__Shmem *o)
{
	char name[IMAGE_NAME_MAX];
	struct pagemap_image pi;
	struct err *e =
		pagemap_image_read(v->dirfd, image_name(IMG_SHMEM_PAGEMAP, o->shmid, name), &pi);

	if (e) {
		err_free(e);
		return;
	}
	SET(o, pages_dumped, pi.nr_present);
	SET(o, data_bytes, pi.nr_present * PAGE_BYTES);
	SET(o, done, true);
	for (size_t i = 0; i < pi.nr && i < ENTRIES_MAX; i++) {
		Stepdump__PstateRun *r = MSG_PUSH(o, data, pstate_run);

		r->page = pi.e[i].vaddr / PAGE_BYTES;
		r->nr_pages = pi.e[i].nr_pages;
		r->state = 1;
	}
	pagemap_image_deinit(&pi);
}

static void shmem_map(const struct set_view *v, Stepdump__Shmem *o, size_t i)
{
	const struct vma *vma = &v->m->vmas.v[i];
	Stepdump__PstateContribution *c = MSG_PUSH(o, maps, pstate_contribution);
	char prot[5];

	SET(c, pid, v->m->pid);
	SET(c, vma_index, (uint32_t)i);
	SET(c, off_pages, vma->pgoff / PAGE_BYTES);
	SET(c, nr_pages, vma_pages(vma));
	vma_prot_str(vma->prot, vma->vmf & VMF_SHARED, prot);
	c->prot = xstrdup(prot);
	if (!(vma->status & VMA_AREA_MEMFD) && o->size_bytes < vma->pgoff + (vma->end - vma->start))
		SET(o, size_bytes, vma->pgoff + (vma->end - vma->start));
}

struct err *set_view_shmem(struct set_view *v, Stepdump__Snapshot *snap)
{
	for (size_t i = 0; i < v->m->vmas.nr; i++) {
		const struct vma *vma = &v->m->vmas.v[i];
		uint64_t shmid;

		if (!set_memory_shmid(v->m, vma, &shmid))
			continue;
		Stepdump__Shmem *o = view_shmem_find(snap, shmid);

		if (!o) {
			o = MSG_PUSH(snap, shmem, shmem);
			o->shmid = shmid;
			o->kind = xstrdup(vma->status & VMA_AREA_MEMFD   ? "memfd" :
					  vma->status & VMA_AREA_SYSVIPC ? "sysv" :
									   "anon");
			o->name = xstrdup(vma->name);
			shmem_pages(v, o);
			const struct set_memfd *m = set_memory_memfd(v->m, vma);

			if (m)
				SET(o, size_bytes, m->size);
		}
		shmem_map(v, o, i);
	}
	return NULL;
}
