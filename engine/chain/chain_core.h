/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A task of an image set as an ELF core file, for debuggers: its memory, the registers of its threads, its
 * auxiliary vector and the names of its mapped files.  Effect on any target: none.
 */
#ifndef STEPDUMP_CHAIN_CORE_H
#define STEPDUMP_CHAIN_CORE_H

#include "base/err.h"
#include "engine/chain/chain_walk.h"
#include "proto/report.pb-c.h"

/*
 * chain_core - pid 0: the first task.  `file` (0600) is there complete, or not at all; it is as sparse as the
 * memory.  Pages of mapped files are in it where the file is on this machine as it was; a debugger finds
 * them by name otherwise.  Without core images, as in a set of memory alone, there are no registers.
 * Caller frees *ret.  Fails: ERR_SYS, also if `file` exists; ERR_USAGE no such task; ERR_CHECK a
 * broken chain.
 */
struct err *chain_core(const char *dir, uint32_t pid, const char *file, chain_stop_t stop,
		       Stepdump__CoreReport **ret);

#endif
