/* SPDX-License-Identifier: GPL-3.0-or-later */
/* caps_probe(): each answer against another way of finding it out, and no trace left. */
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "engine/pages/caps.h"
#include "engine/proc/proc.h"

#include "tests/lib/test.h"

static struct caps caps;

static int set_up(void **state)
{
	struct err *e = caps_probe(&caps);

	if (e)
		print_error("%s\n", e->msg);
	return e ? -1 : 0;
}

static bool effective(int cap)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	assert_int_equal(syscall(SYS_capget, &head, data), 0);
	return data[cap / 32].effective & (1u << (cap % 32));
}

TEST(capabilities)
{
	assert_int_equal(caps.cap_sys_ptrace, effective(CAP_SYS_PTRACE));
	assert_int_equal(caps.cap_sys_admin, effective(CAP_SYS_ADMIN));
	assert_int_equal(caps.cap_sys_resource, effective(CAP_SYS_RESOURCE));
	assert_int_equal(caps.cap_checkpoint_restore, effective(40 /* CAP_CHECKPOINT_RESTORE */));
	assert_int_equal(caps.seccomp, prctl(PR_GET_SECCOMP));
}

TEST(pipes)
{
	int p[2];

	assert_int_equal(pipe(p), 0);
	int got = fcntl(p[1], F_SETPIPE_SZ, CAPS_PIPE_PAGES_WANTED * 4096);
	if (got < 0) {
		assert_int_equal(caps.pipe_errno, errno);
		assert_true(caps.pipe_pages < CAPS_PIPE_PAGES_WANTED);
		assert_true(fcntl(p[1], F_SETPIPE_SZ, (int)caps.pipe_max_size) > 0);
		got = fcntl(p[1], F_GETPIPE_SZ);
	} else {
		assert_int_equal(caps.pipe_errno, 0);
	}
	assert_int_equal(caps.pipe_pages, got / 4096);
	close(p[0]);
	close(p[1]);
}

/* Implications between answers that hold on every kernel. */
TEST(consistent)
{
	if (caps.scan_guard || caps.scan_soft_dirty || caps.uffd_wp_async)
		assert_true(caps.pagemap_scan);
	if (caps.huge_zero_pfn)
		assert_true(caps.pfn_visible);
	assert_int_equal(caps.pfn_visible, caps.zero_pfn != 0);
	if (caps.pfn_visible)
		assert_true(caps.cap_sys_admin);
	if (caps.uffd_wp_async)
		assert_int_equal(caps.uffd_errno, 0);
}

/* The witness is CONFIG_MEM_SOFT_DIRTY of the kernel's configuration, where it can be read. */
TEST(soft_dirty_as_configured)
{
	FILE *f = popen(
		"zcat /proc/config.gz 2>/dev/null || cat /boot/config-$(uname -r) 2>/dev/null",
		"r");
	bool any = false, configured = false;
	char line[512];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		any = true;
		configured |= !strncmp(line, "CONFIG_MEM_SOFT_DIRTY=y", 23);
	}
	pclose(f);
	if (!any)
		skip_because("this kernel does not show its configuration");
	assert_int_equal(caps.soft_dirty, configured);
}

/* Without allocating, which might map memory itself. */
static void read_maps(char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;
	int fd = open("/proc/self/maps", O_RDONLY);

	assert_true(fd >= 0);
	while ((n = read(fd, buf + len, size - 1 - len)) > 0)
		len += n;
	assert_true(len < size - 1);
	buf[len] = '\0';
	close(fd);
}

TEST(no_trace)
{
	static char before[1 << 20], after[1 << 20];
	struct proc_fds fds_before, fds_after;
	struct caps again;

	ok(proc_read_fds(getpid(), &fds_before));
	read_maps(before, sizeof(before));
	ok(caps_probe(&again));
	read_maps(after, sizeof(after));
	ok(proc_read_fds(getpid(), &fds_after));

	assert_string_equal(before, after);
	assert_int_equal(fds_before.nr, fds_after.nr);
	for (size_t i = 0; i < fds_after.nr; i++)
		assert_int_equal(fds_before.v[i].fd, fds_after.v[i].fd);
	proc_fds_deinit(&fds_before);
	proc_fds_deinit(&fds_after);
}

TEST(repeatable)
{
	struct caps again;

	ok(caps_probe(&again));
	assert_int_equal(again.zero_pfn, caps.zero_pfn);
	assert_int_equal(again.huge_zero_pfn, caps.huge_zero_pfn);
	assert_int_equal(again.pipe_pages, caps.pipe_pages);
	assert_int_equal(again.soft_dirty, caps.soft_dirty);
	assert_int_equal(again.uffd_wp_async, caps.uffd_wp_async);
}

TEST(quick)
{
	struct timespec a, b;
	struct caps again;

	/* CPU time: the machine may be busy */
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	ok(caps_probe(&again));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	int64_t us = (b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000;
	print_message("caps_probe: %ld us\n", (long)us);
	assert_true(us < 50000);
}

static const struct cap_line *line_named(const struct cap_line *l, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(l[i].name, name))
			return &l[i];
	fail_msg("no line '%s'", name);
	return NULL;
}

TEST(described)
{
	struct cap_line l[CAP_LINES_MAX], few[3];
	struct caps c = { .pipe_pages = 256,
			  .pipe_errno = EPERM,
			  .pipe_max_size = 1048576,
			  .pfn_visible = true,
			  .zero_pfn = 0xabc };
	size_t n = caps_describe(&c, l, CAP_LINES_MAX);

	assert_in_range(n, 10, CAP_LINES_MAX - 1);
	for (size_t i = 0; i < n; i++) {
		assert_true(strlen(l[i].consequence) > 10);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(l[i].name, l[k].name);
	}
	assert_string_equal(line_named(l, n, "pipe-size")->value, "256 of 819 pages (EPERM)");
	assert_false(line_named(l, n, "pipe-size")->available);
	assert_string_equal(line_named(l, n, "pfn")->value, "zero abc");
	assert_true(line_named(l, n, "pfn")->available);
	assert_false(line_named(l, n, "soft-dirty")->available);
	assert_true(line_named(l, n, "unfiltered")->available);
	assert_int_equal(caps_describe(&c, few, 3), 3);
}

/* Less is available to an ordinary user, and the probe reports that instead of failing. */
TEST(unprivileged)
{
	int status;

	if (getuid())
		skip_because("needs root to become somebody else");
	pid_t pid = fork();
	if (!pid) {
		struct caps c;

		if (setgid(65534) || setuid(65534) || prctl(PR_SET_DUMPABLE, 1))
			_exit(2);
		if (caps_probe(&c))
			_exit(3);
		_exit(c.pfn_visible || c.zero_pfn || c.huge_zero_pfn || c.map_files || c.cap_eff ||
		      c.pagemap_scan != caps.pagemap_scan || !c.pipe_pages);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

GROUP(set_up, NULL);
