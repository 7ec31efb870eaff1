/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The code that runs inside the target, in its leader thread, with all signals blocked.
 * No libc: compel's std plugin supplies system calls and memcpy.
 *
 * Mirrors: criu/pie/parasite.c mprotect_vmas(), dump_pages(), parasite_daemon_cmd().
 */
#include <compel/plugins/std.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "engine/arch/raw_syscall.h"
#include "engine/parasite/area.h"

#define SPLICE_NONBLOCK 2u
#define SPLICE_GIFT 8u
#define PRCTL_GET_DUMPABLE 3
#define PRCTL_GET_THP_DISABLE 42

static struct parasite_area *area;

struct parasite_leave __export_leave
	__attribute__((aligned(64))) = { .magic = PARASITE_LEAVE_MAGIC };

#define SIGPIPE_BIT (1ul << (13 - 1))

static bool sigpipe_is_pending(void)
{
	uint64_t set = 0;

	arch_syscall4(SYS_rt_sigpending, (long)&set, sizeof(set), 0, 0);
	return set & SIGPIPE_BIT;
}

/* stepdump died with the read end of the pipe: a blocked SIGPIPE is pending, which would kill the
 * target when it runs again. */
static void take_back_sigpipe(void)
{
	uint64_t set = SIGPIPE_BIT;
	struct timespec now = { 0, 0 };

	arch_syscall4(SYS_rt_sigtimedwait, (long)&set, 0, (long)&now, sizeof(set));
}

static void trim(void)
{
	while (area->nr && !area->changed[area->nr - 1].len)
		area->nr--;
}

static void put_back_all(void)
{
	if (!area)
		return;
	for (uint32_t i = 0; i < area->nr; i++) {
		struct parasite_vma *v = &area->changed[i];

		if (v->len && !sys_mprotect((void *)v->start, v->len, v->prot))
			v->len = 0;
	}
	trim(); /* entries that remain could not be put back: the keeper finds them here */
}

static int protect_one(const struct parasite_vma *v, uint32_t add)
{
	if ((v->prot | add) == v->prot)
		return 0;
	if (area->nr == area->cap)
		return -ENOSPC;
	area->changed[area->nr++] = *v;
	int err = sys_mprotect((void *)v->start, v->len, v->prot | add);
	if (err)
		area->nr--;
	return err;
}

static int unprotect_one(const struct parasite_vma *v)
{
	for (uint32_t i = 0; i < area->nr; i++) {
		uint32_t at = (area->cursor + i) % area->nr;
		struct parasite_vma *c = &area->changed[at];

		if (c->start != v->start || c->len != v->len)
			continue;
		int err = sys_mprotect((void *)c->start, c->len, c->prot);
		if (err)
			return err;
		c->len = 0;
		area->cursor = at + 1;
		break; /* anything not in the journal was never changed */
	}
	trim();
	return 0;
}

static void do_mprotect(const struct parasite_msg *m, struct parasite_reply *r)
{
	const struct parasite_vma *v = (const void *)(m + 1);

	for (uint32_t i = 0; i < m->nr; i++) {
		if (m->fail_errno && i == m->fail_at)
			r->err = -(int)m->fail_errno;
		else
			r->err = m->add ? protect_one(&v[i], m->add) : unprotect_one(&v[i]);
		if (r->err) {
			r->at = i;
			return;
		}
	}
	r->at = m->nr;
}

/* Waits for a message.  false: the keeper wants us to stop serving, or is gone. */
static bool wait_message(int sock)
{
	struct pollfd p[2] = {
		{ .fd = sock, .events = POLLIN },
		{ .fd = parasite_get_rpc_sock(), .events = POLLIN },
	};
	int n;

	do
		n = sys_ppoll(p, 2, NULL, NULL, sizeof(uint64_t));
	while (n == -EINTR);
	return n > 0 && !p[1].revents;
}

