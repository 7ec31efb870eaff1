/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `layout SEED [NR [DIR]]`: a process with NR small mappings of random kinds, sizes, protections and
 * page states, close together or apart.  The same seed makes the same layout.  Half of the mapped
 * files are deleted; all of them if no directory is given for the others.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define MAX_PAGES 96

static uint64_t state;

static uint64_t rnd(uint64_t below)
{
	state += 0x9e3779b97f4a7c15ull;

	uint64_t x = state;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return (x ^ x >> 31) % below;
}

static void write_page(unsigned char *p)
{
	for (size_t i = 0; i < PAGE; i += 8)
		*(uint64_t *)(p + i) = rnd(UINT64_MAX);
}

/* A file of random content, or a memfd with holes. */
static int content(const char *dir, size_t pages, int is_memfd)
{
	static unsigned serial;
	char path[512];
	unsigned char buf[PAGE];
	int fd;

	if (is_memfd) {
		fd = memfd_create("layout", MFD_CLOEXEC);
	} else {
		snprintf(path, sizeof(path), "%s/layout.%d.%u", dir ? dir : "/tmp", getpid(),
			 serial++);
		fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (rnd(2) || !dir)
			unlink(path);
	}
	if (fd < 0 || ftruncate(fd, pages * PAGE)) {
		perror("layout: file");
		exit(1);
	}
	for (size_t i = 0; i < pages; i++) {
		write_page(buf);
		if (rnd(3) && pwrite(fd, buf, PAGE, i * PAGE) != (ssize_t)PAGE)
			exit(1);
	}
	return fd;
}

static void touch(unsigned char *p, size_t pages, int prot)
{
	static const int final[] = { RW,        RW,         RW,        PROT_READ,
				     PROT_NONE, PROT_WRITE, PROT_EXEC, PROT_READ | PROT_EXEC };
	unsigned density = rnd(5);

	for (size_t i = 0; i < pages; i++) {
		if (rnd(4) >= density)
			continue;
		switch (rnd(6)) {
		case 0:
			(void)*(volatile unsigned char *)(p + i * PAGE);
			break;
		case 1:
			memset(p + i * PAGE, 0, PAGE);
			break;
		default:
			write_page(p + i * PAGE);
		}
	}
	if (!rnd(4))
		madvise(p + rnd(pages) * PAGE, PAGE, MADV_DONTNEED);
	if (!rnd(6)) {
		/* Guard pages, where the kernel has them. */
		madvise(p + rnd(pages) * PAGE, PAGE, 102);
	}
	if (!rnd(8))
		madvise(p, pages * PAGE, rnd(2) ? MADV_DONTFORK : MADV_DONTDUMP);
	if (!rnd(8))
		madvise(p, pages * PAGE, rnd(2) ? MADV_SEQUENTIAL : MADV_RANDOM);
	mprotect(p, pages * PAGE, final[rnd(sizeof(final) / sizeof(*final))]);
	/* Part of it otherwise, so that one mapping becomes two or three VMAs. */
	if (!rnd(3))
		mprotect(p + rnd(pages) * PAGE, PAGE, final[rnd(sizeof(final) / sizeof(*final))]);
}

int main(int argc, char **argv)
{
	unsigned nr = argc > 2 ? atoi(argv[2]) : 120;
	const char *dir = argc > 3 ? argv[3] : NULL;
	unsigned char *at = (unsigned char *)0x100000000ul;

	if (argc < 2) {
		fputs("usage: layout SEED [NR [DIR]]\n", stderr);
		return 2;
	}
	state = strtoull(argv[1], NULL, 0);
	printf("seed %s\n", argv[1]);
	for (unsigned i = 0; i < nr; i++) {
		size_t pages = 1 + (rnd(4) ? rnd(8) : rnd(MAX_PAGES));
		int flags = MAP_FIXED_NOREPLACE, fd = -1;
		unsigned kind = rnd(10);

		/* Next to the last one, a little apart (pmc gaps), or far away. */
		if (rnd(2))
			at += rnd(200) * PAGE;
		else if (!rnd(8))
			at += rnd(64) << 20;
		if (kind < 6) {
			flags |= MAP_PRIVATE | MAP_ANONYMOUS | (rnd(4) ? 0 : MAP_NORESERVE);
		} else if (kind == 6) {
			flags |= MAP_SHARED | MAP_ANONYMOUS;
		} else {
			fd = content(dir, pages, kind == 7);
			flags |= rnd(3) ? MAP_PRIVATE : MAP_SHARED;
		}
		if (mmap(at, pages * PAGE, RW, flags, fd, 0) != at) {
			perror("layout: mmap");
			return 1;
		}
		if (fd >= 0)
			close(fd);
		touch(at, pages, RW);
		at += pages * PAGE;
	}
	printf("READY %d\n", getpid());
	fflush(stdout);
	for (;;)
		pause();
}
