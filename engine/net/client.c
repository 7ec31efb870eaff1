/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/net/client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/mem.h"
#include "engine/net/addr.h"

/* A server of 3.17 answers a question in the old header at once; one of 4.2 waits for the rest of it. */
#define PROBE_MS 2000
/* Headers, and up to eight pages behind one, are put together here.  That costs this end more than splicing
 * them, but the receiver, which has the most to do, gets whole segments that are in the cache. */
#define ROOM (256u << 10)
#define COPY_MAX (32u << 10)

/* What was said: a message of ours, put into words when somebody asks, or words. */
struct ps_said {
	struct ps_msg message; /* cmd 0: none */
	char text[96];
};

struct ps_client {
	char *where;
	int fd;
	int timeout_ms;
	const volatile sig_atomic_t *stop;
	enum ps_wire wire;
	uint8_t *room;  /* ROOM bytes */
	size_t waiting; /* of them, not sent yet */
	uint64_t messages, bytes;
	uint64_t busy_us; /* in calls that move bytes, and waiting for room and answers */
	uint64_t talked;
	struct ps_said talk[PS_TALK];
	bool closing; /* CLOSE is sent */
	bool closed;  /* and acknowledged */
	bool lost;
};

static void ps_say(struct ps_client *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void ps_say(struct ps_client *c, const char *fmt, ...)
{
	struct ps_said *said = &c->talk[c->talked++ % PS_TALK];
	va_list ap;

	said->message.cmd = 0;
	va_start(ap, fmt);
	vsnprintf(said->text, sizeof(said->text), fmt, ap);
	va_end(ap);
}

/* Adds how far the conversation came, and what that means for both sides. */
static struct err *ps_lost(struct ps_client *c, struct err *e)
{
	c->lost = true;
	ps_say(c, "lost: %s", e->msg);
	e = err_wrap(e, "page server %s, after %lu messages and %lu bytes", c->where, c->messages,
		     c->bytes);
	if (e->code != ERR_INTERRUPTED)
		e = err_cause(e, "page-server-lost", "%lu bytes were sent to %s", c->bytes,
			      c->where);
	if (c->closing)
		return err_hint(
			e, "everything was sent, but the server did not confirm it: look there "
			   "whether the set is complete; nothing is published here, and "
			   "tracking is not reset; `restart` begins again");
	if (e->code == ERR_INTERRUPTED)
		return err_hint(e, "the conversation cannot go on in its middle: the server drops "
				   "what it has, nothing is published here; `restart` connects "
				   "again");
	return err_hint(e,
			"the server drops what it has, nothing is published here; look at what the "
			"server says, then `restart` connects again");
}

struct err *ps_ready(const struct ps_client *c)
{
	if (c->lost)
		return err_hint(
			err_new(ERR_STATE, "the connection to page server %s is lost", c->where),
			"`restart` connects again; `show error` says how it was lost");
	return NULL;
}

struct err *ps_connect(const char *where, enum ps_wire wire, uint32_t timeout_s,
		       const volatile sig_atomic_t *stop, struct ps_client **ret)
{
	int timeout_ms = (int)timeout_s * 1000, fd;
	const struct net_limit limit = net_limit(timeout_ms, stop);

	struct err *e = net_connect(where, &limit, &fd);

	if (e && e->code == ERR_INTERRUPTED)
		return err_wrap(e, "connect to page server %s", where);
	TRY(err_cause_only(err_hint(e, "is the page server running there (`stepdump serve`, `criu "
				       "page-server`)?"),
			   "page-server-down"));

	struct ps_client *c = xzalloc(sizeof(*c));

	c->where = xstrdup(where);
	c->room = xzalloc(ROOM);
	c->fd = fd;
	c->timeout_ms = timeout_ms;
	c->stop = stop;
	c->wire = wire;
	ps_say(c, "connected to %s", where);
	*ret = c;
	return NULL;
}

void ps_destroy(struct ps_client *c)
{
	if (!c)
		return;
	close_fd(&c->fd);
	free(c->where);
	free(c->room);
	free(c);
}

/* ---- bytes ------------------------------------------------------------------------------------ */

static struct err *ps_wait(struct ps_client *c, short events, int timeout_ms, const char *what)
{
	const struct net_limit limit = net_limit(timeout_ms, c->stop);

	return net_wait(c->fd, events, &limit, what);
}

/* The caller has seen EAGAIN, or a count that is short. */
static struct err *ps_wait_room(struct ps_client *c)
{
	return ps_wait(c, POLLOUT, c->timeout_ms, "the server to take more");
}

static struct err *ps_write_some(struct ps_client *c, const void *buf, uint64_t len, int flags)
{
	const char *p = buf;

	while (len) {
		ssize_t n = FAULT(SERVER_SEND, RETRY(send(c->fd, p, FAULT_LEN(SERVER_SEND, len),
							  MSG_NOSIGNAL | flags)));

		if (n < 0 && errno != EAGAIN)
			return err_sys(errno, "send to the server");
		if (n < 0) {
			TRY(ps_wait_room(c));
			continue;
		}
		p += n;
		len -= (uint64_t)n;
		c->bytes += (uint64_t)n;
	}
	return NULL;
}

static struct err *ps_write(struct ps_client *c, const void *buf, uint64_t len, int flags)
{
	uint64_t began_us = now_us();
	struct err *e = ps_write_some(c, buf, len, flags);

	c->busy_us += now_us() - began_us;
	return e;
}

/* Sends what was put together. */
static struct err *ps_flush(struct ps_client *c, int flags)
{
	size_t len = c->waiting;

	c->waiting = 0;
	return ps_write(c, c->room, len, flags);
}

/* Somewhere for `len` bytes behind what was put together. */
static struct err *ps_reserve(struct ps_client *c, size_t len)
{
	return c->waiting + len > ROOM ? ps_flush(c, MSG_MORE) : NULL;
}

static struct err *ps_read_some(struct ps_client *c, void *buf, size_t len, int timeout_ms)
{
	char *p = buf;

	while (len) {
		TRY(ps_wait(c, POLLIN, timeout_ms, "the server's answer"));
		ssize_t n =
			FAULT(SERVER_RECV, RETRY(recv(c->fd, p, FAULT_LEN(SERVER_RECV, len), 0)));

		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0)
			return err_sys(errno, "read the server's answer");
		if (n == 0)
			return err_new(ERR_FORMAT,
				       "the server closed the connection without an answer");
		p += n;
		len -= (size_t)n;
	}
	return NULL;
}

