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
#include "engine/image/image_dir.h"
#include "engine/image/flatdir.h"
#include "engine/image/staging.h"
#include "engine/image/verify.h"
#include "engine/proc/vma.h"
#include "proto/inventory.pb-c.h"
#include "proto/message.h"

#define VERSION_COMPRESSED 3u
#define INVENTORY_COMPRESS 15u /* and the fields after it */
#define BLOCK (256u * 1024u)
/* Between two checks for an interrupt. */
#define COPY_AT_ONCE (64u * 1024u * 1024u)

struct flatten {
	const char *chain;
	int from, to;
	chain_stop_t stop;
	uint64_t need; /* bytes of the pages files begun so far */
	Stepdump__FlattenReport *r;
	uint8_t buf[BLOCK];
};

/* ---- bytes --------------------------------------------------------------------------------- */

static bool cannot_copy_in_kernel(int why)
{
	return why == EXDEV || why == EINVAL || why == EOPNOTSUPP || why == ENOSYS || why == EPERM;
}

/* Appends [off, off + len) of `in` to `out`; in the kernel where the file systems can. */
static struct err *copy_range(struct flatten *f, int in, uint64_t off, uint64_t len, int out)
{
	bool in_kernel = true;
	off_t at = (off_t)off;

	while (len) {
		size_t n_max = in_kernel ? COPY_AT_ONCE : BLOCK;
		size_t want = len < n_max ? len : n_max;
		ssize_t n;

		TRY(chain_check_stop(f->stop));
		if (in_kernel) {
			n = RETRY(copy_file_range(in, &at, out, NULL, want, 0));
			if (n < 0 && cannot_copy_in_kernel(errno)) {
				in_kernel = false;
				continue;
			}
			if (n < 0)
				return err_sys(errno, "copy images");
		} else {
			n = pread_full(in, f->buf, want, at);
			if (n < 0)
				return err_sys(errno, "read images");
			if (write_full(out, f->buf, (size_t)n) < 0)
				return err_sys(errno, "write images");
			at += n;
		}
		if (!n)
			return err_new(ERR_CHECK, "the file ends at byte %ld, %lu bytes too early",
				       at, len);
		len -= (uint64_t)n;
	}
	return NULL;
}

/* Holes of a file stay holes: a small file may claim to be terabytes long. */
static struct err *copy_data(struct flatten *f, int in, uint64_t size, int out)
{
	off_t at = 0, hole;

	while ((at = lseek(in, at, SEEK_DATA)) >= 0 && (uint64_t)at < size) {
		hole = lseek(in, at, SEEK_HOLE);
		if (hole < 0 || lseek(out, at, SEEK_SET) < 0)
			return err_sys(errno, "find the data");
		if ((uint64_t)hole > size) /* it grows meanwhile */
			hole = (off_t)size;
		TRY(copy_range(f, in, (uint64_t)at, (uint64_t)(hole - at), out));
		at = hole;
	}
	if (at < 0 && errno != ENXIO)
		return err_sys(errno, "find the data");
	return ftruncate(out, (off_t)size) ? err_sys(errno, "set the length") : NULL;
}

static struct err *copy_file(struct flatten *f, const char *name)
{
	AUTO_CLOSE int in = -1;
	uint64_t size;

