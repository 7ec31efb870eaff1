/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/image/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/vec.h"
#include "engine/image/at_server.h"
#include "engine/image/image.h"

#define ENTRIES_MAX 1000000u     /* of the whole archive */
#define SMALL_MAX (256ull << 20) /* of an image without pages; none is near that */
#define SMALL_TOTAL_MAX (2ull << 30)
#define ROOM_STEP (64ull << 20)  /* how often the room that is left is looked at */
#define ROOM_LEFT (256ull << 20) /* is not used up */
#define DEPTH_MAX 8u

struct unpack {
	const char *path;
	int rootfd;
	const volatile sig_atomic_t *stop;
	struct archive *a;
	uint64_t small_bytes;
	uint64_t since_room; /* bytes written since the room was looked at */
};

/* ---- names ---------------------------------------------------------------------------------- */

/* Appends the parts of `path` to `out`, which is relative to the root; false: it leaves the root. */
static bool archive_join(char *out, size_t len, const char *path)
{
	AUTO_FREE char *copy = xstrdup(path);
	char *save = NULL;

	for (char *p = strtok_r(copy, "/", &save); p; p = strtok_r(NULL, "/", &save)) {
		size_t used = strlen(out);

		if (!strcmp(p, "."))
			continue;
		if (!strcmp(p, "..")) {
			char *slash = strrchr(out, '/');

			if (!used)
				return false;
			*(slash ?: out) = 0;
			continue;
		}
		if (used + strlen(p) + 2 > len)
			return false;
		snprintf(out + used, len - used, "%s%s", used ? "/" : "", p);
	}
	return true;
}

/* The name of an entry without "./"; NULL: it is not one that may be made.  Caller frees. */
static char *archive_clean(const char *path)
{
	char out[1024] = "";
	unsigned depth = 1;

	if (!path || *path == '/' || strstr(path, ".."))
		return NULL;
	if (!archive_join(out, sizeof(out), path) || !*out)
		return NULL;
	for (const char *p = out; *p; p++)
		depth += *p == '/';
	return depth <= DEPTH_MAX ? xstrdup(out) : NULL;
}

