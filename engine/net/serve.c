/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/net/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/vec.h"
#include "engine/image/flatdir.h"
#include "engine/image/staging.h"
#include "engine/net/addr.h"
#include "engine/net/serve_child.h"

#define TICK_MS 200       /* how soon a stop is noticed */
#define END_US 10000000ul /* how long children that were told to end may take */
#define FULL_US 1000000ul /* without a descriptor for the next client */

/* A connection, as the listener knows it. */
struct served {
	unsigned number;
	pid_t pid;
	int pipe; /* notes of the child; -1: closed */
	char *peer, *dir;
	char *staged; /* the child's staging directory, removed here if the child dies; NULL: none */
	bool settled; /* it said how it ended */
};

struct server {
	const struct serve_opts *o;
	const volatile sig_atomic_t *stop;
	void (*event)(void *arg, const struct serve_event *ev);
	void *arg;
	int listener;
	struct served *v;
	size_t nr;
	unsigned numbers;       /* connections so far */
	uint64_t full_until_us; /* no client is taken before */
	struct err *last;       /* once: how the connection ended */
};

static void serve_tell(struct server *s, enum serve_what what, const struct served *c,
		       const char *text, const struct page_conn_stats *st)
{
	struct serve_event ev = { .what = what, .text = text };

	if (c) {
		ev.client = c->number;
		ev.peer = c->peer;
	}
	if (st)
		ev.st = *st;
	s->event(s->arg, &ev);
}

static void serve_refused(struct server *s, struct served *c, const char *why,
			  const struct page_conn_stats *st)
{
	c->settled = true;
	serve_tell(s, SERVE_REFUSED, c, why, st);
	if (s->o->once)
		s->last = err_hint(err_first(s->last, err_new(ERR_CHECK, "%s: %s", c->peer, why)),
				   "nothing is at %s", c->dir);
}

/* ---- connections ------------------------------------------------------------------------------ */

static void serve_note(struct server *s, struct served *c, const struct serve_note *n)
{
	switch (n->kind) {
	case NOTE_STAGED:
		free(c->staged);
		c->staged = *n->text ? xstrdup(n->text) : NULL;
		break;
	case NOTE_PROGRESS:
		serve_tell(s, SERVE_PROGRESS, c, NULL, &n->st);
		break;
	case NOTE_COMMITTED:
		c->settled = true;
		serve_tell(s, SERVE_COMMITTED, c, c->dir, &n->st);
		break;
	case NOTE_REFUSED:
		serve_refused(s, c, n->text, &n->st);
		break;
	}
}

