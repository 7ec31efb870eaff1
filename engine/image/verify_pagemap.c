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
#include "engine/image/generations.h"
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

static void check_pages_file(struct verify *v, int dirfd, const char *file,
			     const struct pagemap_image *pi)
{
	uint64_t want = pi->nr_present * PAGE_BYTES;
	char name[32];
	struct stat st;

	snprintf(name, sizeof(name), "pages-%u.img", pi->pages_id);
	if (fstatat(dirfd, name, &st, 0) < 0) {
		/* A missing image counts as one without pages. */
		if (errno != ENOENT || want)
			verify_find(v, true, file, NO_ENTRY, NULL, "its %s cannot be read: %s",
				    name, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		verify_find(v, true, file, NO_ENTRY, NULL, "its %s is not a regular file", name);
	} else if ((uint64_t)st.st_size > want) {
		v->r->surplus += (uint64_t)st.st_size - want;
		/* CRIU never looks beyond the last page that an entry promises. */
		verify_find(
			v, false, file, NO_ENTRY, NULL,
			"its %s has %lu bytes, the entries make it %lu: CRIU restores it, and if "
			"the surplus lies before the end, the memory is wrong and nobody notices",
			name, (uint64_t)st.st_size, want);
	} else if ((uint64_t)st.st_size < want) {
		verify_find(v, true, file, NO_ENTRY, NULL,
			    "its %s has %lu bytes, the entries "
			    "make it %lu",
			    name, (uint64_t)st.st_size, want);
	}
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

/* Both are in order, so one pass does. */
static void check_covered(struct verify *v, const char *file, const struct pagemap_image *pi,
			  const struct pagemap_image *parent)
{
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
			at = pagemap_entry_end(&parent->e[k]);
		}
	}
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
		check_covered(v, label, child, &held);
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
			check_pages_file(v, at.dirfd, up, &parent);
			if (good)
				check_covered(v, label, &child, &parent);
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
	v->r->files++;
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
	v->r->files++;
	v->r->pagemaps++;
	v->r->entries += pi.nr;
	v->r->pages_present += pi.nr_present;
	v->r->pages_in_parent += nr_holes(&pi);
	check_pages_id(v, file, pi.pages_id);
	check_pages_file(v, v->dirfd, file, &pi);
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
