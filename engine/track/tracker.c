/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/track/tracker.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "engine/track/tracker_priv.h"
#include "engine/pages/page_walk.h"
#include "engine/pages/pagemap.h"
#include "engine/pages/verdict.h"
#include "engine/proc/proc.h"

/* ---- reasons to call all memory of a task dirty ------------------------------------------ */

/* Stores through pages that were pinned before the reset bypass the page table, and so both ways of
 * tracking. */
static const char *task_distrust(pid_t pid, const struct vma_list *vmas)
{
	struct proc_status st;
	struct proc_fds fds;
	const char *why = NULL;
	struct err *e = proc_read_status(pid, &st);

	if (e) {
		err_free(e);
		return "its status cannot be read: it may have pinned memory";
	}
	if (st.vm_pin)
		return "it has pinned memory (VmPin), to which devices write unseen";
	for (size_t i = 0; vmas && i < vmas->nr; i++)
		if (vmas->v[i].status & VMA_AREA_AIORING)
			return "it uses asynchronous input (io_setup), which may be in flight and "
			       "writes unseen";
	e = proc_read_fds(pid, &fds);
	if (e) {
		err_free(e);
		return "its descriptors cannot be read: it may use io_uring";
	}
	for (size_t i = 0; i < fds.nr && !why; i++)
		if (!strcmp(fds.v[i].link, "anon_inode:[io_uring]"))
			why = "it uses io_uring, which may be in flight and writes unseen";
	proc_fds_deinit(&fds);
	return why;
}

static const char rival_text[] =
	"it tracks writes with a userfaultfd of its own, which can call pages clean unseen";

/* ---- making one ------------------------------------------------------------------------- */

const char *tracker_kind_name(enum tracker_kind k)
{
	static const char *const names[] = {
		[TRACK_NONE] = "none",
		[TRACK_SOFT_DIRTY] = "soft-dirty",
		[TRACK_UFFD] = "uffd",
	};

	return names[k];
}

void tracker_destroy(struct tracker *t)
{
	if (!t)
		return;
	/* the last descriptor: this unregisters everything and lifts all protection */
	if (t->uffd >= 0)
		close(t->uffd);
	if (t->pagemap_fd >= 0)
		close(t->pagemap_fd);
	free(t->untracked);
	free(t->reason);
	free(t);
}

/* Why soft-dirty does not work here; NULL: it does. */
static const char *no_soft_dirty(const struct caps *c)
{
	if (!c->soft_dirty)
		return "this kernel has no soft-dirty bits: a store does not set one";
	/* the ioctl would read the page map, and every page would look clean */
	if (c->pagemap_scan && !c->scan_soft_dirty)
		return "PAGEMAP_SCAN of this kernel does not report soft-dirty pages";
	return NULL;
}

static const char *no_uffd(const struct caps *c)
{
	if (!c->pagemap_scan)
		return "this kernel has no PAGEMAP_SCAN";
	if (c->uffd_errno)
		return "userfaultfd() is not permitted here";
	if (!c->uffd_wp_async)
		return "this kernel has no asynchronous write-protection";
	if (!c->pidfd_getfd)
		return "pidfd_getfd() is not available here";
	return NULL;
}

static void __attribute__((format(printf, 2, 3)))
set_reason(struct tracker *t, const char *fmt, ...)
{
	va_list ap;

	free(t->reason);
	va_start(ap, fmt);
	t->reason = xvasprintf(fmt, ap);
	va_end(ap);
}

/* Failures that are not about this way of tracking, but about the task or ourselves. */
static bool is_fatal(const struct err *e)
{
	return e->code == ERR_TARGET || e->code == ERR_HARM || e->code == ERR_NOMEM;
}

static struct err *try_uffd(struct tracker *t, struct keeper *k, char **why_ret)
{
	const char *why = no_uffd(&t->caps);
	struct err *e = why ? err_new(ERR_UNSUPPORTED, "%s", why) : uffd_obtain(t, k);

	*why_ret = NULL;
	if (!e) {
		t->kind = TRACK_UFFD;
		return NULL;
	}
	if (is_fatal(e))
		return e;
	*why_ret = err_text(e);
	err_free(e);
	return NULL;
}

static struct err *choose(struct tracker *t, enum opt_track want, struct keeper *k)
{
	const char *why = no_soft_dirty(&t->caps);
	AUTO_FREE char *why_not = NULL;

	if (want == OPT_TRACK_NONE) {
		set_reason(t, "tracking is switched off (`set track none`)");
		return NULL;
	}
	if (want == OPT_TRACK_SOFT_DIRTY && why)
		return err_hint(err_new(ERR_UNSUPPORTED, "soft-dirty tracking: %s", why),
				"`set track auto` takes what works");
	if (want != OPT_TRACK_UFFD && !why) {
		t->kind = TRACK_SOFT_DIRTY;
		set_reason(t, "a store sets the soft-dirty bit here");
		return NULL;
	}
	TRY(try_uffd(t, k, &why_not));
	if (want == OPT_TRACK_UFFD && why_not)
		return err_hint(err_new(ERR_UNSUPPORTED, "uffd tracking: %s", why_not),
				"`set track auto` takes what works");
	if (why_not)
		set_reason(t, "%s; uffd: %s", why, why_not);
	else if (want == OPT_TRACK_UFFD)
		set_reason(t, "asked for; asynchronous write-protection works here");
	else
		set_reason(t, "%s; asynchronous write-protection works", why);
	return NULL;
}

