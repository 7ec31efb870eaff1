/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Processes with known contents, which measure how long they were not run. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/bench/bench.h"

#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define TICK_NS 1000000

const char *const load_names[NR_LOADS] = { "dense", "sparse", "vmas" };

static void futex_wait(uint32_t *word, uint32_t while_value)
{
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == while_value)
		syscall(SYS_futex, word, FUTEX_WAIT, while_value, NULL, NULL, 0);
}

static void futex_set(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

bool load_has_page(const struct load *l, uint64_t i)
{
	switch (l->kind) {
	case LOAD_SPARSE:
		return i % 2 == 0;
	case LOAD_VMAS:
		return i % 3 != 2; /* two pages and a gap */
	default:
		return true;
	}
}

static void fill(const struct load *l)
{
	for (uint64_t i = 0; i < l->span; i++) {
		uint64_t vaddr = l->base + i * PAGE, *word = (uint64_t *)vaddr;

		if (!load_has_page(l, i))
			continue;
		for (size_t k = 0; k < PAGE / 8; k++)
			word[k] = load_word(vaddr, k);
	}
}

static int cut_into_vmas(const struct load *l)
{
	for (uint64_t i = 2; i < l->span; i += 3)
		if (munmap((void *)(l->base + i * PAGE), PAGE))
			return -1;
	return 0;
}

/* Until it is told to stop, the target wakes up every tick and notes when it was late. */
static void watch_clock(struct target_ctl *c)
{
	const struct timespec tick = { .tv_nsec = TICK_NS };
	uint64_t last = now_us();

	while (__atomic_load_n(&c->watch, __ATOMIC_ACQUIRE)) {
		nanosleep(&tick, NULL);
		uint64_t now = now_us();

		if (now - last > c->gap_us)
			c->gap_us = now - last;
		last = now;
		__atomic_add_fetch(&c->ticks, 1, __ATOMIC_RELEASE);
	}
}

static noreturn void target_main(const struct load *l)
{
	int null = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	close_range(3, ~0u, 0);

	/* Pages of 4096 bytes: the hard case, and the same on every machine. */
	madvise((void *)l->base, l->span * PAGE, MADV_NOHUGEPAGE);
	fill(l);
	if (l->kind == LOAD_VMAS && cut_into_vmas(l))
		_exit(1);
	futex_set(&l->ctl->ready, 1);
	for (;;) {
		futex_wait(&l->ctl->watch, 0);
		watch_clock(l->ctl);
	}
}

static void describe(struct load *l, enum load_kind kind, uint64_t mib)
{
	uint64_t pages = mib << 8, vmas = 60000 * mib / 1024;

	l->kind = kind;
	l->name = load_names[kind];
	switch (kind) {
	case LOAD_DENSE:
		l->span = l->nr_pages = pages;
		snprintf(l->what, sizeof(l->what), "%llu MiB, every page", (unsigned long long)mib);
		break;
	case LOAD_SPARSE:
		l->span = pages;
		l->nr_pages = pages / 2;
		snprintf(l->what, sizeof(l->what), "%llu MiB, every second page",
			 (unsigned long long)mib);
		break;
	case LOAD_VMAS:
		l->span = vmas * 3;
		l->nr_pages = vmas * 2;
		snprintf(l->what, sizeof(l->what), "%llu VMAs of 2 pages",
			 (unsigned long long)vmas);
		break;
	}
}

struct err *load_start(struct load *l, enum load_kind kind, uint64_t mib)
{
	describe(l, kind, mib);

	/* A page of nothing on either side keeps the region apart from what else is mapped. */
	char *map = mmap(NULL, (l->span + 2) * PAGE, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);

	l->ctl = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED || l->ctl == MAP_FAILED ||
	    mprotect(map + PAGE, l->span * PAGE, PROT_READ | PROT_WRITE))
		return err_sys(errno, "make room for target %s", l->name);
	l->base = (uintptr_t)map + PAGE;
	l->pid = fork();
	if (l->pid < 0)
		return err_sys(errno, "fork target %s", l->name);
	if (!l->pid)
		target_main(l);
	munmap(map, (l->span + 2) * PAGE);

	while (!__atomic_load_n(&l->ctl->ready, __ATOMIC_ACQUIRE)) {
		const struct timespec look_again = { .tv_nsec = 200000000 };
		int status;

		syscall(SYS_futex, &l->ctl->ready, FUTEX_WAIT, 0, &look_again, NULL, 0);
		if (waitpid(l->pid, &status, WNOHANG) == l->pid) {
			l->pid = 0;
			return err_hint(
				err_new(ERR_TARGET,
					"target %s ended while it filled its memory "
					"(status 0x%x)",
					l->name, status),
				"is there memory enough, and vm.max_map_count above 65000?");
		}
	}
	return NULL;
}

void load_stop(struct load *l)
{
	if (l->pid > 0) {
		kill(l->pid, SIGKILL);
		waitpid(l->pid, NULL, 0);
	}
}

static void wait_for_ticks(struct load *l, uint64_t more)
{
	const struct timespec tick = { .tv_nsec = TICK_NS };
	uint64_t until = __atomic_load_n(&l->ctl->ticks, __ATOMIC_ACQUIRE) + more;

	while (__atomic_load_n(&l->ctl->ticks, __ATOMIC_ACQUIRE) < until && !kill(l->pid, 0))
		nanosleep(&tick, NULL);
}

void load_watch(struct load *l)
{
	futex_set(&l->ctl->watch, 1);
	wait_for_ticks(l, 2);
	l->ctl->gap_us = 0;
}

uint64_t load_unwatch(struct load *l)
{
	wait_for_ticks(l, 2); /* so that the end of the gap is seen; it also proves that it runs */
	futex_set(&l->ctl->watch, 0);
	return l->ctl->gap_us;
}