static struct err *ps_read(struct ps_client *c, void *buf, size_t len, int timeout_ms)
{
	uint64_t began_us = now_us();
	struct err *e = ps_read_some(c, buf, len, timeout_ms);

	c->busy_us += now_us() - began_us;
	return e;
}

/* What is wrong if no bytes of a pipe, or of a file behind it, moved. */
static struct err *ps_no_pages(ssize_t n)
{
	return n < 0 ? err_sys(errno, "send pages to the server") :
		       err_sys(EPIPE, "send pages to the server: the pipe is empty");
}

/* Few pages: behind their header. */
static struct err *ps_copy_pages(struct ps_client *c, int pipe_fd, uint64_t len, uint64_t *moved)
{
	TRY(ps_reserve(c, len - *moved));
	while (*moved < len) {
		ssize_t n = RETRY(read(pipe_fd, c->room + c->waiting, len - *moved));

		if (n <= 0)
			return ps_no_pages(n);
		c->waiting += (size_t)n;
		*moved += (uint64_t)n;
	}
	return NULL;
}

static struct err *ps_splice_some(struct ps_client *c, int pipe_fd, uint64_t len, uint64_t *moved)
{
	while (*moved < len) {
		ssize_t n = RETRY(splice(pipe_fd, NULL, c->fd, NULL, len - *moved,
					 SPLICE_F_MOVE | SPLICE_F_MORE));

		if (n == 0 || (n < 0 && errno != EAGAIN))
			return ps_no_pages(n);
		if (n < 0) {
			TRY(ps_wait_room(c));
			continue;
		}
		*moved += (uint64_t)n;
		c->bytes += (uint64_t)n;
	}
	return NULL;
}

