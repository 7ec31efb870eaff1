/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * reset: everything after the commit gate.  The images are completed, checked, made durable and
 * published; what a second try would need is undone only after that.
 * Mirrors: criu/mem.c task_reset_dirty_track(), criu/cr-dump.c cr_dump_finish(), criu/stats.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/undo.h"
#include "engine/dump/dump_images.h"
#include "engine/dump/phases.h"
#include "engine/image/verify.h"
#include "engine/target/parasite_rpc.h"

/* Sampled while the tasks are frozen: all later writes come after it. */
static struct err *reset_uptime(struct dump *d)
{
	d->thaw = dump_thaw_when(d);
	return FAULT_ERR(UPTIME, uptime_us(&d->uptime_us));
}

static struct err *reset_check(struct dump *d)
{
	struct verify_report r;
	struct err *e = verify_dirfd(staging_dirfd(d->staging), 0, &r);

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

/* What is renamed has to be on the disk before its name. */
static struct err *reset_sync(struct dump *d)
{
	return staging_sync(d->staging);
}

static struct err *reset_publish(struct dump *d)
{
	/* The pages first: with a page server they are not here. */
	TRY(page_xfer_commit(&d->xfer));
	/* Again, as this may be another try, with another directory. */
	TRY(dump_images_link_parent(d));
	TRY(staging_publish(d->staging, d->commit_to));
	d->committed = xstrdup(staging_path(d->staging));
	dump_images_note_place(d);
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
		dump_tell(
			d, PH(RESET), "%s",
			tracker_kind(td->tracker) == TRACK_SOFT_DIRTY ?
				"4 written to clear_refs: no page is soft-dirty any more" :
				"all pages are write-protected again (UFFDIO_WRITEPROTECT): clean");
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
		dump_tell_readable(d, td, PH(RESET), false);
		for (size_t k = 0; k < td->nr_readable; k++)
			undo_note(td->t->pid, "protection", "of %lx-%lx put back",
				  td->readable[k].start,
				  td->readable[k].start + td->readable[k].len);
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

static struct err *reset_thaw(struct dump *d)
{
	d->thawed = true;
	return dump_thaw(d);
}

static struct err *reset_transfer(struct dump *d)
{
	return dump_transfer_item(d, 0);
}

struct reset_unit {
	const char *what;
	struct err *(*run)(struct dump *d);
};

/* Nothing is reset before the set is published: a failed dump never loses a change. */
static const struct reset_unit dump_units[] = {
	{ "take the time", reset_uptime },
	{ "restore protections", reset_protect }, /* map_files has its old names again */
	{ "collect the other images", dump_images_collect },
	{ "write the other images", dump_images_write },
	{ "check the images", reset_check },
	{ "make the images durable (fsync)", reset_sync },
	{ "publish (rename)", reset_publish },
	{ "clear dirty tracking", reset_dirty },
	{ "cure", reset_cure },
	{ NULL, NULL },
};

/* The same, and the tasks run again without being detached from. */
static const struct reset_unit committed_units[] = {
	{ "take the time", reset_uptime },
	{ "restore protections", reset_protect },
	{ "collect the other images", dump_images_collect },
	{ "write the other images", dump_images_write },
	{ "check the images", reset_check },
	{ "make the images durable (fsync)", reset_sync },
	{ "publish (rename)", reset_publish },
	{ "clear dirty tracking", reset_dirty },
	{ "thaw", reset_thaw },
	{ NULL, NULL },
};

/*
 * All pages are in the files, if not yet on the disk.  What the tasks write from now on belongs to
 * the next dump, so tracking has to begin again while they stand.  It belongs to this set by its
 * dump_uptime: if the set is never published, no set fits it, and the next dump is a full one.
 */
static const struct reset_unit drained_units[] = {
	{ "take the time", reset_uptime },
	{ "restore protections", reset_protect },
	{ "collect the other images", dump_images_collect },
	{ "cure", reset_cure },
	{ "clear dirty tracking", reset_dirty },
	{ "thaw", reset_thaw },
	{ "write the other images", dump_images_write },
	{ "check the images", reset_check },
	{ "make the images durable (fsync)", reset_sync },
	{ "publish (rename)", reset_publish },
	{ NULL, NULL },
};

/* The same, but even the pages are written after the thaw. */
static const struct reset_unit pre_dump_units[] = {
	{ "take the time", reset_uptime },
	{ "restore protections", reset_protect },
	{ "cure", reset_cure },
	{ "clear dirty tracking", reset_dirty },
	{ "thaw", reset_thaw },
	{ "begin the transfer", reset_transfer },
	{ "write the other images", dump_images_write },
	{ "check the images", reset_check },
	{ "make the images durable (fsync)", reset_sync },
	{ "publish (rename)", reset_publish },
	{ NULL, NULL },
};

static const struct reset_unit *reset_this_unit(const struct dump *d)
{
	const struct reset_unit *units = dump_units;

	if (d->opts->mode == MODE_PRE_DUMP)
		units = pre_dump_units;
	else if (d->thaw == THAW_DRAINED)
		units = drained_units;
	else if (d->thaw == THAW_COMMITTED)
		units = committed_units;
	return &units[d->at.unit];
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
	.unit = "one step: unprotect, other images, checks, fsync, rename, clear dirty bits, cure",
	.effect = "dirty bits; protections, registers, mappings as before we came",
	.undo = false,
	.mirrors = "task_reset_dirty_track, cr_dump_finish",
	.next = reset_next,
	.step = reset_step,
	.summary = reset_summary,
};
