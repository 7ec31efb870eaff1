/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Limits of the process, and of ours. */
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

#include "engine/diagnose/check_priv.h"

#define PARASITE_FDS 4
#define PARASITE_BYTES (80u << 10)
#define CAP_IPC_LOCK_BIT 14

static void check_nofile(struct look *k)
{
	uint64_t limit = k->limits.lim[RLIMIT_NOFILE].rlim_cur, used = 0;

	for (size_t i = 0; i < k->fds.nr; i++)
		used += (uint64_t)k->fds.v[i].fd < limit;
	if (k->has_fds && limit - used < PARASITE_FDS)
		found(k, CAUSE_NO_FREE_FDS, NULL,
		      "/proc/%d/limits: Max open files %lu; %lu of them in /proc/%d/fd", k->pid,
		      limit, used, k->pid);
}

/* Whoever called mlockall(MCL_FUTURE) has all mappings locked, and each new one as well. */
static bool locks_all(const struct look *k)
{
	for (size_t i = 0; i < k->vmas.nr; i++) {
		const struct vma *v = &k->vmas.v[i];

		if (vma_is_private(v) && !(v->vmf & VMF_LOCKED) && v->rss_bytes &&
		    !(v->status & (VMA_AREA_VDSO | VMA_AREA_VVAR | VMA_AREA_VSYSCALL)))
			return false;
	}
	return k->st.vm_lck != 0;
}

static void check_room(struct look *k)
{
	uint64_t as = k->limits.lim[RLIMIT_AS].rlim_cur;
	uint64_t need = PARASITE_BYTES + k->vmas.nr_priv_pages * 16;
	uint64_t lock = k->limits.lim[RLIMIT_MEMLOCK].rlim_cur;
	size_t nr = 0;

	if (as != RLIM_INFINITY && k->st.vm_size + need > as)
		found(k, CAUSE_LIMIT_AS, NULL,
		      "/proc/%d/limits: Max address space %lu KiB; VmSize %lu KiB, CRIU needs %lu more",
		      k->pid, as >> 10, k->st.vm_size >> 10, need >> 10);
	if (lock != RLIM_INFINITY && !(k->st.cap_eff & (1ull << CAP_IPC_LOCK_BIT)) &&
	    k->st.vm_lck + need > lock && locks_all(k))
		found(k, CAUSE_LIMIT_MEMLOCK, NULL,
		      "/proc/%d/limits: Max locked memory %lu KiB; VmLck %lu KiB, CRIU needs %lu more",
		      k->pid, lock >> 10, k->st.vm_lck >> 10, need >> 10);
	for (size_t i = 0; i < k->vmas.nr; i++)
		nr += !(k->vmas.v[i].status & VMA_AREA_VSYSCALL);
	if (k->env->max_map_count && nr + 1 >= k->env->max_map_count)
		found(k, CAUSE_LIMIT_MAPS, NULL,
		      "/proc/%d/maps: %zu mappings; vm.max_map_count is %lu", k->pid, nr,
		      k->env->max_map_count);
}

/* What CRIU would put into one pagemap's pages file, and into pipes, at the most. */
static void check_own_limits(struct look *k)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < k->vmas.nr; i++)
		if (vma_is_private(&k->vmas.v[i]) && !(k->vmas.v[i].status & VMA_FILE_PRIVATE))
			bytes += k->vmas.v[i].rss_bytes;
	if (k->env->fsize_limit != RLIM_INFINITY && bytes > k->env->fsize_limit)
		found(k, CAUSE_LIMIT_FSIZE, NULL,
		      "our own Max file size is %lu KiB; %lu KiB are resident in private mappings",
		      k->env->fsize_limit >> 10, bytes >> 10);
	if (!k->env->caps->cap_sys_resource && (bytes >> 19) > k->env->nofile_limit)
		found_note(k, CAUSE_PIPE_FDS,
			   "%lu MiB need %lu descriptors for pipes in a pre-dump; our limit is %lu",
			   bytes >> 20, bytes >> 19, k->env->nofile_limit);
	if (!k->env->caps->cap_sys_resource && !k->env->caps->cap_sys_admin &&
	    k->env->pipe_soft_pages && bytes / PAGE_BYTES > k->env->pipe_soft_pages)
		found_note(
			k, CAUSE_PIPE_SOFT_LIMIT,
			"%lu MiB go through pipes in a pre-dump; fs.pipe-user-pages-soft gives us %lu MiB",
			bytes >> 20, k->env->pipe_soft_pages * PAGE_BYTES >> 20);
}

/* Root alone is not enough for a process of another user. */
static void check_limits_readable(struct look *k)
{
	struct rlimit r;

	if (prlimit(k->pid, RLIMIT_CPU, NULL, &r) && errno == EPERM)
		found(k, CAUSE_LIMITS_REFUSED, NULL,
		      "prlimit(%d): EPERM; Uid in /proc/%d/status is %u, and we lack CAP_SYS_RESOURCE",
		      k->pid, k->pid, k->st.uid[0]);
}

void check_limits(struct look *k)
{
	if (k->has_limits) {
		check_nofile(k);
		if (k->has_vmas)
			check_room(k);
	}
	if (k->has_vmas) {
		check_limits_readable(k);
		check_own_limits(k);
	}
}
