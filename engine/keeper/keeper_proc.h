/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the keeper reads in /proc about a task it is about to touch. */
#ifndef STEPDUMP_KEEPER_PROC_H
#define STEPDUMP_KEEPER_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct kproc_status {
	char state; /* R S D T t Z X I */
	pid_t tgid, tracer;
	uid_t uid; /* real */
	uint64_t sig_pending, shared_pending, sig_blocked;
	int seccomp;      /* 0: none */
	uint64_t vm_size; /* bytes */
	char comm[16];
};

struct kproc_stat {
	unsigned long flags; /* PF_* */
	uint64_t start_time_ticks;
};

/* tid 0: the process itself; else one thread of it.  false: gone, or not readable. */
bool kproc_status(pid_t pid, pid_t tid, struct kproc_status *ret);
bool kproc_stat(pid_t pid, struct kproc_stat *ret);
/* Up to len - 1 bytes, NUL-terminated; -1 on failure. */
ssize_t kproc_read(const char *path, char *buf, size_t len);
/* "redis-server", or "?" */
void kproc_comm(pid_t pid, char buf[16]);
/* Thread ids; caller frees.  false: gone. */
bool kproc_tids(pid_t pid, pid_t **ret, size_t *nr_ret);
/* Soft limit named as in /proc/PID/limits; UINT64_MAX for unlimited or unknown. */
uint64_t kproc_limit(pid_t pid, const char *name);

struct kproc_map {
	uint64_t start, end;
	char perms[5];
	const char *name; /* "" for none; valid during the call */
};
/* Calls `fn` for each mapping until it returns false.  false: maps cannot be read. */
bool kproc_maps(pid_t pid, bool (*fn)(const struct kproc_map *m, void *arg), void *arg);

/* Calls `fn` for each open descriptor.  false: /proc/PID/fd cannot be read. */
bool kproc_fds(pid_t pid, void (*fn)(int fd, const char *link, void *arg), void *arg);

#endif
