/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `fx MODE [ARG]`: one small target for each thing that goes wrong with dumps, or should go
 * right against expectation.  Prints "READY PID" with the pid to attach to, then waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

#ifndef UFFDIO_POISON
struct uffdio_poison {
	struct uffdio_range range;
	uint64_t mode;
	int64_t updated;
};
#define UFFDIO_POISON _IOWR(UFFDIO, 0x08, struct uffdio_poison)
#endif
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif

/* Exit status 77: this kernel lacks the feature, and the test is skipped. */
static void fail(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));
static void fail(int status, const char *fmt, ...)
{
	int e = errno;
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(": %s\n", strerror(e));
	exit(status);
}

static void ready(pid_t pid)
{
	printf("READY %d\n", pid);
	fflush(stdout);
}

static void ready_and_wait(void)
{
	ready(getpid());
	for (;;)
		pause();
}

static unsigned char *map(size_t bytes, int prot, int flags)
{
	void *p = mmap(NULL, bytes, prot, flags, -1, 0);

	if (p == MAP_FAILED)
		fail(1, "mmap of %zu bytes", bytes);
	return p;
}

static size_t size_arg(const char *s, size_t dflt)
{
	char *end;
	size_t n;

	if (!s)
		return dflt;
	n = strtoull(s, &end, 0);
	switch (*end) {
	case 'T':
		n <<= 10; /* fall through */
	case 'G':
		n <<= 10; /* fall through */
	case 'M':
		n <<= 10; /* fall through */
	case 'K':
		n <<= 10;
	}
	return n;
}

/* Every page differs from every other. */
static void fill(unsigned char *p, size_t bytes, size_t every)
{
	for (size_t i = 0; i < bytes; i += PAGE * every)
		for (size_t k = 0; k < PAGE; k += 8)
			*(uint64_t *)(p + i + k) = (i + k) * 0x9e3779b97f4a7c15ull + 1;
}

/* ---- tasks that cannot be attached ------------------------------------------- */

static void zombie(const char *arg)
{
	pid_t pid = fork();
	siginfo_t si;

	if (!pid)
		_exit(0);
	waitid(P_PID, pid, &si, WEXITED | WNOWAIT);
	ready(pid);
	for (;;)
		pause();
}

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void *say_ready_when_leader_is_gone(void *arg)
{
	char path[64], buf[256] = "";

	snprintf(path, sizeof(path), "/proc/%d/stat", getpid());
	while (!strstr(buf, ") Z ")) {
		int fd = open(path, O_RDONLY);
		ssize_t n = read(fd, buf, sizeof(buf) - 1);

		buf[n < 0 ? 0 : n] = 0;
		close(fd);
		sched_yield();
	}
	ready(getpid());
	return wait_for_ever(arg);
}

static void zleader(const char *arg)
{
	pthread_t t;

	pthread_create(&t, NULL, say_ready_when_leader_is_gone, NULL);
	pthread_exit(NULL);
}

static void selftrace(const char *arg)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	if (ptrace(PTRACE_SEIZE, pid, 0, 0))
		fail(1, "PTRACE_SEIZE");
	ready(pid);
	for (;;)
		pause();
}

/* The parent is uninterruptible until the child execs or exits. */
static void dstate(const char *arg)
{
	pid_t parent = getpid();

	if (!vfork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ready(parent);
		for (;;)
			pause();
	}
}

static int clone_child(void *arg)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pause();
	return 0;
}

static void clonevm(const char *arg)
{
	unsigned char *st = map(65536, RW, ANON);

	if (clone(clone_child, st + 65536, CLONE_VM | SIGCHLD, NULL) < 0)
		fail(1, "clone");
	ready_and_wait();
}

static void sigtrap(const char *arg)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGTRAP);
	sigprocmask(SIG_BLOCK, &s, NULL);
	raise(SIGTRAP);
	ready_and_wait();
}

static void nodump(const char *arg)
{
	prctl(PR_SET_DUMPABLE, 0);
	ready_and_wait();
}

static void stopped(const char *arg)
{
	pid_t pid = fork();
	int st;

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fill(map(64 * PAGE, RW, ANON), 64 * PAGE, 1);
		raise(SIGSTOP);
		for (;;)
			pause();
	}
	waitpid(pid, &st, WUNTRACED);
	ready(pid);
	for (;;)
		pause();
}

/* ---- memory that is refused, or fails in the drain ------------------------ */

static void secretmem(const char *arg)
{
	int fd = syscall(SYS_memfd_secret, 0);

	if (fd < 0 || ftruncate(fd, 4 * PAGE))
		fail(77, "memfd_secret");
	unsigned char *p = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		fail(77, "mmap of memfd_secret");
	fill(p, 4 * PAGE, 1);
	ready_and_wait();
}

static void uring(const char *arg)
{
	uint64_t params[15] = { 0 };
	int fd = syscall(SYS_io_uring_setup, 8, params);

	if (fd < 0 || mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0) == MAP_FAILED)
		fail(77, "io_uring_setup");
	ready_and_wait();
}