/* The stub's page belongs to the program; what is there already was written by the keeper. */
static int write_stub(const struct parasite_leave *l)
{
	uint8_t *to = (void *)l->stub_ip;
	void *page = (void *)l->page_start;
	uint32_t same = 0;

	while (same < l->stub_len && to[same] == l->stub[same])
		same++;
	if (same == l->stub_len)
		return 0;
	/* As a debugger does, so that the mapping stays what it is; else it is marked as accounted. */
	long fd =
		arch_syscall4(SYS_openat, AT_FDCWD, (long)"/proc/self/mem", O_RDWR | O_CLOEXEC, 0);
	if (fd >= 0) {
		long n = arch_syscall4(SYS_pwrite64, fd, (long)l->stub, l->stub_len,
				       (long)l->stub_ip);

		sys_close((int)fd);
		if (n == (long)l->stub_len)
			return 0;
	}
	int err = sys_mprotect(page, l->page_len, PROT_READ | PROT_WRITE | PROT_EXEC);
	if (err)
		return err;
	for (uint32_t i = 0; i < l->stub_len; i++)
		to[i] = l->stub[i];
	return sys_mprotect(page, l->page_len, PROT_READ | PROT_EXEC);
}

/* Returns only if it cannot be done. */
static void leave(void)
{
	struct parasite_leave *l = &__export_leave;

	if (!l->ready || write_stub(l))
		return;
	put_back_all();
	sys_close(parasite_get_rpc_sock());
	std_log_set_fd(-1);
	arch_leave(l->xstate, l->stub_ip + l->leave, l->map_start, l->map_len);
}

/* Replies only if somebody still listens.  false: nobody does. */
static bool reply(int sock, const struct parasite_reply *r)
{
	return sys_sendto(sock, (void *)r, sizeof(*r), MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0) ==
	       sizeof(*r);
}

/* The descriptors that follow DUMP_PAGES, and how many iovecs are for each.  Returns how many came,
 * or -errno; *nr_ret is how many were sent. */
static long recv_pipes(int sock, int fd[PARASITE_MAX_PIPES], uint32_t count[PARASITE_MAX_PIPES],
		       uint32_t *nr_ret)
{
	union {
		char buf[CMSG_SPACE(PARASITE_MAX_PIPES * sizeof(int))];
		struct cmsghdr align;
	} c;
	struct iovec data = { count, PARASITE_MAX_PIPES * sizeof(*count) };
	struct msghdr h = { .msg_iov = &data,
			    .msg_iovlen = 1,
			    .msg_control = c.buf,
			    .msg_controllen = sizeof(c.buf) };
	long len = sys_recvmsg(sock, &h, 0);
	struct cmsghdr *cm = len > 0 ? CMSG_FIRSTHDR(&h) : NULL;
	long nr = 0;

	if (len <= 0)
		return len ? len : -ECONNRESET;
	*nr_ret = len < (long)sizeof(*count) ? 1 : len / sizeof(*count);
	if (!cm || cm->cmsg_type != SCM_RIGHTS)
		return 0;
	for (; CMSG_LEN((nr + 1) * sizeof(int)) <= cm->cmsg_len; nr++)
		fd[nr] = ((int *)(void *)CMSG_DATA(cm))[nr];
	return nr;
}

static void fill_pipe(int pipe_fd, const struct parasite_iov *iov, uint32_t nr,
		      struct parasite_reply *r)
{
	bool had_sigpipe = sigpipe_is_pending();
	long n =
		sys_vmsplice(pipe_fd, (const struct iovec *)iov, nr, SPLICE_NONBLOCK | SPLICE_GIFT);

	if (n == -EPIPE && !had_sigpipe)
		take_back_sigpipe();
	if (n < 0) {
		r->err = n;
		return;
	}
	r->value = n;
	while (r->at < nr && (uint64_t)n >= iov[r->at].len)
		n -= iov[r->at++].len;
}

/* Fills the pipes one by one, and replies for each, but leaves the last reply to the caller.
 * false: nobody listens any more. */
