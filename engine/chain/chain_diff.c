/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/chain/chain_diff.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/chain/chain_rows.h"
#include "engine/image/image_dir.h"
#include "engine/image/image_set.h"
#include "engine/proc/vma.h"
#include "proto/message.h"

#define BLOCK_PAGES 64u

/* One directory, and one object in it. */
struct side {
	int dirfd;
	struct page_read *pr; /* NULL: it does not have the object */
	struct chain_reader reader;
	size_t entry;        /* of generation 0: the cursor */
	uint64_t start, end; /* what is left of that entry; start UINT64_MAX: none */
};

struct diff {
	struct side old_side, new_side;
	chain_stop_t stop;
	struct chain_rows rows;
	size_t row; /* the cursor */
	Stepdump__DiffObject *o;
	Stepdump__DiffVma *vma; /* the message of rows.row[row]; NULL: none yet */
	uint8_t old_buf[BLOCK_PAGES * PAGE_BYTES_MAX], new_buf[BLOCK_PAGES * PAGE_BYTES_MAX];
};

/* ---- what a side has ----------------------------------------------------------------------- */

static void side_load(struct side *s)
{
	const struct pagemap_image *pi = s->pr ? page_read_image(s->pr, 0) : NULL;

	if (pi && s->entry < pi->nr) {
		s->start = pi->e[s->entry].vaddr;
		s->end = pagemap_entry_end(&pi->e[s->entry]);
	} else {
		s->start = s->end = UINT64_MAX;
	}
}

static struct err *side_open(struct side *s, const char *name)
{
	TRY(page_read_open_some(s->dirfd, name, &s->pr));
	s->entry = 0;
	side_load(s);
	return chain_reader_init(&s->reader, s->pr);
}

static void side_close(struct side *s)
{
	chain_reader_deinit(&s->reader);
	page_read_close(s->pr);
	s->pr = NULL;
}

static void side_advance(struct side *s, uint64_t to)
{
	if (s->start >= to)
		return;
	s->start = to;
	if (s->start == s->end) {
		s->entry++;
		side_load(s);
	}
}

/* ---- counting ------------------------------------------------------------------------------ */

/* Of the current row, for pages in [start, end). */
static Stepdump__DiffVma *row_message(struct diff *d, uint64_t start, uint64_t end)
{
	static const char *const mapped[] = { "both", "old", "new", "unknown" };
	const struct chain_row *r = &d->rows.row[d->row];

	if (d->vma) {
		if (!r->vma)
			d->vma->end = end;
		return d->vma;
	}
	d->vma = msg_push(&d->o->vmas, &d->o->n_vmas, sizeof(*d->vma));
	stepdump__diff_vma__init(d->vma);
	/* Where nothing is known to be mapped, the pages themselves are the range. */
	d->vma->start = r->vma ? r->start : start;
	d->vma->end = r->vma ? r->end : end;
	d->vma->mapped = xstrdup(mapped[r->mapped]);
	if (r->vma) {
		char prot[5];

		chain_vma_prot(r->vma, prot);
		d->vma->prot = xstrdup(prot);
		d->vma->kind = xstrdup(chain_vma_kind(r->vma));
	}
	return d->vma;
}

/* Same bytes on disk: nothing to compare. */
static struct err *is_same_place(struct diff *d, const struct chain_run *a,
				 const struct chain_run *b, bool *ret)
{
	const struct chain_file *x, *y;

	TRY(chain_reader_file(&d->old_side.reader, &a->place, &x));
	TRY(chain_reader_file(&d->new_side.reader, &b->place, &y));
	*ret = x->dev == y->dev && x->ino == y->ino && a->place.off == b->place.off;
	return NULL;
}

/*
 * A side that lacks bytes - its chain is broken, a file is cut - costs these pages, and no more.
 * Takes `e`, unless it is one that ends the work.
 */
static struct err *diff_absorb(struct diff *d, struct err *e, uint64_t start, uint64_t nr_pages)
{
	Stepdump__DiffVma *v;

	if (!e || e->code == ERR_INTERRUPTED)
		return e;
	v = row_message(d, start, start + nr_pages * PAGE_BYTES);
	SET(v, unknown, v->unknown + nr_pages);
	if (!d->o->trouble)
		d->o->trouble = err_text(e);
	err_free(e);
	return NULL;
}

static struct err *diff_block(struct diff *d, const struct chain_run *a, const struct chain_run *b,
			      uint64_t off, size_t len, uint64_t *changed)
{
	TRY(chain_reader_read(&d->old_side.reader, a, off, d->old_buf, len));
	TRY(chain_reader_read(&d->new_side.reader, b, off, d->new_buf, len));
	for (size_t i = 0; i < len; i += PAGE_BYTES)
		*changed += memcmp(d->old_buf + i, d->new_buf + i, PAGE_BYTES) != 0;
	return NULL;
}

