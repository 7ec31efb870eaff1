/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Mirrors the checks that CRIU spreads over criu/pagemap.c, criu/page-xfer.c
 * check_pagehole_in_parent() and criu/mem.c restore_priv_vma_content().
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "engine/image/at_server.h"
#include "engine/image/file_holes.h"
#include "engine/image/generations.h"
#include "engine/image/image_dir.h"
#include "engine/image/pages_file.h"
#include "engine/image/verify_priv.h"
#include "engine/proc/vma.h"

/* Checks the entries by themselves; true if all are good, so that they can be searched. */
static bool check_entries(struct verify *v, const char *file, const struct pagemap_image *pi)
{
	bool good = true;

	for (size_t i = 0; i < pi->nr; i++) {
		const char *fault = pagemap_entry_fault(&pi->e[i], i ? &pi->e[i - 1] : NULL);

		if (!fault)
			continue;
		good = false;
		verify_find(v, true, file, (int64_t)i, &pi->e[i].vaddr, "%s (flags %x, %lu pages)",
			    fault, pi->e[i].flags, pi->e[i].nr_pages);
	}
	return good;
}

/* Pages of an entry that are in the pages file only as a hole. */
static void check_holes(struct verify *v, const char *file, const struct pagemap_image *pi, int fd,
			uint64_t size)
{
	struct file_holes holes;
	uint64_t pages = 0, first = 0, off;

	if (pi->packed || image_dir_left_out(fd) ||
	    verify_absorb(v, file, file_holes_read(fd, size, &holes)))
		return; /* a block that is lost does not unpack */
	for (size_t i = 0; i < pi->nr && holes.nr; i++) {
		const struct pagemap_entry *e = &pi->e[i];

		if (!(e->flags & PE_PRESENT))
			continue;
		uint64_t n = file_holes_pages(&holes, e->pages_off,
					      e->pages_off + e->nr_pages * PAGE_BYTES, &off);

		if (n && !pages)
			first = e->vaddr + (off - e->pages_off);
		pages += n;
	}
	file_holes_deinit(&holes);
	if (pages)
		verify_find(
			v, true, file, NO_ENTRY, &first,
			"%lu of its pages are holes in pages-%u.img and read as zero: emptied by "
			"auto-dedup, or lost (right only if they were zero and the file was "
			"copied sparsely)",
			pages, pi->pages_id);
}

/* Each is unpacked: they have no checksum, but few damages unpack to the right length. */
static void check_blocks(struct verify *v, int dirfd, const char *file,
			 const struct pagemap_image *pi)
{
	AUTO_PAGES_FILE struct pages_file f = PAGES_FILE_INIT;
	struct err *e = pages_file_open(dirfd, "its", pi, &f);

	if (!e)
		e = pages_file_check(&f);
	if (e && e->code == ERR_CHECK) {
		verify_find(v, true, file, NO_ENTRY, e->has_vaddr ? &e->vaddr : NULL, "%s", e->msg);
		err_free(e);
		e = NULL;
	}
	verify_absorb(v, file, e);
}

static void check_pages_file(struct verify *v, int dirfd, const char *file,
			     const struct pagemap_image *pi, bool sparse)
{
	uint64_t want = pi->stored, size;
	AUTO_CLOSE int fd = -1;
	char name[32];

	snprintf(name, sizeof(name), "pages-%u.img", pi->pages_id);
	struct err *e = image_open_file(dirfd, name, &fd, &size);

	/* A missing image counts as one without pages. */
	if (e && e->sys_errno == ENOENT && !want) {
		err_free(e);
		return;
	}
	if (e) {
		if (verify_absorb_unreadable(v, dirfd == v->dirfd ? name : file, e))
			return;
		verify_find(v, true, file, NO_ENTRY, NULL, "its %s cannot be read: %s", name,
			    e->sys_errno ? strerror(e->sys_errno) : "it is not a regular file");
		err_free(e);
		return;
	}
	if (size > want) {
		v->r->surplus += size - want;
		/* CRIU never looks beyond the last page that an entry promises. */
		verify_find(
			v, false, file, NO_ENTRY, NULL,
			"its %s has %lu bytes, the entries make it %lu: CRIU restores it, and if "
			"the surplus lies before the end, the memory is wrong and nobody notices",
			name, size, want);
	} else if (size < want) {
		verify_find(v, true, file, NO_ENTRY, NULL,
			    "its %s has %lu bytes, the entries "
			    "make it %lu",
			    name, size, want);
	}
	if (sparse)
		check_holes(v, file, pi, fd, size);
	if (pi->nr_blocks && size >= want && v->how & VERIFY_SPARSE && !image_dir_left_out(fd))
		check_blocks(v, dirfd, file, pi);
}

