/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The images of a dump beside pages and pagemaps.  What they say of the target is collected while
 * it is frozen; they can be written at any time after that.
 * Mirrors: criu/cr-dump.c cr_dump_finish(), criu/stats.c write_stats().
 */
#ifndef STEPDUMP_DUMP_IMAGES_H
#define STEPDUMP_DUMP_IMAGES_H

#include "engine/dump/dump.h"

/* While a task is scanned: a guard region, or a part of one; they come in order. */
void dump_images_add_guard(struct task_images *ti, uint64_t start, uint64_t end);

/* Target: frozen, its protections restored.  Called again after a failure, it starts over. */
struct err *dump_images_collect(struct dump *d);
/* Into the staging directory.  Target: may run.  stats-dump gets the times as they are now. */
struct err *dump_images_write(struct dump *d);

/* Makes the link to the parent, as seen from where the set is to be published. */
struct err *dump_images_link_parent(struct dump *d);

/* After the set is published: where dump_images_finish() will look for it. */
void dump_images_note_place(struct dump *d);
/*
 * dump_images_finish - put the final times into the stats-dump of a published set.
 * A target that stays frozen after its commit stands longer than anybody knew when that file was
 * written.  Call it when the target runs; does nothing if the times are there already, or if the
 * set is not where it was published.
 */
struct err *dump_images_finish(struct dump *d);

#endif
