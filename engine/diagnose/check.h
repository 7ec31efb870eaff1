/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Looks at processes before they are dumped, and names what would make the dump fail, lose something, or
 * hurt them.  From outside only: files of /proc and of the cgroup tree are read, nothing is traced, stopped
 * or injected, and no page is touched that is not there.
 */
#ifndef STEPDUMP_CHECK_H
#define STEPDUMP_CHECK_H

#include <sys/types.h>

#include "base/err.h"
#include "engine/pages/caps.h"
#include "engine/proc/vma.h"
#include "proto/diagnose.pb-c.h"

enum check_scope {
	CHECK_ONE,
	CHECK_TREE, /* with all descendants */
	CHECK_ALL,  /* every process, but for kernel threads, zombies and ourselves */
};

/*
 * check_run - what is found, the worst first in each process.
 * pid: ignored for CHECK_ALL.  A tracer that is a child of ours does not count.
 * Fails: ERR_TARGET no such process.  Caller: stepdump__check_report__free_unpacked(.., NULL).
 */
struct err *check_run(const struct caps *caps, enum check_scope scope, pid_t pid,
		      Stepdump__CheckReport **ret);

/* The same for one process of the tree of `root` whose mappings are known already: `vmas`, as
 * proc_read_vmas() gives them. */
struct err *check_known(const struct caps *caps, pid_t root, pid_t pid, const struct vma_list *vmas,
			Stepdump__CheckReport **ret);

/* Of these mappings, the memory that no image of a memory dump holds, since it is in files: findings of
 * `memory-in-files` only. */
struct err *check_elsewhere(const struct caps *caps, pid_t root, pid_t pid,
			    const struct vma_list *vmas, Stepdump__CheckReport **ret);

/* Pids of the processes that are called `name`, ascending; the caller frees *ret. */
struct err *check_pids_of(const char *name, pid_t **ret, size_t *nr_ret);

#endif
