/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Limits of the process, and of ours, and descriptors that cannot be dumped. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/diagnose/check_priv.h"

#define PARASITE_FDS 4
#define PARASITE_BYTES (80u << 10)
#define CAP_IPC_LOCK_BIT 14
#define GHOST_LIMIT (1u << 20)

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
}

void check_limits(struct look *k)
{
	if (k->has_limits) {
		check_nofile(k);
		if (k->has_vmas)
			check_room(k);
	}
	if (k->has_vmas)
		check_own_limits(k);
}

/* ---- descriptors ----------------------------------------------------------------------------- */

/* Kinds without a path that CRIU knows. */
static bool known_anon_inode(const char *kind)
{
	static const char *const known[] = { "[eventfd]",  "[eventpoll]", "[signalfd]", "inotify",
					     "[fanotify]", "[timerfd]",   "[pidfd]",    "bpf-map" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(kind, known[i]))
			return true;
	return false;
}

static bool is_mapped(const struct look *k, const struct stat *st)
{
	for (size_t i = 0; i < k->vmas.nr; i++)
		if (k->vmas.v[i].dev == st->st_dev && k->vmas.v[i].ino == st->st_ino)
			return true;
	return false;
}

static void check_fd(struct look *k, const struct proc_fd *f)
{
	size_t len = strlen(f->link);
	char path[64];
	struct stat st;

	if (!strcmp(f->link, "anon_inode:[userfaultfd]")) {
		found(k, CAUSE_FD_USERFAULTFD, NULL, "/proc/%d/fd/%d: %s", k->pid, f->fd, f->link);
		return;
	}
	if (!strncmp(f->link, "anon_inode:", 11)) {
		if (!known_anon_inode(f->link + 11))
			found(k, CAUSE_FD_KERNEL_OBJECT, NULL, "/proc/%d/fd/%d: %s", k->pid, f->fd,
			      f->link);
		return;
	}
	if (*f->link != '/' || len < 10 || strcmp(f->link + len - 10, " (deleted)"))
		return;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", k->pid, f->fd);
	if (stat(path, &st) || !S_ISREG(st.st_mode) || st.st_nlink || is_mapped(k, &st))
		return;
	if (st.st_dev == k->env->shmem_dev) {
		if (st.st_size && k->has_vmas)
			found(k, CAUSE_FILE_ELSEWHERE, NULL, "%s: %s, %lu bytes, is not mapped",
			      path, f->link, (uint64_t)st.st_size);
	} else if (st.st_size > GHOST_LIMIT) {
		found(k, CAUSE_GHOST_TOO_BIG, NULL, "%s: %s, %lu bytes, the limit is %u", path,
		      f->link, (uint64_t)st.st_size, GHOST_LIMIT);
	}
}

void check_fds(struct look *k)
{
	for (size_t i = 0; i < k->fds.nr; i++)
		check_fd(k, &k->fds.v[i]);
}
