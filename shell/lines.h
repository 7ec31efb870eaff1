/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines from a descriptor, for scripts: signals end the wait for input. */
#ifndef STEPDUMP_LINES_H
#define STEPDUMP_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct lines {
	int fd;
	char *buf; /* [0, len) is read, [0, at) has been handed out */
	size_t len, cap, at;
	bool eof;
};

/* Does not own `fd`. */
void lines_init(struct lines *l, int fd);
void lines_deinit(struct lines *l);
/* The next line without its end, valid until the next call; NULL: end of input, or a signal asks us
 * to leave. */
struct err *lines_next(struct lines *l, char **ret);

#endif
