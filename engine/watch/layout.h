/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where a program has its functions, and its structures their fields, by its debug information: in the
 * program, or where distributions put it (/usr/lib/debug).  Nothing is fetched from the network.
 */
#ifndef STEPDUMP_WATCH_LAYOUT_H
#define STEPDUMP_WATCH_LAYOUT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct layout;

/* Part of a structure; bytes 0: this program has none. */
struct field {
	uint64_t offset, bytes;
};

/* Of the program that runs as `pid`.  Fails: ERR_SYS; ERR_UNSUPPORTED it has no debug information. */
struct err *layout_open(pid_t pid, struct layout **ret);
void layout_close(struct layout *l);
/* The fields `name`[0..nr) of struct `type`; a bit of `may_lack` stands for one that there need not be. */
struct err *layout_struct(struct layout *l, const char *type, const char *const *name, size_t nr,
			  unsigned may_lack, struct field *ret);
/* Where the function begins, as an offset in the program's file. */
struct err *layout_function(struct layout *l, const char *name, uint64_t *ret);

#endif
