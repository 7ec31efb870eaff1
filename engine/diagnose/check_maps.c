/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is mapped that cannot be dumped, or not without loss. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "engine/diagnose/check_priv.h"
#include "engine/target/target.h"

static void check_sealed(struct look *k, const struct vma *v)
{
	if (!(v->vmf & VMF_SEALED) ||
	    v->status & (VMA_AREA_VDSO | VMA_AREA_VVAR | VMA_AREA_VSYSCALL | VMA_AREA_UPROBES))
		return; /* those that the kernel seals and makes itself */
	if (!(v->prot & PROT_READ) && vma_is_private(v))
		found(k, CAUSE_SEALED, v, "/proc/%d/smaps: VmFlags sl, not readable", k->pid);
	else
		found(k, CAUSE_SEAL_LOST, v, "/proc/%d/smaps: VmFlags sl", k->pid);
}

void check_file(struct look *k, const struct vma *v)
{
	bool shared = v->status & VMA_FILE_SHARED;
	char path[96];
	struct stat st;

	if (v->dev == k->env->shmem_dev || !(v->status & (VMA_FILE_SHARED | VMA_FILE_PRIVATE)))
		return;
	if (vma_is_deleted(v)) {
		snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", k->pid, v->start,
			 v->end);
		if (!stat(path, &st) && !st.st_nlink && ghost_bytes(&st) > GHOST_LIMIT)
			found(k, CAUSE_GHOST_TOO_BIG, v,
			      "/proc/%d/maps: deleted; %lu bytes in st_blocks, the limit is %u",
			      k->pid, ghost_bytes(&st), GHOST_LIMIT);
		else if (shared)
			found(k, CAUSE_FILE_ELSEWHERE, v,
			      "/proc/%d/maps: shared mapping of a deleted file: CRIU writes a ghost file",
			      k->pid);
	} else if (shared && v->prot & PROT_WRITE && proc_on_tmpfs(k->pid, v->dev)) {
		found(k, CAUSE_FILE_ELSEWHERE, v,
		      "/proc/%d/maps: shared mapping of a file on tmpfs", k->pid);
	}
}

static void check_ipc(struct look *k, const struct vma *v)
{
	char path[64], ns[64] = "";

	snprintf(path, sizeof(path), "/proc/%d/ns/ipc", k->pid);
	ssize_t n = readlink(path, ns, sizeof(ns) - 1);

	if (n > 0 && !strcmp(ns, k->env->ipc_ns))
		found(k, CAUSE_SYSV_HOST_IPC, v,
		      "/proc/%d/maps: /SYSV; /proc/%d/ns/ipc is ours: %s", k->pid, k->pid, ns);
}

/* As CRIU looks for a place for its first system call: a vsyscall page is beyond user space. */
static bool has_code(const struct vma_list *l)
{
	for (size_t i = 0; i < l->nr; i++)
		if (l->v[i].prot & PROT_EXEC && !(l->v[i].status & VMA_AREA_VSYSCALL) &&
		    !vma_is_parasite(&l->v[i]))
			return true;
	return false;
}

void check_maps(struct look *k)
{
	bool holds_uffd = false;

	for (size_t i = 0; i < k->fds.nr; i++)
		holds_uffd |= !strcmp(k->fds.v[i].link, "anon_inode:[userfaultfd]");
	for (size_t i = 0; i < k->vmas.nr; i++) {
		const struct vma *v = &k->vmas.v[i];

		if (vma_is_parasite(v)) {
			if (!k->st.tracer_pid) /* else a dump is under way */
				found(k, CAUSE_RESIDUE, v, "/proc/%d/maps: %s", k->pid, v->name);
			continue;
		}
		if (v->status & VMA_UNSUPP && !(v->vmf & VMF_SEALED)) {
			found(k, (enum cause_id)cause_find(v->cause), v, "/proc/%d/maps: %s",
			      k->pid, *v->name ? v->name : v->unsupp);
			continue;
		}
		check_sealed(k, v);
		check_file(k, v);
		if (v->pkey)
			found(k, CAUSE_PROTECTION_KEY, v, "/proc/%d/smaps: ProtectionKey %u",
			      k->pid, v->pkey);
		if (v->status & VMA_AREA_SYSVIPC)
			check_ipc(k, v);
		if (v->status & VMA_AREA_AIORING)
			found(k, CAUSE_AIO, v, "/proc/%d/maps: %s", k->pid, v->name);
		if (v->vmf & VMF_UFFD_OWED && !holds_uffd && k->has_fds && !k->env->own_uffd)
			found(k, CAUSE_UFFD_OUTSIDE, v,
			      "/proc/%d/smaps: VmFlags um; no userfaultfd in /proc/%d/fd", k->pid,
			      k->pid);
	}
	if (k->vmas.nr && !has_code(&k->vmas) && target_lacks_code(k->pid))
		found(k, CAUSE_NO_CODE_VMA, NULL,
		      "/proc/%d/maps: none of %zu mappings is executable", k->pid, k->vmas.nr);
	if (!k->env->caps->pagemap_scan && k->vmas.priv_longest_pages > (1ul << 25))
		found(k, CAUSE_HUGE_RESERVE, NULL,
		      "/proc/%d/maps: the longest private mapping has %lu GiB", k->pid,
		      k->vmas.priv_longest_pages >> 18);
}
