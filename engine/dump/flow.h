/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * In a flow, the loads of a chunk are moved into the pages file by two threads where that works: the
 * second one (mover.h) takes a load whenever it is idle, we splice the others.  Each load has its place
 * in the file by its place in the chunk, so the file is the same however they are shared out.  Entries
 * of the pagemap are recorded when all loads of the chunk are moved.
 *
 * Between two units nobody but us is at work: flow_settle() has been called.
 */
#ifndef STEPDUMP_FLOW_H
#define STEPDUMP_FLOW_H

#include "engine/dump/dump.h"

/* Can the loads that come next be shared?  Begins it then. */
bool flow_begin(struct dump *d);
/*
 * flow_step - the next drained load that nobody has taken is given to the other thread, or moved.
 * Once all loads of the chunk are taken it waits until they are moved: d->flow.on is false then.
 * After a failure loads that are lost are to be drained again, and the phase is DRAIN.
 */
struct err *flow_step(struct dump *d);
/* Waits for what is under way.  Takes and returns the error of the run. */
struct err *flow_settle(struct dump *d, struct err *e);
/* Pages below the cursor are complete: if they are on a disk, begin to write them. */
void flow_write_back(struct dump *d);
/* Before the pages file is closed. */
void flow_end_object(struct dump *d);

#endif
