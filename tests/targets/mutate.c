/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mutate SEED THREADS STATUS [nounread] [large] [vanish]: changes its memory all the time and in every way: stores,
 * reads from files, process_vm_writev, mmap, munmap, mremap, mprotect, madvise, fork, brk, stack.
 * Each thread has slots of mappings of its own; mappings of different threads touch and merge.  All
 * write to a pool of pages that stays.
 * nounread: no mapping is ever without PROT_READ; large: 64 MiB more, which stay as they are;
 * vanish: pages of these are given back and written again, and mapped anew, by the first thread.
 *
 * STATUS is a file of 64-bit counters, one per thread, that grow as it works.  Prints READY PID.
 */
#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ul
#define SLOTS 20
#define MAX_PAGES 96
#define MAX_THREADS 8
#define POOL_PAGES 600
#define SHORE_PAGES 24
#define LURE_PAGES 8
#define LARGE (64ul << 20)
#define RW (PROT_READ | PROT_WRITE)

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#define GUARD_INSTALL 102
#define GUARD_REMOVE 103

struct slot {
	unsigned char *p; /* NULL: empty */
	size_t pages;
	int prot;
	int of_file; /* a private mapping of the program's file */
};

struct actor {
	uint64_t x;
	unsigned nr;
	struct slot s[SLOTS];
	unsigned char *brk_base;
};

static struct actor actors[MAX_THREADS];
static volatile uint64_t *counters;
static unsigned char *pool, *large, *shore;
static int vanish;
static int random_fd, exe_fd, mem_fd, may_be_unreadable = 1;

static uint64_t rnd(struct actor *a, uint64_t below)
{
	a->x += 0x9e3779b97f4a7c15ull;

	uint64_t x = a->x;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return (x ^ x >> 31) % below;
}

static unsigned char *page_of(struct actor *a, const struct slot *s)
{
	return s->p + rnd(a, s->pages) * PAGE;
}

/* One page becomes another, in one of the ways in which memory is written. */
static void write_page(struct actor *a, unsigned char *p)
{
	uint64_t text[8];
	struct iovec from = { text, sizeof(text) }, to = { p + rnd(a, 63) * 64, sizeof(text) };

	for (size_t i = 0; i < 8; i++)
		text[i] = rnd(a, UINT64_MAX);
	switch (rnd(a, 6)) {
	case 0:
		for (size_t i = 0; i < PAGE; i += 8)
			*(uint64_t *)(p + i) = rnd(a, UINT64_MAX);
		break;
	case 1:
		memset(p, 0, PAGE);
		break;
	case 2:
		if (read(random_fd, p + rnd(a, PAGE - 64), 64) < 0)
			_exit(3);
		break;
	case 3:
		process_vm_writev(getpid(), &from, 1, &to, 1, 0);
		break;
	case 4:
		if (pwrite(mem_fd, text, sizeof(text), (off_t)(uintptr_t)to.iov_base) < 0)
			_exit(3);
		break;
	default:
		p[rnd(a, PAGE)] ^= 1 + rnd(a, 255);
	}
}

static void fill(struct actor *a, struct slot *s)
{
	unsigned density = rnd(a, 4);

	for (size_t i = 0; i < s->pages; i++)
		if (rnd(a, 3) < density)
			write_page(a, s->p + i * PAGE);
}

static void make(struct actor *a, struct slot *s, unsigned char *where, int flags)
{
	s->of_file = rnd(a, 6) == 0;
	s->pages = 1 + rnd(a, s->of_file ? 2 : MAX_PAGES);
	s->prot = RW;
	s->p = mmap(where, s->pages * PAGE, RW,
		    MAP_PRIVATE | flags | (s->of_file ? 0 : MAP_ANONYMOUS),
		    s->of_file ? exe_fd : -1, 0);
	if (s->p == MAP_FAILED)
		s->p = NULL;
	else
		fill(a, s);
}

static void drop(struct slot *s)
{
	munmap(s->p, s->pages * PAGE);
	s->p = NULL;
}

/* A place directly behind another mapping, if it is free. */
static unsigned char *beside(struct actor *a)
{
	const struct slot *s = &a->s[rnd(a, SLOTS)];

	return s->p ? s->p + s->pages * PAGE : NULL;
}

