/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which unix sockets are connected with each other: what /proc/net/unix does not tell. */
#ifndef STEPDUMP_UNIX_DIAG_H
#define STEPDUMP_UNIX_DIAG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct proc_unix {
	uint64_t ino;
	uint64_t peer;  /* its inode; 0: not connected, or not accepted yet */
	char name[112]; /* the path or "@NAME" that it is bound to; "" without */
};

struct proc_unixes {
	struct proc_unix *v; /* by ino */
	size_t nr;
};

void proc_unixes_deinit(struct proc_unixes *u);
/* Appends the sockets of one answer of sock_diag; true at the end of the dump, or if it is damaged. */
bool parse_unix_diag(const void *answer, size_t len, struct proc_unixes *ret);
/*
 * All unix sockets of the network namespace of the process.  Where that is not ours, this thread enters it
 * for the moment in which it makes a socket: ERR_SYS without CAP_SYS_ADMIN.
 */
struct err *proc_read_unix(pid_t pid, struct proc_unixes *ret);
/* NULL: not there. */
const struct proc_unix *proc_unix_find(const struct proc_unixes *u, uint64_t ino);

#endif
