/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/fault.h"
#include "engine/image/flatdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

struct err *flatdir_each(int dirfd, const char *path,
			 struct err *(*fn)(void *arg, int dirfd, const char *name), void *arg)
{
	/* A descriptor of its own: the position in the directory belongs to the open file. */
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct err *e = NULL;
	struct dirent *de;

	if (!d) {
		e = err_sys(errno, "list %s", path);
		if (fd >= 0)
			close(fd);
		return e;
	}
	while (!e && (errno = 0, de = readdir(d)) != NULL) {
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			e = fn(arg, dirfd, de->d_name);
	}
	if (!e && errno)
		e = err_sys(errno, "list %s", path);
	closedir(d);
	return e;
}

static struct err *count(void *arg, int dirfd, const char *name)
{
	++*(size_t *)arg;
	return NULL;
}

struct err *flatdir_is_empty(int dirfd, const char *path, bool *ret)
{
	size_t nr = 0;

	TRY(flatdir_each(dirfd, path, count, &nr));
	*ret = !nr;
	return NULL;
}

struct size_arg {
	const char *path;
	uint64_t bytes;
};

static struct err *add_size(void *arg, int dirfd, const char *name)
{
	struct size_arg *a = arg;
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(errno, "stat %s/%s", a->path, name);
	if (S_ISREG(st.st_mode))
		a->bytes += (uint64_t)st.st_size;
	return NULL;
}

struct err *flatdir_size(int dirfd, const char *path, uint64_t *ret)
{
	struct size_arg a = { path, 0 };

	TRY(flatdir_each(dirfd, path, add_size, &a));
	*ret = a.bytes;
	return NULL;
}

/* *fd_ret is -1 for a symlink. */
static struct err *open_entry(int dirfd, const char *path, const char *name, int *fd_ret,
			      struct stat *st)
{
	if (fstatat(dirfd, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(errno, "stat %s/%s", path, name);
	*fd_ret = -1;
	if (S_ISLNK(st->st_mode))
		return NULL;
	if (!S_ISREG(st->st_mode))
		return err_new(ERR_CHECK, "%s/%s is neither a file nor a symlink", path, name);
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_sys(errno, "open %s/%s", path, name);
	*fd_ret = fd;
	return NULL;
}

static struct err *sync_entry(void *path, int dirfd, const char *name)
{
	struct err *e = NULL;
	struct stat st;
	int fd = -1;

	TRY(open_entry(dirfd, path, name, &fd, &st));
	if (fd < 0)
		return NULL; /* a link is part of the directory */
	if (FAULT(SYNC_FILE, fsync(fd)) < 0)
		e = err_sys(errno, "make %s/%s durable", (char *)path, name);
	close(fd);
	return e;
}

struct err *flatdir_sync(int dirfd, const char *path)
{
	TRY(flatdir_each(dirfd, path, sync_entry, (void *)path));
	return FAULT(SYNC_DIR, fsync(dirfd)) < 0 ? err_sys(errno, "make %s durable", path) : NULL;
}

struct copy_arg {
	int to;
	const char *from_path, *to_path;
};

static struct err *copy_link(const struct copy_arg *a, int from, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return err_sys(errno, "read the link %s/%s", a->from_path, name);
	target[n] = '\0';
	if (symlinkat(target, a->to, name) < 0)
		return err_sys(errno, "create the link %s/%s", a->to_path, name);
	return NULL;
}

static struct err *copy_bytes(const struct copy_arg *a, const char *name, int in, int out,
			      off_t size)
{
	off_t off = 0;

	while (off < size) {
		ssize_t n = FAULT(
			PUBLISH_COPY,
			sendfile(out, in, &off, FAULT_LEN(PUBLISH_COPY, (size_t)(size - off))));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(errno, "copy %s to %s", name, a->to_path);
		if (!n)
			return err_new(ERR_CHECK, "copy %s to %s: it became shorter meanwhile",
				       name, a->to_path);
	}
	return NULL;
}

static struct err *copy_entry(void *arg, int from, const char *name)
{
	struct copy_arg *a = arg;
	struct stat st;
	int in = -1;

	TRY(open_entry(from, a->from_path, name, &in, &st));
	if (in < 0)
		return copy_link(a, from, name);

	struct err *e = NULL;
	int out = openat(a->to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0) {
		e = err_sys(errno, "create %s/%s", a->to_path, name);
		close(in);
		return e;
	}
	e = copy_bytes(a, name, in, out, st.st_size);
	if (!e && fchmod(out, st.st_mode & 07777) < 0)
		e = err_sys(errno, "set the mode of %s/%s", a->to_path, name);
	if (close(out) < 0 && errno != EINTR)
		e = err_first(e, err_sys(errno, "close %s/%s", a->to_path, name));
	close(in);
	return e;
}

struct err *flatdir_copy(int from, int to, const char *from_path, const char *to_path)
{
	struct copy_arg a = { to, from_path, to_path };

	return flatdir_each(from, from_path, copy_entry, &a);
}

static struct err *clear_entry(void *path, int dirfd, const char *name)
{
	/* A directory in it cannot be ours; unlinkat() refuses it. */
	if (FAULT(STAGING_CLEAR, unlinkat(dirfd, name, 0)) < 0 && errno != ENOENT)
		return err_sys(errno, "remove %s/%s", (char *)path, name);
	return NULL;
}

struct err *flatdir_clear(int dirfd, const char *path)
{
	return flatdir_each(dirfd, path, clear_entry, (void *)path);
}
