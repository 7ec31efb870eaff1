/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Is this directory an image set that can be trusted?  The self-check before a commit.
 *
 * The faults that it looks for make CRIU's restore fail, spin or restore wrong bytes, mostly
 * without naming the cause; so it checks every entry.  Page contents are not read.
 */
#ifndef STEPDUMP_VERIFY_H
#define STEPDUMP_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct verify_finding {
	bool fatal;    /* false: worth knowing, the set is fine */
	char *file;    /* "pagemap-4242.img"; "parent/..." for one of the parent; owned */
	int64_t entry; /* index in the file, the head not counted; -1: about the whole file */
	bool has_vaddr;
	uint64_t vaddr; /* address, or offset in a shared object */
	char *text;     /* owned */
};

#define VERIFY_FINDINGS_MAX 1000 /* kept; beyond, they are only counted */

struct verify_report {
	struct verify_finding *v;
	size_t nr;
	size_t nr_fatal, nr_notes; /* also those not kept */
	size_t nr_elsewhere;  /* mapped files that are not on this machine as they were: notes */
	size_t nr_unreadable; /* files that this user may not read: the set is not judged */
	bool pre_dump;        /* inventory, pagemaps and pages are the whole set */
	bool pages_only;      /* a page server's directory: not even an inventory */
	bool full;            /* has what CRIU restores; else memory alone */
	bool has_uptime;      /* without, CRIU refuses the set as a parent */
	uint64_t dump_uptime_us;
	unsigned files; /* images read */
	unsigned pagemaps;
	uint64_t entries; /* of pagemaps */
	uint64_t pages_present, pages_in_parent;
	uint64_t
		pages_at_server; /* not here: in records of this set, or in holes that end in one */
	char *newer; /* the first field that a newer CRIU must have written: the set is not judged; NULL: none */
	char *restore; /* which CRIU can restore it, and why not the others; NULL: not known */
	uint64_t bytes_stored; /* of the pages files, compressed or not */
	bool compressed;
	uint64_t surplus; /* bytes of the pages files that no entry refers to: a note */
};

/*
 * verify_dir - check everything that is known about the set in `dir`.
 *
 * Every pagemap: entries sorted, aligned, not overlapping, flags known and not 0; PRESENT pages
 * x PAGE_BYTES fit into its pages-N.img; N unique; PARENT entries covered by the parent's
 * pagemap, through all generations.  A task's pagemap has an entry, and all its pages lie in
 * private VMAs of mm-PID.img.  VMAs sorted, their file ids in files.img, memfds in memfd.img,
 * shared objects with a pagemap-shmem that stays within their size.  A pre-dump (img_version 0) needs inventory and pagemaps only.
 * A set whose pages are at a page server (at_server.h) has a record in the place of each pagemap.
 * Every other image is framed as its kind has to be (image_kinds.c); what a restore does not read is
 * a note.  A full checkpoint has all that CRIU opens for each task: core, ids, fs, fdinfo; a set without
 * registers, descriptors and the like is memory only, as ours.
 *
 * What a newer CRIU wrote is not judged: ERR_UNSUPPORTED names the first thing that is not known.
 *
 * *ret is set in every case (verify_report_deinit()): an error is the first fatal finding as
 * ERR_CHECK, or what prevented the check (ERR_SYS, ERR_NOMEM).
 */
struct err *verify_dir(const char *dir, struct verify_report *ret);
enum {
	/* A page that lies in a hole of its pages file is a finding, as it reads as zero; some file systems
	 * make such holes of any zeroes. */
	VERIFY_SPARSE = 1 << 0,
	/* Whether the files that are mapped are on this machine as they were. */
	VERIFY_HERE = 1 << 1,
};

/* Same, of an open directory. */
struct err *verify_dirfd(int dirfd, unsigned how, struct verify_report *ret);
void verify_report_deinit(struct verify_report *r);

#endif
