/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The demo target as a child of ours: the process that tours and exercises dump. */
#ifndef STEPDUMP_DEMO_TARGET_H
#define STEPDUMP_DEMO_TARGET_H

#include <sys/types.h>

#include "base/err.h"

/*
 * Starts libexec/stepdump/demo (of the source tree: build/tests/targets/demo) with these arguments and
 * waits until it is set up.  It keeps its files in `dir`, NULL: in a directory of its own; it ends with us.
 */
struct err *demo_start(char *const args[], const char *dir, pid_t *pid_ret)
	__attribute__((warn_unused_result));
/* Ends it and waits.  0: nothing to do. */
void demo_end(pid_t pid);

#endif
