/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The second drain thread.  It takes a pipe load out of its pipe and puts it into the pages file by
 * UFFDIO_COPY (uffd_copy.h), while we splice another load into the same file; or, on a disk, it has the
 * kernel begin to write what is in the file, so that the last fsync() has little left to do.
 *
 * It touches one pipe, one file and its own buffers, never the target.  All calls come from one thread.
 */
#ifndef STEPDUMP_MOVER_H
#define STEPDUMP_MOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct mover;

struct err *mover_create(struct mover **ret);
/* Waits for what it is doing.  NULL is fine. */
void mover_destroy(struct mover *m);

/* Loads go to bytes [start, end) of the file, which has no pages there, but is as long.  0 or -errno: it
 * cannot be done there. */
int mover_window(struct mover *m, int fd, uint64_t start, uint64_t end);
bool mover_has_room(struct mover *m);
/* While it has room: move `len` bytes, which are all in the pipe, to offset `off` of the file. */
void mover_give(struct mover *m, int pipe_fd, uint64_t off, uint64_t len);
/* Helps with its loads until they are moved.  0 or -errno; then some of what it was given since the last
 * call is out of its pipe and nowhere. */
int mover_finish(struct mover *m);

/* Bytes below `end` of this file are complete: begin to write them.  */
void mover_write_back(struct mover *m, int fd, uint64_t end);
/* Before the file that it works on is closed. */
void mover_drop_file(struct mover *m);

#endif
