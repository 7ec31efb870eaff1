/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a killed stepdump with a killed keeper left is removed; nothing else is. */
#include <sys/file.h>
#include <sys/wait.h>

#include "base/io.h"
#include "engine/image/staging.h"
#include "engine/image/staging_sweep.h"

#include "tests/lib/images.h"

static int setup(void **state)
{
	return scratch_make(state) || chdir(scratch);
}

static int teardown(void **state)
{
	if (chdir("/"))
		return -1;
	return scratch_drop(state);
}

static struct err *heard(void *arg, const char *path, bool exists)
{
	return NULL;
}

static const struct staging_guard guard = { heard, NULL }, nobody;

/* Makes a staging directory with a file in it and ends, as if killed.  Its name. */
static void leave_one(struct staging_guard g, char *name, size_t size)
{
	int p[2], status;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (!pid) {
		struct staging *st;

		if (staging_create("dump", g, &st))
			_exit(1);
		int fd = create_private(staging_dirfd(st), "pages-1.img", O_WRONLY | O_EXCL);
		const char *path = strrchr(staging_path(st), '/') + 1;
		_exit(fd < 0 || write(p[1], path, strlen(path)) < 0);
	}
	close(p[1]);
	ssize_t n = read(p[0], name, size - 1);
	assert_true(n > 0);
	name[n] = '\0';
	close(p[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* By the next dump into that directory. */
static void sweep(void)
{
	struct staging *st;

	ok(staging_create("next", guard, &st));
	ok(staging_discard(st));
}

static bool there(const char *name)
{
	return !access(name, F_OK);
}

TEST(of_the_dead, setup, teardown)
{
	char name[256];

	leave_one(guard, name, sizeof(name));
	assert_true(there(name));
	sweep();
	assert_int_equal(entries_in("."), 0);
}

TEST(one_that_is_held, setup, teardown)
{
	char name[256];

	/* By a process of another pid namespace, whose pid means nothing here. */
	leave_one(guard, name, sizeof(name));
	int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	staging_hold(fd);
	sweep();
	assert_true(there(name));
	close(fd);
	sweep();
	assert_false(there(name));
}

TEST(of_the_living, setup, teardown)
{
	struct staging *st;

	ok(staging_create("dump", guard, &st));
	assert_int_equal(flock(staging_dirfd(st), LOCK_UN), 0);
	sweep();
	assert_true(there(staging_path(st)));
	ok(staging_discard(st));
}

TEST(what_may_be_the_only_copy, setup, teardown)
{
	char name[256];

	leave_one(nobody, name, sizeof(name));
	sweep();
	assert_true(there(name));
}

TEST(names_like_it, setup, teardown)
{
	static const char *const names[][2] = {
		{ "dump.stepdump-", "" },
		{ "dump.stepdump-", ".12345" },
		{ "dump.stepdump-", ".0123456789abcdef.old" },
		{ "dump.stepdump-", ".0123456789ABCDEF" },
		{ "dump.stepdump-", "_0123456789abcdef" },
		{ "dump.stepdump-0", ".0123456789abcdef" },
	};
	char swept[256], name[300];
	int status;
	pid_t dead = fork();

	if (!dead)
		_exit(0);
	assert_int_equal(waitpid(dead, &status, 0), dead);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(name, sizeof(name), "%s%d%s", names[i][0], (int)dead, names[i][1]);
		assert_int_equal(mkdir(name, 0700), 0);
	}
	/* The right name, but not a directory, or not one that we would fill. */
	snprintf(swept, sizeof(swept), ".a.stepdump-%d.0000000000000001", (int)dead);
	assert_int_equal(symlink("/", swept), 0);
	snprintf(swept, sizeof(swept), ".b.stepdump-%d.0000000000000001", (int)dead);
	assert_int_equal(mkdir(swept, 0700), 0);
	snprintf(name, sizeof(name), "%s/of-somebody", swept);
	assert_int_equal(mkdir(name, 0700), 0);
	sweep();
	assert_int_equal(entries_in("."), ARRAY_SIZE(names) + 2);
	assert_true(there(name));
	rmdir(name);
	sweep();
	assert_int_equal(entries_in("."), ARRAY_SIZE(names) + 1);
}

TEST(of_another_user, setup, teardown)
{
	char name[256];

	if (geteuid())
		skip_because("only root can give directories away");
	leave_one(guard, name, sizeof(name));
	assert_int_equal(chown(name, 65534, 65534), 0);
	sweep();
	assert_true(there(name));
}
