/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Trackers on real processes: what each kind says of known writes, and what becomes of the
 * target when things end: tracker, stepdump, image, child.
 */
#include "tracker_rig.h"

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static struct caps caps;
static struct keeper *keeper;

#define NR 16u /* pages of the ordinary target */

#define need(want)                                                \
	do {                                                      \
		if (cannot_track(want, &caps))                    \
			skip_because(cannot_track(want, &caps));  \
	} while (0)

/* ---- targets that do what they are told --------------------------------------------- */

/* Runs do_it(step) for each step that it is told, in turn. */
static void obey(struct shared *sh, void (*do_it)(struct shared *sh, int step))
{
	signal(SIGSEGV, SIG_DFL);
	sh->ready = 1;
	for (;;) {
		while (sh->go == sh->done)
			poll(NULL, 0, 1);
		do_it(sh, sh->go);
		sh->done = sh->go;
	}
}

static void tell(struct target *t, int step)
{
	t->sh->go = step;
	wait_until(t->sh->done == step || state_of(t->pid) == 'Z');
}

static uint8_t *mem;

static uint8_t *map_rw(size_t pages)
{
	uint8_t *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Apart from other memory, and touched. */
static void set_up(struct shared *sh)
{
	mem = map_rw(NR + 2) + PAGE;
	munmap(mem - PAGE, PAGE);
	munmap(mem + NR * PAGE, PAGE);
	memset(mem, 1, NR * PAGE);
	sh->address = (uintptr_t)mem;
}

enum { STORE_3 = 1, READ_5_TO_7, STORE_ALL, UNMAP_MAP_4, DONTNEED_2, LOAD_ALL, OPEN_RIVAL };

static void do_plain(struct shared *sh, int step)
{
	switch (step) {
	case STORE_3:
		mem[3 * PAGE + 17]++;
		break;
	case READ_5_TO_7: {
		int fd = open("/dev/urandom", O_RDONLY);

		if (read(fd, mem + 5 * PAGE + 100, 2 * PAGE) != 2 * PAGE)
			sh->bad = 1;
		close(fd);
		break;
	}
	case STORE_ALL:
		for (size_t i = 0; i < NR; i++)
			mem[i * PAGE]++;
		break;
	case UNMAP_MAP_4:
		munmap(mem + 4 * PAGE, PAGE);
		mmap(mem + 4 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		     -1, 0);
		mem[4 * PAGE] = 9;
		break;
	case DONTNEED_2:
		madvise(mem + 2 * PAGE, PAGE, MADV_DONTNEED);
		break;
	case LOAD_ALL:
		for (size_t i = 0; i < NR; i++)
			(void)*(volatile uint8_t *)(mem + i * PAGE);
		break;
	case OPEN_RIVAL: {
		struct uffdio_api api = { .api = UFFD_API, .features = 1ull << 15 };
		int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

		if (ioctl(fd, UFFDIO_API, &api))
			sh->bad = 1;
		break;
	}
	}
}

static void run_plain(struct shared *sh)
{
	set_up(sh);
	obey(sh, do_plain);
}

/* ---- what is dirty -------------------------------------------------------------------- */

static void reset_and_thaw(struct tracker *t, struct frozen *f)
{
	assert_ok(tracker_reset(t, &f->vmas));
	assert_true(tracker_armed(t));
	thaw(f);
}

static void known_writes_are_known(enum opt_track want)
{
	struct frozen f;
	uint64_t dirty, total, before;

	need(want);
	struct target v = start(run_plain);
	uint64_t a = v.sh->address;

	freeze(keeper, v.pid, &f);
	size_t fds = count_fds(v.pid);
	struct tracker *t = track(&f, want, &caps);

	assert_int_equal(count_fds(v.pid), fds); /* nothing stays behind in the target */
	assert_int_equal(tracker_kind(t), want == OPT_TRACK_UFFD ? TRACK_UFFD : TRACK_SOFT_DIRTY);
	assert_false(tracker_armed(t));
	assert_string_equal(page_states(&f, &caps, t, a, NR), "dddddddddddddddd");
	assert_ok(tracker_count(t, &f.vmas, &dirty, &total));
	assert_true(total > NR);
	/* this program has cleared its own soft-dirty bits, and a fork inherits that */
	assert_true(dirty == total || want == OPT_TRACK_SOFT_DIRTY);

	assert_ok(tracker_reset(t, &f.vmas));
	assert_string_equal(page_states(&f, &caps, t, a, NR), "cccccccccccccccc");
	assert_ok(tracker_count(t, &f.vmas, &before, &total));
	assert_true(before < total - NR);
	thaw(&f);

	/* kept while the target runs free of us */
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
		assert_ok(proc_read_vmas(v.pid, &f.vmas));
		assert_ok(tracker_count(t, &f.vmas, &dirty, &total));
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
	end(&v);
}

static void known_writes_are_known_uffd(void **state)
{
	known_writes_are_known(OPT_TRACK_UFFD);
}

static void known_writes_are_known_soft_dirty(void **state)
{
	known_writes_are_known(OPT_TRACK_SOFT_DIRTY);
}

/* Unfaulted memory moved behind armed memory makes one VMA of both, which loses its registration
 * but not its marks; the store that follows leaves page 0 writable and marked. */
static void do_merge(struct shared *sh, int step)
{
	if (step == 1)
		mremap(mem + 32 * PAGE, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, mem + 8 * PAGE);
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

static void a_merge_beside_armed_memory(void **state)
{
	struct frozen f;

	need(OPT_TRACK_UFFD);
	struct target v = start(run_merge);

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
	end(&v);
}

/* Without privileges the target gets a userfaultfd for user mode only; what the kernel writes for
 * it is seen all the same. */
static void run_unprivileged(struct shared *sh)
{
	set_up(sh);
	if (setgid(65534) || setuid(65534))
		_exit(1);
	obey(sh, do_plain);
}

static void an_unprivileged_target(void **state)
{
	struct frozen f;

	need(OPT_TRACK_UFFD);
	if (geteuid())
		skip_because("needs root, to start a target that is not");
	struct target v = start(run_unprivileged);

	freeze(keeper, v.pid, &f);
	struct tracker *t = track(&f, OPT_TRACK_UFFD, &caps);
	reset_and_thaw(t, &f);
	tell(&v, READ_5_TO_7);
	freeze(keeper, v.pid, &f);
	assert_string_equal(page_states(&f, &caps, t, v.sh->address, NR), "cccccdddcccccccc");
	thaw(&f);
	assert_false(v.sh->bad);
	tracker_destroy(t);
	end(&v);
}

/* ---- what is not trusted --------------------------------------------------------------- */

struct kinds {
	uint8_t *anon, *shared, *file, *memfd_private;
};

static void run_kinds(struct shared *sh)
{
	struct kinds *k = (struct kinds *)(sh + 1);
	int memfd = (int)syscall(SYS_memfd_create, "m", 0), file = open("/proc/self/exe", O_RDONLY);

	if (ftruncate(memfd, 4 * PAGE))
		_exit(1);
	k->anon = map_rw(4);
	k->shared = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	k->file = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	k->memfd_private = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, memfd, 0);
	for (int i = 0; i < 4; i++)
		k->anon[i * PAGE] = k->shared[i * PAGE] = k->file[i * PAGE] = k->memfd_private[i * PAGE] = 1;
	obey(sh, do_plain);
}

static const char *untrusted_at(struct frozen *f, const struct tracker *t, const void *addr)
{
	ssize_t i = vma_list_find(&f->vmas, (uintptr_t)addr);

	assert_true(i >= 0);
	return tracker_untrusted(t, &f->vmas.v[i]);
}

static void only_private_anonymous_memory_is_trusted(void **state)
{
	unsigned trusted = 0;
	struct frozen f;

	need(OPT_TRACK_UFFD);
	struct target v = start(run_kinds);
	const struct kinds *k = (struct kinds *)(v.sh + 1);

	freeze(keeper, v.pid, &f);
	struct tracker *t = track(&f, OPT_TRACK_UFFD, &caps);
	assert_ok(tracker_reset(t, &f.vmas));
	assert_null(untrusted_at(&f, t, k->anon));
	assert_non_null(strstr(untrusted_at(&f, t, k->shared), "shared"));
	assert_non_null(strstr(untrusted_at(&f, t, k->file), "file"));
	assert_non_null(strstr(untrusted_at(&f, t, k->memfd_private), "file"));
	assert_string_equal(page_states(&f, &caps, t, (uintptr_t)k->file, 4), "dddd");
	assert_string_equal(page_states(&f, &caps, t, (uintptr_t)k->anon, 4), "cccc");
	for (size_t i = 0; i < f.vmas.nr; i++) {
		const struct vma *m = &f.vmas.v[i];

		if (tracker_untrusted(t, m))
			continue;
		trusted++;
		assert_true(!m->ino && m->end <= PAGEMAP_TASK_SIZE);
		assert_true(!*m->name || !strcmp(m->name, "[heap]") || !strcmp(m->name, "[stack]"));
	}
	assert_true(trusted >= 3);
	thaw(&f);
	tracker_destroy(t);
	end(&v);
}

static void run_own_uffd(struct shared *sh)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	set_up(sh);
	struct uffdio_register reg = { .range = { (uintptr_t)mem, 4 * PAGE },
				       .mode = UFFDIO_REGISTER_MODE_MISSING };
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		_exit(1);
	obey(sh, do_plain);
}

