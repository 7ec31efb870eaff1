/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Expressions over what a snapshot holds, for print and watch: numbers, names, and C's operators.
 *
 *	pages_written * 4096        pmc.hits > pmc.misses        page_pipe.ppbs[3].pages_in        $rsp + 0x10
 *
 * A name is a field of proto/snapshot.proto, from the snapshot down, or a field of one of the messages
 * that count (counters, page_pipe, pmc, xfer, cursor, target), or a register of the first thread.
 */
#ifndef STEPDUMP_EXPR_H
#define STEPDUMP_EXPR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/calc.h"
#include "proto/snapshot.pb-c.h"

/* A message is CALC_OTHER; a repeated field alone is a number: how many.  ERR_USAGE: what is not understood, and where. */
struct err *expr_eval(const char *text, const Stepdump__Snapshot *s, struct calc_value *ret)
	__attribute__((warn_unused_result));
/* The parts of a snapshot (proto/parts.h) that it may need. */
uint32_t expr_needs(const char *text);
/* "12", "0x7ffd10 (140724603453440)", "dump/", a message as JSON; heap. */
char *expr_show(const struct calc_value *v, bool hex);

#endif
