/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a full checkpoint must have beyond memory: the files that CRIU opens for each task, and their
 * descriptors.  Mirrors: criu/pstree.c, criu/cr-restore.c, criu/files.c prepare_fd_pid().
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "engine/image/pbwire.h"
#include "engine/image/verify_priv.h"
#include "proto/inventory.pb-c.h"
#include "proto/pstree.pb-c.h"

/* Several tasks may want the same file. */
static bool verify_once(struct verify *v, const char *name)
{
	for (size_t i = 0; i < v->nr_told; i++)
		if (!strcmp(v->told[i], name))
			return false;
	*vec_push(v->told, v->nr_told) = xstrdup(name);
	return true;
}

static void full_needs(struct verify *v, const char *name, const char *what)
{
	if (!verify_has(v, name))
		verify_find(v, true, name, NO_ENTRY, NULL,
			    "missing: %s; CRIU cannot restore a full checkpoint without it", what);
}

/* ---- namespaces -------------------------------------------------------------------- */

/* A namespace that the task does not share with the criu that dumped it was dumped as well. */
static void namespace(struct verify *v, const char *prefix, const char *what, uint32_t id,
		      uint32_t root_id)
{
	char name[IMAGE_NAME_MAX];

	if (!id || !root_id || id == root_id)
		return;
	snprintf(name, sizeof(name), "%s-%u.img", prefix, id);
	if (!verify_has(v, name) && verify_once(v, name))
		full_needs(v, name, what);
}

static void task_namespaces(struct verify *v, const Criu__TaskKobjIdsEntry *t)
{
	const Criu__TaskKobjIdsEntry *root = v->root_ids;

	if (!root)
		return;
	namespace(v, "utsns", "the host name of its namespace", t->uts_ns_id, root->uts_ns_id);
	namespace(v, "ipcns-var", "the settings of its IPC namespace", t->ipc_ns_id,
		  root->ipc_ns_id);
	namespace(v, "userns", "the ids of its user namespace", t->user_ns_id, root->user_ns_id);
	namespace(v, "mountpoints", "the mounts of its namespace", t->mnt_ns_id, root->mnt_ns_id);
}

/* ---- one task -------------------------------------------------------------------- */

static void task_descriptors(struct verify *v, const char *ids_file)
{
	char name[IMAGE_NAME_MAX];
	ProtobufCMessage *m;

	if (verify_absorb(v, ids_file, image_read_one(v->dirfd, ids_file, IMG_IDS, &m)))
		return;
	const Criu__TaskKobjIdsEntry *ids = (Criu__TaskKobjIdsEntry *)m;

	task_namespaces(v, ids);
	snprintf(name, sizeof(name), "fdinfo-%u.img", ids->files_id);
	/* CRIU writes none, or an empty one, for a task without descriptors, so see orphans(). */
	if (!verify_has(v, name) && !v->no_fdinfo)
		v->no_fdinfo = xstrdup(name);
	protobuf_c_message_free_unpacked(m, NULL);
}

/* A zombie has only a core image. */
static void full_task(struct verify *v, const Criu__PstreeEntry *p)
{
	char name[IMAGE_NAME_MAX];

	image_name(IMG_CORE, p->pid, name);
	full_needs(v, name, "registers and signals of a task");
	for (size_t i = 0; i < p->n_threads; i++) {
		image_name(IMG_CORE, p->threads[i], name);
		if (p->threads[i] != p->pid)
			full_needs(v, name, "registers and signals of a thread");
	}
	if (!verify_has(v, image_name(IMG_MM, p->pid, name)))
		return;
	snprintf(name, sizeof(name), "fs-%u.img", p->pid);
	full_needs(v, name, "working directory and root of a task");
	image_name(IMG_IDS, p->pid, name);
	full_needs(v, name, "which objects a task shares with others");
	if (verify_has(v, name))
		task_descriptors(v, name);
}

static void full_tasks(struct verify *v)
{
	struct image_reader *r;
	ProtobufCMessage *m;
	struct err *e = image_open(v->dirfd, "pstree.img", IMG_PSTREE, &r);

	if (verify_absorb(v, "pstree.img", e))
		return;
	while (!(e = image_next(r, &m)) && m) {
		full_task(v, (Criu__PstreeEntry *)m);
		protobuf_c_message_free_unpacked(m, NULL);
	}
	image_close(r);
	verify_absorb(v, "pstree.img", e);
}

/* ---- descriptors ------------------------------------------------------------------- */

enum { FDINFO_ID = 1, FDINFO_FD = 4, FS_CWD_ID = 1, FS_ROOT_ID = 2 };

static void use_file(struct verify *v, const char *file, int64_t entry, const char *what,
		     uint64_t id)
{
	if (v->no_files || verify_use_file(v, id))
		return;
	verify_find(v, true, file, entry, NULL, "%s is file %lu, which is not in files.img", what,
		    id);
}

