/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * family still|storm STATUS: a process with descendants, each with private memory of its own and a
 * counter in the file STATUS (one 64-bit word for each, the root's first), which grows only while
 * the memory is as it was written.
 *
 * still: a child, a grandchild, a stopped child, a zombie.
 * storm: besides a child and a grandchild, processes that are born and die all the time, at any
 *        depth, and orphans among them; word 4 counts them.
 * Prints READY PID.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ul
#define PAGES 64

static volatile uint64_t *word;
static uint64_t *memory; /* private: inherited, then each process has its own */
static uint64_t seed = 88172645463325252ull;

static uint64_t rnd(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static void rest(unsigned us)
{
	struct timespec ts = { .tv_nsec = us * 1000l };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

static pid_t child(void)
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("family: fork");
		_exit(2);
	}
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		seed ^= (uint64_t)getpid() << 20;
	}
	return pid;
}

/* A page contains its writer and a counter, so no other process can have written it. */
static void work(unsigned me)
{
	static uint64_t times[PAGES];
	size_t i = rnd(PAGES);
	uint64_t *p = memory + i * PAGE / 8;

	if (times[i] && (p[0] != times[i] || p[1] != me + 1000)) {
		fprintf(stderr, "family: DAMAGE in process %u, page %zu\n", me, i);
		for (;;) /* its counter stands still */
			pause();
	}
	p[0] = ++times[i];
	p[1] = me + 1000;
	word[me]++;
}

static void live(unsigned me)
{
	for (;;) {
		work(me);
		rest(200);
	}
}

/* Born, has children or not, dies. */
static void be_short(void)
{
	unsigned depth = 0;
	pid_t pid;

	do {
		word[4]++;
		memory[rnd(PAGES) * PAGE / 8] = rnd(UINT64_MAX);
		pid = depth++ < 3 && rnd(2) ? child() : -1;
	} while (pid == 0);
	if (pid > 0 && rnd(2))
		waitpid(pid, NULL, 0);
	rest(rnd(3000));
	_exit(0);
}

static void storm(void)
{
	/* Orphans come to us. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (;;) {
		if (!child())
			be_short();
		work(0);
		rest(rnd(800));
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

int main(int argc, char **argv)
{
	int fd = argc == 3 ? open(argv[2], O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;

	if (fd < 0 || ftruncate(fd, PAGE)) {
		fprintf(stderr, "usage: family still|storm STATUS\n");
		return 2;
	}
	word = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	if (word == MAP_FAILED || memory == MAP_FAILED) {
		perror("family");
		return 2;
	}
	for (size_t i = 0; i < PAGES * PAGE / 8; i++)
		memory[i] = i;
	if (!child()) {
		if (!child())
			live(2);
		live(1);
	}
	if (!strcmp(argv[1], "still")) {
		pid_t stopped = child();

		if (!stopped) {
			raise(SIGSTOP);
			live(3);
		}
		waitpid(stopped, NULL, WUNTRACED);
		if (!child())
			_exit(0);
	}
	while (!word[1] || !word[2])
		rest(100);
	printf("READY %d\n", getpid());
	fflush(stdout);
	if (!strcmp(argv[1], "still"))
		live(0);
	storm();
}
