/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * read() and write() that continue after EINTR and short counts.  They return the bytes moved,
 * fewer than asked for only at the end of the file; -1 with errno set.
 */
#ifndef STEPDUMP_IO_H
#define STEPDUMP_IO_H

#include <errno.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

ssize_t read_full(int fd, void *buf, size_t len);
ssize_t pread_full(int fd, void *buf, size_t len, off_t at);
/* Writes everything, or returns -1; errno is ENOSPC if the device takes nothing. */
ssize_t write_full(int fd, const void *buf, size_t len);
ssize_t pwrite_full(int fd, const void *buf, size_t len, off_t at);
/* All of several pieces, one behind the other; v is different afterwards. */
ssize_t pwritev_full(int fd, struct iovec *v, int nr, off_t at);

/* The text of a small file, at most len - 1 bytes of it, and a NUL; -1 with errno set. */
ssize_t read_small(const char *path, char *buf, size_t len);

/*
 * For what may hold memory of a process: 0600 and 0700 whatever the umask.  A symlink is never followed.
 * create_private() takes further flags of open(), such as O_WRONLY | O_EXCL; a file that was there gets
 * the mode too.  -1 with errno set.
 */
int create_private(int dirfd, const char *name, int flags);
int mkdir_private(int dirfd, const char *name);

/* Any call that is to be made again after EINTR: RETRY(poll(&p, 1, -1)). */
#define RETRY(call)                                                                                \
	({                                                                                         \
		__typeof__(call) retry_;                                                           \
		do                                                                                 \
			retry_ = (call);                                                           \
		while (retry_ < 0 && errno == EINTR);                                              \
		retry_;                                                                            \
	})

#endif
