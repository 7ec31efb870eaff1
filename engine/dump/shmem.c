/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mirrors criu/shmem.c.  Differs in: every kind is read through a descriptor with SEEK_DATA. */
#include "engine/dump/shmem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/vec.h"

static const char *shmem_kind(const struct vma *v)
{
	if (v->status & VMA_AREA_SYSVIPC)
		return "sysv";
	return v->status & VMA_AREA_MEMFD ? "memfd" : "anon";
}

static void shmem_add_map(struct shmem_info *o, size_t task, const struct target *t, size_t idx)
{
	const struct vma *v = &t->vmas.v[idx];

	*vec_push(o->map, o->nr_maps) = (struct shmem_map){
		.task = task,
		.pid = t->pid,
		.vma = idx,
		.start = v->start,
		.end = v->end,
		.off_pages = v->pgoff / PAGE_BYTES,
		.nr_pages = vma_pages(v),
	};
	if (v->pgoff + (v->end - v->start) > o->size)
		o->size = v->pgoff + (v->end - v->start);
}

struct shmem_info *shmem_find(const struct shmem_list *l, const struct vma *v)
{
	for (size_t i = 0; i < l->nr; i++)
		if (l->o[i].shmid == v->ino && l->o[i].dev == v->dev)
			return &l->o[i];
	return NULL;
}

void shmem_collect(struct shmem_list *l, size_t task, const struct target *t, bool pre_dump)
{
	for (size_t i = 0; i < t->vmas.nr; i++) {
		const struct vma *v = &t->vmas.v[i];
		struct shmem_info *o;

		if (!vma_is_shmem(v) || (pre_dump && (v->status & VMA_AREA_MEMFD)))
			continue;
		o = shmem_find(l, v);
		if (!o) {
			o = vec_push(l->o, l->nr);
			*o = (struct shmem_info){ .shmid = v->ino,
						  .dev = v->dev,
						  .fd = -1,
						  .kind = shmem_kind(v),
						  .name = v->name };
		}
		shmem_add_map(o, task, t, i);
	}
}

void shmem_list_deinit(struct shmem_list *l)
{
	for (size_t i = 0; i < l->nr; i++) {
		close_fd(&l->o[i].fd);
		pstate_deinit(&l->o[i].pstate);
		page_read_close(l->o[i].parent);
		free(l->o[i].map);
	}
	free(l->o);
	*l = (struct shmem_list){ 0 };
}

/* Without the right to follow map_files: uses a descriptor of the object that the target holds. */
static int shmem_open_by_fd(const struct shmem_info *o, pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	AUTO_CLOSEDIR DIR *d = opendir(path);

	for (struct dirent *de; d && (de = readdir(d));) {
		struct stat st;
		int fd;

		if (!fstatat(dirfd(d), de->d_name, &st, 0) && st.st_ino == o->shmid &&
		    st.st_dev == o->dev && S_ISREG(st.st_mode) &&
		    (fd = openat(dirfd(d), de->d_name, O_RDONLY | O_CLOEXEC)) >= 0)
			return fd;
	}
	return -1;
}

struct err *shmem_open(struct shmem_info *o)
{
	const struct shmem_map *m = &o->map[0];
	char path[96];
	struct stat st;

	if (o->fd >= 0)
		return NULL;
	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", m->pid, m->start, m->end);
	o->fd = FAULT(SHMEM_OPEN, open(path, O_RDONLY | O_CLOEXEC));
	o->how = "map_files";
	if (o->fd < 0) {
		int why = errno;

		o->fd = shmem_open_by_fd(o, m->pid);
		o->how = "fd";
		if (o->fd < 0) {
			return err_hint(
				err_as(err_sys(why, "open shared memory %s (shmid %lu) through %s",
					       o->name, o->shmid, path),
				       ERR_REFUSED),
				"run as root or with CAP_CHECKPOINT_RESTORE: the content of "
				"shared memory is only reachable through map_files");
		}
	}
	/* A memfd is restored as a file with its own size; other objects only as far as they are
	 * mapped. */
	if (!strcmp(o->kind, "memfd") && fstat(o->fd, &st) == 0)
		o->size = PAGE_UP((uint64_t)st.st_size);
	return NULL;
}

struct err *shmem_next_data(const struct shmem_info *o, uint64_t from, uint64_t *start_ret,
			    uint64_t *end_ret)
{
	*start_ret = *end_ret = o->size;
	if (from >= o->size)
		return NULL;

	off_t data = FAULT(SHMEM_SEEK, lseek(o->fd, (off_t)from, SEEK_DATA));

	/* Data beyond that is still in the object, but nobody maps it any more. */
	if ((data < 0 && errno == ENXIO) || data >= (off_t)o->size)
		return NULL;
	if (data < 0)
		return err_sys(errno, "look for data in shared memory %lu", o->shmid);
	off_t hole = lseek(o->fd, data, SEEK_HOLE);

	if (hole < 0)
		return err_sys(errno, "look for a hole in shared memory %lu", o->shmid);
	*start_ret = (uint64_t)data & ~(PAGE_BYTES - 1);
	*end_ret = PAGE_UP((uint64_t)hole) < o->size ? PAGE_UP((uint64_t)hole) : o->size;
	return NULL;
}
