/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Snapshot files: what is saved comes back, damage of every kind is an error, nothing stays behind. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "proto/snapfile.h"

static char dir[] = "/tmp/snapfile-XXXXXX";
static char path[64];

static unsigned files_in_dir(void)
{
	DIR *d = opendir(dir);
	unsigned nr = 0;

	for (struct dirent *e; (e = readdir(d));)
		nr += e->d_name[0] != '.';
	closedir(d);
	return nr;
}

static int set_up(void **unused)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/a.snap", dir);
	return 0;
}

static int tear_down(void **unused)
{
	unlink(path);
	return rmdir(dir);
}

static Stepdump__Snapshot *sample(void)
{
	static Stepdump__Target target = STEPDUMP__TARGET__INIT;
	static Stepdump__Snapshot s = STEPDUMP__SNAPSHOT__INIT;

	target.state = STEPDUMP__TARGET_STATE__FROZEN;
	target.has_pid = true;
	target.pid = 4242;
	target.comm = (char *)"redis";
	s.target = &target;
	s.has_taken_us = true;
	s.taken_us = 1ull << 60;
	return &s;
}

static void comes_back_the_same(void **unused)
{
	Stepdump__Snapshot *s;
	struct stat st;

	assert_null(snapfile_save(path, sample()));
	assert_null(snapfile_save(path, sample())); /* over the old one */
	assert_int_equal(files_in_dir(), 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_null(snapfile_load(path, &s));

	size_t len = stepdump__snapshot__get_packed_size(s);
	uint8_t *a = malloc(len), *b = malloc(len);

	assert_int_equal(len, stepdump__snapshot__get_packed_size(sample()));
	assert_int_equal(st.st_size, len + 12);
	stepdump__snapshot__pack(s, a);
	stepdump__snapshot__pack(sample(), b);
	assert_memory_equal(a, b, len);
	assert_string_equal(s->target->comm, "redis");
	free(a);
	free(b);
	stepdump__snapshot__free_unpacked(s, NULL);
}

static void assert_err(struct err *e, enum err_code code)
{
	assert_non_null(e);
	assert_int_equal(e->code, code);
	err_free(e);
}

static void damage_is_found(void **unused)
{
	Stepdump__Snapshot *s = (Stepdump__Snapshot *)path; /* must stay untouched */
	uint8_t buf[256];

	assert_null(snapfile_save(path, sample()));

	int fd = open(path, O_RDONLY);
	ssize_t len = read(fd, buf, sizeof(buf));

	close(fd);
	assert_true(len > 12);
	for (ssize_t cut = 0; cut < len; cut++)
		assert_err(snapfile_parse(buf, (size_t)cut, &s), ERR_FORMAT);
	for (unsigned i = 0; i < 12; i++) { /* magic and length */
		buf[i] ^= 1;
		assert_err(snapfile_parse(buf, (size_t)len, &s), ERR_FORMAT);
		buf[i] ^= 1;
	}
	buf[12] = 0x07; /* wire type 7 does not exist */
	assert_err(snapfile_parse(buf, (size_t)len, &s), ERR_FORMAT);
	assert_ptr_equal(s, path);
}

/* Two bytes of file for a hundred of memory: a file within its bound must not exhaust memory. */
static void memory_is_bounded(void **unused)
{
	size_t body = SNAPFILE_BYTES_MAX, len = body + 12;
	uint8_t *buf = malloc(len);
	uint32_t le = (uint32_t)body;
	Stepdump__Snapshot *s;

	assert_non_null(buf);
	memcpy(buf, "SDSNAP1\n", 8);
	memcpy(buf + 8, &le, 4);
	for (size_t i = 12; i < len; i += 4) /* shmem { shmid: 1 }: 4 bytes each */
		memcpy(buf + i, "\x4a\x02\x08\x01", 4);
	assert_err(snapfile_parse(buf, len, &s), ERR_FORMAT);
	free(buf);
}

static void files_that_are_none(void **unused)
{
	Stepdump__Snapshot *s;
	char fifo[80];

	struct err *e = snapfile_load("/nonexistent/a.snap", &s);

	assert_non_null(e);
	assert_int_equal(e->sys_errno, ENOENT);
	assert_non_null(strstr(e->msg, "/nonexistent/a.snap"));
	err_free(e);
	assert_err(snapfile_load("/dev/zero", &s), ERR_FORMAT);
	assert_err(snapfile_load(dir, &s), ERR_FORMAT);
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_err(snapfile_load(fifo, &s), ERR_FORMAT); /* and does not wait for a writer */
	unlink(fifo);

	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(ftruncate(fd, 1ll << 40), 0); /* sparse: not read, not allocated */
	close(fd);
	assert_err(snapfile_load(path, &s), ERR_FORMAT);
}

static void failure_leaves_nothing(void **unused)
{
	char target[128];
	unsigned before;
	struct err *e;

	e = snapfile_save("/nonexistent/a.snap", sample());
	assert_non_null(e);
	assert_int_equal(e->sys_errno, ENOENT);
	err_free(e);

	/* The rename fails: a directory is in the way. */
	snprintf(target, sizeof(target), "%s/sub", dir);
	assert_int_equal(mkdir(target, 0700), 0);
	before = files_in_dir();
	assert_err(snapfile_save(target, sample()), ERR_SYS);
	assert_int_equal(files_in_dir(), before);
	assert_int_equal(rmdir(target), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back_the_same),    cmocka_unit_test(damage_is_found),
		cmocka_unit_test(memory_is_bounded),      cmocka_unit_test(files_that_are_none),
		cmocka_unit_test(failure_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
