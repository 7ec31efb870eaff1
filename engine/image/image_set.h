/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An image set opened for looking: its tasks, what their mappings map, and every byte of their memory.
 *
 *	TRY(image_set_open(dirfd, path, &set));
 *	TRY(set_memory_open(set, pid, &m));
 *	TRY(set_memory_read(m, vaddr, buf, len, &got));
 *
 * Sets of any CRIU: image version 1 and 2, mappings in mm-PID.img or in vmas-PID.img, files in files.img or
 * in reg-files.img.  A set may come from a stranger: nothing in it is believed before it is checked, and
 * an image that is missing or broken costs what it would have told, no more.
 * Effect on any target: none.
 */
#ifndef STEPDUMP_IMAGE_SET_H
#define STEPDUMP_IMAGE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/image/page_read.h"
#include "engine/proc/vma.h"
#include "proto/files.pb-c.h"
#include "proto/mm.pb-c.h"

struct set_task {
	uint32_t pid, ppid, pgid, sid; /* as in the images: of the innermost pid namespace */
	uint32_t *threads;             /* tids, the leader's too */
	size_t nr_threads;
	char *comm;      /* "" if the core image does not tell */
	bool has_memory; /* false: a zombie, or its pagemap is not here */
};

/* The registers that tell where a thread is; of core-TID.img. */
struct set_thread {
	char *comm;         /* "" unknown; owned */
	bool has_registers; /* a set of memory alone has none */
	uint64_t ip, sp;
};

struct set_memfd {
	uint64_t inode_id, shmid, size;
	char *name;
};

struct image_set {
	int dirfd;
	char *path;
	bool has_inventory;
	uint32_t version; /* image version; 0: a pre-dump, or not known */
	struct set_task *task;
	size_t nr_tasks;
	Criu__FileEntry **file; /* sorted by id; those of reg-files.img look like files.img's */
	size_t nr_files;
	struct set_memfd *memfd;
	size_t nr_memfds;
	char **trouble; /* what could not be read, in words */
	size_t nr_trouble;
};

/*
 * image_set_open - `dirfd` stays the caller's, but is used as long as the set is open.  Without a
 * pstree (a pre-dump, a page server's directory) the tasks are those that have a pagemap.
 * Fails: ERR_SYS; ERR_FORMAT if nothing in the directory is an image.
 */
struct err *image_set_open(int dirfd, const char *path, struct image_set **ret);
void image_set_close(struct image_set *s); /* NULL is fine */
/* NULL: there is none. */
const Criu__FileEntry *image_set_file(const struct image_set *s, uint64_t id);
const struct set_memfd *image_set_memfd(const struct image_set *s, uint64_t inode_id);
/* The name of a regular file or memfd; NULL: of another kind, or not known. */
const char *image_set_file_name(const struct image_set *s, uint64_t id);
void image_set_thread(const struct image_set *s, uint32_t tid, struct set_thread *ret);

/* ---- the memory of one task ------------------------------------------------------------------ */

struct set_object {
	uint64_t shmid;
	struct page_read *pr; /* NULL: it has no pages here */
};

struct set_memory {
	struct image_set *set; /* borrowed */
	uint32_t pid;
	Criu__MmEntry *mm; /* NULL: a pre-dump has none */
	struct vma_list
		vmas; /* of the mm, without guard marks; else one "unknown" VMA for each run of pages */
	struct vma_list guards;
	struct page_read *pr; /* its private pages; NULL: none */
	struct set_object *object;
	size_t nr_objects;
};

/* Fails: ERR_USAGE if the set has nothing of this task; ERR_FORMAT, ERR_CHECK for broken images. */
struct err *set_memory_open(struct image_set *s, uint32_t pid, struct set_memory **ret);
void set_memory_close(struct set_memory *m); /* NULL is fine */

/* The memfd that a VMA maps; NULL: it maps none. */
const struct set_memfd *set_memory_memfd(const struct set_memory *m, const struct vma *v);
/* The shared object that a VMA maps, a memfd or not; false: it maps none. */
bool set_memory_shmid(const struct set_memory *m, const struct vma *v, uint64_t *ret);
/* Where the pages of an object are; *ret NULL: it has none.  Borrowed. */
struct err *set_memory_object(struct set_memory *m, uint64_t shmid, const struct page_read **ret);

enum set_source {
	SET_PAGES,     /* in a pages file, of this set or of a parent: `place` */
	SET_UNTOUCHED, /* in no image: reads as zero when restored */
	SET_FILE,      /* in the mapped file, `file` at `file_off` */
	SET_NOWHERE,   /* guard, vvar, device: not memory that can be read */
};

struct set_page {
	enum set_source source;
	const struct vma *vma;
	const struct page_read
		*pr;       /* SET_PAGES: where `place` is; page_read_dir(pr, place.generation) */
	const char *image; /* SET_PAGES: "pagemap-42.img", as found by */
	uint64_t shmid;    /* SET_PAGES of a shared object, with object = true */
	bool object;
	struct page_place place;
	const char *file; /* SET_FILE */
	uint64_t file_off;
};

/* Where the page of `vaddr` is.  ERR_CHECK: nothing is mapped there, or the chain breaks (says where). */
struct err *set_memory_locate(struct set_memory *m, uint64_t vaddr, struct set_page *ret);
/*
 * set_memory_read - `len` bytes from `vaddr` on; *got is how many there were, less than `len` only with an
 * error for the first that is not to be had (not mapped, its file is not on this machine or was changed
 * since, at a page server).  Bytes of a mapped file are taken from the file system here.
 */
struct err *set_memory_read(struct set_memory *m, uint64_t vaddr, void *buf, size_t len,
			    size_t *got);

#endif
