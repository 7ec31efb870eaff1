/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A recording that is looked at, as a session.  Internal to engine/session/; see session_replay(). */
#ifndef STEPDUMP_PLAY_H
#define STEPDUMP_PLAY_H

#include "engine/session/session.h"

struct player;

/* session_run() within the recording. */
struct err *play_run(struct session *s, const struct run_request *req, Stepdump__Stop **stop_ret)
	__attribute__((warn_unused_result));
/* snap_take() of the stop that is looked at. */
struct err *play_snap(struct session *s, const struct snap_request *req, Stepdump__Snapshot **ret)
	__attribute__((warn_unused_result));
/* For what needs a live target. */
struct err *play_refuse(const struct session *s, const char *what)
	__attribute__((warn_unused_result));

/* play_state.c: what is known at the stop; never NULL, but empty for a recording of nothing. */
const Stepdump__Snapshot *play_now(const struct player *p);
void play_position(const struct player *p, char *buf, size_t len);
pid_t play_pid(const struct player *p);
void player_free(struct player *p);

#endif
