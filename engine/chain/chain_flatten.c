/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/chain/chain_flatten.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/vec.h"
#include "engine/chain/chain_copy.h"
#include "engine/image/image_dir.h"
#include "engine/image/flatdir.h"
#include "engine/image/generations.h"
#include "engine/image/parent_link.h"
#include "engine/image/staging.h"
#include "engine/image/verify.h"
#include "engine/proc/vma.h"
#include "proto/message.h"

struct flatten {
	struct chain_copy c;
	bool convert;  /* holes stay holes */
	char *parent;  /* and lead there: a real path; NULL: there are none */
	uint64_t need; /* bytes of the pages files begun so far */
	Stepdump__FlattenReport *r;
};

/* ---- pagemaps ------------------------------------------------------------------------------ */

struct flat_object {
	struct flatten *f;
	struct page_read *pr;
	struct chain_reader reader;
	struct pagemap_writer w;
	int pages_fd;
	uint64_t start, nr_pages; /* entry that grows; nr_pages 0: none */
	uint32_t flags;
	Stepdump__FlattenObject *o;
};

static struct err *end_entry(struct flat_object *fo)
{
	uint64_t n = fo->nr_pages;

	fo->nr_pages = 0;
	return n ? pagemap_writer_add(&fo->w, fo->start, n, fo->flags) : NULL;
}

static struct err *copy_unpacked(struct flat_object *fo, const struct chain_run *run)
{
	struct flatten *f = fo->f;

	for (uint64_t off = 0, len = run->end - run->start; off < len; off += CHAIN_COPY_BLOCK) {
		size_t n = len - off < CHAIN_COPY_BLOCK ? len - off : CHAIN_COPY_BLOCK;

		TRY(chain_check_stop(f->c.stop));
		TRY(chain_reader_read(&fo->reader, run, off, f->c.buf, n));
		if (write_full(fo->pages_fd, f->c.buf, n) < 0)
			return err_sys(errno, "write images");
	}
	return NULL;
}

static struct err *add_run(struct flat_object *fo, const struct chain_run *run)
{
	uint64_t nr = (run->end - run->start) / PAGE_BYTES;
	const struct chain_file *file;

	if (fo->nr_pages && (fo->start + fo->nr_pages * PAGE_BYTES != run->start ||
			     fo->flags != run->place.flags || fo->nr_pages + nr > UINT32_MAX))
		TRY(end_entry(fo));
	if (!fo->nr_pages) {
		fo->start = run->start;
		fo->flags = run->place.flags;
	}
	fo->nr_pages += nr;
	TRY(chain_reader_file(&fo->reader, &run->place, &file));
	struct err *e = file->pages.pi->packed ?
				copy_unpacked(fo, run) :
				chain_copy_range(&fo->f->c, file->pages.fd, run->place.off,
						 run->end - run->start, fo->pages_fd);

	TRY(err_wrap(e, "%s/pages-%u.img", page_read_dir(fo->pr, run->place.generation),
		     run->place.pages_id));
	fo->o->pages += nr;
	if (run->place.generation)
		fo->o->pages_from_parents += nr;
	if (run->place.generation >= fo->o->generations)
		fo->o->generations = run->place.generation + 1;
	return NULL;
}

static struct err *add_all(struct flat_object *fo)
{
	const struct pagemap_image *pi = page_read_image(fo->pr, 0);

	for (size_t i = 0; i < pi->nr; i++)
		if (!fo->f->convert || pi->e[i].flags & PE_PRESENT)
			fo->f->need += pi->e[i].nr_pages * PAGE_BYTES;
	for (size_t i = 0; i < pi->nr; i++) {
		uint64_t at = pi->e[i].vaddr, end = pagemap_entry_end(&pi->e[i]);

		if (fo->f->convert && !(pi->e[i].flags & PE_PRESENT)) {
			TRY(end_entry(fo));
			TRY(pagemap_writer_add(&fo->w, at, pi->e[i].nr_pages, pi->e[i].flags));
			fo->o->holes += pi->e[i].nr_pages;
			continue;
		}
		while (at < end) {
			struct chain_run run;

			TRY(chain_run_at(fo->pr, at, end, &run));
			TRY(add_run(fo, &run));
			at = run.end;
		}
	}
	return end_entry(fo);
}

