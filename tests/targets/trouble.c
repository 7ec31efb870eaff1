/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `trouble MODE`: states that `check` has to name, or must not complain of, beyond those that fx makes.
 * Prints "READY PID", then waits.  Status 77: this kernel lacks it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define PAGE 4096ul
#define MIB (1ul << 20)
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef IORING_SETUP_NO_MMAP
#define IORING_SETUP_NO_MMAP (1u << 14)
#define IORING_SETUP_REGISTERED_FD_ONLY (1u << 15)
#endif
#ifndef IORING_ENTER_REGISTERED_RING
#define IORING_ENTER_REGISTERED_RING (1u << 4)
#endif
#define FEATURE_WP_UNPOPULATED (1 << 13)
#define FEATURE_WP_ASYNC (1 << 15)

static void need(int ok, const char *what)
{
	if (ok)
		return;
	printf("%s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(77);
}

static void ready(pid_t pid)
{
	printf("READY %d\n", pid);
	fflush(stdout);
}

static void wait_here(void)
{
	ready(getpid());
	for (;;)
		pause();
}

static unsigned char *map(size_t bytes, int prot, int flags)
{
	unsigned char *p = mmap(NULL, bytes, prot, flags, -1, 0);

	need(p != MAP_FAILED, "mmap");
	return p;
}

static void limit(int what, rlim_t n)
{
	struct rlimit r = { n, n };

	need(!setrlimit(what, &r), "setrlimit");
}

static unsigned long vm_bytes(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	need(f && fscanf(f, "%lu", &pages) == 1, "statm");
	fclose(f);
	return pages * PAGE;
}

static void mapped_file(const char *path, size_t bytes, int flags, int keep)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	need(fd >= 0 && !ftruncate(fd, (off_t)bytes), path);
	unsigned char *p = mmap(NULL, bytes, RW, flags, fd, 0);

	need(p != MAP_FAILED, "mmap");
	for (size_t at = 0; at < (flags & MAP_POPULATE ? bytes : PAGE); at += PAGE)
		p[at] = 1;
	if (!keep)
		unlink(path);
	close(fd);
}

static void mode_ghost(const char *arg)
{
	mapped_file(arg, 2 * MIB, MAP_SHARED | MAP_POPULATE, 0);
	wait_here();
}

/* Longer than CRIU's limit, but it holds one page only. */
static void mode_sparse_ghost(const char *arg)
{
	mapped_file(arg, 2 * MIB, MAP_SHARED, 0);
	wait_here();
}

static void mode_small_ghost(const char *arg)
{
	mapped_file(arg, PAGE, MAP_SHARED, 0);
	wait_here();
}

static void mode_shm_file(const char *arg)
{
	mapped_file(arg, PAGE, MAP_SHARED, 1);
	wait_here();
}

static void mode_memfd_held(const char *arg)
{
	int fd = memfd_create("held", 0);

	need(fd >= 0 && write(fd, "data", 4) == 4, "memfd_create");
	wait_here();
}

static void mode_address_space(const char *arg)
{
	limit(RLIMIT_AS, vm_bytes() + 16 * 1024);
	wait_here();
}

static void mode_mlockall(const char *arg)
{
	/* Root has CAP_IPC_LOCK, for which the limit does not count. */
	need(!setgid(65534) && !setuid(65534), "setuid");
	map(MIB, RW, ANON);
	limit(RLIMIT_MEMLOCK, vm_bytes() + 16 * 1024);
	need(!mlockall(MCL_CURRENT | MCL_FUTURE), "mlockall");
	prctl(PR_SET_DUMPABLE, 1);
	wait_here();
}

static void mode_sysv(const char *arg)
{
	int id = shmget(IPC_PRIVATE, PAGE, 0600);
	char *p = id < 0 ? NULL : shmat(id, NULL, 0);

	need(id >= 0 && p != (void *)-1, "shmget");
	shmctl(id, IPC_RMID, NULL);
	*p = 1;
	wait_here();
}

static int uffd_on(unsigned char *p, size_t bytes, uint64_t features, uint64_t mode)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	struct uffdio_register reg = { .range = { (uintptr_t)p, bytes }, .mode = mode };

	need(fd >= 0 && !ioctl(fd, UFFDIO_API, &api) && !ioctl(fd, UFFDIO_REGISTER, &reg),
	     "userfaultfd");
	return fd;
}

/* The descriptor lives in a child: as a handler outside, with the memory still owed. */
static void mode_uffd_outside(const char *arg)
{
	unsigned char *p = map(64 * PAGE, RW, ANON);
	int fd = uffd_on(p, 64 * PAGE, 0, UFFDIO_REGISTER_MODE_MISSING);
	pid_t child = fork();

	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	close(fd);
	wait_here();
}

