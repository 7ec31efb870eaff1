/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An image set as a snapshot, so that panes and views show it as they show a live dump.  Reads only;
 * works without a target and without a session.
 */
#ifndef STEPDUMP_SET_VIEW_H
#define STEPDUMP_SET_VIEW_H

#include <stdint.h>

#include "base/err.h"
#include "engine/session/session.h"

struct set_view;

/*
 * set_view_open - open the set in the directory `path`, to look at task `pid`; 0: the first that has memory.
 * Fails: ERR_SYS (ENOTDIR: not a directory), ERR_FORMAT if it has no images, ERR_USAGE if it has nothing of
 * that task, ERR_CHECK if images contradict each other (`verify` says more).
 */
struct err *set_view_open(struct session *s, const char *path, uint32_t pid, struct set_view **ret);
void set_view_close(struct set_view *v); /* NULL is fine */
/*
 * The parts that a set can tell: target, tasks, threads, VMAs with counts, runs, holes, shared objects,
 * xfer (its files and pagemap entries), parents, counters (of stats-dump), why and peek.  Caller frees.
 */
struct err *set_view_take(struct set_view *v, const struct snap_request *req,
			  Stepdump__Snapshot **ret);
/* What of the set could not be read, in words. */
size_t set_view_nr_trouble(const struct set_view *v);
const char *set_view_trouble(const struct set_view *v, size_t i);
/* Is it an archive that may have a set in it? */
bool set_view_is_archive(const char *path);
/* What an archive says of its container. */
size_t set_view_nr_about(const struct set_view *v);
const char *set_view_about(const struct set_view *v, size_t i);
/* The memory that is looked at, for commands that search it; borrowed. */
struct set_memory *set_view_memory(struct set_view *v);

#endif
