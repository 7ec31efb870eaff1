/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/image/pagemap_image.h"

#include <stdlib.h>

#include "base/vec.h"
#include "engine/image/image.h"
#include "engine/image/pbwire.h"
#include "proto/pagemap.pb-c.h"

#define PAGE_MASK_4K 4095ull
#define PE_KNOWN (PE_PARENT | PE_LAZY | PE_PRESENT)
#define PE_PAYLOAD_ALIGNED 0x8u

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
	if ((e->aligned || e->block_pages) && !(e->flags & PE_PRESENT))
		return "it says how its pages are stored, and that they are not stored";
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
	m.has_in_parent = m.in_parent = w->in_parent && flags & PE_PARENT;
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

/* ---- reading: blocks of image version 3 ------------------------------------ */

/* As written; they are not checked yet. */
struct packed {
	bool any, has_total;
	uint64_t total, pages; /* pages 0: one in each block */
	uint32_t *size;
	size_t nr;
};

/* One number as a field of its own, or several of them packed. */
static bool packed_sizes(struct packed *p, const struct pb_field *f)
{
	struct pb_cursor c = { f->data, f->data + f->len };
	uint64_t n = f->value;

	if (f->type != PB_BYTES && f->type != PB_VARINT)
		return false;
	while (f->type == PB_VARINT || c.at < c.end) {
		if (f->type == PB_BYTES && !pb_varint(&c, &n))
			return false;
		if (n > PACKED_BYTES_MAX)
			return false;
		*vec_push(p->size, p->nr) = (uint32_t)n;
		if (f->type == PB_VARINT)
			break;
	}
	return true;
}

/* message pagemap_blocks { block_sizes = 1, total_payload_size = 2, pages_per_block = 3 } */
static bool packed_message(struct packed *p, const struct pb_field *m)
{
	struct pb_cursor c = { m->data, m->data + m->len };
	struct pb_field f;
	bool has_pages = false;

	if (m->type != PB_BYTES || !pb_well_formed(m->data, m->len))
		return false;
	while (pb_next(&c, &f)) {
		if (f.number == 1 && !packed_sizes(p, &f))
			return false;
		if ((f.number == 2 || f.number == 3) && f.type != PB_VARINT)
			return false;
		p->has_total |= f.number == 2;
		has_pages |= f.number == 3;
		if (f.number == 2)
			p->total = f.value;
		if (f.number == 3)
			p->pages = f.value;
	}
	return p->has_total && has_pages && p->pages;
}

static void packed_reset(struct packed *p)
{
	free(p->size);
	*p = (struct packed){ 0 };
}

/*
 * Before its first release the form changed: blocks = 6, a message; earlier compressed_size = 6 (repeated),
 * total_compressed_size = 7, region_pages = 8.  A message has all three of its fields.
 */
static bool packed_read(const Criu__PagemapEntry *m, struct packed *p, uint32_t *new_ret)
{
	bool message = false;

	*new_ret = 0;
	for (size_t i = 0; i < m->base.n_unknown_fields; i++) {
		const ProtobufCMessageUnknownField *u = &m->base.unknown_fields[i];
		struct pb_field f;

		if (u->tag < 6 || u->tag > 8 || message) {
			if (!*new_ret)
				*new_ret = u->tag;
			continue;
		}
		if (!pb_payload(u->tag, (enum pb_type)u->wire_type, u->data, u->len, &f))
			return false;
		if (u->tag == 6 && !p->any) {
			message = packed_message(p, &f);
			if (!message)
				packed_reset(p);
		}
		p->any = true;
		if (message)
			continue;
		if (u->tag == 6 && !packed_sizes(p, &f))
			return false;
		if (u->tag != 6 && f.type != PB_VARINT)
			return false;
		p->has_total |= u->tag == 7;
		if (u->tag == 7)
			p->total = f.value;
		if (u->tag == 8)
			p->pages = f.value;
	}
	return true;
}

/* What is wrong with the blocks of an entry; NULL: nothing, and they are added. */
static const char *packed_add(struct pagemap_image *pi, struct pagemap_entry *e,
			      const struct packed *p)
{
	uint64_t pages = p->pages ? p->pages : 1, sum = 0;

	if (!p->nr)
		return "it has no sizes of blocks";
	if (pages > PACKED_BYTES_MAX / PAGE_BYTES)
		return "its blocks are larger than CRIU makes them";
	if (p->nr != e->nr_pages / pages + (e->nr_pages % pages != 0))
		return "it has not as many blocks as its pages need";
	e->block_pages = (uint32_t)pages;
	e->block = pi->nr_blocks;
	for (size_t i = 0; i < p->nr; i++) {
		uint64_t left = e->nr_pages - i * pages;

		if (p->size[i] > (left < pages ? left : pages) * PAGE_BYTES)
			return "a block is larger than its pages";
		*vec_push(pi->block, pi->nr_blocks) =
			(struct pagemap_block){ pi->stored + sum, p->size[i] };
		sum += p->size[i];
	}
	if (p->has_total && p->total != sum)
		return "its blocks do not add up to the size that it has for them";
	pi->stored += sum;
	return NULL;
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
	e.aligned = e.flags & PE_PAYLOAD_ALIGNED;
	e.flags &= ~PE_PAYLOAD_ALIGNED;
	return e;
}

/* Where its pages are, and how they are stored. */
static const char *pagemap_place(struct pagemap_image *pi, struct pagemap_entry *e,
				 const struct packed *p)
{
	const char *fault = NULL;

	e->pages_off = pi->nr_present * PAGE_BYTES;
	if (!(e->flags & PE_PRESENT)) {
		e->block_pages = p->any;
		return NULL;
	}
	if (e->aligned)
		pi->stored = (pi->stored + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
	e->stored_off = pi->stored;
	if (p->any)
		fault = packed_add(pi, e, p);
	else
		pi->stored += e->nr_pages * PAGE_BYTES;
	pi->packed |= p->any || e->stored_off != e->pages_off;
	pi->nr_present += e->nr_pages;
	return fault;
}

static struct err *pagemap_append(struct pagemap_image *pi, const char *name,
				  struct pagemap_entry e, const struct packed *p)
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

	const char *fault = pagemap_place(pi, &e, p);

	if (fault)
		return err_vaddr(err_new(ERR_FORMAT, "read %s: entry %zu: compressed, but %s", name,
					 pi->nr, fault),
				 e.vaddr);
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

		struct packed p = { 0 };
		uint32_t new_field;
		struct err *fail =
			packed_read(raw, &p, &new_field) ?
				pagemap_append(pi, name, e, &p) :
				err_new(ERR_FORMAT, "read %s: entry %zu: its blocks do not parse",
					name, pi->nr);

		if (new_field && !pi->new_field) {
			pi->new_field = new_field;
			pi->new_entry = image_entry_index(r) - 1;
		}
		packed_reset(&p);
		protobuf_c_message_free_unpacked(m, NULL);
		TRY(fail);
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
	free(pi->block);
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
