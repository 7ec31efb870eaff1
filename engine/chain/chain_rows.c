/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/chain/chain_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/vec.h"
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
static const Criu__VmaEntry *rows_next_vma(const Criu__MmEntry *mm, size_t *i)
{
	while (mm && *i < mm->n_vmas) {
		const Criu__VmaEntry *e = mm->vmas[(*i)++];

		if (!(e->status & VMA_AREA_GUARD))
			return e;
	}
	return NULL;
}

static struct err *rows_check_order(const Criu__MmEntry *mm)
{
	uint64_t end = 0;
	size_t i = 0;

	for (const Criu__VmaEntry *e; (e = rows_next_vma(mm, &i)); end = e->end)
		if (e->start < end || e->start >= e->end)
			return err_vaddr(
				err_new(ERR_CHECK, "the VMAs of the mm image are not in order"),
				e->start);
	return NULL;
}

static void rows_push(struct chain_rows *r, uint64_t start, uint64_t end, enum row_mapped mapped,
		      const Criu__VmaEntry *vma)
{
	uint64_t at = r->nr ? r->row[r->nr - 1].end : 0;

	if (at < start)
		rows_push(r, at, start, ROW_UNKNOWN, NULL);
	*vec_push(r->row, r->nr) = (struct chain_row){ start, end, mapped, vma };
}

/* Both lists ascend: a merge in which the new side wins. */
static void rows_merge(const Criu__MmEntry *old_mm, const Criu__MmEntry *new_mm,
		       struct chain_rows *r)
{
	size_t i = 0, k = 0;
	const Criu__VmaEntry *o = rows_next_vma(old_mm, &i), *n = rows_next_vma(new_mm, &k);
	uint64_t at = 0; /* below, the old side is done with */

	while (o || n) {
		if (o && o->end <= at) {
			o = rows_next_vma(old_mm, &i);
			continue;
		}
		uint64_t o_start = o ? (o->start > at ? o->start : at) : UINT64_MAX;

		if (n && n->start <= o_start) {
			rows_push(r, n->start, n->end, o && o->start < n->end ? ROW_BOTH : ROW_NEW,
				  n);
			at = n->end;
			n = rows_next_vma(new_mm, &k);
		} else {
			uint64_t end = n && n->start < o->end ? n->start : o->end;

			rows_push(r, o_start, end, ROW_OLD, o);
			at = end;
		}
	}
	rows_push(r, UINT64_MAX, UINT64_MAX, ROW_UNKNOWN, NULL);
}

struct err *chain_rows_make(const Criu__MmEntry *old_mm, const Criu__MmEntry *new_mm,
			    struct chain_rows *ret)
{
	old_mm = old_mm ?: new_mm;
	new_mm = new_mm ?: old_mm;
	if (new_mm)
		TRY(rows_check_order(new_mm));
	if (old_mm)
		TRY(rows_check_order(old_mm));
	*ret = (struct chain_rows){ 0 };
	rows_merge(old_mm, new_mm, ret);
	return NULL;
}

void chain_rows_deinit(struct chain_rows *r)
{
	free(r->row);
	*r = (struct chain_rows){ 0 };
}

size_t chain_rows_find(const struct chain_rows *r, uint64_t vaddr)
{
	return vec_first(r->nr - 1, i, r->row[i].end > vaddr);
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
