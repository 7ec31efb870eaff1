/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The images of a run, over a real frozen child: the same bytes however it is driven, the pages
 * that the child really has, also after the disk was full, and nothing at all of a child that died.
 */
#include "engine/dump/dump.h"

#include "tests/lib/session_rig.h"

static unsigned checks_are_ok(void)
{
	struct snap_request req = { .parts = SNAP_CHECKS | SNAP_COUNTERS | SNAP_CURSOR };
	Stepdump__Snapshot *snap;

	ok(snap_take(s, &req, &snap));
	unsigned nr = (unsigned)snap->n_checks;

	for (size_t i = 0; i < nr; i++) {
		if (!snap->checks[i]->ok)
			print_error("check \"%s\": %s\n", snap->checks[i]->name,
				    snap->checks[i]->detail);
		assert_true(snap->checks[i]->ok);
	}
	stepdump__snapshot__free_unpacked(snap, NULL);
	return nr;
}

TEST(invariants_hold_after_every_unit, small_target, end_target)
{
	unsigned evaluated = 0;
	struct stop stop;

	do {
		stop = next(1);
		evaluated += checks_are_ok();
	} while (stop.phase != PH(GATE));
	assert_true(evaluated > 500);
}

TEST(driven_differently_the_bytes_are_the_same, small_target, end_target)
{
	cont();
	struct staged want = staged_now();

	assert_int_equal(want.nr, 6); /* a task and two shared objects */
	ok(session_restart(s));
	while (next(1).phase != PH(GATE))
		;
	staged_equal(&want, staged_now());
	ok(session_restart(s));
	while (run(RUN_STEP, 1, NULL).phase != PH(GATE))
		;
	staged_equal(&want, staged_now());
	ok(session_restart(s));
	while (run(RUN_FINISH, 0, NULL).phase != PH(GATE))
		;
	staged_equal(&want, staged_now());
	for (int mode = 0; mode < 4; mode++) { /* also whatever pagemap is read by */
		ok(session_abort(s));
		set("pmc", mode & 1 ? "pread" : "auto");
		session_opts(s)->pmc_cache = mode & 2;
		cont();
		staged_equal(&want, staged_now());
	}
	for (unsigned round = 0; round < rounds(10); round++) { /* and any mixture */
		struct stop stop;

		ok(session_restart(s));
		do
			stop = rnd(3) ? next(1 + (unsigned)rnd(60)) :
			       rnd(2) ? run(RUN_STEP, 1, NULL) :
					run(RUN_FINISH, 0, NULL);
		while (stop.phase != PH(GATE));
		staged_equal(&want, staged_now());
	}
	staged_free(&want);
}

/* ---- commit ------------------------------------------------------------------------ */

TEST(commit_from_anywhere, small_target, end_target)
{
	for (unsigned units = 0; units < 3000; units += units < 10 ? 1 : 131) {
		char dir[96], again[112];
		Stepdump__Stop *stop = NULL;
		struct stop at = { .phase = PH(PREPARE) };

		snprintf(dir, sizeof(dir), "%s/commit.%u", scratch, units);
		snprintf(again, sizeof(again), "%s/again", scratch);
		if (units)
			at = next(units);
		ok(session_commit(s, dir, &stop));
		assert_string_equal(stop->reason, "done");
		assert_string_equal(stop->committed, dir);
		stepdump__stop__free_unpacked(stop, NULL);
		assert_true(session_past_gate(s));
		images_hold_what_the_child_has(dir);
		fails(run_kind(RUN_CONTINUE, 0, NULL, &at), ERR_STATE, "is committed to");
		fails(session_commit(s, again, &stop), ERR_STATE, "is committed to");
		assert_null(stop);
		assert_true(access(again, F_OK) && errno == ENOENT);
		remove_tree(AT_FDCWD, dir);
		assert_int_equal(entries_in(scratch), 0); /* no staging is left */
		ok(session_restart(s));
	}
}