static struct err *write_object(struct flat_object *fo, const char *name)
{
	uint32_t pages_id = page_read_image(fo->pr, 0)->pages_id;
	char pages[32];
	struct err *e;

	snprintf(pages, sizeof(pages), "pages-%u.img", pages_id);
	fo->pages_fd = create_private(fo->f->c.to, pages, O_WRONLY | O_EXCL);
	if (fo->pages_fd < 0)
		return err_sys(errno, "create %s", pages);
	e = pagemap_writer_open(&fo->w, fo->f->c.to, name, pages_id);
	fo->w.in_parent = fo->f->convert;
	if (!e) {
		e = add_all(fo);
		fo->o->entries = fo->w.nr;
		if (e)
			pagemap_writer_abandon(&fo->w);
		else
			e = pagemap_writer_close(&fo->w);
	}
	if (close(fo->pages_fd) && errno != EINTR)
		e = err_first(e, err_sys(errno, "close %s", pages));
	return e;
}

static struct err *flatten_object(struct flatten *f, const char *name)
{
	struct flat_object fo = { .f = f };
	struct err *e;

	TRY(page_read_open(f->c.from, name, &fo.pr));
	e = chain_reader_init(&fo.reader, fo.pr);
	if (!e) {
		fo.o = msg_push(&f->r->objects, &f->r->n_objects, sizeof(*fo.o));
		stepdump__flatten_object__init(fo.o);
		fo.o->name = xstrdup(name);
		fo.o->entries_before = page_read_image(fo.pr, 0)->nr;
		e = write_object(&fo, name);
		f->r->pages += fo.o->pages;
		f->r->pages_from_parents += fo.o->pages_from_parents;
	}
	chain_reader_deinit(&fo.reader);
	page_read_close(fo.pr);
	return err_wrap(e, "%s", name);
}

/* ---- the directory ------------------------------------------------------------------------- */

static bool is_pages_file(const char *name)
{
	unsigned id;
	int len = 0;

	return sscanf(name, "pages-%u.img%n", &id, &len) == 1 && len && !name[len];
}

static struct err *flatten_entry(void *arg, int dirfd, const char *name)
{
	struct flatten *f = arg;
	uint64_t id;
	const struct image_desc *d = image_desc_by_name(name, &id);

	if (!strcmp(name, "parent") || is_pages_file(name))
		return NULL;
	if (d && (d->kind == IMG_PAGEMAP || d->kind == IMG_SHMEM_PAGEMAP))
		return flatten_object(f, name);
	if (d && d->kind == IMG_INVENTORY) {
		f->r->files_copied++;
		return chain_copy_inventory(&f->c);
	}
	TRY(chain_copy_file(&f->c, name));
	f->r->files_copied++;
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	const Stepdump__FlattenObject *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* What `verify` refuses is not made into a set that looks well. */
static struct err *flatten_check(const struct flatten *f)
{
	struct verify_report report;
	struct err *e = verify_dirfd(f->c.from, VERIFY_SPARSE, &report);
	uint64_t elsewhere = report.pages_at_server;
	size_t unreadable = report.nr_unreadable;

	if (!e && !elsewhere && !report.pagemaps)
		e = err_new(ERR_CHECK,
			    "it has no pagemap: its pages are elsewhere, perhaps at a page server");
	verify_report_deinit(&report);
	if (!e && unreadable)
		return err_hint(
			err_new(ERR_CHECK, "this user may not read %zu of its files", unreadable),
			"run it as root, or as the user who made the dump; nothing was written");
	if (e)
		return err_hint(err_wrap(e, "it is not a good image set"),
				"`verify` tells what is wrong with it; nothing was written");
	if (elsewhere)
		return err_hint(
			err_new(ERR_CHECK, "%lu of its pages are at a page server", elsewhere),
			"`verify` says at which; flatten it there, beside the pages; "
			"nothing was written");
	return NULL;
}

static struct err *flatten_fill(struct flatten *f)
{
	struct verify_report report;
	struct parent_info info;

	TRY(flatdir_each(f->c.from, f->c.name, flatten_entry, f));
	vec_sort(f->r->objects, f->r->n_objects, by_name);
	struct err *e = verify_dirfd(f->c.to, 0, &report);

