/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/proc/vma.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/vec.h"

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif

/* No user address lies above, with five-level page tables either: the vsyscall page does. */
#define TASK_SIZE_MAX 0x00fffffffffff000ull

/* Names that are not allocated, so that 60,000 anonymous VMAs cost nothing. */
static char no_name[] = "";

bool vma_is_private(const struct vma *v)
{
	if (v->status & (VMA_AREA_SHSTK | VMA_AREA_AIORING))
		return true;
	return (v->status & VMA_AREA_REGULAR) &&
	       (v->status & (VMA_ANON_PRIVATE | VMA_FILE_PRIVATE)) && v->end <= TASK_SIZE_MAX;
}

bool vma_is_shmem(const struct vma *v)
{
	return v->status & (VMA_ANON_SHARED | VMA_AREA_MEMFD);
}

bool vma_can_be_lazy(const struct vma *v)
{
	const uint32_t both = MAP_ANONYMOUS | MAP_PRIVATE;

	return (v->flags & both) == both && !(v->flags & (MAP_LOCKED | MAP_HUGETLB)) &&
	       !(v->status & (VMA_AREA_VDSO | VMA_AREA_VVAR | VMA_AREA_VSYSCALL));
}

bool vma_always_dumped(const struct vma *v)
{
	return v->status & (VMA_AREA_VDSO | VMA_AREA_AIORING);
}

bool vma_never_dumped(const struct vma *v)
{
	return (v->status & (VMA_AREA_VVAR | VMA_AREA_VSYSCALL)) || (v->vmf & VMF_DROPPABLE);
}

static bool named(const struct vma *v, const char *prefix)
{
	return v->name && !strncmp(v->name, prefix, strlen(prefix));
}

bool vma_is_parasite(const struct vma *v)
{
	return (v->status & VMA_AREA_MEMFD) && named(v, "/memfd:CRIUMFD");
}

static const char *kind_of_unsupp(const struct vma *v)
{
	if (named(v, "anon_inode:[io_uring]"))
		return "io_uring";
	if (named(v, "/secretmem"))
		return "secretmem";
	if (v->status & VMA_AREA_UPROBES)
		return "uprobes";
	if (v->status & VMA_AREA_SHSTK)
		return "shadow stack";
	if (!(v->status & (VMA_ANON_PRIVATE | VMA_FILE_PRIVATE)) ||
	    (v->vmf & (VMF_IO | VMF_PFNMAP)))
		return "device";
	return NULL;
}

const char *vma_kind(const struct vma *v)
{
	static const struct {
		uint32_t status;
		const char *kind;
	} by_status[] = {
		{ VMA_AREA_GUARD, "guard" },  { VMA_AREA_VSYSCALL, "vsyscall" },
		{ VMA_AREA_VDSO, "vdso" },    { VMA_AREA_VVAR, "vvar" },
		{ VMA_AREA_AIORING, "aio" },  { VMA_AREA_SOCKET, "socket" },
		{ VMA_AREA_SYSVIPC, "sysv" }, { VMA_AREA_HEAP, "heap" },
	};
	static const struct {
		uint32_t status;
		const char *kind;
	} by_backing[] = {
		{ VMA_AREA_MEMFD, "memfd" },
		{ VMA_ANON_SHARED, "shm" },
		{ VMA_FILE_SHARED, "file" },
		{ VMA_FILE_PRIVATE, "file cow" },
	};

	if (v->status & VMA_UNSUPP) {
		const char *kind = kind_of_unsupp(v);

		if (kind)
			return kind;
	}
	for (size_t i = 0; i < sizeof(by_status) / sizeof(by_status[0]); i++)
		if (v->status & by_status[i].status)
			return by_status[i].kind;
	if (v->vmf & VMF_HUGETLB)
		return "hugetlb";
	if (v->vmf & VMF_DROPPABLE)
		return "droppable";
	for (size_t i = 0; i < sizeof(by_backing) / sizeof(by_backing[0]); i++)
		if (v->status & by_backing[i].status)
			return by_backing[i].kind;
	if ((v->flags & MAP_GROWSDOWN) || named(v, "[stack]"))
		return "stack";
	return "anon";
}

struct bit_name {
	uint64_t bit;
	const char *name;
};

static size_t names_of(uint64_t bits, const struct bit_name *table, size_t nr, const char **out)
{
	size_t n = 0;

	for (size_t i = 0; i < nr; i++)
		if (bits & table[i].bit)
			out[n++] = table[i].name;
	return n;
}

