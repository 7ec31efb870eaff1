/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `run_child DENSE SPARSE MEMFD SHARED FILED`: a process with known memory that waits, for
 * tests/lib/session_rig.h.  Numbers are pages: DENSE all written, SPARSE every second one, MEMFD a
 * shared memfd with every third one, SHARED shared anonymous memory, FILED all written in a private
 * mapping of a memfd.  It says where on standard output, as a struct run_child.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run_child.h"

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define MUST(x)                                                                                    \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			perror(#x);                                                                \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static char *map(size_t pages, int flags, int fd)
{
	/* a page without rights keeps mappings apart */
	char *p = mmap(NULL, (pages + 2) * PAGE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	MUST(p != MAP_FAILED);
	MUST(mmap(p + PAGE, pages * PAGE, RW, flags | MAP_FIXED, fd, 0) == p + PAGE);
	MUST(!madvise(p + PAGE, pages * PAGE, MADV_NOHUGEPAGE));
	return p + PAGE;
}

static void write_pages(char *p, size_t nr, size_t every)
{
	for (size_t i = 0; i < nr; i += every)
		for (size_t k = 0; k < PAGE; k += 64) {
			uint64_t *at = (uint64_t *)(p + i * PAGE + k);

			*at = (uint64_t)at * 0x9e3779b97f4a7c15ull;
		}
}

/* The kernel writes the CPU's number into a thread's rseq area whenever the thread has moved, also
 * while it runs a parasite: two dumps of one frozen process would differ there. */
static void without_rseq(void)
{
	MUST(!__rseq_size || !syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset,
				      32, 1, RSEQ_SIG));
}

int main(int argc, char **argv)
{
	const int anon = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	struct run_child at = { .fd = -1 };
	size_t nr[5];
	volatile char sink;

	if (argc != 6) {
		fprintf(stderr, "usage: run_child DENSE SPARSE MEMFD SHARED FILED\n");
		return 2;
	}
	for (int i = 0; i < 5; i++)
		nr[i] = strtoul(argv[i + 1], NULL, 10);
	without_rseq();
	at.dense = map(nr[0] + 1, anon, -1);
	at.sparse = map(nr[1] + 1, anon, -1);
	at.zero = map(ZERO_PAGES, anon, -1);
	at.locked = map(LOCKED_PAGES, anon, -1);
	write_pages(at.dense, nr[0], 1);
	write_pages(at.sparse, nr[1], 2);
	for (unsigned i = 0; i < ZERO_PAGES; i++)
		sink = at.zero[i * PAGE];
	(void)sink;
	write_pages(at.locked, LOCKED_PAGES, 1);
	MUST(!mprotect(at.locked, LOCKED_PAGES * PAGE, PROT_NONE));
	if (nr[4]) {
		at.fd = memfd_create("filed", MFD_CLOEXEC);
		MUST(at.fd >= 0 && !ftruncate(at.fd, (off_t)(nr[4] * PAGE)));
		at.filed = map(nr[4], MAP_PRIVATE, at.fd);
		write_pages(at.filed, nr[4], 1);
	}
	if (nr[2]) {
		int fd = memfd_create("run_child", MFD_CLOEXEC);

		MUST(fd >= 0 && !ftruncate(fd, (off_t)(nr[2] * PAGE)));
		write_pages(map(nr[2], MAP_SHARED, fd), nr[2], 3);
	}
	if (nr[3])
		write_pages(map(nr[3], MAP_SHARED | MAP_ANONYMOUS, -1), nr[3], 1);
	MUST(write(STDOUT_FILENO, &at, sizeof(at)) == sizeof(at));
	for (;;)
		pause();
}
