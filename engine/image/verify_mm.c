/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <sys/mman.h>

#include "base/vec.h"
#include "engine/image/image.h"
#include "engine/image/verify_priv.h"
#include "engine/proc/vma.h"

#define MAP_DROPPABLE_BIT 0x8u
#define VMA_EXT_PLUGIN 0x08000000u /* only a CRIU plugin knows what it maps */

static struct known_file *find_file(const struct verify *v, uint64_t id)
{
	size_t at = vec_first(v->nr_files, i, v->file[i].id >= id);

	return at < v->nr_files && v->file[at].id == id ? &v->file[at] : NULL;
}

bool verify_use_file(struct verify *v, uint64_t id)
{
	struct known_file *f = find_file(v, id);

	if (f)
		f->used = true;
	return f;
}

bool verify_is_mapped(const struct verify *v, uint64_t id)
{
	const struct known_file *f = find_file(v, id);

	return f && f->mapped;
}

static void verify_map_file(struct verify *v, uint64_t id)
{
	struct known_file *f = find_file(v, id);

	if (f)
		f->used = f->mapped = true;
}

static bool memfd_inode_known(const struct verify *v, uint32_t inode_id)
{
	for (size_t i = 0; i < v->nr_objects; i++)
		if (v->object[i].is_memfd && v->object[i].inode_id == inode_id)
			return true;
	return false;
}

static void check_file_id(struct verify *v, const char *mm, int64_t i, const Criu__VmaEntry *e)
{
	const struct known_file *f = find_file(v, e->shmid);

	verify_map_file(v, e->shmid);
	if (!f)
		verify_find(v, true, mm, i, &e->start, "file id %lu is not in files.img", e->shmid);
	else if ((e->status & VMA_AREA_MEMFD) && !f->is_memfd)
		verify_find(v, true, mm, i, &e->start, "memfd VMA, but file %lu is not a memfd",
			    e->shmid);
	else if (f->is_memfd && !memfd_inode_known(v, f->inode_id))
		verify_find(v, true, mm, i, &e->start,
			    "memfd inode %u of file %lu is not in memfd.img", f->inode_id,
			    e->shmid);
}

static void verify_add_object(struct verify *v, const Criu__VmaEntry *e)
{
	uint64_t size = e->pgoff + (e->end - e->start);
	bool size_known = !(e->status & VMA_AREA_SYSVIPC);

	for (size_t i = 0; i < v->nr_objects; i++) {
		struct known_object *o = &v->object[i];

		if (o->is_memfd || o->shmid != e->shmid)
			continue;
		if (o->size < size)
			o->size = size;
		o->size_known &= size_known;
		return;
	}
	*vec_push(v->object, v->nr_objects) = (struct known_object){
		.shmid = e->shmid,
		.size = size,
		.size_known = size_known,
	};
}

static void check_vma(struct verify *v, const char *mm, int64_t i, const Criu__VmaEntry *e)
{
	if ((e->start | e->end | e->pgoff) & (PAGE_BYTES - 1))
		verify_find(v, true, mm, i, &e->start, "not page aligned");
	if (e->start >= e->end)
		verify_find(v, true, mm, i, &e->start, "empty range");
	if (e->status & VMA_UNSUPP)
		verify_find(v, true, mm, i, &e->start, "of a kind that cannot be dumped");
	if (e->status & VMA_AREA_SHSTK)
		verify_since(v, SINCE_4_1, "shadow stacks");
	if (e->status & VMA_AREA_GUARD)
		verify_since(v, SINCE_4_2, "guard pages (MADV_GUARD_INSTALL)");
	if (e->flags & MAP_DROPPABLE_BIT && !(e->flags & (MAP_SHARED | MAP_PRIVATE)))
		verify_since(v, SINCE_4_2, "mappings that the kernel may drop (MAP_DROPPABLE)");
	if (e->status & VMA_EXT_PLUGIN)
		return;
	if ((e->status & (VMA_FILE_PRIVATE | VMA_FILE_SHARED)) && !v->no_files)
		check_file_id(v, mm, i, e);
	if ((e->status & VMA_ANON_SHARED) && e->start < e->end)
		verify_add_object(v, e);
}

static void check_aios(struct verify *v, const char *mm, const Criu__MmEntry *m)
{
	for (size_t i = 0; i < m->n_aios; i++) {
		const Criu__AioRingEntry *a = m->aios[i];
		bool found = false;

		for (size_t k = 0; k < m->n_vmas && !found; k++)
			found = (m->vmas[k]->status & VMA_AREA_AIORING) &&
				m->vmas[k]->start == a->id &&
				m->vmas[k]->end - a->id == a->ring_len;
		if (!found)
			verify_find(v, true, mm, NO_ENTRY, &a->id, "AIO ring without a VMA");
	}
}

static void check_order(struct verify *v, const char *mm, const Criu__MmEntry *m)
{
	/* Guard pseudo-VMAs lie inside the real ones, so they have an order of their own. */
	uint64_t real_end = 0, guard_end = 0;

	for (size_t i = 0; i < m->n_vmas; i++) {
		const Criu__VmaEntry *e = m->vmas[i];
		bool guard = e->status & VMA_AREA_GUARD;
		uint64_t *end = guard ? &guard_end : &real_end;

		if (e->start < *end)
			verify_find(v, true, mm, (int64_t)i, &e->start,
				    "overlaps the VMA before, or out of order");
		if (!guard && guard_end)
			verify_find(v, true, mm, (int64_t)i, &e->start,
				    "guard regions must come after all VMAs");
		*end = e->end;
	}
}

Criu__MmEntry *verify_mm(struct verify *v, const char *file)
{
	ProtobufCMessage *msg;

	if (verify_absorb(v, file, image_read_one(v->dirfd, file, IMG_MM, &msg)))
		return NULL;
	Criu__MmEntry *m = (Criu__MmEntry *)msg;
	if (!m->n_vmas)
		verify_find(v, true, file, NO_ENTRY, NULL, "no VMA");
	for (size_t i = 0; i < m->n_vmas; i++)
		check_vma(v, file, (int64_t)i, m->vmas[i]);
	check_order(v, file, m);
	check_aios(v, file, m);

	const struct known_file *exe = find_file(v, m->exe_file_id);

	verify_map_file(v, m->exe_file_id);
	if (!v->no_files && (!exe || !exe->is_reg))
		verify_find(v, true, file, NO_ENTRY, NULL,
			    "the executable (file id %u) is not a regular file of files.img",
			    m->exe_file_id);
	return m;
}
