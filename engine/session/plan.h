/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A dump rehearsed, for the shell: engine/plan/plan.h. */
#ifndef STEPDUMP_SESSION_PLAN_H
#define STEPDUMP_SESSION_PLAN_H

#include <sys/types.h>

#include "base/err.h"
#include "engine/plan/request.h"
#include "proto/plan.pb-c.h"

struct session;

/*
 * session_plan - plan a dump of `pid`, with the settings of the session; tree: with all descendants.
 * pid 0: of what is attached, which is frozen.  A process that is attached already may be given too.
 * *ret: freed with stepdump__plan_report__free_unpacked(.., NULL).
 * Target: not stopped; what is read is said in engine/plan/plan.h.
 * Fails: as plan_make(); ERR_STATE nothing is attached; ERR_TARGET no such process.
 */
struct err *session_plan(struct session *s, pid_t pid, bool tree, const struct plan_request *req,
			 Stepdump__PlanReport **ret);

#endif
