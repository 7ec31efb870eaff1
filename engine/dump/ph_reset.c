/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * reset: everything after the commit gate.  The images are completed, checked, made durable and
 * published; what a second try would need is undone only after that.
 * Mirrors: criu/mem.c task_reset_dirty_track(), criu/cr-dump.c cr_dump_finish(), criu/stats.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "engine/dump/img_task.h"
#include "engine/dump/phases.h"
#include "engine/image/parent_link.h"
#include "engine/image/verify.h"
#include "engine/target/parasite_rpc.h"

struct guards {
	struct guard_range *g;
	size_t nr;
};

static struct err *reset_add_guard(void *arg, uint64_t start, uint64_t end)
{
	struct guards *gs = arg;

	*vec_push(gs->g, gs->nr) = (struct guard_range){ .start = start, .end = end };
	return NULL;
}

static struct err *reset_write_stats(struct dump *d, int dirfd)
{
	Criu__DumpStatsEntry st = CRIU__DUMP_STATS_ENTRY__INIT;

	st.freezing_time = (uint32_t)d->task[0].t->task.freezing_us;
	st.frozen_time = (uint32_t)target_frozen_us(d->task[0].t);
	st.memdump_time = (uint32_t)(d->times.scan + d->times.drain + d->times.memwrite);
	st.memwrite_time = (uint32_t)d->times.memwrite;
	st.pages_scanned = d->count.pages_scanned;
	st.pages_skipped_parent = dump_count(d, VD(HOLE));
	st.pages_written = d->xfer.pages - d->count.shpages_written;
	st.has_page_pipes = st.has_page_pipe_bufs = true;
	dump_pipes(d, &st.page_pipes, &st.page_pipe_bufs);
	st.has_shpages_scanned = st.has_shpages_skipped_parent = st.has_shpages_written = true;
	st.shpages_scanned = d->count.shpages_scanned;
	st.shpages_written = d->count.shpages_written;
	return img_stats_write(dirfd, &st);
}

static struct err *reset_write_task(struct dump *d, size_t i, int dirfd, uint32_t exe_id)
{
	const struct task_dump *td = &d->task[i];
	struct guards gs = { 0 };
	struct err *e = NULL;

	TRY(img_core_write(dirfd, &td->ti));
	TRY(img_ids_write(dirfd, &td->ti, (uint32_t)i + 1));
	if (d->caps->scan_guard)
		e = pagemap_scan_guards(td->t->pagemap_fd, 0, PAGEMAP_TASK_SIZE, reset_add_guard,
					&gs);
	if (!e)
		e = img_mm_write(dirfd, &td->ti, &td->t->vmas, gs.g, gs.nr, exe_id);
	free(gs.g);
	return e;
}

static struct err *reset_write_tasks(struct dump *d, int dirfd, struct file_table *ft)
{
	AUTO_FREE const struct task_info **ti = xcalloc(d->nr_tasks, sizeof(*ti));
	AUTO_FREE int *parent = xcalloc(d->nr_tasks, sizeof(*parent));
	AUTO_FREE uint32_t *exe_id = xcalloc(d->nr_tasks, sizeof(*exe_id));

	for (size_t i = 0; i < d->nr_tasks; i++) {
		ti[i] = &d->task[i].ti;
		parent[i] = d->task[i].t->parent;
		TRY(file_table_add(ft, &d->task[i].ti, &d->task[i].t->vmas, &exe_id[i]));
	}
	TRY(img_files_write(ft, dirfd));
	TRY(img_pstree_write(dirfd, ti, parent, d->nr_tasks));
	for (size_t i = 0; i < d->nr_tasks; i++)
		TRY(reset_write_task(d, i, dirfd, exe_id[i]));
	return NULL;
}

static struct err *reset_link_parent(struct dump *d, int dirfd)
{
	if (d->parent.dirfd < 0 || page_xfer_client(&d->xfer)) /* the server makes its own */
		return NULL;

	AUTO_FREE char *target =
		parent_link(d->parent.path, staging_path(d->staging), d->commit_to);

	if (unlinkat(dirfd, "parent", 0) && errno != ENOENT)
		return err_sys(errno, "replace the parent link");
	if (symlinkat(target, dirfd, "parent"))
		return err_sys(errno, "make the parent link to %s", target);
	return NULL;
}

/* Sampled while the tasks are frozen: all later writes come after it. */
static struct err *reset_uptime(struct dump *d)
{
	return uptime_us(&d->uptime_us);
}

static struct err *reset_images(struct dump *d)
{
	bool pre_dump = d->opts->mode == MODE_PRE_DUMP;
	int dirfd = staging_dirfd(d->staging);
	struct err *e = NULL;

	TRY(reset_link_parent(d, dirfd));
	if (!pre_dump) {
		struct file_table *ft = file_table_create();

		e = reset_write_tasks(d, dirfd, ft);
		file_table_destroy(ft);
	}
	if (!e)
		e = pre_dump ? img_pre_dump_inventory_write(
				       dirfd, d->uptime_us,
				       d->opts->pre_dump == PRE_DUMP_READ ? 2 : 1) :
			       img_inventory_write(dirfd, d->uptime_us);
	if (!e)
		e = reset_write_stats(d, dirfd);
	return staging_advise(e, dirfd, 0);
}

static struct err *reset_check(struct dump *d)
{
	struct verify_report r;
	struct err *e = verify_dirfd(staging_dirfd(d->staging), &r);