static int uffd_on(unsigned char *p, size_t bytes, uint64_t mode)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)p, bytes }, .mode = mode };

	if (fd < 0)
		fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		fail(77, "userfaultfd");
	return fd;
}

/* Page 5 of 16 reads as a memory error.  The descriptor is closed: only the marker stays. */
static void poison(const char *arg)
{
	unsigned char *p = map(16 * PAGE, RW, ANON);
	int fd = uffd_on(p, 16 * PAGE, UFFDIO_REGISTER_MODE_MISSING);
	struct uffdio_poison po = { .range = { (uintptr_t)p + 5 * PAGE, PAGE } };

	if (ioctl(fd, UFFDIO_POISON, &po))
		fail(77, "UFFDIO_POISON");
	close(fd);
	fill(p, 5 * PAGE, 1);
	fill(p + 6 * PAGE, 10 * PAGE, 1);
	printf("page %p\n", (void *)(p + 5 * PAGE));
	ready_and_wait();
}

static void uffd(const char *arg)
{
	unsigned char *p = map(16 * PAGE, RW, ANON);

	fill(p, 8 * PAGE, 1);
	uffd_on(p, 16 * PAGE, UFFDIO_REGISTER_MODE_MISSING);
	ready_and_wait();
}

/* Sealed: nothing can add PROT_READ, not even the process itself.  ARG "r": readable. */
static void seal(const char *arg)
{
	unsigned char *p = map(16 * PAGE, RW, ANON);

	fill(p, 16 * PAGE, 1);
	if (!arg)
		mprotect(p, 16 * PAGE, PROT_NONE);
	if (syscall(SYS_mseal, p, 16 * PAGE, 0))
		fail(77, "mseal");
	printf("page %p\n", (void *)p);
	ready_and_wait();
}

/* CRIU means to keep the page of a thread's stack pointer out of a lazy restore, but compares its offset in the
 * page: if that is 0, no page of the process is lazy. */
static void aligned(const char *arg)
{
	fill(map(16 * PAGE, RW, ANON), 16 * PAGE, 1);
#ifdef __x86_64__
	ready(getpid());
	__asm__ volatile("and $-4096, %%rsp\n"
			 "1: mov %0, %%eax\n"
			 "syscall\n"
			 "jmp 1b"
			 :
			 : "i"(SYS_pause)
			 : "rax", "rcx", "r11", "memory");
#else
	fail(77, "the stack pointer");
#endif
}

/* ---- limits ---------------------------------------------------------------- */

static void nofile(const char *arg)
{
	struct rlimit rl = { 64, 64 };
	int nr_free = arg ? atoi(arg) : 0, fd, last = -1;

	setrlimit(RLIMIT_NOFILE, &rl);
	while ((fd = dup(0)) >= 0)
		last = fd;
	for (int i = 0; i < nr_free; i++)
		close(last - i);
	ready_and_wait();
}

/* Even pages rw, odd ones r, until there are N VMAs. */
static void vmany(const char *arg)
{
	size_t nr = size_arg(arg, 60000);
	unsigned char *p = map(nr * PAGE, RW, ANON);

	madvise(p, nr * PAGE, MADV_NOHUGEPAGE);
	fill(p, nr * PAGE, 1);
	for (size_t i = 1; i < nr; i += 2)
		if (mprotect(p + i * PAGE, PAGE, PROT_READ))
			fail(77, "mprotect of page %zu; see vm.max_map_count", i);
	ready_and_wait();
}

static void reserve(const char *arg)
{
	size_t bytes = size_arg(arg, 1ull << 40);
	unsigned char *p = map(bytes, PROT_NONE, ANON | MAP_NORESERVE);

	/* Something in it, far from its start. */
	mprotect(p + bytes / 2, 16 * PAGE, RW);
	fill(p + bytes / 2, 16 * PAGE, 1);
	mprotect(p + bytes / 2, 16 * PAGE, PROT_NONE);
	ready_and_wait();
}

/* ---- waiting --------------------------------------------------------------- */

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

/* One sleep of ARG ms, in the leader; says how it ended and how long it took. */
static void nanosleeper(const char *arg)
{
	unsigned ms = size_arg(arg, 3000);
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000l };

	ready(getpid());
	uint64_t t = now_ms();
	long ret = syscall(SYS_nanosleep, &ts, NULL);

	printf("nanosleep %s after %s\n", ret ? strerror(errno) : "ok",
	       now_ms() - t >= ms ? "its time" : "less than its time");
	fflush(stdout);
	for (;;)
		pause();
}

static void poller(const char *arg)
{
	unsigned ms = size_arg(arg, 3000);

	ready(getpid());
	uint64_t t = now_ms();
	int n = poll(NULL, 0, ms);

	printf("poll %s after %s\n", n ? strerror(errno) : "ok",
	       now_ms() - t >= ms ? "its time" : "less than its time");
	fflush(stdout);
	for (;;)
		pause();
}

