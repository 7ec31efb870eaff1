/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/lib/live_target.h"

struct shared *the_shared;
struct keeper *keeper;

struct target target_start(void (*run)(struct shared *))
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

void target_end(struct target *t)
{
	int status;

	assert_int_equal(waitpid(t->pid, &status, WNOHANG), 0); /* it was alive until the end */
	kill(t->pid, SIGKILL);
	assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
	munmap(t->sh, 4096);
}

void run_ticks(struct shared *sh)
{
	sh->ready = 1;
	while (!sh->stop) {
		sh->ticks++;
		if (poll(NULL, 0, 2))
			sh->bad = 1;
	}
	sh->done = 1;
}

char state_of(pid_t pid)
{
	char path[64], buf[1024];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (!read_text(path, buf, sizeof(buf)))
		return 0;
	return strrchr(buf, ')')[2];
}

bool in_syscall_other_than(pid_t pid, long nr)
{
	char path[64], buf[256];

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	return read_text(path, buf, sizeof(buf)) && buf[0] >= '0' && buf[0] <= '9' &&
	       atol(buf) != nr;
}

long status_field(pid_t pid, const char *key)
{
	char path[64], buf[8192];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (!read_text(path, buf, sizeof(buf)))
		return -1;
	char *at = strstr(buf, key);
	return at ? atol(at + strlen(key) + 1) : -1;
}

bool maps_mention(pid_t pid, const char *word)
{
	char path[64];
	static char buf[1 << 20];

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	return read_text(path, buf, sizeof(buf)) && strstr(buf, word);
}

bool map_has(pid_t pid, uint64_t start, const char *perms)
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

size_t count_fds(pid_t pid)
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

struct parasite_reply get_reply(const struct keeper_parasite *p)
{
	struct parasite_reply r;
	struct pollfd pfd = { .fd = p->sock, .events = POLLIN };

	assert_int_equal(poll(&pfd, 1, DEADLINE_MS), 1);
	assert_int_equal(recv(p->sock, &r, sizeof(r), 0), sizeof(r));
	return r;
}

struct parasite_reply ask(const struct keeper_parasite *p, const void *msg, size_t len)
{
	assert_int_equal(send(p->sock, msg, len, MSG_NOSIGNAL), len);
	return get_reply(p);
}

void ping(const struct keeper_parasite *p)
{
	struct parasite_msg m = { .cmd = PC_PING };
	struct parasite_reply r = ask(p, &m, sizeof(m));

	assert_int_equal(r.cmd, PC_PING);
	assert_int_equal(r.err, 0);
	assert_true(r.value > 0);
}

struct parasite_reply change_protection(const struct keeper_parasite *p,
					const struct parasite_vma *v, uint32_t nr, uint32_t add)
{
	uint8_t buf[PARASITE_MSG_MAX];
	struct parasite_msg m = { .cmd = PC_MPROTECT, .nr = nr, .add = add };

	memcpy(buf, &m, sizeof(m));
	memcpy(buf + sizeof(m), v, nr * sizeof(*v));
	return ask(p, buf, sizeof(m) + nr * sizeof(*v));
}

struct parasite_reply dump_pages(const struct keeper_parasite *p, const struct parasite_iov *iov,
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

int keeper_up(void **state)
{
	ok(keeper_start(keeper_main, &keeper));
	return 0;
}

int keeper_down(void **state)
{
	ok(keeper_stop(keeper));
	return 0;
}