static struct err *diff_run(struct diff *d, const struct chain_run *a, const struct chain_run *b,
			    uint64_t nr_pages)
{
	Stepdump__DiffVma *v = row_message(d, a->start, a->start + nr_pages * PAGE_BYTES);
	uint64_t changed = 0, lost = 0;
	bool same;

	struct err *e = is_same_place(d, a, b, &same);

	if (e)
		return diff_absorb(d, e, a->start, nr_pages);
	for (uint64_t page = 0; page < nr_pages && !same;) {
		uint64_t n = nr_pages - page < BLOCK_PAGES ? nr_pages - page : BLOCK_PAGES;

		TRY(chain_check_stop(d->stop));
		e = diff_block(d, a, b, page * PAGE_BYTES, n * PAGE_BYTES, &changed);
		if (e) {
			TRY(diff_absorb(d, e, a->start + page * PAGE_BYTES, n));
			lost += n;
		}
		page += n;
	}
	if (!same)
		d->o->compared += nr_pages - lost;
	v->changed += changed;
	v->same += nr_pages - lost - changed;
	return NULL;
}

/* Both have [start, end), which lies in one row. */
static struct err *diff_range(struct diff *d, uint64_t start, uint64_t end)
{
	while (start < end) {
		struct chain_run a, b;

		struct err *e = chain_run_at(d->old_side.pr, start, end, &a);

		if (!e)
			e = chain_run_at(d->new_side.pr, start, end, &b);
		if (e) {
			TRY(diff_absorb(d, e, start, 1));
			start += PAGE_BYTES;
			continue;
		}
		uint64_t to = a.end < b.end ? a.end : b.end;

		TRY(diff_run(d, &a, &b, (to - start) / PAGE_BYTES));
		start = to;
	}
	return NULL;
}

static struct err *count_range(struct diff *d, uint64_t start, uint64_t end, bool in_old,
			       bool in_new)
{
	while (start < end) {
		while (d->rows.row[d->row].end <= start) {
			d->row++;
			d->vma = NULL;
		}
		uint64_t row_end = d->rows.row[d->row].end, to = end < row_end ? end : row_end;

		if (in_old && in_new)
			TRY(diff_range(d, start, to));
		else if (in_old)
			row_message(d, start, to)->gone += (to - start) / PAGE_BYTES;
		else
			row_message(d, start, to)->added += (to - start) / PAGE_BYTES;
		start = to;
	}
	return NULL;
}

/* Both lists of entries ascend, so this is a merge. */
static struct err *diff_walk(struct diff *d)
{
	struct side *a = &d->old_side, *b = &d->new_side;

	while (a->start != UINT64_MAX || b->start != UINT64_MAX) {
		uint64_t at = a->start < b->start ? a->start : b->start;
		bool in_old = a->start == at, in_new = b->start == at;
		uint64_t end = in_old ? a->end : a->start;
		uint64_t b_end = in_new ? b->end : b->start;

		if (b_end < end)
			end = b_end;
		TRY(chain_check_stop(d->stop));
		TRY(count_range(d, at, end, in_old, in_new));
		if (in_old)
			side_advance(a, end);
		if (in_new)
			side_advance(b, end);
	}
	return NULL;
}

/* ---- objects ------------------------------------------------------------------------------- */

static struct err *diff_rows(struct diff *d, const struct chain_object *obj)
{
	Criu__MmEntry *old_mm = NULL, *new_mm = NULL;
	struct err *e = NULL;

	if (!obj->is_shmem) {
		e = chain_read_mm(d->old_side.dirfd, obj->id, &old_mm);
		if (!e)
			e = chain_read_mm(d->new_side.dirfd, obj->id, &new_mm);
	}
	/* A task that is on one side only has its VMAs there. */
	if (!e)
		e = chain_rows_make(old_mm, new_mm, &d->rows);
	d->row = 0;
	d->vma = NULL;
	if (!e)
		e = diff_walk(d);
	chain_rows_deinit(&d->rows);
	if (old_mm)
		criu__mm_entry__free_unpacked(old_mm, NULL);
	if (new_mm)
		criu__mm_entry__free_unpacked(new_mm, NULL);
	return e;
}

static void diff_sum_up(Stepdump__DiffReport *r, Stepdump__DiffObject *o)
{
	for (size_t i = 0; i < o->n_vmas; i++) {
		o->added += o->vmas[i]->added;
		o->gone += o->vmas[i]->gone;
		o->changed += o->vmas[i]->changed;
		o->same += o->vmas[i]->same;
		if (o->vmas[i]->unknown)
			SET(o, unknown, o->unknown + o->vmas[i]->unknown);
	}
	r->added += o->added;
	r->gone += o->gone;
	r->changed += o->changed;
	r->same += o->same;
	if (o->unknown)
		SET(r, unknown, r->unknown + o->unknown);
}

/* ---- what maps a shared object --------------------------------------------------------------- */