static void memory_with_a_userfaultfd_of_its_own(void **state)
{
	struct frozen f;

	need(OPT_TRACK_UFFD);
	struct target v = start(run_own_uffd);
	uint8_t *a = (uint8_t *)v.sh->address;

	freeze(keeper, v.pid, &f);
	struct tracker *t = track(&f, OPT_TRACK_UFFD, &caps);
	assert_ok(tracker_reset(t, &f.vmas));
	assert_non_null(strstr(untrusted_at(&f, t, a), "the target's own"));
	assert_null(untrusted_at(&f, t, a + 4 * PAGE));
	assert_string_equal(page_states(&f, &caps, t, (uintptr_t)a, NR), "ddddcccccccccccc");
	thaw(&f);

	/* one that can call pages clean by itself: nothing is sure any more */
	tell(&v, OPEN_RIVAL);
	freeze(keeper, v.pid, &f);
	assert_true(tracker_fits(t, v.pid, f.task.start_time_ticks));
	assert_string_equal(page_states(&f, &caps, t, (uintptr_t)a, NR), "dddddddddddddddd");
	assert_non_null(strstr(untrusted_at(&f, t, a + 4 * PAGE), "of its own"));
	reset_and_thaw(t, &f);
	freeze(keeper, v.pid, &f);
	assert_int_equal(page_state(&f, &caps, t, (uintptr_t)a + 4 * PAGE), 'd');
	thaw(&f);
	assert_false(v.sh->bad);
	tracker_destroy(t);
	end(&v);
}

