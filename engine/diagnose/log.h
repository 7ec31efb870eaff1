/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads a log of CRIU for the person who wonders why the dump failed: dump.log and restore.log of
 * 3.x and 4.x, at any verbosity, and the excerpts that runc, crun, podman and containerd print.
 * Touches nothing.
 */
#ifndef STEPDUMP_LOG_H
#define STEPDUMP_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "engine/diagnose/causes.h"
#include "proto/diagnose.pb-c.h"

/* For a reader of a log that is still being written: is the error in this line one that dumps survive, or
 * one that follows from another? */
bool log_line_is_noise(const char *line);
/* The cause that the line tells with most certainty (enum cause_id); -1: none. */
int log_line_cause(const char *line);

/* Does the text look like such a log? */
bool log_recognise(const char *text, size_t len);

/*
 * log_explain - what `text` tells.  `file`: its name, for the report.
 * Fails: ERR_FORMAT no line of it is CRIU's.  Caller: stepdump__log_report__free_unpacked(.., NULL).
 */
struct err *log_explain(const char *file, const char *text, size_t len, Stepdump__LogReport **ret);

/* Is it one of the lines that this cause leaves in a log, surely or possibly? */
bool log_line_can_mean(const char *line, enum cause_id id);

#endif