static void mappings_of_task(struct diff *d, struct set_memory *m, uint64_t wanted)
{
	for (size_t i = 0; i < m->vmas.nr; i++) {
		const struct vma *v = &m->vmas.v[i];
		uint64_t shmid;
		char prot[5];

		if (!set_memory_shmid(m, v, &shmid) || shmid != wanted)
			continue;
		vma_prot_str(v->prot, v->vmf & VMF_SHARED, prot);

		AUTO_FREE char *text = xasprintf("%u %lx-%lx %s %s", m->pid, v->start, v->end, prot,
						 *v->name ? v->name : vma_kind(v));

		msg_push_text(&d->o->mappings, &d->o->n_mappings, text);
	}
}

/* A set without mappings, as a pre-dump is, cannot tell: no trouble. */
static void diff_mappings(struct diff *d, const struct side *s, uint64_t shmid)
{
	struct image_set *set = NULL;
	AUTO_ERR struct err *e = image_set_open(s->dirfd, "", &set);

	for (size_t i = 0; !e && i < set->nr_tasks; i++) {
		struct set_memory *m = NULL;
		AUTO_ERR struct err *no = set_memory_open(set, set->task[i].pid, &m);

		if (!no)
			mappings_of_task(d, m, shmid);
		set_memory_close(m);
	}
	image_set_close(set);
}

static Stepdump__DiffObject *diff_push_object(struct diff *d, const struct chain_object *obj,
					      Stepdump__DiffReport *r)
{
	Stepdump__DiffObject *o = msg_push(&r->objects, &r->n_objects, sizeof(*o));

	stepdump__diff_object__init(o);
	o->name = xstrdup(obj->name);
	if (obj->is_shmem)
		SET(o, shmid, obj->id);
	else
		SET(o, pid, (uint32_t)obj->id);
	o->in_old = d->old_side.pr != NULL;
	o->in_new = d->new_side.pr != NULL;
	SET(o, compared, 0);
	d->o = o;
	if (obj->is_shmem) {
		diff_mappings(d, &d->new_side, obj->id);
		if (!o->n_mappings)
			diff_mappings(d, &d->old_side, obj->id);
	}
	return o;
}

static struct err *diff_object(struct diff *d, const struct chain_object *obj,
			       Stepdump__DiffReport *r)
{
	struct err *e = side_open(&d->old_side, obj->name);

	if (!e)
		e = side_open(&d->new_side, obj->name);
	if (e && e->code != ERR_INTERRUPTED) {
		Stepdump__DiffObject *o = diff_push_object(d, obj, r);

		o->trouble = err_text(e);
		err_free(e);
		e = NULL;
	} else if (!e) {
		d->o = diff_push_object(d, obj, r);
		e = diff_rows(d, obj);
		diff_sum_up(r, d->o);
	}
	side_close(&d->old_side);
	side_close(&d->new_side);
	return err_wrap(e, "%s", obj->name);
}

static struct err *diff_all(struct diff *d, const char *old_dir, const char *new_dir, pid_t pid,
			    Stepdump__DiffReport *r)
{
	struct chain_objects l = { 0 };
	struct err *e = chain_objects_add(&l, d->old_side.dirfd, old_dir, pid);

	if (!e)
		e = chain_objects_add(&l, d->new_side.dirfd, new_dir, pid);
	if (!e && !l.nr)
		e = pid ? err_new(ERR_USAGE, "neither %s nor %s has a pagemap of task %d", old_dir,
				  new_dir, pid) :
			  err_new(ERR_USAGE, "neither %s nor %s has a pagemap", old_dir, new_dir);
	for (size_t i = 0; i < l.nr && !e; i++)
		e = diff_object(d, &l.o[i], r);
	chain_objects_deinit(&l);
	return e;
}

struct err *chain_diff(const char *old_dir, const char *new_dir, pid_t pid, chain_stop_t stop,
		       Stepdump__DiffReport **ret)
{
	AUTO_FREE struct diff *d = xzalloc(sizeof(*d));
	AUTO_IMAGE_DIR struct image_dir old_set = IMAGE_DIR_INIT, new_set = IMAGE_DIR_INIT;
	enum image_dir_pages pages = pid ? PAGES_OF_TASK : PAGES_ALL;

	TRY(image_dir_open(old_dir, pages, (uint32_t)pid, stop, &old_set));
	TRY(image_dir_open(new_dir, pages, (uint32_t)pid, stop, &new_set));
	d->stop = stop;
	d->old_side.dirfd = old_set.dirfd;
	d->new_side.dirfd = new_set.dirfd;

	Stepdump__DiffReport *r = xzalloc(sizeof(*r));

	stepdump__diff_report__init(r);
	r->old_dir = xstrdup(old_dir);
	r->new_dir = xstrdup(new_dir);

	struct err *e = diff_all(d, old_dir, new_dir, pid, r);

	if (e)
		stepdump__diff_report__free_unpacked(r, NULL);
	else
		*ret = r;
	return err_wrap(e, "diff");
}
