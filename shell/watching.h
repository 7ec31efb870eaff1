/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What `run` shares with `watch-criu`. */
#ifndef STEPDUMP_WATCHING_H
#define STEPDUMP_WATCHING_H

#include <stdbool.h>

struct err;
struct out;
struct shell;

/* Is that program criu, by its name? */
bool is_criu_command(const char *program);
/* "started criu 4242: ..." */
struct err *tell_watched(struct shell *sh, const char *verb, struct out *o);

#endif
