/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Memory and targets that a tracker does not trust. */
#include <sys/resource.h>

#include "tests/lib/tracker_rig.h"

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
		k->anon[i * PAGE] = k->shared[i * PAGE] = k->file[i * PAGE] =
			k->memfd_private[i * PAGE] = 1;
	obey(sh, do_plain);
}

static const char *untrusted_at(struct frozen *f, const struct tracker *t, const void *addr)
{
	ssize_t i = vma_list_find(&f->vmas, (uintptr_t)addr);

	assert_true(i >= 0);
	return tracker_untrusted(t, &f->vmas.v[i]);
}

TEST(only_private_anonymous_memory_is_trusted)
{
	unsigned trusted = 0;
	struct frozen f;

	need(OPT_TRACK_UFFD);
	struct target v = target_start(run_kinds);
	const struct kinds *k = (struct kinds *)(v.sh + 1);

	freeze(keeper, v.pid, &f);
	struct tracker *t = track(&f, OPT_TRACK_UFFD, &caps);
	ok(tracker_reset(t, &f.vmas));
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
	target_end(&v);
}

static void run_own_uffd(struct shared *sh)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	plain_set_up(sh);
	struct uffdio_register reg = { .range = { (uintptr_t)mem, 4 * PAGE },
				       .mode = UFFDIO_REGISTER_MODE_MISSING };
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		_exit(1);
	obey(sh, do_plain);
}

TEST(memory_with_a_userfaultfd_of_its_own)
{
	struct frozen f;

	need(OPT_TRACK_UFFD);
	struct target v = target_start(run_own_uffd);
	uint8_t *a = (uint8_t *)v.sh->address;

	freeze(keeper, v.pid, &f);
	struct tracker *t = track(&f, OPT_TRACK_UFFD, &caps);
	ok(tracker_reset(t, &f.vmas));
	assert_non_null(strstr(untrusted_at(&f, t, a), "the target's own"));
	assert_null(untrusted_at(&f, t, a + 4 * PAGE));
	assert_string_equal(page_states(&f, &caps, t, (uintptr_t)a, NR), "ddddcccccccccccc");
	thaw(&f);

	/* a userfaultfd that can make pages clean by itself: nothing can be trusted any more */
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
	target_end(&v);
}

static void run_aio(struct shared *sh)
{
	unsigned long ctx = 0;

	plain_set_up(sh);
	sh->bad_errno = syscall(SYS_io_setup, 8, &ctx) ? errno : 0;
	obey(sh, do_plain);
}

static void run_io_uring(struct shared *sh)
{
	uint32_t params[30] = { 0 };

	plain_set_up(sh);
	sh->bad_errno = syscall(425 /* io_uring_setup */, 4, params) < 0 ? errno : 0;
	obey(sh, do_plain);
}

/* Only a child has its descriptor, but its buffers are this program's memory. */
static void run_pinned(struct shared *sh)
{
	uint32_t params[30] = { 0 };
	int ring = (int)syscall(425, 4, params);

	plain_set_up(sh);
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
	uint64_t dirty = 0, total = 0;

	need(want);
	struct target v = target_start(run);

	if (v.sh->bad_errno) {
		errno = v.sh->bad_errno;
		target_end(&v);
		skip_because(strerror(errno));
	}
	freeze(keeper, v.pid, &f);
	struct tracker *t = track(&f, want, &caps);
	ok(tracker_reset(t, &f.vmas));
	assert_string_equal(page_states(&f, &caps, t, v.sh->address, NR), "dddddddddddddddd");
	assert_non_null(strstr(untrusted_at(&f, t, (void *)v.sh->address), why));
	ok(tracker_count(t, &f.vmas, &dirty, &total));
	assert_int_equal(dirty, total);
	thaw(&f);
	tracker_destroy(t);
	target_end(&v);
}

TEST(asynchronous_input_uffd)
{
	nothing_is_clean(run_aio, OPT_TRACK_UFFD, "asynchronous");
}

TEST(asynchronous_input_soft_dirty)
{
	nothing_is_clean(run_aio, OPT_TRACK_SOFT_DIRTY, "asynchronous");
}

TEST(io_uring_uffd)
{
	nothing_is_clean(run_io_uring, OPT_TRACK_UFFD, "io_uring");
}

TEST(io_uring_soft_dirty)
{
	nothing_is_clean(run_io_uring, OPT_TRACK_SOFT_DIRTY, "io_uring");
}

TEST(pinned_memory_uffd)
{
	nothing_is_clean(run_pinned, OPT_TRACK_UFFD, "VmPin");
}

TEST(pinned_memory_soft_dirty)
{
	nothing_is_clean(run_pinned, OPT_TRACK_SOFT_DIRTY, "VmPin");
}

/* ---- choosing ---------------------------------------------------------------------------- */

static void run_without_descriptors(struct shared *sh)
{
	struct rlimit none = { 0, 0 };

	plain_set_up(sh);
	setrlimit(RLIMIT_NOFILE, &none);
	obey(sh, do_plain);
}

TEST(where_it_does_not_work)
{
	struct target v = target_start(run_without_descriptors);
	struct caps poor = { 0 }, no_soft_dirty = caps;
	struct tracker *t;
	struct frozen f;

	no_soft_dirty.soft_dirty = false;
	freeze(keeper, v.pid, &f);
	uint64_t st = f.task.start_time_ticks;

	fails(tracker_create(OPT_TRACK_SOFT_DIRTY, keeper, v.pid, st, &poor, &t), ERR_UNSUPPORTED,
	      "soft-dirty");
	fails(tracker_create(OPT_TRACK_UFFD, keeper, v.pid, st, &poor, &t), ERR_UNSUPPORTED,
	      "PAGEMAP_SCAN");
	if (!cannot_track(OPT_TRACK_UFFD, &caps)) {
		fails(tracker_create(OPT_TRACK_UFFD, keeper, v.pid, st, &caps, &t), ERR_UNSUPPORTED,
		      "EMFILE");
		t = track(&f, OPT_TRACK_AUTO, &no_soft_dirty);
		assert_int_equal(tracker_kind(t), TRACK_NONE);
		assert_non_null(strstr(tracker_reason(t), "soft-dirty"));
		assert_non_null(strstr(tracker_reason(t), "EMFILE"));
		tracker_destroy(t);
	}
	t = track(&f, OPT_TRACK_AUTO, &poor);
	assert_int_equal(tracker_kind(t), TRACK_NONE);
	assert_true(tracker_fits(t, v.pid, st));
	ok(tracker_reset(t, &f.vmas));
	assert_false(tracker_armed(t));
	for (size_t i = 0; i < f.vmas.nr; i++)
		assert_true(
			tracker_page_dirty(t, &f.vmas.v[i], PAGE_IS_PRESENT | PAGE_IS_WPALLOWED));
	tracker_destroy(t);
	thaw(&f);
	target_end(&v);
}

GROUP(tracker_up, keeper_down);
