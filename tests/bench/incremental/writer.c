/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The target: executes the orders that it gets as messages, and answers when it is done. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/incremental/incremental.h"

#define PATIENCE_MS 60000
#define TICK_MS 1

enum order { PASS, TOUCH, WATCH, UNWATCH };

struct message {
	enum order order;
	uint64_t value; /* order: generation; answer: microseconds */
};

static void write_page(const struct writer *w, uint64_t i, uint64_t generation)
{
	uint64_t *word = (uint64_t *)(w->base + i * PAGE), first = page_word(i, generation, 0);

	for (unsigned k = 0; k < PAGE / 8; k++)
		word[k] = first + k;
}

static void write_pages(const struct writer *w, uint64_t generation, bool all)
{
	for (uint64_t i = 0; i < w->nr_pages; i++)
		if (all || page_is_dirty(i, generation))
			write_page(w, i, generation);
}

/* From `last`, which is before anybody could freeze us, until the next order comes. */
static uint64_t watch_clock(int sock, uint64_t last)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	uint64_t gap = 0;

	while (poll(&p, 1, TICK_MS) <= 0) {
		uint64_t now = now_us();

		if (now - last > gap)
			gap = now - last;
		last = now;
	}
	return now_us() - last > gap ? now_us() - last : gap;
}

static noreturn void target_main(struct writer *w, int sock)
{
	int null = open("/dev/null", O_RDWR);
	struct message m;
	uint64_t gap = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	dup2(sock, 3);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	close_range(4, ~0u, 0);

	/* Pages of 4096 bytes: the hard case, and the same on every machine. */
	char *map = mmap(NULL, w->nr_pages * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED || madvise(map, w->nr_pages * PAGE, MADV_NOHUGEPAGE))
		_exit(1);
	w->base = (uintptr_t)map;
	write_pages(w, 0, true);
	m.value = w->base;
	while (send(3, &m, sizeof(m), MSG_NOSIGNAL) == sizeof(m) &&
	       recv(3, &m, sizeof(m), 0) == sizeof(m)) {
		uint64_t t0 = now_us();

		switch (m.order) {
		case PASS:
		case TOUCH:
			write_pages(w, m.value, m.order == PASS);
			m.value = now_us() - t0;
			break;
		case WATCH:
			if (send(3, &m, sizeof(m), MSG_NOSIGNAL) != sizeof(m))
				_exit(1);
			gap = watch_clock(3, t0);
			if (recv(3, &m, sizeof(m), 0) != sizeof(m))
				_exit(1);
			m.value = gap;
			break;
		case UNWATCH:
			break;
		}
	}
	_exit(0);
}

static struct err *answer(const struct writer *w, uint64_t *ret)
{
	struct pollfd p = { .fd = w->sock, .events = POLLIN };
	struct message m;

	if (poll(&p, 1, PATIENCE_MS) <= 0 || recv(w->sock, &m, sizeof(m), 0) != sizeof(m))
		return err_new(ERR_TARGET, "the target does not answer");
	*ret = m.value;
	return NULL;
}

static struct err *tell(const struct writer *w, enum order order, uint64_t value, uint64_t *ret)
{
	struct message m = { order, value };

	if (send(w->sock, &m, sizeof(m), MSG_NOSIGNAL) != sizeof(m))
		return err_sys(errno, "talk to the target");
	return answer(w, ret);
}

struct err *writer_start(struct writer *w, uint64_t mib)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
		return err_sys(errno, "make a socket");
	*w = (struct writer){ .sock = sv[0], .nr_pages = mib << 8 };
	w->pid = fork();
	if (w->pid < 0)
		return err_sys(errno, "fork the target");
	if (!w->pid)
		target_main(w, sv[1]);
	close(sv[1]);
	return answer(w, &w->base);
}

void writer_stop(struct writer *w)
{
	if (w->pid <= 0)
		return;
	kill(w->pid, SIGKILL);
	waitpid(w->pid, NULL, 0);
	close(w->sock);
}

struct err *writer_pass(const struct writer *w, uint64_t generation, uint64_t *us_ret)
{
	return tell(w, PASS, generation, us_ret);
}

struct err *writer_touch(const struct writer *w, uint64_t generation)
{
	uint64_t us;

	return tell(w, TOUCH, generation, &us);
}

struct err *writer_watch(const struct writer *w)
{
	uint64_t none;

	return tell(w, WATCH, 0, &none);
}

struct err *writer_unwatch(const struct writer *w, uint64_t *us_ret)
{
	return tell(w, UNWATCH, 0, us_ret);
}
