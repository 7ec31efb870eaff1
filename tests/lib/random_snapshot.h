/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Snapshots with anything in them, by walking the descriptors. */
#ifndef STEPDUMP_TESTS_RANDOM_SNAPSHOT_H
#define STEPDUMP_TESTS_RANDOM_SNAPSHOT_H

#include "proto/snapshot.pb-c.h"
#include "tests/lib/test.h"

/* Small, page-like and extreme numbers: all matter. */
uint64_t random_number(void);

/* Fills any message that its __init() has prepared; to be freed by its __free_unpacked(). */
void random_message(ProtobufCMessage *m);

/* To be freed by stepdump__snapshot__free_unpacked(). */
Stepdump__Snapshot *random_snapshot(void);

#endif
