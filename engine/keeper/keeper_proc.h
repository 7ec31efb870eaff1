/* SPDX-License-Identifier: GPL-3.0-or-later */
/* engine/proc/proc.h for callers that do not need the reason: false means gone, or not readable. */
#ifndef STEPDUMP_KEEPER_PROC_H
#define STEPDUMP_KEEPER_PROC_H

#include "engine/proc/proc.h"

/* tid 0: the process itself; else one thread of it. */
bool kproc_status(pid_t pid, pid_t tid, struct proc_status *ret);
bool kproc_stat(pid_t pid, struct proc_stat *ret);
/* *ret is empty on failure; free it with proc_threads_deinit(). */
bool kproc_threads(pid_t pid, struct proc_threads *ret);
/* Soft limit RLIMIT_*; RLIM_INFINITY for none or unknown. */
rlim_t kproc_limit(pid_t pid, int resource);
bool kproc_each_map(pid_t pid, bool (*fn)(const struct proc_map *m, void *arg), void *arg);
bool kproc_each_fd(pid_t pid, void (*fn)(int fd, const char *link, void *arg), void *arg);

#endif