static void mode_uffd_wp(const char *arg)
{
	unsigned char *p = map(64 * PAGE, RW, ANON);
	int fd = uffd_on(p, 64 * PAGE, FEATURE_WP_UNPOPULATED | FEATURE_WP_ASYNC,
			 UFFDIO_REGISTER_MODE_WP);
	struct uffdio_writeprotect wp = { .range = { (uintptr_t)p, 64 * PAGE },
					  .mode = UFFDIO_WRITEPROTECT_MODE_WP };

	need(!ioctl(fd, UFFDIO_WRITEPROTECT, &wp), "UFFDIO_WRITEPROTECT");
	wait_here();
}

static void mode_perf(const char *arg)
{
	struct perf_event_attr a = { .type = PERF_TYPE_SOFTWARE,
				     .size = sizeof(a),
				     .config = PERF_COUNT_SW_CPU_CLOCK };
	int fd = syscall(SYS_perf_event_open, &a, 0, -1, -1, 0);

	need(fd >= 0 && mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0) != MAP_FAILED,
	     "perf_event_open");
	wait_here();
}

static void mode_aio(const char *arg)
{
	aio_context_t ctx = 0;

	need(!syscall(SYS_io_setup, 8, &ctx), "io_setup");
	wait_here();
}

/* As many mappings as arg allows. */
static void mode_maps(const char *arg)
{
	size_t max = strtoul(arg, NULL, 10);
	unsigned char *p = map((max + 16) * PAGE, PROT_NONE, ANON);

	for (size_t i = 0; i < max + 16; i += 2)
		if (mprotect(p + i * PAGE, PAGE, PROT_READ))
			wait_here();
	wait_here();
}

/*
 * Two functions for a probe of the kernel's (uprobe): on one that begins with a nop of 5 bytes it jumps to a
 * trampoline, on any other it puts a breakpoint.  Both are called again and again.
 */
#ifdef __x86_64__
__attribute__((naked, noinline, aligned(16))) static void probed_plain(void)
{
	__asm__ volatile("mov %rsp, %rax; ret");
}

__attribute__((naked, noinline, aligned(16))) static void probed_nop(void)
{
	__asm__ volatile(".byte 0x0f, 0x1f, 0x44, 0x00, 0x00; ret");
}

static void mode_probed(const char *arg)
{
	void (*fn)(void) = *arg ? probed_nop : probed_plain;
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long start, end, off;
	char line[512];

	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %*s %lx", &start, &end, &off) == 3 &&
		    (uintptr_t)fn >= start && (uintptr_t)fn < end)
			printf("offset 0x%lx\n", (uintptr_t)fn - start + off);
	ready(getpid());
	for (;;) {
		fn();
		usleep(2000);
	}
}
#endif

/* ---- what dumps well --------------------------------------------------------------------------- */

static void mode_seccomp(const char *arg)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog prog = { 1, &allow };

	need(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
		     !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog),
	     "seccomp");
	wait_here();
}

static void mode_guard(const char *arg)
{
	unsigned char *p = map(16 * PAGE, RW, ANON);

	memset(p, 1, 16 * PAGE);
	need(!madvise(p + 4 * PAGE, 2 * PAGE, MADV_GUARD_INSTALL), "MADV_GUARD_INSTALL");
	wait_here();
}

static void mode_droppable(const char *arg)
{
	unsigned char *p = mmap(NULL, 16 * PAGE, RW, MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);

	need(p != MAP_FAILED, "MAP_DROPPABLE");
	memset(p, 1, 16 * PAGE);
	wait_here();
}

static void mode_no_access(const char *arg)
{
	unsigned char *p = map(16 * PAGE, RW, ANON);

	memset(p, 1, 16 * PAGE);
	mprotect(p, 8 * PAGE, PROT_NONE);
	mprotect(p + 8 * PAGE, 4 * PAGE, PROT_EXEC);
	map(1ul << 40, PROT_NONE, ANON | MAP_NORESERVE);
	wait_here();
}

static void mode_descriptors(const char *arg)
{
	sigset_t none;
	int pipes[2];

	sigemptyset(&none);
	need(eventfd(0, 0) >= 0 && epoll_create1(0) >= 0 &&
		     timerfd_create(CLOCK_MONOTONIC, 0) >= 0 && signalfd(-1, &none, 0) >= 0 &&
		     !pipe(pipes) && open("/dev/null", O_RDWR) >= 0,
	     "descriptors");
	wait_here();
}

/* An io_uring in memory of our own, without a descriptor; somebody waits for it all the time. */
static void mode_uring_hidden(const char *arg)
{
	struct io_uring_params p = { .flags = IORING_SETUP_NO_MMAP |
					      IORING_SETUP_REGISTERED_FD_ONLY };
	char *mem = mmap(NULL, 2 * PAGE, RW, ANON, -1, 0);
	long ring;

	need(mem != MAP_FAILED, "mmap");
	memset(mem, 0, 2 * PAGE);
	/* user_addr, the last member of both; headers before Linux 6.5 have no name for it. */
	((uint64_t *)(&p.sq_off + 1))[-1] = (uint64_t)mem;
	((uint64_t *)(&p.cq_off + 1))[-1] = (uint64_t)mem + PAGE;
	ring = syscall(SYS_io_uring_setup, 8, &p);
	need(ring >= 0, "io_uring_setup without mmap");
	ready(getpid());
	for (;;)
		syscall(SYS_io_uring_enter, ring, 0, 1,
			IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING, NULL, 0);
}

