/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `set preflight`: what would make CRIU fail where our own dump of the memory does not. */
#ifndef STEPDUMP_PREFLIGHT_H
#define STEPDUMP_PREFLIGHT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "engine/session/session_priv.h"

/*
 * With `set preflight refuse`: ERR_REFUSED with the cause of the worst finding, if CRIU would fail or the
 * dump would hurt the process.  Nothing is attached yet.
 */
struct err *preflight_attach(struct session *s, pid_t pid, bool tree);
/*
 * What warnings are made of, looked at before the freeze (struct session.early), as it takes long: it is
 * kept if the mappings of all tasks were still the same inside.  `set preflight refuse` looks inside.
 */
void preflight_look_early(struct session *s);
void preflight_keep_early(struct session *s);
/* What preflight_attach() does, for the tasks that are attached, before the dump of `commit` goes on. */
struct err *preflight_commit(struct session *s);
/* The attached tasks are let go: what was found is forgotten. */
void preflight_forget(struct session *s);

#endif
