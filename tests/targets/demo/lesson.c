/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `demo --lesson`: the memory that the lessons speak of.  It is small, it lies at the same addresses on
 * every machine, and but for eight pages it never changes, so that a handout can give numbers.
 * lessons/README.md has the table of it.
 */
#include "demo.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define RW (PROT_READ | PROT_WRITE)
#define BUSY_PAGES 8
#define ROUND_US 1000
#define ROUNDS_PER_CHECK 256

/* The program itself, its libraries and its stack have to lie still too. */
void lesson_fix_layout(char **argv)
{
	int now = personality(0xffffffff);

	if (now == -1 || now & ADDR_NO_RANDOMIZE)
		return;
	if (personality((unsigned long)now | ADDR_NO_RANDOMIZE) != -1)
		execv("/proc/self/exe", argv);
}

static void *lesson_map(uintptr_t at, size_t pages, int prot, int flags, int fd, size_t first)
{
	void *p = mmap((void *)at, pages * PAGE, prot, flags | MAP_FIXED_NOREPLACE, fd,
		       (off_t)(first * PAGE));

	if (p != (void *)at)
		die("the memory at %lx is taken: %s", (unsigned long)at, strerror(errno));
	madvise(p, pages * PAGE, MADV_NOHUGEPAGE); /* a huge page would make others present too */
	return p;
}

static struct region *lesson_anon(const char *name, uintptr_t at, size_t pages)
{
	void *p = lesson_map(at, pages, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	kind_yes(name);
	return region_add(name, p, pages * PAGE, RW);
}

static void lesson_file(uintptr_t at, size_t pages, size_t cow)
{
	int fd = open_file("private.map", false);

	fill_file(fd, nr_regions + 1, pages);

	struct region *r =
		region_add("file", lesson_map(at, pages, RW, MAP_PRIVATE, fd, 0), pages * PAGE, RW);

	close(fd);
	r->rule = rule_half_cow;
	r->w_end = cow;
	region_fill(r);
	kind_yes("file");
}

static enum rule rule_first_four(const struct region *r, size_t page)
{
	return page < 4 ? R_CONTENT : R_ABSENT;
}

static enum rule rule_first_two(const struct region *r, size_t page)
{
	return page < 2 ? R_CONTENT : R_ABSENT;
}

/* One anonymous object of 16 pages, mapped twice: all of it, and its second half. */
static void lesson_shared(uintptr_t at, uintptr_t at_half)
{
	unsigned char *p = lesson_map(at, 16, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct region *r = region_add("shared", p, 16 * PAGE, RW);

	r->shared = true;
	r->rule = rule_first_four;
	region_fill(r);
	kind_yes("shared");

	/* A shared mapping of length 0 is not moved: it gets a second one. */
	if (mremap(p + 8 * PAGE, 0, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)at_half) !=
	    (void *)at_half)
		die("mremap: %s", strerror(errno));
	r = region_add("shared-half", (void *)at_half, 8 * PAGE, RW);
	r->shared = true;
	r->rule = rule_first_two;
	region_fill(r);
	kind_yes("shared-half");
}

static struct region *busy;

void lesson_setup(void)
{
	struct region *r;

	/* Four neighbours within 2 MiB, which one window of the pagemap cache covers. */
	region_fill(lesson_anon("plain", 0x10000000, 16));
	r = lesson_anon("zeros", 0x10020000, 16);
	r->rule = rule_zeros;
	region_fill(r);
	r = lesson_anon("prot-none", 0x10040000, 8);
	region_fill(r);
	protect(r, PROT_NONE);
	lesson_file(0x10060000, 16, 6);

	lesson_shared(0x20000000, 0x20100000);
	region_fill(busy = lesson_anon("busy", 0x30000000, 64));
	region_fill(lesson_anon("dense", 0x40000000, 2200));
	r = lesson_anon("sparse", 0x50000000, 128);
	r->every = 4;
	region_fill(r);
	for (unsigned i = 0; i < nr_regions;
	     i++) /* what is read by a check is present from now on */
		region_verify(&regions[i]);
	prctl(PR_SET_NAME, "demo"); /* it was started again through /proc/self/exe */
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
}

void lesson_round(void)
{
	static unsigned round;
	struct timespec ts = { .tv_nsec = ROUND_US * 1000l };

	for (unsigned i = 0; i < BUSY_PAGES; i++)
		region_write_page(busy, i);
	for (unsigned i = 0; round % ROUNDS_PER_CHECK == 0 && i < nr_regions; i++)
		region_verify(&regions[i]);
	round++;
	nanosleep(&ts, NULL);
}
