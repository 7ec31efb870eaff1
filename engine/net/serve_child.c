/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/net/serve_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "engine/image/parent_link.h"
#include "engine/image/staging.h"

#define TICK_MS 200
#define PROGRESS_US 1000000ul
#define PIPE_BYTES (1u << 20)
#define SPLICE_MIN_PAGES                                                                           \
	9u /* below, a copy costs less than a splice; our client copies below as well */

struct child {
	const struct serve_opts *o;
	const char *dir;
	int fd, notes;
	int pipe[2]; /* from the socket to the file */
	int parent_fd;
	size_t piped; /* bytes in it */
	bool many;    /* pages in the last message that has some */
	struct staging *st;
	struct page_conn *c;
	uint64_t begun_us, heard_us, told_us;
};

static volatile sig_atomic_t child_stop;

static void child_on_term(int sig)
{
	child_stop = sig;
}

static void child_note(struct child *ch, int kind, const char *text)
{
	struct serve_note n;

	memset(&n, 0, sizeof(n)); /* padding too: all of it goes through a pipe */
	n.kind = kind;
	if (ch->c)
		n.st = *page_conn_stats(ch->c);
	snprintf(n.text, sizeof(n.text), "%s", text);
	if (write_full(ch->notes, &n, sizeof(n)) < 0)
		child_stop = 1; /* nobody is left to serve for */
}

/* ---- waiting ---------------------------------------------------------------------------------- */

static struct err *child_check_time(struct child *ch, uint64_t now)
{
	if (child_stop)
		return err_new(ERR_INTERRUPTED, "the server was told to end");
	if (ch->o->silence_s && now - ch->heard_us > ch->o->silence_s * 1000000ul)
		return err_hint(err_new(ERR_CHECK, "the client has said nothing for %u s",
					ch->o->silence_s),
				"--timeout 0 waits for ever");
	if (ch->o->max_s && now - ch->begun_us > ch->o->max_s * 1000000ul)
		return err_new(ERR_CHECK, "the connection has lasted longer than %u s",
			       ch->o->max_s);
	if (now - ch->told_us > PROGRESS_US) {
		ch->told_us = now;
		child_note(ch, NOTE_PROGRESS, "");
	}
	return NULL;
}

static struct err *child_wait(struct child *ch, short events)
{
	for (;;) {
		struct pollfd p = { .fd = ch->fd, .events = events };
		int n = poll(&p, 1, TICK_MS);
		uint64_t now = now_us();

		if (n > 0)
			ch->heard_us = now;
		TRY(child_check_time(ch, now));
		if (n > 0)
			return NULL;
		if (n < 0 && errno != EINTR)
			return err_sys(errno, "wait for the client");
	}
}

/* ---- bytes ------------------------------------------------------------------------------------ */

static struct err *child_gone(const struct child *ch, int why)
{
	const struct page_conn_stats *st = page_conn_stats(ch->c);
	struct err *e = why ? err_sys(why, "read from the client") :
			      err_new(ERR_FORMAT, "the client went away without CLOSE");
	char last[80] = "";

	if (st->last.cmd)
		ps_describe(&st->last, last, sizeof(last));
	return err_wrap(e, "after %lu messages%s%s%s", st->messages, *last ? ", the last one " : "",
			last, page_conn_in_message(ch->c) ? ", in the middle of one" : "");
}

static struct err *child_send(struct child *ch, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = RETRY(send(ch->fd, buf, len, MSG_NOSIGNAL));

		if (n < 0 && errno == EAGAIN) {
			TRY(child_wait(ch, POLLOUT));
			continue;
		}
		if (n < 0)
			return err_sys(errno, "answer the client");
		buf += n;
		len -= (size_t)n;
	}
	return NULL;
}

/* Bytes of the client, which were read. */
static struct err *child_take(struct child *ch, const char *buf, ssize_t n)
{
	size_t len;

