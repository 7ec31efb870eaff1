/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * page_read: the pages of one object (a task, a shared-memory object) looked up in an image
 * directory and, through its `parent` links, in all the older ones.
 *
 *	generation 0   dir          pagemap-4242.img   (newest)
 *	generation 1   dir/parent   pagemap-4242.img
 *	...
 * A PARENT entry says: look in the next generation.  A directory without this object's
 * pagemap ends the chain; one that has only the record of a page server (at_server.h) covers
 * pages, but does not have them.  Entries may be cut anywhere, in old or new encoding, ours or CRIU's.
 * Effect on any target: none.  Mirrors: criu/pagemap.c (struct page_read).
 */
#ifndef STEPDUMP_PAGE_READ_H
#define STEPDUMP_PAGE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/image/pagemap_image.h"

struct page_read;

/* The pagemap of one directory, or else its record of what a page server holds of it; ENOENT: neither. */
struct err *page_read_pagemap(int dirfd, const char *name, struct pagemap_image *pi,
			      bool *at_server_ret);

/*
 * page_read_open - `name` is "pagemap-PID.img" or "pagemap-shmem-ID.img".
 * *ret is NULL, without an error, if the newest directory has no such file.
 * Fails: ERR_FORMAT, ERR_CHECK for an image whose entries are not in order, a chain of
 * parents that leads back to itself or does not end (generations.h).  `dirfd` is only used here.
 */
struct err *page_read_open(int dirfd, const char *name, struct page_read **ret);
/* For looking: a chain that breaks is opened as far as it goes, and page_read_locate() says why. */
struct err *page_read_open_some(int dirfd, const char *name, struct page_read **ret);
void page_read_close(struct page_read *pr); /* NULL is fine */

/* Is all of [vaddr, vaddr + nr_pages pages) there, in any generation?  Else *missing_ret is the
 * first address that is not.  CRIU's check of a hole asks only the newest one. */
bool page_read_covers(const struct page_read *pr, uint64_t vaddr, uint64_t nr_pages,
		      uint64_t *missing_ret);
/* The last entry that ends at or before vaddr, and the first that begins after it, in the newest
 * generation; NULL: none. */
void page_read_neighbours(const struct page_read *pr, uint64_t vaddr,
			  const struct pagemap_entry **before_ret,
			  const struct pagemap_entry **after_ret);

/* Where one page's bytes are. */
struct page_place {
	unsigned generation;
	uint32_t pages_id;    /* pages-N.img of that directory */
	uint64_t off;         /* bytes, if its pages are stored as they are */
	uint64_t stored_off;  /* where they really are; of a compressed page: its block */
	uint32_t block_pages; /* pages in that block; 0: not compressed */
	uint32_t flags;       /* PE_* of its entry */
};

/* Follows PARENT entries down to data.  ERR_CHECK: not covered, at a page server, or the chain breaks
 * (says where). */
struct err *page_read_locate(const struct page_read *pr, uint64_t vaddr, struct page_place *ret);
/* The page's bytes: buf holds PAGE_BYTES. */
struct err *page_read_page(const struct page_read *pr, uint64_t vaddr, void *buf);

/* The chain, newest first. */
size_t page_read_generations(const struct page_read *pr);
const char *page_read_dir(const struct page_read *pr, size_t generation); /* real path */
const struct pagemap_image *page_read_image(const struct page_read *pr, size_t generation);
/* Are the pages of this generation at a page server?  Then the name of that, which the caller frees; else NULL. */
char *page_read_server(const struct page_read *pr, size_t generation);
/* Are those of any generation? */
bool page_read_leads_to_server(const struct page_read *pr);

/* The part of a directory's inventory that matters to a child. */
struct parent_info {
	bool has_uptime;
	uint64_t dump_uptime_us;
	uint32_t pre_dump_mode; /* 0: not given, 1: splice, 2: read */
	uint32_t img_version;
};

struct err *parent_info_read(int dirfd, struct parent_info *ret);

#endif
