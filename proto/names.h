/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Phases and verdicts: short spellings of the generated enums, and the names that people type. */
#ifndef STEPDUMP_NAMES_H
#define STEPDUMP_NAMES_H

#include "proto/snapshot.pb-c.h"

typedef Stepdump__Phase phase_t;
typedef Stepdump__Verdict verdict_t;
#define PH(x) STEPDUMP__PHASE__##x
#define VD(x) STEPDUMP__VERDICT__##x
#define NR_VERDICTS 11

/* Names as used in commands, prompts, breakpoints: "pmc-fill", "hole".  -1 if unknown. */
const char *phase_name(phase_t p);
int phase_from_name(const char *name);
const char *verdict_name(verdict_t v);
int verdict_from_name(const char *name);

#endif
