/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The staging directory of whoever is killed is removed by its keeper, whatever the moment. */
#include <sys/prctl.h>

#include "base/io.h"
#include "engine/image/staging.h"
#include "engine/keeper/keeper_main.h"
#include "engine/target/keeper.h"

#include "tests/lib/images.h"

#define KILLS 500
#define LATEST_US 1500 /* a directory is made, filled and removed several times in it */

/* Makes a staging directory, puts a file into it and discards it, until it is killed. */
static void make_and_discard(int ready)
{
	struct keeper *k = NULL;

	if (keeper_start(keeper_main, &k) || write(ready, "", 1) != 1)
		_exit(1);
	for (;;) {
		const struct staging_guard guard = { keeper_litter, k };
		struct staging *st = NULL;

		if (staging_create("dump", guard, &st))
			_exit(1);
		int fd = create_private(staging_dirfd(st), "pages-1.img", O_WRONLY | O_EXCL);
		if (fd < 0 || close(fd) || staging_discard(st))
			_exit(1);
	}
}

static pid_t maker_start(void)
{
	int p[2];
	char byte;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		make_and_discard(p[1]);
	close(p[1]);
	assert_int_equal(read(p[0], &byte, 1), 1);
	close(p[0]);
	return pid;
}

TEST(killed_at_any_moment, scratch_make, scratch_drop)
{
	unsigned nr = rounds(KILLS), nr_cut = 0;

	assert_int_equal(chdir(scratch), 0);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* the keepers become ours */
	for (unsigned i = 0; i < nr; i++) {
		pid_t maker = maker_start();
		int status;

		usleep((useconds_t)rnd(LATEST_US));
		kill(maker, SIGKILL);
		assert_int_equal(waitpid(maker, &status, 0), maker);
		assert_true(WIFSIGNALED(status));
		nr_cut += entries_in(".") > 0; /* the keeper may have been here already */
		while (waitpid(-1, &status, 0) > 0)
			;
		assert_int_equal(entries_in("."), 0);
	}
	print_message("%u of %u kills left a directory to the keeper\n", nr_cut, nr);
	assert_int_equal(chdir("/"), 0);
}
