/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/target/parasite_rpc.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fault.h"
#include "base/io.h"

/* Commands are short; the longest copies the page references of one pipe.  Only faults that wait
 * for storage (swap) or for somebody's userfaultfd handler take long. */
#define REPLY_TIMEOUT_MS 60000
#define MAX_ERRNO 4095

static struct err *rpc_sendmsg(int sock, const struct msghdr *h, const char *what)
{
	if (FAULT(RPC_SEND, RETRY(sendmsg(sock, h, MSG_NOSIGNAL))) >= 0)
		return NULL;
	return errno == EPIPE || errno == ECONNRESET ?
		       err_new(ERR_TARGET, "send %s to the parasite: it is gone", what) :
		       err_sys(errno, "send %s to the parasite", what);
}

/* The parasite itself fails, so that what it does then is the real thing. */
static int rpc_fault(enum parasite_cmd cmd)
{
	switch (cmd) {
	case PC_BRK:
		return fault_at(FP_PARASITE_BRK);
	case PC_DUMPABLE:
		return fault_at(FP_PARASITE_DUMPABLE);
	case PC_THP_DISABLED:
		return fault_at(FP_PARASITE_THP);
	default:
		return 0;
	}
}

/* With `short N` it fails when it has done N elements. */
static void rpc_partial_fault(struct parasite_msg *m, enum fault_point p)
{
	size_t at = fault_len(p, m->nr);

	m->fail_errno = (uint32_t)fault_at(p);
	if (at < m->nr) {
		m->fail_errno = EIO;
		m->fail_at = (uint32_t)at;
	}
}

static struct err *rpc_send(int sock, const struct parasite_msg *m, const void *data, size_t len,
			    const char *what)
{
	struct iovec iov[2] = { { (void *)m, sizeof(*m) }, { (void *)data, len } };
	struct msghdr h = { .msg_iov = iov, .msg_iovlen = len ? 2 : 1 };

	return rpc_sendmsg(sock, &h, what);
}

static struct err *rpc_reply(int sock, uint32_t cmd, struct parasite_reply *r, const char *what)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	ssize_t n = RETRY(poll(&p, 1, REPLY_TIMEOUT_MS));

	if (n < 0)
		return err_sys(errno, "wait for the parasite's answer to %s", what);
	if (n == 0)
		return err_hint(
			err_new(ERR_TARGET, "the parasite did not answer %s within %d s", what,
				REPLY_TIMEOUT_MS / 1000),
			"a page that waits for storage or for a userfaultfd handler blocks it; "
			"`abort`, then look with `show vmas`");
	n = FAULT(RPC_REPLY,
		  RETRY(recv(sock, r, sizeof(*r), MSG_TRUNC))); /* the length that was sent */
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return err_new(ERR_TARGET, "the parasite ended during %s", what);
	if (n < 0)
		return err_sys(errno, "read the parasite's answer to %s", what);
	if (n != sizeof(*r))
		return err_new(ERR_CHECK, "the parasite answered %s with %zd bytes", what, n);
	if (r->cmd != cmd || r->err > 0 || r->err < -MAX_ERRNO)
		return err_new(ERR_CHECK, "the parasite answered %s with command %u, error %d",
			       what, r->cmd, r->err);
	return NULL;
}

struct err *pc_call(int sock, enum parasite_cmd cmd, uint64_t *value_ret)
{
	static const char *const names[] = {
		[PC_PING] = "PING",         [PC_BRK] = "BRK",
		[PC_DUMPABLE] = "DUMPABLE", [PC_THP_DISABLED] = "THP_DISABLED",
		[PC_QUIT] = "QUIT",
	};
	struct parasite_msg m = { .cmd = cmd, .fail_errno = (uint32_t)rpc_fault(cmd) };
	struct parasite_reply r;

	TRY(rpc_send(sock, &m, NULL, 0, names[cmd]));
	TRY(rpc_reply(sock, cmd, &r, names[cmd]));
	if (r.err)
		return err_sys(-r.err, "%s in the target", names[cmd]);
	if (value_ret)
		*value_ret = r.value;
	return NULL;
}

struct err *pc_mprotect(int sock, const struct parasite_vma *v, size_t nr, uint32_t add,
			size_t *at_ret)
{
	for (size_t done = 0; done < nr;) {
		size_t batch = nr - done < PARASITE_MAX_VMAS ? nr - done : PARASITE_MAX_VMAS;
		struct parasite_msg m = { .cmd = PC_MPROTECT, .nr = (uint32_t)batch, .add = add };
		struct parasite_reply r;

		*at_ret = done;
		rpc_partial_fault(&m, add ? FP_PARASITE_MPROTECT : FP_PARASITE_UNPROTECT);
		TRY(rpc_send(sock, &m, v + done, batch * sizeof(*v), "MPROTECT"));
		TRY(rpc_reply(sock, PC_MPROTECT, &r, "MPROTECT"));
		if (r.err) {
			*at_ret = done + (r.at < batch ? r.at : 0);
			return err_sys(-r.err, "mprotect of %lx-%lx in the target",
				       v[*at_ret].start, v[*at_ret].start + v[*at_ret].len);
		}
		done += batch;
	}
	return NULL;
}

_Static_assert(sizeof(struct parasite_iov) == sizeof(struct iovec), "iovecs go as they are");

struct err *pc_dump_send(int sock, const struct pc_pipe *pipe, unsigned nr)
{
	struct parasite_msg m = { .cmd = PC_DUMP_PAGES };
	struct iovec part[1 + PARASITE_MAX_PIPES] = { { &m, sizeof(m) } };
	struct msghdr cmd = { .msg_iov = part, .msg_iovlen = 1 + nr };
	union {
		char buf[CMSG_SPACE(PARASITE_MAX_PIPES * sizeof(int))];
		struct cmsghdr align;
	} c = { 0 };
	uint32_t count[PARASITE_MAX_PIPES];
	struct iovec counts = { count, nr * sizeof(*count) };
	struct msghdr fds = { .msg_iov = &counts,
			      .msg_iovlen = 1,
			      .msg_control = c.buf,
			      .msg_controllen = CMSG_SPACE(nr * sizeof(int)) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&fds);

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(nr * sizeof(int));
	for (unsigned i = 0; i < nr; i++) {
		part[1 + i] =
			(struct iovec){ (void *)pipe[i].iov, pipe[i].nr * sizeof(*pipe->iov) };
		m.nr += pipe[i].nr;
		count[i] = pipe[i].nr;
		memcpy(CMSG_DATA(cm) + i * sizeof(int), &pipe[i].fd, sizeof(int));
	}
	rpc_partial_fault(&m, FP_PARASITE_DUMP_PAGES);
	TRY(rpc_sendmsg(sock, &cmd, "DUMPPAGES"));
	return rpc_sendmsg(sock, &fds, "the pipe");
}

struct err *pc_dump_wait(int sock, uint64_t *bytes_ret, unsigned *at_ret, int *errno_ret)
{
	struct parasite_reply r;

	TRY(rpc_reply(sock, PC_DUMP_PAGES, &r, "DUMPPAGES"));
	*bytes_ret = r.value;
	*at_ret = r.at;
	*errno_ret = -r.err;
	return NULL;
}
