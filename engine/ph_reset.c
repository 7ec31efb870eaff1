/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * reset: what follows the commit gate.  The images become complete, are checked, made durable and
 * published; only then is anything undone that a second try would need.
 * Mirrors: criu/mem.c task_reset_dirty_track(), criu/cr-dump.c cr_dump_finish(), criu/stats.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/dump.h"
#include "engine/img_task.h"
#include "engine/parasite_rpc.h"
#include "engine/verify.h"

struct guards {
	struct guard_range *g;
	size_t nr, cap;
};

static struct err *add_guard(void *arg, uint64_t start, uint64_t end)
{
	struct guards *gs = arg;

	if (gs->nr == gs->cap) {
		size_t cap = gs->cap ? gs->cap * 2 : 16;
		void *p = reallocarray(gs->g, cap, sizeof(*gs->g));

		if (!p)
			return err_nomem();
		gs->g = p;
		gs->cap = cap;
	}
	gs->g[gs->nr++] = (struct guard_range){ .start = start, .end = end };
	return NULL;
}

static struct err *write_stats(struct dump *d, int dirfd)
{
	Criu__DumpStatsEntry st = CRIU__DUMP_STATS_ENTRY__INIT;

	st.freezing_time = (uint32_t)d->task[0].t->task.freezing_us;
	st.frozen_time = (uint32_t)(now_us() - d->task[0].t->t_frozen_us);
	st.memdump_time = (uint32_t)(d->times.scan + d->times.drain + d->times.memwrite);
	st.memwrite_time = (uint32_t)d->times.memwrite;
	st.pages_scanned = d->pages_scanned;
	st.pages_skipped_parent = dump_count(d, VD(HOLE));
	st.pages_written = d->xfer.pages - d->shpages_written;
	st.has_page_pipes = st.has_page_pipe_bufs = true;
	st.page_pipes = d->pp.pipes_made;
	st.page_pipe_bufs = d->pp.bufs_made;
	st.has_shpages_scanned = st.has_shpages_skipped_parent = st.has_shpages_written = true;
	st.shpages_scanned = d->shpages_scanned;
	st.shpages_written = d->shpages_written;
	return img_stats_write(dirfd, &st);
}

static struct err *write_task(struct dump *d, size_t i, int dirfd, uint32_t exe_id)
{
	const struct task_dump *td = &d->task[i];
	struct guards gs = { 0 };
	struct err *e = NULL;

	TRY(img_core_write(dirfd, &td->ti));
	TRY(img_ids_write(dirfd, &td->ti, (uint32_t)i + 1));
	if (d->caps->scan_guard)
		e = pagemap_scan_guards(td->t->pagemap_fd, 0, PAGEMAP_TASK_SIZE, add_guard, &gs);
	if (!e)
		e = img_mm_write(dirfd, &td->ti, &td->t->vmas, gs.g, gs.nr, exe_id);
	free(gs.g);
	return e;
}

static struct err *write_tasks(struct dump *d, int dirfd, struct file_table *ft)
{
	const struct task_info **ti = calloc(d->nr_tasks, sizeof(*ti));
	int *parent = calloc(d->nr_tasks, sizeof(*parent));
	uint32_t *exe_id = calloc(d->nr_tasks, sizeof(*exe_id));
	struct err *e = ti && parent && exe_id ? NULL : err_nomem();

	for (size_t i = 0; i < d->nr_tasks && !e; i++) {
		ti[i] = &d->task[i].ti;
		parent[i] = d->task[i].t->parent;
		e = file_table_add(ft, &d->task[i].ti, &d->task[i].t->vmas, &exe_id[i]);
	}
	if (!e)
		e = img_files_write(ft, dirfd);
	if (!e)
		e = img_pstree_write(dirfd, ti, parent, d->nr_tasks);
	for (size_t i = 0; i < d->nr_tasks && !e; i++)
		e = write_task(d, i, dirfd, exe_id[i]);
	free(ti);
	free(parent);
	free(exe_id);
	return e;
}

static struct err *unit_images(struct dump *d)
{
	int dirfd = staging_dirfd(d->staging);
	struct file_table *ft;

	TRY(uptime_us(&d->dump_uptime_us));
	TRY(file_table_create(&ft));
	struct err *e = write_tasks(d, dirfd, ft);

	file_table_destroy(ft);
	TRY(staging_advise(e, dirfd, 0));
	TRY(staging_advise(img_inventory_write(dirfd, d->dump_uptime_us), dirfd, 0));
	return staging_advise(write_stats(d, dirfd), dirfd, 0);
}

static struct err *unit_check(struct dump *d)
{
	struct verify_report r;
	struct err *e = verify_dirfd(staging_dirfd(d->staging), &r);

	if (!e && r.pages_present != d->xfer.pages)
		e = err_new(ERR_CHECK, "the images hold %llu pages, %llu were transferred",
			    (unsigned long long)r.pages_present, (unsigned long long)d->xfer.pages);
	verify_report_deinit(&r);
	return err_hint(err_wrap(e, "check the images before they are published"),
			"nothing is published; this is a fault of stepdump: `snap save FILE` keeps the "
			"evidence, `restart` begins again");
}

static struct err *unit_publish(struct dump *d)
{
	char *staged = strdup(staging_path(d->staging));

	if (!staged)
		return err_nomem();
	struct err *e = staging_publish(d->staging, d->commit_to);

	if (!e) {
		d->committed = strdup(staging_path(d->staging));
		e = keeper_litter_del(d->keeper, staged);
		e = err_first(e, staging_discard(d->staging));
		d->staging = NULL;
	}
	free(staged);
	return e;
}

static struct err *unit_protect(struct dump *d)
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

static struct err *unit_cure(struct dump *d)
{
	struct err *e = NULL;

	for (size_t i = 0; i < d->nr_tasks; i++)
		e = err_first(e, target_cure(d->task[i].t));
	return e;
}

static const struct {
	const char *what;
	struct err *(*run)(struct dump *d);
} units[] = {
	{ "write the other images", unit_images },
	{ "check the images", unit_check },
	{ "publish", unit_publish },
	{ "restore protections", unit_protect },
	{ "cure", unit_cure },
};

static void reset_next(struct dump *d, struct unit *u)
{
	u->what = units[d->unit].what;
}

static struct err *reset_step(struct dump *d, bool bulk)
{
	TRY(units[d->unit].run(d));
	if (++d->unit == sizeof(units) / sizeof(units[0])) {
		d->unit = 0;
		d->phase = PH(DONE);
	}
	return NULL;
}

static void reset_summary(const struct dump *d, const struct unit *u, char *buf, size_t len)
{
	if (d->phase == PH(DONE))
		snprintf(buf, len, "images checked, durable, published at %s; protections restored, cured",
			 d->committed);
	else
		snprintf(buf, len, "%s: done", u->what);
}

const struct phase_ops ph_reset = {
	.phase = PH(RESET),
	.name = "reset",
	.unit = "one step: write the other images, check, publish, unprotect, cure",
	.effect = "protections and registers as before we came; one mapping gone",
	.undo = false,
	.mirrors = "task_reset_dirty_track, cr_dump_finish",
	.next = reset_next,
	.step = reset_step,
	.summary = reset_summary,
};
