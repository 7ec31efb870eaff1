/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `burden STATUS KIND N`: a burden for a dumper, and a heartbeat that tells how long it stood still.
 *
 * KIND and N: dense MIB; sparse MIB (every second page of it); vmas N (mappings of two pages each);
 * memfd MIB (shared); tree N (children of 20 MiB each); threads N.  The leader has a heartbeat of a
 * millisecond, and keeps the longest gap in the file STATUS.
 */
#include <fcntl.h>
#include <pthread.h>
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
#define MIB (1ul << 20)
#define CHILD_BYTES (20 * MIB)

static struct status {
	uint64_t beats;
	uint64_t reset; /* the tester sets it: the gap begins anew */
	uint64_t gap_us;
} * status;

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void beat_for_ever(void)
{
	const struct timespec beat = { .tv_nsec = 1000000 };
	uint64_t last = now_us();

	for (;;) {
		nanosleep(&beat, NULL);

		uint64_t now = now_us();

		if (__atomic_exchange_n(&status->reset, 0, __ATOMIC_ACQ_REL))
			status->gap_us = 0;
		else if (now - last > status->gap_us)
			status->gap_us = now - last;
		last = now;
		__atomic_add_fetch(&status->beats, 1, __ATOMIC_RELEASE);
	}
}

/* Pages of 4096 bytes: the hard case, and the same on every machine. */
static void fill(char *area, uint64_t bytes, uint64_t step)
{
	madvise(area, bytes, MADV_NOHUGEPAGE);
	for (uint64_t at = 0; at < bytes; at += step)
		for (uint64_t i = 0; i < PAGE; i += sizeof(uint64_t))
			*(uint64_t *)(void *)(area + at + i) = (at + i) * 0x9e3779b97f4a7c15ull | 1;
}

static char *map(uint64_t bytes, int flags, int fd)
{
	char *area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (area == MAP_FAILED) {
		perror("burden: mmap");
		exit(1);
	}
	return area;
}

static void *sleeper(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

static int take_up(const char *kind, uint64_t n)
{
	const int anon = MAP_PRIVATE | MAP_ANONYMOUS;

	if (!strcmp(kind, "dense")) {
		fill(map(n * MIB, anon, -1), n * MIB, PAGE);
	} else if (!strcmp(kind, "sparse")) {
		fill(map(n * MIB, anon, -1), n * MIB, 2 * PAGE);
	} else if (!strcmp(kind, "vmas")) {
		char *area = map(n * 3 * PAGE, anon, -1);

		fill(area, n * 3 * PAGE, PAGE);
		for (uint64_t i = 0; i < n; i++)
			if (munmap(area + (i * 3 + 2) * PAGE, PAGE))
				return 1;
	} else if (!strcmp(kind, "memfd")) {
		int fd = memfd_create("burden", MFD_CLOEXEC);

		if (fd < 0 || ftruncate(fd, (off_t)(n * MIB)))
			return 1;
		fill(map(n * MIB, MAP_SHARED, fd), n * MIB, PAGE);
		close(fd);
	} else if (!strcmp(kind, "tree")) {
		pid_t us = getpid();

		for (uint64_t i = 0; i < n; i++) {
			pid_t pid = fork();

			if (pid < 0)
				return 1;
			if (pid)
				continue;
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != us)
				_exit(1);
			fill(map(CHILD_BYTES, anon, -1), CHILD_BYTES, PAGE);
			__atomic_add_fetch(&status->gap_us, 1, __ATOMIC_RELEASE);
			sleeper(NULL);
		}
		while (__atomic_load_n(&status->gap_us, __ATOMIC_ACQUIRE) < n)
			usleep(1000);
	} else if (!strcmp(kind, "threads")) {
		for (uint64_t i = 0; i < n; i++) {
			pthread_attr_t small;
			pthread_t t;

			pthread_attr_init(&small);
			pthread_attr_setstacksize(&small, 64 << 10);
			if (pthread_create(&t, &small, sleeper, NULL))
				return 1;
		}
	} else {
		return 2;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int fd = argc == 4 ? open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;

	if (fd < 0 || ftruncate(fd, PAGE)) {
		fputs("usage: burden STATUS dense|sparse|vmas|memfd|tree|threads N\n", stderr);
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	status = (void *)map(PAGE, MAP_SHARED, fd);
	close(fd);

	int failed = take_up(argv[2], strtoull(argv[3], NULL, 0));

	if (failed)
		return failed;
	beat_for_ever();
}
