/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where a page server is: "HOST:PORT" (a name, IPv4, or IPv6 in brackets), ":PORT" or "PORT" on this
 * machine, or "unix:PATH".
 */
#ifndef STEPDUMP_NET_ADDR_H
#define STEPDUMP_NET_ADDR_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* When a wait ends at the latest. */
struct net_limit {
	uint64_t until_us;                 /* of now_us() */
	const volatile sig_atomic_t *stop; /* the operator has asked to stop; NULL: nobody can */
};

struct net_limit net_limit(int timeout_ms, const volatile sig_atomic_t *stop);

/* Is it written as an address?  ERR_USAGE says how one is.  Nothing is looked up. */
struct err *net_check(const char *where);

/* A connected socket that does not block, with TCP_NODELAY.  The limit is for all of it, the look-up of
 * a name included; each address of a name gets its share of what is left. */
struct err *net_connect(const char *where, const struct net_limit *limit, int *fd_ret);

/*
 * net_listen - a listening socket; port 0 is any free port.  The look-up of a name ends after 20 s, or soon
 * after *stop is set (ERR_INTERRUPTED; NULL: nobody stops it).
 * *bound_ret: the address as it came out, in the spelling above; owned by the caller.
 * *open_ret: can other machines reach it?
 */
struct err *net_listen(const char *where, const volatile sig_atomic_t *stop, int *fd_ret,
		       char **bound_ret, bool *open_ret);
/* Who is at the other end, for people; owned by the caller. */
char *net_peer(int fd);

/* Waits for poll() events; ERR_SYS (ETIMEDOUT) at the limit, ERR_INTERRUPTED soon after the operator
 * asked to stop. */
struct err *net_wait(int fd, short events, const struct net_limit *limit, const char *what);

#endif