/* Removes what a child that died has left. */
static void serve_remove_staged(struct served *c)
{
	AUTO_CLOSE int fd = -1;

	if (!c->staged)
		return;
	fd = open(c->staged, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		err_free(flatdir_clear(fd, c->staged));
	rmdir(c->staged);
}

static void serve_forget(struct server *s, size_t i)
{
	struct served *c = &s->v[i];

	close_fd(&c->pipe);
	free(c->peer);
	free(c->dir);
	free(c->staged);
	vec_remove(s->v, s->nr, i);
}

static void serve_reap(struct server *s, size_t i)
{
	struct served *c = &s->v[i];
	char why[80];
	int status = 0;

	RETRY(waitpid(c->pid, &status, 0));
	serve_remove_staged(c);
	if (!c->settled) {
		if (WIFSIGNALED(status))
			snprintf(why, sizeof(why),
				 "the process that served it was killed by signal %d",
				 WTERMSIG(status));
		else
			snprintf(why, sizeof(why),
				 "the process that served it ended with status %d",
				 WEXITSTATUS(status));
		serve_refused(s, c, why, NULL);
	}
	serve_forget(s, i);
}

/* A note is written at once, and is shorter than PIPE_BUF. */
static void serve_read_notes(struct server *s, size_t i)
{
	struct serve_note n;
	ssize_t len = read_full(s->v[i].pipe, &n, sizeof(n));

	if (len == (ssize_t)sizeof(n))
		serve_note(s, &s->v[i], &n);
	else
		serve_reap(s, i);
}

static char *serve_dir_for(struct server *s)
{
	if (s->o->once)
		return xstrdup(s->o->dir);
	for (;;) {
		AUTO_FREE char *dir = xasprintf("%s/%u", s->o->dir, ++s->numbers);

		if (access(dir, F_OK))
			return TAKE_PTR(dir);
	}
}

/* A client that cannot be served, for want of descriptors or processes, is dropped. */
static void serve_accept(struct server *s)
{
	AUTO_CLOSE int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int pipes[2] = { -1, -1 };
	char why[80];

	if (fd < 0) { /* the client is gone already; or it waits until there is room for it */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			s->full_until_us = now_us() + FULL_US;
		return;
	}

	struct served *c = vec_push(s->v, s->nr);

	c->peer = net_peer(fd);
	c->dir = serve_dir_for(s);
	c->number = s->o->once ? ++s->numbers : s->numbers;
	c->pid = pipe2(pipes, O_CLOEXEC) ? -1 : fork();
	if (c->pid == 0)
		serve_child(s->o, c->dir, fd, pipes[1]); /* does not return */
	snprintf(why, sizeof(why), "no process can be made for it: %s", err_errno_name(errno));
	close_fd(&pipes[1]);
	c->pipe = pipes[0];
	serve_tell(s, SERVE_CONNECTED, c, c->dir, NULL);
	if (c->pid < 0) {
		serve_refused(s, c, why, NULL);
		serve_forget(s, s->nr - 1);
	}
}

/* ---- the loop --------------------------------------------------------------------------------- */

static bool serve_takes_more(const struct server *s)
{
	if (now_us() < s->full_until_us)
		return false;
	return s->o->once ? !s->numbers : s->nr < s->o->clients;
}

static struct err *serve_once_around(struct server *s)
{
	AUTO_FREE struct pollfd *p = xcalloc(s->nr + 1, sizeof(*p));
	size_t nr = s->nr;

	p[0] = (struct pollfd){ .fd = serve_takes_more(s) ? s->listener : -1, .events = POLLIN };
	for (size_t i = 0; i < nr; i++)
		p[i + 1] = (struct pollfd){ .fd = s->v[i].pipe, .events = POLLIN };
	if (poll(p, nr + 1, TICK_MS) < 0)
		return errno == EINTR ? NULL : err_sys(errno, "wait for clients");
	for (size_t i = nr; i-- > 0;) /* downwards: one may be removed */
		if (p[i + 1].revents)
			serve_read_notes(s, i);
	if (p[0].revents)
		serve_accept(s);
	return NULL;
}

static void serve_kill_all(struct server *s, int sig)
{
	for (size_t i = 0; i < s->nr; i++)
		kill(s->v[i].pid, sig);
}

/* Children that are told to end remove what they staged; those that do not end are killed. */
static void serve_end(struct server *s)
{
	uint64_t until = now_us() + END_US;
	bool killed = false;

	serve_kill_all(s, SIGTERM);
	while (s->nr) {
		struct pollfd p = { .fd = s->v[0].pipe, .events = POLLIN };

		if (poll(&p, 1, TICK_MS) > 0)
			serve_read_notes(s, 0);
		else if (!killed && now_us() > until) {
			serve_kill_all(s, SIGKILL);
			killed = true;
		}
	}
	free(s->v);
}

static struct err *serve_loop(struct server *s)
{
	while (!*s->stop) {
		TRY(serve_once_around(s));
		if (s->o->once && s->numbers && !s->nr)
			break;
	}
	return NULL;
}

/* Finds what is wrong before the first client comes. */
static struct err *serve_check(const struct serve_opts *o)
{
	struct stat st;

	if (o->parent) {
		AUTO_CLOSE int fd = open(o->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			return err_sys(errno, "open the parent images %s", o->parent);
	}
	if (o->once)
		return staging_check(o->dir);
	if (mkdir_private(AT_FDCWD, o->dir) && errno != EEXIST)
		return staging_advise(err_sys(errno, "make the directory %s", o->dir), AT_FDCWD, 0);
	if (stat(o->dir, &st) || !S_ISDIR(st.st_mode))
		return err_sys(ENOTDIR, "serve into %s", o->dir);
	if (access(o->dir, W_OK))
		return err_sys(errno, "write to %s", o->dir);
	return NULL;
}

/* Another server may have taken the path since. */
static void serve_remove_socket(const char *path, const struct stat *ours)
{
	struct stat now;

	if (!lstat(path, &now) && now.st_dev == ours->st_dev && now.st_ino == ours->st_ino)
		unlink(path);
}

struct err *serve_run(const struct serve_opts *o, const volatile sig_atomic_t *stop,
		      void (*event)(void *arg, const struct serve_event *ev), void *arg)
{
	struct server s = { .o = o, .stop = stop, .event = event, .arg = arg, .listener = -1 };
	struct serve_event ev = { .what = SERVE_LISTENING };
	AUTO_FREE char *bound = NULL;
	const char *path = strncmp(o->where, "unix:", 5) ? NULL : o->where + 5;
	struct stat ours = { 0 };

	TRY(serve_check(o));
	TRY(net_listen(o->where, stop, &s.listener, &bound, &ev.open));
	if (path && lstat(path, &ours))
		path = NULL;
	ev.text = bound;
	event(arg, &ev);

	struct err *e = serve_loop(&s);

	serve_end(&s);
	close(s.listener);
	if (path)
		serve_remove_socket(path, &ours);
	return err_first(e, s.last);
}