	TRY(page_conn_feed(ch->c, buf, (size_t)n));
	const char *reply = page_conn_reply(ch->c, &len);

	return child_send(ch, reply, len);
}

static char feed[PAGE_CONN_FEED_MAX];

static struct err *child_recv(struct child *ch, bool *again_ret)
{
	ssize_t n = RETRY(recv(ch->fd, feed, sizeof(feed), 0));

	*again_ret = n < 0 && errno == EAGAIN;
	if (*again_ret)
		return NULL;
	return n > 0 ? child_take(ch, feed, n) : child_gone(ch, n < 0 ? errno : 0);
}

/* Whatever has come goes to the pipe, headers too. */
static struct err *child_fill_pipe(struct child *ch, bool *again_ret)
{
	ssize_t n = RETRY(splice(ch->fd, NULL, ch->pipe[1], NULL, PIPE_BYTES,
				 SPLICE_F_MOVE | SPLICE_F_NONBLOCK));

	*again_ret = n < 0 && errno == EAGAIN;
	if (*again_ret)
		return NULL;
	if (n <= 0)
		return child_gone(ch, n < 0 ? errno : 0);
	ch->piped = (size_t)n;
	return NULL;
}

/* Many pages go from there to the file without passing through us. */
static struct err *child_write_piped(struct child *ch, uint64_t want)
{
	off_t off;
	int to;

	page_conn_awaits(ch->c, &to, &off);
	ssize_t n = RETRY(splice(ch->pipe[0], NULL, to, &off, want < ch->piped ? want : ch->piped,
				 SPLICE_F_MOVE));

	if (n <= 0)
		return staging_advise(err_sys(n < 0 ? errno : EPIPE, "write pages of %s",
					      page_conn_stats(ch->c)->object),
				      staging_dirfd(ch->st), want);
	page_conn_moved(ch->c, (uint64_t)n);
	ch->piped -= (size_t)n;
	return NULL;
}

/* A header alone, since what is behind it may be many pages; few pages with all that follows them. */
static struct err *child_read_piped(struct child *ch, uint64_t want)
{
	size_t len = want ? sizeof(feed) : ps_header_size(page_conn_stats(ch->c)->wire);
	ssize_t n = RETRY(read(ch->pipe[0], feed, len < ch->piped ? len : ch->piped));

	if (n <= 0)
		return err_sys(n < 0 ? errno : EPIPE, "read what the client sent from a pipe");
	ch->piped -= (size_t)n;
	return child_take(ch, feed, n);
}

static struct err *child_some(struct child *ch, bool *again_ret)
{
	off_t off;
	int to;
	uint64_t want = page_conn_awaits(ch->c, &to, &off);

	if (want)
		ch->many = page_conn_stats(ch->c)->last.nr_pages >= SPLICE_MIN_PAGES &&
			   ch->pipe[0] >= 0;
	if (!ch->piped)
		return ch->many ? child_fill_pipe(ch, again_ret) : child_recv(ch, again_ret);
	return want && ch->many ? child_write_piped(ch, want) : child_read_piped(ch, want);
}

static struct err *child_receive(struct child *ch)
{
	bool again = true;

	while (!page_conn_closed(ch->c)) {
		if (again)
			TRY(child_wait(ch, POLLIN));
		else
			TRY(child_check_time(ch, ch->heard_us = now_us()));
		again = false;
		TRY(child_some(ch, &again));
	}
	if (ch->piped)
		return err_new(ERR_FORMAT, "%zu bytes after CLOSE", ch->piped);
	return NULL;
}

/* ---- the set ---------------------------------------------------------------------------------- */

/* The listener removes it if we cannot. */
static struct err *child_tell(void *arg, const char *path, bool exists)
{
	child_note(arg, NOTE_STAGED, exists ? path : "");
	return NULL;
}

static struct err *child_link_parent(struct child *ch)
{
	if (!ch->o->parent)
		return NULL;

	AUTO_FREE char *real = realpath(ch->o->parent, NULL);

