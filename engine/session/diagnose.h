/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Why dumps fail, for the shell: the catalogue of causes, a process before it is dumped, the log of
 * a dump that failed.  No process is affected, or even stopped.  Reports are freed with
 * stepdump__..__free_unpacked(.., NULL).
 */
#ifndef STEPDUMP_SESSION_DIAGNOSE_H
#define STEPDUMP_SESSION_DIAGNOSE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "proto/diagnose.pb-c.h"

struct session;

/* The known causes of failed dumps.  name NULL: all of them.  ERR_USAGE: no cause of that name. */
struct err *session_causes(const char *name, Stepdump__CauseList **ret);

/*
 * session_log - explain a log file of CRIU.  images: the image directory of that run; NULL: not
 * given.  If the process in the log is still alive, the report also has what `check` finds in it
 * now.
 * Fails: ERR_SYS; ERR_FORMAT it is not a log of CRIU.
 */
struct err *session_log(struct session *s, const char *path, const char *images,
			Stepdump__LogReport **ret);

/*
 * session_check - what would make a dump of the process fail.  who: a pid, or the name of processes;
 * NULL with `all`.  Fails: ERR_TARGET there is none.
 */
struct err *session_check(struct session *s, const char *who, bool tree, bool all,
			  Stepdump__CheckReport **ret);
/* The same for the tasks that are attached: their mappings are not read again.  ERR_STATE: none is. */
struct err *session_check_target(struct session *s, Stepdump__CheckReport **ret);
/* The same for tasks that still run, and whose mappings were read for an attach. */
struct err *session_check_early(struct session *s, Stepdump__CheckReport **ret);
/*
 * As session_check_target(), but looked at once for an attach: while the tasks are frozen it stays true.
 * With `set early on` it may be what was found just before the freeze.
 * NULL with `set preflight off`, or if they cannot be looked at.  Valid until they are let go.
 */
const Stepdump__CheckReport *session_checked(struct session *s);
/* What memory of the attached tasks no image of the dump holds: it is in files. */
struct err *session_elsewhere(struct session *s, Stepdump__CheckReport **ret);
/* What a dumper that died has left in the process. */
struct err *session_residue(pid_t pid, Stepdump__ResidueReport **ret);

#endif
