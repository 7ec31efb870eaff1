/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Trackers on real processes: what each kind reports after known writes, what becomes of the target
 * when something ends (tracker, stepdump, exec, child), and what tracking costs.
 */
#include "tests/lib/tracker_rig.h"

/* ---- what is dirty -------------------------------------------------------------------- */

static void known_writes_are_known(enum opt_track want)
{
	struct frozen f;
	uint64_t dirty, total, before;

	need(want);
	struct target v = target_start(run_plain);
	uint64_t a = v.sh->address;

	freeze(keeper, v.pid, &f);
	size_t fds = count_fds(v.pid);
	struct tracker *t = track(&f, want, &caps);

	assert_int_equal(count_fds(v.pid), fds); /* nothing stays behind in the target */
	assert_int_equal(tracker_kind(t), want == OPT_TRACK_UFFD ? TRACK_UFFD : TRACK_SOFT_DIRTY);
	assert_false(tracker_armed(t));
	assert_string_equal(page_states(&f, &caps, t, a, NR), "dddddddddddddddd");
	ok(tracker_count(t, &f.vmas, &dirty, &total));
	assert_true(total > NR);
	/* this program has cleared its own soft-dirty bits, and a fork inherits that */
	assert_true(dirty == total || want == OPT_TRACK_SOFT_DIRTY);

	ok(tracker_reset(t, &f.vmas));
	assert_string_equal(page_states(&f, &caps, t, a, NR), "cccccccccccccccc");
	ok(tracker_count(t, &f.vmas, &before, &total));
	assert_true(before < total - NR);
	thaw(&f);

	/* kept while the target runs without us */
	assert_int_equal(status_field(v.pid, "TracerPid:"), 0);
	tell(&v, STORE_3);
	tell(&v, READ_5_TO_7);
	freeze(keeper, v.pid, &f);
	assert_true(tracker_fits(t, v.pid, f.task.start_time_ticks));
	assert_string_equal(page_states(&f, &caps, t, a, NR), "cccdcdddcccccccc");
	reset_and_thaw(t, &f);

	tell(&v, UNMAP_MAP_4);
	tell(&v, DONTNEED_2);
	tell(&v, LOAD_ALL);
	for (int i = 0; i < 2; i++) { /* counting while it runs changes nothing */
		ok(proc_read_vmas(v.pid, &f.vmas));
		ok(tracker_count(t, &f.vmas, &dirty, &total));
		assert_true(dirty >= 1 && dirty < total);
		vma_list_deinit(&f.vmas);
	}
	freeze(keeper, v.pid, &f);
	if (want == OPT_TRACK_UFFD)
		assert_string_equal(page_states(&f, &caps, t, a, NR), "cc-cdccccccccccc");
	else /* the new mapping makes its whole VMA dirty */
		assert_string_equal(page_states(&f, &caps, t, a, NR), "dd-ddddddddddddd");
	reset_and_thaw(t, &f);

	tell(&v, STORE_ALL);
	freeze(keeper, v.pid, &f);
	assert_string_equal(page_states(&f, &caps, t, a, NR), "dddddddddddddddd");
	thaw(&f);
	assert_false(v.sh->bad);
	tracker_destroy(t);
	target_end(&v);
}

TEST(known_writes_are_known_uffd)
{
	known_writes_are_known(OPT_TRACK_UFFD);
}

TEST(known_writes_are_known_soft_dirty)
{
	known_writes_are_known(OPT_TRACK_SOFT_DIRTY);
}

/* Moving unfaulted memory behind armed memory merges both into one VMA, which loses its
 * registration but not its marks; the store that follows leaves page 0 writable and marked. */
static void do_merge(struct shared *sh, int step)
{
	if (step == 1)
		mremap(mem + 32 * PAGE, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		       mem + 8 * PAGE);
	mem[0]++;
}

static void run_merge(struct shared *sh)
{
	mem = map_rw(40);
	munmap(mem + 8 * PAGE, 24 * PAGE);
	memset(mem, 1, 8 * PAGE);
	sh->address = (uintptr_t)mem;
	obey(sh, do_merge);
}

TEST(a_merge_beside_armed_memory)
{
	struct frozen f;

	need(OPT_TRACK_UFFD);
	struct target v = target_start(run_merge);

	freeze(keeper, v.pid, &f);
	struct tracker *t = track(&f, OPT_TRACK_UFFD, &caps);
	reset_and_thaw(t, &f);
	tell(&v, 1);
	freeze(keeper, v.pid, &f);
	assert_int_equal(page_state(&f, &caps, t, v.sh->address), 'd');
	reset_and_thaw(t, &f);
	tell(&v, 2);
	freeze(keeper, v.pid, &f);
	assert_string_equal(page_states(&f, &caps, t, v.sh->address, 8), "dccccccc");
	thaw(&f);
	tracker_destroy(t);
	target_end(&v);
}

/* Without privileges the target gets a userfaultfd for user mode only; the kernel's own writes are
 * seen all the same. */
static void run_unprivileged(struct shared *sh)
{
	plain_set_up(sh);
	if (setgid(65534) || setuid(65534))
		_exit(1);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* the change has cleared it */
	obey(sh, do_plain);
}

