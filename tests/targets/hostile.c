/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `hostile MODE`: programs that are hard on whoever attaches to them.
 *   call NAME   one system call that waits 1500 ms; prints "NAME ok" or what it failed with
 *   storm       three signals every 100 us, and more from a child
 *   name        a command name and a mapped memfd that would drive a terminal
 *   hugetlb     a shared memfd of huge pages, which cannot be spliced from
 *   sharer      another process in the same memory, which overwrites parasites
 *   exec        64 idle threads, and one that executes the program anew whenever it was frozen
 *   exec-storm  the same, at random moments within 10 ms
 */
#include <errno.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 1500

static void ready(void)
{
	printf("READY %d\n", getpid());
	fflush(stdout);
}

/* 0, or what the call failed with; its own way to tell that time is up counts as 0. */
static int do_call(const char *name)
{
	struct timespec ts = { WAIT_MS / 1000, WAIT_MS % 1000 * 1000000l };
	struct timeval tv = { WAIT_MS / 1000, WAIT_MS % 1000 * 1000l };
	struct epoll_event ev;
	struct io_event done;
	aio_context_t aio = 0;
	sigset_t set;
	char c;

	if (!strcmp(name, "epoll_wait"))
		return epoll_wait(epoll_create1(0), &ev, 1, WAIT_MS) < 0 ? errno : 0;
	if (!strcmp(name, "sigtimedwait")) {
		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		sigprocmask(SIG_BLOCK, &set, NULL);
		return sigtimedwait(&set, NULL, &ts) < 0 && errno != EAGAIN ? errno : 0;
	}
	if (!strcmp(name, "semtimedop")) {
		struct sembuf op = { 0, -1, 0 };
		int id = semget(IPC_PRIVATE, 1, 0600);
		int err = semtimedop(id, &op, 1, &ts) < 0 && errno != EAGAIN ? errno : 0;

		semctl(id, 0, IPC_RMID);
		return err;
	}
	if (!strcmp(name, "recv")) {
		int sv[2];

		socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
		setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		return recv(sv[0], &c, 1, 0) < 0 && errno != EAGAIN ? errno : 0;
	}
	if (!strcmp(name, "io_getevents")) {
		if (syscall(SYS_io_setup, 1, &aio))
			exit(77);
		return syscall(SYS_io_getevents, aio, 1, 1, &done, &ts) < 0 ? errno : 0;
	}
	exit(2);
}

static void call(const char *name)
{
	ready();
	int err = do_call(name);
	printf("%s %s\n", name, err ? strerror(err) : "ok");
}

static void on_signal(int sig)
{
}

static void storm(void)
{
	static const int sigs[] = { 34, 35, 36 };
	struct itimerspec often = { { 0, 100000 }, { 0, 100000 } };

	signal(SIGCHLD, on_signal);
	for (int i = 0; i < 3; i++) {
		struct sigevent se = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = sigs[i] };
		timer_t t;

		signal(sigs[i], on_signal);
		timer_create(CLOCK_MONOTONIC, &se, &t);
		timer_settime(t, 0, &often, NULL);
	}
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			kill(getppid(), SIGCHLD);
			usleep(50);
		}
	}
	ready();
	for (;;)
		getppid();
}

static void name(void)
{
	char *p;
	int fd = memfd_create("a\033]0;b\a\n\033[2Jc", 0);

	prctl(PR_SET_NAME, "\033[31mX\r\aY");
	if (ftruncate(fd, 4096))
		exit(77);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	*p = 1;
	ready();
	for (;;)
		pause();
}

static void hugetlb(void)
{
	size_t len = 2 << 20;
	int fd = memfd_create("huge", MFD_HUGETLB);
	char *p = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, (off_t)(2 * len)))
		p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		perror("hugetlb");
		exit(77);
	}
	memset(p, 7, len / 2);
	ready();
	for (;;)
		pause();
}

static int overwrite(void *arg)
{
	char line[512];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		FILE *f = fopen("/proc/self/maps", "r");

		while (f && fgets(line, sizeof(line), f)) {
			unsigned long start, end;

			if (!strstr(line, "CRIUMFD") || sscanf(line, "%lx-%lx", &start, &end) != 2)
				continue;
			if (!mprotect((void *)start, end - start, PROT_READ | PROT_WRITE))
				memset((void *)start, 0xcc, end - start);
		}
		if (f)
			fclose(f);
	}
	return 0;
}

static void sharer(void)
{
	size_t len = 1 << 20;
	char *stack = malloc(len);

	if (clone(overwrite, stack + len, CLONE_VM | CLONE_FS | CLONE_FILES | SIGCHLD, NULL) < 0)
		exit(77);
	ready();
	for (;;)
		pause();
}

#define EXEC_THREADS 64
#define FROZEN_NS 20000000

static long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void *idle(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

/* A gap in time means a freeze (or a busy machine, which does no harm). */
static void *exec_after_freeze(void *arg)
{
	for (long long last = now_ns(), now; (now = now_ns()) - last < FROZEN_NS; last = now)
		usleep(100);
	execl("/proc/self/exe", "hostile", "exec", "again", NULL);
	_exit(1);
}

static void *exec_at_random(void *arg)
{
	usleep(now_ns() / 100 % 10000);
	execl("/proc/self/exe", "hostile", "exec-storm", "again", NULL);
	_exit(1);
}

static void exec_anew(void *(*who)(void *), int again)
{
	pthread_t t;

	for (int i = 0; i < EXEC_THREADS; i++)
		if (pthread_create(&t, NULL, idle, NULL))
			exit(77);
	if (!again)
		ready(); /* before there is a thread that may execute the program anew */
	/* The last thread: it is let go of first. */
	if (pthread_create(&t, NULL, who, NULL))
		exit(77);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "call"))
		call(argv[2]);
	else if (argc == 2 && !strcmp(argv[1], "storm"))
		storm();
	else if (argc == 2 && !strcmp(argv[1], "name"))
		name();
	else if (argc == 2 && !strcmp(argv[1], "hugetlb"))
		hugetlb();
	else if (argc == 2 && !strcmp(argv[1], "sharer"))
		sharer();
	else if (argc >= 2 && !strcmp(argv[1], "exec"))
		exec_anew(exec_after_freeze, argc == 3);
	else if (argc >= 2 && !strcmp(argv[1], "exec-storm"))
		exec_anew(exec_at_random, argc == 3);
	else
		return 2;
	return 0;
}
