/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Operations on a flat directory: regular files and symlinks, as an image set is.
 * `path` is only for messages.  Anything else is ERR_CHECK, and left alone.
 */
#ifndef STEPDUMP_FLATDIR_H
#define STEPDUMP_FLATDIR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Calls fn for every name but "." and "..", stops at the first error. */
struct err *flatdir_each(int dirfd, const char *path,
			 struct err *(*fn)(void *arg, int dirfd, const char *name), void *arg);
struct err *flatdir_is_empty(int dirfd, const char *path, bool *ret);
/* Bytes in its regular files. */
struct err *flatdir_size(int dirfd, const char *path, uint64_t *ret);
/* fsync of every file, then of the directory. */
struct err *flatdir_sync(int dirfd, const char *path);
/* Copies contents, modes and links into the empty directory `to`. */
struct err *flatdir_copy(int from, int to, const char *from_path, const char *to_path);
/* Unlinks all entries; the directory itself stays. */
struct err *flatdir_clear(int dirfd, const char *path);

#endif
