/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "engine/image/at_server.h"
#include "engine/image/flatdir.h"
#include "engine/image/image.h"
#include "engine/image/verify_priv.h"
#include "proto/files.pb-c.h"
#include "proto/inventory.pb-c.h"
#include "proto/pstree.pb-c.h"

static struct err *add_name(void *arg, int dirfd, const char *name)
{
	struct verify *v = arg;

	*vec_push(v->name, v->nr_names) = xstrdup(name);
	return NULL;
}

/* ---- one file for the whole set ---------------------------------------------- */

/* CRIU 4.2 wrote 12 to 14, which say nothing on memory; 15 and 16 came with image version 3: how it is compressed. */
#define INVENTORY_KNOWN 16u
#define VERSION_KNOWN 3u

static void check_newer(struct verify *v, const Criu__InventoryEntry *inv)
{
	for (size_t i = 0; i < inv->base.n_unknown_fields; i++)
		if (inv->base.unknown_fields[i].tag > INVENTORY_KNOWN)
			verify_newer(v, "inventory.img", NO_ENTRY, inv->base.unknown_fields[i].tag);
	if (inv->img_version > 2)
		verify_since(v, SINCE_AFTER_4_2,
			     "image version 3, which came with compressed pages");
	if (inv->img_version > VERSION_KNOWN && !v->r->newer)
		v->r->newer = xasprintf("inventory.img: image version %u, this program knows %u",
					inv->img_version, VERSION_KNOWN);
}

static void check_inventory(struct verify *v)
{
	ProtobufCMessage *m;

	verify_file_inventory(v);
	if (!verify_has(v, "inventory.img") ||
	    verify_absorb(v, "inventory.img",
			  image_read_one(v->dirfd, "inventory.img", IMG_INVENTORY, &m)))
		return;
	const Criu__InventoryEntry *inv = (Criu__InventoryEntry *)m;
	/* 0 is a pre-dump. */
	v->pre_dump = v->r->pre_dump = inv->img_version == 0;
	v->old = inv->img_version == 1;
	v->r->has_uptime = inv->has_dump_uptime;
	v->r->dump_uptime_us = inv->dump_uptime;
	v->version = inv->img_version;
	if (v->old)
		verify_find(
			v, false, "inventory.img", NO_ENTRY, NULL,
			"image version 1, as CRIU before 1.5 wrote it: CRIU up to 4.2 restores it");
	check_newer(v, inv);
	if (!v->pre_dump && !(inv->has_fdinfo_per_id && inv->fdinfo_per_id))
		verify_find(v, true, "inventory.img", NO_ENTRY, NULL, "fdinfo_per_id is not set");
	if (!inv->has_dump_uptime)
		verify_find(v, false, "inventory.img", NO_ENTRY, NULL,
			    "no dump_uptime: CRIU does not take the set as a parent");
	v->inventory = m;
	v->root_ids = inv->root_ids;
	v->root_cg_set = inv->has_root_cg_set ? inv->root_cg_set : 0;
}

enum { CORE_X86 = 2, CORE_THREAD = 5, CORE_AARCH64 = 8 }; /* fields that pstree.proto leaves out */

/* Calls fn for each entry of an image; false if it could not be read to its end. */
static bool each_entry(struct verify *v, const char *file, enum image_kind kind,
		       void (*fn)(struct verify *v, const char *file, int64_t entry,
				  const ProtobufCMessage *m))
{
	struct image_reader *r;
	ProtobufCMessage *m;
	struct err *e;

	if (verify_is_bad(v, file) || verify_absorb(v, file, image_open(v->dirfd, file, kind, &r)))
		return false;
	while (!(e = image_next(r, &m)) && m) {
		if (fn)
			fn(v, file, (int64_t)image_entry_index(r), m);
		protobuf_c_message_free_unpacked(m, NULL);
	}
	image_close(r);
	return !verify_absorb(v, file, e);
}

#define FD_TYPE_PIDFD 20

