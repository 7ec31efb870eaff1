/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef STEPDUMP_WHY_SAVED_H
#define STEPDUMP_WHY_SAVED_H

#include <stdint.h>

#include "proto/snapshot.pb-c.h"

/* Fills *w, which is initialised, with what `s` tells of the page at addr (the start of a page). */
void why_saved(const Stepdump__Snapshot *s, uint64_t addr, Stepdump__Why *w);

#endif
