/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef STEPDUMP_CAUSE_H
#define STEPDUMP_CAUSE_H

#include <stdbool.h>

struct watch;

/*
 * watch_cause - what is behind w->fault, in words, with what to do about it; NULL: not known.
 * Looks at the target, which criu holds frozen, from outside: call it while criu is held at the
 * failure.  Sets the address at fault and the entry of the catalogue in w->fault, if there is one.  Caller
 * frees.
 */
char *watch_cause(struct watch *w);

/* Does criu wait for a task that cannot run, as it is in a frozen cgroup?  Then that is w->fault; it is
 * told once. */
bool watch_stuck(struct watch *w);

#endif
