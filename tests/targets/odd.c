/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `odd MODE`: states of a program that a dumper does not expect.  Each mode counts what it gets done
 * in a shared word, the file STATUS, and ends with status 3 if something of its own was disturbed.
 *   exec STATUS          executes itself anew every millisecond
 *   exec-thread STATUS   the same, by a thread that is not the leader
 *   step STATUS          runs with the trap flag, and handles a SIGTRAP for each instruction
 *   grow STATUS BYTES    writes that much memory, over and over, and checks it
 *   huge STATUS N        N private huge pages from the pool, written and checked
 *   amx STATUS           keeps values in the tile registers of the leader, and checks them
 *   probed STATUS        calls a function of its own, on which a probe can be put; prints where it is
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ul
#define EXEC_US 1000
#define HUGE_BYTES (2ul << 20)

static volatile uint64_t *count;

static void open_status(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, PAGE))
		exit(2);
	count = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (count == MAP_FAILED)
		exit(2);
	close(fd);
}

static void ready(void)
{
	printf("READY %d\n", getpid());
	fflush(stdout);
}

static void nap(long us)
{
	struct timespec ts = { 0, us * 1000 };

	/* No signal comes, so nothing may end it early. */
	if (nanosleep(&ts, NULL))
		exit(3);
}

static char **args;

static void exec_anew(void)
{
	nap(EXEC_US);
	++*count;
	execl("/proc/self/exe", "odd", args[1], args[2], "again", NULL);
	exit(3);
}

static void *exec_thread(void *arg)
{
	exec_anew();
	return NULL;
}

static void start_exec_thread(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, exec_thread, NULL))
		exit(77);
	for (;;)
		pause();
}

static volatile sig_atomic_t traps;

static void on_trap(int sig)
{
	traps++;
}

static void set_trap_flag(int on)
{
#ifdef __x86_64__
	if (on)
		__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
	else
		__asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
#else
	exit(77);
#endif
}

/* A sum whose value is known, one trap for each instruction, with calls that sleep among them. */
static void step(void)
{
	signal(SIGTRAP, on_trap);
	ready();
	for (;;) {
		volatile uint64_t sum = 0;
		struct timespec ts = { 0, 1000 };
		sig_atomic_t before = traps;

		set_trap_flag(1);
		for (uint64_t i = 1; i <= 100; i++)
			sum += i;
		/* A handler may interrupt it: the trap that follows the call. */
		nanosleep(&ts, NULL);
		for (uint64_t i = 1; i <= 100; i++)
			sum += i;
		set_trap_flag(0);
		if (sum != 10100)
			exit(3);
		/* At least three instructions in each turn of the loops. */
		if (traps - before < 600)
			exit(4);
		traps = 0;
		++*count;
	}
}

static void check_bytes(uint8_t *p, size_t bytes, size_t unit)
{
	for (uint8_t turn = 1;; turn = turn % 250 + 1) {
		for (size_t at = 0; at < bytes; at += unit)
			p[at] = (uint8_t)(turn + at / unit);
		for (size_t at = 0; at < bytes; at += unit)
			if (p[at] != (uint8_t)(turn + at / unit))
				exit(3);
		++*count;
		nap(1000);
	}
}

static void grow(size_t bytes)
{
	uint8_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(77);
	memset(p, 0, bytes);
	ready();
	check_bytes(p, bytes, PAGE);
}

static void huge(size_t nr)
{
	uint8_t *p = mmap(NULL, nr * HUGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (p == MAP_FAILED) {
		printf("no huge pages: %s\n", strerror(errno));
		exit(77);
	}
	memset(p, 1, nr * HUGE_BYTES);
	ready();
	check_bytes(p, nr * HUGE_BYTES, PAGE);
}

#ifdef __x86_64__
#define ARCH_REQ_XCOMP_PERM 0x1023
#define XFEATURE_XTILEDATA 18
#define TILE_ROWS 16
#define TILE_ROW_BYTES 64

/* The argument of ldtilecfg, palette 1. */
struct tile_config {
	uint8_t palette, start_row, reserved[14];
	uint16_t row_bytes[16];
	uint8_t rows[16];
};

/* The kernel saves tiles only for who has asked for it. */
__attribute__((target("amx-tile"))) static void amx(void)
{
	static uint8_t in[TILE_ROWS * TILE_ROW_BYTES], out[sizeof(in)];
	struct tile_config c = { .palette = 1 };

	if (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)) {
		printf("no AMX: %s\n", strerror(errno));
		exit(77);
	}
	for (int i = 0; i < 8; i++) {
		c.row_bytes[i] = TILE_ROW_BYTES;
		c.rows[i] = TILE_ROWS;
	}
	__asm__ volatile("ldtilecfg %0" ::"m"(c));
	ready();
	for (uint8_t turn = 1;; turn++) {
		for (size_t i = 0; i < sizeof(in); i++)
			in[i] = (uint8_t)(turn + i * 7);
		__asm__ volatile(
			"tileloadd (%0,%1,1), %%tmm0\n\ttileloadd (%0,%1,1), %%tmm7" ::"r"(in),
			"r"((long)TILE_ROW_BYTES)
			: "memory");
		nap(1000);
		memset(out, 0, sizeof(out));
		if (turn & 1)
			__asm__ volatile("tilestored %%tmm0, (%0,%1,1)" ::"r"(out),
					 "r"((long)TILE_ROW_BYTES)
					 : "memory");
		else
			__asm__ volatile("tilestored %%tmm7, (%0,%1,1)" ::"r"(out),
					 "r"((long)TILE_ROW_BYTES)
					 : "memory");
		if (memcmp(in, out, sizeof(in)))
			exit(3);
		++*count;
	}
}
#else
static void amx(void)
{
	exit(77);
}
#endif

__attribute__((noinline, noclone)) uint64_t odd_probed(uint64_t n)
{
	__asm__ volatile("" ::: "memory");
	return n * 3 + 1;
}

static void probed(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long at = (unsigned long)odd_probed, start, end, off;
	char line[512];

	/* Where it is in the file, which is what a uprobe is put on. */
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %*s %lx", &start, &end, &off) == 3 && start <= at &&
		    at < end)
			printf("OFFSET %lu ADDRESS %lu\n", at - start + off, at);
	if (f)
		fclose(f);
	ready();
	for (uint64_t i = 0;; i++) {
		if (odd_probed(i) != i * 3 + 1)
			exit(3);
		++*count;
		nap(100);
	}
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	args = argv;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	open_status(argv[2]);
	if (!strncmp(argv[1], "exec", 4)) {
		if (argc == 3)
			ready();
		if (!strcmp(argv[1], "exec"))
			exec_anew();
		start_exec_thread();
	}
	if (!strcmp(argv[1], "step"))
		step();
	if (!strcmp(argv[1], "grow") && argc == 4)
		grow(strtoull(argv[3], NULL, 0));
	if (!strcmp(argv[1], "huge") && argc == 4)
		huge(strtoull(argv[3], NULL, 0));
	if (!strcmp(argv[1], "amx"))
		amx();
	if (!strcmp(argv[1], "probed"))
		probed();
	return 2;
}