TEST(an_unprivileged_target)
{
	struct frozen f;

	need(OPT_TRACK_UFFD);
	if (geteuid())
		skip_because("needs root, to start a target that is not");
	struct target v = target_start(run_unprivileged);

	freeze(keeper, v.pid, &f);
	struct tracker *t = track(&f, OPT_TRACK_UFFD, &caps);
	reset_and_thaw(t, &f);
	tell(&v, READ_5_TO_7);
	freeze(keeper, v.pid, &f);
	assert_string_equal(page_states(&f, &caps, t, v.sh->address, NR), "cccccdddcccccccc");
	thaw(&f);
	assert_false(v.sh->bad);
	tracker_destroy(t);
	target_end(&v);
}

/* ---- how it ends ------------------------------------------------------------------------- */

static bool registered(pid_t pid, uint64_t addr)
{
	struct vma_list l;

	ok(proc_read_vmas(pid, &l));
	ssize_t i = vma_list_find(&l, addr);
	assert_true(i >= 0);
	bool yes = l.v[i].vmf & VMF_UFFD;
	vma_list_deinit(&l);
	return yes;
}

TEST(a_destroyed_tracker_leaves_nothing)
{
	struct frozen f;

	need(OPT_TRACK_UFFD);
	struct target v = target_start(run_plain);
	size_t fds = count_fds(v.pid);

	for (int frozen = 0; frozen < 2; frozen++) {
		freeze(keeper, v.pid, &f);
		struct tracker *t = track(&f, OPT_TRACK_UFFD, &caps);
		reset_and_thaw(t, &f);
		assert_true(registered(v.pid, v.sh->address));
		if (frozen) /* the next check shows that this works without the target's help */
			freeze(keeper, v.pid, &f);
		tracker_destroy(t);
		assert_false(registered(v.pid, v.sh->address));
		if (frozen)
			thaw(&f);
		assert_int_equal(count_fds(v.pid), fds);
	}
	tracker_destroy(NULL);
	tell(&v, STORE_ALL);
	target_end(&v);
}

