/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a process has besides memory, and a dump must not disturb: registers, sleeping system
 * calls, timers, signal masks, pending signals, descriptors.
 */
#include "demo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define TIMER_US 20000
#define MAX_THREADS 64
#define MAX_FDS 256

static volatile uint64_t spins, ticks, sleeps, polls;
static bool have_timer;

uint64_t life_spins(void)
{
	return spins;
}
uint64_t life_ticks(void)
{
	return ticks;
}
uint64_t life_sleeps(void)
{
	return sleeps;
}
uint64_t life_polls(void)
{
	return polls;
}

/* A dump by CRIU itself ends calls that the kernel restarts from its own notes: its log says "Will
 * restore PID with interrupted system call".  A dump by stepdump never does. */
static bool by_criu(long e)
{
	return opt.for_criu && e == EINTR;
}

/* ---- registers ----------------------------------------------------------- */

#ifdef __x86_64__
struct vectors {
	uint64_t q[16][4];
};

/*
 * Fills ymm0-15 (or xmm0-15) and the callee-saved registers, stays a while in user space,
 * then 2 ms in nanosleep: at whatever moment the thread is stopped, its registers are live.
 */
#define VEC_OP(op, n, off) op " " #off "(%[src]), %%ymm" #n "\n\t"
#define EACH16(X)                                                                                  \
	X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define LOAD_YMM(n) "vmovdqu " #n "*32(%[src]), %%ymm" #n "\n\t"
#define SAVE_YMM(n) "vmovdqu %%ymm" #n ", " #n "*32(%[dst])\n\t"
#define LOAD_XMM(n) "movdqu " #n "*32(%[src]), %%xmm" #n "\n\t"
#define SAVE_XMM(n) "movdqu %%xmm" #n ", " #n "*32(%[dst])\n\t"
#define SPIN_AND_SLEEP                                                                             \
	"mov $0x1122334455667788, %%r12\n\t mov $0x99aabbccddeeff00, %%r13\n\t"                    \
	"mov $0x0123456789abcdef, %%r14\n\t mov $0xfedcba9876543210, %%r15\n\t"                    \
	"fldpi\n\t"                                                                                \
	"mov $20000, %%ecx\n\t"                                                                    \
	"1: dec %%ecx\n\t jnz 1b\n\t"                                                              \
	"mov %[nr], %%eax\n\t mov %[ts], %%rdi\n\t xor %%esi, %%esi\n\t"                           \
	"syscall\n\t mov %%rax, %[ret]\n\t"                                                        \
	"fstpl %[pi]\n\t"                                                                          \
	"mov %%r12, 0(%[gpr])\n\t mov %%r13, 8(%[gpr])\n\t"                                        \
	"mov %%r14, 16(%[gpr])\n\t mov %%r15, 24(%[gpr])\n\t"
#define CLOBBERS                                                                                   \
	"rax", "rcx", "r11", "rdi", "rsi", "r12", "r13", "r14", "r15", "memory", "cc", "xmm0",     \
		"xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",   \
		"xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

static const struct timespec two_ms = { .tv_nsec = 2000000 };

static long spin_avx(const struct vectors *in, struct vectors *out, uint64_t *gpr, double *pi)
{
	long ret;

	__asm__ volatile(EACH16(LOAD_YMM) SPIN_AND_SLEEP EACH16(SAVE_YMM) "vzeroupper\n\t"
			 : [ret] "=m"(ret), [pi] "=m"(*pi)
			 : [src] "r"(in), [dst] "r"(out), [gpr] "r"(gpr), [ts] "r"(&two_ms),
			   [nr] "i"(SYS_nanosleep)
			 : CLOBBERS);
	return ret;
}

static long spin_sse(const struct vectors *in, struct vectors *out, uint64_t *gpr, double *pi)
{
	long ret;

	__asm__ volatile(EACH16(LOAD_XMM) SPIN_AND_SLEEP EACH16(SAVE_XMM)
			 : [ret] "=m"(ret), [pi] "=m"(*pi)
			 : [src] "r"(in), [dst] "r"(out), [gpr] "r"(gpr), [ts] "r"(&two_ms),
			   [nr] "i"(SYS_nanosleep)
			 : CLOBBERS);
	return ret;
}

