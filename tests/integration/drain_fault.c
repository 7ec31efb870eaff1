/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A page that has become unreadable by the time it is drained, in the middle of a chunk whose
 * DUMPPAGES have all been sent ahead: the file of a private mapping is truncated between the scan
 * and the drain.
 */
#include <sys/resource.h>

#include "tests/lib/session_rig.h"

#define FILED 80u
#define CUT 50u /* pages that are left */

static int file_fd;
static struct bytes maps;

static int at_drain(void **state)
{
	char path[64];

	if (scratch_make(state))
		return -1;
	session_over((struct memory){ .dense = 300, .sparse = 120, .filed = FILED });
	maps = maps_of_child();
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", child, its.fd);
	file_fd = open(path, O_RDWR | O_CLOEXEC);
	MUST(file_fd >= 0);
	reason_is(run(RUN_UNTIL, 0, "drain"), "until");
	return 0;
}

static int over(void **state)
{
	close(file_fd);
	free(maps.b);
	return end_target(state);
}

static void cut(void)
{
	MUST(!ftruncate(file_fd, CUT * PAGE));
}

/* Extends the file again: the pages that were cut off read as zeros. */
static void mend(void)
{
	MUST(!ftruncate(file_fd, FILED * PAGE));
}

/* Fails at the first page that was cut off, with ppbs before and behind it in the chunk. */
static void drain_fails(void)
{
	char position[32], want[32];
	struct stop stop;
	unsigned ppb = 0;
	struct err *e = run_kind(RUN_CONTINUE, 0, NULL, &stop);

	assert_non_null(e);
	assert_true(e->has_vaddr);
	assert_int_equal(e->vaddr, (uint64_t)its.filed + CUT * PAGE);
	assert_string_equal(e->cause, "unreadable-page");
	assert_non_null(strstr(e->evidence, "/mem: EIO"));
	const char *at = strstr(e->msg, "drain ppb ");

	assert_non_null(at);
	assert_int_equal(sscanf(at, "drain ppb %u:", &ppb), 1);
	assert_in_range(ppb, 1, 6);
	fails(e, ERR_SYS, "did not go into the pipe");
	session_position(s, position, sizeof(position));
	snprintf(want, sizeof(want), "drain %u/8", ppb);
	assert_string_equal(position, want);
	assert_int_equal(stop.phase, PH(DRAIN));
	assert_int_equal(stop.ppb, ppb);
}

static void child_is_as_before(void)
{
	struct bytes now = maps_of_child();

	assert_int_equal(now.nr, maps.nr);
	assert_memory_equal(now.b, maps.b, maps.nr);
	free(now.b);
}

/* All outstanding answers are taken: a second try fails at the same page and does not see an answer
 * that was meant for another ppb. */
TEST(it_fails_again_and_again_then_goes_on, at_drain, over)
{
	char dir[96];
	Stepdump__Stop *stop = NULL;

	cut();
	for (int i = 0; i < 3; i++)
		drain_fails();
	mend();
	reason_is(cont(), "gate");
	snprintf(dir, sizeof(dir), "%s/mended", scratch);
	ok(session_commit(s, dir, &stop));
	assert_string_equal(stop->reason, "done");
	stepdump__stop__free_unpacked(stop, NULL);
	images_hold_what_the_child_has(dir);
	ok(session_detach(s));
	child_is_as_before();
	remove_tree(AT_FDCWD, dir);
}

/* Draining ppb by ppb, nothing is sent ahead: the same page, the same error. */
TEST(step_by_step_it_fails_at_the_same_page, at_drain, over)
{
	struct err *e = NULL;
	struct stop stop;

	cut();
	for (unsigned i = 0; !e && i < 8; i++)
		e = run_kind(RUN_NEXT, 1, NULL, &stop);
	assert_non_null(e);
	assert_int_equal(e->vaddr, (uint64_t)its.filed + CUT * PAGE);
	fails(e, ERR_SYS, "did not go into the pipe");
	assert_int_equal(stop.phase, PH(DRAIN));
}

/* The target has place for one more descriptor, and several pipes are sent in one message. */
TEST(with_place_for_one_descriptor, at_drain, over)
{
	char dir[96];
	Stepdump__Stop *stop = NULL;
	struct rlimit before, one_more;
	int fd = 0;

	for (snprintf(dir, sizeof(dir), "/proc/%d/fd/0", child); !access(dir, F_OK);
	     snprintf(dir, sizeof(dir), "/proc/%d/fd/%d", child, ++fd))
		;
	MUST(!prlimit(child, RLIMIT_NOFILE, NULL, &before));
	one_more = (struct rlimit){ (rlim_t)fd + 1, before.rlim_max };
	MUST(!prlimit(child, RLIMIT_NOFILE, &one_more, NULL));
	reason_is(cont(), "gate");
	MUST(!prlimit(child, RLIMIT_NOFILE, &before, NULL));
	snprintf(dir, sizeof(dir), "%s/one", scratch);
	ok(session_commit(s, dir, &stop));
	stepdump__stop__free_unpacked(stop, NULL);
	images_hold_what_the_child_has(dir);
	ok(session_detach(s));
	child_is_as_before();
	remove_tree(AT_FDCWD, dir);
}

TEST(given_up_the_target_is_as_it_was, at_drain, over)
{
	cut();
	drain_fails();
	ok(session_abort(s));
	assert_int_equal(entries_in(scratch), 0);
	child_is_as_before();
	/* and a new dump sees what there is now */
	reason_is(cont(), "gate");
	ok(session_abort(s));
	ok(session_detach(s));
	child_is_as_before();
}