static bool do_dump_pages(int sock, const struct parasite_msg *m, struct parasite_reply *r)
{
	const struct parasite_iov *iov = (const void *)(m + 1);
	uint32_t count[PARASITE_MAX_PIPES], nr = 1, left = m->nr;
	int fd[PARASITE_MAX_PIPES];
	bool listened = true;
	long err = 0;

	if (!wait_message(sock)) {
		r->err = -ECANCELED;
		return true;
	}
	long got = recv_pipes(sock, fd, count, &nr);
	if (got < 0) {
		r->err = got;
		return true;
	}
	if ((uint32_t)got < nr)
		err = -EMFILE; /* the kernel drops descriptors that find no place */
	if (nr == 1)
		count[0] = m->nr;
	for (uint32_t i = 0; i < nr; i++) {
		*r = (struct parasite_reply){ .cmd = m->cmd, .err = err };
		if (!err && count[i] > left)
			r->err = -EBADMSG;
		if (listened && !r->err) {
			uint32_t from = m->nr - left, nr_ok = count[i];

			if (m->fail_errno && m->fail_at - from < count[i])
				nr_ok = m->fail_at - from;
			fill_pipe(fd[i], iov, nr_ok, r);
			if (nr_ok < count[i] && !r->err)
				r->err = -(int)m->fail_errno;
			iov += count[i];
			left -= count[i];
		}
		if (i < got)
			sys_close(fd[i]);
		if (i + 1 < nr)
			listened = listened && reply(sock, r);
	}
	return listened;
}

/* Returns false when serving ends. */
static bool serve_one(int sock)
{
	struct parasite_msg *m = (void *)area->msg;
	struct parasite_reply r = { 0 };
	bool go_on = true;
	long len = sys_recvfrom(sock, m, sizeof(area->msg), 0, NULL, NULL);
	size_t elem = 0;

	if (len == -EINTR)
		return true;
	if (len <= 0)
		return false;
	if ((size_t)len < sizeof(*m)) {
		r.err = -EBADMSG;
		goto answer;
	}
	r.cmd = m->cmd;
	if (m->cmd == PC_MPROTECT)
		elem = sizeof(struct parasite_vma);
	else if (m->cmd == PC_DUMP_PAGES)
		elem = sizeof(struct parasite_iov);
	if (m->nr > PARASITE_MAX_VMAS || (size_t)len != sizeof(*m) + m->nr * elem) {
		r.err = -EBADMSG;
		goto answer;
	}
	if (m->fail_errno && !elem) {
		r.err = -(int)m->fail_errno;
		goto answer;
	}
	switch (m->cmd) {
	case PC_PING:
		r.value = sys_getpid();
		break;
	case PC_MPROTECT:
		do_mprotect(m, &r);
		break;
	case PC_DUMP_PAGES:
		go_on = do_dump_pages(sock, m, &r);
		break;
	case PC_BRK:
		r.value = sys_brk(NULL);
		break;
	case PC_DUMPABLE:
	case PC_THP_DISABLED: {
		long v = sys_prctl(m->cmd == PC_DUMPABLE ? PRCTL_GET_DUMPABLE :
							   PRCTL_GET_THP_DISABLE,
				   0, 0, 0, 0);

		if (v < 0)
			r.err = v;
		else
			r.value = v;
		break;
	}
	case PC_QUIT:
		put_back_all();
		go_on = false;
		break;
	default:
		r.err = -ENOSYS;
	}
answer:
	return reply(sock, &r) && go_on;
}

static int serve(void)
{
	int sock = -1;
	int err = __recv_fds(parasite_get_rpc_sock(), &sock, 1, NULL, 0, 0);

	if (err)
		return err;
	while (wait_message(sock) && serve_one(sock))
		;
	put_back_all();
	sys_close(sock);
	return 0;
}

int parasite_daemon_cmd(int cmd, void *args)
{
	if (cmd == PARASITE_CMD_DONE)
		return 0;
	if (cmd == PARASITE_CMD_LEAVE)
		leave();
	if (cmd != PARASITE_CMD_SERVE)
		return -EINVAL;
	area = args;
	return serve();
}

int parasite_trap_cmd(int cmd, void *args)
{
	return -EINVAL;
}

/* The keeper is gone. */
void parasite_cleanup(void)
{
	leave();
	put_back_all();
}
