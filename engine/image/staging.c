/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/image/staging.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "engine/image/flatdir.h"

struct staging {
	char *path;       /* absolute */
	const char *name; /* last component of it */
	int parent_fd;    /* O_PATH, the directory that holds it */
	int dirfd;
	bool moved;      /* nothing at `path` any more: renamed away, or removed */
	char *published; /* NULL: not yet */
	void (*on_copy)(void *arg, const char *path, bool exists);
	void *on_copy_arg;
};

/* ---- advice -------------------------------------------------------------- */

#define MIB (1024.0 * 1024.0)

static struct err *advise_space(struct err *e, int dirfd, uint64_t need)
{
	struct statvfs vfs;

	if (fstatvfs(dirfd, &vfs) < 0)
		return err_hint(e, "make room, or choose a directory on another file system");
	uint64_t avail = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	if (avail >= need) /* a quota, or somebody else made room meanwhile */
		return err_hint(e,
				"%.1f MiB are free now and %.1f MiB needed: look at quotas, or "
				"choose another file system",
				avail / MIB, need / MIB);
	return err_hint(
		e,
		"about %.1f MiB are missing (%.1f needed, %.1f free): make room, or choose a "
		"directory on another file system",
		(need - avail) / MIB, need / MIB, avail / MIB);
}

struct err *staging_advise(struct err *e, int dirfd, uint64_t need)
{
	if (!e || e->hint)
		return e;
	switch (e->sys_errno) {
	case ENOSPC:
	case EDQUOT:
		return advise_space(e, dirfd, need);
	case EFBIG:
		return err_hint(e, "the file size limit (ulimit -f) is in the way: raise it");
	case EACCES:
	case EPERM:
		return err_hint(e, "choose a directory in which you may write");
	case EROFS:
		return err_hint(e, "the file system is read-only: choose a directory elsewhere");
	case ENOENT:
		if (dirfd != AT_FDCWD) /* a file system that makes no files for us, such as /proc */
			return err_hint(e,
					"nothing can be created there: choose another directory");
		return err_hint(e, "the parent directory must exist: create it first");
	case EEXIST:
	case ENOTEMPTY:
	case ENOTDIR:
		return err_hint(e, "choose another name, or move away what is there");
	case EBUSY:
		return err_hint(e, "it is a mount point or in use: choose a directory below it");
	case ENAMETOOLONG:
		return err_hint(e, "choose a shorter name");
	default:
		return e;
	}
}

/* ---- where to ------------------------------------------------------------- */

/* A name that may or may not exist yet, in a directory that does. */
struct place {
	char *path;   /* absolute: parent + "/" + name */
	char *parent; /* absolute, without symlinks */
	const char *name;
	int parent_fd; /* O_PATH */
	bool exists;   /* as an empty directory, with `st` */
	struct stat st;
};

static void place_deinit(struct place *p)
{
	if (p->parent_fd >= 0)
		close(p->parent_fd);
	free(p->path);
	free(p->parent);
}

/*
 * The canonical name if the last component does not name an entry (".", "..", "/"), or is a
 * symlink (rename() would act on the link).  Otherwise `dir` without slashes at the end.
 */
static struct err *plain_name(const char *dir, char **ret)
{
	char *s = strdup(dir);
	struct stat st;

	if (!s)
		return err_nomem();
	for (size_t n = strlen(s); n > 1 && s[n - 1] == '/'; n--)
		s[n - 1] = '\0';
	const char *slash = strrchr(s, '/');
	const char *last = slash ? slash + 1 : s;

	if (*last && strcmp(last, ".") && strcmp(last, "..") &&
	    (lstat(s, &st) < 0 || !S_ISLNK(st.st_mode))) {
		*ret = s;
		return NULL;
	}
	char *real = realpath(s, NULL);
	struct err *e = real ? NULL : err_sys(errno, "resolve %s", s);
	free(s);
	if (real)
		*ret = real;
	return e;
}

static struct err *place_open_parent(struct place *p, char *plain)
{
	char *slash = strrchr(plain, '/');
	const char *dir = ".", *name = plain;

	if (slash) {
		*slash = '\0';
		dir = slash == plain ? "/" : plain;
		name = slash + 1;
	}
	p->parent = realpath(dir, NULL);
	if (!p->parent)
		return err_sys(errno, "find the directory %s", dir);
	p->parent_fd = open(p->parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p->parent_fd < 0)
		return err_sys(errno, "open the directory %s", p->parent);
	if (asprintf(&p->path, "%s/%s", strcmp(p->parent, "/") ? p->parent : "", name) < 0) {
		p->path = NULL;
		return err_nomem();
	}
	p->name = strrchr(p->path, '/') + 1;
	return NULL;
}

static struct err *place_check_free(struct place *p)
{
	bool empty;

