/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * page_xfer: where pages and holes go, one object (a task, or a shared-memory object) at a time.
 * local writes pagemap-*.img and pages-N.img into a directory; null counts and throws away;
 * server sends them to a page server.
 * Entries come in address order.  Mirrors: criu/page-xfer.c.
 */
#ifndef STEPDUMP_PAGE_XFER_H
#define STEPDUMP_PAGE_XFER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "engine/net/wire.h"

struct page_xfer;

struct page_xfer_ops {
	const char *name; /* "local", "null", "page-server" */
	bool entry_first; /* an entry is recorded before its pages, not after them */
	/* Begin an object; it stays open until close_object. */
	struct err *(*open_object)(struct page_xfer *x);
	/* Move bytes [*moved, len) from the pipe, and *moved with them. */
	struct err *(*write_pages)(struct page_xfer *x, int pipe_fd, uint64_t len, uint64_t *moved);
	/* From our own memory; all or nothing. */
	struct err *(*write_memory)(struct page_xfer *x, const void *buf, uint64_t len);
	/* Record nr_pages from vaddr with PE_* flags. */
	struct err *(*write_pagemap)(struct page_xfer *x, uint64_t vaddr, uint64_t nr_pages,
				     uint32_t flags);
	struct err *(*close_object)(struct page_xfer *x);
	/* All objects are closed: whoever has them stores them.  NULL: nobody else has. */
	struct err *(*commit)(struct page_xfer *x);
	void (*destroy)(struct page_xfer *x);
};

enum { XFER_RECENT = 8 };

/* A recorded entry, kept for display. */
struct xfer_entry {
	uint64_t vaddr, nr_pages, pages_off; /* bytes in pages-N.img; of a hole: unused */
	uint32_t flags;                      /* PE_* */
};

struct page_xfer {
	const struct page_xfer_ops *ops;
	/* current object */
	char object[64]; /* "pagemap-4242.img", "pagemap-shmem-47.img"; "": none open */
	bool is_shmem;
	uint64_t id;           /* pid or shmid */
	uint32_t pages_id;     /* N of pages-N.img */
	uint64_t object_pages; /* stored for this object */
	uint64_t partial;      /* bytes that a failed page_xfer_pages() has moved */
	uint64_t entries_here; /* entries of this object */
	uint64_t entry_pages;  /* stored pages that they stand for */
	struct xfer_entry
		recent[XFER_RECENT]; /* the newest is number (entries_here - 1) % XFER_RECENT */
	/* since creation */
	struct {
		uint64_t open, pagemap, pages, holes, close;
	} calls; /* of the operations, by kind */
	uint64_t pages, entries, holes, hole_pages;
	uint64_t expected; /* upper bound of the bytes of the whole dump; 0: unknown */
	void *priv;
};

/* dirfd is borrowed and must outlive it.  nr_reserved: files that reserve_files() has made there. */
void page_xfer_local(struct page_xfer *x, int dirfd, unsigned nr_reserved);
struct err *page_xfer_null(struct page_xfer *x);
/* Connects.  What the server holds is written to dirfd (at_server.h). */
struct err *page_xfer_server(struct page_xfer *x, int dirfd, const char *where, enum ps_wire wire,
			     uint32_t timeout_s, const volatile sig_atomic_t *stop);
/* The conversation; NULL: it goes to no server. */
struct ps_client;
struct ps_client *page_xfer_client(const struct page_xfer *x);
void page_xfer_destroy(struct page_xfer *x);

struct err *page_xfer_open_task(struct page_xfer *x, pid_t pid);
struct err *page_xfer_open_shmem(struct page_xfer *x, uint64_t shmid);
/* After a failure the object is still open, nothing is lost, and it can be closed again. */
struct err *page_xfer_close_object(struct page_xfer *x);

/*
 * Pages of one or several iovs that follow each other in the pipe.  Their entries are recorded by
 * the caller, after this succeeded (but see entry_first).  After a failure the rest is still in the pipe: the next call,
 * for as many pages or for more or fewer, goes on where this one stopped.
 */
struct err *page_xfer_pages(struct page_xfer *x, int pipe_fd, uint64_t nr_pages);
struct err *page_xfer_memory(struct page_xfer *x, const void *buf, uint64_t nr_pages);
struct err *page_xfer_entry(struct page_xfer *x, uint64_t vaddr, uint64_t nr_pages, uint32_t flags);
/*
 * page_xfer_local only, for those who write to the pages file of the open object themselves (flow.h):
 * the file (-1: there is none) and where the next page goes; whether it is in memory (tmpfs); how many
 * bytes of it were allocated before the freeze.
 */
int page_xfer_file(const struct page_xfer *x, uint64_t *off_ret);
bool page_xfer_is_in_memory(const struct page_xfer *x);
uint64_t page_xfer_reserved(const struct page_xfer *x);
/* The next nr_pages are in the file. */
void page_xfer_moved(struct page_xfer *x, uint64_t nr_pages);
/* A write at `off` failed. */
struct err *page_xfer_advise(const struct page_xfer *x, int sys_errno, uint64_t off)
	__attribute__((warn_unused_result));
/* All objects are closed: removes files that were made before the freeze and are not needed. */
void page_xfer_drop_unused(const struct page_xfer *x);

/* Again after it succeeded: nothing happens. */
struct err *page_xfer_commit(struct page_xfer *x);

#endif