	TRY(err_wrap(image_open_file(f->from, name, &in, &size), "%s", f->chain));
	int out = create_private(f->to, name, O_WRONLY | O_EXCL);
	if (out < 0)
		return err_sys(errno, "create %s", name);
	struct err *e = err_wrap(copy_data(f, in, size, out), "copy %s", name);
	if (close(out) && errno != EINTR)
		e = err_first(e, err_sys(errno, "close %s", name));
	return e;
}

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

	for (uint64_t off = 0, len = run->end - run->start; off < len; off += BLOCK) {
		size_t n = len - off < BLOCK ? len - off : BLOCK;

		TRY(chain_check_stop(f->stop));
		TRY(chain_reader_read(&fo->reader, run, off, f->buf, n));
		if (write_full(fo->pages_fd, f->buf, n) < 0)
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
	struct err *e = file->pages.pi->packed ? copy_unpacked(fo, run) :
						 copy_range(fo->f, file->pages.fd, run->place.off,
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
		fo->f->need += pi->e[i].nr_pages * PAGE_BYTES;
	for (size_t i = 0; i < pi->nr; i++) {
		uint64_t at = pi->e[i].vaddr, end = pagemap_entry_end(&pi->e[i]);

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
	fo->pages_fd = create_private(fo->f->to, pages, O_WRONLY | O_EXCL);
	if (fo->pages_fd < 0)
		return err_sys(errno, "create %s", pages);
	e = pagemap_writer_open(&fo->w, fo->f->to, name, pages_id);
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

	TRY(page_read_open(f->from, name, &fo.pr));
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

/* Pages are written uncompressed: image version 3, and what it says of compression, would be wrong. */
static struct err *flatten_inventory(struct flatten *f)
{
	ProtobufCMessage *m;

	TRY(image_read_one(f->from, "inventory.img", IMG_INVENTORY, &m));

	Criu__InventoryEntry *inv = (Criu__InventoryEntry *)m;
	struct err *e;
	unsigned kept = 0, all = m->n_unknown_fields;

	if (inv->img_version == VERSION_COMPRESSED) {
		inv->img_version = VERSION_COMPRESSED - 1;
		for (unsigned i = 0; i < all; i++)
			if (m->unknown_fields[i].tag < INVENTORY_COMPRESS) {
				ProtobufCMessageUnknownField u = m->unknown_fields[i];

				m->unknown_fields[i] = m->unknown_fields[kept];
				m->unknown_fields[kept++] = u;
			}
		m->n_unknown_fields = kept;
		e = image_write_one(f->to, IMG_INVENTORY, 0, m);
		m->n_unknown_fields = all; /* they are freed with it */
	} else {
		e = copy_file(f, "inventory.img");
	}
	f->r->files_copied++;
	protobuf_c_message_free_unpacked(m, NULL);
	return e;
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
	if (d && d->kind == IMG_INVENTORY)
		return flatten_inventory(f);
	TRY(copy_file(f, name));
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
	struct err *e = verify_dirfd(f->from, VERIFY_SPARSE, &report);
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

	TRY(flatdir_each(f->from, f->chain, flatten_entry, f));
	vec_sort(f->r->objects, f->r->n_objects, by_name);
	struct err *e = verify_dirfd(f->to, 0, &report);

	verify_report_deinit(&report);
	TRY(err_hint(err_wrap(e, "the result is not a good image set"),
		     "`verify` tells what is wrong with the chain"));
	TRY(parent_info_read(f->to, &info));
	SET(f->r, pre_dump, info.img_version == 0);
	return NULL;
}

static struct err *stage_and_publish(struct flatten *f, struct staging *st, const char *dir)
{
	f->to = staging_dirfd(st);
	struct err *e = flatten_fill(f);
	e = staging_advise(e, f->to, f->need);
	if (!e)
		e = chain_check_stop(f->stop);
	if (!e)
		e = staging_publish(st, dir);
	if (!e)
		f->r->dir = xstrdup(staging_path(st));
	return err_first(e, staging_discard(st));
}

struct err *chain_flatten(const char *chain, const char *dir, struct keeper *k, chain_stop_t stop,
			  Stepdump__FlattenReport **ret)
{
	AUTO_FREE struct flatten *f = xzalloc(sizeof(*f));
	AUTO_IMAGE_DIR struct image_dir set = IMAGE_DIR_INIT;
	struct staging *st;

	TRY(err_wrap(image_dir_open(chain, PAGES_ALL, 0, stop, &set), "flatten %s", chain));
	f->chain = chain;
	f->from = set.dirfd;
	TRY(err_wrap(flatten_check(f), "flatten %s", chain));

	const struct staging_guard keeper = { k ? keeper_litter : NULL, k };
	TRY(err_wrap(staging_create(dir, keeper, &st), "flatten %s", chain));

	Stepdump__FlattenReport *r = xzalloc(sizeof(*r));

	stepdump__flatten_report__init(r);
	r->chain = xstrdup(chain);
	f->stop = stop;
	f->r = r;

	struct err *e = stage_and_publish(f, st, dir);

	if (e)
		stepdump__flatten_report__free_unpacked(r, NULL);
	else
		*ret = r;
	return err_wrap(e, "flatten %s", chain);
}
