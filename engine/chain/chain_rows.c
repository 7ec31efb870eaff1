/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/chain/chain_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "engine/image/image.h"
#include "engine/proc/vma.h"

struct err *chain_read_mm(int dirfd, uint64_t pid, Criu__MmEntry **ret)
{
	char name[IMAGE_NAME_MAX];
	ProtobufCMessage *m = NULL;
	struct err *e = image_read_one(dirfd, image_name(IMG_MM, pid, name), IMG_MM, &m);

	if (e && e->sys_errno == ENOENT) {
		err_free(e);
		e = NULL;
	}
	if (!e)
		*ret = (Criu__MmEntry *)m;
	return e;
}

/* The VMAs of one image in turn; guard regions are marks inside of others. */
static const Criu__VmaEntry *next_vma(const Criu__MmEntry *mm, size_t *i)
{
	while (mm && *i < mm->n_vmas) {
		const Criu__VmaEntry *e = mm->vmas[(*i)++];

		if (!(e->status & VMA_AREA_GUARD))
			return e;
	}
	return NULL;
}

static struct err *check_order(const Criu__MmEntry *mm)
{
	uint64_t end = 0;
	size_t i = 0;

	for (const Criu__VmaEntry *e; (e = next_vma(mm, &i)); end = e->end)
		if (e->start < end || e->start >= e->end)
			return err_vaddr(
				err_new(ERR_CHECK, "the VMAs of the mm image are not in order"),
				e->start);
	return NULL;
}

static struct err *push(struct chain_rows *r, uint64_t start, uint64_t end, enum row_mapped mapped,
			const Criu__VmaEntry *vma)
{
	uint64_t at = r->nr ? r->row[r->nr - 1].end : 0;

	if (at < start)
		TRY(push(r, at, start, ROW_UNKNOWN, NULL));
	/* A power of two is full: the next one doubles. */
	if ((r->nr & (r->nr - 1)) == 0) {
		void *p = reallocarray(r->row, r->nr ? r->nr * 2 : 1, sizeof(*r->row));

		if (!p)
			return err_nomem();
		r->row = p;
	}
	r->row[r->nr++] = (struct chain_row){ start, end, mapped, vma };
	return NULL;
}

/* Both lists ascend: a merge in which the new side wins. */
static struct err *merge(const Criu__MmEntry *old_mm, const Criu__MmEntry *new_mm,
			 struct chain_rows *r)
{
	size_t i = 0, k = 0;
	const Criu__VmaEntry *o = next_vma(old_mm, &i), *n = next_vma(new_mm, &k);
	uint64_t at = 0; /* below, the old side is done with */

	while (o || n) {
		if (o && o->end <= at) {
			o = next_vma(old_mm, &i);
			continue;
		}
		uint64_t o_start = o ? (o->start > at ? o->start : at) : UINT64_MAX;

		if (n && n->start <= o_start) {
			TRY(push(r, n->start, n->end, o && o->start < n->end ? ROW_BOTH : ROW_NEW,
				 n));
			at = n->end;
			n = next_vma(new_mm, &k);
		} else {
			uint64_t end = n && n->start < o->end ? n->start : o->end;

			TRY(push(r, o_start, end, ROW_OLD, o));
			at = end;
		}
	}
	return push(r, UINT64_MAX, UINT64_MAX, ROW_UNKNOWN, NULL);
}

struct err *chain_rows_make(const Criu__MmEntry *old_mm, const Criu__MmEntry *new_mm,
			    struct chain_rows *ret)
{
	struct chain_rows r = { 0 };

	old_mm = old_mm ?: new_mm;
	new_mm = new_mm ?: old_mm;
	if (new_mm)
		TRY(check_order(new_mm));
	if (old_mm)
		TRY(check_order(old_mm));
	struct err *e = merge(old_mm, new_mm, &r);

	if (e)
		chain_rows_deinit(&r);
	else
		*ret = r;
	return e;
}

void chain_rows_deinit(struct chain_rows *r)
{
	free(r->row);
	*r = (struct chain_rows){ 0 };
}

size_t chain_rows_find(const struct chain_rows *r, uint64_t vaddr)
{
	size_t lo = 0, hi = r->nr - 1;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (r->row[mid].end <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void chain_vma_prot(const Criu__VmaEntry *e, char out[5])
{
	vma_prot_str(e->prot, e->flags & MAP_SHARED, out);
}

const char *chain_vma_kind(const Criu__VmaEntry *e)
{
	char none[] = "";
	const struct vma v = {
		.start = e->start,
		.end = e->end,
		.status = e->status,
		.flags = e->flags,
		.vmf = e->flags & MAP_HUGETLB ? VMF_HUGETLB : 0,
		.name = none,
	};

	return vma_kind(&v);
}
