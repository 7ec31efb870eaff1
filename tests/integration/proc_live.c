/* SPDX-License-Identifier: GPL-3.0-or-later */
/* proc_read_*() on a real child that owns every kind of mapping it can get. */
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "engine/pages/pagemap.h"
#include "engine/proc/proc.h"

#include "tests/lib/test.h"

#define LEN (4 * PAGE_BYTES)
#define RW (PROT_READ | PROT_WRITE)
#define TMP_NAME "/tmp/stepdump (a\nb)"

enum kind {
	ANON,
	ANON_RO,
	SHARED_ANON,
	MEMFD_SHARED,
	MEMFD_PRIVATE,
	SYSV,
	DEV_ZERO,
	FILE_SHARED_RW,
	FILE_SHARED_RO,
	FILE_PRIVATE_RO,
	AIO,
	SECRET,
	DROPPABLE,
	LOCKED,
	NORESERVE,
	GROWSDOWN,
	MADVISED,
	NO_THP,
	HUGETLB,
	SEALED,
	IO_URING,
	GUARDED,
	NR_KINDS
};

/* status, flags, madv, prot, fdflags (-1: absent), as CRIU writes them. */
static const struct {
	const char *name;
	uint32_t status, flags;
	uint64_t madv;
	uint32_t prot;
	int fdflags;
} expected[NR_KINDS] = {
	[ANON] = { "private anonymous", 0x201, 0x22, 0, RW, -1 },
	[ANON_RO] = { "read-only", 0x201, 0x22, 0, PROT_READ, -1 },
	[SHARED_ANON] = { "shared anonymous", 0x101, 0x21, 0, RW, -1 },
	[MEMFD_SHARED] = { "memfd, shared", 0x4081, 0x1, 0, RW, O_RDWR },
	[MEMFD_PRIVATE] = { "memfd, private", 0x4041, 0x2, 0, RW, O_RDWR },
	[SYSV] = { "System V", 0x501, 0x21, 0, RW, O_RDWR },
	[DEV_ZERO] = { "/dev/zero", 0x41, 0x2, 0, RW, O_RDWR },
	[FILE_SHARED_RW] = { "file, shared", 0x81, 0x1, 0, RW, O_RDWR },
	[FILE_SHARED_RO] = { "file, shared, read-only", 0x81, 0x1, 0, PROT_READ, O_RDONLY },
	[FILE_PRIVATE_RO] = { "file, private", 0x41, 0x2, 0, RW, O_RDONLY },
	[AIO] = { "AIO ring", 0x2000, 0x1, 0, RW, O_RDWR },
	[SECRET] = { "memfd_secret", 0x80000001, 0x2001, 0x10000, RW, -1 },
	[DROPPABLE] = { "droppable", 0x201, 0x4028, 0x50000, RW, -1 },
	[LOCKED] = { "mlock()ed", 0x201, 0x2022, 0, RW, -1 },
	[NORESERVE] = { "noreserve", 0x201, 0x4022, 0, RW, -1 },
	[GROWSDOWN] = { "growsdown", 0x201, 0x122, 0, RW, -1 },
	[MADVISED] = { "SEQUENTIAL, DONTFORK, DONTDUMP", 0x201, 0x22, 0x10404, RW, -1 },
	[NO_THP] = { "NOHUGEPAGE, WIPEONFORK", 0x201, 0x22, 0x48000, RW, -1 },
	[HUGETLB] = { "hugetlb", 0x201, 0x54040022, 0, RW, -1 },
	[SEALED] = { "sealed, PROT_NONE", 0x80000201, 0x22, 0, 0, -1 },
	[IO_URING] = { "io_uring", 0x80000001, 0x1, 0, RW, -1 },
	[GUARDED] = { "with a guard region", 0x201, 0x22, 0, RW, -1 },
};

struct shared {
	uint64_t addr[NR_KINDS]; /* 0: this kernel does not have it */
	uint64_t ino[NR_KINDS];  /* of the object, where it can be known */
	uint64_t stack, brk_page;
	int fd;
	pid_t thread;
};

static struct shared *shared;
static pid_t child;

