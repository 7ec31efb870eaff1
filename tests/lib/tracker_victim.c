/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "tests/lib/tracker_victim.h"

#define VICTIM_ACTORS 3
#define ARENA_PAGES 512u
#define HUGE_LEN (2ul << 20)
#define RANGE_MAX 48u
#define BRK_PAGES 64
#define STACK_PAGES 96
#define SPARE_SLOTS 16u
#define SPARE_PAGES 8u

#ifndef MADV_PAGEOUT
#define MADV_COLD 20
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define MADV_GUARD_INSTALL_ 102
#define MADV_GUARD_REMOVE_ 103
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

enum page_is { GONE = 1, NONE = 2, RO = 4, RW = 8, GUARDED = 16 };

struct actor {
	uint64_t rng;
	uint8_t *arena, *huge, *pool, *spare;
	uint8_t is[ARENA_PAGES];
	int random_fd;
	bool is_main;
	uintptr_t brk_base;
};

static struct actor actors[VICTIM_ACTORS];
uint64_t victim_seed;

static uint64_t dice(struct actor *a, uint64_t below)
{
	a->rng ^= a->rng << 13;
	a->rng ^= a->rng >> 7;
	a->rng ^= a->rng << 17;
	return a->rng % below;
}

static uint8_t *page_at(struct actor *a, size_t i)
{
	return a->arena + i * 4096;
}

/* A random range of pages that are all in one of the states `mask`; false: bad luck. */
static bool pick(struct actor *a, unsigned mask, size_t *at, size_t *nr)
{
	size_t want = 1 + dice(a, RANGE_MAX);

	*at = dice(a, ARENA_PAGES);
	for (*nr = 0; *nr < want && *at + *nr < ARENA_PAGES && (a->is[*at + *nr] & mask);)
		++*nr;
	return *nr;
}

static void all_are(struct actor *a, size_t at, size_t nr, enum page_is is)
{
	memset(a->is + at, is, nr);
}

static void scribble(struct actor *a, uint8_t *page)
{
	switch (dice(a, 3)) {
	case 0:
		page[dice(a, 4096)] = (uint8_t)dice(a, 256);
		break;
	case 1:
		*(uint64_t *)(page + dice(a, 512) * 8) = a->rng;
		break;
	default:
		memset(page, (int)dice(a, 256), 4096);
	}
}

static void do_store(struct actor *a)
{
	size_t at, nr;

	if (pick(a, RW, &at, &nr))
		for (size_t i = 0; i < nr; i += 1 + dice(a, 8))
			scribble(a, page_at(a, at + i));
	scribble(a, a->pool + dice(a, VICTIM_POOL_PAGES) * 4096);
}

static void do_load(struct actor *a)
{
	size_t at, nr;

	if (pick(a, RW | RO, &at, &nr))
		for (size_t i = 0; i < nr; i++)
			(void)*(volatile uint8_t *)page_at(a, at + i);
}

/* The kernel writes, not the program. */
static void do_read(struct actor *a)
{
	size_t at, nr;

	if (!pick(a, RW, &at, &nr))
		return;
	uint8_t *to = page_at(a, at) + dice(a, 4096);
	size_t len = 1 + dice(a, nr * 4096 - (size_t)(to - page_at(a, at)));
	struct iovec iov[2] = { { to, len / 2 }, { to + len / 2, len - len / 2 } };

	switch (dice(a, 3)) {
	case 0:
		if (read(a->random_fd, to, len) < 0)
			_exit(101);
		break;
	case 1:
		if (readv(a->random_fd, iov, 2) < 0)
			_exit(102);
		break;
	default:
		if (getrandom(to, len < 256 ? len : 256, 0) < 0)
			_exit(103);
	}
}

