/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Snapshots in files: "SDSNAP1\n", the length as a 32-bit little-endian number, and that many
 * bytes of protobuf (proto/snapshot.proto).  Nothing may follow.
 *
 * A file may come from anywhere: neither its length nor its contents can make the reader
 * allocate more than SNAPFILE_MEMORY_MAX.
 */
#ifndef STEPDUMP_SNAPFILE_H
#define STEPDUMP_SNAPFILE_H

#include <stddef.h>

#include "base/err.h"
#include "proto/snapshot.pb-c.h"

#define SNAPFILE_BYTES_MAX (64ul << 20)
#define SNAPFILE_MEMORY_MAX (512ul << 20)

/*
 * Writes a temporary file beside `path` and renames it, so that `path` is either the old file
 * or the complete new one.  Readable by the owner only: a snapshot can hold memory contents.
 * Fails: ERR_SYS; ERR_USAGE the snapshot is larger than SNAPFILE_BYTES_MAX.
 */
struct err *snapfile_save(const char *path, const Stepdump__Snapshot *s);

/* Caller frees with stepdump__snapshot__free_unpacked(.., NULL).
 * Fails: ERR_SYS; ERR_FORMAT the file is not a snapshot, cut short, or damaged. */
struct err *snapfile_load(const char *path, Stepdump__Snapshot **ret);

/* The same for a file already in memory. */
struct err *snapfile_parse(const void *bytes, size_t len, Stepdump__Snapshot **ret);

#endif
