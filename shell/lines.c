/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "shell/signals.h"

#define LINES_READ 4096
#define LINE_MAX_BYTES (1u << 20) /* longer than any command: not a script */

void lines_init(struct lines *l, int fd)
{
	*l = (struct lines){ .fd = fd };
}

void lines_deinit(struct lines *l)
{
	free(l->buf);
	l->buf = NULL;
}

/* Reads more after what is there; one byte stays free for a terminating zero. */
static struct err *lines_read(struct lines *l)
{
	if (l->at)
		memmove(l->buf, l->buf + l->at, l->len - l->at);
	l->len -= l->at;
	l->at = 0;
	if (l->len > LINE_MAX_BYTES)
		return err_new(ERR_USAGE, "a line is longer than %u bytes", LINE_MAX_BYTES);
	if (l->cap < l->len + LINES_READ + 1) {
		l->cap = l->len * 2 + LINES_READ + 1;
		l->buf = xreallocarray(l->buf, l->cap, 1);
	}
	ssize_t n = read(l->fd, l->buf + l->len, LINES_READ);
	if (n < 0 && errno != EINTR)
		return err_sys(errno, "cannot read the commands");
	l->eof = !n;
	l->len += n > 0 ? (size_t)n : 0;
	return NULL;
}

struct err *lines_next(struct lines *l, char **ret)
{
	for (;;) {
		char *line = l->buf + l->at;
		char *end = l->buf ? memchr(line, '\n', l->len - l->at) : NULL;

		if (!end && l->eof && l->at < l->len)
			end = l->buf + l->len; /* the last line has no newline */
		if (end) {
			*end = '\0';
			l->at = (size_t)(end - l->buf) + 1;
			if (l->at > l->len)
				l->at = l->len;
			*ret = line;
			return NULL;
		}
		if (l->eof || !signals_wait_fd(l->fd)) {
			*ret = NULL;
			return NULL;
		}
		TRY(lines_read(l));
	}
}