TEST(stepdump_is_killed)
{
	int p[2], status;
	char byte;

	need(OPT_TRACK_UFFD);
	struct target v = target_start(run_plain);

	assert_int_equal(pipe(p), 0);
	fflush(stdout);
	pid_t client = fork();
	if (!client) {
		struct keeper *k;
		struct frozen f;

		ok(keeper_start(keeper_main, &k));
		freeze(k, v.pid, &f);
		reset_and_thaw(track(&f, OPT_TRACK_UFFD, &caps), &f);
		if (write(p[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(p[1]);
	assert_int_equal(read(p[0], &byte, 1), 1);
	close(p[0]);
	assert_true(registered(v.pid, v.sh->address));
	kill(client, SIGKILL);
	assert_int_equal(waitpid(client, &status, 0), client);
	wait_until(!registered(v.pid, v.sh->address));
	tell(&v, STORE_ALL);
	assert_int_equal(v.sh->done, STORE_ALL);
	target_end(&v);
}

static void do_exec(struct shared *sh, int step)
{
	execl("/bin/sleep", "sleep", "1000", NULL);
}

static void run_exec(struct shared *sh)
{
	plain_set_up(sh);
	obey(sh, do_exec);
}

static bool runs_sleep(pid_t pid)
{
	char path[64], exe[256] = "";

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	return readlink(path, exe, sizeof(exe) - 1) > 0 && !strstr(exe, "tracker");
}

static void after_an_exec(enum opt_track want)
{
	uint64_t dirty, total;
	struct frozen f;

	need(want);
	struct target v = target_start(run_exec);

	freeze(keeper, v.pid, &f);
	struct tracker *t = track(&f, want, &caps);
	uint64_t start_time = f.task.start_time_ticks;
	assert_true(tracker_fits(t, v.pid, start_time));
	assert_false(tracker_fits(t, v.pid, start_time + 1));
	assert_false(tracker_fits(t, v.pid + 1, start_time));
	reset_and_thaw(t, &f);
	v.sh->go = 1;
	wait_until(runs_sleep(v.pid) && in_syscall_other_than(v.pid, SYS_execve));
	freeze(keeper, v.pid, &f);
	assert_int_equal(f.task.start_time_ticks, start_time); /* so this alone would not tell */
	assert_false(tracker_fits(t, v.pid, start_time));
	/* without a check everything is reported dirty, also after a reset of the old tracker */
	ok(tracker_count(t, &f.vmas, &dirty, &total));
	assert_int_equal(dirty, total);
	if (want == OPT_TRACK_UFFD) {
		ok(tracker_reset(t, &f.vmas));
		ok(tracker_count(t, &f.vmas, &dirty, &total));
		assert_int_equal(dirty, total);
	}
	tracker_destroy(t);
	t = track(&f, want, &caps);
	ok(tracker_reset(t, &f.vmas));
	ok(tracker_count(t, &f.vmas, &dirty, &total));
	assert_true(dirty < total);
	thaw(&f);
	tracker_destroy(t);
	target_end(&v);
}

TEST(after_an_exec_uffd)
{
	after_an_exec(OPT_TRACK_UFFD);
}

TEST(after_an_exec_soft_dirty)
{
	after_an_exec(OPT_TRACK_SOFT_DIRTY);
}

static void do_child(struct shared *sh, int step)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		mem[PAGE]++;
		for (;;)
			pause();
	}
	mem[2 * PAGE]++;
	sh->ticks = (uint64_t)pid;
}

static void run_parent(struct shared *sh)
{
	plain_set_up(sh);
	obey(sh, do_child);
}

TEST(a_child_is_not_tracked)
{
	struct frozen f;

	need(OPT_TRACK_UFFD);
	struct target v = target_start(run_parent);

	freeze(keeper, v.pid, &f);
	struct tracker *t = track(&f, OPT_TRACK_UFFD, &caps);
	reset_and_thaw(t, &f);
	tell(&v, 1);
	pid_t child = (pid_t)v.sh->ticks;

	wait_until(in_syscall_other_than(child, -1) && state_of(child) == 'S');
	assert_false(registered(child, v.sh->address));
	freeze(keeper, v.pid, &f);
	assert_string_equal(page_states(&f, &caps, t, v.sh->address, 4), "ccdc");
	thaw(&f);
	freeze(keeper, child, &f);
	assert_false(tracker_fits(t, child, f.task.start_time_ticks));
	/* the parent's tracker does not apply, and for a new one everything is dirty */
	assert_string_equal(page_states(&f, &caps, t, v.sh->address, 4), "dddd");
	struct tracker *own = track(&f, OPT_TRACK_UFFD, &caps);
	assert_string_equal(page_states(&f, &caps, own, v.sh->address, 4), "dddd");
	ok(tracker_reset(own, &f.vmas));
	assert_string_equal(page_states(&f, &caps, own, v.sh->address, 4), "cccc");
	thaw(&f);
	tracker_destroy(own);
	tracker_destroy(t);
	kill(child, SIGKILL);
	target_end(&v);
}

/* ---- what it costs ------------------------------------------------------------------------- */

#define BIG (256ul << 20)

static void do_big(struct shared *sh, int step)
{
	uint64_t t0 = now_ms();

	for (size_t i = 0; i < BIG; i += PAGE * (step == 2 ? 100 : 1))
		mem[i]++;
	sh->ticks = now_ms() - t0;
}

static void run_big(struct shared *sh)
{
	mem = map_rw(BIG / PAGE);
	madvise(mem, BIG, MADV_NOHUGEPAGE); /* soft-dirty tracks a huge page as a whole */
	memset(mem, 1, BIG);
	sh->address = (uintptr_t)mem;
	obey(sh, do_big);
}

static uint64_t now_us_(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* Prints what it measures, and checks only what must hold on the busiest machine. */
static void cost(enum opt_track want)
{
	uint64_t dirty, total, t0, first, again;
	struct frozen f;

	need(want);
	struct target v = target_start(run_big);

	freeze(keeper, v.pid, &f);
	t0 = now_us_();
	struct tracker *t = track(&f, want, &caps);
	printf("%s, 256 MiB: create %lu us", tracker_kind_name(tracker_kind(t)), now_us_() - t0);
	t0 = now_us_();
	ok(tracker_reset(t, &f.vmas));
	printf(", first reset %lu us", now_us_() - t0);
	thaw(&f);
	tell(&v, 1);
	first = v.sh->ticks;
	tell(&v, 3);
	again = v.sh->ticks;
	freeze(keeper, v.pid, &f);
	t0 = now_us_();
	ok(tracker_count(t, &f.vmas, &dirty, &total));
	printf(", count (all dirty) %lu us", now_us_() - t0);
	assert_true(dirty >= BIG / PAGE);
	t0 = now_us_();
	ok(tracker_reset(t, &f.vmas));
	printf(", reset (all) %lu us", now_us_() - t0);
	thaw(&f);
	tell(&v, 2);
	freeze(keeper, v.pid, &f);
	t0 = now_us_();
	ok(tracker_count(t, &f.vmas, &dirty, &total));
	printf(", count (1 %%) %lu us", now_us_() - t0);
	assert_in_range(dirty, BIG / PAGE / 100, BIG / PAGE / 100 + 1000);
	t0 = now_us_();
	ok(tracker_reset(t, &f.vmas));
	printf(", reset (1 %%) %lu us", now_us_() - t0);
	thaw(&f);
	t0 = now_us_();
	tracker_destroy(t);
	printf(", destroy %lu us\n", now_us_() - t0);
	tell(&v, 1);
	printf("  target: a store in each page, first after reset %lu ms, then %lu ms; destroyed %lu ms\n",
	       first, again, v.sh->ticks);
	target_end(&v);
}

TEST(cost_uffd)
{
	cost(OPT_TRACK_UFFD);
}

TEST(cost_soft_dirty)
{
	cost(OPT_TRACK_SOFT_DIRTY);
}

GROUP(tracker_up, keeper_down);