/* Many pages: from the pipe into the socket, without a copy in user space. */
static struct err *ps_splice_pages(struct ps_client *c, int pipe_fd, uint64_t len, uint64_t *moved)
{
	TRY(ps_flush(c, MSG_MORE));
	uint64_t began_us = now_us();
	struct err *e = ps_splice_some(c, pipe_fd, len, moved);

	c->busy_us += now_us() - began_us;
	return e;
}

struct err *ps_splice(struct ps_client *c, int pipe_fd, uint64_t len, uint64_t *moved)
{
	TRY(ps_ready(c));
	struct err *e = len - *moved <= COPY_MAX ? ps_copy_pages(c, pipe_fd, len, moved) :
						   ps_splice_pages(c, pipe_fd, len, moved);

	return e ? ps_lost(c, e) : NULL;
}

struct err *ps_send(struct ps_client *c, const void *buf, uint64_t len)
{
	TRY(ps_ready(c));
	struct err *e = ps_flush(c, MSG_MORE);

	if (!e)
		e = ps_write(c, buf, len, MSG_MORE);
	return e ? ps_lost(c, e) : NULL;
}

/* ---- messages --------------------------------------------------------------------------------- */

static struct err *ps_header(struct ps_client *c, enum ps_wire wire, const struct ps_msg *m)
{
	c->talk[c->talked++ % PS_TALK].message = *m;
	c->messages++;
	TRY(ps_reserve(c, PS_HEADER_MAX));
	ps_pack(wire, m, c->room + c->waiting);
	c->waiting += ps_header_size(wire);
	/* Entries and pages fill whole segments; a question pushes all of it out. */
	return m->cmd == PS_ADD_F ? NULL : ps_flush(c, 0);
}

/*
 * Which header does the server speak?  It is asked in the old one.  A server of 4.2 waits for eight
 * bytes more; with dst_id again as those it has a whole question in the new one.
 */
static struct err *ps_probe(struct ps_client *c, const struct ps_msg *m, int32_t *answer)
{
	AUTO_ERR struct err *e = NULL;
	int wait = c->timeout_ms < PROBE_MS ? c->timeout_ms : PROBE_MS;

	TRY(ps_header(c, PS_WIRE_3_17, m));
	e = ps_wait(c, POLLIN, wait, "the server's answer");
	if (!e || e->sys_errno != ETIMEDOUT) {
		c->wire = PS_WIRE_3_17;
		return e ? TAKE_PTR(e) : ps_read(c, answer, sizeof(*answer), c->timeout_ms);
	}
	ps_say(c, "> %d more bytes, as a server of 4.2 expects", PS_HEADER_MAX - PS_HEADER_MIN);
	c->wire = PS_WIRE_4_2;
	TRY(ps_write(c, &m->dst_id, sizeof(m->dst_id), 0));
	return ps_read(c, answer, sizeof(*answer), c->timeout_ms);
}

static struct err *ps_ask_parent(struct ps_client *c, uint64_t dst_id, int32_t *answer)
{
	struct ps_msg m = { .cmd = PS_PARENT, .dst_id = dst_id };

	if (c->wire == PS_WIRE_UNKNOWN)
		return ps_probe(c, &m, answer);
	TRY(ps_header(c, c->wire, &m));
	return ps_read(c, answer, sizeof(*answer), c->timeout_ms);
}

/* Anything but 0 or 1 comes from a server of the other wire format, or from no page server at all. */
static struct err *ps_check_answer(struct ps_client *c, int32_t answer)
{
	ps_say(c, "< %d", answer);
	return answer == 0 || answer == 1 ?
		       NULL :
		       err_new(ERR_FORMAT, "the server answered %d, neither yes nor no", answer);
}