struct err *tracker_create(enum opt_track want, struct keeper *k, pid_t pid,
			   uint64_t start_time_ticks, const struct caps *caps, struct tracker **ret)
{
	struct tracker *t = xzalloc(sizeof(*t));

	*t = (struct tracker){ .pid = pid,
			       .start_time_ticks = start_time_ticks,
			       .caps = *caps,
			       .uffd = -1,
			       .pagemap_fd = -1 };
	struct err *e = choose(t, want, k);

	if (!e && t->kind != TRACK_NONE) {
		t->distrust = task_distrust(pid, NULL);
		e = pagemap_open(pid, &t->pagemap_fd);
	}
	if (e) {
		tracker_destroy(t);
		return err_wrap(e, "track the writes of %d", pid);
	}
	*ret = t;
	return NULL;
}

/* ---- what it says ------------------------------------------------------------------------ */

enum tracker_kind tracker_kind(const struct tracker *t)
{
	return t->kind;
}

const char *tracker_reason(const struct tracker *t)
{
	return t->reason;
}

bool tracker_armed(const struct tracker *t)
{
	return t->armed;
}

uint64_t tracker_reset_uptime_us(const struct tracker *t)
{
	return t->reset_uptime_us;
}

void tracker_set_reset_uptime_us(struct tracker *t, uint64_t uptime_us)
{
	t->reset_uptime_us = uptime_us;
}

uint64_t tracker_categories(const struct tracker *t)
{
	switch (t->kind) {
	case TRACK_UFFD:
		return PAGE_IS_WPALLOWED | PAGE_IS_WRITTEN;
	case TRACK_SOFT_DIRTY:
		return t->caps.scan_soft_dirty ? PAGE_IS_SOFT_DIRTY : 0;
	case TRACK_NONE:
		break;
	}
	return 0;
}

bool tracker_needs_scan(const struct tracker *t)
{
	return t->kind == TRACK_UFFD;
}

bool tracker_fits(struct tracker *t, pid_t pid, uint64_t start_time_ticks)
{
	uint64_t entry;
	struct err *e;

	if (t->pid != pid || t->start_time_ticks != start_time_ticks)
		return false;
	if (t->kind == TRACK_NONE)
		return true;
	/* After an exec pid and start time are the same, and a scan of the old page map finds
	 * nothing without an error; but reading it gives end of file. */
	e = pagemap_read(t->pagemap_fd, PAGE_BYTES, 1, &entry);
	if (e) {
		err_free(e);
		return false;
	}
	if (t->kind == TRACK_UFFD && !t->distrust && uffd_has_rival(pid))
		t->distrust = rival_text;
	return true;
}

struct err *tracker_reset(struct tracker *t, const struct vma_list *vmas)
{
	struct err *e = NULL;

	/* If this fails half-way, the history is lost: the tracker is not armed, and all pages are
	 * dirty. */
	t->armed = false;
	t->reset_uptime_us = 0;
	if (t->kind == TRACK_NONE)
		return NULL;
	t->distrust = task_distrust(t->pid, vmas);
	if (t->kind == TRACK_SOFT_DIRTY)
		e = soft_dirty_reset(t);
	else
		e = uffd_reset(t, vmas);
	if (t->kind == TRACK_UFFD && !t->distrust && uffd_has_rival(t->pid))
		t->distrust = rival_text;
	t->armed = !e;
	return e ? err_wrap(e, "reset dirty tracking (%s)", tracker_kind_name(t->kind)) : NULL;
}

static const char *soft_dirty_untrusted(const struct vma *v)
{
	if (v->status & VMA_AREA_AIORING)
		return "memory that the kernel writes to";
	if (!vma_is_private(v))
		return "shared memory: others can write to it unseen";
	if ((v->vmf & VMF_HUGETLB) || v->hugepage_kb > 4)
		return "hugetlb: it has no soft-dirty bits";
	return NULL;
}

const char *tracker_untrusted(const struct tracker *t, const struct vma *v)
{
	if (t->kind == TRACK_NONE)
		return "nothing tracks the target's writes";
	if (t->distrust)
		return t->distrust;
	return t->kind == TRACK_UFFD ? uffd_untrusted(t, v) : soft_dirty_untrusted(v);
}

bool tracker_page_dirty(const struct tracker *t, const struct vma *v, uint64_t categories)
{
	if (tracker_untrusted(t, v))
		return true;
	/* Not armed by us, the bits may still be the history that criu pre-dump began. */
	if (t->kind == TRACK_SOFT_DIRTY)
		return categories & PAGE_IS_SOFT_DIRTY;
	/* Checked first, because PAGEMAP_SCAN never reports a page as written where nothing is
	 * registered. */
	return !t->armed || !(categories & PAGE_IS_WPALLOWED) || (categories & PAGE_IS_WRITTEN);
}

struct err *tracker_count(const struct tracker *t, const struct vma_list *vmas, uint64_t *dirty_ret,
			  uint64_t *total_ret)
{
	uint64_t dirty = 0, total = 0;
	struct page_run run;
	AUTO_CLOSE int fd = -1;
	struct pmc pmc;
	struct err *e;

	TRY(pagemap_open(t->pid, &fd));
	TRY(pmc_init(&pmc, fd, &t->caps, PMC_AUTO, false));
	pmc.extra = tracker_categories(t);

	struct page_walk w = { .pmc = &pmc, .vmas = vmas, .end = UINT64_MAX };

	while (!(e = page_walk_next(&w, &run)) && run.vma) {
		if (!verdict_is_data(page_verdict(run.vma, run.categories)))
			continue;
		total += page_run_pages(&run);
		if (vma_always_dumped(run.vma) || tracker_page_dirty(t, run.vma, run.categories))
			dirty += page_run_pages(&run);
	}
	pmc_deinit(&pmc);
	if (!e) {
		*dirty_ret = dirty;
		*total_ret = total;
	}
	return e;
}
