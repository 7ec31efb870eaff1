/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Recordings in files: "SDREC01\n", then blocks of one frame each (proto/record.proto):
 *
 *	'K' or 'F', the length as a 32-bit little-endian number, that many bytes of zstd
 *
 * A 'K' block is a key frame and begins a zstd stream; the 'F' blocks after it continue the stream.
 * Each block is written whole, at once, when the pipeline stops: a recording that was cut short is
 * good up to the last complete block.
 *
 * A file may come from anywhere: a block can make the reader use no more memory than a saved
 * snapshot can (proto/snapfile.h).
 */
#ifndef STEPDUMP_RECFILE_H
#define STEPDUMP_RECFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/record.pb-c.h"

/* ---- writing ---- */

struct rec_writer;

/* Creates `path`, 0600, which must not exist, and never lets it get larger than max_bytes. */
struct err *rec_create(const char *path, uint64_t max_bytes, struct rec_writer **ret);
/* Appends a frame.  Fails: ERR_SYS; ERR_USAGE the frame is larger than a snapshot may be; ERR_STATE the
 * file is full.  The file ends
 * with the last frame that was written whole. */
struct err *rec_append(struct rec_writer *w, const Stepdump__Frame *f, bool key)
	__attribute__((warn_unused_result));
uint64_t rec_size(const struct rec_writer *w); /* bytes in the file */
/* NULL is fine.  The file stays. */
void rec_close(struct rec_writer *w);

/* ---- reading ---- */

struct rec_reader;

/* Is it a recording, by its first bytes?  False also if it cannot be read. */
bool rec_is(const char *path);
struct err *rec_open(const char *path, struct rec_reader **ret);
/*
 * The next frame; *ret NULL: the end.  *off_ret is where it lies, *key_ret whether it is a key frame;
 * both may be NULL.  ERR_FORMAT: damaged here, nothing after it can be read.  Free the frame with
 * stepdump__frame__free_unpacked(.., NULL).
 */
struct err *rec_next(struct rec_reader *r, Stepdump__Frame **ret, uint64_t *off_ret, bool *key_ret)
	__attribute__((warn_unused_result));
/* The next frame is the one at `off`, a key frame. */
void rec_seek(struct rec_reader *r, uint64_t off);
/* Did the file end in the middle of a block? */
bool rec_cut_short(const struct rec_reader *r);
void rec_reader_close(struct rec_reader *r);

#endif
