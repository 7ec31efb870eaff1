/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of engine/session/ share. */
#ifndef STEPDUMP_SESSION_PRIV_H
#define STEPDUMP_SESSION_PRIV_H

#include <signal.h>
#include <sys/resource.h>

#include "base/fault.h"
#include "engine/dump/phases.h"
#include "engine/pages/caps.h"
#include "engine/session/breaks.h"
#include "engine/record/record.h"
#include "engine/session/session.h"
#include "engine/target/keeper.h"
#include "proto/diagnose.pb-c.h"

#define NR_EVENTS 256

struct event {
	uint64_t seq, t_us;
	phase_t phase;
	char text[240];
};

/* What was done with the pages of a task: snap_done.c. */
struct done_pages {
	bool known;
	size_t task;
	uint64_t uptime_us; /* of the dump */
	struct pagemap_image pi;
};

static inline void done_pages_forget(struct done_pages *done)
{
	pagemap_image_deinit(&done->pi);
	*done = (struct done_pages){ 0 };
}

struct session {
	struct keeper *keeper;
	struct caps caps;
	struct opts opts;
	bool gone;        /* a task died while we held it */
	pid_t gone_pid;   /* the first that did */
	struct target *t; /* parents before children; NULL: not attached */
	size_t nr_tasks;
	struct target_early *early; /* during an attach; owned */
	size_t nr_early;
	Stepdump__CheckReport *early_checked; /* preflight_look_early(); during an attach */
	bool only_look;                       /* session_only_look() */
	bool tree;                            /* attached with all descendants */
	int64_t selected; /* task that `show` refers to; -1: the one the pipeline is at */
	struct dump d;    /* valid while attached */
	struct done_pages done;
	struct unit last; /* unit done last; phase READY: none */
	uint64_t units_done;
	struct tracker_table trackers; /* outlive an attach */
	struct brk_list breaks;
	struct brk_list fault_conds;    /* one for each condition of an armed fault */
	unsigned fault_cond[NR_FAULTS]; /* its number there; 0: none */
	uint64_t stopped_at; /* units_done + 1 where a breakpoint stopped us; 0: none did */
	volatile sig_atomic_t interrupted;
	struct rlimit nofile; /* as we found it: for programs that we start */

	struct event events[NR_EVENTS]; /* ring */
	uint64_t nr_events;             /* since the start */
	uint64_t t_attach_us;

	struct recorder *record; /* NULL: nothing was recorded yet */
	/* Records a stop.  A failure ends the recording, never the dump. */
	void (*on_stop)(struct session *s, enum record_stop kind);
	struct player *player; /* a recording that is looked at instead; NULL: none */

	struct watch *watch;        /* a criu that is watched instead; NULL: none */
	struct vma_list watch_vmas; /* of its task watch_vmas_of; 0: not read */
	pid_t watch_vmas_of;

	char *commit_dir; /* where a commit that stopped in reset goes on to; NULL: none did */
	bool in_bulk; /* since prepare began, units were done several at once, and not counted each */
	bool replaying; /* on the way back: events that were told already are not told again */

	Stepdump__CheckReport *checked; /* session_checked(); NULL: not looked yet */

	struct err *error; /* the last one, kept for `show error`; NULL: none since attach */
};

static inline bool attached(const struct session *s)
{
	return s->nr_tasks > 0;
}

static inline void session_stopped(struct session *s, enum record_stop kind)
{
	if (s->on_stop)
		s->on_stop(s, kind);
}

/* Index of the task that `show` refers to. */
size_t session_task(const struct session *s);

void session_event(struct session *s, phase_t phase, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Remembers `e` for `show error`; returns it. */
struct err *session_keep_error(struct session *s, struct err *e)
	__attribute__((warn_unused_result));

/* When the tasks run again: the times of a published set become final.  A failure is an event. */
void session_finish_times(struct session *s);

/* Lets the tasks go, keeping their trackers, and freezes them again: for a new pre-dump. */
struct err *session_refreeze(struct session *s);

/* run.c: one unit, for reverse.c; a failure is kept, and told as an event */
struct err *run_unit(struct session *s, const struct unit *u, enum pace pace)
	__attribute__((warn_unused_result));
Stepdump__Stop *run_stop(struct session *s, const char *reason, unsigned breakpoint);

/* run.c: every request that goes forward. */
struct err *run_forward(struct session *s, const struct run_request *req,
			Stepdump__Stop **stop_ret);
/* reverse.c */
struct err *run_reverse(struct session *s, const struct run_request *req, Stepdump__Stop **stop_ret)
	__attribute__((warn_unused_result));

/* faults.c: before a unit: which conditions of faults hold */
void faults_look(struct session *s, const struct unit *u);
/* Does an armed fault have a condition, so that units must not be done in bulk? */
bool faults_fine_grained(const struct session *s);
void snap_faults(struct session *s, Stepdump__Snapshot *snap);
void snap_undo(struct session *s, Stepdump__Snapshot *snap);

/* snap_cursor.c */
Stepdump__Cursor *snap_cursor(struct session *s);
Stepdump__Counters *snap_counters(struct session *s);

#endif