	if (fstatat(p->parent_fd, p->name, &p->st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? NULL : err_sys(errno, "look at %s", p->path);
	if (!S_ISDIR(p->st.st_mode))
		return err_sys(ENOTDIR, "publish at %s", p->path);
	int fd = openat(p->parent_fd, p->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(errno, "open %s", p->path);
	struct err *e = flatdir_is_empty(fd, p->path, &empty);
	close(fd);
	if (!e && !empty)
		e = err_sys(ENOTEMPTY, "publish at %s", p->path);
	p->exists = !e;
	return e;
}

static struct err *place_resolve_raw(const char *dir, struct place *p)
{
	char *plain = NULL;

	if (!*dir)
		return err_new(ERR_USAGE, "the name of a directory is missing");
	TRY(plain_name(dir, &plain));
	if (!strcmp(plain, "/")) {
		free(plain);
		return err_hint(err_sys(ENOTEMPTY, "publish at /"),
				"the root directory is not replaced: name a directory below it");
	}
	struct err *e = place_open_parent(p, plain);
	free(plain);
	return e ? e : place_check_free(p);
}

static struct err *place_resolve(const char *dir, struct place *ret)
{
	struct place p = { .parent_fd = -1 };
	struct err *e = place_resolve_raw(dir, &p);

	if (e) {
		place_deinit(&p);
		return staging_advise(e, AT_FDCWD, 0);
	}
	*ret = p;
	return NULL;
}

/* ---- life ------------------------------------------------------------------ */

/* NAME_MAX less the dots, ".stepdump-", a pid and the random part. */
#define BASE_MAX 200

/* `parent` is absolute; `base` may be "". */
static struct err *make(const char *parent, const char *base, struct staging **ret)
{
	struct staging *st = calloc(1, sizeof(*st));
	struct err *e = NULL;

	if (!st)
		return err_nomem();
	st->parent_fd = st->dirfd = -1;
	st->moved = true;
	if (asprintf(&st->path, "%s/%s%.*s.stepdump-%d.XXXXXX", strcmp(parent, "/") ? parent : "",
		     *base ? "." : "", BASE_MAX, base, (int)getpid()) < 0) {
		st->path = NULL;
		e = err_nomem();
	} else if (!mkdtemp(st->path)) {
		e = err_sys(errno, "create a staging directory in %s", parent);
	} else {
		st->moved = false;
		st->name = strrchr(st->path, '/') + 1;
		st->parent_fd = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
		st->dirfd = open(st->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (st->parent_fd < 0 || st->dirfd < 0)
			e = err_sys(errno, "open the staging directory %s", st->path);
	}
	if (e) {
		if (!st->moved && rmdir(st->path) == 0)
			st->moved = true;
		return err_first(e, staging_discard(st));
	}
	*ret = st;
	return NULL;
}

static struct err *make_anywhere(struct staging **ret)
{
	const char *tmp = getenv("TMPDIR");
	char *cwd = realpath(".", NULL);
	struct err *e = cwd ? make(cwd, "", ret) : err_sys(errno, "find the working directory");

	free(cwd);
	if (!e)
		return NULL;
	char *dir = realpath(tmp && *tmp ? tmp : "/tmp", NULL);
	struct err *e2 =
		dir ? make(dir, "", ret) : err_sys(errno, "find %s", tmp && *tmp ? tmp : "/tmp");
	free(dir);
	if (!e2) {
		err_free(e);
		return NULL;
	}
	return err_first(e, e2);
}

struct err *staging_create(const char *target_dir, struct staging **ret)
{
	struct place p;

	if (!target_dir)
		return staging_advise(make_anywhere(ret), AT_FDCWD, 0);
	TRY(place_resolve(target_dir, &p));
	struct err *e = staging_advise(make(p.parent, p.name, ret), p.parent_fd, 1);
	place_deinit(&p);
	return e;
}

struct err *staging_check(const char *final_dir)
{
	struct place p;

	TRY(place_resolve(final_dir, &p));
	place_deinit(&p);
	return NULL;
}

int staging_dirfd(const struct staging *st)
{
	return st->dirfd;
}

const char *staging_path(const struct staging *st)
{
	return st->published ? st->published : st->path;
}

void staging_on_copy(struct staging *st, void (*made)(void *arg, const char *path, bool exists),
		     void *arg)
{
	st->on_copy = made;
	st->on_copy_arg = arg;
}

static struct err *remove_dir(const struct staging *st)
{
	TRY(flatdir_clear(st->dirfd, st->path));
	if (unlinkat(st->parent_fd, st->name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(errno, "remove the staging directory %s", st->path);
	return NULL;
}

struct err *staging_discard(struct staging *st)
{
	struct err *e = NULL;

	if (!st)
		return NULL;
	if (!st->moved && st->dirfd >= 0)
		e = err_hint(remove_dir(st), "remove it by hand: it may hold memory of the target");
	if (st->dirfd >= 0)
		close(st->dirfd);
	if (st->parent_fd >= 0)
		close(st->parent_fd);
	free(st->path);
	free(st->published);
	free(st);
	return e;
}

/* ---- publishing -------------------------------------------------------------- */

/* umask() can only be read by setting it, which other threads would notice. */
static mode_t current_umask(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned mask = 022;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Umask: %o", &mask) == 1)
			break;
	if (f)
		fclose(f);
	return mask & 0777;
}

/* Of a directory that we have as O_PATH.  One that may not be read cannot be opened for fsync():
 * then all of its file system is synced, through the staged directory in it. */
static struct err *sync_parent(int parent_fd, int dirfd, const char *path)
{
	int fd = openat(parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ret = fd < 0 ? syncfs(dirfd) : fsync(fd);
	struct err *e = ret < 0 ? err_sys(errno, "make the name %s durable", path) : NULL;

	if (fd >= 0)
		close(fd);
	return e;
}

static struct err *set_final_mode(const struct staging *st, const struct place *p)
{
	mode_t mode = p->exists ? p->st.st_mode & 07777 : 0755 & ~current_umask();

	if (p->exists && (p->st.st_uid != geteuid() || p->st.st_gid != getegid()) &&
	    fchown(st->dirfd, p->st.st_uid, p->st.st_gid) < 0)
		return err_sys(errno, "give %s the owner of %s", st->path, p->path);
	if (fchmod(st->dirfd, mode) < 0)
		return err_sys(errno, "set the mode of %s", st->path);
	return NULL;
}

/* The one moment at which the set appears.  *cross_device_ret: why it did not. */
static struct err *appear(struct staging *st, const struct place *p, bool *cross_device_ret)
{
	TRY(set_final_mode(st, p));
	/* Atomic, and refuses a directory that got an entry since we looked. */
	if (renameat(st->parent_fd, st->name, p->parent_fd, p->name) < 0) {
		*cross_device_ret = errno == EXDEV;
		return err_sys(errno, "rename %s to %s", st->path, p->path);
	}
	return NULL;
}

static struct err *take_back(const struct staging *st, const struct place *p)
{
	if (renameat(p->parent_fd, p->name, st->parent_fd, st->name) < 0)
		return err_sys(errno, "rename %s back to %s", p->path, st->path);
	if (p->exists && (mkdirat(p->parent_fd, p->name, 0700) < 0 ||
			  fchownat(p->parent_fd, p->name, p->st.st_uid, p->st.st_gid, 0) < 0 ||
			  fchmodat(p->parent_fd, p->name, p->st.st_mode & 07777, 0) < 0))
		return err_sys(errno, "put the empty directory %s back", p->path);
	return NULL;
}

static struct err *move(struct staging *st, const struct place *p, bool *cross_device_ret)
{
	struct stat before;

	if (fstat(st->dirfd, &before) < 0)
		return err_sys(errno, "stat %s", st->path);
	struct err *e = appear(st, p, cross_device_ret);
	if (!e) {
		e = sync_parent(p->parent_fd, st->dirfd, p->path);
		if (e)
			e = err_first(e, take_back(st, p));
		else
			st->moved = true;
	}
	if (e) {
		/* Private again, as it was. */
		if (fchown(st->dirfd, before.st_uid, before.st_gid) < 0 ||
		    fchmod(st->dirfd, before.st_mode & 07777) < 0)
			e = err_wrap(e, "%s keeps the mode for publishing (%s)", st->path,
				     err_errno_name(errno));
	}
	return e;
}

static struct err *copy_and_move(struct staging *st, const struct place *p)
{
	struct staging *copy;
	bool cross_device;
	uint64_t need = 0;

	TRY(flatdir_size(st->dirfd, st->path, &need));
	struct err *e = make(p->parent, p->name, &copy);
	if (e)
		return staging_advise(e, p->parent_fd, need);
	if (st->on_copy)
		st->on_copy(st->on_copy_arg, copy->path, true);
	e = flatdir_copy(st->dirfd, copy->dirfd, st->path, copy->path);
	if (!e)
		e = flatdir_sync(copy->dirfd, copy->path);
	if (!e)
		e = move(copy, p, &cross_device);
	if (e) {
		/* The space that the copy holds is free again for the next try: count it so. */
		struct err *clean = flatdir_clear(copy->dirfd, copy->path);

		e = err_first(staging_advise(e, p->parent_fd, need), clean);
	}
	char *path = strdup(copy->path);
	e = err_first(e, staging_discard(copy));
	if (st->on_copy && path)
		st->on_copy(st->on_copy_arg, path, false);
	free(path);
	return e;
}

static struct err *publish_at(struct staging *st, const struct place *p)
{
	bool cross_device = false;

	TRY(staging_advise(flatdir_sync(st->dirfd, st->path), st->dirfd, 1));
	struct err *e = move(st, p, &cross_device);
	if (e && cross_device) {
		err_free(e);
		e = copy_and_move(st, p);
	}
	return staging_advise(e, p->parent_fd, 1);
}

struct err *staging_publish(struct staging *st, const char *final_dir)
{
	struct place p;

	if (st->published)
		return err_new(ERR_STATE, "published already, at %s", st->published);
	TRY(place_resolve(final_dir, &p));
	struct err *e = publish_at(st, &p);
	if (!e) {
		st->published = p.path;
		p.path = NULL;
	}
	place_deinit(&p);
	return e;
}