/* A server leaves a header of the other format unanswered: before the first answer, that is the likeliest
 * reason. */
static struct err *ps_first_lost(struct ps_client *c, struct err *e)
{
	bool first = c->messages <= 1 && e->code != ERR_INTERRUPTED;

	e = ps_lost(c, e);
	return first ? err_hint(e,
				"does the server speak wire %s? (`set wire auto` finds out; CRIU "
				"up to 4.1 is 3.17)",
				ps_wire_name(c->wire)) :
		       e;
}

struct err *ps_parent(struct ps_client *c, uint64_t dst_id, bool *ret)
{
	int32_t answer = 0;

	TRY(ps_ready(c));
	struct err *e = ps_ask_parent(c, dst_id, &answer);

	if (!e)
		e = ps_check_answer(c, answer);
	*ret = answer == 1;
	return e ? ps_first_lost(c, e) : NULL;
}

struct err *ps_open(struct ps_client *c, uint64_t dst_id, bool *ret)
{
	uint8_t answer = 0;

	TRY(ps_ready(c));
	struct err *e =
		ps_header(c, c->wire, &(struct ps_msg){ .cmd = PS_OPEN2, .dst_id = dst_id });

	if (!e)
		e = ps_read(c, &answer, sizeof(answer), c->timeout_ms);
	if (!e)
		e = ps_check_answer(c, answer);
	*ret = answer == 1;
	return e ? ps_lost(c, e) : NULL;
}

struct err *ps_add(struct ps_client *c, uint64_t dst_id, uint64_t vaddr, uint64_t nr_pages,
		   uint32_t flags)
{
	TRY(ps_ready(c));
	struct err *e = ps_header(c, c->wire,
				  &(struct ps_msg){ .cmd = PS_ADD_F,
						    .flags = flags,
						    .nr_pages = nr_pages,
						    .vaddr = vaddr,
						    .dst_id = dst_id });

	return e ? ps_lost(c, e) : NULL;
}

struct err *ps_close(struct ps_client *c)
{
	int32_t status = -1;

	if (c->closed)
		return NULL;
	TRY(ps_ready(c));
	struct err *e = ps_header(c, c->wire, &(struct ps_msg){ .cmd = PS_CLOSE });

	c->closing = !e;
	if (!e)
		e = ps_read(c, &status, sizeof(status), c->timeout_ms);
	if (!e)
		ps_say(c, "< status %d", status);
	if (!e && status)
		e = err_new(ERR_CHECK, "the server closed with status %d", status);
	if (e)
		return ps_lost(c, e);
	c->closed = true;
	close_fd(&c->fd);
	return NULL;
}

bool ps_closed(const struct ps_client *c)
{
	return c->closed;
}

/* ---- inspection ------------------------------------------------------------------------------- */

void ps_client_stats(const struct ps_client *c, struct ps_client_stats *ret)
{
	uint64_t bytes = c->bytes + c->waiting, queued = c->waiting;
	int n = 0;

	if (c->fd >= 0 && !ioctl(c->fd, SIOCOUTQ, &n) && n > 0)
		queued += (uint64_t)n;
	if (queued > bytes) /* a local socket counts what its buffers take */
		queued = bytes;
	*ret = (struct ps_client_stats){ .wire = c->wire,
					 .messages = c->messages,
					 .bytes = bytes,
					 .queued = queued,
					 .busy_us = c->busy_us,
					 .talked = c->talked };
}

char *ps_client_line(const struct ps_client *c, uint64_t i)
{
	const struct ps_said *said = &c->talk[i % PS_TALK];
	char text[80];

	if (i >= c->talked || c->talked - i > PS_TALK)
		return xstrdup("");
	if (!said->message.cmd)
		return xstrdup(said->text);
	ps_describe(&said->message, text, sizeof(text));
	return xasprintf("> %s", text);
}

const char *ps_client_where(const struct ps_client *c)
{
	return c->where;
}
