/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The commit transaction: all or nothing, and a second try after every failure. */
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "base/io.h"
#include "engine/image/image.h"
#include "engine/image/staging.h"

#include "tests/lib/images.h"

static const struct staging_guard nobody;

static int setup(void **state)
{
	umask(022);
	return scratch_make(state) || chdir(scratch);
}

static int teardown(void **state)
{
	if (chdir("/"))
		return -1;
	return scratch_drop(state);
}

static void refused(struct err *e, int sys_errno, const char *hint)
{
	assert_non_null(e);
	if (e->sys_errno != sys_errno)
		print_error("got: %s\n", e->msg);
	assert_int_equal(e->sys_errno, sys_errno);
	assert_non_null(e->hint);
	if (!strstr(e->hint, hint))
		print_error("hint \"%s\" lacks \"%s\"\n", e->hint, hint);
	assert_non_null(strstr(e->hint, hint));
	err_free(e);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void fill(struct staging *st, size_t size)
{
	int fd = openat(staging_dirfd(st), "pages-1.img", O_WRONLY | O_CREAT | O_EXCL, 0600);
	char block[4096];

	assert_true(fd >= 0);
	for (size_t i = 0; i < size / sizeof(block); i++) {
		memset(block, (int)i & 0xff, sizeof(block));
		assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
	}
	close(fd);
	assert_int_equal(symlinkat("../before", staging_dirfd(st), "parent"), 0);
}

static void check_published(const char *dir, size_t size)
{
	char path[512], link[64] = "";
	struct stat st;

	snprintf(path, sizeof(path), "%s/pages-1.img", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, size);
	assert_int_equal(st.st_mode & 07777, 0600);
	int fd = open(path, O_RDONLY);
	char block[4096];
	for (size_t i = 0; i < size / sizeof(block); i++) {
		assert_int_equal(read(fd, block, sizeof(block)), sizeof(block));
		assert_int_equal((unsigned char)block[0], i & 0xff);
		assert_int_equal((unsigned char)block[4095], i & 0xff);
	}
	close(fd);
	snprintf(path, sizeof(path), "%s/parent", dir);
	assert_true(readlink(path, link, sizeof(link) - 1) > 0);
	assert_string_equal(link, "../before");
	assert_int_equal(entries_in(dir), 2);
}

TEST(to_a_new_name, setup, teardown)
{
	struct staging *st;
	char prefix[128];

	ok(staging_create("dump/", nobody, &st));
	snprintf(prefix, sizeof(prefix), "%s/.dump.stepdump-%d-", scratch, (int)getpid());
	assert_int_equal(strncmp(staging_path(st), prefix, strlen(prefix)), 0);
	assert_int_equal(mode_of(staging_path(st)), 0700);
	fill(st, 40960);
	assert_false(exists("dump"));
	ok(staging_publish(st, "dump/"));
	snprintf(prefix, sizeof(prefix), "%s/dump", scratch);
	assert_string_equal(staging_path(st), prefix);
	ok(staging_discard(st));
	check_published("dump", 40960);
	assert_int_equal(mode_of("dump"), 0700);
	assert_int_equal(entries_in("."), 1);
}

TEST(private_whatever_the_umask, setup, teardown)
{
	static const mode_t masks[] = { 0, 022, 027, 0277, 0777 };

	for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
		struct image_writer *w = NULL;
		struct staging *st;

		umask(masks[i]);
		ok(staging_create("dump", nobody, &st));
		assert_int_equal(mode_of(staging_path(st)), 0700);
		ok(image_create(staging_dirfd(st), "mm-1.img", IMG_MM, &w));
		ok(image_finish(w));
		ok(staging_publish(st, "dump"));
		ok(staging_discard(st));
		assert_int_equal(mode_of("dump"), 0700);
		assert_int_equal(mode_of("dump/mm-1.img"), 0600);
		unlink("dump/mm-1.img");
		rmdir("dump");
	}
	umask(022);
}

