/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/image/image_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "engine/image/archive.h"
#include "engine/image/flatdir.h"
#include "engine/image/image.h"
#include "engine/image/image_set.h"

#define UNPACKED "stepdump-unpacked."

/* ---- the temporary directory ----------------------------------------------------------------- */

/* Removes what we unpacked; `depth` bounds it. */
static void unpacked_clear(int dirfd, unsigned depth)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((de = readdir(d))) {
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, "..") ||
		    !unlinkat(dirfd, de->d_name, 0) || !depth)
			continue;
		AUTO_CLOSE int sub =
			openat(dirfd, de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (sub >= 0)
			unpacked_clear(sub, depth - 1);
		unlinkat(dirfd, de->d_name, AT_REMOVEDIR);
	}
	closedir(d);
}

static const char *unpacked_where(void)
{
	const char *tmp = getenv("TMPDIR");

	return tmp && *tmp ? tmp : "/var/tmp";
}

/* What a stepdump left that was killed: nobody holds its lock. */
static void unpacked_sweep(const char *tmp)
{
	AUTO_CLOSE int top = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int own = top < 0 ? -1 : fcntl(top, F_DUPFD_CLOEXEC, 0);
	DIR *d = own < 0 ? NULL : fdopendir(own);
	struct dirent *de;
	struct stat st;

	if (!d) {
		if (own >= 0)
			close(own);
		return;
	}
	while ((de = readdir(d))) {
		if (strncmp(de->d_name, UNPACKED, sizeof(UNPACKED) - 1))
			continue;
		AUTO_CLOSE int fd =
			openat(top, de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0 || fstat(fd, &st) || st.st_uid != geteuid() ||
		    flock(fd, LOCK_EX | LOCK_NB))
			continue;
		unpacked_clear(fd, 16);
		unlinkat(top, de->d_name, AT_REMOVEDIR);
	}
	closedir(d);
}

static struct err *unpacked_make(struct image_dir *d)
{
	const char *tmp = unpacked_where();

	unpacked_sweep(tmp);

	char *path = xasprintf("%s/" UNPACKED "XXXXXX", tmp);

	if (!mkdtemp(path)) {
		struct err *e = err_sys(errno, "make a directory in %s to unpack into", tmp);

		free(path);
		return err_hint(e, "TMPDIR=DIR names another place");
	}
	d->unpacked = path;
	d->unpacked_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d->unpacked_fd < 0 || flock(d->unpacked_fd, LOCK_EX | LOCK_NB))
		return err_sys(errno, "open %s", path);
	return NULL;
}

void image_dir_close(struct image_dir *d)
{
	close_fd(&d->dirfd);
	if (d->unpacked) {
		if (d->unpacked_fd >= 0)
			unpacked_clear(d->unpacked_fd, 16);
		rmdir(d->unpacked);
	}
	close_fd(&d->unpacked_fd);
	for (size_t i = 0; i < d->nr_about; i++)
		free(d->about[i]);
	free(d->about);
	free(d->unpacked);
	free(d->path);
	*d = (struct image_dir)IMAGE_DIR_INIT;
}

/* ---- the set in an archive ------------------------------------------------------------------- */

