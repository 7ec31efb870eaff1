/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/image/staging.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/undo.h"
#include "engine/image/flatdir.h"
#include "engine/image/staging_sweep.h"

struct staging {
	char *path;       /* absolute */
	const char *name; /* last component of it */
	int parent_fd;    /* O_PATH, the directory that holds it */
	int dirfd;
	bool moved;      /* `path` is gone: renamed, or removed */
	char *published; /* NULL: not yet */
	struct staging_guard guard;
	bool guarded;
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
	if (e && e->sys_errno == EFBIG) /* the advice is there */
		return err_cause_only(e, "limit-fsize");
	if (!e || e->hint)
		return e;
	switch (e->sys_errno) {
	case ENOSPC:
	case EDQUOT:
		return err_cause_only(advise_space(e, dirfd, need), "no-space");
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
	close_fd(&p->parent_fd);
	free(p->path);
	free(p->parent);
}

/*
 * The canonical name if the last component does not name an entry (".", "..", "/"), or is a
 * symlink (rename() would act on the link).  Otherwise `dir` without slashes at the end.
 */
static struct err *plain_name(const char *dir, char **ret)
{
	AUTO_FREE char *s = xstrdup(dir);
	struct stat st;

	for (size_t n = strlen(s); n > 1 && s[n - 1] == '/'; n--)
		s[n - 1] = '\0';
	const char *slash = strrchr(s, '/');
	const char *last = slash ? slash + 1 : s;

	if (*last && strcmp(last, ".") && strcmp(last, "..") &&
	    (lstat(s, &st) < 0 || !S_ISLNK(st.st_mode))) {
		*ret = TAKE_PTR(s);
		return NULL;
	}
	*ret = realpath(s, NULL);
	return *ret ? NULL : err_sys(errno, "resolve %s", s);
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
	p->path = xasprintf("%s/%s", strcmp(p->parent, "/") ? p->parent : "", name);
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
	AUTO_CLOSE int fd =
		openat(p->parent_fd, p->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(errno, "open %s", p->path);
	TRY(flatdir_is_empty(fd, p->path, &empty));
	p->exists = empty;
	return empty ? NULL : err_sys(ENOTEMPTY, "publish at %s", p->path);
}

static struct err *place_resolve_raw(const char *dir, struct place *p)
{
	AUTO_FREE char *plain = NULL;

