/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Also missing from the package: passing one descriptor over a unix socket (std.lib.a has it). */
#ifndef STEPDUMP_SHIM_SCM_H
#define STEPDUMP_SHIM_SCM_H
#include <sys/un.h>
int send_fds(int sock, struct sockaddr_un *saddr, int len, int *fds, int nr_fds, void *data,
	     unsigned ch_size);
int __recv_fds(int sock, int *fds, int nr_fds, void *data, unsigned ch_size, int flags);
#endif