static void do_map(struct actor *a)
{
	size_t at, nr;

	pick(a, ~0u, &at, &nr);
	if (dice(a, 2))
		munmap(page_at(a, at), nr * 4096);
	if (mmap(page_at(a, at), nr * 4096, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		_exit(104);
	all_are(a, at, nr, RW);
	if (dice(a, 2))
		scribble(a, page_at(a, at + dice(a, nr)));
}

static void do_unmap(struct actor *a)
{
	size_t at, nr;

	pick(a, ~0u, &at, &nr);
	munmap(page_at(a, at), nr * 4096);
	all_are(a, at, nr, GONE);
}

static void do_protect(struct actor *a)
{
	static const struct {
		int prot;
		enum page_is is;
	} to[] = { { PROT_NONE, NONE }, { PROT_READ, RO }, { PROT_READ | PROT_WRITE, RW } };
	size_t at, nr, k = dice(a, 4) < 2 ? 2 : dice(a, 2);

	if (!pick(a, NONE | RO | RW, &at, &nr))
		return;
	if (mprotect(page_at(a, at), nr * 4096, to[k].prot))
		_exit(105);
	all_are(a, at, nr, to[k].is);
}

static void do_advise(struct actor *a)
{
	static const int advice[] = { MADV_DONTNEED,       MADV_DONTNEED, MADV_FREE,
				      MADV_COLD,           MADV_PAGEOUT,  MADV_POPULATE_READ,
				      MADV_POPULATE_WRITE, MADV_DONTFORK, MADV_DOFORK };
	int what = advice[dice(a, sizeof(advice) / sizeof(advice[0]))];
	size_t at, nr;

	if (!pick(a, what == MADV_POPULATE_READ ? RW | RO : RW, &at, &nr))
		return;
	madvise(page_at(a, at), nr * 4096, what);
	at += dice(a, nr);
	if (a->is[at] == RW && dice(a, 2))
		scribble(a, page_at(a, at));
}

static void do_guard(struct actor *a)
{
	size_t at, nr;

	if (dice(a, 2)) {
		if (pick(a, RW, &at, &nr) &&
		    !madvise(page_at(a, at), nr * 4096, MADV_GUARD_INSTALL_))
			all_are(a, at, nr, GUARDED);
	} else if (pick(a, GUARDED, &at, &nr)) {
		if (madvise(page_at(a, at), nr * 4096, MADV_GUARD_REMOVE_))
			_exit(106);
		all_are(a, at, nr, RW);
	}
}

/* Moves to another place in the arena, often right next to other memory. */
static void do_move(struct actor *a)
{
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED | (dice(a, 6) ? 0 : MREMAP_DONTUNMAP);
	size_t at, nr;

	if (!pick(a, NONE | RO | RW, &at, &nr))
		return;
	size_t to = dice(a, ARENA_PAGES - nr + 1);
	if (to < at + nr && at < to + nr)
		return;
	if (mremap(page_at(a, at), nr * 4096, nr * 4096, flags, page_at(a, to)) == MAP_FAILED) {
		/* several VMAs: nobody knows how far it came */
		munmap(page_at(a, to), nr * 4096);
		munmap(page_at(a, at), nr * 4096);
		all_are(a, to, nr, GONE);
		all_are(a, at, nr, GONE);
		return;
	}
	memcpy(a->is + to, a->is + at, nr);
	if (!(flags & MREMAP_DONTUNMAP))
		all_are(a, at, nr, GONE);
	if (a->is[to] == RW && dice(a, 2))
		scribble(a, page_at(a, to));
}

/* Memory that was never touched is mapped right behind other memory: the kernel merges both into
 * one VMA.  Slots lie apart, so each of them is a VMA. */
static void do_transplant(struct actor *a)
{
	uint8_t *slot = a->spare + dice(a, SPARE_SLOTS) * 2 * SPARE_PAGES * 4096;
	const size_t len = SPARE_PAGES * 4096;
	size_t at, nr;

	if (!pick(a, RW, &at, &nr) || at + nr + SPARE_PAGES > ARENA_PAGES)
		return;
	if (mremap(slot, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, page_at(a, at + nr)) ==
	    MAP_FAILED)
		_exit(108);
	all_are(a, at + nr, SPARE_PAGES, RW);
	if (mmap(slot, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0) == MAP_FAILED)
		_exit(109);
	if (dice(a, 2))
		scribble(a, page_at(a, at));
}

static void do_resize(struct actor *a)
{
	size_t at, nr, room = 0;

	if (!pick(a, RW, &at, &nr))
		return;
	if (nr > 1 && dice(a, 2)) {
		size_t keep = 1 + dice(a, nr - 1);

		if (mremap(page_at(a, at), nr * 4096, keep * 4096, 0) != MAP_FAILED)
			all_are(a, at + keep, nr - keep, GONE);
		return;
	}
	while (room < RANGE_MAX && at + nr + room < ARENA_PAGES && a->is[at + nr + room] == GONE)
		room++;
	if (room && mremap(page_at(a, at), nr * 4096, (nr + room) * 4096, 0) != MAP_FAILED)
		all_are(a, at + nr, room, RW);
}

/* Not often: it write-protects everything, which hides what the tests look for. */
static void do_fork(struct actor *a)
{
	if (dice(a, 10))
		return;

	pid_t pid = fork();

	if (!pid) {
		for (int i = 0; i < 8; i++)
			scribble(a, a->pool + dice(a, VICTIM_POOL_PAGES) * 4096);
		_exit(0);
	}
	do_store(a); /* copies what is shared with the child */
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void do_huge(struct actor *a)
{
	static const int advice[] = { MADV_DONTNEED, MADV_COLLAPSE, MADV_HUGEPAGE,
				      MADV_NOHUGEPAGE };
	size_t off = dice(a, HUGE_LEN / 4096) * 4096, len = (1 + dice(a, 600)) * 4096;

	if (dice(a, 12)) {
		scribble(a, a->huge + off);
		return;
	}
	if (dice(a, 4) == 0) {
		off = 0;
		len = HUGE_LEN;
	}
	madvise(a->huge + off, len < HUGE_LEN - off ? len : HUGE_LEN - off, advice[dice(a, 4)]);
}

static void do_brk(struct actor *a)
{
	uintptr_t now = (uintptr_t)syscall(SYS_brk, 0);
	uintptr_t want = a->brk_base + dice(a, BRK_PAGES + 1) * 4096;

	if ((uintptr_t)syscall(SYS_brk, want) == want)
		now = want;
	for (uintptr_t p = a->brk_base; p < now; p += 4096 * (1 + dice(a, 16)))
		scribble(a, (uint8_t *)p);
}

__attribute__((noinline)) static uint8_t do_stack(struct actor *a, size_t depth)
{
	volatile uint8_t frame[4096];

	frame[dice(a, sizeof(frame))] = (uint8_t)a->rng;
	return depth ? (uint8_t)(do_stack(a, depth - 1) + frame[0]) : frame[1];
}

static void do_something(struct actor *a)
{
	unsigned n = (unsigned)dice(a, 200);

	if (n < 60)
		do_store(a);
	else if (n < 70)
		do_load(a);
	else if (n < 80)
		do_read(a);
	else if (n < 95)
		do_map(a);
	else if (n < 105)
		do_unmap(a);
	else if (n < 120)
		do_protect(a);
	else if (n < 135)
		do_advise(a);
	else if (n < 138)
		do_guard(a);
	else if (n < 150)
		do_move(a);
	else if (n < 160)
		do_transplant(a);
	else if (n < 170)
		do_resize(a);
	else if (n < 171)
		do_fork(a);
	else if (n < 185)
		do_huge(a);
	else if (!a->is_main)
		do_store(a);
	else if (n < 193)
		do_brk(a);
	else
		do_stack(a, dice(a, STACK_PAGES));
}

static void *run_actor(void *arg)
{
	/* nobody makes holes before the last thread has its stack */
	while (!the_shared->ready)
		poll(NULL, 0, 1);
	for (;;) {
		do_something(arg);
		if (!((struct actor *)arg)->is_main)
			poll(NULL, 0, 0); /* so that one CPU is enough for all threads */
		else
			the_shared->ticks++;
	}
	return NULL;
}

static uint8_t *victim_map(size_t len, int prot)
{
	uint8_t *p = mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		_exit(100);
	return p;
}

void run_victim(struct shared *sh)
{
	int random_fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	uint8_t *pool = victim_map(VICTIM_POOL_PAGES * 4096, PROT_READ | PROT_WRITE);

	signal(SIGSEGV, SIG_DFL);
	sh->address = (uintptr_t)pool;
	for (size_t i = 0; i < VICTIM_ACTORS; i++) {
		struct actor *a = &actors[i];
		uintptr_t huge = (uintptr_t)victim_map(HUGE_LEN * 2, PROT_READ | PROT_WRITE);

		*a = (struct actor){
			.rng = (victim_seed + i) * 0x9e3779b97f4a7c15ull | 1,
			.arena = victim_map(ARENA_PAGES * 4096, PROT_READ | PROT_WRITE),
			.huge = (uint8_t *)((huge + (2ul << 20) - 1) & ~((2ul << 20) - 1)),
			.spare = victim_map(2 * SPARE_SLOTS * SPARE_PAGES * 4096,
					    PROT_READ | PROT_WRITE),
			.pool = pool,
			.random_fd = random_fd,
			.is_main = i == 0,
		};
		all_are(a, 0, ARENA_PAGES, RW);
		for (size_t k = 0; k < SPARE_SLOTS; k++)
			munmap(a->spare + (2 * k + 1) * SPARE_PAGES * 4096, SPARE_PAGES * 4096);
		madvise(a->huge, HUGE_LEN, MADV_HUGEPAGE);
	}
	for (size_t i = 1; i < VICTIM_ACTORS; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, run_actor, &actors[i]))
			_exit(107);
	}
	/* from here on nobody uses malloc, whose heap lies below */
	actors[0].brk_base = ((uintptr_t)syscall(SYS_brk, 0) + 4095) & ~4095ul;
	sh->ready = 1;
	run_actor(&actors[0]);
}
