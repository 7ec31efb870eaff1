/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/dump/dump_images.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/vec.h"
#include "engine/dump/img_task.h"
#include "engine/image/parent_link.h"
#include "engine/target/recheck.h"

/* ---- while the target is frozen -------------------------------------------------------------- */

void dump_images_add_guard(struct task_images *ti, uint64_t start, uint64_t end)
{
	struct guard_range *last = ti->nr_guards ? &ti->guard[ti->nr_guards - 1] : NULL;

	if (last && last->end == start)
		last->end = end;
	else
		*vec_push(ti->guard, ti->nr_guards) =
			(struct guard_range){ .start = start, .end = end };
}

static struct err *add_guard(void *arg, uint64_t start, uint64_t end)
{
	dump_images_add_guard(arg, start, end);
	return NULL;
}

static int guard_by_start(const void *a, const void *b)
{
	const struct guard_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* In order, those that touch as one; a commit that is tried again finds some a second time. */
static void sort_guards(struct task_images *ti)
{
	size_t to = 0;

	vec_sort(ti->guard, ti->nr_guards, guard_by_start);
	for (size_t i = 0; i < ti->nr_guards; i++) {
		struct guard_range *last = to ? &ti->guard[to - 1] : NULL;

		if (last && ti->guard[i].start <= last->end)
			last->end = ti->guard[i].end > last->end ? ti->guard[i].end : last->end;
		else
			ti->guard[to++] = ti->guard[i];
	}
	ti->nr_guards = to;
}

/* Those in memory that was scanned are known since then; the rest is not much. */
static struct err *collect_guards(struct dump *d, struct task_dump *td)
{
	const struct vma_list *l = &td->t->vmas;

	if (!d->caps->scan_guard)
		return NULL;
	if (!td->pmc.scan) {
		td->images.nr_guards = 0;
		return pagemap_scan_guards(td->t->pagemap_fd, 0, PAGEMAP_TASK_SIZE, add_guard,
					   &td->images);
	}
	for (size_t i = 0; i < l->nr; i++)
		if ((!vma_is_private(&l->v[i]) || dump_decides_alone(td, &l->v[i])) &&
		    l->v[i].end <= PAGEMAP_TASK_SIZE)
			TRY(pagemap_scan_guards(td->t->pagemap_fd, l->v[i].start, l->v[i].end,
						add_guard, &td->images));
	sort_guards(&td->images);
	return NULL;
}

static struct err *collect_task(struct dump *d, struct task_dump *td)
{
	TRY(recheck_end(td->t));
	TRY(FAULT_ERR(FILES_COLLECT,
		      file_table_add(d->files, &td->ti, &td->t->vmas, &td->images.exe_id)));
	return collect_guards(d, td);
}

struct err *dump_images_collect(struct dump *d)
{
	file_table_destroy(d->files);
	d->files = file_table_create();
	for (size_t i = 0; i < d->nr_tasks; i++)
		TRY(collect_task(d, &d->task[i]));
	return NULL;
}

/* ---- later ------------------------------------------------------------------------------------ */

static void fill_stats(const struct dump *d, Criu__DumpStatsEntry *st)
{
	criu__dump_stats_entry__init(st);
	st->freezing_time = (uint32_t)d->task[0].t->task.freezing_us;
	st->frozen_time = (uint32_t)target_frozen_us(d->task[0].t);
	st->memdump_time = (uint32_t)(d->times.scan + d->times.drain + d->times.memwrite);
	st->memwrite_time = (uint32_t)d->times.memwrite;
	st->pages_scanned = d->count.pages_scanned;
	st->pages_skipped_parent = dump_count(d, VD(HOLE));
	st->pages_written = d->xfer.pages - d->count.shpages_written;
	st->has_page_pipes = st->has_page_pipe_bufs = true;
	dump_pipes(d, &st->page_pipes, &st->page_pipe_bufs);
	st->has_shpages_scanned = st->has_shpages_skipped_parent = st->has_shpages_written = true;
	st->shpages_scanned = d->count.shpages_scanned;
	st->shpages_skipped_parent = d->count.shpages_skipped_parent;
	st->shpages_written = d->count.shpages_written;
}

static struct err *write_task(struct dump *d, size_t i, int dirfd)
{
	const struct task_dump *td = &d->task[i];

	TRY(img_core_write(dirfd, &td->ti));
	TRY(img_ids_write(dirfd, &td->ti, (uint32_t)i + 1));
	return img_mm_write(dirfd, &td->ti, &td->t->vmas, td->images.guard, td->images.nr_guards,
			    td->images.exe_id);
}

static struct err *write_tasks(struct dump *d, int dirfd)
{
	AUTO_FREE const struct task_info **ti = xcalloc(d->nr_tasks, sizeof(*ti));
	AUTO_FREE int *parent = xcalloc(d->nr_tasks, sizeof(*parent));

	for (size_t i = 0; i < d->nr_tasks; i++) {
		ti[i] = &d->task[i].ti;
		parent[i] = d->task[i].t->parent;
	}
	TRY(img_files_write(d->files, dirfd));
	TRY(img_pstree_write(dirfd, ti, parent, d->nr_tasks));
	for (size_t i = 0; i < d->nr_tasks; i++)
		TRY(write_task(d, i, dirfd));
	return NULL;
}

struct err *dump_images_link_parent(struct dump *d)
{
	int dirfd = staging_dirfd(d->staging);

	if (d->parent.dirfd < 0 || page_xfer_client(&d->xfer)) /* the server makes its own */
		return NULL;

	AUTO_FREE char *target =
		parent_link(d->parent.path, staging_path(d->staging), d->commit_to);

	if (unlinkat(dirfd, "parent", 0) && errno != ENOENT)
		return err_sys(errno, "replace the parent link");
	if (FAULT(PARENT_LINK, symlinkat(target, dirfd, "parent")))
		return err_sys(errno, "make the parent link to %s", target);
	return NULL;
}

static struct err *write_set(struct dump *d, int dirfd)
{
	Criu__DumpStatsEntry st;

	page_xfer_drop_unused(&d->xfer);
	TRY(dump_images_link_parent(d));
	if (d->opts->mode == MODE_PRE_DUMP) {
		TRY(img_pre_dump_inventory_write(dirfd, d->uptime_us,
						 d->opts->pre_dump == PRE_DUMP_READ ? 2 : 1));
	} else {
		TRY(write_tasks(d, dirfd));
		TRY(img_inventory_write(dirfd, d->uptime_us));
	}
	fill_stats(d, &st);
	d->stats_are_final = d->thawed;
	return img_stats_write(dirfd, &st);
}

struct err *dump_images_write(struct dump *d)
{
	int dirfd = staging_dirfd(d->staging);

	return staging_advise(write_set(d, dirfd), dirfd, 0);
}

/* ---- once the set is published ------------------------------------------------------------------ */

void dump_images_note_place(struct dump *d)
{
	struct stat st;

	d->place.known = !stat(d->committed, &st);
	d->place.dev = d->place.known ? st.st_dev : 0;
	d->place.ino = d->place.known ? st.st_ino : 0;
}

struct err *dump_images_finish(struct dump *d)
{
	Criu__DumpStatsEntry stats;
	struct stat st;

	if (!d->committed || d->stats_are_final || !d->place.known)
		return NULL;

	AUTO_CLOSE int dirfd = open(d->committed, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dirfd < 0 || fstat(dirfd, &st) || st.st_dev != d->place.dev ||
	    st.st_ino != d->place.ino)
		return NULL; /* removed, or moved, by its owner */
	AUTO_FREE char *new = xasprintf("%s/" IMG_STATS_NEW, d->committed);

	fill_stats(d, &stats);
	/* Removed, if we are killed meanwhile. */
	err_free(keeper_litter(d->keeper, new, true));

	struct err *e = FAULT_ERR(FINAL_TIMES, img_stats_replace(dirfd, &stats));

	err_free(keeper_litter(d->keeper, new, false));
	TRY(err_wrap(e, "put the final times into %s", d->committed));
	d->stats_are_final = true;
	return NULL;
}
