/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A reader of pagemap-*.img and pages-N.img that shares no code with the engine.  Also: a directory
 * of the test's own, and a file system of its own that gets full. */
#ifndef STEPDUMP_TESTS_IMAGES_H
#define STEPDUMP_TESTS_IMAGES_H

#include "tests/lib/test.h"

struct bytes {
	uint8_t *b;
	size_t nr;
};

struct bytes slurp(int dirfd, const char *name);
void put_file(int dirfd, const char *name, const void *data, size_t len);

/* A number as protobuf writes it, at most 10 bytes; returns the length. */
size_t put_varint(uint8_t *to, uint64_t v);

/* Writes a pages-ID.img with that many pages of zeros. */
void put_pages(int dirfd, uint32_t id, uint64_t nr);

struct pm_entry {
	uint64_t vaddr, pages;
	uint32_t flags;
};

struct pm {
	uint32_t pages_id;
	struct pm_entry *e;
	size_t nr;
	uint64_t stored; /* pages with data */
};

struct pm pm_read(int dirfd, const char *name);

/* ---- places ----------------------------------------------------------------------- */

extern char scratch[64];
extern int scratch_fd;

/* Set-up and tear-down of tests. */
int scratch_make(void **state);
int scratch_drop(void **state);

/* Mounts a tmpfs of that many KiB there; skips the test where that is not allowed. */
void scratch_small(unsigned kib);

void scratch_resize(unsigned kib);

void remove_tree(int at, const char *name);

/* The number of entries of a directory, without . and .. */
unsigned entries_in(const char *path);

#endif
