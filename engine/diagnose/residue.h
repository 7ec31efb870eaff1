/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a dumper that died has left in a process, seen from outside.  No effect on it. */
#ifndef STEPDUMP_RESIDUE_H
#define STEPDUMP_RESIDUE_H

#include <sys/types.h>

#include "base/err.h"
#include "proto/diagnose.pb-c.h"

/* Fails: ERR_TARGET no such process, or its mappings may not be read. */
struct err *residue_look(pid_t pid, Stepdump__ResidueReport **ret);

#endif