	if (!e && r.pages_present != d->xfer.pages && !page_xfer_client(&d->xfer))
		e = err_new(ERR_CHECK, "the images hold %lu pages, %lu were transferred",
			    r.pages_present, d->xfer.pages);
	if (!e && r.surplus)
		e = err_new(ERR_CHECK, "the pages files are %lu bytes longer than their entries",
			    r.surplus);
	verify_report_deinit(&r);
	return err_hint(
		err_wrap(e, "check the images before they are published"),
		"nothing is published; this is a fault of stepdump: `snap save FILE` keeps the "
		"evidence, `restart` begins again");
}

static struct err *reset_publish(struct dump *d)
{
	/* The pages first: with a page server they are not here. */
	TRY(page_xfer_commit(&d->xfer));
	TRY(staging_publish(d->staging, d->commit_to));
	d->committed = xstrdup(staging_path(d->staging));
	return staging_discard(TAKE_PTR(d->staging));
}

/* Only now: the dirty pages are durable in the images, so a failed dump never loses a change. */
static struct err *reset_dirty(struct dump *d)
{
	for (size_t i = 0; i < d->nr_tasks; i++) {
		struct task_dump *td = &d->task[i];

		if (!td->tracker || tracker_kind(td->tracker) == TRACK_NONE)
			continue;
		TRY(err_pid(tracker_reset(td->tracker, &td->t->vmas), td->t->pid));
		tracker_set_reset_uptime_us(td->tracker, d->uptime_us);
	}
	return NULL;
}

static struct err *reset_protect(struct dump *d)
{
	for (size_t i = 0; i < d->nr_tasks; i++) {
		struct task_dump *td = &d->task[i];
		size_t at;

		if (td->nr_readable)
			TRY(pc_mprotect(td->t->par.sock, td->readable, td->nr_readable, 0, &at));
		td->nr_readable = 0;
	}
	return NULL;
}

static struct err *reset_cure(struct dump *d)
{
	struct err *e = NULL;

	for (size_t i = 0; i < d->nr_tasks; i++)
		e = err_first(e, dump_unless_dead(d->keeper, d->task[i].t->pid,
						  target_cure(d->task[i].t)));
	return e;
}

/* Pre-dump: the tasks run again while their pages are transferred. */
static struct err *reset_thaw(struct dump *d)
{
	struct err *e = NULL;

	for (size_t i = d->nr_tasks; i-- > 0;)
		e = err_first(e, dump_unless_dead(d->keeper, d->task[i].t->pid,
						  target_thaw(d->task[i].t)));
	d->thawed = true;
	return e;
}

static struct err *reset_transfer(struct dump *d)
{
	return dump_transfer_item(d, 0);
}

struct reset_unit {
	const char *what;
	struct err *(*run)(struct dump *d);
};

/* A dump is published before anything is reset.  A pre-dump cannot wait so long, since the tasks
 * have to run during its transfer.  If that transfer fails, the history is lost too: the trackers
 * then belong to a set that does not exist, and the next dump has to be a full one. */
static const struct reset_unit dump_units[] = {
	{ "take the time", reset_uptime },
	{ "restore protections", reset_protect }, /* map_files has its old names again */
	{ "write the other images", reset_images },
	{ "check the images", reset_check },
	{ "publish", reset_publish },
	{ "clear dirty tracking", reset_dirty },
	{ "cure", reset_cure },
	{ NULL, NULL },
};

static const struct reset_unit pre_dump_units[] = {
	{ "take the time", reset_uptime },
	{ "restore protections", reset_protect },
	{ "cure", reset_cure },
	{ "clear dirty tracking", reset_dirty },
	{ "thaw", reset_thaw },
	{ "begin the transfer", reset_transfer },
	{ "write the other images", reset_images },
	{ "check the images", reset_check },
	{ "publish", reset_publish },
	{ NULL, NULL },
};

static const struct reset_unit *reset_this_unit(const struct dump *d)
{
	return &(d->opts->mode == MODE_PRE_DUMP ? pre_dump_units : dump_units)[d->at.unit];
}

static void reset_next(struct dump *d, struct unit *u)
{
	u->what = reset_this_unit(d)->what;
}

static struct err *reset_step(struct dump *d, enum pace pace)
{
	TRY(reset_this_unit(d)->run(d));
	d->at.unit++;
	if (!reset_this_unit(d)->what)
		d->phase = PH(DONE);
	return NULL;
}

/* What the directory alone does not hold. */
static const char *reset_elsewhere(const struct dump *d)
{
	if (page_xfer_client(&d->xfer))
		return " (without the pages: the page server has stored them)";
	for (size_t i = 0; d->xfer.holes && i < d->nr_tasks; i++)
		if (d->task[i].parent && page_read_leads_to_server(d->task[i].parent))
			return " (its holes lead to a page server: restore it beside those pages)";
	return "";
}

static void reset_summary(const struct dump *d, const struct unit *u, char *buf, size_t len)
{
	if (d->phase == PH(DONE))
		snprintf(buf, len, "images checked, durable, published at %s%s; %s", d->committed,
			 reset_elsewhere(d),
			 d->thawed ? "the target runs" : "protections restored, cured");
	else
		snprintf(buf, len, "%s: done", u->what);
}

const struct phase_ops ph_reset = {
	.phase = PH(RESET),
	.name = "reset",
	.unit = "one step: unprotect, write the other images, check, publish, clear dirty bits, cure",
	.effect = "dirty bits; protections, registers, mappings as before we came",
	.undo = false,
	.mirrors = "task_reset_dirty_track, cr_dump_finish",
	.next = reset_next,
	.step = reset_step,
	.summary = reset_summary,
};