static void run_aio(struct shared *sh)
{
	unsigned long ctx = 0;

	set_up(sh);
	sh->bad_errno = syscall(SYS_io_setup, 8, &ctx) ? errno : 0;
	obey(sh, do_plain);
}

static void run_io_uring(struct shared *sh)
{
	uint32_t params[30] = { 0 };

	set_up(sh);
	sh->bad_errno = syscall(425 /* io_uring_setup */, 4, params) < 0 ? errno : 0;
	obey(sh, do_plain);
}

/* Its descriptor is with a child only, but its buffers are this program's memory. */
static void run_pinned(struct shared *sh)
{
	uint32_t params[30] = { 0 };
	int ring = (int)syscall(425, 4, params);

	set_up(sh);
	struct iovec buffer = { mem, 4 * PAGE };
	if (syscall(427 /* io_uring_register */, ring, 0 /* IORING_REGISTER_BUFFERS */, &buffer, 1))
		sh->bad_errno = errno;
	pid_t parent = getpid();
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (getppid() == parent)
			pause();
		_exit(0);
	}
	close(ring);
	obey(sh, do_plain);
}

static void nothing_is_clean(void (*run)(struct shared *), enum opt_track want, const char *why)
{
	struct frozen f;
	uint64_t dirty, total;

	need(want);
	struct target v = start(run);

	if (v.sh->bad_errno) {
		errno = v.sh->bad_errno;
		end(&v);
		skip_because(strerror(errno));
	}
	freeze(keeper, v.pid, &f);
	struct tracker *t = track(&f, want, &caps);
	assert_ok(tracker_reset(t, &f.vmas));
	assert_string_equal(page_states(&f, &caps, t, v.sh->address, NR), "dddddddddddddddd");
	assert_non_null(strstr(untrusted_at(&f, t, (void *)v.sh->address), why));
	assert_ok(tracker_count(t, &f.vmas, &dirty, &total));
	assert_int_equal(dirty, total);
	thaw(&f);
	tracker_destroy(t);
	end(&v);
}

