/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of verify share; only verify*.c includes it. */
#ifndef STEPDUMP_VERIFY_PRIV_H
#define STEPDUMP_VERIFY_PRIV_H

#include "engine/image/image.h"
#include "engine/image/pagemap_image.h"
#include "engine/image/verify.h"
#include "proto/inventory.pb-c.h"
#include "proto/mm.pb-c.h"

/* Of files.img. */
struct known_file {
	uint32_t id;
	bool is_reg, is_memfd;
	bool used;         /* by a mapping, a descriptor, a working directory */
	bool mapped;       /* also as the executable */
	uint32_t inode_id; /* is_memfd */
};

/* A shared-memory object that must have a pagemap-shmem image. */
struct known_object {
	uint64_t shmid;
	uint64_t size; /* bytes */
	bool is_memfd;
	bool size_known;   /* false: System V, whose size is in an image that we do not read */
	uint64_t inode_id; /* is_memfd */
};

struct verify {
	int dirfd;
	struct verify_report *r;
	struct err *first; /* of the first fatal finding */
	bool nomem;        /* an image was too large to be read */

	char **name; /* all files, sorted */
	bool *bad;   /* of each: its fault is reported, or it cannot be read */
	size_t nr_names;
	unsigned how;        /* VERIFY_* */
	bool pre_dump, full; /* neither: memory only, as ours */
	bool old;            /* image version 1: no head magics */
	enum verify_criu {
		SINCE_ANY,
		SINCE_4_1,
		SINCE_4_2,
		SINCE_AFTER_4_2
	} since;               /* the oldest CRIU that restores it */
	const char *since_why; /* static */
	uint32_t version;      /* of the images */
	char *no_fdinfo;       /* the first that is not there; owned */
	char **told;           /* names of files that are reported as missing; owned */
	size_t nr_told;
	Criu__TaskKobjIdsEntry
		*root_ids; /* of the dumping criu; NULL: not known; part of inventory */
	ProtobufCMessage *inventory;
	uint32_t root_cg_set;
	bool mm_unread;      /* so it is not known which objects are mapped */
	bool pagemap_unread; /* so it is not known which pages files are used */
	bool no_files;       /* files.img is missing or broken: reported once */

	uint32_t *pid; /* of pstree.img */
	size_t nr_pids;
	struct known_file *file; /* sorted by id */
	size_t nr_files;
	struct known_object *object;
	size_t nr_objects;
	struct {
		uint32_t pages_id;
		const char *file;
	} * pages; /* names are those in `name` */
	size_t nr_pages;
};

#define NO_ENTRY (-1)

/* vaddr NULL: not about an address.  Never fails: see verify.nomem. */
void verify_find(struct verify *v, bool fatal, const char *file, int64_t entry,
		 const uint64_t *vaddr, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* A file that cannot be read is a finding; takes `e`.  True: there was an error. */
bool verify_absorb(struct verify *v, const char *file, struct err *e);
/* The same for a file that this user may not read, which says nothing about the set.  Takes `e` only then. */
bool verify_absorb_unreadable(struct verify *v, const char *file, struct err *e);
/* Its fault is known: whatever reads it later is silent about that. */
void verify_set_bad(struct verify *v, const char *file);
bool verify_is_bad(const struct verify *v, const char *file);
int verify_compare_names(const void *a, const void *b); /* of `name` */
bool verify_has(const struct verify *v, const char *name);

/* verify_files.c: each file by itself; the inventory before the others, as it tells how they are framed. */
void verify_file_inventory(struct verify *v);
void verify_files(struct verify *v);
/* verify_full.c: what a full checkpoint needs; after verify_mm() of all tasks. */
void verify_full(struct verify *v);

/* verify_since.c: something that CRIU knows since then; static text. */
void verify_since(struct verify *v, enum verify_criu since, const char *why);
/* A field that we do not know, so a newer CRIU wrote it: the first one is told. */
void verify_newer(struct verify *v, const char *file, int64_t entry, uint32_t field);
/* Sets verify_report.restore. */
void verify_who_restores(struct verify *v);

/* verify_mapped.c: the files that are mapped, on this machine; after verify_mm() of all tasks. */
void verify_mapped(struct verify *v);
/* verify_mm.c: does a task map this file of files.img? */
bool verify_is_mapped(const struct verify *v, uint64_t id);

/* verify_mm.c: marks a file of files.img as used; false: it has no such file. */
bool verify_use_file(struct verify *v, uint64_t id);
/* verify_mm.c: mm-PID.img; objects found are added to v->object.  NULL: unreadable. */
Criu__MmEntry *verify_mm(struct verify *v, const char *file);

/*
 * verify_pagemap.c: one pagemap with its pages and its parents.  `file` lives as long as `v`.
 * True: *ret holds the image, in order; then the caller frees it.
 */
bool verify_pagemap(struct verify *v, const char *file, struct pagemap_image *ret);
/* verify_pagemap.c: the record of what a page server holds. */
void verify_at_server(struct verify *v, const char *file);
/* Do all pages lie in private VMAs? */
void verify_pagemap_vmas(struct verify *v, const char *file, const struct pagemap_image *pi,
			 const Criu__MmEntry *mm);
/* Do all pages lie in the object? */
void verify_pagemap_object(struct verify *v, const char *file, const struct pagemap_image *pi,
			   const struct known_object *o);

#endif
