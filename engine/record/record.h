/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Recording a session as it runs.  Internal to engine/session/; the rest sees session_record(). */
#ifndef STEPDUMP_RECORD_H
#define STEPDUMP_RECORD_H

#include "engine/session/session.h"

struct recorder;

/* Where stops can come: after a unit, after a change of phase, where a run command ends.
 * session_stopped() tells of each (session_priv.h). */
enum record_stop { STOP_UNIT, STOP_PHASE, STOP_RUN };

/* The totals that the gate tells, kept for the next frame; copies. */
void record_lines(struct session *s, char *const *lines, size_t nr);
/* Must units be done one by one? */
bool record_wants_units(const struct session *s);
void record_free(struct recorder *r);

#endif