static void note_file(struct verify *v, const char *file, int64_t entry, const ProtobufCMessage *m)
{
	const Criu__FileEntry *f = (const Criu__FileEntry *)m;

	if (f->type == CRIU__FD_TYPES__REG && !f->reg)
		verify_find(v, true, file, entry, NULL, "file %u is regular, but has no path",
			    f->id);
	*vec_push(v->file, v->nr_files) = (struct known_file){
		.id = f->id,
		.is_reg = f->reg != NULL,
		.is_memfd = f->memfd != NULL,
		.inode_id = f->memfd ? f->memfd->inode_id : 0,
	};
	if (f->type == FD_TYPE_PIDFD)
		verify_since(v, SINCE_4_1, "descriptors of processes (pidfd)");
}

static int compare_files(const void *a, const void *b)
{
	const struct known_file *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static void check_files(struct verify *v)
{
	if (!verify_has(v, "files.img")) {
		v->no_files = true;
		verify_find(v, !verify_has(v, "reg-files.img"), "files.img", NO_ENTRY, NULL,
			    "missing: file ids of VMAs cannot be resolved");
		return;
	}
	v->no_files = !each_entry(v, "files.img", IMG_FILES, note_file);
	vec_sort(v->file, v->nr_files, compare_files);
	for (size_t i = 1; i < v->nr_files; i++)
		if (v->file[i].id == v->file[i - 1].id)
			verify_find(v, false, "files.img", NO_ENTRY, NULL,
				    "file id %u is there twice: CRIU takes one of them",
				    v->file[i].id);
}

static void note_memfd(struct verify *v, const char *file, int64_t entry, const ProtobufCMessage *m)
{
	const Criu__MemfdInodeEntry *f = (const Criu__MemfdInodeEntry *)m;

	*vec_push(v->object, v->nr_objects) = (struct known_object){
		.shmid = f->shmid,
		.size = f->size,
		.is_memfd = true,
		.size_known = true,
		.inode_id = f->inode_id,
	};
}

static bool any_with_prefix(const struct verify *v, const char *prefix)
{
	for (size_t i = 0; i < v->nr_names; i++)
		if (!strncmp(v->name[i], prefix, strlen(prefix)))
			return true;
	return false;
}

static void check_process(struct verify *v, const char *file, int64_t entry,
			  const ProtobufCMessage *m)
{
	const Criu__PstreeEntry *p = (const Criu__PstreeEntry *)m;
	char mm[IMAGE_NAME_MAX], core[IMAGE_NAME_MAX];

	image_name(IMG_MM, p->pid, mm);
	image_name(IMG_CORE, p->pid, core);
	/* A zombie has only a core image. */
	if (!verify_has(v, mm) && !verify_has(v, core))
		verify_find(v, true, file, entry, NULL, "process %u has no image", p->pid);
	for (size_t i = 0; i < v->nr_pids; i++)
		if (v->pid[i] == p->pid) {
			verify_find(v, true, file, entry, NULL,
				    "process %u is there twice: CRIU stops at an assertion",
				    p->pid);
			return;
		}
	*vec_push(v->pid, v->nr_pids) = p->pid;
}

/* Registers are not in a set of memory alone. */
static void check_core(struct verify *v, const char *file, int64_t entry, const ProtobufCMessage *m)
{
	for (unsigned i = 0; i < m->n_unknown_fields; i++) {
		uint32_t tag = m->unknown_fields[i].tag;

		v->full |= tag == CORE_X86 || tag == CORE_THREAD || tag == CORE_AARCH64;
	}
}

/* ---- tasks and objects --------------------------------------------------------- */

static bool is_pages_file(const char *name, unsigned *id_ret)
{
	int len = 0;

	return sscanf(name, "pages-%u.img%n", id_ret, &len) == 1 && len && !name[len];
}

/* Of what is on a page server there is neither a pagemap nor pages; at most a record. */
static bool has_memory(const struct verify *v)
{
	unsigned id;

	for (size_t i = 0; i < v->nr_names; i++)
		if (is_pages_file(v->name[i], &id) || at_server_pagemap(v->name[i]))
			return true;
	return any_with_prefix(v, "pagemap-");
}

static void check_task(struct verify *v, const char *mm_file, uint64_t pid)
{
	char name[IMAGE_NAME_MAX];
	Criu__MmEntry *mm = verify_mm(v, mm_file);

	/* The pagemap itself is looked at by check_pagemap(), also when there is no mm. */
	image_name(IMG_PAGEMAP, pid, name);
	if (!verify_has(v, name) && !at_server_has(v->dirfd, name))
		verify_find(v, has_memory(v), mm_file, NO_ENTRY, NULL, "there is no %s%s", name,
			    has_memory(v) ? "" : ", and none at all: on a page server?");
	if (mm)
		criu__mm_entry__free_unpacked(mm, NULL);
	else
		v->mm_unread = true;
}

static void check_task_pagemap(struct verify *v, const char *file, uint64_t pid)
{
	struct pagemap_image pi;
	char mm_file[IMAGE_NAME_MAX];
	ProtobufCMessage *m;

	if (!verify_pagemap(v, file, &pi))
		return;
	image_name(IMG_MM, pid, mm_file);
	if (!v->pre_dump && !pi.nr)
		verify_find(v, true, file, NO_ENTRY, NULL,
			    "it has no entry: CRIU 4.2 crashes on that");
	if (!v->pre_dump && !verify_has(v, mm_file))
		verify_find(v, true, file, NO_ENTRY, NULL, "there is no %s", mm_file);
	if (verify_has(v, mm_file)) {
		struct err *e = image_read_one(v->dirfd, mm_file, IMG_MM, &m);

		if (e) { /* reported with the mm */
			v->nomem |= e->code == ERR_NOMEM;
			err_free(e);
		} else {
			verify_pagemap_vmas(v, file, &pi, (Criu__MmEntry *)m);
			protobuf_c_message_free_unpacked(m, NULL);
		}
	}
	pagemap_image_deinit(&pi);
}

static void check_object_pagemap(struct verify *v, const char *file, uint64_t shmid)
{
	struct pagemap_image pi;
	bool known = false;

	if (!verify_pagemap(v, file, &pi))
		return;
	for (size_t i = 0; i < v->nr_objects; i++)
		if (v->object[i].shmid == shmid) {
			known = true;
			verify_pagemap_object(v, file, &pi, &v->object[i]);
		}
	if (!known && !v->pre_dump && !v->mm_unread)
		verify_find(v, false, file, NO_ENTRY, NULL,
			    "nothing in this set maps shared object %lu", shmid);
	pagemap_image_deinit(&pi);
}

static void check_objects_have_pagemaps(struct verify *v)
{
	char name[IMAGE_NAME_MAX];

	for (size_t i = 0; i < v->nr_objects; i++) {
		image_name(IMG_SHMEM_PAGEMAP, v->object[i].shmid, name);
		if (!verify_has(v, name) && !at_server_has(v->dirfd, name) && has_memory(v))
			verify_find(v, true, name, NO_ENTRY, NULL, "missing: contents of %s %lu",
				    v->object[i].is_memfd ? "memfd" : "shared memory",
				    v->object[i].shmid);
	}
}

static void check_orphan_pages(struct verify *v)
{
	for (size_t i = 0; i < v->nr_names; i++) {
		unsigned id;
		bool used = false;

		if (!is_pages_file(v->name[i], &id))
			continue;
		for (size_t k = 0; k < v->nr_pages; k++)
			used |= v->pages[k].pages_id == id;
		if (!used)
			/* In a full set the mm says which pagemaps there must be. */
			verify_find(v, v->pre_dump || !v->nr_pages, v->name[i], NO_ENTRY, NULL,
				    "no pagemap refers to it");
	}
}

static void check_files_of_kind(struct verify *v, unsigned kinds,
				void (*fn)(struct verify *v, const char *file, uint64_t id))
{
	for (size_t i = 0; i < v->nr_names; i++) {
		uint64_t id;
		const struct image_desc *d = image_desc_by_name(v->name[i], &id);

		if (d && kinds & (1u << d->kind)) {
			if (fn)
				fn(v, v->name[i], id);
			else /* fields that we do not check still have to parse */
				each_entry(v, v->name[i], d->kind,
					   d->kind == IMG_CORE ? check_core : NULL);
		}
	}
}

static void check_set(struct verify *v)
{
	check_inventory(v);
	if (verify_is_bad(v, "inventory.img") && v->r->nr_unreadable)
		return; /* what the other files have to be like is not known */
	verify_files(v);
	if (!v->pre_dump) {
		check_files(v);
		if (!verify_has(v, "pstree.img"))
			verify_find(v, true, "pstree.img", NO_ENTRY, NULL,
				    "missing: which tasks there are");
		else if (each_entry(v, "pstree.img", IMG_PSTREE, check_process) && !v->nr_pids)
			verify_find(v, true, "pstree.img", NO_ENTRY, NULL,
				    "it has no entry: CRIU crashes on that");
	}
	if (verify_has(v, "memfd.img"))
		each_entry(v, "memfd.img", IMG_MEMFD, note_memfd);
	check_files_of_kind(v, 1u << IMG_CORE | 1u << IMG_IDS, NULL);
	check_files_of_kind(v, 1u << IMG_MM, check_task);
	check_files_of_kind(v, 1u << IMG_PAGEMAP, check_task_pagemap);
	check_files_of_kind(v, 1u << IMG_SHMEM_PAGEMAP, check_object_pagemap);
	for (size_t i = 0; i < v->nr_names; i++)
		if (at_server_pagemap(v->name[i]))
			verify_at_server(v, v->name[i]);
	if (!v->pre_dump)
		check_objects_have_pagemaps(v);
	if (!v->pagemap_unread)
		check_orphan_pages(v);
	v->r->full = v->full && !v->pre_dump;
	if (v->r->full)
		verify_full(v);
	if (v->how & VERIFY_HERE && !v->pre_dump)
		verify_mapped(v);
	verify_who_restores(v);
}

/* What we do not know may mean that what looks wrong is right.  Takes `e`. */
static struct err *verify_not_judged(struct verify *v, struct err *e)
{
	struct verify_report *r = v->r;

	err_free(e);
	for (size_t i = 0; i < r->nr; i++)
		r->v[i].fatal = false;
	r->nr_notes += r->nr_fatal;
	r->nr_fatal = 0;
	return err_hint(err_new(ERR_UNSUPPORTED, "it is newer than this program: %s", r->newer),
			"a newer stepdump may know it");
}

struct err *verify_dirfd(int dirfd, unsigned how, struct verify_report *ret)
{
	struct verify v = { .dirfd = dirfd, .how = how, .r = ret };

	*ret = (struct verify_report){ 0 };
	struct err *e = flatdir_each(dirfd, "the image directory", add_name, &v);
	if (!e) {
		vec_sort(v.name, v.nr_names, verify_compare_names);
		v.bad = xcalloc(v.nr_names, sizeof(*v.bad));
		check_set(&v);
		e = v.nomem ? err_new(ERR_NOMEM, "an image of the set is too large to be read") :
			      NULL;
		e = err_first(e, v.first);
		if (ret->newer)
			e = verify_not_judged(&v, e);
	}
	for (size_t i = 0; i < v.nr_names; i++)
		free(v.name[i]);
	free(v.name);
	free(v.bad);
	if (v.inventory)
		protobuf_c_message_free_unpacked(v.inventory, NULL);
	free(v.pid);
	free(v.file);
	free(v.object);
	free(v.pages);
	return e;
}

struct err *verify_dir(const char *dir, struct verify_report *ret)
{
	*ret = (struct verify_report){ 0 };
	AUTO_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(errno, "open the image directory %s", dir);
	return err_wrap(verify_dirfd(fd, VERIFY_SPARSE, ret), "%s", dir);
}
