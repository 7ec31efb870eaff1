/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mirrors: criu/mem.c do_task_reset_dirty_track(). */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fault.h"
#include "engine/track/tracker_priv.h"
#include "engine/proc/proc_priv.h"

struct err *soft_dirty_reset(struct tracker *t)
{
	int fd;

	TRY(proc_open(t->pid, "clear_refs", O_WRONLY, &fd));
	ssize_t n = FAULT(SOFT_DIRTY, write(fd, "4", 1));
	int err = errno;

	close(fd);
	if (n != 1)
		return err_pid(err_sys(err, "clear the soft-dirty bits of %d", t->pid), t->pid);
	return NULL;
}