/* Blocks in read() of stdin; what comes in goes out. */
static void reader(const char *arg)
{
	char buf[256];

	ready(getpid());
	for (;;) {
		ssize_t n = read(0, buf, sizeof(buf));

		if (n == 0)
			return;
		if (n < 0)
			n = snprintf(buf, sizeof(buf), "read: %s\n", strerror(errno));
		if (write(1, buf, n) != n)
			return;
	}
}

/* ---- memory of one kind, for benchmarks and bounds -------------------------- */

static void dense(const char *arg)
{
	size_t bytes = size_arg(arg, 1ul << 30);

	fill(map(bytes, RW, ANON), bytes, 1);
	ready_and_wait();
}

/* Every second page. */
static void sparse(const char *arg)
{
	size_t bytes = size_arg(arg, 1ul << 30);
	unsigned char *p = map(bytes, RW, ANON | MAP_NORESERVE);

	madvise(p, bytes, MADV_NOHUGEPAGE);
	fill(p, bytes, 2);
	ready_and_wait();
}

/* One shared object, ARG bytes. */
static void shm(const char *arg)
{
	size_t bytes = size_arg(arg, 16ul << 20);

	fill(map(bytes, RW, MAP_SHARED | MAP_ANONYMOUS), bytes, 1);
	ready_and_wait();
}

/* ---- threads ---------------------------------------------------------------- */

static void *churner(void *arg)
{
	return arg;
}

static void *churn_loop(void *arg)
{
	for (;;) {
		pthread_t t;

		if (!pthread_create(&t, NULL, churner, NULL))
			pthread_join(t, NULL);
	}
	return arg;
}

/* Threads appear and end all the time. */
static void churn(const char *arg)
{
	pthread_t t;

	for (int i = 0; i < 3; i++)
		pthread_create(&t, NULL, churn_loop, NULL);
	ready_and_wait();
}

/* ARG threads, each with content on its stack and in memory of its own. */
static void *holder(void *arg)
{
	unsigned char st[8 * PAGE];

	fill(st, sizeof(st), 1);
	fill(map(32 * PAGE, RW, ANON), 32 * PAGE, 1);
	pthread_barrier_wait(arg);
	__asm__ volatile("" : : "r"(st) : "memory");
	return wait_for_ever(NULL);
}

static void threads(const char *arg)
{
	unsigned nr = size_arg(arg, 16);
	pthread_barrier_t b;
	pthread_t t;

	pthread_barrier_init(&b, NULL, nr + 1);
	for (unsigned i = 0; i < nr; i++)
		if (pthread_create(&t, NULL, holder, &b))
			fail(1, "pthread_create");
	pthread_barrier_wait(&b);
	ready_and_wait();
}

static const struct mode {
	const char *name;
	void (*run)(const char *arg);
	const char *what;
} modes[] = {
	{ "zombie", zombie, "a zombie (the pid printed is the child's)" },
	{ "zleader", zleader, "the leader has exited, a thread lives" },
	{ "selftrace", selftrace, "a child traced by its parent (the child's pid)" },
	{ "dstate", dstate, "uninterruptible: vfork parent" },
	{ "clonevm", clonevm, "memory shared with another process" },
	{ "sigtrap", sigtrap, "SIGTRAP blocked and pending" },
	{ "nodump", nodump, "PR_SET_DUMPABLE 0" },
	{ "stopped", stopped, "SIGSTOPped child (the child's pid)" },
	{ "secretmem", secretmem, "memfd_secret" },
	{ "uring", uring, "io_uring rings mapped" },
	{ "poison", poison, "one page that reads as a memory error" },
	{ "uffd", uffd, "memory registered with a userfaultfd" },
	{ "seal", seal, "mseal()ed without PROT_READ; ARG r: readable" },
	{ "aligned", aligned, "its stack pointer is at the start of a page" },
	{ "nofile", nofile, "ARG free descriptors" },
	{ "vmany", vmany, "ARG VMAs of one page" },
	{ "reserve", reserve, "PROT_NONE of ARG bytes, 16 pages of content in its middle" },
	{ "nanosleep", nanosleeper, "sleeps ARG ms once, says how it ended" },
	{ "poll", poller, "polls ARG ms once, says how it ended" },
	{ "reader", reader, "copies stdin to stdout" },
	{ "dense", dense, "ARG bytes, every page" },
	{ "sparse", sparse, "ARG bytes, every second page" },
	{ "shm", shm, "ARG bytes of shared anonymous memory" },
	{ "churn", churn, "threads appear and end all the time" },
	{ "threads", threads, "ARG threads with memory of their own" },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(argv[1], modes[i].name)) {
			modes[i].run(argc > 2 ? argv[2] : NULL);
			return 0;
		}
	fputs("usage: fx MODE [ARG]\n", stderr);
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		fprintf(stderr, "  %-10s %s\n", modes[i].name, modes[i].what);
	return 2;
}