	if (!*dir)
		return err_new(ERR_USAGE, "the name of a directory is missing");
	TRY(plain_name(dir, &plain));
	if (!strcmp(plain, "/"))
		return err_hint(err_sys(ENOTEMPTY, "publish at /"),
				"the root directory is not replaced: name a directory below it");
	TRY(place_open_parent(p, plain));
	return place_check_free(p);
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

static struct err *guard_tell(struct staging *st, bool exists)
{
	if (!st->guard.tell || st->guarded == exists)
		return NULL;
	TRY(st->guard.tell(st->guard.arg, st->path, exists));
	st->guarded = exists;
	return NULL;
}

/* NAME_MAX less the dots, ".stepdump-", a pid and the random part. */
#define BASE_MAX 200

/* A name that nobody can guess or use by chance, as the guard removes it without looking. */
static struct err *staging_name(struct staging *st, const char *parent, const char *base)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return err_sys(errno, "choose a name for a staging directory");
	AUTO_FREE char *suffix = staging_suffix(getpid(), random, st->guard.tell != NULL);
	st->path = xasprintf("%s/%s%.*s%s", strcmp(parent, "/") ? parent : "", *base ? "." : "",
			     BASE_MAX, base, suffix);
	st->name = strrchr(st->path, '/') + 1;
	return NULL;
}

static struct err *staging_make_dir(struct staging *st, const char *parent)
{
	st->parent_fd = FAULT(STAGING_PARENT, open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC));
	if (st->parent_fd < 0)
		return err_sys(errno, "open the directory %s", parent);
	staging_sweep(st->parent_fd, parent);
	/* The guard comes first: we can be killed while we make the directory. */
	TRY(guard_tell(st, true));
	if (FAULT(STAGING_MKDIR, mkdir_private(st->parent_fd, st->name)) == 0)
		st->dirfd = FAULT(STAGING_OPEN,
				  openat(st->parent_fd, st->name,
					 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	if (st->dirfd < 0)
		return err_sys(errno, "create a staging directory in %s", parent);
	staging_hold(st->dirfd);
	return NULL;
}

/* `parent` is absolute; `base` may be "". */
static struct err *staging_make(const char *parent, const char *base, struct staging_guard guard,
				struct staging **ret)
{
	struct staging *st = xzalloc(sizeof(*st));

	st->parent_fd = st->dirfd = -1;
	st->guard = guard;
	struct err *e = staging_name(st, parent, base);
	if (!e)
		e = staging_make_dir(st, parent);
	if (e) {
		if (st->parent_fd >= 0)
			unlinkat(st->parent_fd, st->name, AT_REMOVEDIR);
		return err_first(e, staging_discard(st));
	}
	*ret = st;
	return NULL;
}

static struct err *make_anywhere(struct staging_guard guard, struct staging **ret)
{
	const char *tmp = getenv("TMPDIR");
	AUTO_FREE char *cwd = realpath(".", NULL);
	struct err *e = cwd ? staging_make(cwd, "", guard, ret) :
			      err_sys(errno, "find the working directory");

	if (!e)
		return NULL;
	if (!tmp || !*tmp)
		tmp = "/tmp";
	AUTO_FREE char *dir = realpath(tmp, NULL);
	struct err *e2 = dir ? staging_make(dir, "", guard, ret) : err_sys(errno, "find %s", tmp);
	if (e2)
		return err_first(e, e2);
	err_free(e);
	return NULL;
}

struct err *staging_create(const char *target_dir, struct staging_guard guard, struct staging **ret)
{
	struct place p = { 0 };

	if (!target_dir)
		return staging_advise(make_anywhere(guard, ret), AT_FDCWD, 0);
	TRY(place_resolve(target_dir, &p));
	struct err *e = staging_advise(staging_make(p.parent, p.name, guard, ret), p.parent_fd, 1);
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

static struct err *remove_dir(const struct staging *st)
{
	TRY(flatdir_clear(st->dirfd, st->path));
	if (FAULT(STAGING_RMDIR, unlinkat(st->parent_fd, st->name, AT_REMOVEDIR)) < 0 &&
	    errno != ENOENT)
		return err_sys(errno, "remove the staging directory %s", st->path);
	undo_note(0, "files", "%s removed", st->path);
	return NULL;
}

char *staging_keep(struct staging *st)
{
	char *path = TAKE_PTR(st->path);

	err_free(guard_tell(st, false));
	st->moved = true;
	err_free(staging_discard(st));
	return path;
}

struct err *staging_discard(struct staging *st)
{
	struct err *e = NULL;

	if (!st)
		return NULL;
	if (!st->moved && st->dirfd >= 0)
		e = err_hint(remove_dir(st), "remove it by hand: it may hold memory of the target");
	/* The guard keeps what could not be removed, and may succeed later. */
	if (!e)
		e = guard_tell(st, false);
	close_fd(&st->dirfd);
	close_fd(&st->parent_fd);
	free(st->path);
	free(st->published);
	free(st);
	return e;
}

/* ---- publishing -------------------------------------------------------------- */

/* Syncs a directory that we have as O_PATH.  If we may not read it, it cannot be opened for
 * fsync(): then its whole file system is synced, through the staged directory in it. */
static struct err *sync_parent(int parent_fd, int dirfd, const char *path)
{
	int fd = openat(parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ret = FAULT(PUBLISH_NAME, fd < 0 ? syncfs(dirfd) : fsync(fd));
	struct err *e = ret < 0 ? err_sys(errno, "make the name %s durable", path) : NULL;

	if (fd >= 0)
		close(fd);
	return e;
}

static struct err *set_final_mode(const struct staging *st, const struct place *p)
{
	mode_t mode = p->exists ? p->st.st_mode & 07777 : 0700;

	if (p->exists && (p->st.st_uid != geteuid() || p->st.st_gid != getegid()) &&
	    fchown(st->dirfd, p->st.st_uid, p->st.st_gid) < 0)
		return err_sys(errno, "give %s the owner of %s", st->path, p->path);
	if (FAULT(PUBLISH_MODE, fchmod(st->dirfd, mode)) < 0)
		return err_sys(errno, "set the mode of %s", st->path);
	return NULL;
}

/* Here the set appears, at once.  *cross_device_ret: why it did not. */
static struct err *appear(struct staging *st, const struct place *p, bool *cross_device_ret)
{
	TRY(set_final_mode(st, p));
	/* Atomic, and refuses a directory that got an entry since we looked. */
	if (FAULT(PUBLISH_RENAME, renameat(st->parent_fd, st->name, p->parent_fd, p->name)) < 0) {
		*cross_device_ret = errno == EXDEV;
		return err_sys(errno, "rename %s to %s", st->path, p->path);
	}
	return NULL;
}

static struct err *take_back(const struct staging *st, const struct place *p)
{
	if (renameat(p->parent_fd, p->name, st->parent_fd, st->name) < 0)
		return err_sys(errno, "rename %s back to %s", p->path, st->path);
	undo_note(0, "files", "%s taken back to %s", p->path, st->path);
	if (p->exists && (mkdirat(p->parent_fd, p->name, 0700) < 0 ||
			  fchownat(p->parent_fd, p->name, p->st.st_uid, p->st.st_gid, 0) < 0 ||
			  fchmodat(p->parent_fd, p->name, p->st.st_mode & 07777, 0) < 0))
		return err_sys(errno, "put the empty directory %s back", p->path);
	return NULL;
}

static struct err *staging_move(struct staging *st, const struct place *p, bool *cross_device_ret)
{
	struct stat before;

	if (fstat(st->dirfd, &before) < 0)
		return err_sys(errno, "stat %s", st->path);
	struct err *e = appear(st, p, cross_device_ret);
	if (!e) {
		e = sync_parent(p->parent_fd, st->dirfd, p->path);
		if (e)
			e = err_first(e, take_back(st, p));
	}
	if (!e) {
		st->moved = true;
		err_free(guard_tell(st, false)); /* there is nothing at that path any more */
	} else {
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
	struct err *e = staging_make(p->parent, p->name, st->guard, &copy);
	if (e)
		return staging_advise(e, p->parent_fd, need);
	e = flatdir_copy(st->dirfd, copy->dirfd, st->path, copy->path);
	if (!e)
		e = flatdir_sync(copy->dirfd, copy->path);
	if (!e)
		e = staging_move(copy, p, &cross_device);
	if (e) {
		/* The copy is removed before the next try, so its space counts as free. */
		struct err *clean = flatdir_clear(copy->dirfd, copy->path);

		e = err_first(staging_advise(e, p->parent_fd, need), clean);
	}
	return err_first(e, staging_discard(copy));
}

static struct err *publish_at(struct staging *st, const struct place *p)
{
	bool cross_device = false;

	TRY(staging_advise(flatdir_sync(st->dirfd, st->path), st->dirfd, 1));
	struct err *e = staging_move(st, p, &cross_device);
	if (e && cross_device) {
		err_free(e);
		e = copy_and_move(st, p);
	}
	return staging_advise(e, p->parent_fd, 1);
}

struct err *staging_sync(struct staging *st)
{
	return staging_advise(flatdir_sync(st->dirfd, st->path), st->dirfd, 1);
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
