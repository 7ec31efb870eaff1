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

static void check_inventory(struct verify *v)
{
	ProtobufCMessage *m;

	if (verify_absorb(v, "inventory.img",
			  image_read_one(v->dirfd, "inventory.img", IMG_INVENTORY, &m)))
		return;
	v->r->files++;
	const Criu__InventoryEntry *inv = (Criu__InventoryEntry *)m;
	/* 0 is a pre-dump; 1 is a very old set, with other framing. */
	v->pre_dump = v->r->pre_dump = inv->img_version == 0;
	v->r->has_uptime = inv->has_dump_uptime;
	v->r->dump_uptime_us = inv->dump_uptime;
	if (inv->img_version != 0 && inv->img_version != 2)
		verify_find(v, true, "inventory.img", NO_ENTRY, NULL,
			    "image version %u, expected 2", inv->img_version);
	if (!v->pre_dump && !(inv->has_fdinfo_per_id && inv->fdinfo_per_id))
		verify_find(v, true, "inventory.img", NO_ENTRY, NULL, "fdinfo_per_id is not set");
	if (!inv->has_dump_uptime)
		verify_find(v, false, "inventory.img", NO_ENTRY, NULL,
			    "no dump_uptime: CRIU does not take the set as a parent");
	protobuf_c_message_free_unpacked(m, NULL);
}

/* Calls fn for each entry of an image; false if it could not be read to its end. */
static bool each_entry(struct verify *v, const char *file, enum image_kind kind,
		       void (*fn)(struct verify *v, const char *file, int64_t entry,
				  const ProtobufCMessage *m))
{
	struct image_reader *r;
	ProtobufCMessage *m;
	struct err *e;

	if (verify_absorb(v, file, image_open(v->dirfd, file, kind, &r)))
		return false;
	v->r->files++;
	while (!(e = image_next(r, &m)) && m) {
		if (fn)
			fn(v, file, (int64_t)image_entry_index(r), m);
		protobuf_c_message_free_unpacked(m, NULL);
	}
	image_close(r);
	return !verify_absorb(v, file, e);
}

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
			verify_find(v, true, "files.img", NO_ENTRY, NULL,
				    "file id %u is there twice", v->file[i].id);
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

/* A full checkpoint, which CRIU restores, has the working directory and the descriptors of each
 * task; a set of ours holds memory alone. */
static bool is_full_checkpoint(const struct verify *v)
{
	return any_with_prefix(v, "fs-") || any_with_prefix(v, "fdinfo-");
}

static void full_needs(struct verify *v, const char *name, const char *what)
{
	if (!verify_has(v, name))
		verify_find(v, true, name, NO_ENTRY, NULL,
			    "missing: %s; CRIU cannot restore a full checkpoint without it", what);
}

static void check_descriptors(struct verify *v, const char *ids_file)
{
	char name[IMAGE_NAME_MAX];
	ProtobufCMessage *m;
	struct err *e = image_read_one(v->dirfd, ids_file, IMG_IDS, &m);

	if (e) { /* reported with the ids */
		v->nomem |= e->code == ERR_NOMEM;
		err_free(e);
		return;
	}
	snprintf(name, sizeof(name), "fdinfo-%u.img", ((Criu__TaskKobjIdsEntry *)m)->files_id);
	full_needs(v, name, "the descriptors of a task");
	protobuf_c_message_free_unpacked(m, NULL);
}

/* Mirrors what criu/cr-restore.c opens for each task; a zombie has only a core image. */
static void check_full_process(struct verify *v, const Criu__PstreeEntry *p, bool zombie)
{
	char name[IMAGE_NAME_MAX];

	image_name(IMG_CORE, p->pid, name);
	full_needs(v, name, "registers and signals of a task");
	for (size_t i = 0; i < p->n_threads; i++) {
		image_name(IMG_CORE, p->threads[i], name);
		if (p->threads[i] != p->pid)
			full_needs(v, name, "registers and signals of a thread");
	}
	if (zombie)
		return;
	snprintf(name, sizeof(name), "fs-%u.img", p->pid);
	full_needs(v, name, "working directory and root of a task");
	image_name(IMG_IDS, p->pid, name);
	full_needs(v, name, "which objects a task shares with others");
	if (verify_has(v, name))
		check_descriptors(v, name);
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
	else if (is_full_checkpoint(v))
		check_full_process(v, p, !verify_has(v, mm));
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

/* Fields that we do not check still have to parse. */
static void check_parses(struct verify *v, const char *file, enum image_kind kind)
{
	each_entry(v, file, kind, NULL);
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
			else
				check_parses(v, v->name[i], d->kind);
		}
	}
}

static void check_set(struct verify *v)
{
	check_inventory(v);
	if (!v->pre_dump) {
		check_files(v);
		each_entry(v, "pstree.img", IMG_PSTREE, check_process);
	}
	if (verify_has(v, "memfd.img"))
		each_entry(v, "memfd.img", IMG_MEMFD, note_memfd);
	check_files_of_kind(
		v, 1u << IMG_CORE | 1u << IMG_IDS | 1u << IMG_STATS_DUMP | 1u << IMG_STATS_RESTORE,
		NULL);
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
}

struct err *verify_dirfd(int dirfd, struct verify_report *ret)
{
	struct verify v = { .dirfd = dirfd, .r = ret };

	*ret = (struct verify_report){ 0 };
	struct err *e = flatdir_each(dirfd, "the image directory", add_name, &v);
	if (!e) {
		vec_sort(v.name, v.nr_names, verify_compare_names);
		check_set(&v);
		e = v.nomem ? err_new(ERR_NOMEM, "an image of the set is too large to be read") :
			      NULL;
		e = err_first(e, v.first);
	}
	for (size_t i = 0; i < v.nr_names; i++)
		free(v.name[i]);
	free(v.name);
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
	return err_wrap(verify_dirfd(fd, ret), "%s", dir);
}
