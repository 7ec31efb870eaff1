/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every file of the set by itself: is it framed as its kind has to be, to its end?  What CRIU's
 * restore does with a file is in the table of kinds, so that all are judged alike.
 *
 * Mirrors: criu/image.c do_open_image(), criu/protobuf.c do_pb_read_one().
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "engine/image/pbwire.h"
#include "engine/image/verify_priv.h"

/* A file that a restore does not read may be what it likes. */
static void file_fault(struct verify *v, const char *file, const struct image_desc *d, char *text)
{
	AUTO_FREE char *own = text;

	if (d->not_for_restore)
		verify_find(v, false, file, NO_ENTRY, NULL,
			    "%s (a restore does not read this file)", own);
	else
		verify_find(v, true, file, NO_ENTRY, NULL, "%s", own);
	verify_set_bad(v, file);
}

/* Of a kind that we have no descriptor for, only the framing is looked at. */
static struct err *read_entries(struct image_reader *r, const struct image_desc *d, size_t *nr_ret)
{
	*nr_ret = 0;
	for (;;) {
		const uint8_t *data;
		size_t len;

		TRY(image_next_raw(r, &data, &len));
		if (!data)
			return NULL;
		++*nr_ret;
		if (d->raw_after) /* where the next entry begins is not known */
			return NULL;
	}
}

static void judge_framing(struct verify *v, const char *file, const struct image_desc *d,
			  const struct image_reader *r, size_t nr)
{
	if (d->framing != FRAMING_INVENTORY && image_is_old(r) != v->old)
		file_fault(v, file, d,
			   xstrdup(v->old ? "it has a head magic, which image version 1 does not "
					    "know" :
					    "it has no head magic, as before image version 2"));
	else if (d->one_entry && !nr && !d->may_be_bad)
		file_fault(v, file, d, xstrdup("it has no entry"));
	else if (d->one_entry && !d->raw_after && image_rest(r))
		verify_find(v, false, file, NO_ENTRY, NULL,
			    "%lu bytes after its only entry: CRIU does not read them",
			    image_rest(r));
}

static void check_file(struct verify *v, const char *file, const struct image_desc *d)
{
	struct image_reader *r;
	size_t nr;
	struct err *e = image_open_as(v->dirfd, file, d, &r);

	if (!e) {
		e = read_entries(r, d, &nr);
		if (!e || d->may_be_bad)
			judge_framing(v, file, d, r, nr);
		image_close(r);
		if (e && d->may_be_bad) {
			AUTO_FREE char *text = err_text(e);

			verify_find(v, false, file, NO_ENTRY, NULL, "%s (CRIU goes on without it)",
				    text);
			err_free(e);
			e = NULL;
		}
	}
	if (!e) {
		v->r->files++;
		return;
	}
	if (verify_absorb_unreadable(v, file, e))
		return;
	file_fault(v, file, d, err_text(e));
	err_free(e);
}

/* What looks as if it belonged to the set, but CRIU would not look at. */
static void note_unusable(struct verify *v, const char *file)
{
	static const char *const packed[] = { ".gz",  ".zst", ".xz",  ".lz4",
					      ".bz2", ".tar", ".tgz", ".comp.img" };
	size_t len = strlen(file);

	if (strstr(file, ".tar.gz.img")) /* what CRIU makes of a tmpfs */
		return;
	for (size_t i = 0; i < sizeof(packed) / sizeof(packed[0]); i++) {
		size_t n = strlen(packed[i]);

		if (len > n && !strcmp(file + len - n, packed[i]))
			verify_find(v, false, file, NO_ENTRY, NULL,
				    "packed: CRIU does not read it as it is");
	}
}

void verify_files(struct verify *v)
{
	for (size_t i = 0; i < v->nr_names; i++) {
		const struct image_desc *d = image_desc_by_name(v->name[i], NULL);

		if (!d)
			note_unusable(v, v->name[i]);
		else if (d->framing != FRAMING_INVENTORY)
			check_file(v, v->name[i], d);
		v->full |= d && d->kind == IMG_OTHER && !d->not_for_restore;
	}
}

/* What came over the wire is here, and nothing else. */
static bool only_pages(const struct verify *v)
{
	bool pages = false;

	for (size_t i = 0; i < v->nr_names; i++) {
		const struct image_desc *d = image_desc_by_name(v->name[i], NULL);

		if (d && d->kind != IMG_PAGEMAP && d->kind != IMG_SHMEM_PAGEMAP)
			return false;
		pages |= d != NULL;
	}
	return pages;
}

void verify_file_inventory(struct verify *v)
{
	const char *file = "inventory.img";

	if (verify_has(v, file))
		check_file(v, file, image_desc(IMG_INVENTORY));
	else if (only_pages(v)) {
		v->pre_dump = v->r->pre_dump = true;
		v->r->pages_only = true;
		verify_find(
			v, false, file, NO_ENTRY, NULL,
			"not here: pagemaps and pages alone, as criu page-server leaves them; "
			"the dump's other files have to be copied here before it is restored or "
			"is a parent");
	} else
		verify_find(v, true, file, NO_ENTRY, NULL, "missing%s",
			    verify_has(v, "checkpoint") ?
				    ": the set is below, in checkpoint/, as container engines "
				    "lay it out" :
				    "");
}
