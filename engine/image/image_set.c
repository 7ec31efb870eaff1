/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/image/image_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "engine/image/flatdir.h"
#include "engine/image/image.h"
#include "engine/image/pbwire.h"
#include "proto/inventory.pb-c.h"
#include "proto/pstree.pb-c.h"

/* Takes `e`.  An image that is not there is no trouble. */
static bool set_trouble(struct image_set *s, struct err *e)
{
	if (!e)
		return false;
	if (e->sys_errno != ENOENT)
		*vec_push(s->trouble, s->nr_trouble) = err_text(e);
	err_free(e);
	return true;
}

/* Calls fn for each entry; what comes after a broken one is not known. */
static void set_each(struct image_set *s, const char *name, enum image_kind kind,
		     bool (*fn)(struct image_set *s, ProtobufCMessage *m))
{
	struct image_reader *r;
	ProtobufCMessage *m;
	struct err *e;

	if (set_trouble(s, image_open(s->dirfd, name, kind, &r)))
		return;
	while (!(e = image_next(r, &m)) && m)
		if (!fn(s, m))
			protobuf_c_message_free_unpacked(m, NULL);
	image_close(r);
	set_trouble(s, e);
}

/* ---- inventory, files ---------------------------------------------------------------------------- */

static void set_inventory(struct image_set *s)
{
	ProtobufCMessage *m;

	if (set_trouble(s, image_read_one(s->dirfd, "inventory.img", IMG_INVENTORY, &m)))
		return;
	s->has_inventory = true;
	s->version = ((Criu__InventoryEntry *)m)->img_version;
	protobuf_c_message_free_unpacked(m, NULL);
}

/* The callbacks of set_each() return whether they have taken the message over. */
static bool set_add_file(struct image_set *s, ProtobufCMessage *m)
{
	*vec_push(s->file, s->nr_files) = (Criu__FileEntry *)m;
	return true;
}

/* Before CRIU 3.0 each kind of file had an image of its own. */
static bool set_add_reg_file(struct image_set *s, ProtobufCMessage *m)
{
	Criu__FileEntry *f = xzalloc(sizeof(*f));

	criu__file_entry__init(f);
	f->type = CRIU__FD_TYPES__REG;
	f->reg = (Criu__RegFileEntry *)m;
	f->id = f->reg->id;
	return set_add_file(s, &f->base);
}

static bool set_add_memfd(struct image_set *s, ProtobufCMessage *m)
{
	const Criu__MemfdInodeEntry *f = (const Criu__MemfdInodeEntry *)m;

	*vec_push(s->memfd, s->nr_memfds) = (struct set_memfd){ .inode_id = f->inode_id,
								.shmid = f->shmid,
								.size = f->size,
								.name = xstrdup(f->name) };
	return false;
}

