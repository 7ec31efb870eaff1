/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hands complete_line() to readline. */
#ifndef STEPDUMP_RLCOMPLETE_H
#define STEPDUMP_RLCOMPLETE_H

struct shell;

void rlcomplete_install(struct shell *sh);

#endif
