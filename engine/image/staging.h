/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Commit as a transaction: images are written to a staging directory, checked, made durable,
 * and appear at their final name all at once by rename, or not at all.
 *
 * Directories are flat and 0700, files are 0600, whatever the umask: nobody else may read the
 * memory of a process before its owner allows it.  CRIU has nothing like this: a failed dump of it
 * leaves half a set behind.
 */
#ifndef STEPDUMP_STAGING_H
#define STEPDUMP_STAGING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct staging;

/*
 * A guard removes a staging directory if we die.  It is called with the absolute path and exists =
 * true before the directory is made (which is not made after an error), and with false when it is
 * published or removed.  keeper_litter() is one.  Publishing to another file system makes a second
 * directory, which is announced too.
 */
struct staging_guard {
	struct err *(*tell)(void *arg, const char *path, bool exists); /* NULL: nobody */
	void *arg;
};

/*
 * staging_create - make ".NAME.stepdump-PID.RANDOM" beside `target_dir`, so that publishing is a
 * rename.  PID is ours.  Those that killed dumps left there are removed first (staging_sweep.h).  target_dir NULL (not known yet): ".stepdump-PID.RANDOM" in the working
 * directory, or if that cannot be written in $TMPDIR or /tmp.
 * Fails: as staging_publish() would because of `target_dir`, so that it is known before any
 * work is done; ERR_SYS with advice.
 */
struct err *staging_create(const char *target_dir, struct staging_guard guard,
			   struct staging **ret);
/* Could a set be published at `final_dir`?  Fails as staging_publish() would because of the name. */
struct err *staging_check(const char *final_dir);
/* Borrowed; valid until staging_publish() succeeds or staging_discard(). */
int staging_dirfd(const struct staging *st);
/* Absolute path of the staging directory; once published, of the final one. */
const char *staging_path(const struct staging *st);
/* The files that are staged are on the disk.  staging_publish() sees to it too. */
struct err *staging_sync(struct staging *st);
/*
 * staging_publish - make the files durable and give the directory its final name.
 * `final_dir` must not exist, or be an empty directory (whose mode and owner are kept; otherwise
 * it is 0700 and ours).  It may be on another file system: then the files are copied to a
 * second staging directory beside it first.
 * Fails: nothing is at `final_dir` that was not there before, and the staging directory is as it
 * was: publish again, elsewhere or after making room.  The error names path and errno; its hint
 * says what to do.
 */
struct err *staging_publish(struct staging *st, const char *final_dir);

/* Frees `st`, which has no guard, but leaves the directory: for what must not be lost although it cannot be published.
 * Returns its path; the caller frees. */
char *staging_keep(struct staging *st);

/* Removes the staging directory if there still is one; frees `st`, also on failure.  What was
 * published stays.  NULL is fine. */
struct err *staging_discard(struct staging *st);

/*
 * staging_advise - set the hint that fits e->sys_errno, for a failed write below `dirfd`: free
 * space and how much of `need` bytes is missing (ENOSPC, EDQUOT), the file size limit (EFBIG),
 * permissions, a read-only file system.  NULL stays NULL; other errors, and
 * those with a hint, stay as they are.
 */
struct err *staging_advise(struct err *e, int dirfd, uint64_t need)
	__attribute__((warn_unused_result));

#endif