static int compare_fds(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void full_fdinfo(struct verify *v, const char *file, struct image_reader *r)
{
	AUTO_FREE uint64_t *fds = NULL;
	size_t nr = 0, len;
	const uint8_t *data;
	struct err *e;

	while (!(e = image_next_raw(r, &data, &len)) && data) {
		uint64_t id = 0, fd = 0;
		char what[48];

		pb_uint(data, len, FDINFO_ID, &id);
		pb_uint(data, len, FDINFO_FD, &fd);
		snprintf(what, sizeof(what), "descriptor %lu", fd);
		use_file(v, file, (int64_t)image_entry_index(r), what, id);
		*vec_push(fds, nr) = fd;
	}
	if (!verify_absorb(v, file, e) && !nr && !v->no_fdinfo)
		v->no_fdinfo = xstrdup(file);
	vec_sort(fds, nr, compare_fds);
	for (size_t i = 1; i < nr; i++)
		if (fds[i] == fds[i - 1])
			verify_find(v, true, file, NO_ENTRY, NULL,
				    "descriptor %lu is there twice: CRIU's restore hangs on it",
				    fds[i]);
}

static void full_fs(struct verify *v, const char *file, struct image_reader *r)
{
	const uint8_t *data;
	size_t len;
	uint64_t id;

	if (verify_absorb(v, file, image_next_raw(r, &data, &len)) || !data)
		return;
	if (pb_uint(data, len, FS_CWD_ID, &id))
		use_file(v, file, 0, "the working directory", id);
	if (pb_uint(data, len, FS_ROOT_ID, &id))
		use_file(v, file, 0, "the root", id);
}

enum { CORE_TC = 3, CORE_THREAD_CORE = 5, TC_CG_SET = 9, THREAD_CG_SET = 16 };

/* The set of control groups of a task, or since CRIU 3.18 of a thread. */
static void full_core(struct verify *v, const char *file, struct image_reader *r)
{
	struct pb_cursor c;
	struct pb_field f;
	const uint8_t *data;
	size_t len;
	uint64_t set = 0;

	if (verify_absorb(v, file, image_next_raw(r, &data, &len)) || !data)
		return;
	c = (struct pb_cursor){ data, data + len };
	while (pb_next(&c, &f)) {
		if (f.type != PB_BYTES)
			continue;
		if (f.number == CORE_TC)
			pb_uint(f.data, f.len, TC_CG_SET, &set);
		if (f.number == CORE_THREAD_CORE)
			pb_uint(f.data, f.len, THREAD_CG_SET, &set);
	}
	if (set && v->root_cg_set && set != v->root_cg_set && !verify_has(v, "cgroup.img") &&
	    verify_once(v, "cgroup.img"))
		full_needs(v, "cgroup.img", "the control groups of a task");
}

/* Calls fn for each readable image of a kind. */
static void each_of(struct verify *v, const char *magic_name,
		    void (*fn)(struct verify *v, const char *file, struct image_reader *r))
{
	for (size_t i = 0; i < v->nr_names; i++) {
		const struct image_desc *d = image_desc_by_name(v->name[i], NULL);
		struct image_reader *r;

		if (!d || strcmp(d->magic_name, magic_name) || verify_is_bad(v, v->name[i]))
			continue;
		if (verify_absorb(v, v->name[i], image_open_as(v->dirfd, v->name[i], d, &r)))
			continue;
		fn(v, v->name[i], r);
		image_close(r);
	}
}

/*
 * A task may have no descriptors, and then there is no fdinfo.  But a file that was open in no
 * task, mapped in none and the directory of none is not in files.img.
 */
static void orphans(struct verify *v)
{
	size_t nr = 0;

	for (size_t i = 0; i < v->nr_files; i++)
		nr += !v->file[i].used;
	if (!v->no_fdinfo || v->no_files || v->mm_unread)
		return;
	if (nr)
		verify_find(v, true, v->no_fdinfo, NO_ENTRY, NULL,
			    "missing: the descriptors of a task; %zu files of files.img are used "
			    "by nothing else, and CRIU restores the task without them",
			    nr);
	else
		verify_find(v, false, v->no_fdinfo, NO_ENTRY, NULL,
			    "not there: the task had no open descriptor");
}

void verify_full(struct verify *v)
{
	full_tasks(v);
	each_of(v, "FDINFO", full_fdinfo);
	each_of(v, "FS", full_fs);
	each_of(v, "CORE", full_core);
	orphans(v);
	free(v->no_fdinfo);
	for (size_t i = 0; i < v->nr_told; i++)
		free(v->told[i]);
	free(v->told);
}
