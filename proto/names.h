/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Phases: a short spelling of the generated enum, and the names that users type. */
#ifndef STEPDUMP_NAMES_H
#define STEPDUMP_NAMES_H

#include "proto/verdict.h"

typedef Stepdump__Phase phase_t;
#define PH(x) STEPDUMP__PHASE__##x

/* Names as used in commands, prompts, breakpoints: "pmc-fill".  -1 if unknown. */
const char *phase_name(phase_t p);
int phase_from_name(const char *name);

#endif