static void *spinner(void *arg)
{
	bool avx = __builtin_cpu_supports("avx");
	struct vectors in, out;
	uint64_t gpr[4];
	double pi;

	for (uint64_t round = 0;; round++) {
		memset(&out, 0, sizeof(out));
		memset(&in, 0, sizeof(in));
		for (int i = 0; i < 16; i++)
			for (int k = 0; k < (avx ? 4 : 2); k++)
				in.q[i][k] = mix64(round * 64 + i * 4 + k);

		long ret = (avx ? spin_avx : spin_sse)(&in, &out, gpr, &pi);

		if (ret && !by_criu(-ret))
			damage("registers: nanosleep returned %ld", ret);
		if (memcmp(&in, &out, sizeof(in)))
			damage("registers: a vector register changed");
		if (gpr[0] != 0x1122334455667788 || gpr[1] != 0x99aabbccddeeff00 ||
		    gpr[2] != 0x0123456789abcdef || gpr[3] != 0xfedcba9876543210)
			damage("registers: r12-r15 changed");
		if (pi != 3.14159265358979323846)
			damage("registers: the x87 stack changed");
		spins++;
	}
	return arg;
}
#endif

/* ---- sleeping ------------------------------------------------------------ */

static void *long_sleeper(void *arg)
{
	struct timespec ts = { .tv_sec = 1000000 };

	for (;;)
		if (syscall(SYS_nanosleep, &ts, NULL) && errno == EINTR && !opt.for_criu)
			damage("a long nanosleep was interrupted (EINTR)");
	return arg;
}

static void *short_sleeper(void *arg)
{
	struct timespec ts = { .tv_nsec = 50000000 };

	for (;;) {
		uint64_t t = now_us();
		int e = clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);

		t = now_us() - t;
		if (e && !by_criu(e))
			damage("clock_nanosleep: %s", strerror(e));
		else if (!e && t < 50000)
			damage("clock_nanosleep of 50 ms took %" PRIu64 " us", t);
		sleeps++;
	}
	return arg;
}

static void *poller(void *arg)
{
	struct pollfd p = { .fd = *(int *)arg, .events = POLLIN };

	for (;;) {
		uint64_t t = now_us();
		int n = poll(&p, 1, 50);

		t = now_us() - t;
		if (n < 0 && by_criu(errno))
			continue;
		if (n)
			damage("poll returned %d (%s)", n,
			       n < 0 ? strerror(errno) : "nothing was sent");
		else if (t < 50000)
			damage("poll of 50 ms took %" PRIu64 " us", t);
		polls++;
	}
	return arg;
}

/* ---- signals and the timer ----------------------------------------------- */

static void on_tick(int sig)
{
	ticks++;
}

/* SIGRTMIN+3 stays pending for the process, SIGUSR2 for this thread: both blocked everywhere. */
static void pend(void)
{
	sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = 77 });
	syscall(SYS_tgkill, getpid(), getpid(), SIGUSR2);
}

static void timer_start(void)
{
	struct sigaction sa = { .sa_handler = on_tick, .sa_flags = SA_RESTART };
	struct itimerval it = { .it_interval.tv_usec = TIMER_US, .it_value.tv_usec = TIMER_US };

	sigaction(SIGALRM, &sa, NULL);
	have_timer = setitimer(ITIMER_REAL, &it, NULL) == 0;
}

/* Only time that we saw pass counts: while frozen, nobody ticks and nobody sees. */
static void timer_verify(void)
{
	static uint64_t last_ticks, last_us, silent_us;
	struct itimerval it;
	uint64_t now = now_us(), d = now - last_us;

	if (!have_timer)
		return;
	if (getitimer(ITIMER_REAL, &it) || it.it_interval.tv_usec != TIMER_US)
		damage("the interval timer is not as it was set");
	silent_us = ticks != last_ticks ? 0 : silent_us + (d < 100000 ? d : 100000);
	last_ticks = ticks;
	last_us = now;
	if (silent_us > 20000000)
		damage("the interval timer does not tick any more");
}

/* ---- what must stay as it is ---------------------------------------------- */

struct thread_state {
	pid_t tid;
	int fd;
	uint64_t pnd, blk;
};
static struct thread_state threads[MAX_THREADS];
static unsigned nr_threads;
static uint64_t shared_pnd, caught;
static char fds[MAX_FDS][256];
static DIR *fd_dir;

/* The timer's signal, and those that the leader waits for: sigwait() lifts their block. */
#define BIT(sig) (1ull << ((sig)-1))
#define COME_AND_GO (BIT(SIGALRM) | BIT(SIGTERM) | BIT(SIGINT) | BIT(SIGUSR1))

static uint64_t field(const char *text, const char *name)
{
	const char *p = strstr(text, name);

	return p ? strtoull(p + strlen(name), NULL, 16) : 0;
}