/* "a/b" of "a/b/c"; "" at the root.  Caller frees. */
static char *dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return xstrndup(path, slash ? (size_t)(slash - path) : 0);
}

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static unsigned depth_of(const char *path)
{
	unsigned n = *path != 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

/* Is it the parent of another set in the archive? */
static bool dir_is_parent(const struct archive_list *l, int rootfd, const char *dir)
{
	struct stat a, b;

	if (fstatat(rootfd, *dir ? dir : ".", &a, 0))
		return false;
	for (size_t i = 0; i < l->nr_links; i++)
		if (!fstatat(rootfd, l->link[i].path, &b, 0) && a.st_dev == b.st_dev &&
		    a.st_ino == b.st_ino)
			return true;
	return false;
}

/* checkpoint/ if there is one; else the set that is nearest to the root and not a parent.  NULL: none. */
static char *dir_find(const struct archive_list *l, int rootfd)
{
	char *best = NULL;

	for (size_t i = 0; i < l->nr; i++) {
		const struct image_desc *d = image_desc_by_name(name_of(l->v[i].path), NULL);
		AUTO_FREE char *dir = dir_of(l->v[i].path);

		if (!d || (d->kind != IMG_INVENTORY && d->kind != IMG_PAGEMAP) ||
		    (best && !strcmp(best, dir)) || dir_is_parent(l, rootfd, dir))
			continue;
		if (best &&
		    (!strcmp(name_of(best), "checkpoint") ||
		     (strcmp(name_of(dir), "checkpoint") && depth_of(dir) >= depth_of(best))))
			continue;
		free(best);
		best = TAKE_PTR(dir);
	}
	return best;
}

static void want(struct archive_list *l, const char *dir, uint32_t pages_id)
{
	AUTO_FREE char *path = xasprintf("%s%spages-%u.img", dir, *dir ? "/" : "", pages_id);

	for (size_t i = 0; i < l->nr; i++)
		if (!strcmp(l->v[i].path, path))
			l->v[i].wanted = true;
}

/* The pages files of a task and of all shared objects, in every set of the archive. */
static void want_task(struct archive_list *l, int rootfd, uint32_t pid)
{
	for (size_t i = 0; i < l->nr; i++) {
		uint64_t id;
		const struct image_desc *d = image_desc_by_name(name_of(l->v[i].path), &id);
		struct pagemap_image pi;

		if (!d || !((d->kind == IMG_PAGEMAP && id == pid) || d->kind == IMG_SHMEM_PAGEMAP))
			continue;
		AUTO_FREE char *dir = dir_of(l->v[i].path);
		AUTO_CLOSE int dirfd =
			openat(rootfd, *dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		AUTO_ERR struct err *e =
			dirfd < 0 ? err_sys(errno, "open") :
				    pagemap_image_read(dirfd, name_of(l->v[i].path), &pi);

		if (e)
			continue; /* whoever looks at it will say so */
		want(l, dir, pi.pages_id);
		pagemap_image_deinit(&pi);
	}
}

/* Compressed ones; and those that were kept with their holes, where a hole is no page of zeroes. */
static void want_to_check(struct archive_list *l, int rootfd)
{
	for (size_t i = 0; i < l->nr; i++) {
		const struct image_desc *d = image_desc_by_name(name_of(l->v[i].path), NULL);
		struct pagemap_image pi;

		l->v[i].wanted |= l->v[i].pages && l->v[i].sparse;
		if (!d || (d->kind != IMG_PAGEMAP && d->kind != IMG_SHMEM_PAGEMAP))
			continue;
		AUTO_FREE char *dir = dir_of(l->v[i].path);
		AUTO_CLOSE int dirfd =
			openat(rootfd, *dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		AUTO_ERR struct err *e =
			dirfd < 0 ? err_sys(errno, "open") :
				    pagemap_image_read(dirfd, name_of(l->v[i].path), &pi);

		if (e)
			continue;
		if (pi.nr_blocks)
			want(l, dir, pi.pages_id);
		pagemap_image_deinit(&pi);
	}
}

bool image_dir_left_out(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && (st.st_mode & 07777) == ARCHIVE_LEFT_OUT;
}

static uint32_t first_task(int dirfd)
{
	struct image_set *s = NULL;
	AUTO_ERR struct err *e = image_set_open(dirfd, "the archive", &s);
	uint32_t pid = 0;

	for (size_t i = 0; !e && !pid && i < s->nr_tasks; i++)
		if (s->task[i].has_memory)
			pid = s->task[i].pid;
	image_set_close(s);
	return pid;
}

static struct err *archive_set(const char *path, enum image_dir_pages pages, uint32_t pid,
			       const volatile sig_atomic_t *stop, struct archive_list *l,
			       struct image_dir *d)
{
	TRY(unpacked_make(d));
	TRY(archive_unpack(path, d->unpacked_fd, stop, l));

	AUTO_FREE char *dir = dir_find(l, d->unpacked_fd);

	if (!dir)
		return err_new(ERR_FORMAT, "%s: no images of CRIU are in it", path);
	d->path = xasprintf("%s%s%s", d->unpacked, *dir ? "/" : "", dir);
	d->dirfd = openat(d->unpacked_fd, *dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->dirfd < 0)
		return err_sys(errno, "open %s", d->path);

	AUTO_FREE char *above = dir_of(dir);
	AUTO_CLOSE int outer =
		openat(d->unpacked_fd, *above ? above : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (outer >= 0)
		archive_about(outer, &d->about, &d->nr_about);
	if (l->nr_ignored)
		*vec_push(d->about, d->nr_about) = xasprintf(
			"%zu entr%s of the archive left out: links, or paths that leave it",
			l->nr_ignored, l->nr_ignored == 1 ? "y is" : "ies are");
	if (pages == PAGES_OF_TASK)
		want_task(l, d->unpacked_fd, pid ? pid : first_task(d->dirfd));
	if (pages == PAGES_TO_CHECK)
		want_to_check(l, d->unpacked_fd);
	for (size_t i = 0; pages == PAGES_ALL && i < l->nr; i++)
		l->v[i].wanted = l->v[i].pages;
	return archive_unpack_pages(path, d->unpacked_fd, stop, l);
}

/* ---- any ----------------------------------------------------------------------------------------- */

static struct err *has_image(void *arg, int dirfd, const char *name)
{
	const struct image_desc *d = image_desc_by_name(name, NULL);

	*(bool *)arg |= d && (d->kind == IMG_INVENTORY || d->kind == IMG_PAGEMAP);
	return NULL;
}

/* The set may lie below, in checkpoint/. */
static struct err *plain_dir(const char *path, struct image_dir *d)
{
	bool has = false;

	TRY(flatdir_each(d->dirfd, path, has_image, &has));
	if (has)
		return NULL;

	int below = openat(d->dirfd, "checkpoint", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (below < 0)
		return NULL; /* what is missing will be said by whoever looks for it */
	archive_about(d->dirfd, &d->about, &d->nr_about);
	close(d->dirfd);
	d->dirfd = below;
	free(d->path);
	d->path = xasprintf("%s/checkpoint", path);
	return NULL;
}

struct err *image_dir_open(const char *path, enum image_dir_pages pages, uint32_t pid,
			   const volatile sig_atomic_t *stop, struct image_dir *ret)
{
	struct image_dir d = IMAGE_DIR_INIT;
	struct archive_list l = { 0 };
	struct err *e;
	struct stat st;

	*ret = d;
	d.dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d.dirfd >= 0) {
		d.path = xstrdup(path);
		e = plain_dir(path, &d);
	} else if (errno == ENOTDIR && !stat(path, &st) && S_ISREG(st.st_mode)) {
		d.archive = true;
		e = archive_set(path, pages, pid, stop, &l, &d);
	} else {
		e = err_sys(errno, "open the image directory %s", path);
	}
	archive_list_deinit(&l);
	if (e) {
		image_dir_close(&d);
		return e;
	}
	*ret = d;
	return NULL;
}
