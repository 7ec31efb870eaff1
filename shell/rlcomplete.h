/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hands complete_line() to readline. */
#ifndef STEPDUMP_RLCOMPLETE_H
#define STEPDUMP_RLCOMPLETE_H

#include <stddef.h>

struct shell;

/* Sets readline up: our completion, and no signal handlers of its own. */
void rlcomplete_install(struct shell *sh);
/* Sets the function that shows the candidates, as rl_completion_display_matches_hook; NULL: the
 * prompt's. */
void rlcomplete_display(void (*show)(char **matches, int nr, int longest));
/* The candidates that were found last, a line each with its description; the caller frees. */
char *rlcomplete_text(char **matches, size_t nr, int longest);

#endif
