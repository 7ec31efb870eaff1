/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The cgroups of a process, of both versions, as far as they are mounted here: is it frozen, how much
 * memory may it have?  Reads /proc and the cgroup file systems; what cannot be read counts as not set.
 */
#ifndef STEPDUMP_CGROUP_H
#define STEPDUMP_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum cgroup_state {
	CGROUP_RUNS,
	CGROUP_FROZEN_V1, /* the task shows as uninterruptible */
	CGROUP_FROZEN_V2, /* the task can be seized and stopped, but runs nothing */
};

/*
 * cgroup_frozen - the state of its cgroup, or of one above it.
 * *where: the file and line that say so, heap, set if it is frozen; the caller sets it to NULL before.
 * where NULL: not asked for.
 */
enum cgroup_state cgroup_frozen(pid_t pid, char **where);

/* The smallest memory limit of its cgroup and those above, bytes; UINT64_MAX: none.  *where: the file, as
 * above. */
uint64_t cgroup_memory_limit(pid_t pid, char **where);

/* Of the text of /proc/PID/cgroup, which is changed: the path in the version 1 tree of that controller, or (NULL) in
 * the version 2 tree.  Heap; NULL: the process is in no such tree. */
char *parse_cgroup_path(char *text, const char *controller);
/* Is this line of mountinfo the mount of that tree?  Then where, and which directory of the tree. */
bool parse_cgroup_mount(const char *line, const char *controller, char mount[PATH_MAX],
			char root[PATH_MAX]);

#endif
