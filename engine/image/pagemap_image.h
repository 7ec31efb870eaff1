/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pagemap-PID.img and pagemap-shmem-ID.img: which pages an image set holds, and where.
 *
 * Ranges are half-open, vaddr is bytes (for shared memory: the byte offset in the object),
 * nr_pages counts pages of PAGE_BYTES.
 *
 * Mirrors: criu/page-xfer.c write_pagemap_loc(), criu/pagemap.c init_pagemaps().
 */
#ifndef STEPDUMP_PAGEMAP_IMAGE_H
#define STEPDUMP_PAGEMAP_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/num.h"

#define PE_PARENT 0x1u  /* a hole: the parent image has the pages */
#define PE_LAZY 0x2u    /* may be restored lazily */
#define PE_PRESENT 0x4u /* the pages are in pages-N.img */
/* 0x8, PE_PAYLOAD_ALIGNED of image version 3, is pagemap_entry.aligned. */

/* ---- writing ------------------------------------------------------------- */

struct image_writer;

struct pagemap_entry {
	uint64_t vaddr;
	uint64_t nr_pages;
	uint32_t flags; /* PE_* */
	uint64_t
		pages_off; /* reading: byte offset in pages-N.img, if all its pages are stored as they are */
	/* Reading, meant with PE_PRESENT only: how it is stored (pages_file.h). */
	bool aligned;         /* padded to begin at a page: PE_PAYLOAD_ALIGNED */
	uint32_t block_pages; /* pages in an LZ4 block; 0: not compressed */
	size_t block;         /* index of its first one */
	uint64_t stored_off;  /* byte offset in pages-N.img */
};

/* A block is not longer, unpacked: CRIU's limit. */
#define PACKED_BYTES_MAX (4u << 20)

struct pagemap_block {
	uint64_t off; /* bytes */
	uint32_t
		size; /* 0: nothing but zeroes, and not stored; as long as its pages: not compressed */
};

struct pagemap_writer {
	struct image_writer *w;
	struct pagemap_entry last;
	size_t nr;      /* entries so far */
	bool in_parent; /* set by the caller: holes are told in field 3 as well, for CRIU before 3.5 */
};

/* Creates `name` in `dirfd` and writes the head.  `dirfd` is only used during the call. */
struct err *pagemap_writer_open(struct pagemap_writer *w, int dirfd, const char *name,
				uint32_t pages_id);
/*
 * pagemap_writer_add - append one entry, as it is: the caller merges.
 * The count is written for both generations of readers, so it must stay below 2^32.
 * Fails: ERR_CHECK for an entry that is not aligned, empty, without a place for its pages,
 * or not behind the one before; nothing is written then.
 */
struct err *pagemap_writer_add(struct pagemap_writer *w, uint64_t vaddr, uint64_t nr_pages,
			       uint32_t flags);
/* Writes what is buffered.  After a failure nothing is lost: make room, and try again. */
struct err *pagemap_writer_flush(struct pagemap_writer *w);
/* Flushes and closes, also on failure; `w` can be opened again. */
struct err *pagemap_writer_close(struct pagemap_writer *w);
/* Closes without flushing.  Harmless when not open. */
void pagemap_writer_abandon(struct pagemap_writer *w);

/* ---- reading ------------------------------------------------------------- */

static inline uint64_t pagemap_entry_end(const struct pagemap_entry *e)
{
	return e->vaddr + e->nr_pages * PAGE_BYTES;
}

struct pagemap_image {
	uint32_t pages_id;
	struct pagemap_entry *e;
	size_t nr;
	uint64_t nr_present; /* pages in pages-N.img */
	uint64_t stored;     /* bytes that they take there */
	struct pagemap_block *block;
	size_t nr_blocks;
	bool packed;        /* compressed or aligned: offsets are not pages_off */
	uint32_t new_field; /* the first field of an entry that we do not know; 0: none */
	size_t new_entry;   /* where */
	size_t nr_new_only; /* entries whose count CRIU before 4.2 does not see: field 5 alone */
	size_t nr_disagree; /* entries whose fields 2 and 5 give different counts */
};

/*
 * pagemap_image_read - the whole of `name` (pagemap-*.img) with old spellings made new: in_parent
 * is PE_PARENT, no flags is PE_PRESENT, the count is field 5 or else field 2.  Compressed entries of image version 3
 * are read in both forms that CRIU's development had: blocks in a message (field 6), and in fields 6 to 8.
 * Fails: ERR_SYS (ENOENT), ERR_FORMAT (also for a range that leaves 64 bits).  Entries come as
 * the file has them: whether they are in order is for pagemap_image_check().
 */
struct err *pagemap_image_read(int dirfd, const char *name, struct pagemap_image *ret);
void pagemap_image_deinit(struct pagemap_image *pi);

/*
 * pagemap_entry_fault - what is wrong with an entry in itself and after its predecessor
 * (NULL: it is the first).  Static text, or NULL for a good entry.
 */
const char *pagemap_entry_fault(const struct pagemap_entry *e, const struct pagemap_entry *prev);
/* ERR_CHECK names the first faulty entry; pagemap_image_find() needs an image without any. */
struct err *pagemap_image_check(const struct pagemap_image *pi, const char *name);
/* Index of the entry that holds `vaddr`, or -1. */
ssize_t pagemap_image_find(const struct pagemap_image *pi, uint64_t vaddr);

#endif
