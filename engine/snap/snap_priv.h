/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files that fill a snapshot share. */
#ifndef STEPDUMP_SNAP_PRIV_H
#define STEPDUMP_SNAP_PRIV_H

#include "engine/image/pagemap_image.h"
#include "engine/session/session_priv.h"
#include "proto/message.h"

/* The next unit, in words. */
void unit_in_words(const struct unit *u, char *buf, size_t len);

struct page_read;

/* snap_xfer.c */
/* The flags of a pagemap entry by name: "PRESENT", "PARENT". */
void snap_flag_names(uint32_t flags, char ***out, size_t *nr);
/* Generation g of a chain, into snap->parents. */
void snap_generation(const struct page_read *pr, size_t g, const struct snap_request *req,
		     Stepdump__Snapshot *snap);
/* One element for each verdict that has pages. */
void snap_counts(const struct verdict_counts *c, Stepdump__VerdictCount ***out, size_t *nr);

/* snap_target.c */
/* All of a VMA that the dump adds nothing to. */
Stepdump__Vma *snap_vma_text(const struct vma *v, size_t index, Stepdump__Snapshot *snap);
void snap_target(struct session *s, Stepdump__Snapshot *snap);
void snap_tasks(struct session *s, Stepdump__Snapshot *snap);
void snap_threads(struct session *s, Stepdump__Snapshot *snap);
void snap_vmas(struct session *s, const struct snap_request *req, Stepdump__Snapshot *snap);
/* snap_pipe.c: pmc, page_pipe, checks, and the parts of the next two files */
void snap_pipeline(struct session *s, const struct snap_request *req, Stepdump__Snapshot *snap);
void snap_region(uint64_t start, uint64_t end, uint64_t cats, Stepdump__Pmc *o);
/* snap_shmem.c */
void snap_shmem(struct session *s, Stepdump__Snapshot *snap);
/* snap_xfer.c */
void snap_xfer(struct session *s, Stepdump__Snapshot *snap);
void snap_parents(struct session *s, const struct snap_request *req, Stepdump__Snapshot *snap);
/* The regular files of a directory, by name. */
void snap_files(int dirfd, Stepdump__Xfer *o);
/* For vec_sort() of its files. */
int snap_file_by_name(const void *a, const void *b);
void snap_entry(Stepdump__PagemapEntry *o, const struct pagemap_entry *e);
/* snap_why.c: the reason for one page; has generate-iovs been past it; and, once its entry is on disk,
 * the byte offset of the page in pages-N.img. */
struct err *snap_why(struct session *s, uint64_t addr, Stepdump__Snapshot *snap);
bool snap_is_scanned(const struct dump *d, size_t task, uint64_t addr);
bool snap_find_in_image(struct session *s, uint64_t addr, uint32_t *pages_id, uint64_t *off);
/* Tracking has begun again, so that pages can no longer be judged. */
static inline bool snap_is_settled(const struct dump *d)
{
	return d->committed || d->thawed;
}
/* snap_done.c: what was done with the pages of the selected task, as entries of its pagemap; NULL: they can still
 * be judged.  Valid until the next call. */
const struct pagemap_image *snap_done(struct session *s);
/* The page-pipe of the item that the pipeline is at; or that in which a pre-dump keeps the selected task's pages. */
const struct page_pipe *snap_pages_in_pipes(const struct session *s);
/* The verdict on the page at `addr`, which would be judged so now; it holds up to *end, which moves down. */
verdict_t snap_done_verdict(const struct pagemap_image *pi, verdict_t judged, uint64_t addr,
			    uint64_t *end);
/* snap_pages.c: verdict runs, why, peek */
struct err *snap_pages(struct session *s, const struct snap_request *req, Stepdump__Snapshot *snap);

/* snap_watch.c: all that a watched criu fills */
struct err *snap_watch(struct session *s, const struct snap_request *req, Stepdump__Snapshot *snap);

#endif
