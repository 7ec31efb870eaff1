/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/pages/caps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "engine/pages/pagemap.h"
#include "engine/pages/uffd_copy.h"
#include "engine/proc/proc.h"

/* linux-libc-dev 6.1 lacks these. */
#define FEATURE_WP_UNPOPULATED (1ull << 13)
#define FEATURE_WP_ASYNC (1ull << 15)
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

/* ---- dirty tracking --------------------------------------------------------------- */

static volatile char *map_page(int flags)
{
	void *p = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static bool entry_has(int pagemap_fd, const volatile char *page, uint64_t bit)
{
	uint64_t entry = 0;

	err_free(pagemap_read(pagemap_fd, (uintptr_t)page, 1, &entry));
	return entry & bit;
}

/* The write to clear_refs succeeds on kernels without soft-dirty too: only a store shows whether
 * they have it. */
static bool probe_soft_dirty(int pagemap_fd, volatile char *page)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	page[0] = 1;
	bool works = write(fd, "4", 1) == 1 && !entry_has(pagemap_fd, page, PM_SOFT_DIRTY);
	if (works) {
		page[0] = 2;
		works = entry_has(pagemap_fd, page, PM_SOFT_DIRTY);
	}
	close(fd);
	return works;
}

static bool scan_says_written(int pagemap_fd, const volatile char *page)
{
	const struct pagemap_scan_query q = {
		.category_mask = PAGE_IS_WPALLOWED,
		.return_mask = PAGE_IS_WPALLOWED | PAGE_IS_WRITTEN,
	};
	uint64_t start = (uintptr_t)page, walk_end;
	struct page_region r = { 0 };
	size_t nr = 0;

	err_free(pagemap_scan(pagemap_fd, start, start + PAGE_BYTES, &q, &r, 1, &nr, &walk_end));
	return nr && (r.categories & PAGE_IS_WRITTEN);
}

static bool probe_wp_async(int uffd, int pagemap_fd, volatile char *page)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = FEATURE_WP_ASYNC | FEATURE_WP_UNPOPULATED,
	};
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)page, .len = PAGE_BYTES },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_writeprotect wp = {
		.range = reg.range,
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	page[0] = 1;
	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg) ||
	    ioctl(uffd, UFFDIO_WRITEPROTECT, &wp))
		return false;
	if (scan_says_written(pagemap_fd, page))
		return false;
	page[0] = 2;
	return scan_says_written(pagemap_fd, page);
}

static void probe_trackers(struct caps *c, int pagemap_fd)
{
	volatile char *page = map_page(MAP_PRIVATE);

	if (!page)
		return;
	c->soft_dirty = probe_soft_dirty(pagemap_fd, page);

	/* A userfaultfd that handles kernel faults too needs a privilege; asynchronous protection
	 * does not need that kind. */
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (uffd < 0)
		uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	if (uffd < 0) {
		c->uffd_errno = errno;
	} else {
		/* A store into a page that waits for a handler would hang us: the feature is
		 * accepted first, and then no store ever waits. */
		c->uffd_wp_async = c->pagemap_scan && probe_wp_async(uffd, pagemap_fd, page);
		close(uffd);
	}
	munmap((void *)page, PAGE_BYTES);
}

/* ---- pipes ------------------------------------------------------------------------- */

static uint64_t read_number(const char *path)
{
	char buf[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	ssize_t n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	return n > 0 ? strtoull(buf, NULL, 10) : 0;
}

static void probe_pipe(struct caps *c)
{
	char page[PAGE_BYTES_MAX] __attribute__((aligned(PAGE_BYTES_MAX))) = { 0 };
	struct iovec iov = { .iov_base = page, .iov_len = PAGE_BYTES };
	int p[2];

	c->pipe_max_size = read_number("/proc/sys/fs/pipe-max-size");
	if (pipe2(p, O_CLOEXEC | O_NONBLOCK)) {
		c->pipe_errno = errno;
		return;
	}
	if (fcntl(p[1], F_SETPIPE_SZ, CAPS_PIPE_PAGES_WANTED * PAGE_BYTES) < 0) {
		c->pipe_errno = errno;
		/* as page_pipe does: the size available without the privilege */
		if (c->pipe_max_size)
			(void)fcntl(p[1], F_SETPIPE_SZ, (int)c->pipe_max_size);
	}
	int size = fcntl(p[1], F_GETPIPE_SZ);
	c->pipe_pages = size > 0 ? size / PAGE_BYTES : 0;
	c->vmsplice = vmsplice(p[1], &iov, 1, SPLICE_F_NONBLOCK) == (ssize_t)PAGE_BYTES;
	close(p[0]);
	close(p[1]);
}

/* ---- rights ------------------------------------------------------------------------ */

static bool probe_map_files(void)
{
	const volatile char *page = map_page(MAP_SHARED);
	char path[80];

	if (!page)
		return false;
	snprintf(path, sizeof(path), "/proc/self/map_files/%" PRIxPTR "-%" PRIxPTR, (uintptr_t)page,
		 (uintptr_t)page + PAGE_BYTES);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	munmap((void *)page, PAGE_BYTES);
	return fd >= 0;
}

static bool probe_process_vm_readv(void)
{
	char from = 'x', to = 0;
	struct iovec local = { &to, 1 }, remote = { &from, 1 };

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1 && to == from;
}

static bool probe_pidfd_getfd(void)
{
	int pidfd = syscall(SYS_pidfd_open, getpid(), 0);

	if (pidfd < 0)
		return false;
	int copy = syscall(SYS_pidfd_getfd, pidfd, pidfd, 0);
	if (copy >= 0)
		close(copy);
	close(pidfd);
	return copy >= 0;
}

/* "always [madvise] never" */
static void probe_thp(struct caps *c)
{
	char buf[64] = "";
	int fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	ssize_t n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	char *open_bracket = n > 0 ? strchr(buf, '[') : NULL;
	char *close_bracket = open_bracket ? strchr(open_bracket, ']') : NULL;
	if (!close_bracket)
		return;
	*close_bracket = '\0';
	snprintf(c->thp, sizeof(c->thp), "%s", open_bracket + 1);
}

static uint32_t count_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : (uint32_t)CPU_COUNT(&set);
}

struct err *caps_probe(struct caps *ret)
{
	struct caps c = { 0 };
	struct proc_status status = { 0 };
	struct pagemap_probe pm;
	int fd;

	TRY(proc_read_status(getpid(), &status));
	c.cap_eff = status.cap_eff;
	c.cap_sys_ptrace = c.cap_eff & (1ull << 19);
	c.cap_sys_admin = c.cap_eff & (1ull << 21);
	c.cap_sys_resource = c.cap_eff & (1ull << 24);
	c.cap_checkpoint_restore = c.cap_eff & (1ull << 40);
	c.seccomp = status.seccomp;

	TRY(pagemap_probe(&pm));
	c.pagemap_scan = pm.scan;
	c.scan_guard = pm.scan_guard;
	c.scan_soft_dirty = pm.scan_soft_dirty;
	c.pfn_visible = pm.pfn_visible;
	c.zero_pfn = pm.zero_pfn;
	c.huge_zero_pfn = pm.huge_zero_pfn;

	TRY(pagemap_open(getpid(), &fd));
	probe_trackers(&c, fd);
	close(fd);

	probe_pipe(&c);
	c.map_files = probe_map_files();
	c.process_vm_readv = probe_process_vm_readv();
	c.pidfd_getfd = probe_pidfd_getfd();
	probe_thp(&c);
	c.uffd_copy_errno = -uffd_copy_probe();
	c.cpus = count_cpus();
	*ret = c;
	return NULL;
}
