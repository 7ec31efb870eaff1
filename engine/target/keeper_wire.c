/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/target/keeper_wire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"

#define CHUNK (32u << 10)
#define BODY_MAX (256u << 20)

static int send_one(int sock, const void *buf, size_t len, int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)buf, len };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		hdr.msg_control = control.buf;
		hdr.msg_controllen = sizeof(control.buf);
		struct cmsghdr *c = CMSG_FIRSTHDR(&hdr);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return RETRY(sendmsg(sock, &hdr, MSG_NOSIGNAL)) < 0 ? -errno : 0;
}

int wire_send(int sock, const struct keeper_msg *m, const void *body, int fd)
{
	int err = send_one(sock, m, sizeof(*m), fd);

	for (uint64_t off = 0; !err && off < m->body_len; off += CHUNK) {
		uint64_t left = m->body_len - off;

		err = send_one(sock, (const char *)body + off, left < CHUNK ? left : CHUNK, -1);
	}
	return err;
}

static ssize_t recv_one(int sock, int timeout_ms, void *buf, size_t len, int *fd_ret)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { buf, len };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct pollfd p = { .fd = sock, .events = POLLIN };

	if (fd_ret) {
		hdr.msg_control = control.buf;
		hdr.msg_controllen = sizeof(control.buf);
	}
	int n = RETRY(poll(&p, 1, timeout_ms));
	if (n <= 0)
		return n ? -errno : -ETIMEDOUT;
	ssize_t got = RETRY(recvmsg(sock, &hdr, MSG_CMSG_CLOEXEC));
	if (got < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	struct cmsghdr *c = fd_ret ? CMSG_FIRSTHDR(&hdr) : NULL;
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd_ret, CMSG_DATA(c), sizeof(int));
	return got ? got : -EPIPE;
}

int wire_recv(int sock, int timeout_ms, struct keeper_msg *m, char **body_ret, int *fd_ret)
{
	AUTO_FREE char *body = NULL;
	AUTO_CLOSE int fd = -1;
	ssize_t n = recv_one(sock, timeout_ms, m, sizeof(*m), &fd);

	if (n >= 0 && n != sizeof(*m))
		n = -EBADMSG;
	if (n >= 0 && m->body_len) {
		/* No xcalloc(): the other side chooses the length. */
		if (m->body_len > BODY_MAX || !(body = calloc(1, m->body_len + 1)))
			n = -ENOMEM;
		for (uint64_t off = 0; n >= 0 && off < m->body_len; off += (uint64_t)n)
			n = recv_one(sock, timeout_ms, body + off, m->body_len - off, NULL);
	}
	if (n < 0)
		return (int)n;
	*body_ret = TAKE_PTR(body);
	*fd_ret = TAKE_FD(fd);
	return 0;
}

int wire_reply(int sock, struct keeper_msg *m, const void *body, int fd, struct err *e)
{
	AUTO_FREE char *text = NULL;

	m->err_code = -1;
	if (e) {
		m->err_code = (int32_t)e->code;
		m->err_errno = e->sys_errno;
		m->err_pid = e->pid;
		m->err_has_vaddr = e->has_vaddr;
		m->err_vaddr = e->vaddr;
		text = xasprintf("%s%s%s%s", e->msg, e->hint ?: "", e->cause ?: "",
				 e->evidence ?: "");
		m->msg_len = (uint32_t)strlen(e->msg);
		m->hint_len = (uint32_t)strlen(e->hint ?: "");
		m->cause_len = (uint32_t)strlen(e->cause ?: "");
		m->evidence_len = (uint32_t)strlen(e->evidence ?: "");
		m->body_len = strlen(text);
		body = text;
		err_free(e);
	}
	return wire_send(sock, m, body, fd);
}

struct err *wire_err(const struct keeper_msg *m, const char *body)
{
	if (m->err_code < 0)
		return NULL;
	uint64_t len = (uint64_t)m->msg_len + m->hint_len + m->cause_len + m->evidence_len;
	bool fits = body && len <= m->body_len;
	struct err *e = err_new((enum err_code)m->err_code, "%.*s", fits ? (int)m->msg_len : 0,
				fits ? body : "");
	e->sys_errno = m->err_errno;
	if (m->err_has_vaddr)
		e = err_vaddr(e, m->err_vaddr);
	if (fits && m->hint_len)
		e = err_hint(e, "%.*s", (int)m->hint_len, body + m->msg_len);
	if (fits && m->cause_len) {
		const char *at = body + m->msg_len + m->hint_len;
		AUTO_FREE char *cause = xstrndup(at, m->cause_len);

		at += m->cause_len;
		e = m->evidence_len ? err_cause(e, cause, "%.*s", (int)m->evidence_len, at) :
				      err_cause_only(e, cause);
	}
	return err_pid(e, m->err_pid);
}
