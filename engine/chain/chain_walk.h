/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Walks over all pages of an object in a chain, run by run: a run is contiguous in one pages file.
 * Page by page, each would be a search through all generations.  Effect on any target: none.
 */
#ifndef STEPDUMP_CHAIN_WALK_H
#define STEPDUMP_CHAIN_WALK_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "engine/image/image.h"
#include "engine/image/page_read.h"
#include "engine/image/pages_file.h"

/* Set by a signal handler: the work stops with ERR_INTERRUPTED.  May be NULL. */
typedef const volatile sig_atomic_t *chain_stop_t;

struct err *chain_check_stop(chain_stop_t stop);

struct chain_run {
	uint64_t start, end;
	struct page_place place; /* of its first page */
};

/* The run that begins at vaddr and ends at `end` at the latest.  Fails as page_read_locate(). */
struct err *chain_run_at(const struct page_read *pr, uint64_t vaddr, uint64_t end,
			 struct chain_run *ret);

/* Page contents, with the pages files kept open. */
struct chain_reader {
	const struct page_read *pr; /* borrowed; NULL: an object without pages */
	struct chain_file {
		struct pages_file pages; /* fd -1: not opened yet */
		dev_t dev;
		ino_t ino;
	} * file; /* per generation */
};

struct err *chain_reader_init(struct chain_reader *r, const struct page_read *pr);
void chain_reader_deinit(struct chain_reader *r);
/* The pages file of a place; borrowed. */
struct err *chain_reader_file(struct chain_reader *r, const struct page_place *p,
			      const struct chain_file **ret);
/* `len` bytes of the run from `off` bytes after its start on.  ERR_CHECK: the file ends before. */
struct err *chain_reader_read(struct chain_reader *r, const struct chain_run *run, uint64_t off,
			      void *buf, size_t len);

/* The pagemaps of an image directory, by kind (tasks first) and then by id. */
struct chain_object {
	char name[IMAGE_NAME_MAX];
	bool is_shmem;
	uint64_t id; /* pid or shmid */
};

struct chain_objects {
	struct chain_object *o;
	size_t nr;
};

/* Adds the pagemaps of a directory that are not in it yet.  pid not 0: only that task's. */
struct err *chain_objects_add(struct chain_objects *l, int dirfd, const char *dir, pid_t pid);
void chain_objects_deinit(struct chain_objects *l);

#endif
