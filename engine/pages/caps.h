/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What this kernel and our privileges allow, found out by trying it on ourselves, never by
 * comparing versions.  Mirrors: criu/kerndat.c.
 */
#ifndef STEPDUMP_CAPS_H
#define STEPDUMP_CAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* What CRIU asks of a page pipe at the most: PIPE_MAX_SIZE of page-pipe.h, in pages. */
#define CAPS_PIPE_PAGES_WANTED 819u

struct caps {
	bool pagemap_scan;    /* ioctl PAGEMAP_SCAN */
	bool scan_guard;      /* it knows PAGE_IS_GUARD */
	bool scan_soft_dirty; /* it knows PAGE_IS_SOFT_DIRTY (says nothing about tracking) */
	bool pfn_visible;
	uint64_t zero_pfn;      /* valid if pfn_visible */
	uint64_t huge_zero_pfn; /* first of 512; 0: none */
	bool soft_dirty;        /* a store after clear_refs really sets the bit */
	bool uffd_wp_async;     /* a store after UFFDIO_WRITEPROTECT really shows as WRITTEN */
	int uffd_errno;         /* why userfaultfd() itself failed; 0: it did not */
	int uffd_copy_errno; /* why UFFDIO_COPY does not make pages of shared memory; 0: it does */
	uint32_t cpus;       /* that we may run on */

	uint64_t cap_eff; /* the mask; the usual ones by name: */
	bool cap_sys_resource, cap_sys_admin, cap_sys_ptrace, cap_checkpoint_restore;

	uint64_t pipe_max_size; /* bytes: fs.pipe-max-size */
	uint32_t pipe_pages;    /* that a pipe holds when asked for CAPS_PIPE_PAGES_WANTED */
	int pipe_errno;         /* errno: why it is fewer; 0: it is not */
	bool vmsplice;
	uint32_t seccomp; /* our own: 0 none, 1 strict, 2 filter */
	bool map_files;   /* links in /proc/PID/map_files can be opened */
	bool process_vm_readv;
	bool pidfd_getfd;
	char thp[16]; /* "always", "madvise", "never", "" unknown */
};

/*
 * caps_probe - a few milliseconds; leaves no descriptor and no mapping behind.  Clears our own
 * soft-dirty bits.  Fails only if nothing can be found out, as without /proc or memory.
 */
struct err *caps_probe(struct caps *ret);

/* A row of `show caps`. */
struct cap_line {
	const char *name; /* static */
	bool available;
	char value[64];          /* "256 pages (EPERM)"; "" if there is nothing to add */
	const char *consequence; /* static: what follows for a dump, without full stop */
};

#define CAP_LINES_MAX 20u

/* Fills out[0..max), returns how many there are. */
size_t caps_describe(const struct caps *c, struct cap_line *out, size_t max);

#endif
