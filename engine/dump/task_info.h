/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the images contain about a task besides its pages and VMAs, from /proc.  The target is only
 * read.  It should be frozen: otherwise the parts may not fit together.
 */
#ifndef STEPDUMP_TASK_INFO_H
#define STEPDUMP_TASK_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "engine/proc/proc.h"

/* The kinds of namespace in ids-PID.img, in the order of its fields. */
enum { NS_PID, NS_NET, NS_IPC, NS_UTS, NS_MNT, NS_USER, NS_CGROUP, NS_TIME, NS_NR };

struct task_info {
	pid_t pid; /* as we see it: for /proc */
	/* As the task itself sees them, in its innermost PID namespace: for images. */
	pid_t ns_pid, ns_pgid, ns_sid;
	pid_t *ns_tids; /* leader included; owned */
	size_t nr_tids;
	struct proc_stat stat; /* name, flags, start time, where code, data, stack lie */
	uint32_t personality;
	uint64_t *auxv; /* type, value, ...; owned */
	size_t nr_auxv;
	char *exe;          /* owned */
	uint64_t ns[NS_NR]; /* inode of /proc/PID/ns/X; 0: it cannot be read */

	/* Filled in by the caller: known only to code inside the target, and to the one who froze
	 * it. */
	bool was_stopped; /* in group stop before it was frozen */
	uint64_t brk;
	int dumpable;
	bool thp_disabled;
};

/* Fails: ERR_TARGET gone, or not ours to look at. */
struct err *task_info_collect(pid_t pid, struct task_info *ret);
void task_info_deinit(struct task_info *ti);

/* Inodes of the namespaces of `pid` (0: ourselves). */
void task_namespaces(pid_t pid, uint64_t ns[NS_NR]);

/* Microseconds since boot, as CRIU takes it (/proc/uptime, 10 ms grain). */
struct err *uptime_us(uint64_t *ret);

#endif