/* A name that somebody else made first is not written through. */
TEST(links_are_not_followed, setup, teardown)
{
	assert_int_equal(symlink("elsewhere", "link"), 0);
	assert_int_equal(create_private(AT_FDCWD, "link", O_WRONLY | O_TRUNC), -1);
	assert_int_equal(errno, ELOOP);
	assert_int_equal(mkdir_private(AT_FDCWD, "link"), -1);
	assert_int_equal(errno, EEXIST);
	assert_false(exists("elsewhere"));
}

/* ---- who is told of staging directories ------------------------------------------- */

static struct guarded {
	char path[512];
	int there; /* told less taken back */
	bool refuses;
} guarded;

static struct err *guard_told(void *arg, const char *path, bool there)
{
	struct guarded *g = arg;

	if (there) {
		if (g->refuses)
			return err_new(ERR_SYS, "no");
		assert_false(exists(path)); /* before it is made */
		snprintf(g->path, sizeof(g->path), "%s", path);
	} else {
		assert_false(exists(path)); /* after it has gone */
	}
	g->there += there ? 1 : -1;
	return NULL;
}

static const struct staging_guard guard = { guard_told, &guarded };

TEST(a_guard_is_told_first, setup, teardown)
{
	struct staging *st;

	guarded = (struct guarded){ 0 };
	ok(staging_create("dump", guard, &st));
	assert_string_equal(guarded.path, staging_path(st));
	assert_int_equal(guarded.there, 1);
	fill(st, 4096);
	ok(staging_discard(st));
	assert_int_equal(guarded.there, 0);
	ok(staging_create("dump", guard, &st));
	ok(staging_publish(st, "dump"));
	assert_int_equal(guarded.there, 0);
	ok(staging_discard(st));
	assert_int_equal(guarded.there, 0);

	guarded.refuses = true; /* then nothing is made */
	fails(staging_create("more", guard, &st), ERR_SYS, "no");
	assert_int_equal(entries_in("."), 1);
	assert_int_equal(guarded.there, 0);

	/* One that cannot be removed stays with the guard. */
	guarded.refuses = false;
	ok(staging_create("more", guard, &st));
	assert_int_equal(mkdirat(staging_dirfd(st), "sub", 0700), 0);
	fails(staging_discard(st), ERR_SYS, "remove");
	assert_int_equal(guarded.there, 1);
}

TEST(onto_an_empty_directory, setup, teardown)
{
	struct staging *st;

	assert_int_equal(mkdir("private", 0700), 0);
	ok(staging_create("private", nobody, &st));
	fill(st, 4096);
	ok(staging_publish(st, "private"));
	ok(staging_discard(st));
	check_published("private", 4096);
	assert_int_equal(mode_of("private"), 0700); /* as its maker wanted it */
}

TEST(dot_and_symlink, setup, teardown)
{
	struct staging *st;

	assert_int_equal(mkdir("in", 0755), 0);
	assert_int_equal(symlink("in", "link"), 0);
	ok(staging_create("link", nobody, &st));
	fill(st, 4096);
	ok(staging_publish(st, "link"));
	ok(staging_discard(st));
	check_published("in", 4096);
	assert_true(exists("link"));

	assert_int_equal(mkdir("cwd", 0755), 0);
	assert_int_equal(chdir("cwd"), 0);
	ok(staging_create(".", nobody, &st));
	fill(st, 4096);
	ok(staging_publish(st, "."));
	ok(staging_discard(st));
	assert_int_equal(chdir(scratch), 0);
	check_published("cwd", 4096);
}

