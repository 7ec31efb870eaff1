/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/keeper/keeper_proc.h"

static bool worked(struct err *e)
{
	err_free(e);
	return !e;
}

bool kproc_status(pid_t pid, pid_t tid, struct proc_status *ret)
{
	return worked(tid ? proc_read_thread_status(pid, tid, ret) : proc_read_status(pid, ret));
}

bool kproc_stat(pid_t pid, struct proc_stat *ret)
{
	return worked(proc_read_stat(pid, ret));
}

bool kproc_threads(pid_t pid, struct proc_threads *ret)
{
	*ret = (struct proc_threads){ 0 };
	return worked(proc_read_threads(pid, ret));
}

rlim_t kproc_limit(pid_t pid, int resource)
{
	struct proc_limits l;

	return worked(proc_read_limits(pid, &l)) ? l.lim[resource].rlim_cur : RLIM_INFINITY;
}

bool kproc_each_map(pid_t pid, bool (*fn)(const struct proc_map *m, void *arg), void *arg)
{
	return worked(proc_each_map(pid, fn, arg));
}

bool kproc_each_fd(pid_t pid, void (*fn)(int fd, const char *link, void *arg), void *arg)
{
	return worked(proc_each_fd(pid, fn, arg));
}