static bool archive_has_part(const char *path, const char *part)
{
	AUTO_FREE char *copy = xstrdup(path);
	char *save = NULL;

	for (char *p = strtok_r(copy, "/", &save); p; p = strtok_r(NULL, "/", &save))
		if (!strcmp(p, part))
			return true;
	return false;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool archive_is_pages(const char *name)
{
	unsigned id;
	int len = 0;

	return sscanf(name, "pages-%u.img%n", &id, &len) == 1 && len && !name[len];
}

/* What engines put beside the set. */
static bool archive_is_config(const char *name)
{
	static const char *const names[] = { "config.dump", "spec.dump", "network.status", "status",
					     "checkpoint.json" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* Others are only listed: their name and length are all that is looked at. */
static bool archive_is_looked_at(const char *name)
{
	return image_desc_by_name(name, NULL) || archive_is_config(name) ||
	       !strncmp(name, AT_SERVER_PREFIX, sizeof(AT_SERVER_PREFIX) - 1);
}

static bool archive_is_listed(const char *path)
{
	const char *name = base_name(path);
	size_t len = strlen(name);

	return archive_is_looked_at(name) || (len > 4 && !strcmp(name + len - 4, ".img"));
}

/* ---- files ---------------------------------------------------------------------------------- */

/* The directory of a path, made if it is not there; no link is followed.  *name_ret: its last part. */
static struct err *archive_dir(const struct unpack *u, const char *path, int *fd_ret,
			       const char **name_ret)
{
	AUTO_CLOSE int fd = fcntl(u->rootfd, F_DUPFD_CLOEXEC, 0);
	const char *slash;

	while (fd >= 0 && (slash = strchr(path, '/'))) {
		AUTO_FREE char *part = xstrndup(path, (size_t)(slash - path));

		if (mkdir_private(fd, part) && errno != EEXIST)
			return err_sys(errno, "make %s", part);
		int next = openat(fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (next < 0)
			return err_sys(errno, "open %s", part);
		close(fd);
		fd = next;
		path = slash + 1;
	}
	if (fd < 0)
		return err_sys(errno, "open the directory to unpack into");
	*name_ret = path;
	*fd_ret = TAKE_FD(fd);
	return NULL;
}

static struct err *archive_room(struct unpack *u, uint64_t bytes)
{
	struct statvfs v;

	u->since_room += bytes;
	if (u->since_room < ROOM_STEP)
		return NULL;
	u->since_room = 0;
	if (fstatvfs(u->rootfd, &v) || v.f_bavail * v.f_frsize >= ROOM_LEFT + ROOM_STEP)
		return NULL;
	return err_hint(err_new(ERR_CHECK,
				"unpack %s: the file system for temporary files is nearly full",
				u->path),
			"TMPDIR=DIR stepdump ... unpacks into DIR");
}

static struct err *archive_stopped(const struct unpack *u)
{
	return u->stop && *u->stop ? err_new(ERR_INTERRUPTED, "stopped by the operator") : NULL;
}

static struct err *archive_fault(const struct unpack *u, const char *what)
{
	return err_new(ERR_FORMAT, "%s %s: %s", what, u->path,
		       archive_error_string(u->a) ?: "not an archive");
}

/* What an archive keeps as a hole stays one. */
static struct err *archive_contents(struct unpack *u, int fd, uint64_t size, const char *name)
{
	const void *data;
	size_t len;
	la_int64_t at;
	int rc;

	while ((rc = archive_read_data_block(u->a, &data, &len, &at)) == ARCHIVE_OK) {
		TRY(archive_stopped(u));
		if (at < 0 || (uint64_t)at > size || len > size - (uint64_t)at)
			return err_new(ERR_FORMAT, "unpack %s: %s is longer than it says", u->path,
				       name);
		TRY(archive_room(u, len));
		if (len && pwrite_full(fd, data, len, at) < 0)
			return err_sys(errno, "unpack %s into the temporary directory", name);
	}
	return rc == ARCHIVE_EOF ? NULL : archive_fault(u, "unpack");
}

static struct err *archive_make(struct unpack *u, const char *path, uint64_t size, bool contents)
{
	AUTO_CLOSE int dir = -1;
	const char *name;

	TRY(archive_dir(u, path, &dir, &name));
	AUTO_CLOSE int fd =
		openat(dir, name,
		       O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);

	if (fd < 0)
		return err_sys(errno, "unpack %s", path);
	if (size > INT64_MAX || ftruncate(fd, (off_t)size))
		return err_sys(size > INT64_MAX ? EFBIG : errno, "unpack %s (%lu bytes)", path,
			       size);
	if (fchmod(fd, contents ? 0600 : ARCHIVE_LEFT_OUT))
		return err_sys(errno, "unpack %s", path);
	return contents ? archive_contents(u, fd, size, path) : NULL;
}

/* A link inside of the archive, from a set to its parent. */
static bool archive_add_link(struct archive_list *l, const char *path, const char *target)
{
	char to[1024] = "";
	const char *slash = strrchr(path, '/');

	if (strcmp(base_name(path), "parent") || !target || *target == '/')
		return false;
	if (slash)
		snprintf(to, sizeof(to), "%.*s", (int)(slash - path), path);
	if (archive_has_part(target, "parent") || !archive_join(to, sizeof(to), target))
		return false;
	void *v = vec_room(l->link, l->nr_links, sizeof(*l->link));

	l->link = v;
	l->link[l->nr_links].path = xstrdup(path);
	l->link[l->nr_links++].target = xstrdup(target);
	return true;
}

/* ---- passes --------------------------------------------------------------------------------- */

static struct err *archive_begin(struct unpack *u)
{
	u->a = archive_read_new();
	if (!u->a)
		abort();
	archive_read_support_filter_gzip(u->a);
	archive_read_support_filter_zstd(u->a);
	archive_read_support_filter_xz(u->a);
	archive_read_support_filter_bzip2(u->a);
	archive_read_support_filter_lz4(u->a);
	archive_read_support_format_tar(u->a);
	if (archive_read_open_filename(u->a, u->path, 64 << 10) != ARCHIVE_OK) {
		struct err *e = archive_fault(u, "open");

		archive_read_free(u->a);
		return e;
	}
	return NULL;
}

static struct err *archive_entry(struct unpack *u, struct archive_entry *ae, struct archive_list *l)
{
	AUTO_FREE char *path = archive_clean(archive_entry_pathname(ae));
	uint64_t size = archive_entry_size(ae) > 0 ? (uint64_t)archive_entry_size(ae) : 0;
	mode_t type = archive_entry_filetype(ae);

	if (type == AE_IFDIR)
		return NULL;
	if (!path) {
		l->nr_ignored++;
		return NULL;
	}
	if (type == AE_IFLNK) {
		l->nr_ignored += !archive_add_link(l, path, archive_entry_symlink(ae)) &&
				 archive_is_listed(path);
		return NULL;
	}
	if (!archive_is_listed(path))
		return NULL;
	if (type != AE_IFREG || archive_entry_hardlink(ae) || l->nr == ARCHIVE_FILES_MAX) {
		l->nr_ignored++;
		return NULL;
	}

	bool small = archive_is_looked_at(base_name(path));

	if (small) {
		u->small_bytes += size;
		if (size > SMALL_MAX || u->small_bytes > SMALL_TOTAL_MAX)
			return err_new(ERR_CHECK,
				       "unpack %s: %s has %lu bytes, more than any image", u->path,
				       path, size);
	}
	struct archive_file *f = vec_push(l->v, l->nr);

	*f = (struct archive_file){ .path = xstrdup(path),
				    .size = size,
				    .pages = archive_is_pages(base_name(path)),
				    .sparse = archive_entry_sparse_count(ae) > 0 };
	return archive_make(u, path, size, small);
}

struct err *archive_unpack(const char *path, int rootfd, const volatile sig_atomic_t *stop,
			   struct archive_list *ret)
{
	struct unpack u = { .path = path, .rootfd = rootfd, .stop = stop };
	struct archive_entry *ae;
	struct err *e = NULL;
	size_t nr = 0;
	int rc = ARCHIVE_EOF;

	*ret = (struct archive_list){ 0 };
	TRY(archive_begin(&u));
	while (!e && (rc = archive_read_next_header(u.a, &ae)) >= ARCHIVE_WARN &&
	       rc != ARCHIVE_EOF) {
		e = archive_stopped(&u);
		if (!e && ++nr > ENTRIES_MAX)
			e = err_new(ERR_CHECK, "read %s: more than %u files", path, ENTRIES_MAX);
		if (!e)
			e = archive_entry(&u, ae, ret);
	}
	if (!e && rc != ARCHIVE_EOF)
		e = archive_fault(&u, "read");
	archive_read_free(u.a);
	/* Last, so that no file is ever made behind one of them. */
	for (size_t i = 0; !e && i < ret->nr_links; i++) {
		AUTO_CLOSE int dir = -1;
		const char *name;

		AUTO_ERR struct err *no = archive_dir(&u, ret->link[i].path, &dir, &name);

		ret->nr_ignored += no || symlinkat(ret->link[i].target, dir, name);
	}
	return e;
}

static bool archive_wants(const struct archive_list *l, const char *path, uint64_t size)
{
	for (size_t i = 0; i < l->nr; i++)
		if (l->v[i].wanted && l->v[i].size == size && !strcmp(l->v[i].path, path))
			return true;
	return false;
}

struct err *archive_unpack_pages(const char *path, int rootfd, const volatile sig_atomic_t *stop,
				 const struct archive_list *l)
{
	struct unpack u = { .path = path, .rootfd = rootfd, .stop = stop };
	struct archive_entry *ae;
	size_t left = 0;
	struct err *e = NULL;

	for (size_t i = 0; i < l->nr; i++)
		left += l->v[i].wanted;
	if (!left)
		return NULL;
	TRY(archive_begin(&u));
	while (!e && left && archive_read_next_header(u.a, &ae) >= ARCHIVE_WARN) {
		AUTO_FREE char *name = archive_clean(archive_entry_pathname(ae));
		uint64_t size = archive_entry_size(ae) > 0 ? (uint64_t)archive_entry_size(ae) : 0;

		e = archive_stopped(&u);
		if (e || !name || archive_entry_filetype(ae) != AE_IFREG ||
		    !archive_wants(l, name, size))
			continue;
		e = archive_make(&u, name, size, true);
		left--;
	}
	archive_read_free(u.a);
	if (!e && left)
		e = err_new(ERR_FORMAT, "read %s: it changed meanwhile", path);
	return e;
}

void archive_list_deinit(struct archive_list *l)
{
	for (size_t i = 0; i < l->nr; i++)
		free(l->v[i].path);
	for (size_t i = 0; i < l->nr_links; i++) {
		free(l->link[i].path);
		free(l->link[i].target);
	}
	free(l->v);
	free(l->link);
	*l = (struct archive_list){ 0 };
}