TEST(commit_needs_a_place, small_target, end_target)
{
	char dir[96];
	Stepdump__Stop *stop = NULL;

	snprintf(dir, sizeof(dir), "%s/full", scratch);
	MUST(!mkdir(dir, 0700) && !mkdirat(scratch_fd, "full/inside", 0700));
	cont();
	struct staged want = staged_now();
	struct err *e = session_commit(s, dir, &stop);

	assert_non_null(e);
	err_free(e);
	stepdump__stop__free_unpacked(stop, NULL);
	assert_false(session_past_gate(s));
	staged_equal(&want, staged_now()); /* as it was */
	MUST(!rmdir(strcat(dir, "/inside")));
	*strrchr(dir, '/') = '\0';
	ok(session_commit(s, dir, &stop)); /* an empty one is fine */
	stepdump__stop__free_unpacked(stop, NULL);
	images_hold_what_the_child_has(dir);
	staged_free(&want);
}

TEST(a_rehearsal_stages_nothing, small_target, end_target)
{
	char dir[96];
	Stepdump__Stop *stop = NULL;

	snprintf(dir, sizeof(dir), "%s/never", scratch);
	set("xfer", "null");
	reason_is(cont(), "gate");
	assert_true(checks_are_ok() > 0);
	assert_int_equal(entries_in(scratch), 0);
	fails(session_commit(s, dir, &stop), ERR_STATE, "rehearsal");
	assert_int_equal(entries_in(scratch), 0);
	ok(session_abort(s));
	set("xfer", "local");
	ok(session_commit(s, dir, &stop));
	stepdump__stop__free_unpacked(stop, NULL);
}

/* ---- a full disk ------------------------------------------------------------------ */

/* On a file system of `kib` KiB something fails; after it has grown, `continue` ends with the same
 * bytes. */
static bool survives(unsigned kib, bool unit_by_unit, const struct staged *want)
{
	struct stop stop = { .phase = PH(READY) };
	struct err *e;

	ok(session_abort(s));
	scratch_resize(kib);
	do
		e = run_kind(unit_by_unit ? RUN_NEXT : RUN_CONTINUE, 1, NULL, &stop);
	while (!e && stop.phase != PH(GATE));
	bool failed = e != NULL;

	if (failed) {
		if (e->sys_errno != ENOSPC)
			print_error("%u KiB: %s\n", kib, e->msg);
		assert_int_equal(e->sys_errno, ENOSPC);
		assert_non_null(e->hint);
		assert_non_null(e->phase);
		err_free(e);
		reason_is(stop, "error");
		if (stop.phase != PH(PREPARE))
			checks_are_ok();
		/* once more without room, then with */
		e = run_kind(RUN_NEXT, 1000000, NULL, &stop);
		assert_non_null(e);
		assert_int_equal(e->sys_errno, ENOSPC);
		err_free(e);
		if (stop.phase != PH(PREPARE))
			checks_are_ok();
	}
	scratch_resize(65536);
	if (failed)
		reason_is(unit_by_unit ? next(1000000) : cont(), "gate");
	checks_are_ok();
	staged_equal(want, staged_now());
	return failed;
}

static int small_disk(void **state)
{
	return scratch_make(state);
}

TEST(a_full_disk_is_survived_wherever_it_fills_up, small_disk, end_target)
{
	unsigned failures = 0;
	uint64_t total = 0;

	scratch_small(65536);
	session_over(small);
	cont();
	struct staged want = staged_now();

	for (size_t i = 0; i < want.nr; i++)
		total += want.file[i].f.nr / PAGE + 1;
	for (uint64_t pages = 1; pages < total + 8; pages += pages < 4 ? 1 : 1 + rnd(total / 20))
		failures += survives((unsigned)pages * 4, rnd(2), &want);
	/* the end, where entries are flushed and the shared objects' files are made */
	for (unsigned pages = 0; pages < 130; pages += 1 + (unsigned)rnd(5))
		failures += survives((unsigned)(total - pages) * 4, rnd(2), &want);
	assert_true(failures > 20);
	staged_free(&want);
}

