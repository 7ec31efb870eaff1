/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `heart STATUS BYTES`: knows how long it stood still, and whether an image of it is of one moment.
 *
 * One thread has a heartbeat of a millisecond, and keeps the longest gap in the file STATUS.  The
 * other goes through BYTES of memory again and again, without a pause, and writes a number to each
 * page, which is one higher in every turn.  So at any moment the numbers are n + 1 up to some page
 * and n from there on: pages of two moments show.
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
#define WORDS (PAGE / sizeof(uint64_t))

static struct status {
	uint64_t beats, turns;
	uint64_t reset; /* the tester sets it: gap and delay begin anew */
	uint64_t gap_us,
		delay_us; /* of the longest gap, the part in which it only waited for a CPU */
} * status;

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* How long this thread has waited for a CPU so far. */
static uint64_t delay_us(int schedstat)
{
	unsigned long long run, delay = 0;
	char text[100] = "";

	if (pread(schedstat, text, sizeof(text) - 1, 0) > 0)
		sscanf(text, "%llu %llu", &run, &delay);
	return delay / 1000;
}

static void *heartbeat(void *arg)
{
	const struct timespec beat = { .tv_nsec = 1000000 };
	int schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	uint64_t last = now_us(), last_delay = delay_us(schedstat);

	for (;;) {
		nanosleep(&beat, NULL);

		uint64_t delay = delay_us(schedstat), now = now_us();

		if (__atomic_exchange_n(&status->reset, 0, __ATOMIC_ACQ_REL))
			status->gap_us = status->delay_us = 0;
		if (now - last > status->gap_us) {
			status->gap_us = now - last;
			status->delay_us = delay - last_delay;
		}
		last = now;
		last_delay = delay;
		__atomic_add_fetch(&status->beats, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t bytes = argc == 3 ? strtoull(argv[2], NULL, 0) : 0;
	int fd = argc == 3 ? open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
	pthread_t t;

	if (fd < 0 || bytes < PAGE || ftruncate(fd, PAGE)) {
		fputs("usage: heart STATUS BYTES\n", stderr);
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	status = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	volatile uint64_t *area = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (status == MAP_FAILED || (void *)area == MAP_FAILED ||
	    pthread_create(&t, NULL, heartbeat, NULL))
		return 1;
	for (uint64_t turn = 1;; turn++) {
		for (uint64_t p = 0; p < bytes / PAGE; p++)
			area[p * WORDS] = area[p * WORDS + WORDS - 1] = turn;
		__atomic_store_n(&status->turns, turn, __ATOMIC_RELEASE);
		if (turn == 1) {
			printf("AREA %p\nREADY %d\n", (void *)area, getpid());
			fflush(stdout);
		}
	}
}
