/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/mem.h"

enum { SLICE_MS = 100, LISTEN_MS = 20000, ADDRESSES = 16 };

/* Where a name leads. */
struct net_found {
	int rc, sys_errno; /* of getaddrinfo() */
	unsigned nr;
	struct {
		struct sockaddr_storage sa;
		socklen_t len;
	} v[ADDRESSES];
};

struct net_name {
	char *host; /* NULL: unix */
	char *port; /* unix: the path */
};

static void net_name_deinit(struct net_name *n)
{
	free(n->host);
	free(n->port);
}

static struct err *net_name_parse(const char *where, struct net_name *ret)
{
	const char *colon = strrchr(where, ':'), *port = colon ? colon + 1 : where;
	const char *from = where;
	size_t len = colon ? (size_t)(colon - where) : 0;
	char *end;

	if (!strncmp(where, "unix:", 5)) {
		if (!where[5] || strlen(where + 5) >= sizeof(((struct sockaddr_un *)0)->sun_path))
			return err_new(ERR_USAGE, "\"%s\": the path of the socket is %s", where,
				       where[5] ? "too long" : "missing");
		*ret = (struct net_name){ .port = xstrdup(where + 5) };
		return NULL;
	}
	unsigned long n = strtoul(port, &end, 10);
	bool bracket = len >= 2 && *where == '[' && where[len - 1] == ']';

	if (*port < '0' || *port > '9' || *end || n > 65535 ||
	    (!bracket && memchr(where, ':', len)))
		return err_hint(err_new(ERR_USAGE, "\"%s\" is not an address", where),
				"HOST:PORT, [IPv6]:PORT, :PORT on this machine, or unix:PATH");
	if (bracket) {
		from++;
		len -= 2;
	}
	*ret = (struct net_name){ .host = len ? xasprintf("%.*s", (int)len, from) :
						xstrdup("127.0.0.1"),
				  .port = xstrdup(port) };
	return NULL;
}

struct err *net_check(const char *where)
{
	struct net_name n = { 0 };

	TRY(net_name_parse(where, &n));
	net_name_deinit(&n);
	return NULL;
}

struct net_limit net_limit(int timeout_ms, const volatile sig_atomic_t *stop)
{
	return (struct net_limit){ .until_us = now_us() + (uint64_t)timeout_ms * 1000,
				   .stop = stop };
}

/* How long one poll() may take: a signal that comes just before it does not wake it. */
static int net_slice(const struct net_limit *limit)
{
	uint64_t now = now_us(), left = now < limit->until_us ? limit->until_us - now : 0;

	return left < SLICE_MS * 1000 ? (int)((left + 999) / 1000) : SLICE_MS;
}

struct err *net_wait(int fd, short events, const struct net_limit *limit, const char *what)
{
	/* Who is asked to stop hears a peer that answers at once: the conversation can go on later. */
	bool asked = false;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		int n = poll(&p, 1, net_slice(limit));

		if (n > 0)
			return NULL;
		if (n < 0 && errno != EINTR)
			return err_sys(errno, "wait for %s", what);
		if (n == 0 && asked)
			return err_new(ERR_INTERRUPTED, "interrupted in the wait for %s", what);
		if (now_us() >= limit->until_us)
			return err_sys(ETIMEDOUT, "wait for %s", what);
		asked = limit->stop && *limit->stop;
	}
}

static void net_unix(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret->sun_path, path, strlen(path));
}

static void net_getaddrinfo(const struct net_name *n, int flags, struct net_found *ret)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags }, *list;

	*ret = (struct net_found){ .rc = getaddrinfo(n->host, n->port, &hints, &list) };
	ret->sys_errno = errno;
	if (ret->rc)
		return;
	for (struct addrinfo *a = list; a && ret->nr < ADDRESSES; a = a->ai_next) {
		memcpy(&ret->v[ret->nr].sa, a->ai_addr, a->ai_addrlen);
		ret->v[ret->nr++].len = a->ai_addrlen;
	}
	freeaddrinfo(list);
}

