/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A walk over the memory of a task, mapping by mapping and run by run: of an attached one, a set or an archive. */
#ifndef STEPDUMP_MEM_WALK_H
#define STEPDUMP_MEM_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/snapshot.pb-c.h"

struct shell;

#define WALK_BLOCK (1u << 20) /* bytes, at most, in one call of `block` */

struct mem_walk {
	struct shell *sh;
	/* Which. */
	uint64_t start, end;
	int64_t vma_index; /* -1: any */
	const char *prot;  /* letters that it must have; NULL: any */
	const char *kind;  /* heap, stack, file, shared, anon; NULL: any */
	bool files;        /* also what is only in the mapped files */
	/* Called: */
	void *arg;
	void (*run)(void *arg, const Stepdump__VerdictRun *r, uint64_t nr_pages); /* NULL: not */
	void (*block)(void *arg, uint64_t at, const uint8_t *data,
		      size_t len); /* NULL: nothing is read */
	void (*gap)(
		void *arg); /* the next block does not go on where the last one ended; NULL: not */
	/* While it goes on: */
	const Stepdump__Vma *vma;
	bool stop;           /* set by a callback */
	uint64_t unreadable; /* bytes */
};

/* Not judged yet, and a page of the mapped file that nobody wrote to. */
bool mem_walk_is_file(const Stepdump__Vma *v, const Stepdump__VerdictRun *r);

/* Runs that a dump takes, and what holes and shared memory have.  Effect on the target: none: a page that
 * is not there is left alone.  Fails: ERR_INTERRUPTED by ^C. */
struct err *mem_walk(struct mem_walk *w);

#endif
