/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where each byte of a task is, as CRIU's restore would put it together: private pages from the pagemap
 * and its parents, shared ones from the object's, the rest from the mapped file, or nothing but zeroes.
 * Mirrors: criu/mem.c restore_priv_vma_content(), criu/shmem.c restore_shmem_content().
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/vec.h"
#include "engine/image/image.h"
#include "engine/image/image_set.h"

/* ---- mappings ---------------------------------------------------------------------------------------- */

static const char *set_vma_name(const struct image_set *s, const Criu__VmaEntry *e)
{
	const char *name = NULL;

	if (e->status & (VMA_FILE_PRIVATE | VMA_FILE_SHARED))
		name = image_set_file_name(s, e->shmid);
	return name                          ? name :
	       e->status & VMA_AREA_HEAP     ? "[heap]" :
	       e->status & VMA_AREA_VDSO     ? "[vdso]" :
	       e->status & VMA_AREA_VVAR     ? "[vvar]" :
	       e->status & VMA_AREA_VSYSCALL ? "[vsyscall]" :
	       e->flags & MAP_GROWSDOWN      ? "[stack]" :
	       e->status & VMA_AREA_AIORING  ? "/[aio]" :
					       "";
}

/* The kernel's name of a stack is not in the images; MAP_GROWSDOWN and its place are. */
static struct err *set_add_vma(struct set_memory *m, const Criu__VmaEntry *e)
{
	struct vma_list *l = e->status & VMA_AREA_GUARD ? &m->guards : &m->vmas;
	bool is_shared = e->flags & MAP_SHARED;
	struct vma v = {
		.start = e->start,
		.end = e->end,
		.pgoff = e->pgoff,
		.shmid = e->shmid,
		.prot = e->prot,
		.flags = e->flags,
		.status = e->status,
		.madv = e->has_madv ? e->madv : 0,
		.fdflags = e->fdflags,
		.has_fdflags = e->has_fdflags,
		.vmf = (is_shared ? VMF_SHARED : 0) | (e->flags & MAP_HUGETLB ? VMF_HUGETLB : 0),
		.hugepage_kb = 4,
	};

	if (e->start >= e->end || (e->start | e->end) & (PAGE_BYTES - 1) ||
	    (l->nr && e->start < l->v[l->nr - 1].end))
		return err_vaddr(err_new(ERR_CHECK, "the VMAs of task %u are not in order", m->pid),
				 e->start);
	vma_list_add(l, &v, set_vma_name(m->set, e));
	return NULL;
}

/* Before CRIU 1.3 the mappings had an image of their own. */
static struct err *set_old_vmas(struct set_memory *m)
{
	char name[IMAGE_NAME_MAX];
	struct image_reader *r;
	const uint8_t *data;
	size_t len;
	struct err *e;

	snprintf(name, sizeof(name), "vmas-%u.img", m->pid);
	TRY(image_open_as(m->set->dirfd, name, image_desc_by_name(name, NULL), &r));
	while (!(e = image_next_raw(r, &data, &len)) && data) {
		Criu__VmaEntry *v = criu__vma_entry__unpack(NULL, len, data);

		e = v ? set_add_vma(m, v) :
			err_new(ERR_FORMAT, "read %s: a VMA does not parse", name);
		if (v)
			criu__vma_entry__free_unpacked(v, NULL);
		if (e)
			break;
	}
	image_close(r);
	return e;
}

/* A pre-dump has no mm: what is known is where pages are. */
static void set_vmas_of_pages(struct set_memory *m)
{
	const struct pagemap_image *pi = page_read_image(m->pr, 0);

	for (size_t i = 0; i < pi->nr;) {
		struct vma v = { .start = pi->e[i].vaddr,
				 .status = VMA_AREA_REGULAR | VMA_ANON_PRIVATE,
				 .prot = PROT_READ | PROT_WRITE,
				 .flags = MAP_PRIVATE | MAP_ANONYMOUS };

		do
			v.end = pagemap_entry_end(&pi->e[i++]);
		while (i < pi->nr && pi->e[i].vaddr == v.end);
		vma_list_add(&m->vmas, &v, "");
	}
}