/* No descriptor is left where one is needed: for the third pipe, for the next object's files. */
TEST(descriptors_that_run_out_are_survived, small_target, end_target)
{
	struct rlimit old, tight;
	unsigned failures = 0, units = 1;

	while (next(1).phase != PH(GATE))
		units++;
	struct staged want = staged_now();

	MUST(!getrlimit(RLIMIT_NOFILE, &old));
	for (unsigned at = 0; at < 40; at++) {
		struct stop stop;
		int fd;

		ok(session_restart(s));
		next(1 + (unsigned)rnd(at % 2 ? 20 : units - 1)); /* then no more */
		fd = dup(0);
		MUST(fd >= 0 && !close(fd));
		tight = old;
		tight.rlim_cur = rnd(2) ? 3 : (rlim_t)fd + 4 - rnd(10);
		MUST(!setrlimit(RLIMIT_NOFILE, &tight));
		struct err *e = run_kind(rnd(2) ? RUN_CONTINUE : RUN_NEXT, 1000000, NULL, &stop);

		MUST(!setrlimit(RLIMIT_NOFILE, &old));
		if (e) {
			if (e->sys_errno != EMFILE)
				print_error("%s\n", e->msg);
			assert_int_equal(e->sys_errno, EMFILE);
			err_free(e);
			failures++;
			if (stop.phase != PH(PREPARE))
				checks_are_ok();
			reason_is(cont(), "gate");
		}
		checks_are_ok();
		staged_equal(&want, staged_now());
	}
	assert_true(failures >= 10);
	staged_free(&want);
}

/* ---- death ------------------------------------------------------------------------ */

static void kill_child(void)
{
	struct pollfd p = { .fd = (int)syscall(SYS_pidfd_open, child, 0), .events = POLLIN };

	MUST(p.fd >= 0 && !kill(child, SIGKILL));
	MUST(poll(&p, 1, 60000) == 1);
	close(p.fd);
}

/* If the child is killed before unit N, nothing is published, and no bytes of it are left. */
TEST(a_child_that_dies_is_never_committed, small_disk, end_target)
{
	for (unsigned units = 0; units < 1500; units += units < 14 ? 1 : 29) {
		char dir[96];
		Stepdump__Stop *stop = NULL;
		bool all_out = false;

		session_over(small);
		snprintf(dir, sizeof(dir), "%s/dead", scratch);
		if (units)
			all_out = next(units).phase == PH(GATE);
		kill_child();
		struct err *e = session_commit(s, dir, &stop);

		stepdump__stop__free_unpacked(stop, NULL);
		if (!e)
			print_error("killed after %u units, and committed\n", units);
		assert_non_null(e);
		if (access(dir, F_OK) == 0)
			print_error("killed after %u units, %s exists: %s\n", units, dir, e->msg);
		assert_int_not_equal(access(dir, F_OK), 0);
		err_free(e);
		e = session_destroy(s);
		s = NULL;
		if (e)
			print_error("killed after %u units\n", units);
		ok(e);
		waitpid(child, NULL, 0);
		child = 0;
		assert_int_equal(entries_in(scratch), 0);
		if (all_out)
			break;
	}
}

/* ---- size ------------------------------------------------------------------------- */

static uint64_t status_kib(const char *key)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	uint64_t kib = 0;

	MUST(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			kib = strtoull(line + strlen(key) + 1, NULL, 10);
	fclose(f);
	MUST(kib);
	return kib;
}

TEST(our_memory_does_not_grow_with_the_target, small_disk, end_target)
{
	/* 576 MiB in 65,000 runs */
	struct memory large = {
		.dense = 65536, .sparse = 2 * 65536, .memfd = 9000, .shared = 9000
	};

	session_over(large);
	session_opts(s)->pipe_pages = PIPE_ASK_PAGES;
	set("xfer", "null");
	malloc_trim(0); /* what other tests left must not hide what this one takes */
	int fd = open("/proc/self/clear_refs", O_WRONLY);

	MUST(fd >= 0 && write(fd, "5", 1) == 1);
	close(fd);
	uint64_t before = status_kib("VmHWM");

	assert_true(before == status_kib("VmRSS") || before < status_kib("VmRSS") + 1024);
	cont();
	assert_true(checks_are_ok() > 0);
	uint64_t grown = status_kib("VmHWM") - before;

	print_message("%llu KiB\n", (unsigned long long)grown);
	assert_true(grown < 16 * 1024);
}
