/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Errors in the form in which they are shown: what was tried and why it failed, where, what to do next,
 * and what the target is now.  The prompt, the views and JSON differ only in where they put it.
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
