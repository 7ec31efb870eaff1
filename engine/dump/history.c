/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/dump/history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "engine/image/at_server.h"
#include "engine/image/image.h"

struct err *parent_set_open(struct parent_set *ps, const char *dir)
{
	struct parent_set p = { .dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };

	if (p.dirfd < 0)
		return err_hint(err_cause_only(err_sys(errno, "open the parent images %s", dir),
					       "no-parent-image"),
				"`set parent DIR` names an image directory of an earlier dump");
	p.path = realpath(dir, NULL);

	struct err *e =
		p.path ? parent_info_read(p.dirfd, &p.info) : err_sys(errno, "find the real path");

	if (e) {
		parent_set_close(&p);
		return err_hint(
			err_wrap(e, "parent images %s", dir),
			"a parent is a committed directory of stepdump, or of criu pre-dump or "
			"criu dump --track-mem");
	}
	*ps = p;
	return NULL;
}

void parent_set_close(struct parent_set *ps)
{
	close_fd(&ps->dirfd);
	free(ps->path);
	*ps = (struct parent_set){ .dirfd = -1 };
}

static struct tracker_slot *tracker_table_slot(const struct tracker_table *tt,
					       const struct target *t)
{
	for (size_t i = 0; i < tt->nr; i++)
		if (tt->slot[i].pid == t->pid &&
		    tt->slot[i].start_time_ticks == t->task.start_time_ticks)
			return &tt->slot[i];
	return NULL;
}

static void tracker_table_drop_slot(struct tracker_table *tt, struct tracker_slot *slot)
{
	tracker_destroy(slot->t);
	*slot = tt->slot[--tt->nr];
}

static bool tracker_is_wanted(enum opt_track want, const struct tracker *t)
{
	switch (want) {
	case OPT_TRACK_AUTO:
		return true;
	case OPT_TRACK_SOFT_DIRTY:
		return tracker_kind(t) == TRACK_SOFT_DIRTY;
	case OPT_TRACK_UFFD:
		return tracker_kind(t) == TRACK_UFFD;
	case OPT_TRACK_NONE:
		return tracker_kind(t) == TRACK_NONE;
	}
	return false;
}

struct err *tracker_table_get(struct tracker_table *tt, enum opt_track want, struct keeper *k,
			      const struct target *t, const struct caps *c, struct tracker **ret)
{
	struct tracker_slot *slot = tracker_table_slot(tt, t);
	uint64_t start = t->task.start_time_ticks;

	if (slot && tracker_is_wanted(want, slot->t) && tracker_fits(slot->t, t->pid, start)) {
		*ret = slot->t;
		return NULL;
	}
	if (slot)
		tracker_table_drop_slot(tt, slot);
	TRY(tracker_create(want, k, t->pid, start, c, ret));
	*vec_push(tt->slot, tt->nr) = (struct tracker_slot){ t->pid, start, *ret };
	return NULL;
}

struct tracker *tracker_table_find(const struct tracker_table *tt, const struct target *t)
{
	struct tracker_slot *slot = tracker_table_slot(tt, t);

	return slot ? slot->t : NULL;
}

void tracker_table_drop(struct tracker_table *tt, pid_t pid)
{
	for (size_t i = tt->nr; i-- > 0;)
		if (!pid || tt->slot[i].pid == pid)
			tracker_table_drop_slot(tt, &tt->slot[i]);
	if (!tt->nr) {
		free(tt->slot);
		tt->slot = NULL;
	}
}

bool history_pid_reused(uint64_t start_time_ticks, uint64_t dump_uptime_us, bool was_dumped)
{
	uint64_t us_per_tick = 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t dump_ticks = dump_uptime_us / us_per_tick;

	if (start_time_ticks == dump_ticks)
		return !was_dumped;
	return start_time_ticks > dump_ticks;
}

/* Did the tracker's history of this very process begin with the parent? */
static bool history_begins_at_parent(const struct parent_set *ps, const struct tracker *t)
{
	return tracker_armed(t) && tracker_reset_uptime_us(t) == ps->info.dump_uptime_us;
}

static struct err *history_mismatch(const struct parent_set *ps, const struct tracker *t)
{
	uint64_t reset = tracker_reset_uptime_us(t);

	if (tracker_kind(t) == TRACK_NONE)
		return err_hint(err_new(ERR_UNSUPPORTED,
					"parent %s: nothing tracks the target's writes: %s",
					ps->path, tracker_reason(t)),
				"`set parent \"\"` makes a full dump");
	/* Somebody else may have reset soft-dirty (criu pre-dump): then we have to trust the
	 * parent. */
	if (tracker_kind(t) == TRACK_SOFT_DIRTY && !reset)
		return NULL;
	if (history_begins_at_parent(ps, t))
		return NULL;
	return err_hint(
		err_new(ERR_STATE,
			"parent %s: %s tracking %s, so nobody knows what was written since",
			ps->path, tracker_kind_name(tracker_kind(t)),
			reset ? "began after a later dump" : "has not begun"),
		"make a full dump in this session (`set parent \"\"`, `set track auto`): it can "
		"be the parent of the next one");
}

bool history_may_leave(const struct page_read *pr, const struct opts *o)
{
	return o->holes_at_server || o->xfer == XFER_SERVER || !page_read_leads_to_server(pr);
}

struct err *history_open(const struct parent_set *ps, const struct opts *o,
			 const struct task_info *ti, const struct tracker *t,
			 struct page_read **pr_ret, const char **why_ret)
{
	char name[IMAGE_NAME_MAX];
	struct page_read *pr;

	*pr_ret = NULL;
	if (ps->dirfd < 0) {
		*why_ret = "no parent is set";
		return NULL;
	}
	image_name(IMG_PAGEMAP, (uint64_t)ti->ns_pid, name);
	if (faccessat(ps->dirfd, name, F_OK, 0) && !at_server_has(ps->dirfd, name)) {
		*why_ret = "the parent has no pagemap of this task";
		return NULL;
	}
	if (!ps->info.has_uptime)
		return err_hint(
			err_cause(
				err_new(ERR_STATE,
					"parent %s: its inventory has no dump_uptime, so a reused "
					"pid cannot be told from the same process",
					ps->path),
				"parent-not-tracked", "%s/inventory.img: no dump_uptime", ps->path),
			"make the parent with stepdump, criu pre-dump or criu dump --track-mem");
	if (history_pid_reused(ti->stat.start_time_ticks, ps->info.dump_uptime_us,
			       history_begins_at_parent(ps, t))) {
		*why_ret = "the pid was reused: this process is younger than the parent";
		return NULL;
	}
	TRY(history_mismatch(ps, t));
	TRY(page_read_open(ps->dirfd, name, &pr));
	if (pr && !history_may_leave(pr, o)) {
		page_read_close(pr);
		*why_ret = "the parent's pages are at a page server, and this dump does not go "
			   "there (`set holes-at-server on` leaves them there anyway)";
		return NULL;
	}
	*why_ret = NULL;
	*pr_ret = pr;
	return NULL;
}