static void move(struct actor *a, struct slot *s)
{
	size_t pages = 1 + rnd(a, MAX_PAGES);
	unsigned char *to = beside(a), *p;

	if (s->of_file)
		return;
	if (to && rnd(a, 2)) {
		if (mmap(to, pages * PAGE, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != to)
			return;
		p = mremap(s->p, s->pages * PAGE, pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
		if (p == MAP_FAILED)
			munmap(to, pages * PAGE);
	} else {
		p = mremap(s->p, s->pages * PAGE, pages * PAGE, MREMAP_MAYMOVE);
	}
	if (p == MAP_FAILED)
		return; /* EFAULT: the slot has become several VMAs */
	s->p = p;
	s->pages = pages;
}

static void protect(struct actor *a, struct slot *s)
{
	static const int prots[] = { PROT_READ, PROT_READ | PROT_EXEC, PROT_NONE, PROT_WRITE };

	s->prot = s->prot != RW ? RW : prots[rnd(a, may_be_unreadable ? 4 : 2)];
	if (mprotect(s->p, s->pages * PAGE, s->prot)) {
		if (s->prot == RW)
			drop(s); /* it cannot be split any more */
		else
			s->prot = RW;
	}
}

static void advise(struct actor *a, struct slot *s)
{
	static const int what[] = { MADV_DONTNEED, MADV_FREE,       MADV_POPULATE_WRITE,
				    MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTNEED };
	unsigned char *p = page_of(a, s);
	size_t len = (1 + rnd(a, 8)) * PAGE, left = s->p + s->pages * PAGE - p;

	madvise(p, len < left ? len : left, what[rnd(a, 6)]);
	if (rnd(a, 2))
		write_page(a, p);
}

static void guard(struct actor *a, struct slot *s)
{
	unsigned char *p = page_of(a, s);

	if (s->of_file || madvise(p, PAGE, GUARD_INSTALL))
		return;
	if (madvise(p, PAGE, GUARD_REMOVE))
		_exit(3);
	if (rnd(a, 2))
		write_page(a, p);
}

static void fork_it(struct actor *a, struct slot *s)
{
	pid_t pid = fork();

	if (!pid) {
		write_page(a, page_of(a, s));
		_exit(0);
	}
	if (pid < 0)
		return;
	write_page(a, page_of(a, s));
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	write_page(a, page_of(a, s));
}

static void move_brk(struct actor *a)
{
	unsigned char *end = a->brk_base + rnd(a, 64) * PAGE;

	if (!a->brk_base || brk(end))
		return;
	for (unsigned char *p = a->brk_base; p < end; p += PAGE)
		if (!rnd(a, 3))
			write_page(a, p);
}

/*
 * Moves a mapping without pages directly behind one with pages, and both become one VMA.  Some
 * kernels then forget that it was registered with a userfaultfd, and leave marks in it that make
 * pages look clean.
 */
static void trap(struct actor *a)
{
	static unsigned char *lure;
	static unsigned age;
	unsigned char *end = shore + SHORE_PAGES * PAGE;

	for (unsigned n = rnd(a, 12); n--;)
		write_page(a, shore + rnd(a, SHORE_PAGES) * PAGE);
	if (age && --age)
		return; /* as it is, for a while */
	if (!lure) {
		if (mmap(end, LURE_PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			 -1, 0) != end)
			_exit(3);
		/* Neighbours would merge with it. */
		lure = mmap(NULL, 3 * LURE_PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);
		if (lure == MAP_FAILED)
			_exit(3);
		lure += LURE_PAGES * PAGE;
		if (mprotect(lure, LURE_PAGES * PAGE, RW))
			_exit(3);
		age = 1 + rnd(a, 8);
	} else {
		if (mremap(lure, LURE_PAGES * PAGE, LURE_PAGES * PAGE,
			   MREMAP_MAYMOVE | MREMAP_FIXED, end) != end)
			_exit(3);
		/* Not the memory between them, which may belong to another thread by now. */
		munmap(lure - LURE_PAGES * PAGE, LURE_PAGES * PAGE);
		munmap(lure + LURE_PAGES * PAGE, LURE_PAGES * PAGE);
		lure = NULL;
		age = 1 + rnd(a, 60);
	}
}

static __attribute__((noinline)) void grow_stack(struct actor *a, unsigned depth)
{
	unsigned char room[PAGE * 2];
	unsigned char *p = (unsigned char *)(((uintptr_t)room + PAGE - 1) & -PAGE);

	p[rnd(a, PAGE)] = rnd(a, 256);
	__asm__ volatile("" : : "r"(room) : "memory");
	if (depth)
		grow_stack(a, depth - 1);
}

static void act(struct actor *a)
{
	struct slot *s = &a->s[rnd(a, SLOTS)];

	if (!s->p) {
		make(a, s, rnd(a, 2) ? beside(a) : NULL, rnd(a, 2) ? MAP_FIXED_NOREPLACE : 0);
		return;
	}
	if (s->prot != RW) {
		if (rnd(a, 4) == 0)
			protect(a, s);
		return;
	}
	switch (rnd(a, 19)) {
	case 0:
		drop(s);
		break;
	case 1: {
		unsigned char *p = s->p;

		drop(s);
		make(a, s, p, MAP_FIXED_NOREPLACE);
		break;
	}
	case 2:
	case 3:
		move(a, s);
		break;
	case 4:
		protect(a, s);
		break;
	case 5:
	case 6:
		advise(a, s);
		break;
	case 7:
		guard(a, s);
		break;
	case 8:
		if (rnd(a, 4) == 0)
			fork_it(a, s);
		break;
	case 9:
		if (a->nr == 0)
			move_brk(a);
		break;
	case 13:
	case 14:
		if (a->nr == 0)
			trap(a);
		break;
	case 10:
		grow_stack(a, rnd(a, a->nr ? 4 : 40));
		break;
	case 11:
		(void)*(volatile unsigned char *)page_of(a, s);
		break;
	case 12:
		write_page(a, pool + rnd(a, POOL_PAGES) * PAGE);
		break;
	default:
		for (unsigned n = rnd(a, 6); n--;)
			write_page(a, page_of(a, s));
	}
}

/* Unmaps stretches of the large mapping, and maps some of them again. */
static void vanish_some(struct actor *a)
{
	unsigned char *p = large + rnd(a, LARGE / 2 / PAGE) * PAGE;
	size_t pages = 1 + rnd(a, 32);

	if (rnd(a, 2))
		madvise(p, pages * PAGE, MADV_DONTNEED);
	else if (mmap(p, pages * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != p)
		_exit(3);
	for (size_t i = 0; i < pages; i++)
		if (rnd(a, 2))
			write_page(a, p + i * PAGE);
}

static void *run(void *arg)
{
	struct actor *a = arg;
	const struct timespec rest = { .tv_nsec = 200000 };

	for (;;) {
		if (vanish && !a->nr)
			vanish_some(a);
		else
			act(a);
		counters[a->nr]++;
		if (!rnd(a, 8))
			nanosleep(&rest, NULL);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned nr = argc > 3 ? (unsigned)atoi(argv[2]) : 0;
	int fd = argc > 3 ? open(argv[3], O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;

	if (!nr || nr > MAX_THREADS || fd < 0 || ftruncate(fd, PAGE)) {
		fprintf(stderr, "usage: mutate SEED THREADS STATUS [nounread] [large] [vanish]\n");
		return 2;
	}
	for (int i = 4; i < argc; i++) {
		if (!strcmp(argv[i], "nounread"))
			may_be_unreadable = 0;
		if (!strcmp(argv[i], "vanish"))
			vanish = 1;
		if (strcmp(argv[i], "large"))
			continue;
		large = mmap(NULL, LARGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (size_t at = 0; large != MAP_FAILED && at < LARGE; at += PAGE)
			*(uint64_t *)(large + at) = at + 1;
	}
	counters = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
	random_fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	exe_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	mem_fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	if (counters == MAP_FAILED || random_fd < 0 || exe_fd < 0 || mem_fd < 0) {
		perror("mutate");
		return 2;
	}
	/* Between neighbours with other rights, so that nothing merges with it by accident. */
	shore = mmap(NULL, 3 * SHORE_PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (shore == MAP_FAILED || mprotect(shore += SHORE_PAGES * PAGE, SHORE_PAGES * PAGE, RW))
		return 2;
	pool = mmap(NULL, POOL_PAGES * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (pool == MAP_FAILED || read(random_fd, pool, POOL_PAGES * PAGE) < 0)
		return 2;
	printf("READY %d\n", getpid());
	fflush(stdout);
	for (unsigned i = 0; i < nr; i++) {
		actors[i].nr = i;
		actors[i].x = strtoull(argv[1], NULL, 0) * MAX_THREADS + i;
	}
	for (unsigned i = 1; i < nr; i++) {
		pthread_t t;

		if (pthread_create(&t, NULL, run, &actors[i]))
			return 2;
	}
	/* From here on nothing calls malloc(): the program break is ours. */
	actors[0].brk_base = (unsigned char *)(((uintptr_t)sbrk(0) + PAGE - 1) & -PAGE);
	run(&actors[0]);
}