static struct err *set_vmas(struct set_memory *m)
{
	char name[IMAGE_NAME_MAX];
	ProtobufCMessage *msg = NULL;
	struct err *e =
		image_read_one(m->set->dirfd, image_name(IMG_MM, m->pid, name), IMG_MM, &msg);

	if (e && e->sys_errno == ENOENT) {
		err_free(e);
		if (!m->pr)
			return err_hint(err_new(ERR_USAGE, "%s has nothing of task %u",
						m->set->path, m->pid),
					"`open` it: `show tasks` lists those that it has");
		set_vmas_of_pages(m);
		return NULL;
	}
	TRY(e);
	m->mm = (Criu__MmEntry *)msg;
	if (!m->mm->n_vmas)
		TRY(set_old_vmas(m));
	for (size_t i = 0; i < m->mm->n_vmas; i++)
		TRY(set_add_vma(m, m->mm->vmas[i]));
	return NULL;
}

static struct err *memory_open(struct set_memory *m)
{
	char name[IMAGE_NAME_MAX];

	TRY(page_read_open_some(m->set->dirfd, image_name(IMG_PAGEMAP, m->pid, name), &m->pr));
	TRY(set_vmas(m));
	vma_list_count(&m->vmas);
	return NULL;
}

struct err *set_memory_open(struct image_set *s, uint32_t pid, struct set_memory **ret)
{
	struct set_memory *m = xzalloc(sizeof(*m));

	m->set = s;
	m->pid = pid;

	struct err *e = memory_open(m);

	if (e) {
		set_memory_close(m);
		return err_wrap(e, "%s", s->path);
	}
	*ret = m;
	return NULL;
}

void set_memory_close(struct set_memory *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->nr_objects; i++)
		page_read_close(m->object[i].pr);
	free(m->object);
	page_read_close(m->pr);
	vma_list_deinit(&m->vmas);
	vma_list_deinit(&m->guards);
	if (m->mm)
		criu__mm_entry__free_unpacked(m->mm, NULL);
	free(m);
}

/* ---- one page ------------------------------------------------------------------------------------------ */

const struct set_memfd *set_memory_memfd(const struct set_memory *m, const struct vma *v)
{
	const Criu__FileEntry *f =
		v->status & VMA_AREA_MEMFD ? image_set_file(m->set, v->shmid) : NULL;

	return f && f->memfd ? image_set_memfd(m->set, f->memfd->inode_id) : NULL;
}

bool set_memory_shmid(const struct set_memory *m, const struct vma *v, uint64_t *ret)
{
	const struct set_memfd *inode = set_memory_memfd(m, v);

	if (v->status & VMA_ANON_SHARED)
		*ret = v->shmid;
	else if (inode)
		*ret = inode->shmid;
	return v->status & VMA_ANON_SHARED || inode;
}

struct err *set_memory_object(struct set_memory *m, uint64_t shmid, const struct page_read **ret)
{
	char name[IMAGE_NAME_MAX];

	for (size_t i = 0; i < m->nr_objects; i++)
		if (m->object[i].shmid == shmid) {
			*ret = m->object[i].pr;
			return NULL;
		}

	struct page_read *pr = NULL;

	TRY(page_read_open_some(m->set->dirfd, image_name(IMG_SHMEM_PAGEMAP, shmid, name), &pr));
	*vec_push(m->object, m->nr_objects) = (struct set_object){ shmid, pr };
	*ret = pr;
	return NULL;
}

static bool has_page(const struct page_read *pr, uint64_t vaddr)
{
	return pr && pagemap_image_find(page_read_image(pr, 0), vaddr) >= 0;
}

static struct err *locate_shared(struct set_memory *m, uint64_t shmid, uint64_t off,
				 struct set_page *ret)
{
	TRY(set_memory_object(m, shmid, &ret->pr));
	ret->shmid = shmid;
	ret->object = true;
	ret->source = SET_UNTOUCHED;
	if (!has_page(ret->pr, off))
		return NULL;
	ret->source = SET_PAGES;
	return page_read_locate(ret->pr, off, &ret->place);
}

