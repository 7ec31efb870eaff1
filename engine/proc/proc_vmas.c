/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mappings of a live process: smaps for the text, map_files for what the text lacks. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "engine/proc/proc.h"
#include "engine/proc/proc_priv.h"

/* A few files are mapped very often, so each file is looked up only once. */
#define FILE_CACHE_SLOTS 256u

struct file_fact {
	uint64_t dev, ino;     /* as in the text */
	struct vma_file facts; /* without fdflags: they belong to the mapping */
	bool used;
};

struct map_files {
	pid_t pid;
	int dirfd;       /* /proc/PID/map_files, -1: may not be opened */
	bool may_follow; /* the links, not only look at them */
	struct file_fact cache[FILE_CACHE_SLOTS];
};

static void facts_from_statx(const struct statx *st, struct vma_file *ret)
{
	ret->known = true;
	ret->dev = makedev(st->stx_dev_major, st->stx_dev_minor);
	ret->ino = st->stx_ino;
	ret->mode = st->stx_mode;
	ret->rdev = makedev(st->stx_rdev_major, st->stx_rdev_minor);
}

/* Asking a network file system for the current state is useless here, and might block. */
static bool stat_quickly(int dirfd, const char *path, int flags, struct statx *st)
{
	return !statx(dirfd, path, flags | AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
		      STATX_TYPE | STATX_MODE | STATX_INO, st);
}

static void unescape_newlines(char *s)
{
	char *out = s;

	while (*s) {
		if (!strncmp(s, "\\012", 4)) {
			*out++ = '\n';
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

/* Without the right to follow map_files links: by path, if it still is the same file. */
static void stat_by_path(pid_t pid, const struct vma *v, struct vma_file *ret)
{
	struct vma_file found = { 0 };
	struct statx st;
	char *path;

	if (v->name[0] != '/' || asprintf(&path, "/proc/%d/root%s", pid, v->name) < 0)
		return;
	unescape_newlines(path);
	if (stat_quickly(AT_FDCWD, path, 0, &st)) {
		facts_from_statx(&st, &found);
		if (found.dev == v->dev && found.ino == v->ino)
			*ret = found;
	}
	free(path);
}

static void map_files_name(const struct vma *v, char buf[40])
{
	snprintf(buf, 40, "%lx-%lx", v->start, v->end);
}

static void stat_file(struct map_files *m, const struct vma *v, struct vma_file *ret)
{
	struct file_fact *slot = &m->cache[(v->dev * 31 + v->ino) % FILE_CACHE_SLOTS];
	char name[40];
	struct statx st;

	if (slot->used && slot->dev == v->dev && slot->ino == v->ino) {
		*ret = slot->facts;
		return;
	}
	if (m->dirfd >= 0 && m->may_follow) {
		map_files_name(v, name);
		if (stat_quickly(m->dirfd, name, 0, &st))
			facts_from_statx(&st, ret);
		else if (errno == EPERM || errno == EACCES)
			m->may_follow = false;
	}
	if (!ret->known)
		stat_by_path(m->pid, v, ret);
	*slot = (struct file_fact){ .dev = v->dev, .ino = v->ino, .facts = *ret, .used = true };
}

/* The link's own mode tells how the file was opened (vma_get_mapfile_flags()). */
static void read_fdflags(const struct map_files *m, const struct vma *v, struct vma_file *ret)
{
	char name[40];
	struct stat st;

	if (m->dirfd < 0)
		return;
	map_files_name(v, name);
	if (fstatat(m->dirfd, name, &st, AT_SYMLINK_NOFOLLOW))
		return;
	switch (st.st_mode & (S_IRUSR | S_IWUSR)) {
	case S_IRUSR:
		ret->fdflags = O_RDONLY;
		break;
	case S_IWUSR:
		ret->fdflags = O_WRONLY;
		break;
	case S_IRUSR | S_IWUSR:
		ret->fdflags = O_RDWR;
		break;
	default:
		return;
	}
	ret->has_fdflags = true;
}

static void file_of_vma(void *arg, const struct vma *v, struct vma_file *ret)
{
	struct map_files *m = arg;

	stat_file(m, v, ret);
	read_fdflags(m, v, ret);
}

struct err *proc_read_vmas(pid_t pid, struct vma_list *ret)
{
	struct smaps_env env = { .file = file_of_vma };
	struct vma_list list = { 0 };
	AUTO_CLOSE int fd = -1;
	struct err *e;

	TRY(proc_shmem_dev(&env.shmem_dev));
	TRY(proc_open(pid, "smaps", O_RDONLY, &fd));

	AUTO_FREE struct map_files *m = xzalloc(sizeof(*m));
	char dir[40];
	snprintf(dir, sizeof(dir), "/proc/%d/map_files", pid);
	m->pid = pid;
	m->dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	m->may_follow = true;
	env.arg = m;

	e = parse_smaps_fd(fd, &env, &list);
	if (e && e->code == ERR_SYS)
		e->code = ERR_TARGET; /* it died while we read */
	if (!e && !list.nr)
		e = err_hint(err_new(ERR_TARGET, "it has none"),
			     "process %d is a zombie or a kernel thread", pid);
	if (m->dirfd >= 0)
		close(m->dirfd);
	if (e) {
		vma_list_deinit(&list);
		return err_pid(err_wrap(e, "reading the mappings of process %d", pid), pid);
	}
	*ret = list;
	return NULL;
}

struct err *proc_read_map_link(pid_t pid, const struct vma *v, char **ret)
{
	char file[64], name[40];

	map_files_name(v, name);
	snprintf(file, sizeof(file), "map_files/%s", name);
	return proc_read_link(pid, file, ret);
}
