/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Resources that a function releases on every way out:
 *
 *     AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
 *     AUTO_FREE char *text = xasprintf("...");
 *     ...
 *     *ret = TAKE_PTR(text);        // handed to the caller: not freed here
 */
#ifndef STEPDUMP_CLEANUP_H
#define STEPDUMP_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define AUTO_FREE __attribute__((cleanup(auto_free)))
#define AUTO_CLOSE __attribute__((cleanup(auto_close))) /* -1: none.  Leaves errno alone. */
#define AUTO_FCLOSE __attribute__((cleanup(auto_fclose)))
#define AUTO_CLOSEDIR __attribute__((cleanup(auto_closedir)))
#define AUTO_ERR __attribute__((cleanup(auto_err)))

struct err;
void err_free(struct err *e);

static inline void auto_free(void *p)
{
	free(*(void **)p);
}

static inline void close_fd(int *fd) /* -1 afterwards */
{
	int why = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = why;
}

static inline void auto_close(int *fd)
{
	close_fd(fd);
}

static inline void auto_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void auto_closedir(DIR **d)
{
	if (*d)
		closedir(*d);
}

static inline void auto_err(struct err **e)
{
	err_free(*e);
}

/* The value, which the variable no longer owns. */
#define TAKE_PTR(p)                                                                                \
	({                                                                                         \
		__typeof__(p) take_ = (p);                                                         \
		(p) = NULL;                                                                        \
		take_;                                                                             \
	})
#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int take_ = (fd);                                                                  \
		(fd) = -1;                                                                         \
		take_;                                                                             \
	})

#endif
