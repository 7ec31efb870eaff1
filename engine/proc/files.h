/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What lies behind the descriptors of a process: TCP sockets, mounts, locks.  Nothing here changes it. */
#ifndef STEPDUMP_FILES_H
#define STEPDUMP_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* States of /proc/net/tcp: TCP_ESTABLISHED and so on of the kernel. */
#define PROC_TCP_CLOSE 7
#define PROC_TCP_LISTEN 10

struct proc_tcp {
	uint64_t ino; /* of the socket, as in the links of /proc/PID/fd */
	uint32_t state;
	uint32_t rx_queue; /* of a listening socket: connections that nobody has accepted yet */
};

struct proc_tcps {
	struct proc_tcp *v; /* by ino; orphans, which have none, are left out */
	size_t nr;
};

void proc_tcps_deinit(struct proc_tcps *t);
/* Appends the lines of the text of /proc/net/tcp or tcp6; what does not parse is skipped. */
void parse_tcp(const char *text, struct proc_tcps *ret);
/* All TCP sockets of the network namespace of the process. */
struct err *proc_read_tcp(pid_t pid, struct proc_tcps *ret);
/* NULL: not there. */
const struct proc_tcp *proc_tcp_find(const struct proc_tcps *t, uint64_t ino);

struct proc_fdinfo {
	uint64_t mnt_id; /* of the mount that the file was opened through; 0: not told */
	bool locked;     /* this process holds a lock or a lease on it */
	char lock[96];   /* "FLOCK  ADVISORY  WRITE 359 00:13:11691 0 EOF" */
	bool has_tty_index;
};

void parse_fdinfo(const char *text, struct proc_fdinfo *ret);
struct err *proc_read_fdinfo(pid_t pid, int fd, struct proc_fdinfo *ret);

struct proc_mounts {
	uint64_t *id; /* ascending */
	size_t nr;
};

void proc_mounts_deinit(struct proc_mounts *m);
/* Appends the ids in the text of mountinfo, and sorts them. */
void parse_mounts(const char *text, struct proc_mounts *ret);
/* The mounts that the process can see: those below its root. */
struct err *proc_read_mounts(pid_t pid, struct proc_mounts *ret);
bool proc_mounts_have(const struct proc_mounts *m, uint64_t id);

#endif