/* Refused when created and when published; afterwards another name works. */
TEST(taken_names, setup, teardown)
{
	struct staging *st, *none;

	assert_int_equal(mkdir("full", 0755), 0);
	assert_int_equal(mkdir("full/x", 0755), 0);
	close(open("file", O_CREAT | O_WRONLY, 0644));
	assert_int_equal(symlink("nowhere", "dangling"), 0);
	refused(staging_create("full", nobody, &none), ENOTEMPTY, "another name");
	refused(staging_create("file", nobody, &none), ENOTDIR, "another name");
	refused(staging_create("dangling", nobody, &none), ENOENT, "");
	refused(staging_create("no/such/dir", nobody, &none), ENOENT, "create it first");
	refused(staging_create("/", nobody, &none), ENOTEMPTY, "below it");
	assert_int_equal(entries_in("."), 3);

	ok(staging_create("dump", nobody, &st));
	fill(st, 4096);
	char *path = strdup(staging_path(st));
	refused(staging_publish(st, "full"), ENOTEMPTY, "another name");
	refused(staging_publish(st, "file"), ENOTDIR, "another name");
	refused(staging_publish(st, "no/such/dir"), ENOENT, "create it first");
	assert_int_equal(entries_in("full"), 1);
	assert_string_equal(staging_path(st), path);
	assert_int_equal(mode_of(path), 0700);
	free(path);
	ok(staging_publish(st, "dump"));
	struct err *e = staging_publish(st, "again");
	fails(e, ERR_STATE, "");
	ok(staging_discard(st));
	check_published("dump", 4096);
}

TEST(discard_leaves_nothing, setup, teardown)
{
	struct staging *st;

	ok(staging_create(NULL, nobody, &st));
	fill(st, 8192);
	assert_int_equal(entries_in("."), 1);
	ok(staging_discard(st));
	assert_int_equal(entries_in("."), 0);
	ok(staging_discard(NULL));
}

TEST(elsewhere_on_the_same_file_system, setup, teardown)
{
	struct staging *st;

	assert_int_equal(mkdir("a", 0755), 0);
	assert_int_equal(mkdir("b", 0755), 0);
	ok(staging_create("a/x", nobody, &st));
	fill(st, 8192);
	ok(staging_publish(st, "b/y"));
	ok(staging_discard(st));
	check_published("b/y", 8192);
	assert_int_equal(entries_in("a"), 0);
	assert_int_equal(entries_in("b"), 1);
}

TEST(very_long_name, setup, teardown)
{
	struct staging *st;
	char name[256];

	memset(name, 'n', 255);
	name[255] = '\0';
	ok(staging_create(name, nobody, &st));
	fill(st, 4096);
	ok(staging_publish(st, name));
	ok(staging_discard(st));
	check_published(name, 4096);
	char too_long[300];
	memset(too_long, 'n', 299);
	too_long[299] = '\0';
	refused(staging_create(too_long, nobody, &st), ENAMETOOLONG, "shorter");
}

/* ---- another file system: in a mount namespace of our own ------------------------ */

#define SKIP_STATUS 77

static void in_namespace(void (*fn)(void))
{
	fflush(NULL);
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
			_exit(SKIP_STATUS);
		fn();
		_exit(0); /* an assertion in fn() has ended the process otherwise */
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIP_STATUS)
		skip_because("no right to mount in a namespace of our own");
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __func__, __LINE__, #cond);                 \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static int copies_there, copies_gone;

static struct err *on_copy(void *arg, const char *path, bool there)
{
	copies_there += there;
	copies_gone += !there;
	return NULL;
}

static bool is(struct err *e, int sys_errno, const char *hint)
{
	bool good = e && e->sys_errno == sys_errno && e->hint && strstr(e->hint, hint);

	if (!good)
		fprintf(stderr, "got %s, hint %s\n", e ? e->msg : "success",
			e && e->hint ? e->hint : "-");
	err_free(e);
	return good;
}

static bool fine(struct err *e)
{
	if (e)
		fprintf(stderr, "unexpected: %s (%d)\n", e->msg, e->sys_errno);
	return !e;
}

