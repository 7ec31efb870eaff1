/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An error as a message, for people and for programs: shell/report.c, `show error`, `report`. */
#ifndef STEPDUMP_SESSION_ERROR_H
#define STEPDUMP_SESSION_ERROR_H

#include "base/err.h"
#include "proto/snapshot.pb-c.h"

struct session;

/* What failed, completed by the catalogue of causes and by the mappings of the target.  s may be NULL.
 * The caller: stepdump__error__free_unpacked(.., NULL). */
Stepdump__Error *error_message(const struct session *s, const struct err *e);

#endif