	if (!real)
		return err_sys(errno, "find the parent images %s", ch->o->parent);

	AUTO_FREE char *target = parent_link(real, staging_path(ch->st), ch->dir);

	if (symlinkat(target, staging_dirfd(ch->st), "parent"))
		return err_sys(errno, "make the parent link to %s", target);
	return NULL;
}

static struct err *child_begin(struct child *ch)
{
	uint64_t max = ch->o->max_bytes;
	struct statvfs vfs;

	if (ch->o->parent) {
		ch->parent_fd = open(ch->o->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (ch->parent_fd < 0)
			return err_sys(errno, "open the parent images %s", ch->o->parent);
	}
	TRY(staging_create(ch->dir, (struct staging_guard){ child_tell, ch }, &ch->st));
	if (!max && !fstatvfs(staging_dirfd(ch->st), &vfs))
		max = vfs.f_bavail * vfs.f_frsize;
	if (pipe2(ch->pipe, O_CLOEXEC))
		ch->pipe[0] = ch->pipe[1] = -1;
	else
		fcntl(ch->pipe[1], F_SETPIPE_SZ, PIPE_BYTES);
	ch->c = page_conn_create(staging_dirfd(ch->st), ch->parent_fd, max);
	return NULL;
}

/* The client is told only once the set is in its place and durable. */
static struct err *child_commit(struct child *ch)
{
	if (!page_conn_stats(ch->c)->objects)
		return err_new(ERR_CHECK, "CLOSE without any object");
	TRY(child_link_parent(ch));
	TRY(staging_publish(ch->st, ch->dir));
	child_note(ch, NOTE_COMMITTED, "");

	uint32_t status = 0;

	/* A client that has gone away does not undo the publication. */
	err_free(child_send(ch, (char *)&status, sizeof(status)));
	return NULL;
}

static void child_serve(struct child *ch)
{
	AUTO_ERR struct err *e = child_begin(ch);

	if (!e)
		e = child_receive(ch);
	if (!e)
		e = child_commit(ch);
	/* The client learns of an error by the end of the connection, as with CRIU's server. */
	if (!e)
		shutdown(ch->fd, SHUT_WR);
	else
		close_fd(&ch->fd);
	err_free(staging_discard(ch->st)); /* before the note says that nothing is kept */
	if (e) {
		AUTO_FREE char *why = err_text(e);
		AUTO_FREE char *text =
			e->hint ? xasprintf("%s (%s)", why, e->hint) : xasprintf("%s", why);

		child_note(ch, NOTE_REFUSED, text);
	}
	page_conn_destroy(ch->c);
}

/* Two descriptors are kept, as 3 and 4: with the keeper's socket open here, the keeper of a session would
 * not notice its end. */
static void child_close_others(struct child *ch)
{
	int fd = fcntl(ch->fd, F_DUPFD, 10), notes = fcntl(ch->notes, F_DUPFD, 10);

	ch->fd = dup2(fd, 3);
	ch->notes = dup2(notes, 4);
	close_range(5, ~0u, 0);
}

void serve_child(const struct serve_opts *o, const char *dir, int fd, int notes)
{
	struct child ch = { .o = o, .dir = dir, .fd = fd, .notes = notes, .parent_fd = -1 };
	struct sigaction term = { .sa_handler = child_on_term };
	int on = 1;

	ch.pipe[0] = ch.pipe[1] = -1;
	sigaction(SIGTERM, &term, NULL);
	signal(SIGINT, SIG_IGN); /* the listener tells us */
	signal(SIGHUP, SIG_IGN);
	signal(SIGTSTP, SIG_DFL);
	signal(SIGWINCH, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	prctl(PR_SET_NAME, "stepdump serve");
	child_close_others(&ch);
	setsockopt(ch.fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	ch.begun_us = ch.heard_us = ch.told_us = now_us();
	child_serve(&ch);
	_exit(0);
}