static void asynchronous_input_uffd(void **state)
{
	nothing_is_clean(run_aio, OPT_TRACK_UFFD, "asynchronous");
}

static void asynchronous_input_soft_dirty(void **state)
{
	nothing_is_clean(run_aio, OPT_TRACK_SOFT_DIRTY, "asynchronous");
}

static void io_uring_uffd(void **state)
{
	nothing_is_clean(run_io_uring, OPT_TRACK_UFFD, "io_uring");
}

static void io_uring_soft_dirty(void **state)
{
	nothing_is_clean(run_io_uring, OPT_TRACK_SOFT_DIRTY, "io_uring");
}

static void pinned_memory_uffd(void **state)
{
	nothing_is_clean(run_pinned, OPT_TRACK_UFFD, "VmPin");
}

static void pinned_memory_soft_dirty(void **state)
{
	nothing_is_clean(run_pinned, OPT_TRACK_SOFT_DIRTY, "VmPin");
}

/* ---- how it ends ------------------------------------------------------------------------- */

static bool registered(pid_t pid, uint64_t addr)
{
	struct vma_list l;

	assert_ok(proc_read_vmas(pid, &l));
	ssize_t i = vma_list_find(&l, addr);
	assert_true(i >= 0);
	bool yes = l.v[i].vmf & VMF_UFFD;
	vma_list_deinit(&l);
	return yes;
}

static void a_destroyed_tracker_leaves_nothing(void **state)
{
	struct frozen f;

	need(OPT_TRACK_UFFD);
	struct target v = start(run_plain);
	size_t fds = count_fds(v.pid);

	for (int frozen = 0; frozen < 2; frozen++) {
		freeze(keeper, v.pid, &f);
		struct tracker *t = track(&f, OPT_TRACK_UFFD, &caps);
		reset_and_thaw(t, &f);
		assert_true(registered(v.pid, v.sh->address));
		if (frozen) /* the next shows that it is done without the target's help */
			freeze(keeper, v.pid, &f);
		tracker_destroy(t);
		assert_false(registered(v.pid, v.sh->address));
		if (frozen)
			thaw(&f);
		assert_int_equal(count_fds(v.pid), fds);
	}
	tracker_destroy(NULL);
	tell(&v, STORE_ALL);
	end(&v);
}