struct err *set_memory_locate(struct set_memory *m, uint64_t vaddr, struct set_page *ret)
{
	ssize_t i = vma_list_find(&m->vmas, vaddr);
	uint64_t shmid, page = vaddr & ~(PAGE_BYTES - 1);

	if (i < 0)
		return err_vaddr(err_hint(err_new(ERR_STATE, "nothing is mapped at %lx", vaddr),
					  "`show vmas` lists the mappings"),
				 vaddr);

	const struct vma *v = &m->vmas.v[i];
	uint64_t off = v->pgoff + (page - v->start);

	*ret = (struct set_page){ .vma = v, .source = SET_UNTOUCHED };
	if (vma_list_find(&m->guards, vaddr) >= 0 ||
	    v->status & (VMA_AREA_VVAR | VMA_AREA_VSYSCALL)) {
		ret->source = SET_NOWHERE;
		return NULL;
	}
	/* A page of its own hides what is mapped. */
	if (has_page(m->pr, page)) {
		ret->pr = m->pr;
		ret->source = SET_PAGES;
		return page_read_locate(m->pr, page, &ret->place);
	}
	if (set_memory_shmid(m, v, &shmid))
		return locate_shared(m, shmid, off, ret);
	if (v->status & (VMA_FILE_PRIVATE | VMA_FILE_SHARED)) {
		ret->source = SET_FILE;
		ret->file = v->name;
		ret->file_off = off;
	}
	return NULL;
}

/* ---- bytes ------------------------------------------------------------------------------------------------ */

/* The file that was mapped, if it is here and as large as it was; CRIU's restore asks for the same. */
static struct err *read_mapped_file(struct set_memory *m, const struct set_page *p, void *page)
{
	const Criu__FileEntry *f = image_set_file(m->set, p->vma->shmid);
	AUTO_CLOSE int fd = -1;
	uint64_t size;

	if (!f || !f->reg)
		return err_new(ERR_STATE, "the page is in a file that the set does not name");

	struct err *e = image_open_file(AT_FDCWD, f->reg->name, &fd, &size);

	if (e)
		return err_hint(err_wrap(e, "the page is in the mapped file"),
				"it is in no image, as nothing was written to it");
	if (f->reg->has_size && f->reg->size != size)
		return err_new(ERR_STATE,
			       "the page is in %s, which has %lu bytes here and had %lu in the set",
			       f->reg->name, size, f->reg->size);
	memset(page, 0, PAGE_BYTES);

	ssize_t n = pread_full(fd, page, PAGE_BYTES, (off_t)p->file_off);

	if (n < 0)
		return err_sys(errno, "read %s", f->reg->name);
	return n ? NULL : err_new(ERR_STATE, "the page lies beyond the end of %s", f->reg->name);
}

static struct err *read_page(struct set_memory *m, uint64_t vaddr, void *page)
{
	struct set_page p;

	TRY(set_memory_locate(m, vaddr, &p));
	switch (p.source) {
	case SET_PAGES:
		return page_read_page(
			p.pr, p.object ? p.vma->pgoff + (vaddr - p.vma->start) : vaddr, page);
	case SET_FILE:
		return read_mapped_file(m, &p, page);
	case SET_NOWHERE:
		return err_new(ERR_STATE, "%lx is not memory that is kept (%s)", vaddr,
			       vma_list_find(&m->guards, vaddr) >= 0 ? "a guard page" :
								       vma_kind(p.vma));
	case SET_UNTOUCHED:
		memset(page, 0, PAGE_BYTES);
	}
	return NULL;
}

struct err *set_memory_read(struct set_memory *m, uint64_t vaddr, void *buf, size_t len,
			    size_t *got)
{
	uint8_t page[PAGE_BYTES_MAX];

	*got = 0;
	while (*got < len) {
		uint64_t at = vaddr + *got, base = at & ~(PAGE_BYTES - 1);
		size_t n = (size_t)(base + PAGE_BYTES - at);

		TRY(err_vaddr(read_page(m, base, page), at));
		if (n > len - *got)
			n = len - *got;
		memcpy((uint8_t *)buf + *got, page + (at - base), n);
		*got += n;
	}
	return NULL;
}
