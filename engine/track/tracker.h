/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A tracker knows which pages of one task were written since its last reset.
 *
 * soft-dirty: /proc/PID/clear_refs and bit 55 of pagemap; what CRIU uses.
 * uffd:       userfaultfd write-protection in asynchronous mode, read by PAGEMAP_SCAN; works where
 *             the kernel has no soft-dirty.  It is trusted for private anonymous memory
 *             only; everything else always counts as dirty.
 * none:       everything is dirty; incremental dumps are refused, with the reason.
 *
 * Never a false negative: what a tracker cannot vouch for is dirty.
 * A tracker belongs to a task (pid and start time), survives detach and attach until stepdump ends,
 * and leaves no trace in the task when it is destroyed or stepdump ends.
 */
#ifndef STEPDUMP_TRACKER_H
#define STEPDUMP_TRACKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "engine/pages/caps.h"
#include "engine/proc/vma.h"
#include "engine/target/keeper.h"

/* AUTO: soft-dirty if it really works, else uffd, else none. */
enum opt_track { OPT_TRACK_AUTO, OPT_TRACK_SOFT_DIRTY, OPT_TRACK_UFFD, OPT_TRACK_NONE };

enum tracker_kind { TRACK_NONE, TRACK_SOFT_DIRTY, TRACK_UFFD };

struct tracker;

/*
 * tracker_create - choose a tracker for a frozen, not infected task.
 * Arms nothing yet.  Until the first reset uffd calls all pages dirty; soft-dirty reports the
 * kernel's bits, which may be the history that somebody else began (criu pre-dump), or that a fork
 * has inherited: it means something only together with a parent image.  Never NULL on success:
 * where nothing works the kind is TRACK_NONE and tracker_reason() says why.
 * Target: uffd: one injected userfaultfd() and close(); nothing is left in it.
 * Fails:  ERR_UNSUPPORTED if a kind was asked for by name and does not work here.
 */
struct err *tracker_create(enum opt_track want, struct keeper *k, pid_t pid,
			   uint64_t start_time_ticks, const struct caps *caps,
			   struct tracker **ret);
/* Unregisters whatever was registered; NULL is fine.  The task may be running, frozen or gone. */
void tracker_destroy(struct tracker *t);

enum tracker_kind tracker_kind(const struct tracker *t);
const char *tracker_kind_name(enum tracker_kind k); /* "soft-dirty" */
/* One sentence: why this one, or why none. */
const char *tracker_reason(const struct tracker *t);

/* Is this still the task that the tracker was made for, with the same memory (no exec)? Ask when
 * the task is frozen again: it also notes whatever makes the history worthless. */
bool tracker_fits(struct tracker *t, pid_t pid, uint64_t start_time_ticks);

/*
 * tracker_reset - a new interval begins: all pages are clean from now on.
 * The task must be frozen (soft-dirty, uffd), and its images durable: the history is gone.
 * vmas: as collected in this freeze.
 */
struct err *tracker_reset(struct tracker *t, const struct vma_list *vmas);
bool tracker_armed(const struct tracker *t);
/* CLOCK_BOOTTIME-based microseconds since boot (as dump_uptime) of the last reset; 0: never.
 * It ties the history to the image set that was made with it. */
uint64_t tracker_reset_uptime_us(const struct tracker *t);
void tracker_set_reset_uptime_us(struct tracker *t, uint64_t uptime_us);

/* PAGE_IS_* categories that the pagemap scan has to return besides the usual ones. */
uint64_t tracker_categories(const struct tracker *t);
/* Does it need PAGEMAP_SCAN (pread of pagemap cannot tell)? */
bool tracker_needs_scan(const struct tracker *t);
/* Why pages of this VMA are always dirty; NULL: they are tracked.  Static text. */
const char *tracker_untrusted(const struct tracker *t, const struct vma *v);
/* Is a page with these categories dirty?  Pure. */
bool tracker_page_dirty(const struct tracker *t, const struct vma *v, uint64_t categories);

/* The number of pages that are dirty now, among those that a dump would take; works on a running
 * task too. */
struct err *tracker_count(const struct tracker *t, const struct vma_list *vmas, uint64_t *dirty_ret,
			  uint64_t *total_ret);

#endif
