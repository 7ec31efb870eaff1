/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Targets for the tests of the keeper, and how to watch them. */
#ifndef STEPDUMP_TEST_KEEPER_LIVE_H
#define STEPDUMP_TEST_KEEPER_LIVE_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/parasite/proto.h"
#include "engine/target/keeper.h"

#define DEADLINE_MS 20000

/* Memory that a target and the test share. */
struct shared {
	volatile int ready, go, stop, done, bad, bad_errno;
	volatile uint64_t ticks, address;
	volatile int signals[65];
};

struct target {
	pid_t pid;
	struct shared *sh;
};

static struct shared *the_shared;

__attribute__((unused)) static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

__attribute__((unused)) static void wait_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000l };

	while (nanosleep(&t, &t))
		;
}

#define wait_until(cond)                                                                           \
	do {                                                                                       \
		uint64_t deadline_ = now_ms() + DEADLINE_MS;                                       \
		while (!(cond)) {                                                                  \
			if (now_ms() > deadline_)                                                  \
				fail_msg("%s:%d: never came: %s", __FILE__, __LINE__, #cond);      \
			wait_ms(1);                                                                \
		}                                                                                  \
	} while (0)

#define skip_because(why)                                                                          \
	do {                                                                                       \
		printf("skipped, %s: %s\n", __func__, why);                                        \
		skip();                                                                            \
	} while (0)

#define assert_ok(expr)                                                                            \
	do {                                                                                       \
		struct err *e_ = (expr);                                                           \
		if (e_) {                                                                          \
			char *text_ = err_text(e_);                                                \
			fail_msg("%s:%d: %s: %s (%s)", __FILE__, __LINE__, #expr, text_,           \
				 e_->hint ? e_->hint : "");                                        \
		}                                                                                  \
	} while (0)

/* It fails, with this code, and its text holds `word`. */
#define assert_err(expr, want, word)                                                               \
	do {                                                                                       \
		struct err *e_ = (expr);                                                           \
		if (!e_)                                                                           \
			fail_msg("%s:%d: %s did not fail", __FILE__, __LINE__, #expr);             \
		char *text_ = err_text(e_);                                                        \
		if (e_->code != (want) ||                                                          \
		    (!strstr(text_, word) && !(e_->hint && strstr(e_->hint, word))))               \
			fail_msg("%s:%d: %s: %s: %s (%s)", __FILE__, __LINE__, #expr,              \
				 err_code_name(e_->code), text_, e_->hint ? e_->hint : "");        \
		free(text_);                                                                       \
		err_free(e_);                                                                      \
	} while (0)

__attribute__((unused)) static struct target start(void (*run)(struct shared *))
{
	struct target t;

	t.sh = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(t.sh, MAP_FAILED);
	fflush(stdout);
	t.pid = fork();
	assert_true(t.pid >= 0);
	if (!t.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
		the_shared = t.sh;
		run(t.sh);
		for (;;)
			pause();
	}
	wait_until(t.sh->ready);
	return t;
}

__attribute__((unused)) static void end(struct target *t)
{
	int status;

	assert_int_equal(waitpid(t->pid, &status, WNOHANG), 0); /* it lived to the end */
	kill(t->pid, SIGKILL);
	assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
	munmap(t->sh, 4096);
}

/* Counts, in calls that the kernel must restart. */
__attribute__((unused)) static void run_ticks(struct shared *sh)
{
	sh->ready = 1;
	while (!sh->stop) {
		sh->ticks++;
		if (poll(NULL, 0, 2))
			sh->bad = 1;
	}
	sh->done = 1;
}

__attribute__((unused)) static bool read_text(const char *path, char *buf, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	size_t have = 0;
	ssize_t n;
	while (have < len - 1 && (n = read(fd, buf + have, len - 1 - have)) > 0)
		have += (size_t)n;
	close(fd);
	buf[have] = 0;
	return have > 0;
}

__attribute__((unused)) static char state_of(pid_t pid)
{
	char path[64], buf[1024];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (!read_text(path, buf, sizeof(buf)))
		return 0;
	return strrchr(buf, ')')[2];
}

__attribute__((unused)) static bool in_syscall_other_than(pid_t pid, long nr)
{
	char path[64], buf[256];

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	return read_text(path, buf, sizeof(buf)) && buf[0] >= '0' && buf[0] <= '9' &&
	       atol(buf) != nr;
}

__attribute__((unused)) static long status_field(pid_t pid, const char *key)
{
	char path[64], buf[8192];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (!read_text(path, buf, sizeof(buf)))
		return -1;
	char *at = strstr(buf, key);
	return at ? atol(at + strlen(key) + 1) : -1;
}

__attribute__((unused)) static bool maps_mention(pid_t pid, const char *word)
{
	char path[64];
	static char buf[1 << 20];

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	return read_text(path, buf, sizeof(buf)) && strstr(buf, word);
}

/* Does the mapping that starts at `start` have these permissions? */
__attribute__((unused)) static bool map_has(pid_t pid, uint64_t start, const char *perms)
{
	char path[64], line[128];
	static char buf[1 << 20];

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	if (!read_text(path, buf, sizeof(buf)))
		return false;
	snprintf(line, sizeof(line), "%lx-", (unsigned long)start);
	char *at = strstr(buf, line);
	return at && !strncmp(strchr(at, ' ') + 1, perms, 4);
}

__attribute__((unused)) static size_t count_fds(pid_t pid)
{
	char path[64];
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	DIR *d = opendir(path);
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

/* ---- the parasite's channel ------------------------------------------------- */

__attribute__((unused)) static struct parasite_reply get_reply(const struct keeper_parasite *p)
{
	struct parasite_reply r;
	struct pollfd pfd = { .fd = p->sock, .events = POLLIN };

	assert_int_equal(poll(&pfd, 1, DEADLINE_MS), 1);
	assert_int_equal(recv(p->sock, &r, sizeof(r), 0), sizeof(r));
	return r;
}

__attribute__((unused)) static struct parasite_reply ask(const struct keeper_parasite *p,
							 const void *msg, size_t len)
{
	assert_int_equal(send(p->sock, msg, len, MSG_NOSIGNAL), len);
	return get_reply(p);
}

__attribute__((unused)) static void ping(const struct keeper_parasite *p)
{
	struct parasite_msg m = { .cmd = PC_PING };
	struct parasite_reply r = ask(p, &m, sizeof(m));

	assert_int_equal(r.cmd, PC_PING);
	assert_int_equal(r.err, 0);
	assert_true(r.value > 0);
}

__attribute__((unused)) static struct parasite_reply
change_protection(const struct keeper_parasite *p, const struct parasite_vma *v, uint32_t nr,
		  uint32_t add)
{
	uint8_t buf[PARASITE_MSG_MAX];
	struct parasite_msg m = { .cmd = PC_MPROTECT, .nr = nr, .add = add };

	memcpy(buf, &m, sizeof(m));
	memcpy(buf + sizeof(m), v, nr * sizeof(*v));
	return ask(p, buf, sizeof(m) + nr * sizeof(*v));
}

__attribute__((unused)) static struct parasite_reply dump_pages(const struct keeper_parasite *p,
								const struct parasite_iov *iov,
								uint32_t nr, int pipe_fd)
{
	uint8_t buf[PARASITE_MSG_MAX];
	struct parasite_msg m = { .cmd = PC_DUMP_PAGES, .nr = nr };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec one = { (void *)"f", 1 };
	struct msghdr hdr = { .msg_iov = &one,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&hdr);

	memcpy(buf, &m, sizeof(m));
	memcpy(buf + sizeof(m), iov, nr * sizeof(*iov));
	assert_int_equal(send(p->sock, buf, sizeof(m) + nr * sizeof(*iov), MSG_NOSIGNAL),
			 sizeof(m) + nr * sizeof(*iov));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &pipe_fd, sizeof(pipe_fd));
	assert_int_equal(sendmsg(p->sock, &hdr, MSG_NOSIGNAL), 1);
	return get_reply(p);
}

#endif
