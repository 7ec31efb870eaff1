/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One mapping of the target, classified as CRIU classifies it.
 *
 * Mirrors: struct vma_area + VmaEntry; criu/proc_parse.c handle_vma(), parse_smaps().
 * All numbers are the ones that go into mm-PID.img.  Ranges are half-open.
 */
#ifndef STEPDUMP_VMA_H
#define STEPDUMP_VMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/num.h"

/* Status bits of a VMA, CRIU's names and values (criu/include/image.h). */
#define VMA_AREA_NONE 0x0u
#define VMA_AREA_REGULAR 0x1u
#define VMA_AREA_STACK 0x2u
#define VMA_AREA_VSYSCALL 0x4u
#define VMA_AREA_VDSO 0x8u
#define VMA_AREA_HEAP 0x20u
#define VMA_FILE_PRIVATE 0x40u
#define VMA_FILE_SHARED 0x80u
#define VMA_ANON_SHARED 0x100u
#define VMA_ANON_PRIVATE 0x200u
#define VMA_AREA_SYSVIPC 0x400u
#define VMA_AREA_SOCKET 0x800u
#define VMA_AREA_VVAR 0x1000u
#define VMA_AREA_AIORING 0x2000u
#define VMA_AREA_MEMFD 0x4000u
#define VMA_AREA_SHSTK 0x8000u
#define VMA_AREA_GUARD 0x10000u
#define VMA_AREA_UPROBES 0x20000u
#define VMA_UNSUPP 0x80000000u /* cannot be dumped; never reaches an image */

/* From VmFlags: what `flags` and `madv` do not carry into the image. */
#define VMF_IO 0x1u           /* io */
#define VMF_PFNMAP 0x2u       /* pf */
#define VMF_HUGETLB 0x4u      /* ht */
#define VMF_DROPPABLE 0x8u    /* dp */
#define VMF_SEALED 0x10u      /* sl */
#define VMF_LOCKED 0x20u      /* lo */
#define VMF_UFFD 0x40u        /* um, uw or ui: registered with somebody's userfaultfd */
#define VMF_SHADOWSTACK 0x80u /* ss */
#define VMF_UFFD_OWED 0x200u  /* um or ui: a handler has to deliver pages */
#define VMF_SHARED 0x100u     /* the s of "r--s"; VmFlags drop sh where it cannot be written */

struct vma {
	uint64_t start, end; /* bytes, page aligned */
	uint64_t pgoff;      /* BYTES into the file or object */
	uint64_t shmid;      /* file id, shmem id or 0, by `status` */
	uint32_t prot;       /* PROT_* as the target has it (not as we changed it) */
	uint32_t flags;      /* MAP_* */
	uint32_t status;     /* VMA_* above */
	uint64_t madv;       /* bit per MADV_* number; 0: none */
	uint32_t fdflags;    /* O_RDONLY/O_WRONLY/O_RDWR of the map_files link */
	bool has_fdflags;

	uint32_t vmf;                   /* VMF_* */
	uint64_t dev;                   /* st_dev of the file; 0 for anonymous memory */
	uint64_t ino;                   /* st_ino of the file; 0 for anonymous memory */
	uint64_t rss_bytes, swap_bytes; /* from smaps, when collected */
	uint32_t hugepage_kb;           /* KernelPageSize, 4 if ordinary */
	uint32_t pkey;                  /* ProtectionKey, 0 if ordinary */
	char *name;         /* as the kernel prints it (newline is \012): path, "[heap]",
			       * "/SYSV...", or "" for none; owned by the list (vma_list_add) */
	const char *unsupp; /* static text: why VMA_UNSUPP is set; else NULL */
	const char *cause;  /* the same as a name of the catalogue of causes */
};

/* An array in address order. */
struct vma_list {
	struct vma *v;
	size_t nr;
	/* The rest mirrors CRIU's struct vm_area_list. */
	uint64_t nr_priv_pages;        /* pages in private VMAs */
	uint64_t priv_longest_pages;   /* longest private VMA */
	uint64_t shared_longest_pages; /* longest shared VMA */
	uint64_t nr_aios;
	uint64_t maps_hash; /* of the lines that /proc/PID/maps has; see proc_maps_hash() */
};

/* Does the kernel call the file behind it deleted?  memfds are always so. */
bool vma_is_deleted(const struct vma *v);

static inline uint64_t vma_pages(const struct vma *v)
{
	return (v->end - v->start) / PAGE_BYTES;
}

/* Private memory, dumped page by page (criu/include/vma.h vma_area_is_private()). */
bool vma_is_private(const struct vma *v);
/* Shared memory whose content goes to a pagemap-shmem image. */
bool vma_is_shmem(const struct vma *v);
/* May its pages carry PE_LAZY (criu/mem.c vma_entry_can_be_lazy())? */
bool vma_can_be_lazy(const struct vma *v);
/* Every page is dumped, whatever the pagemap says: vdso and AIO rings (should_dump_page()). */
bool vma_always_dumped(const struct vma *v);
/* Private, but no page of it is ever dumped: vvar, vsyscall, droppable. */
bool vma_never_dumped(const struct vma *v);
/* "anon", "heap", "stack", "file", "file cow", "memfd", "shm", "sysv", "vdso", "vvar",
 * "vsyscall", "aio", "hugetlb", "droppable", "guard", "device", ...: one short static word. */
const char *vma_kind(const struct vma *v);

/* Mapping of a parasite, CRIU's or ours, living or left behind: never part of a dump. */
bool vma_is_parasite(const struct vma *v);

/*
 * Names of the bits, lowest bit first, static strings; returns how many.  Bits without a
 * name are left out.  "REGULAR", "ANON_PRIVATE"; "MAP_PRIVATE"; "MADV_DONTDUMP".
 */
size_t vma_status_names(uint32_t status, const char *out[32]);
size_t vma_flag_names(uint32_t flags, const char *out[32]);
size_t vma_madv_names(uint64_t madv, const char *out[64]);
/* As in /proc/PID/maps: "rw-p", "r--s". */
void vma_prot_str(uint32_t prot, bool shared, char out[5]);

/* Appends a copy of *v, with a copy of `name` ("" or NULL: none); updates no totals.
 * v->name is ignored.  *v must lie at or above the end of the last one. */
void vma_list_add(struct vma_list *l, const struct vma *v, const char *name);
/* Computes the totals of the list again. */
void vma_list_count(struct vma_list *l);
void vma_list_deinit(struct vma_list *l);
/* Index of the VMA that holds `vaddr`, or -1. */
ssize_t vma_list_find(const struct vma_list *l, uint64_t vaddr);

#endif
