/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The commit transaction: all or nothing, and a second try after every failure. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/image/staging.h"

static char base[64];

static void rm_rf(const char *path)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf -- '%s'", path);
	assert_int_equal(system(cmd), 0);
}

static int setup(void **state)
{
	strcpy(base, "/tmp/stepdump-staging.XXXXXX");
	umask(022);
	return mkdtemp(base) ? chdir(base) : -1;
}

static int teardown(void **state)
{
	if (chdir("/"))
		return -1;
	rm_rf(base);
	return 0;
}

static void ok(struct err *e)
{
	if (e)
		print_error("unexpected: %s (%d), hint %s\n", e->msg, e->sys_errno, e->hint);
	assert_null(e);
}

static void fails(struct err *e, int sys_errno, const char *hint)
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

static int entries(const char *path)
{
	DIR *d = opendir(path);
	int nr = 0;

	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		nr += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
	closedir(d);
	return nr;
}

static void fill(struct staging *st, size_t size)
{
	int fd = openat(staging_dirfd(st), "pages-1.img", O_WRONLY | O_CREAT | O_EXCL, 0644);
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
	assert_int_equal(st.st_mode & 07777, 0644);
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
	assert_int_equal(entries(dir), 2);
}

static void to_a_new_name(void **state)
{
	struct staging *st;
	char prefix[128];

	ok(staging_create("dump/", &st));
	snprintf(prefix, sizeof(prefix), "%s/.dump.stepdump-%d.", base, (int)getpid());
	assert_int_equal(strncmp(staging_path(st), prefix, strlen(prefix)), 0);
	assert_int_equal(mode_of(staging_path(st)), 0700);
	fill(st, 40960);
	assert_false(exists("dump"));
	ok(staging_publish(st, "dump/"));
	snprintf(prefix, sizeof(prefix), "%s/dump", base);
	assert_string_equal(staging_path(st), prefix);
	ok(staging_discard(st));
	check_published("dump", 40960);
	assert_int_equal(mode_of("dump"), 0755);
	assert_int_equal(entries("."), 1);
}

static void umask_is_respected(void **state)
{
	struct staging *st;

	umask(027);
	ok(staging_create("dump", &st));
	ok(staging_publish(st, "dump"));
	ok(staging_discard(st));
	assert_int_equal(mode_of("dump"), 0750);
}

static void onto_an_empty_directory(void **state)
{
	struct staging *st;

	assert_int_equal(mkdir("private", 0700), 0);
	ok(staging_create("private", &st));
	fill(st, 4096);
	ok(staging_publish(st, "private"));
	ok(staging_discard(st));
	check_published("private", 4096);
	assert_int_equal(mode_of("private"), 0700); /* as its maker wanted it */
}

static void dot_and_symlink(void **state)
{
	struct staging *st;

	assert_int_equal(mkdir("in", 0755), 0);
	assert_int_equal(symlink("in", "link"), 0);
	ok(staging_create("link", &st));
	fill(st, 4096);
	ok(staging_publish(st, "link"));
	ok(staging_discard(st));
	check_published("in", 4096);
	assert_true(exists("link"));

	assert_int_equal(mkdir("cwd", 0755), 0);
	assert_int_equal(chdir("cwd"), 0);
	ok(staging_create(".", &st));
	fill(st, 4096);
	ok(staging_publish(st, "."));
	ok(staging_discard(st));
	assert_int_equal(chdir(base), 0);
	check_published("cwd", 4096);
}

/* Refused when created and when published; afterwards another name works. */
static void taken_names(void **state)
{
	struct staging *st, *none;

	assert_int_equal(mkdir("full", 0755), 0);
	assert_int_equal(mkdir("full/x", 0755), 0);
	close(open("file", O_CREAT | O_WRONLY, 0644));
	assert_int_equal(symlink("nowhere", "dangling"), 0);
	fails(staging_create("full", &none), ENOTEMPTY, "another name");
	fails(staging_create("file", &none), ENOTDIR, "another name");
	fails(staging_create("dangling", &none), ENOENT, "");
	fails(staging_create("no/such/dir", &none), ENOENT, "create it first");
	fails(staging_create("/", &none), ENOTEMPTY, "another name");
	assert_int_equal(entries("."), 3);

	ok(staging_create("dump", &st));
	fill(st, 4096);
	char *path = strdup(staging_path(st));
	fails(staging_publish(st, "full"), ENOTEMPTY, "another name");
	fails(staging_publish(st, "file"), ENOTDIR, "another name");
	fails(staging_publish(st, "no/such/dir"), ENOENT, "create it first");
	assert_int_equal(entries("full"), 1);
	assert_string_equal(staging_path(st), path);
	assert_int_equal(mode_of(path), 0700);
	free(path);
	ok(staging_publish(st, "dump"));
	struct err *e = staging_publish(st, "again");
	assert_non_null(e);
	assert_int_equal(e->code, ERR_STATE);
	err_free(e);
	ok(staging_discard(st));
	check_published("dump", 4096);
}

static void discard_leaves_nothing(void **state)
{
	struct staging *st;

	ok(staging_create(NULL, &st));
	fill(st, 8192);
	assert_int_equal(entries("."), 1);
	ok(staging_discard(st));
	assert_int_equal(entries("."), 0);
	ok(staging_discard(NULL));
}

