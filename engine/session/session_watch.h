/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A session that watches a criu instead of dumping by itself.  Internal to engine/session/. */
#ifndef STEPDUMP_SESSION_WATCH_H
#define STEPDUMP_SESSION_WATCH_H

#include "engine/session/session.h"
#include "engine/watch/watch.h"

struct vma_list;

/* session_run() for a watched criu. */
struct err *watch_run(struct session *s, const struct run_request *req, Stepdump__Stop **stop_ret);
/* For what needs a target of our own: says that criu's dump is only looked at. */
struct err *watch_refuse(const struct session *s, const char *what);
/* The task that `show` speaks of; else criu itself. */
pid_t watch_shown_pid(const struct session *s);
void watch_position(const struct session *s, char *buf, size_t len);
void watch_state_clause(const struct session *s, char *buf, size_t len);
/* Lets criu go on; NULL watch is fine. */
void watch_drop(struct session *s);

/* The mappings of a task that criu holds, read once while it is frozen; NULL: not to be had. */
const struct vma_list *watch_vmas(struct session *s, pid_t pid);
/* As a shell gives it: 128 + N for signal N. */
int watch_exit_status(const struct watch *w);

/* snap_watch.c */
Stepdump__Cursor *snap_watch_cursor(const struct watch *w);
Stepdump__Counters *snap_watch_counters(const struct watch *w);

#endif