static _Noreturn void net_ask_child(const struct net_name *n, int flags, pid_t parent, int fd)
{
	struct net_found found;

	/* It has our end of the keeper's socket too, and must not outlive us with that. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	net_getaddrinfo(n, flags, &found);
	_exit(write_full(fd, &found, sizeof(found)) < 0);
}

/* getaddrinfo() waits for name servers as long as resolv.conf says, and cannot be told to stop: a
 * child does it, which can be killed. */
static struct err *net_ask(const struct net_name *n, int flags, const struct net_limit *limit,
			   struct net_found *ret)
{
	AUTO_FREE char *what = xasprintf("the address of %s", n->host);
	int pipes[2];

	if (pipe2(pipes, O_CLOEXEC))
		return err_sys(errno, "look up %s", n->host);
	pid_t self = getpid(), pid = fork();

	if (pid == 0)
		net_ask_child(n, flags, self, pipes[1]); /* does not return */
	close(pipes[1]);

	struct err *e = pid < 0 ? err_sys(errno, "look up %s", n->host) :
				  net_wait(pipes[0], POLLIN, limit, what);

	if (!e && read_full(pipes[0], ret, sizeof(*ret)) != (ssize_t)sizeof(*ret))
		e = err_new(ERR_STATE, "look up %s: the process that did it ended early", n->host);
	close(pipes[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		RETRY(waitpid(pid, NULL, 0));
	}
	return e;
}

static struct err *net_resolve(const struct net_name *n, int flags, const struct net_limit *limit,
			       struct net_found *ret)
{
	net_getaddrinfo(n, flags | AI_NUMERICHOST, ret);
	if (ret->rc == EAI_NONAME)
		TRY(net_ask(n, flags, limit, ret));
	if (!ret->rc)
		return NULL;
	if (ret->rc == EAI_SYSTEM)
		return err_sys(ret->sys_errno, "look up %s", n->host);
	return err_new(ERR_USAGE, "look up %s: %s", n->host, gai_strerror(ret->rc));
}

static struct err *net_connect_to(const struct sockaddr *sa, socklen_t len,
				  const struct net_limit *limit, const char *where, int *fd_ret)
{
	AUTO_CLOSE int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, why = 0;
	socklen_t why_len = sizeof(why);

	if (fd < 0)
		return err_sys(errno, "make a socket for %s", where);
	if (FAULT(SERVER_CONNECT, connect(fd, sa, len)) < 0 && errno != EINPROGRESS &&
	    errno != EINTR)
		return err_sys(errno, "connect to %s", where);
	TRY(net_wait(fd, POLLOUT, limit, where));
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &why_len) || why)
		return err_sys(why ? why : errno, "connect to %s", where);
	if (sa->sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	*fd_ret = TAKE_FD(fd);
	return NULL;
}

/* An address that does not answer leaves time for the others. */
static struct net_limit net_share(const struct net_limit *limit, unsigned left)
{
	uint64_t now = now_us(), rest = now < limit->until_us ? limit->until_us - now : 0;

	return (struct net_limit){ .until_us = now + rest / left, .stop = limit->stop };
}

static struct err *net_connect_name(const struct net_name *n, const char *where,
				    const struct net_limit *limit, int *fd_ret)
{
	struct net_found found;
	struct err *e = NULL;

	if (!n->host) {
		struct sockaddr_un un;

		net_unix(n->port, &un);
		return net_connect_to((struct sockaddr *)&un, sizeof(un), limit, where, fd_ret);
	}
	TRY(net_resolve(n, 0, limit, &found));
	for (unsigned i = 0; i < found.nr; i++) {
		struct net_limit share = net_share(limit, found.nr - i);

		err_free(e);
		e = net_connect_to((struct sockaddr *)&found.v[i].sa, found.v[i].len, &share, where,
				   fd_ret);
		if (!e || e->code == ERR_INTERRUPTED)
			break;
	}
	return e;
}

struct err *net_connect(const char *where, const struct net_limit *limit, int *fd_ret)
{
	struct net_name n = { 0 };

	TRY(net_name_parse(where, &n));
	struct err *e = net_connect_name(&n, where, limit, fd_ret);

	net_name_deinit(&n);
	return e;
}

/* ---- listening ------------------------------------------------------------------------------ */

static char *net_print(const struct sockaddr_storage *ss)
{
	char host[INET6_ADDRSTRLEN] = "?";
	const struct sockaddr_in *in = (const struct sockaddr_in *)ss;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;

	if (ss->ss_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		return xasprintf("%s:%u", host, ntohs(in->sin_port));
	}
	if (ss->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		return xasprintf("[%s]:%u", host, ntohs(in6->sin6_port));
	}
	return xstrdup("unix");
}

static bool net_is_loopback(const struct sockaddr_storage *ss)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)ss;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;

	if (ss->ss_family == AF_INET)
		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	if (ss->ss_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
	return true;
}

char *net_peer(int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);

	return getpeername(fd, (struct sockaddr *)&ss, &len) ? xstrdup("?") : net_print(&ss);
}

static struct err *net_listen_at(const struct sockaddr *sa, socklen_t len, const char *where,
				 int *fd_ret)
{
	AUTO_CLOSE int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd < 0)
		return err_sys(errno, "make a socket for %s", where);
	if (sa->sa_family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, sa, len) || listen(fd, 16))
		return err_sys(errno, "listen at %s", where);
	*fd_ret = TAKE_FD(fd);
	return NULL;
}

/* A socket file that nobody listens at is what a killed server left. */
static void net_remove_stale(const struct sockaddr_un *un)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (fd < 0 || lstat(un->sun_path, &st) || !S_ISSOCK(st.st_mode))
		return;
	if (connect(fd, (const struct sockaddr *)un, sizeof(*un)) && errno == ECONNREFUSED)
		unlink(un->sun_path);
}

static struct err *net_listen_name(const struct net_name *n, const char *where,
				   const volatile sig_atomic_t *stop, int *fd_ret)
{
	const struct net_limit limit = net_limit(LISTEN_MS, stop);
	struct net_found found;
	struct sockaddr_un un;

	if (n->host) {
		TRY(net_resolve(n, AI_PASSIVE, &limit, &found));
		return net_listen_at((struct sockaddr *)&found.v[0].sa, found.v[0].len, where,
				     fd_ret);
	}
	net_unix(n->port, &un);
	net_remove_stale(&un);
	mode_t old =
		umask(0177); /* it receives the memory of processes: only the owner may connect */
	struct err *e = net_listen_at((struct sockaddr *)&un, sizeof(un), where, fd_ret);

	umask(old);
	return e;
}

struct err *net_listen(const char *where, const volatile sig_atomic_t *stop, int *fd_ret,
		       char **bound_ret, bool *open_ret)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	struct net_name n = { 0 };

	TRY(net_name_parse(where, &n));
	struct err *e = net_listen_name(&n, where, stop, fd_ret);

	if (!e && getsockname(*fd_ret, (struct sockaddr *)&ss, &len))
		e = err_sys(errno, "ask for the address of %s", where);
	if (!e) {
		*bound_ret = n.host ? net_print(&ss) : xstrdup(where);
		*open_ret = !net_is_loopback(&ss);
	}
	net_name_deinit(&n);
	return e;
}
