/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The frames of a recording, put together: what is known at one stop, as one snapshot.
 *
 * whys and peeks are not in it.  The player keeps those of all frames, since they hold on.
 */
#ifndef STEPDUMP_FRAMES_H
#define STEPDUMP_FRAMES_H

#include "engine/session/session.h"
#include "proto/record.pb-c.h"

/* `into` becomes what was known at the stop of `f`, whose parts move into it; then frees f. */
void frame_apply(Stepdump__Snapshot *into, Stepdump__Frame *f);

/* A snapshot of the parts that `req` asks for, out of `all`; what snap_take() gives for the live
 * session.  The caller frees.  Without SNAP_WHY and SNAP_PEEK. */
Stepdump__Snapshot *frame_select(const Stepdump__Snapshot *all, const struct snap_request *req);

#endif
