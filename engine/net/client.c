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

struct ps_client {
	char *where;
	int fd;
	int timeout_ms;
	enum ps_wire wire;
	uint64_t messages, bytes, begun_us;
	uint64_t talked;
	char talk[PS_TALK][96];
	bool closing; /* CLOSE is sent */
	bool closed;  /* and acknowledged */
	bool lost;
};

static void ps_say(struct ps_client *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void ps_say(struct ps_client *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->talk[c->talked++ % PS_TALK], sizeof(c->talk[0]), fmt, ap);
	va_end(ap);
}

/* Adds how far the conversation came, and what that means for both sides. */
static struct err *ps_lost(struct ps_client *c, struct err *e)
{
	c->lost = true;
	ps_say(c, "lost: %s", e->msg);
	e = err_wrap(e, "page server %s, after %lu messages and %lu bytes", c->where, c->messages,
		     c->bytes);
	e = err_cause(e, "page-server-lost", "%lu bytes were sent to %s", c->bytes, c->where);
	if (c->closing)
		return err_hint(
			e, "everything was sent, but the server did not confirm it: look there "
			   "whether the set is complete; nothing is published here, and "
			   "tracking is not reset; `restart` begins again");
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
		       struct ps_client **ret)
{
	int timeout_ms = (int)timeout_s * 1000, fd;

	TRY(err_cause_only(err_hint(net_connect(where, timeout_ms, &fd),
				    "is the page server running there (`stepdump serve`, `criu "
				    "page-server`)?"),
			   "page-server-down"));

	struct ps_client *c = xzalloc(sizeof(*c));

	c->where = xstrdup(where);
	c->fd = fd;
	c->timeout_ms = timeout_ms;
	c->wire = wire;
	c->begun_us = now_us();
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
	free(c);
}

/* ---- bytes ------------------------------------------------------------------------------------ */

/* The caller has seen EAGAIN, or a count that is short. */
static struct err *ps_wait_room(struct ps_client *c)
{
	return net_wait(c->fd, POLLOUT, c->timeout_ms, "the server to take more");
}

static struct err *ps_write(struct ps_client *c, const void *buf, uint64_t len, int flags)
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

static struct err *ps_read(struct ps_client *c, void *buf, size_t len, int timeout_ms)
{
	char *p = buf;

	while (len) {
		TRY(net_wait(c->fd, POLLIN, timeout_ms, "the server's answer"));
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

static struct err *ps_splice_more(struct ps_client *c, int pipe_fd, uint64_t len, uint64_t *moved)
{
	while (*moved < len) {
		ssize_t n = RETRY(splice(pipe_fd, NULL, c->fd, NULL, len - *moved,
					 SPLICE_F_MOVE | SPLICE_F_MORE));

		if (n < 0 && errno != EAGAIN)
			return err_sys(errno, "send pages to the server");
		if (n == 0)
			return err_sys(EPIPE, "send pages to the server: the pipe is empty");
		if (n < 0) {
			TRY(ps_wait_room(c));
			continue;
		}
		*moved += (uint64_t)n;
		c->bytes += (uint64_t)n;
	}
	return NULL;
}

struct err *ps_splice(struct ps_client *c, int pipe_fd, uint64_t len, uint64_t *moved)
{
	TRY(ps_ready(c));
	struct err *e = ps_splice_more(c, pipe_fd, len, moved);

	return e ? ps_lost(c, e) : NULL;
}

struct err *ps_send(struct ps_client *c, const void *buf, uint64_t len)
{
	TRY(ps_ready(c));
	struct err *e = ps_write(c, buf, len, MSG_MORE);

	return e ? ps_lost(c, e) : NULL;
}

/* ---- messages --------------------------------------------------------------------------------- */

static struct err *ps_header(struct ps_client *c, enum ps_wire wire, const struct ps_msg *m)
{
	uint8_t buf[PS_HEADER_MAX];
	char text[80];

	ps_describe(m, text, sizeof(text));
	ps_say(c, "> %s", text);
	c->messages++;
	ps_pack(wire, m, buf);
	/* Entries and pages fill whole segments; a question pushes all of it out. */
	return ps_write(c, buf, ps_header_size(wire), m->cmd == PS_ADD_F ? MSG_MORE : 0);
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
	e = net_wait(c->fd, POLLIN, wait, "the server's answer");
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
	bool first = c->messages <= 1;

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
	int queued = 0;

	if (c->fd >= 0)
		ioctl(c->fd, SIOCOUTQ, &queued);
	*ret = (struct ps_client_stats){ .wire = c->wire,
					 .messages = c->messages,
					 .bytes = c->bytes,
					 .queued = queued > 0 ? (uint64_t)queued : 0,
					 .us = now_us() - c->begun_us,
					 .talked = c->talked };
}

const char *ps_client_line(const struct ps_client *c, uint64_t i)
{
	return i < c->talked && c->talked - i <= PS_TALK ? c->talk[i % PS_TALK] : "";
}

const char *ps_client_where(const struct ps_client *c)
{
	return c->where;
}
