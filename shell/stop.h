/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the commands that run the pipeline. */
#ifndef STEPDUMP_STOP_H
#define STEPDUMP_STOP_H

#include "shell/cmd.h"

/* Prints what was done and why it stopped; prints nothing for NULL. */
void stop_print(const Stepdump__Stop *stop, struct out *o);
/* The arguments as one breakpoint text, with $sp and the like replaced; heap. */
struct err *where_from_args(struct shell *sh, const struct args *a, char **ret);

#endif
