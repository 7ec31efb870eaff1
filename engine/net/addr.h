/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where a page server is: "HOST:PORT" (a name, IPv4, or IPv6 in brackets), ":PORT" or "PORT" on this
 * machine, or "unix:PATH".
 */
#ifndef STEPDUMP_NET_ADDR_H
#define STEPDUMP_NET_ADDR_H

#include <stdbool.h>

#include "base/err.h"

/* Is it written as an address?  ERR_USAGE says how one is.  Nothing is looked up. */
struct err *net_check(const char *where);

/* A connected socket that does not block, with TCP_NODELAY.  Tries each address of the name, each for
 * at most timeout_ms. */
struct err *net_connect(const char *where, int timeout_ms, int *fd_ret);

/*
 * net_listen - a listening socket; port 0 is any free port.
 * *bound_ret: the address as it came out, in the spelling above; owned by the caller.
 * *open_ret: can other machines reach it?
 */
struct err *net_listen(const char *where, int *fd_ret, char **bound_ret, bool *open_ret);
/* Who is at the other end, for people; owned by the caller. */
char *net_peer(int fd);

/* Waits for poll() events; ERR_SYS (ETIMEDOUT) after timeout_ms. */
struct err *net_wait(int fd, short events, int timeout_ms, const char *what);

#endif