static int set_by_id(const void *a, const void *b)
{
	const Criu__FileEntry *const *x = a, *const *y = b;

	return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

const Criu__FileEntry *image_set_file(const struct image_set *s, uint64_t id)
{
	size_t at = vec_first(s->nr_files, i, s->file[i]->id >= id);

	return at < s->nr_files && s->file[at]->id == id ? s->file[at] : NULL;
}

const struct set_memfd *image_set_memfd(const struct image_set *s, uint64_t inode_id)
{
	for (size_t i = 0; i < s->nr_memfds; i++)
		if (s->memfd[i].inode_id == inode_id)
			return &s->memfd[i];
	return NULL;
}

const char *image_set_file_name(const struct image_set *s, uint64_t id)
{
	const Criu__FileEntry *f = image_set_file(s, id);
	const struct set_memfd *m = f && f->memfd ? image_set_memfd(s, f->memfd->inode_id) : NULL;

	return f && f->reg ? f->reg->name : m ? m->name : NULL;
}

/* ---- tasks ---------------------------------------------------------------------------------------- */

enum { CORE_X86 = 2, CORE_TC = 3, CORE_THREAD = 5, CORE_AARCH64 = 8 };
enum { TC_COMM = 6, THREAD_COMM = 13, X86_GPREGS = 2, X86_IP = 17, X86_SP = 20 };
enum { AARCH64_GPREGS = 3, AARCH64_SP = 2, AARCH64_PC = 3 };

static bool pb_sub(const uint8_t *data, size_t len, uint32_t number, struct pb_field *ret)
{
	struct pb_cursor c = { data, data + len };
	struct pb_field f;
	bool found = false;

	while (pb_next(&c, &f))
		if (f.number == number && f.type == PB_BYTES) {
			*ret = f;
			found = true;
		}
	return found;
}

static void core_registers(const uint8_t *data, size_t len, struct set_thread *t)
{
	struct pb_field info, regs;

	if (pb_sub(data, len, CORE_X86, &info) && pb_sub(info.data, info.len, X86_GPREGS, &regs))
		t->has_registers = pb_uint(regs.data, regs.len, X86_IP, &t->ip) &&
				   pb_uint(regs.data, regs.len, X86_SP, &t->sp);
	else if (pb_sub(data, len, CORE_AARCH64, &info) &&
		 pb_sub(info.data, info.len, AARCH64_GPREGS, &regs))
		t->has_registers = pb_uint(regs.data, regs.len, AARCH64_PC, &t->ip) &&
				   pb_uint(regs.data, regs.len, AARCH64_SP, &t->sp);
}

void image_set_thread(const struct image_set *s, uint32_t tid, struct set_thread *ret)
{
	char name[IMAGE_NAME_MAX];
	struct image_reader *r;
	const uint8_t *data = NULL;
	struct pb_field sub, comm = { 0 };
	size_t len;

	*ret = (struct set_thread){ 0 };
	struct err *e = image_open(s->dirfd, image_name(IMG_CORE, tid, name), IMG_CORE, &r);

	if (!e) {
		e = image_next_raw(r, &data, &len);
		if (!e && data) {
			if (!pb_sub(data, len, CORE_TC, &sub) ||
			    !pb_sub(sub.data, sub.len, TC_COMM, &comm))
				if (pb_sub(data, len, CORE_THREAD, &sub))
					pb_sub(sub.data, sub.len, THREAD_COMM, &comm);
			core_registers(data, len, ret);
		}
		ret->comm = xasprintf("%.*s", (int)(comm.len < 32 ? comm.len : 32),
				      comm.data ? (const char *)comm.data : "");
		image_close(r);
	}
	err_free(e);
	if (!ret->comm)
		ret->comm = xstrdup("");
}

static bool set_has(const struct image_set *s, enum image_kind kind, uint64_t id)
{
	char name[IMAGE_NAME_MAX];

	return !faccessat(s->dirfd, image_name(kind, id, name), F_OK, 0);
}

static bool set_add_task(struct image_set *s, ProtobufCMessage *m)
{
	const Criu__PstreeEntry *p = (const Criu__PstreeEntry *)m;
	struct set_task *t = vec_push(s->task, s->nr_tasks);
	struct set_thread leader;

	image_set_thread(s, p->pid, &leader);
	*t = (struct set_task){
		.pid = p->pid,
		.ppid = p->ppid,
		.pgid = p->pgid,
		.sid = p->sid,
		.threads = xcalloc(p->n_threads, sizeof(*t->threads)),
		.nr_threads = p->n_threads,
		.comm = leader.comm,
		.has_memory = set_has(s, IMG_PAGEMAP, p->pid) || set_has(s, IMG_MM, p->pid),
	};
	for (size_t i = 0; i < p->n_threads; i++)
		t->threads[i] = p->threads[i];
	return false;
}

struct set_names {
	struct image_set *s;
	size_t nr_images;
};

/* Without a pstree: whatever has pages. */
static struct err *set_task_of_pagemap(void *arg, int dirfd, const char *name)
{
	struct set_names *n = arg;
	struct image_set *s = n->s;
	uint64_t id;
	const struct image_desc *d = image_desc_by_name(name, &id);

	n->nr_images += d != NULL;
	if (!d || d->kind != IMG_PAGEMAP || id > UINT32_MAX)
		return NULL;
	for (size_t i = 0; i < s->nr_tasks; i++)
		if (s->task[i].pid == id)
			return NULL;
	*vec_push(s->task, s->nr_tasks) =
		(struct set_task){ .pid = (uint32_t)id,
				   .threads = xcalloc(1, sizeof(uint32_t)),
				   .comm = xstrdup(""),
				   .has_memory = true };
	return NULL;
}

static int set_by_pid(const void *a, const void *b)
{
	const struct set_task *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

struct err *image_set_open(int dirfd, const char *path, struct image_set **ret)
{
	struct image_set *s = xzalloc(sizeof(*s));
	struct set_names names = { .s = s };

	s->dirfd = dirfd;
	s->path = xstrdup(path);
	set_inventory(s);
	set_each(s, "pstree.img", IMG_PSTREE, set_add_task);
	set_each(s, "files.img", IMG_FILES, set_add_file);
	set_each(s, "reg-files.img", IMG_REG_FILES, set_add_reg_file);
	set_each(s, "memfd.img", IMG_MEMFD, set_add_memfd);
	vec_sort(s->file, s->nr_files, set_by_id);

	bool had_tree = s->nr_tasks;
	struct err *e = flatdir_each(dirfd, path, set_task_of_pagemap, &names);

	if (!had_tree)
		vec_sort(s->task, s->nr_tasks, set_by_pid);
	if (!e && !names.nr_images)
		e = err_new(ERR_FORMAT, "%s: no images of CRIU are in it", path);
	if (e) {
		image_set_close(s);
		return e;
	}
	*ret = s;
	return NULL;
}

void image_set_close(struct image_set *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->nr_tasks; i++) {
		free(s->task[i].threads);
		free(s->task[i].comm);
	}
	for (size_t i = 0; i < s->nr_files; i++)
		criu__file_entry__free_unpacked(s->file[i], NULL);
	for (size_t i = 0; i < s->nr_memfds; i++)
		free(s->memfd[i].name);
	for (size_t i = 0; i < s->nr_trouble; i++)
		free(s->trouble[i]);
	free(s->task);
	free(s->file);
	free(s->memfd);
	free(s->trouble);
	free(s->path);
	free(s);
}
