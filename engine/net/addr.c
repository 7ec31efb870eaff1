/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/mem.h"

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

struct err *net_wait(int fd, short events, int timeout_ms, const char *what)
{
	uint64_t until = now_us() + (uint64_t)timeout_ms * 1000;

	for (;;) {
		uint64_t now = now_us();
		struct pollfd p = { .fd = fd, .events = events };
		int n = poll(&p, 1, now < until ? (int)((until - now + 999) / 1000) : 0);

		if (n > 0)
			return NULL;
		if (n < 0 && errno != EINTR)
			return err_sys(errno, "wait for %s", what);
		if (n == 0)
			return err_sys(ETIMEDOUT, "wait for %s", what);
	}
}

static void net_unix(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret->sun_path, path, strlen(path));
}

static struct err *net_resolve(const struct net_name *n, int flags, struct addrinfo **ret)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags };
	int rc = getaddrinfo(n->host, n->port, &hints, ret);

	if (!rc)
		return NULL;
	if (rc == EAI_SYSTEM)
		return err_sys(errno, "look up %s", n->host);
	return err_new(ERR_USAGE, "look up %s: %s", n->host, gai_strerror(rc));
}

static struct err *net_connect_to(const struct sockaddr *sa, socklen_t len, int timeout_ms,
				  const char *where, int *fd_ret)
{
	AUTO_CLOSE int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, why = 0;
	socklen_t why_len = sizeof(why);

	if (fd < 0)
		return err_sys(errno, "make a socket for %s", where);
	if (FAULT(SERVER_CONNECT, connect(fd, sa, len)) < 0 && errno != EINPROGRESS &&
	    errno != EINTR)
		return err_sys(errno, "connect to %s", where);
	TRY(net_wait(fd, POLLOUT, timeout_ms, where));
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &why_len) || why)
		return err_sys(why ? why : errno, "connect to %s", where);
	if (sa->sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	*fd_ret = TAKE_FD(fd);
	return NULL;
}

static struct err *net_connect_name(const struct net_name *n, const char *where, int timeout_ms,
				    int *fd_ret)
{
	struct addrinfo *list;
	struct err *e = NULL;

	if (!n->host) {
		struct sockaddr_un un;

		net_unix(n->port, &un);
		return net_connect_to((struct sockaddr *)&un, sizeof(un), timeout_ms, where,
				      fd_ret);
	}
	TRY(net_resolve(n, 0, &list));
	for (struct addrinfo *a = list; a; a = a->ai_next) {
		err_free(e);
		e = net_connect_to(a->ai_addr, a->ai_addrlen, timeout_ms, where, fd_ret);
		if (!e)
			break;
	}
	freeaddrinfo(list);
	return e;
}

struct err *net_connect(const char *where, int timeout_ms, int *fd_ret)
{
	struct net_name n = { 0 };

	TRY(net_name_parse(where, &n));
	struct err *e = net_connect_name(&n, where, timeout_ms, fd_ret);

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

static struct err *net_listen_name(const struct net_name *n, const char *where, int *fd_ret)
{
	struct addrinfo *list;
	struct sockaddr_un un;

	if (n->host) {
		TRY(net_resolve(n, AI_PASSIVE, &list));
		struct err *e = net_listen_at(list->ai_addr, list->ai_addrlen, where, fd_ret);

		freeaddrinfo(list);
		return e;
	}
	net_unix(n->port, &un);
	net_remove_stale(&un);
	mode_t old =
		umask(0177); /* it receives the memory of processes: only the owner may connect */
	struct err *e = net_listen_at((struct sockaddr *)&un, sizeof(un), where, fd_ret);

	umask(old);
	return e;
}

struct err *net_listen(const char *where, int *fd_ret, char **bound_ret, bool *open_ret)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	struct net_name n = { 0 };

	TRY(net_name_parse(where, &n));
	struct err *e = net_listen_name(&n, where, fd_ret);

	if (!e && getsockname(*fd_ret, (struct sockaddr *)&ss, &len))
		e = err_sys(errno, "ask for the address of %s", where);
	if (!e) {
		*bound_ret = n.host ? net_print(&ss) : xstrdup(where);
		*open_ret = !net_is_loopback(&ss);
	}
	net_name_deinit(&n);
	return e;
}
