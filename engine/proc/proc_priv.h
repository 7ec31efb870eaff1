/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the files that implement engine/proc/proc.h. */
#ifndef STEPDUMP_PROC_PRIV_H
#define STEPDUMP_PROC_PRIV_H

#include <sys/types.h>

#include "base/err.h"
#include "engine/proc/proc.h"

/* Opens /proc/PID/`file`, close-on-exec.  The caller closes *fd_ret. */
struct err *proc_open(pid_t pid, const char *file, int flags, int *fd_ret);
/* The error for `sys_errno` when /proc/PID/`file` could not be read: ERR_TARGET if the process is
 * gone or may not be looked at. */
struct err *proc_err(int sys_errno, pid_t pid, const char *file);
/* Target of the symbolic link /proc/PID/`file`, of any length.  Caller frees. */
struct err *proc_read_link(pid_t pid, const char *file, char **ret);

/* Sets status, unsupp, shmid and fdflags, and completes flags; all else of *v has been parsed. */
void vma_classify(struct vma *v, const char *name, const struct smaps_env *env);

#endif
