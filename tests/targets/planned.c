/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `planned MODE N...`: memory whose content, sharing or rate of writes is known.  Prints "AT START PAGES" for
 * the mapping and "READY PID", then waits; or, of a tree, "READY PID" of the parent.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ul

static unsigned long number(char **argv, int i)
{
	if (!argv[i]) {
		printf("a number is missing\n");
		exit(2);
	}
	return strtoul(argv[i], NULL, 0);
}

static unsigned char *map(unsigned long pages)
{
	unsigned char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(1);
	madvise(p, pages * PAGE, MADV_NOHUGEPAGE);
	printf("AT %lx %lu\n", (unsigned long)p, pages);
	return p;
}

static void fill(unsigned char *page, uint64_t what)
{
	for (size_t k = 0; k < PAGE; k += 8)
		*(uint64_t *)(page + k) = what * 0x9e3779b97f4a7c15ull + k + 1;
}

static void ready_and_wait(void)
{
	printf("READY %d\n", getpid());
	fflush(stdout);
	for (;;)
		pause();
}

/* ZERO pages that were written with zeros, EQUAL pages with one content, DISTINCT ones, COLD ones that were
 * only read. */
static void content(char **argv)
{
	unsigned long zero = number(argv, 2), equal = number(argv, 3), distinct = number(argv, 4),
		      cold = number(argv, 5), at = 0;
	unsigned char *p = map(zero + equal + distinct + cold);
	volatile unsigned char sum = 0;

	for (unsigned long i = 0; i < zero; i++)
		((volatile unsigned char *)p)[at++ * PAGE] = 0;
	for (unsigned long i = 0; i < equal; i++)
		fill(p + at++ * PAGE, 1);
	for (unsigned long i = 0; i < distinct; i++)
		fill(p + at++ * PAGE, i + 2);
	for (unsigned long i = 0; i < cold; i++)
		sum += p[at++ * PAGE];
	(void)sum;
	ready_and_wait();
}

/* PAGES are written, then two children are made; the first writes OWN of them again. */
static void family(char **argv)
{
	unsigned long pages = number(argv, 2), own = number(argv, 3);
	unsigned char *p = map(pages);
	int done[2];
	char byte;

	for (unsigned long i = 0; i < pages; i++)
		fill(p + i * PAGE, i + 2);
	fflush(stdout);
	if (pipe(done))
		exit(1);
	for (int child = 0; child < 2; child++) {
		if (fork())
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (unsigned long i = 0; child == 0 && i < own; i++)
			fill(p + i * PAGE, pages + i + 2);
		if (write(done[1], "", 1) != 1)
			exit(1);
		for (;;)
			pause();
	}
	for (int i = 0; i < 2; i++)
		if (read(done[0], &byte, 1) != 1)
			exit(1);
	ready_and_wait();
}

/* Of PAGES, HOT are written over and over, in turn. */
static void writer(char **argv)
{
	unsigned long pages = number(argv, 2), hot = number(argv, 3);
	unsigned char *p = map(pages);

	for (unsigned long i = 0; i < pages; i++)
		fill(p + i * PAGE, i + 2);
	printf("READY %d\n", getpid());
	fflush(stdout);
	for (uint64_t n = 0;; n++) {
		for (unsigned long i = 0; i < hot; i++)
			*(volatile uint64_t *)(p + i * PAGE) = n;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
}

static void map_shared(const char *path, unsigned long pages, int gone)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	unsigned char *p;

	if (fd < 0 || ftruncate(fd, (off_t)(pages * PAGE)))
		exit(1);
	p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		exit(1);
	for (unsigned long i = 0; i < pages; i++)
		fill(p + i * PAGE, i + 2);
	close(fd);
	if (gone)
		unlink(path);
}

/* Shared mappings of the files DISK and TMPFS, and of one beside DISK that is deleted; N pages each. */
static void files(char **argv)
{
	char path[4096];

	if (!argv[2] || !argv[3])
		exit(2);
	snprintf(path, sizeof(path), "%s.deleted", argv[2]);
	map_shared(argv[2], number(argv, 4), 0);
	map_shared(argv[3], number(argv, 5), 0);
	map_shared(path, number(argv, 6), 1);
	ready_and_wait();
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (!strcmp(mode, "content"))
		content(argv);
	else if (!strcmp(mode, "family"))
		family(argv);
	else if (!strcmp(mode, "writer"))
		writer(argv);
	else if (!strcmp(mode, "files"))
		files(argv);
	printf("planned files DISK TMPFS N N N | content ZERO EQUAL DISTINCT COLD | family PAGES OWN | writer PAGES HOT\n");
	return 2;
}
