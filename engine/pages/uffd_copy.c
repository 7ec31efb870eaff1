/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/pages/uffd_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/num.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

/* Nobody ever waits for a page: the window is only written through the ioctl. */
static int window_register(struct uffd_window *w)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)w->map, w->len },
				       .mode = UFFDIO_REGISTER_MODE_MISSING };

	if (ioctl(w->uffd, UFFDIO_API, &api) || ioctl(w->uffd, UFFDIO_REGISTER, &reg))
		return -errno;
	return reg.ioctls & (1ull << _UFFDIO_COPY) ? 0 : -EOPNOTSUPP;
}

int uffd_window_open(struct uffd_window *w, int fd, uint64_t start, uint64_t len)
{
	void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)start);
	int err;

	*w = (struct uffd_window){ .uffd = -1, .fd = fd, .start = start, .len = len };
	if (map == MAP_FAILED)
		return -errno;
	w->map = map;
	w->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	err = w->uffd < 0 ? -errno : window_register(w);
	if (err)
		uffd_window_close(w);
	return err;
}

static int copy_by_write(const struct uffd_window *w, uint64_t off, const void *buf, uint64_t len)
{
	return pwrite_full(w->fd, buf, len, (off_t)off) < 0 ? -errno : 0;
}

int uffd_window_copy(const struct uffd_window *w, uint64_t off, const void *buf, uint64_t len)
{
	while (len) {
		struct uffdio_copy c = { .dst = (uintptr_t)w->map + (off - w->start),
					 .src = (uintptr_t)buf,
					 .len = len,
					 .mode = UFFDIO_COPY_MODE_DONTWAKE };
		uint64_t done = 0;

		if (!ioctl(w->uffd, UFFDIO_COPY, &c)) {
			done = c.copy > 0 ? (uint64_t)c.copy : 0;
		} else if (c.copy >
			   0) { /* short: the mappings changed, or the next page is refused */
			done = (uint64_t)c.copy;
		} else if (errno != EAGAIN) {
			int err = copy_by_write(w, off, buf, PAGE_BYTES);

			if (err)
				return err;
			done = PAGE_BYTES;
		}
		off += done;
		buf = (const char *)buf + done;
		len -= done;
	}
	return 0;
}

void uffd_window_forget(const struct uffd_window *w, uint64_t off, uint64_t len)
{
	madvise(w->map + (off - w->start), len, MADV_DONTNEED);
}

void uffd_window_close(struct uffd_window *w)
{
	if (w->map)
		munmap(w->map, w->len);
	w->map = NULL;
	close_fd(&w->uffd);
}

int uffd_copy_probe(void)
{
	AUTO_CLOSE int fd = memfd_create("stepdump-probe", MFD_CLOEXEC);
	char page[PAGE_BYTES_MAX] __attribute__((aligned(PAGE_BYTES_MAX))) = "probe", got[8];
	struct uffd_window w;
	struct stat st;

	if (fd < 0 || ftruncate(fd, (off_t)PAGE_BYTES))
		return -errno;

	int err = uffd_window_open(&w, fd, 0, PAGE_BYTES);

	if (err)
		return err;
	err = uffd_window_copy(&w, 0, page, PAGE_BYTES);
	uffd_window_close(&w);
	if (!err &&
	    (fstat(fd, &st) || st.st_blocks == 0 || pread(fd, got, 8, 0) != 8 || got[0] != 'p'))
		err = -EIO;
	return err;
}
