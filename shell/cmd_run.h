/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the commands that move the pipeline share. */
#ifndef STEPDUMP_CMD_RUN_H
#define STEPDUMP_CMD_RUN_H

#include "shell/cmd.h"

/* Runs with progress, and prints where it stopped. */
struct err *run_pipeline(struct shell *sh, struct run_request *req, struct out *o)
	__attribute__((warn_unused_result));
/* Same; the argument, if there is one, is how many times. */
struct err *run_counted(struct shell *sh, const struct args *a, struct out *o, enum run_kind kind)
	__attribute__((warn_unused_result));

#endif
