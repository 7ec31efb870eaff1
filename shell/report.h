/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Errors as they are shown: what was tried and why it failed, where, what to do next, and the state
 * of the target.  The prompt, the views and JSON differ only in where they show it.
 */
#ifndef STEPDUMP_REPORT_H
#define STEPDUMP_REPORT_H

#include <json-c/json.h>

#include "base/err.h"

struct shell;

/* Lines, the first of which stands by itself; without "error:"; heap. */
char *error_text(struct shell *sh, const struct err *e);
/* The members of Stepdump__Error, and "state". */
json_object *error_json(struct shell *sh, const struct err *e);

#endif