static void check_pages_id(struct verify *v, const char *file, uint32_t pages_id)
{
	for (size_t i = 0; i < v->nr_pages; i++)
		if (v->pages[i].pages_id == pages_id) {
			verify_find(v, true, file, NO_ENTRY, NULL,
				    "pages-%u.img belongs to %s already", pages_id,
				    v->pages[i].file);
			return;
		}
	v->pages = vec_room(v->pages, v->nr_pages, sizeof(*v->pages));
	v->pages[v->nr_pages].pages_id = pages_id;
	v->pages[v->nr_pages++].file = file;
}

/* ---- parents ----------------------------------------------------------------- */

static uint64_t nr_holes(const struct pagemap_image *pi)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < pi->nr; i++)
		if (pi->e[i].flags & PE_PARENT)
			pages += pi->e[i].nr_pages;
	return pages;
}

/* Two counts in one entry: which of them is read depends on the reader. */
static void note_counts(struct verify *v, const char *file, const struct pagemap_image *pi)
{
	if (pi->nr_new_only)
		verify_since(v, SINCE_4_2, "its pagemap entries have their count in field 5 alone");
	if (pi->nr_blocks)
		verify_since(v, SINCE_AFTER_4_2, "its pages are compressed");
	if (pi->new_field)
		verify_newer(v, file, (int64_t)pi->new_entry, pi->new_field);
	if (pi->nr_new_only)
		verify_find(v, false, file, NO_ENTRY, NULL,
			    "%zu entries have their count in field 5 alone: CRIU before 4.2 cannot "
			    "read them",
			    pi->nr_new_only);
	if (pi->nr_disagree)
		verify_find(v, true, file, NO_ENTRY, NULL,
			    "%zu entries have different counts in fields 2 and 5: CRIU before 4.2 "
			    "reads other pages than CRIU 4.2",
			    pi->nr_disagree);
}

/* Only a lazy-pages server has those. */
static void note_lazy(struct verify *v, const char *file, const struct pagemap_image *pi)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < pi->nr; i++)
		if (pi->e[i].flags == PE_LAZY)
			pages += pi->e[i].nr_pages;
	if (pages)
		verify_find(v, false, file, NO_ENTRY, NULL,
			    "%lu pages are lazy and not stored: they come from a lazy-pages "
			    "server",
			    pages);
}

/* Those pages of [at, to), part of `e`, whose bytes are a hole of the pages file. */
static void count_punched(const struct pagemap_entry *e, uint64_t at, uint64_t to,
			  const struct file_holes *holes, uint64_t *nr, uint64_t *first)
{
	uint64_t off;

	if (!(e->flags & PE_PRESENT))
		return;
	uint64_t n = file_holes_pages(holes, e->pages_off + (at - e->vaddr),
				      e->pages_off + (to - e->vaddr), &off);

	if (n && !*nr)
		*first = e->vaddr + (off - e->pages_off);
	*nr += n;
}

/* Of the pages file of a parent; an error there is reported elsewhere. */
static struct file_holes parent_holes(const struct verify *v, int dirfd,
				      const struct pagemap_image *pi)
{
	struct file_holes holes = { 0 };
	AUTO_CLOSE int fd = -1;
	AUTO_ERR struct err *e = NULL;
	char name[32];
	uint64_t size;

	if (!(v->how & VERIFY_SPARSE))
		return holes;
	if (pi->packed)
		return holes;
	snprintf(name, sizeof(name), "pages-%u.img", pi->pages_id);
	e = image_open_file(dirfd, name, &fd, &size);
	if (!e && !image_dir_left_out(fd))
		e = file_holes_read(fd, size, &holes);
	return holes;
}