size_t vma_status_names(uint32_t status, const char *out[32])
{
	static const struct bit_name table[] = {
		{ VMA_AREA_REGULAR, "REGULAR" },
		{ VMA_AREA_STACK, "STACK" },
		{ VMA_AREA_VSYSCALL, "VSYSCALL" },
		{ VMA_AREA_VDSO, "VDSO" },
		{ VMA_AREA_HEAP, "HEAP" },
		{ VMA_FILE_PRIVATE, "FILE_PRIVATE" },
		{ VMA_FILE_SHARED, "FILE_SHARED" },
		{ VMA_ANON_SHARED, "ANON_SHARED" },
		{ VMA_ANON_PRIVATE, "ANON_PRIVATE" },
		{ VMA_AREA_SYSVIPC, "SYSVIPC" },
		{ VMA_AREA_SOCKET, "SOCKET" },
		{ VMA_AREA_VVAR, "VVAR" },
		{ VMA_AREA_AIORING, "AIORING" },
		{ VMA_AREA_MEMFD, "MEMFD" },
		{ VMA_AREA_SHSTK, "SHSTK" },
		{ VMA_AREA_GUARD, "GUARD" },
		{ VMA_AREA_UPROBES, "UPROBES" },
		{ VMA_UNSUPP, "UNSUPP" },
	};

	return names_of(status, table, sizeof(table) / sizeof(table[0]), out);
}

size_t vma_flag_names(uint32_t flags, const char *out[32])
{
	static const struct bit_name table[] = {
		{ MAP_SHARED, "MAP_SHARED" },       { MAP_PRIVATE, "MAP_PRIVATE" },
		{ MAP_DROPPABLE, "MAP_DROPPABLE" }, { MAP_ANONYMOUS, "MAP_ANONYMOUS" },
		{ MAP_GROWSDOWN, "MAP_GROWSDOWN" }, { MAP_LOCKED, "MAP_LOCKED" },
		{ MAP_NORESERVE, "MAP_NORESERVE" }, { MAP_HUGETLB, "MAP_HUGETLB" },
	};

	return names_of(flags, table, sizeof(table) / sizeof(table[0]), out);
}

size_t vma_madv_names(uint64_t madv, const char *out[64])
{
	static const struct bit_name table[] = {
		{ 1ull << MADV_RANDOM, "MADV_RANDOM" },
		{ 1ull << MADV_SEQUENTIAL, "MADV_SEQUENTIAL" },
		{ 1ull << MADV_DONTFORK, "MADV_DONTFORK" },
		{ 1ull << MADV_MERGEABLE, "MADV_MERGEABLE" },
		{ 1ull << MADV_HUGEPAGE, "MADV_HUGEPAGE" },
		{ 1ull << MADV_NOHUGEPAGE, "MADV_NOHUGEPAGE" },
		{ 1ull << MADV_DONTDUMP, "MADV_DONTDUMP" },
		{ 1ull << MADV_WIPEONFORK, "MADV_WIPEONFORK" },
	};

	return names_of(madv, table, sizeof(table) / sizeof(table[0]), out);
}

void vma_prot_str(uint32_t prot, bool shared, char out[5])
{
	out[0] = prot & PROT_READ ? 'r' : '-';
	out[1] = prot & PROT_WRITE ? 'w' : '-';
	out[2] = prot & PROT_EXEC ? 'x' : '-';
	out[3] = shared ? 's' : 'p';
	out[4] = '\0';
}

void vma_list_add(struct vma_list *l, const struct vma *v, const char *name)
{
	struct vma *added = vec_push(l->v, l->nr);

	*added = *v;
	added->name = name && *name ? xstrdup(name) : no_name;
}

void vma_list_count(struct vma_list *l)
{
	l->nr_priv_pages = l->priv_longest_pages = l->shared_longest_pages = l->nr_aios = 0;
	for (size_t i = 0; i < l->nr; i++) {
		const struct vma *v = &l->v[i];
		uint64_t pages = vma_pages(v);

		if (v->status & VMA_AREA_AIORING)
			l->nr_aios++;
		if (vma_is_private(v)) {
			l->nr_priv_pages += pages;
			if (pages > l->priv_longest_pages)
				l->priv_longest_pages = pages;
		} else if (v->status & (VMA_ANON_SHARED | VMA_FILE_SHARED)) {
			if (pages > l->shared_longest_pages)
				l->shared_longest_pages = pages;
		}
	}
}

void vma_list_deinit(struct vma_list *l)
{
	for (size_t i = 0; i < l->nr; i++)
		if (l->v[i].name != no_name)
			free(l->v[i].name);
	free(l->v);
	*l = (struct vma_list){ 0 };
}

ssize_t vma_list_find(const struct vma_list *l, uint64_t vaddr)
{
	size_t i = vec_first(l->nr, k, l->v[k].end > vaddr);

	return i < l->nr && l->v[i].start <= vaddr ? (ssize_t)i : -1;
}

bool vma_is_deleted(const struct vma *v)
{
	static const char suffix[] = " (deleted)";
	size_t len = strlen(v->name), n = sizeof(suffix) - 1;

	return len > n && !strcmp(v->name + len - n, suffix);
}