static void elsewhere_on_the_same_file_system(void **state)
{
	struct staging *st;

	assert_int_equal(mkdir("a", 0755), 0);
	assert_int_equal(mkdir("b", 0755), 0);
	ok(staging_create("a/x", &st));
	fill(st, 8192);
	ok(staging_publish(st, "b/y"));
	ok(staging_discard(st));
	check_published("b/y", 8192);
	assert_int_equal(entries("a"), 0);
	assert_int_equal(entries("b"), 1);
}

static void very_long_name(void **state)
{
	struct staging *st;
	char name[256];

	memset(name, 'n', 255);
	name[255] = '\0';
	ok(staging_create(name, &st));
	fill(st, 4096);
	ok(staging_publish(st, name));
	ok(staging_discard(st));
	check_published(name, 4096);
	char too_long[300];
	memset(too_long, 'n', 299);
	too_long[299] = '\0';
	fails(staging_create(too_long, &st), ENAMETOOLONG, "shorter");
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
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIP_STATUS) {
		print_message("skipped: no right to mount in a namespace of our own\n");
		skip();
	}
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

static void on_copy(void *arg, const char *path, bool there)
{
	copies_there += there;
	copies_gone += !there;
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
	CHECK(fine(staging_create("dump", &st)));
	staging_on_copy(st, on_copy, NULL);

	int fd = openat(staging_dirfd(st), "pages-1.img", O_WRONLY | O_CREAT, 0644);
	CHECK(ftruncate(fd, 3 << 20) == 0 && pwrite(fd, "end", 3, (3 << 20) - 3) == 3);
	close(fd);

	/* Too large: says how much is missing, leaves neither copy nor target. */
	CHECK(is(staging_publish(st, "small/dump"), ENOSPC, "2.0 MiB are missing"));
	CHECK(entries("small") == 0);
	CHECK(mode_of(staging_path(st)) == 0700 && entries(staging_path(st)) == 1);
	CHECK(copies_there == 1 && copies_gone == 1);

	/* A mount point cannot be replaced. */
	CHECK(is(staging_publish(st, "small"), EBUSY, "directory below it"));
	CHECK(entries("small") == 0);

	/* Room is made. */
	CHECK(mount("none", "small", NULL, MS_REMOUNT, "size=8m") == 0);
	CHECK(mkdir("small/dump", 0710) == 0);
	CHECK(fine(staging_publish(st, "small/dump")));
	CHECK(fine(staging_discard(st)));
	CHECK(copies_there == 2 && copies_gone == 2);
	CHECK(entries("small") == 1 && entries("small/dump") == 1 && entries(".") == 1);
	CHECK(mode_of("small/dump") == 0710);
	CHECK(stat("small/dump/pages-1.img", &s) == 0 && s.st_size == 3 << 20 &&
	      (s.st_mode & 07777) == 0644);
	char tail[3];
	fd = open("small/dump/pages-1.img", O_RDONLY);
	CHECK(pread(fd, tail, 3, (3 << 20) - 3) == 3 && !memcmp(tail, "end", 3));

	CHECK(mount("none", "small", NULL, MS_REMOUNT | MS_RDONLY, "size=8m") == 0);
	CHECK(is(staging_create("small/more", &st), EROFS, "read-only"));
}

static void other_file_system(void **state)
{
	in_namespace(other_fs);
}

/* ---- without rights ---------------------------------------------------------------- */

static void no_rights(void)
{
	struct staging *st;

	CHECK(mkdir("locked", 0755) == 0 && mkdir("mine", 0777) == 0);
	CHECK(chmod("mine", 0777) == 0 && chmod(base, 0755) == 0);
	if (setgid(65534) || setuid(65534))
		_exit(SKIP_STATUS);
	CHECK(is(staging_create("locked/x", &st), EACCES, "in which you may write"));
	CHECK(fine(staging_create("mine/x", &st)));
	CHECK(is(staging_publish(st, "locked/x"), EACCES, "in which you may write"));
	CHECK(mode_of(staging_path(st)) == 0700);
	CHECK(entries("locked") == 0);
	CHECK(fine(staging_publish(st, "mine/x")));
	CHECK(fine(staging_discard(st)));
	CHECK(entries("mine") == 1 && mode_of("mine/x") == 0755);

	/* Nothing known yet, and no right to the working directory: TMPDIR. */
	CHECK(mkdir("mine/tmp", 0755) == 0);
	setenv("TMPDIR", "mine/tmp", 1);
	CHECK(fine(staging_create(NULL, &st)));
	CHECK(strstr(staging_path(st), "/mine/tmp/.stepdump-"));
	CHECK(fine(staging_discard(st)));
}

static void another_users_directory(void **state)
{
	if (geteuid()) {
		print_message("skipped: not root, so there is nobody to become\n");
		skip();
	}
	in_namespace(no_rights);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(to_a_new_name, setup, teardown),
		cmocka_unit_test_setup_teardown(umask_is_respected, setup, teardown),
		cmocka_unit_test_setup_teardown(onto_an_empty_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(dot_and_symlink, setup, teardown),
		cmocka_unit_test_setup_teardown(taken_names, setup, teardown),
		cmocka_unit_test_setup_teardown(discard_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(elsewhere_on_the_same_file_system, setup, teardown),
		cmocka_unit_test_setup_teardown(very_long_name, setup, teardown),
		cmocka_unit_test_setup_teardown(other_file_system, setup, teardown),
		cmocka_unit_test_setup_teardown(another_users_directory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
