/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tools for image chains as the shell sees them.  They work without a target; a session lends
 * them its keeper and its interrupt (session_interrupt() stops them with ERR_INTERRUPTED). No
 * effect on any target.  Reports are freed with stepdump__..._report__free_unpacked(.., NULL).
 */
#ifndef STEPDUMP_CHAIN_H
#define STEPDUMP_CHAIN_H

#include <sys/types.h>

#include "base/err.h"
#include "proto/report.pb-c.h"

struct session;
struct json_object;

/*
 * session_verify - report everything that is wrong with the directory and the chain behind it.  pid
 * not 0: also compare with that process, which must be attached and frozen (else ERR_STATE).
 * Findings are not an error; they are in the report: see nr_fatal.
 */
struct err *session_verify(struct session *s, const char *dir, pid_t pid,
			   Stepdump__VerifyReport **ret);
/* Pages added, gone and changed from `old_dir` to `new_dir`.  pid 0: all objects. */
struct err *session_diff(struct session *s, const char *old_dir, const char *new_dir, pid_t pid,
			 Stepdump__DiffReport **ret);
/* Merges `chain` into `dir`, which needs no parent.  `dir` appears complete, or not at all. */
struct err *session_flatten(struct session *s, const char *chain, const char *dir,
			    Stepdump__FlattenReport **ret);

/* Writes `set` into `dir` as every CRIU reads it.  Holes lead to the same parent, or to `parent` if not NULL. */
struct err *session_convert(struct session *s, const char *set, const char *dir, const char *parent,
			    Stepdump__FlattenReport **ret);

/* An image as JSON, or all of a directory or archive by name (image_json.h); freed with json_object_put(). */
struct err *session_image_json(struct session *s, const char *path, struct json_object **ret);

/* A task of a set as an ELF core; pid 0: the first.  `file` appears complete, or not at all. */
struct err *session_core(struct session *s, const char *dir, pid_t pid, const char *file,
			 Stepdump__CoreReport **ret);

#endif