	f->r->restore = report.restore ? xstrdup(report.restore) : NULL;
	verify_report_deinit(&report);
	TRY(err_hint(err_wrap(e, "the result is not a good image set"),
		     "`verify` tells what is wrong with the chain"));
	TRY(parent_info_read(f->c.to, &info));
	SET(f->r, pre_dump, info.img_version == 0);
	return NULL;
}

static struct err *link_parent(struct flatten *f, struct staging *st, const char *dir)
{
	AUTO_FREE char *target = parent_link(f->parent, staging_path(st), dir);

	f->r->parent = xstrdup(f->parent);
	if (symlinkat(target, f->c.to, "parent"))
		return err_sys(errno, "make the parent link to %s", target);
	return NULL;
}

/* Where holes lead to afterwards: a real path; NULL: nowhere. */
static struct err *find_parent(struct flatten *f, const struct image_dir *set, const char *parent)
{
	AUTO_GENERATIONS struct generations at = { .dirfd = -1 };

	if (parent) {
		f->parent = realpath(parent, NULL);
		return f->parent ? NULL : err_sys(errno, "find the parent images %s", parent);
	}
	TRY(generations_begin(&at, f->c.from));
	if (generations_up(&at) != PARENT_OPEN)
		return NULL;
	if (set->archive)
		return err_hint(err_new(ERR_STATE, "its parent is in the archive too"),
				"--parent DIR names one outside; or `flatten` it");
	f->parent = generations_path(&at);
	return NULL;
}

static struct err *stage_and_publish(struct flatten *f, struct staging *st, const char *dir)
{
	struct err *e = NULL;

	f->c.to = staging_dirfd(st);
	if (f->parent)
		e = link_parent(f, st, dir);
	if (!e)
		e = flatten_fill(f);
	e = staging_advise(e, f->c.to, f->need);
	if (!e)
		e = chain_check_stop(f->c.stop);
	if (!e)
		e = staging_publish(st, dir);
	if (!e)
		f->r->dir = xstrdup(staging_path(st));
	return err_first(e, staging_discard(st));
}

static struct err *flatten_from(struct flatten *f, const char *chain, const char *dir,
				const char *parent, struct keeper *k, chain_stop_t stop,
				Stepdump__FlattenReport **ret)
{
	const struct staging_guard keeper = { k ? keeper_litter : NULL, k };
	AUTO_IMAGE_DIR struct image_dir set = IMAGE_DIR_INIT;
	struct parent_info info;
	struct staging *st;

	TRY(image_dir_open(chain, PAGES_ALL, 0, stop, &set));
	f->c.name = chain;
	f->c.from = set.dirfd;
	TRY(flatten_check(f));
	TRY(parent_info_read(f->c.from, &info));
	f->c.old = info.img_version == 1;
	if (f->convert)
		TRY(find_parent(f, &set, parent));
	TRY(staging_create(dir, keeper, &st));

	Stepdump__FlattenReport *r = xzalloc(sizeof(*r));

	stepdump__flatten_report__init(r);
	r->chain = xstrdup(chain);
	if (f->convert)
		SET(r, converted, true);
	f->c.stop = stop;
	f->r = r;

	struct err *e = stage_and_publish(f, st, dir);

	if (e)
		stepdump__flatten_report__free_unpacked(r, NULL);
	else
		*ret = r;
	return e;
}

struct err *chain_flatten(const char *chain, const char *dir, struct keeper *k, chain_stop_t stop,
			  Stepdump__FlattenReport **ret)
{
	AUTO_FREE struct flatten *f = xzalloc(sizeof(*f));

	return err_wrap(flatten_from(f, chain, dir, NULL, k, stop, ret), "flatten %s", chain);
}

struct err *chain_convert(const char *set, const char *dir, const char *parent, struct keeper *k,
			  chain_stop_t stop, Stepdump__FlattenReport **ret)
{
	AUTO_FREE struct flatten *f = xzalloc(sizeof(*f));

	f->convert = true;

	struct err *e = flatten_from(f, set, dir, parent, k, stop, ret);

	free(f->parent);
	return err_wrap(e, "convert %s", set);
}