static void other_fs(void)
{
	struct staging *st;
	struct stat s;

	CHECK(mkdir("small", 0755) == 0 && mount("none", "small", "tmpfs", 0, "size=1m") == 0);
	CHECK(fine(staging_create("dump", (struct staging_guard){ on_copy, NULL }, &st)));

	int fd = openat(staging_dirfd(st), "pages-1.img", O_WRONLY | O_CREAT, 0600);
	CHECK(ftruncate(fd, 3 << 20) == 0 && pwrite(fd, "end", 3, (3 << 20) - 3) == 3);
	close(fd);

	/* Too large: says how much is missing, leaves neither copy nor target. */
	CHECK(is(staging_publish(st, "small/dump"), ENOSPC, "2.0 MiB are missing"));
	CHECK(entries_in("small") == 0);
	CHECK(mode_of(staging_path(st)) == 0700 && entries_in(staging_path(st)) == 1);
	CHECK(copies_there == 2 && copies_gone == 1);

	/* A mount point cannot be replaced. */
	CHECK(is(staging_publish(st, "small"), EBUSY, "directory below it"));
	CHECK(entries_in("small") == 0);

	/* Room is made. */
	CHECK(mount("none", "small", NULL, MS_REMOUNT, "size=8m") == 0);
	CHECK(mkdir("small/dump", 0710) == 0);
	CHECK(fine(staging_publish(st, "small/dump")));
	CHECK(fine(staging_discard(st)));
	CHECK(copies_there == 3 && copies_gone == 3);
	CHECK(entries_in("small") == 1 && entries_in("small/dump") == 1 && entries_in(".") == 1);
	CHECK(mode_of("small/dump") == 0710);
	CHECK(stat("small/dump/pages-1.img", &s) == 0 && s.st_size == 3 << 20 &&
	      (s.st_mode & 07777) == 0600);
	char tail[3];
	fd = open("small/dump/pages-1.img", O_RDONLY);
	CHECK(pread(fd, tail, 3, (3 << 20) - 3) == 3 && !memcmp(tail, "end", 3));

	CHECK(mount("none", "small", NULL, MS_REMOUNT | MS_RDONLY, "size=8m") == 0);
	CHECK(is(staging_create("small/more", nobody, &st), EROFS, "read-only"));
}

TEST(other_file_system, setup, teardown)
{
	in_namespace(other_fs);
}

/* ---- without rights ---------------------------------------------------------------- */

static void no_rights(void)
{
	struct staging *st;

	CHECK(mkdir("locked", 0755) == 0 && mkdir("mine", 0777) == 0);
	CHECK(chmod("mine", 0777) == 0 && chmod(scratch, 0755) == 0);
	if (setgid(65534) || setuid(65534))
		_exit(SKIP_STATUS);
	CHECK(is(staging_create("locked/x", nobody, &st), EACCES, "in which you may write"));
	CHECK(fine(staging_create("mine/x", nobody, &st)));
	CHECK(is(staging_publish(st, "locked/x"), EACCES, "in which you may write"));
	CHECK(mode_of(staging_path(st)) == 0700);
	CHECK(entries_in("locked") == 0);
	CHECK(fine(staging_publish(st, "mine/x")));
	CHECK(fine(staging_discard(st)));
	CHECK(entries_in("mine") == 1 && mode_of("mine/x") == 0700);

	/* Nothing known yet, and no right to the working directory: TMPDIR. */
	CHECK(mkdir("mine/tmp", 0755) == 0);
	setenv("TMPDIR", "mine/tmp", 1);
	CHECK(fine(staging_create(NULL, nobody, &st)));
	CHECK(strstr(staging_path(st), "/mine/tmp/.stepdump-"));
	CHECK(fine(staging_discard(st)));
}

TEST(another_users_directory, setup, teardown)
{
	if (geteuid())
		skip_because("not root, so there is nobody to become");
	in_namespace(no_rights);
}
