/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

ssize_t read_full(int fd, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = RETRY(read(fd, (char *)buf + done, len - done));

		if (n < 0)
			return -1;
		if (!n)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t pread_full(int fd, void *buf, size_t len, off_t at)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = RETRY(pread(fd, (char *)buf + done, len - done, at + (off_t)done));

		if (n < 0)
			return -1;
		if (!n)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t write_full(int fd, const void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = RETRY(write(fd, (const char *)buf + done, len - done));

		if (!n)
			errno = ENOSPC;
		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t pwrite_full(int fd, const void *buf, size_t len, off_t at)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n =
			RETRY(pwrite(fd, (const char *)buf + done, len - done, at + (off_t)done));

		if (!n)
			errno = ENOSPC;
		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t pwritev_full(int fd, struct iovec *v, int nr, off_t at)
{
	size_t done = 0;

	while (nr) {
		ssize_t n = RETRY(pwritev(fd, v, nr, at + (off_t)done));

		if (!n)
			errno = ENOSPC;
		if (n <= 0)
			return -1;
		done += (size_t)n;
		for (; nr && (size_t)n >= v->iov_len; v++, nr--)
			n -= (ssize_t)v->iov_len;
		if (nr) {
			v->iov_base = (char *)v->iov_base + n;
			v->iov_len -= (size_t)n;
		}
	}
	return (ssize_t)done;
}

ssize_t read_small(const char *path, char *buf, size_t len)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read_full(fd, buf, len - 1);

	if (n >= 0)
		buf[n] = 0;
	return n;
}

int create_private(int dirfd, const char *name, int flags)
{
	AUTO_CLOSE int fd =
		openat(dirfd, name, flags | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600);

	return fd < 0 || fchmod(fd, 0600) < 0 ? -1 : TAKE_FD(fd);
}

int mkdir_private(int dirfd, const char *name)
{
	char self[32];

	if (mkdirat(dirfd, name, 0700) < 0)
		return -1;
	/* With an umask of 0400 it cannot be opened for reading, and fchmod() refuses O_PATH. */
	AUTO_CLOSE int fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return fd < 0 ? -1 : chmod(self, 0700);
}
