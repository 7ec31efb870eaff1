/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Shared memory: each object (anonymous, memfd, SysV) is dumped once, whatever maps it.
 *
 * An object is known by its shmid (inode number, which for SysV is the IPC id).  Its
 * content is read through a descriptor of the object itself, by SEEK_DATA, so that pages which
 * the target does not map are dumped too and pages that do not exist are not made.
 * Effect on the target: none.  Mirrors: criu/shmem.c (struct shmem_info), criu/memfd.c.
 */
#ifndef STEPDUMP_SHMEM_H
#define STEPDUMP_SHMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "engine/image/page_read.h"
#include "engine/pages/pstate.h"
#include "engine/target/target.h"

struct shmem_map {
	size_t task; /* index in the tree */
	pid_t pid;
	size_t vma;     /* index in that task's list */
	uint64_t start; /* of that VMA */
	uint64_t end;
	uint64_t off_pages; /* first page of the object that it maps */
	uint64_t nr_pages;
};

struct shmem_info {
	uint64_t shmid;
	uint64_t dev;
	const char *kind; /* "anon", "memfd", "sysv" */
	const char *name; /* of one of its VMAs; borrowed from the list */
	uint64_t size;    /* bytes, whole pages */
	int fd;           /* of the object, read-only; -1 until shmem_open() */
	const char *how;  /* where the descriptor comes from: "map_files" or "fd" */
	struct shmem_map *map;
	size_t nr_maps;
	bool tracked; /* pstate is kept, and used (`set track-shmem on`) */
	struct pstate pstate;
	struct page_read *parent; /* the object in the parent set; NULL: none */
	uint64_t pages_dumped;
	bool done;
};

struct shmem_list {
	struct shmem_info *o;
	size_t nr;
};

/* Adds the objects that task number `task` maps, in the order in which they appear.  A pre-dump
 * leaves memfds out, as CRIU's does. */
void shmem_collect(struct shmem_list *l, size_t task, const struct target *t, bool pre_dump);
void shmem_list_deinit(struct shmem_list *l);

/* Opens the object through a task that maps it.  ERR_REFUSED with what is missing. */
struct err *shmem_open(struct shmem_info *o);

/* The object that VMA v maps, or NULL. */
struct shmem_info *shmem_find(const struct shmem_list *l, const struct vma *v);

/* The first run of data at or after byte `from`; *start_ret == *end_ret: none.  Whole pages. */
struct err *shmem_next_data(const struct shmem_info *o, uint64_t from, uint64_t *start_ret,
			    uint64_t *end_ret);

#endif