static void put(enum kind k, void *p)
{
	shared->addr[k] = p == MAP_FAILED ? 0 : (uintptr_t)p;
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

static void *map(int prot, int flags, int fd, off_t off)
{
	return mmap(NULL, LEN, prot, flags, fd, off);
}

/* Between two pages without rights, so that it merges with nothing. */
static void *alone(int prot, int flags)
{
	char *p = mmap(NULL, LEN + 2 * PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mmap(p + PAGE_BYTES, LEN, prot, flags | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void *anon(void)
{
	return alone(RW, MAP_PRIVATE);
}

static void map_files_and_objects(void)
{
	int fd = memfd_create("x y\nz", 0);

	if (ftruncate(fd, 4 * LEN))
		_exit(1);
	put(MEMFD_SHARED, map(RW, MAP_SHARED, fd, LEN));
	put(MEMFD_PRIVATE, map(RW, MAP_PRIVATE, fd, 2 * LEN));
	shared->ino[MEMFD_SHARED] = shared->ino[MEMFD_PRIVATE] = inode_of(fd);
	shared->fd = fd;

	int id = shmget(IPC_PRIVATE, LEN, IPC_CREAT | 0600);
	put(SYSV, shmat(id, NULL, 0));
	shmctl(id, IPC_RMID, NULL);
	shared->ino[SYSV] = id;

	put(DEV_ZERO, map(RW, MAP_PRIVATE, open("/dev/zero", O_RDWR), 0));

	int rw = open(TMP_NAME, O_RDWR | O_CREAT | O_TRUNC, 0600), ro = open(TMP_NAME, O_RDONLY);
	if (ftruncate(rw, 4 * LEN))
		_exit(1);
	put(FILE_SHARED_RW, map(RW, MAP_SHARED, rw, 0));
	put(FILE_SHARED_RO, map(PROT_READ, MAP_SHARED, ro, LEN));
	put(FILE_PRIVATE_RO, map(RW, MAP_PRIVATE, ro, 2 * LEN));
	shared->ino[FILE_SHARED_RW] = shared->ino[FILE_SHARED_RO] = shared->ino[FILE_PRIVATE_RO] =
		inode_of(rw);
	unlink(TMP_NAME);
}

static void map_kernel_objects(void)
{
	unsigned long ring = 0;
	char params[120] = { 0 };

	if (!syscall(SYS_io_setup, 64, &ring))
		put(AIO, (void *)ring);
	int fd = syscall(447 /* memfd_secret */, 0);
	if (fd >= 0 && !ftruncate(fd, LEN))
		put(SECRET, map(RW, MAP_SHARED, fd, 0));
	fd = syscall(425 /* io_uring_setup */, 8, params);
	if (fd >= 0)
		put(IO_URING, mmap(NULL, PAGE_BYTES, RW, MAP_SHARED, fd, 0));
}

static void map_anonymous(void)
{
	char *p = anon();

	put(ANON, p);
	p[0] = 1;
	put(ANON_RO, alone(PROT_READ, MAP_PRIVATE));
	put(SHARED_ANON, map(RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	put(DROPPABLE, alone(RW, 0x8 /* MAP_DROPPABLE */));
	p = anon();
	if (!syscall(SYS_mlock, p, LEN)) /* the sanitizers' mlock() does nothing */
		put(LOCKED, p);
	put(NORESERVE, alone(RW, MAP_PRIVATE | MAP_NORESERVE));
	put(GROWSDOWN, alone(RW, MAP_PRIVATE | MAP_GROWSDOWN));
	p = anon();
	if (!madvise(p, LEN, MADV_SEQUENTIAL) && !madvise(p, LEN, MADV_DONTFORK) &&
	    !madvise(p, LEN, MADV_DONTDUMP))
		put(MADVISED, p);
	p = anon();
	if (!madvise(p, LEN, MADV_NOHUGEPAGE) && !madvise(p, LEN, MADV_WIPEONFORK))
		put(NO_THP, p);
	put(HUGETLB, mmap(NULL, 2 << 20, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0));
	p = anon();
	mprotect(p, LEN, PROT_NONE);
	if (!syscall(462 /* mseal */, p, LEN, 0))
		put(SEALED, p);
	p = anon();
	memset(p, 1, LEN);
	if (!madvise(p + PAGE_BYTES, 2 * PAGE_BYTES, 102 /* MADV_GUARD_INSTALL */))
		put(GUARDED, p);
}

static void *thread_main(void *arg)
{
	char go = 1;

	__atomic_store_n(&shared->thread, (pid_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
	if (write(*(int *)arg, &go, 1) != 1)
		_exit(1);
	for (;;)
		pause();
	return NULL;
}

static void child_main(int ready)
{
	pthread_t t;
	int on_stack = ready;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "odd ) (name");
	map_files_and_objects();
	map_kernel_objects();
	map_anonymous();
	char *top = sbrk(PAGE_BYTES);
	*top = 1;
	shared->brk_page = (uintptr_t)top;
	shared->stack = (uintptr_t)&on_stack;
	if (pthread_create(&t, NULL, thread_main, &on_stack))
		_exit(1);
	for (;;)
		pause();
}

static int start_child(void **state)
{
	int p[2];
	char go;

	shared = mmap(NULL, sizeof(*shared), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || pipe(p))
		return -1;
	child = fork();
	if (!child) {
		close(p[0]);
		child_main(p[1]);
	}
	close(p[1]);
	if (child < 0 || read(p[0], &go, 1) != 1)
		return -1;
	close(p[0]);
	return 0;
}

static int end_child(void **state)
{
	kill(child, SIGKILL);
	return waitpid(child, NULL, 0) == child ? 0 : -1;
}

static struct vma_list read_vmas(pid_t pid)
{
	struct vma_list l;

	ok(proc_read_vmas(pid, &l));
	return l;
}

static const struct vma *vma_at(const struct vma_list *l, uint64_t vaddr)
{
	ssize_t i = vma_list_find(l, vaddr);

	assert_true(i >= 0);
	return &l->v[i];
}

TEST(every_kind)
{
	struct vma_list l = read_vmas(child);

	for (int k = 0; k < NR_KINDS; k++) {
		if (!shared->addr[k]) {
			print_message("skipped: this kernel gives no mapping '%s'\n",
				      expected[k].name);
			continue;
		}
		const struct vma *v = vma_at(&l, shared->addr[k]);

		print_message("%-32s %s\n", expected[k].name, vma_kind(v));
		assert_int_equal(v->start, shared->addr[k]);
		assert_int_equal(v->status, expected[k].status);
		assert_int_equal(v->flags, expected[k].flags);
		assert_int_equal(v->madv, expected[k].madv);
		assert_int_equal(v->prot, expected[k].prot);
		assert_int_equal(v->has_fdflags ? (int)v->fdflags : -1, expected[k].fdflags);
		assert_int_equal(!!v->unsupp, !!(v->status & VMA_UNSUPP));
		if (shared->ino[k])
			assert_int_equal(v->ino, shared->ino[k]);
	}
	assert_int_equal(vma_at(&l, shared->addr[MEMFD_SHARED])->pgoff, LEN);
	assert_int_equal(vma_at(&l, shared->addr[FILE_PRIVATE_RO])->pgoff, 2 * LEN);
	assert_int_equal(vma_at(&l, shared->addr[SYSV])->shmid, shared->ino[SYSV]);
	assert_int_equal(vma_at(&l, shared->addr[SHARED_ANON])->shmid,
			 vma_at(&l, shared->addr[SHARED_ANON])->ino);
	assert_int_equal(vma_at(&l, shared->addr[ANON])->rss_bytes, PAGE_BYTES);
	assert_string_equal(vma_kind(vma_at(&l, shared->stack)), "stack");
	assert_int_equal(vma_at(&l, shared->brk_page)->status, 0x221);
	assert_int_equal(l.nr_aios, shared->addr[AIO] != 0);
	vma_list_deinit(&l);
}

static struct err *on_guard(void *arg, uint64_t start, uint64_t end)
{
	uint64_t *found = arg;

	found[0] = start;
	found[1] = end;
	found[2]++;
	return NULL;
}

TEST(guards)
{
	uint64_t found[3] = { 0 }, at = shared->addr[GUARDED];
	struct pagemap_probe probe = { 0 };
	int fd;

	ok(pagemap_probe(&probe));
	if (!at || !probe.scan_guard)
		skip_because("no guard regions, or PAGEMAP_SCAN cannot tell them");
	ok(pagemap_open(child, &fd));
	ok(pagemap_scan_guards(fd, at, at + LEN, on_guard, found));
	close(fd);
	assert_int_equal(found[0], at + PAGE_BYTES);
	assert_int_equal(found[1], at + 3 * PAGE_BYTES);
	assert_int_equal(found[2], 1);
}

/* The same ranges, permissions and order as /proc/PID/maps, but for the merged vvar. */
TEST(agrees_with_maps)
{
	struct vma_list l = read_vmas(child);
	char path[64], line[8192];
	size_t i = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", child);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long start, end, pgoff;
		char perms[8], want[5];

		assert_int_equal(sscanf(line, "%lx-%lx %7s %lx", &start, &end, perms, &pgoff), 4);
		if (strstr(line, "[vvar_vclock]")) {
			assert_int_equal(l.v[i - 1].end, end);
			continue;
		}
		assert_int_equal(l.v[i].start, start);
		if (!strstr(line, "[vvar]"))
			assert_int_equal(l.v[i].end, end);
		vma_prot_str(l.v[i].prot, l.v[i].flags & MAP_SHARED, want);
		assert_string_equal(perms, want);
		assert_int_equal(l.v[i].pgoff, pgoff);
		i++;
	}
	fclose(f);
	assert_int_equal(l.nr, i);
	vma_list_deinit(&l);
}

TEST(map_link_is_the_true_path)
{
	struct vma_list l = read_vmas(child);
	const struct vma *v = vma_at(&l, shared->addr[FILE_SHARED_RW]);
	char *link;

	assert_string_equal(v->name, "/tmp/stepdump (a\\012b) (deleted)");
	ok(proc_read_map_link(child, v, &link));
	assert_string_equal(link, TMP_NAME " (deleted)");
	free(link);
	vma_list_deinit(&l);
}

TEST(stat_and_status)
{
	struct proc_stat mine, its;
	struct proc_status st;
	uid_t r, e, s;

	ok(proc_read_stat(getpid(), &mine));
	assert_int_equal(mine.pid, getpid());
	assert_int_equal(mine.ppid, getppid());
	assert_int_equal(mine.pgrp, getpgrp());
	assert_int_equal(mine.sid, getsid(0));
	assert_int_equal(mine.state, 'R');
	assert_in_range((uintptr_t)&stat_and_status, mine.start_code, mine.end_code);
	assert_in_range(mine.start_brk, 1, (uintptr_t)sbrk(0));
	assert_in_range((uintptr_t)&mine, 1, mine.start_stack);
	assert_in_range((uintptr_t)getenv("PATH"), mine.env_start, mine.env_end);

	ok(proc_read_stat(child, &its));
	assert_string_equal(its.comm, "odd ) (name");
	assert_int_equal(its.ppid, getpid());
	assert_int_equal(its.num_threads, 2);
	assert_true(its.start_time_ticks >= mine.start_time_ticks);
	assert_int_equal(its.state, 'S');

	ok(proc_read_status(child, &st));
	assert_int_equal(getresuid(&r, &e, &s), 0);
	assert_int_equal(st.uid[0], r);
	assert_int_equal(st.uid[1], e);
	assert_int_equal(st.uid[2], s);
	assert_int_equal(st.gid[0], getgid());
	assert_int_equal(st.tgid, child);
	assert_int_equal(st.ppid, getpid());
	assert_int_equal(st.tracer_pid, 0);
	assert_int_equal(st.threads, 2);
	assert_int_equal(st.state, 'S');
	assert_true(st.nr_ns_pid >= 1);
	assert_int_equal(st.ns_pid[0], child);
	if (shared->addr[LOCKED])
		assert_true(st.vm_lck >= LEN);

	struct vma_list l = read_vmas(child);
	uint64_t total = 0;
	for (size_t i = 0; i < l.nr; i++)
		if (!(l.v[i].status & (VMA_AREA_VSYSCALL)))
			total += l.v[i].end - l.v[i].start;
	assert_int_equal(st.vm_size, total);
	vma_list_deinit(&l);

	ok(proc_read_thread_status(child, shared->thread, &st));
	assert_int_equal(st.tgid, child);
}

TEST(auxv_exe_cmdline)
{
	struct proc_auxv a = { 0 };
	char *exe, *cmdline = NULL, self[4096];
	bool seen = false;

	ok(proc_read_auxv(getpid(), &a));
	assert_int_equal(a.nr % 2, 0);
	for (size_t i = 0; i < a.nr; i += 2)
		if (a.words[i] == AT_SYSINFO_EHDR) {
			assert_int_equal(a.words[i + 1], getauxval(AT_SYSINFO_EHDR));
			seen = true;
		}
	assert_true(seen);
	assert_int_equal(a.words[a.nr - 2], AT_NULL);
	proc_auxv_deinit(&a);

	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	assert_true(n > 0);
	self[n] = '\0';
	ok(proc_read_exe(child, &exe));
	assert_string_equal(exe, self);
	free(exe);
	ok(proc_read_cmdline(getpid(), &cmdline));
	assert_non_null(strstr(cmdline, "proc_live"));
	free(cmdline);
}

TEST(threads_fds_limits)
{
	struct proc_threads t = { 0 };
	struct proc_fds f;
	struct proc_limits lim;
	bool seen = false;

	ok(proc_read_threads(child, &t));
	assert_int_equal(t.nr, 2);
	assert_int_equal(t.tid[0], child);
	assert_int_equal(t.tid[1], shared->thread);
	proc_threads_deinit(&t);

	ok(proc_read_fds(child, &f));
	for (size_t i = 0; i < f.nr; i++) {
		if (i)
			assert_true(f.v[i].fd > f.v[i - 1].fd);
		if (f.v[i].fd == shared->fd) {
			assert_string_equal(f.v[i].link, "/memfd:x y\nz (deleted)");
			seen = true;
		}
	}
	assert_true(seen);
	proc_fds_deinit(&f);

	ok(proc_read_limits(child, &lim));
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit want;

		assert_int_equal(getrlimit(i, &want), 0);
		assert_int_equal(lim.lim[i].rlim_cur, want.rlim_cur);
		assert_int_equal(lim.lim[i].rlim_max, want.rlim_max);
	}
}

static void expect_target_error(pid_t pid, int sys_errno)
{
	struct vma_list l;
	struct err *e = proc_read_vmas(pid, &l);

	assert_non_null(e);
	assert_int_equal(e->code, ERR_TARGET);
	assert_int_equal(e->pid, pid);
	assert_int_equal(e->sys_errno, sys_errno);
	err_free(e);
}

TEST(nobody_there)
{
	siginfo_t info;
	pid_t zombie = fork();

	if (!zombie)
		_exit(0);
	assert_int_equal(waitid(P_PID, zombie, &info, WEXITED | WNOWAIT), 0);
	expect_target_error(zombie, 0);
	waitpid(zombie, NULL, 0);
	expect_target_error(zombie, ENOENT);

	struct proc_stat st;
	struct err *e = proc_read_stat(zombie, &st);
	fails(e, ERR_TARGET, "");
}

TEST(somebody_elses)
{
	int status;

	if (getuid())
		skip_because("needs root to become somebody else");
	pid_t other = fork();
	if (!other) {
		struct vma_list l;
		struct err *e;

		if (setgid(65534) || setuid(65534))
			_exit(2);
		e = proc_read_vmas(child, &l);
		_exit(e && e->code == ERR_TARGET && e->sys_errno == EACCES && e->hint ? 0 : 1);
	}
	assert_int_equal(waitpid(other, &status, 0), other);
	assert_int_equal(status, 0);
}

/* An ordinary user, who may not follow map_files, gets the same list of an own process. */
TEST(unprivileged_sees_the_same)
{
	int status;

	if (getuid())
		skip_because("needs root to compare with");
	pid_t user = fork();
	if (!user) {
		struct vma_list l;
		uint32_t zero = 0;

		if (setgid(65534) || setuid(65534) || prctl(PR_SET_DUMPABLE, 1))
			_exit(2);
		void *dev_zero = map(RW, MAP_PRIVATE, open("/dev/zero", O_RDWR), 0);
		void *deleted = map(RW, MAP_SHARED, memfd_create("m", 0), 0);
		if (proc_read_vmas(getpid(), &l))
			_exit(3);
		for (size_t i = 0; i < l.nr; i++) {
			if (l.v[i].start == (uintptr_t)dev_zero)
				zero = l.v[i].status;
			if (l.v[i].start == (uintptr_t)deleted && l.v[i].status != 0x4081)
				_exit(4);
			if (l.v[i].status & VMA_UNSUPP)
				_exit(5);
		}
		_exit(zero == 0x41 ? 0 : 6);
	}
	assert_int_equal(waitpid(user, &status, 0), user);
	assert_int_equal(status, 0);
}

TEST(malformed_text)
{
	static const char *const bad_stat[] = {
		"", "1", "1 (x", "1 (x)", "1 (x) S", "1 (x) S 1 2 3"
	};
	struct proc_stat st;
	struct proc_status status;
	struct proc_limits lim;

	for (size_t i = 0; i < ARRAY_SIZE(bad_stat); i++) {
		struct err *e = parse_stat(bad_stat[i], strlen(bad_stat[i]), &st);

		assert_non_null(e);
		assert_int_equal(e->code, ERR_FORMAT);
		err_free(e);
	}
	struct err *e = parse_status("Name", 4, &status);
	assert_non_null(e);
	err_free(e);
	e = parse_status("Name:\tx\n", 8, &status);
	assert_non_null(e);
	err_free(e);
	e = parse_limits("Max cpu time   x", 16, &lim);
	assert_non_null(e);
	err_free(e);
}

GROUP(start_child, end_child);
