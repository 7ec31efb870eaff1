/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Snapshot files: what is saved is read back, any damage is an error, nothing is left behind. */
#include "proto/snapfile.h"

#include "base/num.h"

#include "tests/lib/images.h"

static char path[80];

static int set_up(void **state)
{
	if (scratch_make(state))
		return -1;
	snprintf(path, sizeof(path), "%s/a.snap", scratch);
	return 0;
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

TEST(comes_back_the_same)
{
	Stepdump__Snapshot *s;
	struct stat st;

	ok(snapfile_save(path, sample()));
	ok(snapfile_save(path, sample())); /* over the old one */
	assert_int_equal(entries_in(scratch), 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	ok(snapfile_load(path, &s));

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

TEST(damage_is_found)
{
	Stepdump__Snapshot *s = (Stepdump__Snapshot *)path; /* must stay untouched */
	uint8_t buf[256];

	ok(snapfile_save(path, sample()));

	int fd = open(path, O_RDONLY);
	ssize_t len = read(fd, buf, sizeof(buf));

	close(fd);
	assert_true(len > 12);
	for (ssize_t cut = 0; cut < len; cut++)
		fails(snapfile_parse(buf, (size_t)cut, &s), ERR_FORMAT, "");
	for (unsigned i = 0; i < 12; i++) { /* magic and length */
		buf[i] ^= 1;
		fails(snapfile_parse(buf, (size_t)len, &s), ERR_FORMAT, "");
		buf[i] ^= 1;
	}
	buf[12] = 0x07; /* wire type 7 does not exist */
	fails(snapfile_parse(buf, (size_t)len, &s), ERR_FORMAT, "");
	assert_ptr_equal(s, path);
}

/* Two bytes of file for a hundred of memory: a file within its bound must not exhaust memory. */
TEST(memory_is_bounded)
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
	fails(snapfile_parse(buf, len, &s), ERR_FORMAT, "");
	free(buf);
}

/* All its numbers of pages would be read wrongly. */
TEST(pages_of_another_size)
{
	Stepdump__Snapshot odd = *sample(), *s = (Stepdump__Snapshot *)path;

	odd.has_page_bytes = true;
	odd.page_bytes = 4 * (uint32_t)PAGE_BYTES;
	ok(snapfile_save(path, &odd));
	fails(snapfile_load(path, &s), ERR_FORMAT, "pages of 16384 bytes");
	assert_ptr_equal(s, path);
	odd.page_bytes = (uint32_t)PAGE_BYTES;
	ok(snapfile_save(path, &odd));
	ok(snapfile_load(path, &s));
	stepdump__snapshot__free_unpacked(s, NULL);
}

TEST(files_that_are_none)
{
	Stepdump__Snapshot *s;
	char fifo[80];

	struct err *e = snapfile_load("/nonexistent/a.snap", &s);

	assert_non_null(e);
	assert_int_equal(e->sys_errno, ENOENT);
	assert_non_null(strstr(e->msg, "/nonexistent/a.snap"));
	err_free(e);
	fails(snapfile_load("/dev/zero", &s), ERR_FORMAT, "");
	fails(snapfile_load(scratch, &s), ERR_FORMAT, "");
	snprintf(fifo, sizeof(fifo), "%s/fifo", scratch);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	fails(snapfile_load(fifo, &s), ERR_FORMAT, ""); /* and does not wait for a writer */
	unlink(fifo);

	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(ftruncate(fd, 1ll << 40), 0); /* sparse: not read, not allocated */
	close(fd);
	fails(snapfile_load(path, &s), ERR_FORMAT, "");
}

TEST(failure_leaves_nothing)
{
	char target[128];
	unsigned before;
	struct err *e;

	e = snapfile_save("/nonexistent/a.snap", sample());
	assert_non_null(e);
	assert_int_equal(e->sys_errno, ENOENT);
	err_free(e);

	/* The rename fails: a directory is in the way. */
	snprintf(target, sizeof(target), "%s/sub", scratch);
	assert_int_equal(mkdir(target, 0700), 0);
	before = entries_in(scratch);
	fails(snapfile_save(target, sample()), ERR_SYS, "");
	assert_int_equal(entries_in(scratch), before);
	assert_int_equal(rmdir(target), 0);
}

GROUP(set_up, scratch_drop);