static void stepdump_is_killed(void **state)
{
	int p[2], status;
	char byte;

	need(OPT_TRACK_UFFD);
	struct target v = start(run_plain);

	assert_int_equal(pipe(p), 0);
	fflush(stdout);
	pid_t client = fork();
	if (!client) {
		struct keeper *k;
		struct frozen f;

		assert_ok(keeper_start(&k));
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
	end(&v);
}

static void do_exec(struct shared *sh, int step)
{
	execl("/bin/sleep", "sleep", "1000", NULL);
}

static void run_exec(struct shared *sh)
{
	set_up(sh);
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
	struct target v = start(run_exec);

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
	/* whoever does not ask is told that all is dirty, also after a reset of the old one */
	assert_ok(tracker_count(t, &f.vmas, &dirty, &total));
	assert_int_equal(dirty, total);
	if (want == OPT_TRACK_UFFD) {
		assert_ok(tracker_reset(t, &f.vmas));
		assert_ok(tracker_count(t, &f.vmas, &dirty, &total));
		assert_int_equal(dirty, total);
	}
	tracker_destroy(t);
	t = track(&f, want, &caps);
	assert_ok(tracker_reset(t, &f.vmas));
	assert_ok(tracker_count(t, &f.vmas, &dirty, &total));
	assert_true(dirty < total);
	thaw(&f);
	tracker_destroy(t);
	end(&v);
}

static void after_an_exec_uffd(void **state)
{
	after_an_exec(OPT_TRACK_UFFD);
}

static void after_an_exec_soft_dirty(void **state)
{
	after_an_exec(OPT_TRACK_SOFT_DIRTY);
}

static void do_child(struct shared *sh, int step)
{
	pid_t pid = fork();

	if (!pid) {
		mem[PAGE]++;
		for (;;)
			pause();
	}
	mem[2 * PAGE]++;
	sh->ticks = (uint64_t)pid;
}

static void run_parent(struct shared *sh)
{
	set_up(sh);
	obey(sh, do_child);
}

static void a_child_is_not_tracked(void **state)
{
	struct frozen f;

	need(OPT_TRACK_UFFD);
	struct target v = start(run_parent);

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
	/* the parent's tracker has no say, and a new one begins with everything */
	assert_string_equal(page_states(&f, &caps, t, v.sh->address, 4), "dddd");
	struct tracker *own = track(&f, OPT_TRACK_UFFD, &caps);
	assert_string_equal(page_states(&f, &caps, own, v.sh->address, 4), "dddd");
	assert_ok(tracker_reset(own, &f.vmas));
	assert_string_equal(page_states(&f, &caps, own, v.sh->address, 4), "cccc");
	thaw(&f);
	tracker_destroy(own);
	tracker_destroy(t);
	kill(child, SIGKILL);
	end(&v);
}

/* ---- choosing ---------------------------------------------------------------------------- */

static void run_without_descriptors(struct shared *sh)
{
	struct rlimit none = { 0, 0 };

	set_up(sh);
	setrlimit(RLIMIT_NOFILE, &none);
	obey(sh, do_plain);
}

static void where_it_does_not_work(void **state)
{
	struct target v = start(run_without_descriptors);
	struct caps poor = { 0 }, no_soft_dirty = caps;
	struct tracker *t;
	struct frozen f;

	no_soft_dirty.soft_dirty = false;
	freeze(keeper, v.pid, &f);
	uint64_t st = f.task.start_time_ticks;

	assert_err(tracker_create(OPT_TRACK_SOFT_DIRTY, keeper, v.pid, st, &poor, &t), ERR_UNSUPPORTED,
		   "soft-dirty");
	assert_err(tracker_create(OPT_TRACK_UFFD, keeper, v.pid, st, &poor, &t), ERR_UNSUPPORTED,
		   "PAGEMAP_SCAN");
	if (!cannot_track(OPT_TRACK_UFFD, &caps)) {
		assert_err(tracker_create(OPT_TRACK_UFFD, keeper, v.pid, st, &caps, &t),
			   ERR_UNSUPPORTED, "EMFILE");
		t = track(&f, OPT_TRACK_AUTO, &no_soft_dirty);
		assert_int_equal(tracker_kind(t), TRACK_NONE);
		assert_non_null(strstr(tracker_reason(t), "soft-dirty"));
		assert_non_null(strstr(tracker_reason(t), "EMFILE"));
		tracker_destroy(t);
	}
	t = track(&f, OPT_TRACK_AUTO, &poor);
	assert_int_equal(tracker_kind(t), TRACK_NONE);
	assert_true(tracker_fits(t, v.pid, st));
	assert_ok(tracker_reset(t, &f.vmas));
	assert_false(tracker_armed(t));
	for (size_t i = 0; i < f.vmas.nr; i++)
		assert_true(tracker_page_dirty(t, &f.vmas.v[i], PAGE_IS_PRESENT | PAGE_IS_WPALLOWED));
	tracker_destroy(t);
	thaw(&f);
	end(&v);
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
	madvise(mem, BIG, MADV_NOHUGEPAGE); /* soft-dirty knows huge pages as a whole */
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

/* Prints what it measures; checked is only what must hold on the busiest machine. */
static void cost(enum opt_track want)
{
	uint64_t dirty, total, t0, first, again;
	struct frozen f;

	need(want);
	struct target v = start(run_big);

	freeze(keeper, v.pid, &f);
	t0 = now_us_();
	struct tracker *t = track(&f, want, &caps);
	printf("%s, 256 MiB: create %lu us", tracker_kind_name(tracker_kind(t)), now_us_() - t0);
	t0 = now_us_();
	assert_ok(tracker_reset(t, &f.vmas));
	printf(", first reset %lu us", now_us_() - t0);
	thaw(&f);
	tell(&v, 1);
	first = v.sh->ticks;
	tell(&v, 3);
	again = v.sh->ticks;
	freeze(keeper, v.pid, &f);
	t0 = now_us_();
	assert_ok(tracker_count(t, &f.vmas, &dirty, &total));
	printf(", count (all dirty) %lu us", now_us_() - t0);
	assert_true(dirty >= BIG / PAGE);
	t0 = now_us_();
	assert_ok(tracker_reset(t, &f.vmas));
	printf(", reset (all) %lu us", now_us_() - t0);
	thaw(&f);
	tell(&v, 2);
	freeze(keeper, v.pid, &f);
	t0 = now_us_();
	assert_ok(tracker_count(t, &f.vmas, &dirty, &total));
	printf(", count (1 %%) %lu us", now_us_() - t0);
	assert_in_range(dirty, BIG / PAGE / 100, BIG / PAGE / 100 + 1000);
	t0 = now_us_();
	assert_ok(tracker_reset(t, &f.vmas));
	printf(", reset (1 %%) %lu us", now_us_() - t0);
	thaw(&f);
	t0 = now_us_();
	tracker_destroy(t);
	printf(", destroy %lu us\n", now_us_() - t0);
	tell(&v, 1);
	printf("  target: a store in each page, first after reset %lu ms, then %lu ms; destroyed %lu ms\n",
	       first, again, v.sh->ticks);
	end(&v);
}

static void cost_uffd(void **state)
{
	cost(OPT_TRACK_UFFD);
}

static void cost_soft_dirty(void **state)
{
	cost(OPT_TRACK_SOFT_DIRTY);
}

static int set_up_all(void **state)
{
	assert_ok(caps_probe(&caps));
	assert_ok(keeper_start(&keeper));
	return 0;
}

static int tear_down_all(void **state)
{
	assert_ok(keeper_stop(keeper));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_writes_are_known_uffd),
		cmocka_unit_test(known_writes_are_known_soft_dirty),
		cmocka_unit_test(a_merge_beside_armed_memory),
		cmocka_unit_test(an_unprivileged_target),
		cmocka_unit_test(only_private_anonymous_memory_is_trusted),
		cmocka_unit_test(memory_with_a_userfaultfd_of_its_own),
		cmocka_unit_test(asynchronous_input_uffd),
		cmocka_unit_test(asynchronous_input_soft_dirty),
		cmocka_unit_test(io_uring_uffd),
		cmocka_unit_test(io_uring_soft_dirty),
		cmocka_unit_test(pinned_memory_uffd),
		cmocka_unit_test(pinned_memory_soft_dirty),
		cmocka_unit_test(a_destroyed_tracker_leaves_nothing),
		cmocka_unit_test(stepdump_is_killed),
		cmocka_unit_test(after_an_exec_uffd),
		cmocka_unit_test(after_an_exec_soft_dirty),
		cmocka_unit_test(a_child_is_not_tracked),
		cmocka_unit_test(where_it_does_not_work),
		cmocka_unit_test(cost_uffd),
		cmocka_unit_test(cost_soft_dirty),
	};

	return cmocka_run_group_tests_name("tracker_live", tests, set_up_all, tear_down_all);
}
