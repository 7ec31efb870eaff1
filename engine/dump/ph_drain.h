/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Draining one ppb in two halves, so that the target can splice into one pipe while another
 * is being transferred (ph_xfer.c does that when nobody steps).
 */
#ifndef STEPDUMP_PH_DRAIN_H
#define STEPDUMP_PH_DRAIN_H

#include "engine/dump/dump.h"

/* Asks the parasite for the pages of a PLANNED ppb of the task. */
struct err *drain_send(struct dump *d, struct page_pipe_buf *ppb);
/* Waits, checks against the plan and FIONREAD; the ppb is DRAINED then.  After a failure its pipe
 * is empty, and the error names the page. */
struct err *drain_wait(struct dump *d, struct page_pipe_buf *ppb);

#endif
