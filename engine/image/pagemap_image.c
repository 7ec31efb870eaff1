/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/image/pagemap_image.h"

#include <stdlib.h>

#include "base/vec.h"
#include "engine/image/image.h"
#include "proto/pagemap.pb-c.h"

#define PAGE_MASK_4K 4095ull
#define PE_KNOWN (PE_PARENT | PE_LAZY | PE_PRESENT)

const char *pagemap_entry_fault(const struct pagemap_entry *e, const struct pagemap_entry *prev)
{
	if (e->vaddr & PAGE_MASK_4K)
		return "address is not page aligned";
	if (!e->nr_pages)
		return "no pages";
	if (e->flags & ~PE_KNOWN)
		return "unknown flags";
	if (!e->flags)
		return "no flags: pages that are nowhere";
	if ((e->flags & PE_PARENT) && (e->flags & PE_PRESENT))
		return "both PARENT and PRESENT";
	if (prev && e->vaddr < prev->vaddr)
		return "not in ascending order";
	if (prev && e->vaddr < pagemap_entry_end(prev))
		return "overlaps the entry before";
	return NULL;
}

/* ---- writing ------------------------------------------------------------- */

struct err *pagemap_writer_open(struct pagemap_writer *w, int dirfd, const char *name,
				uint32_t pages_id)
{
	Criu__PagemapHead head = CRIU__PAGEMAP_HEAD__INIT;

	*w = (struct pagemap_writer){ 0 };
	TRY(image_create(dirfd, name, IMG_PAGEMAP, &w->w));
	head.pages_id = pages_id;
	struct err *e = image_write(w->w, &head.base);
	if (e)
		pagemap_writer_abandon(w);
	return e;
}

struct err *pagemap_writer_add(struct pagemap_writer *w, uint64_t vaddr, uint64_t nr_pages,
			       uint32_t flags)
{
	struct pagemap_entry entry = { .vaddr = vaddr, .nr_pages = nr_pages, .flags = flags };
	const char *fault = pagemap_entry_fault(&entry, w->nr ? &w->last : NULL);

	if (!fault && nr_pages > UINT32_MAX)
		fault = "too many pages for one entry";
	if (!fault && vaddr > UINT64_MAX - nr_pages * PAGE_BYTES)
		fault = "leaves the address space";
	if (fault)
		return err_vaddr(err_new(ERR_CHECK,
					 "pagemap entry %zu, %lx +%lu"
					 " pages, flags %x: %s",
					 w->nr, vaddr, nr_pages, flags, fault),
				 vaddr);

	Criu__PagemapEntry m = CRIU__PAGEMAP_ENTRY__INIT;
	m.vaddr = vaddr;
	m.compat_nr_pages = (uint32_t)nr_pages;
	m.has_flags = true;
	m.flags = flags;
	m.has_nr_pages = true;
	m.nr_pages = nr_pages;
	TRY(image_write(w->w, &m.base));
	w->last = entry;
	w->nr++;
	return NULL;
}

struct err *pagemap_writer_flush(struct pagemap_writer *w)
{
	return image_flush(w->w);
}

struct err *pagemap_writer_close(struct pagemap_writer *w)
{
	struct err *e = image_finish(w->w);

	w->w = NULL;
	return e;
}

void pagemap_writer_abandon(struct pagemap_writer *w)
{
	image_abandon(w->w);
	w->w = NULL;
}

/* ---- reading ------------------------------------------------------------- */

static struct pagemap_entry pagemap_normalise(const Criu__PagemapEntry *m)
{
	struct pagemap_entry e = {
		.vaddr = m->vaddr,
		.nr_pages = m->has_nr_pages ? m->nr_pages : m->compat_nr_pages,
		.flags = m->has_flags ? m->flags : 0,
	};

	if (m->has_in_parent && m->in_parent)
		e.flags |= PE_PARENT;
	else if (!m->has_flags)
		e.flags = PE_PRESENT;
	return e;
}

static struct err *pagemap_append(struct pagemap_image *pi, const char *name,
				  struct pagemap_entry e)
{
	uint64_t pages_max = UINT64_MAX / PAGE_BYTES;

	if (e.nr_pages > pages_max || e.vaddr > UINT64_MAX - e.nr_pages * PAGE_BYTES)
		return err_vaddr(err_new(ERR_FORMAT,
					 "read %s: entry %zu: %lx +%lu"
					 " pages leaves the address space",
					 name, pi->nr, e.vaddr, e.nr_pages),
				 e.vaddr);
	if ((e.flags & PE_PRESENT) && e.nr_pages > pages_max - pi->nr_present)
		return err_new(ERR_FORMAT, "read %s: entry %zu: more pages than a file can hold",
			       name, pi->nr);
	e.pages_off = pi->nr_present * PAGE_BYTES;
	if (e.flags & PE_PRESENT)
		pi->nr_present += e.nr_pages;
	*vec_push(pi->e, pi->nr) = e;
	return NULL;
}

static struct err *pagemap_read_entries(struct image_reader *r, const char *name,
					struct pagemap_image *pi)
{
	ProtobufCMessage *m;

	TRY(image_next(r, &m));
	if (!m)
		return err_new(ERR_FORMAT, "read %s: it has no head entry", name);
	pi->pages_id = ((Criu__PagemapHead *)m)->pages_id;
	protobuf_c_message_free_unpacked(m, NULL);

	for (;;) {
		TRY(image_next(r, &m));
		if (!m)
			return NULL;
		const Criu__PagemapEntry *raw = (Criu__PagemapEntry *)m;
		struct pagemap_entry e = pagemap_normalise(raw);

		if (raw->has_nr_pages && raw->compat_nr_pages != raw->nr_pages) {
			pi->nr_new_only += !raw->compat_nr_pages;
			pi->nr_disagree += raw->compat_nr_pages != 0;
		}
		protobuf_c_message_free_unpacked(m, NULL);
		TRY(pagemap_append(pi, name, e));
	}
}

struct err *pagemap_image_read(int dirfd, const char *name, struct pagemap_image *ret)
{
	struct pagemap_image pi = { 0 };
	struct image_reader *r;

	TRY(image_open(dirfd, name, IMG_PAGEMAP, &r));
	struct err *e = pagemap_read_entries(r, name, &pi);
	image_close(r);
	if (e) {
		pagemap_image_deinit(&pi);
		return e;
	}
	*ret = pi;
	return NULL;
}

void pagemap_image_deinit(struct pagemap_image *pi)
{
	free(pi->e);
	*pi = (struct pagemap_image){ 0 };
}

struct err *pagemap_image_check(const struct pagemap_image *pi, const char *name)
{
	for (size_t i = 0; i < pi->nr; i++) {
		const char *fault = pagemap_entry_fault(&pi->e[i], i ? &pi->e[i - 1] : NULL);

		if (fault)
			return err_vaddr(err_new(ERR_CHECK, "%s: entry %zu: %s", name, i, fault),
					 pi->e[i].vaddr);
	}
	return NULL;
}

ssize_t pagemap_image_find(const struct pagemap_image *pi, uint64_t vaddr)
{
	size_t i = vec_first(pi->nr, k, pagemap_entry_end(&pi->e[k]) > vaddr);

	return i < pi->nr && pi->e[i].vaddr <= vaddr ? (ssize_t)i : -1;
}