static bool read_thread(struct thread_state *t, uint64_t *shpnd, uint64_t *cgt)
{
	char buf[4096];
	ssize_t n = pread(t->fd, buf, sizeof(buf) - 1, 0);

	if (n <= 0)
		return false;
	buf[n] = 0;
	t->pnd = field(buf, "\nSigPnd:\t") & ~COME_AND_GO;
	t->blk = field(buf, "\nSigBlk:\t") & ~COME_AND_GO;
	*shpnd = field(buf, "\nShdPnd:\t") & ~COME_AND_GO;
	*cgt = field(buf, "\nSigCgt:\t");
	return true;
}

static void read_fds(char links[][256])
{
	struct dirent *d;

	rewinddir(fd_dir);
	while ((d = readdir(fd_dir))) {
		int fd = atoi(d->d_name);
		ssize_t n;

		if (d->d_name[0] == '.' || fd >= MAX_FDS)
			continue;
		n = readlinkat(dirfd(fd_dir), d->d_name, links[fd], 255);
		links[fd][n < 0 ? 0 : n] = 0;
	}
}

/* A thread that has just been made still blocks everything: wait until it has its own mask. */
static void wait_for_mask(struct thread_state *t)
{
	struct timespec ts = { .tv_nsec = 1000000 };
	sigset_t mine;
	uint64_t want;

	pthread_sigmask(SIG_BLOCK, NULL, &mine);
	memcpy(&want, &mine, sizeof(want));
	for (int i = 0; i < 10000; i++) {
		if (!read_thread(t, &shared_pnd, &caught))
			die("thread %d: %s", t->tid, strerror(errno));
		if (t->blk == (want & ~COME_AND_GO))
			return;
		nanosleep(&ts, NULL);
	}
	die("thread %d has an odd signal mask: %" PRIx64, t->tid, t->blk);
}

void life_record_state(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		struct thread_state *t = &threads[nr_threads];
		char path[64];

		if (e->d_name[0] == '.' || nr_threads == MAX_THREADS)
			continue;
		t->tid = atoi(e->d_name);
		/* CRIU opens files before it makes threads. */
		if (opt.for_criu && t->tid != getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%d/status", t->tid);
		t->fd = open(path, O_RDONLY | O_CLOEXEC);
		if (t->fd < 0)
			die("%s: %s", path, strerror(errno));
		wait_for_mask(t);
		nr_threads++;
	}
	if (d)
		closedir(d);
	fd_dir = opendir("/proc/self/fd");
	if (!fd_dir)
		die("/proc/self/fd: %s", strerror(errno));
	read_fds(fds);
}

static void fds_verify(void)
{
	static char now[MAX_FDS][256];

	memset(now, 0, sizeof(now));
	read_fds(now);
	for (int i = 0; i < MAX_FDS; i++)
		if (strcmp(now[i], fds[i]))
			damage("descriptor %d is '%s', was '%s'", i, now[i], fds[i]);
}

void life_verify(void)
{
	for (unsigned i = 0; i < nr_threads; i++) {
		struct thread_state t = threads[i];
		uint64_t shpnd, cgt;

		if (!read_thread(&t, &shpnd, &cgt)) {
			damage("thread %d is gone", t.tid);
			continue;
		}
		if (t.blk != threads[i].blk)
			damage("thread %d blocks %" PRIx64 ", blocked %" PRIx64, t.tid, t.blk,
			       threads[i].blk);
		if (t.pnd != threads[i].pnd)
			damage("thread %d has %" PRIx64 " pending, had %" PRIx64, t.tid, t.pnd,
			       threads[i].pnd);
		/* Anybody may stop a process: SIGSTOP is pending until some thread has taken it. */
		shpnd &= ~(1ull << (SIGSTOP - 1));
		if (shpnd != shared_pnd)
			damage("the process has %" PRIx64 " pending, had %" PRIx64, shpnd,
			       shared_pnd);
		if (cgt != caught)
			damage("handlers: %" PRIx64 ", were %" PRIx64, cgt, caught);
	}
	fds_verify();
	timer_verify();
}

void thread_start(const char *name, void *(*fn)(void *), void *arg)
{
	pthread_t t;
	int e = pthread_create(&t, NULL, fn, arg);

	if (e)
		die("pthread_create: %s", strerror(e));
	pthread_setname_np(t, name);
}

void life_start(void)
{
	static int event;

	event = eventfd(0, EFD_CLOEXEC);
	thread_start("long-sleep", long_sleeper, NULL);
	pend();
	if (opt.quiet) {
		kind_no("live-registers", "not with --quiet-memory");
		return;
	}
#ifdef __x86_64__
	thread_start("registers", spinner, NULL);
	kind_yes("live-registers");
#else
	kind_no("live-registers", "only on x86-64");
#endif
	thread_start("short-sleep", short_sleeper, NULL);
	thread_start("poll", poller, &event);
	timer_start();
}
