/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * verify_dir() for a whole chain, as a report; and a directory against a frozen process.
 * Effect on any target: none.
 */
#ifndef STEPDUMP_CHAIN_VERIFY_H
#define STEPDUMP_CHAIN_VERIFY_H

#include "base/err.h"
#include "engine/chain/chain_walk.h"
#include "engine/pages/caps.h"
#include "engine/target/target.h"
#include "proto/report.pb-c.h"

/*
 * chain_verify - all findings in `dir`, and those in its parents that concern only them.
 * Everything that a hole of `dir` needs is checked through all generations, and a fault in it is
 * fatal; a fault that would only prevent the restore of a parent itself is a note.  Findings are
 * not errors: see nr_fatal.  Caller frees *ret.
 * Fails: ERR_SYS if `dir` cannot be looked at.
 */
struct err *chain_verify(const char *dir, chain_stop_t stop, Stepdump__VerifyReport **ret);

/*
 * chain_compare_live - the pages and VMAs of `dir` against a frozen process.
 * pid: as in the file names (innermost PID namespace).
 * Pages count where the directory, or a parent, has their contents; `missing` ones are those that a
 * dump would take now.  Without an mm image, the process's own VMAs are the rows.
 * Caller frees *ret.  Fails: ERR_USAGE no such task in `dir`; ERR_CHECK a chain that is broken.
 */
struct err *chain_compare_live(const char *dir, const struct target *t, pid_t pid,
			       const struct caps *caps, chain_stop_t stop,
			       Stepdump__LiveReport **ret);

#endif