/* Both are in order, so one pass does. */
static void check_covered(struct verify *v, const char *file, const struct pagemap_image *pi,
			  const struct pagemap_image *parent, const struct file_holes *holes)
{
	uint64_t punched = 0, first = 0;
	size_t k = 0;

	for (size_t i = 0; i < pi->nr; i++) {
		const struct pagemap_entry *e = &pi->e[i];
		uint64_t at = e->vaddr;

		if (!(e->flags & PE_PARENT))
			continue;
		while (at < pagemap_entry_end(e)) {
			while (k < parent->nr && pagemap_entry_end(&parent->e[k]) <= at)
				k++;
			if (k == parent->nr || parent->e[k].vaddr > at) {
				verify_find(v, true, file, (int64_t)i, &at,
					    "a hole, but the parent does not have the page");
				break;
			}
			if (parent->e[k].flags == PE_LAZY) {
				verify_find(v, true, file, (int64_t)i, &at,
					    "a hole, but the parent has the page without its data "
					    "(lazy)");
				break;
			}
			uint64_t to = pagemap_entry_end(&parent->e[k]);

			if (to > pagemap_entry_end(e))
				to = pagemap_entry_end(e);
			count_punched(&parent->e[k], at, to, holes, &punched, &first);
			at = to;
		}
	}
	if (punched)
		verify_find(
			v, true, file, NO_ENTRY, &first,
			"%lu pages of its holes are holes in the parent's pages-%u.img as well, and "
			"read as zero: emptied by auto-dedup for another child, or lost",
			punched, parent->pages_id);
}

/* The pages of the holes are at a page server: what is here of them is a list. */
static bool check_parent_at_server(struct verify *v, const char *label, const char *file,
				   const struct generations *at, const struct pagemap_image *child)
{
	AUTO_FREE char *who = at_server_who(at->dirfd);
	char record[AT_SERVER_NAME_MAX];
	struct pagemap_image held;

	if (!at_server_has(at->dirfd, file))
		return false;
	AUTO_FREE char *up = generation_file(at->nr, at_server_name(file, record));

	if (verify_absorb(v, up, pagemap_image_read(at->dirfd, record, &held)))
		return true;
	if (check_entries(v, up, &held))
		check_covered(v, label, child, &held, &(struct file_holes){ 0 });
	pagemap_image_deinit(&held);
	v->r->pages_at_server += nr_holes(child);
	verify_find(v, false, label, NO_ENTRY, NULL,
		    "%lu pages of its holes are not here: %s holds them (%s lists them); it can "
		    "be restored only beside them",
		    nr_holes(child), who, up);
	return true;
}

/*
 * Holes of `pi` must be covered by the parent, its holes by its own parent, and so on.
 * Each generation is loaded once, and two at a time.  `label` names the child in findings.
 */
static void check_parents(struct verify *v, const char *file, const struct pagemap_image *pi)
{
	AUTO_GENERATIONS struct generations at;
	struct pagemap_image child = *pi, parent;
	char *label = xstrdup(file);
	bool good = !verify_absorb(v, file, generations_begin(&at, v->dirfd));

	while (good && nr_holes(&child)) {
		enum parent_link link = generations_up(&at);

		if (link != PARENT_OPEN) {
			verify_find(v, true, label, NO_ENTRY, NULL,
				    "it has holes, but its parent %s: %s",
				    link == PARENT_LOOP ? "chain does not end" : "cannot be opened",
				    strerror(at.why));
			break;
		}

		if (check_parent_at_server(v, label, file, &at, &child))
			break;

		char *up = generation_file(at.nr, file);

		good = !verify_absorb(v, up, pagemap_image_read(at.dirfd, file, &parent));
		if (good) {
			good = check_entries(v, up, &parent);
			check_pages_file(v, at.dirfd, up, &parent, false);
			if (parent.nr_blocks)
				verify_since(v, SINCE_AFTER_4_2, "a parent's pages are compressed");
			else if (parent.nr_new_only)
				verify_since(
					v, SINCE_4_2,
					"a parent's entries have their count in field 5 alone");
			if (good) {
				struct file_holes holes = parent_holes(v, at.dirfd, &parent);

				check_covered(v, label, &child, &parent, &holes);
				file_holes_deinit(&holes);
			}
			if (child.e != pi->e)
				pagemap_image_deinit(&child);
			child = parent;
		}
		free(label);
		label = up;
	}
	free(label);
	if (child.e != pi->e)
		pagemap_image_deinit(&child);
}

