/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Merges a chain into one equivalent directory without a parent: every hole is replaced by its
 * page, all other images are copied.  A chain of pre-dumps becomes one pre-dump.  Effect on any
 * target: none.
 */
#ifndef STEPDUMP_CHAIN_FLATTEN_H
#define STEPDUMP_CHAIN_FLATTEN_H

#include "base/err.h"
#include "engine/chain/chain_walk.h"
#include "engine/target/keeper.h"
#include "proto/report.pb-c.h"

/*
 * chain_flatten - merge `chain` (its newest directory) into `dir`, which must not exist or be
 * empty.  `dir` appears complete and checked, or not at all; `chain` is only read.  PE_LAZY is
 * kept.  k: told of the staging directory, so that it is removed if we are killed; may be NULL.
 * Caller frees *ret.
 * Fails: ERR_CHECK if the chain is broken, or has pages without data (a lazy dump); ERR_SYS with advice.
 */
struct err *chain_flatten(const char *chain, const char *dir, struct keeper *k, chain_stop_t stop,
			  Stepdump__FlattenReport **ret);

/*
 * chain_convert - write the set `set` into `dir` in the encoding that every CRIU reads: pages uncompressed, counts
 * in both fields, holes told in both ways, image version 2.  Holes stay holes, into the same parent or, if it is not
 * NULL, into `parent`.  Else as chain_flatten().
 */
struct err *chain_convert(const char *set, const char *dir, const char *parent, struct keeper *k,
			  chain_stop_t stop, Stepdump__FlattenReport **ret);

#endif