#ifdef __x86_64__
static struct {
	unsigned long start, end;
} code[64];
static unsigned nr_code;

static inline __attribute__((always_inline)) void unmap(unsigned long start, unsigned long end)
{
	long ret = SYS_munmap;

	__asm__ volatile("syscall"
			 : "+a"(ret)
			 : "D"(start), "S"(end - start)
			 : "rcx", "r11", "memory");
}

/* All code goes, our own last: this process dies of it, the one that it shares its memory with sleeps. */
static __attribute__((noinline, noreturn)) void unmap_code(void)
{
	for (unsigned i = 0; i < nr_code; i++)
		unmap(code[i].start, code[i].end);
	__builtin_trap();
}

static void read_code(pid_t pid)
{
	unsigned long here = (unsigned long)unmap_code, start, end;
	char path[64], line[512], perms[5];
	unsigned own = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	FILE *f = fopen(path, "re");

	nr_code = 0;
	while (f && fgets(line, sizeof(line), f) && nr_code < 64) {
		if (sscanf(line, "%lx-%lx %4s", &start, &end, perms) != 3 || perms[2] != 'x' ||
		    start >> 47)
			continue;
		if (here >= start && here < end)
			own = nr_code;
		code[nr_code].start = start;
		code[nr_code++].end = end;
	}
	if (f)
		fclose(f);
	if (nr_code) {
		unsigned long s = code[own].start, e = code[own].end;

		code[own] = code[nr_code - 1];
		code[nr_code - 1].start = s;
		code[nr_code - 1].end = e;
	}
}

static int unmapper(void *victim)
{
	pid_t pid = *(pid_t *)victim;
	char path[64], call[32] = "";

	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	while (strncmp(call, "34 ", 3)) { /* pause() */
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd < 0 || read(fd, call, sizeof(call)) <= 0)
			_exit(1);
		close(fd);
	}
	read_code(pid);
	unmap_code();
}

/* A process that sleeps, and has no code to wake up to. */
static void mode_no_code(const char *arg)
{
	pid_t victim = fork();

	if (!victim) {
		static char stack[65536];
		pid_t self = getpid();

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		need(clone(unmapper, stack + sizeof(stack), CLONE_VM | SIGCHLD, &self) > 0,
		     "clone");
		for (;;)
			syscall(SYS_pause);
	}
	do { /* read_code() counts what is left */
		need(!kill(victim, 0), "the process without code");
		read_code(victim);
	} while (nr_code);
	ready(victim);
	for (;;)
		pause();
}
#endif

static void mode_protection_key(const char *arg)
{
	char *p = mmap(NULL, 4 * PAGE, RW, ANON, -1, 0);
	int key = pkey_alloc(0, *arg ? PKEY_DISABLE_ACCESS : 0);

	need(key >= 0, "pkey_alloc");
	/* Written before the key is on it. */
	need(p != MAP_FAILED && memset(p, 7, 4 * PAGE) && !pkey_mprotect(p, 4 * PAGE, RW, key),
	     "pkey_mprotect");
	wait_here();
}

static const struct {
	const char *name;
	void (*run)(const char *arg);
} modes[] = {
	{ "ghost", mode_ghost },
	{ "sparse-ghost", mode_sparse_ghost },
	{ "small-ghost", mode_small_ghost },
	{ "shm-file", mode_shm_file },
	{ "memfd-held", mode_memfd_held },
	{ "address-space", mode_address_space },
	{ "mlockall", mode_mlockall },
	{ "sysv", mode_sysv },
	{ "uffd-outside", mode_uffd_outside },
	{ "uffd-wp", mode_uffd_wp },
	{ "perf", mode_perf },
	{ "aio", mode_aio },
	{ "maps", mode_maps },
#ifdef __x86_64__
	{ "probed", mode_probed },
#endif
#ifdef __x86_64__
	{ "no-code", mode_no_code },
#endif
	{ "uring-hidden", mode_uring_hidden },
	{ "protection-key", mode_protection_key },
	{ "seccomp", mode_seccomp },
	{ "guard", mode_guard },
	{ "droppable", mode_droppable },
	{ "no-access", mode_no_access },
	{ "descriptors", mode_descriptors },
};

int main(int argc, char **argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(argv[1], modes[i].name))
			modes[i].run(argc > 2 ? argv[2] : "");
	fprintf(stderr, "usage: trouble MODE [ARG]\n");
	return 2;
}
