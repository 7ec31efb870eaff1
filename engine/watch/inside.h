/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The page_pipe of a watched criu as criu itself has it, where its debug information can be found: holes
 * before they are in an image, lazy ppbs, plans before the parasite is told of them.
 *
 * A uprobe tells where it is: the kernel notes what create_page_pipe() returns and what destroy_page_pipe()
 * gets, once for each task, and we read the notes when criu is held anyway.  The fields are read from criu's
 * memory then.  The kernel puts the breakpoint of a uprobe into a copy of criu's page; it takes it out when we
 * end, however we do.
 *
 * Mirrors: struct page_pipe, struct page_pipe_buf (criu/include/page-pipe.h).
 */
#ifndef STEPDUMP_WATCH_INSIDE_H
#define STEPDUMP_WATCH_INSIDE_H

#include "engine/watch/tracee.h"

#define INSIDE_MAX_PPBS 65536
#define INSIDE_MAX_HOLES 1048576

struct inside_hole {
	uint64_t start, nr_pages;
	bool parent; /* PP_HOLE_PARENT */
};

struct inside_ppb {
	int fd_read, fd_write;
	uint64_t pages_in, iov; /* iov: where criu has its array */
	uint32_t pipe_size, nr_segs;
	bool lazy; /* PPB_LAZY */
};

struct inside_pipe {
	uint64_t at; /* where it is in criu's memory */
	uint32_t nr_pipes, free_iov, nr_iovs, nr_holes_max;
	bool chunk_mode;
	struct inside_hole *hole; /* owned */
	size_t nr_holes;
	struct inside_ppb *ppb; /* owned; bufs, in their order */
	size_t nr_ppbs;
};

struct inside;

/* Finds the debug information of the program that runs as `pid`, and sets the uprobes.  Takes some ten
 * milliseconds.  Fails: ERR_UNSUPPORTED what is missing. */
struct err *inside_new(pid_t pid, struct inside **ret);
/* NULL is fine. */
void inside_free(struct inside *in);
/* Of a criu that is held.  false: it has no page_pipe now, or none that was made since we came. */
bool inside_read(struct inside *in, const struct tracee *t, struct inside_pipe *ret);
void inside_pipe_deinit(struct inside_pipe *p);

#endif