void verify_at_server(struct verify *v, const char *file)
{
	AUTO_FREE char *who = at_server_who(v->dirfd);
	struct pagemap_image held;
	uint64_t pages = 0;

	if (verify_absorb(v, file, pagemap_image_read(v->dirfd, file, &held)))
		return;
	v->r->entries += held.nr;
	check_entries(v, file, &held);
	for (size_t i = 0; i < held.nr; i++)
		pages += held.e[i].nr_pages;
	pagemap_image_deinit(&held);
	v->r->pages_at_server += pages;
	verify_find(v, false, file, NO_ENTRY, NULL,
		    "%lu pages are not here: %s holds them; copy these files there to restore",
		    pages, who);
}

bool verify_pagemap(struct verify *v, const char *file, struct pagemap_image *ret)
{
	struct pagemap_image pi;

	if (verify_absorb(v, file, pagemap_image_read(v->dirfd, file, &pi))) {
		v->pagemap_unread = true;
		return false;
	}
	v->r->pagemaps++;
	v->r->entries += pi.nr;
	v->r->pages_present += pi.nr_present;
	v->r->bytes_stored += pi.stored;
	v->r->compressed |= pi.nr_blocks != 0;
	v->r->pages_in_parent += nr_holes(&pi);
	check_pages_id(v, file, pi.pages_id);
	check_pages_file(v, v->dirfd, file, &pi, v->how & VERIFY_SPARSE);
	note_counts(v, file, &pi);
	note_lazy(v, file, &pi);
	if (!check_entries(v, file, &pi)) {
		pagemap_image_deinit(&pi);
		return false;
	}
	check_parents(v, file, &pi);
	*ret = pi;
	return true;
}

/* ---- against what is mapped ---------------------------------------------------- */

static bool is_private(const Criu__VmaEntry *e)
{
	const struct vma v = { .start = e->start, .end = e->end, .status = e->status };

	return vma_is_private(&v);
}

void verify_pagemap_vmas(struct verify *v, const char *file, const struct pagemap_image *pi,
			 const Criu__MmEntry *mm)
{
	size_t k = 0;

	for (size_t i = 0; i < pi->nr; i++) {
		uint64_t at = pi->e[i].vaddr;

		/* An entry may span adjacent VMAs. */
		while (at < pagemap_entry_end(&pi->e[i])) {
			while (k < mm->n_vmas &&
			       (mm->vmas[k]->end <= at || !is_private(mm->vmas[k])))
				k++;
			if (k == mm->n_vmas || mm->vmas[k]->start > at) {
				verify_find(v, true, file, (int64_t)i, &at,
					    "the page lies in no private VMA");
				break;
			}
			at = mm->vmas[k]->end;
		}
	}
}

void verify_pagemap_object(struct verify *v, const char *file, const struct pagemap_image *pi,
			   const struct known_object *o)
{
	uint64_t size = (o->size + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);

	if (!o->size_known || !pi->nr)
		return;
	/* In order, so only entries at the end can reach out. */
	for (size_t i = pi->nr; i-- && pagemap_entry_end(&pi->e[i]) > size;) {
		/* CRIU stops at the first such entry, and drops also what lies inside. */
		bool lost = o->is_memfd || pi->e[i].vaddr < size;

		verify_find(v, lost, file, (int64_t)i, &pi->e[i].vaddr,
			    "beyond the end of the object (%lu bytes)", o->size);
	}
}
