/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>

#include "tests/lib/images.h"

char scratch[64];
int scratch_fd = -1;
static bool scratch_mounted;

struct bytes slurp(int dirfd, const char *name)
{
	struct bytes f = { 0 };
	struct stat st;
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st))
		fail_msg("%s: %s", name, strerror(errno));
	f.nr = (size_t)st.st_size;
	f.b = malloc(f.nr + 1);
	MUST(f.b);
	for (size_t at = 0; at < f.nr;) {
		ssize_t n = read(fd, f.b + at, f.nr - at);

		MUST(n > 0);
		at += (size_t)n;
	}
	close(fd);
	return f;
}

size_t put_varint(uint8_t *to, uint64_t v)
{
	size_t n = 0;

	for (; v > 0x7f; v >>= 7)
		to[n++] = (uint8_t)(v | 0x80);
	to[n++] = (uint8_t)v;
	return n;
}

static uint64_t pm_varint(const struct bytes *f, size_t *at, size_t end)
{
	uint64_t v = 0;

	for (unsigned shift = 0;; shift += 7) {
		assert_true(*at < end && shift < 64);
		v |= (uint64_t)(f->b[*at] & 0x7f) << shift;
		if (!(f->b[(*at)++] & 0x80))
			return v;
	}
}

static uint32_t pm_u32(const struct bytes *f, size_t at)
{
	assert_true(at + 4 <= f->nr);
	return f->b[at] | f->b[at + 1] << 8 | f->b[at + 2] << 16 | (uint32_t)f->b[at + 3] << 24;
}

struct pm pm_read(int dirfd, const char *name)
{
	struct bytes f = slurp(dirfd, name);
	struct pm pm = { 0 };
	bool head = true;

	assert_int_equal(pm_u32(&f, 0), 0x54564319);
	assert_int_equal(pm_u32(&f, 4), 0x56084025);
	for (size_t at = 8; at < f.nr; head = false) {
		uint64_t field[6] = { 0 };
		size_t end = at + 4 + pm_u32(&f, at);

		assert_true(end <= f.nr);
		for (at += 4; at < end;) {
			uint64_t tag = pm_varint(&f, &at, end);

			assert_true(!(tag & 7) && tag >> 3 <= 5);
			field[tag >> 3] = pm_varint(&f, &at, end);
		}
		if (head) {
			pm.pages_id = (uint32_t)field[1];
			continue;
		}
		assert_int_equal(field[2], field[5]); /* old and new readers agree */
		pm.e = reallocarray(pm.e, pm.nr + 1, sizeof(*pm.e));
		MUST(pm.e);
		pm.e[pm.nr++] = (struct pm_entry){ field[1], field[5], (uint32_t)field[4] };
		if (field[4] & 4)
			pm.stored += field[5];
	}
	assert_false(head);
	free(f.b);
	return pm;
}

int scratch_make(void **state)
{
	strcpy(scratch, "/tmp/stepdump-unit.XXXXXX");
	if (!mkdtemp(scratch))
		return -1;
	scratch_fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return scratch_fd < 0 ? -1 : 0;
}

void scratch_small(unsigned kib)
{
	static bool own_mounts;
	char options[64];

	snprintf(options, sizeof(options), "size=%uk", kib);
	if (!own_mounts &&
	    (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))) {
		print_message("skipped: no mount namespace of our own (%s)\n", strerror(errno));
		skip();
	}
	own_mounts = true;
	if (mount("stepdump-unit", scratch, "tmpfs", 0, options)) {
		print_message("skipped: cannot mount a tmpfs (%s)\n", strerror(errno));
		skip();
	}
	scratch_mounted = true;
	close(scratch_fd);
	scratch_fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(scratch_fd >= 0);
}

void scratch_resize(unsigned kib)
{
	char options[64];

	snprintf(options, sizeof(options), "size=%uk", kib);
	MUST(!mount("stepdump-unit", scratch, "tmpfs", MS_REMOUNT, options));
}

void remove_tree(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	for (struct dirent *de; d && (de = readdir(d));)
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, "..") &&
		    unlinkat(fd, de->d_name, 0) && errno == EISDIR)
			remove_tree(fd, de->d_name);
	if (d)
		closedir(d);
	unlinkat(at, name, AT_REMOVEDIR);
}

int scratch_drop(void **state)
{
	close(scratch_fd);
	scratch_fd = -1;
	if (scratch_mounted)
		umount2(scratch, MNT_DETACH);
	scratch_mounted = false;
	remove_tree(AT_FDCWD, scratch);
	return access(scratch, F_OK) ? 0 : -1;
}

unsigned entries_in(const char *path)
{
	DIR *d = opendir(path);
	unsigned nr = 0;

	MUST(d);
	for (struct dirent *de; (de = readdir(d));)
		nr += strcmp(de->d_name, ".") && strcmp(de->d_name, "..");
	closedir(d);
	return nr;
}

void put_file(int dirfd, const char *name, const void *data, size_t len)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	MUST(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	close(fd);
}

void put_pages(int dirfd, uint32_t id, uint64_t nr)
{
	char name[32];

	snprintf(name, sizeof(name), "pages-%u.img", id);
	put_file(dirfd, name, "", 0);
	int fd = openat(dirfd, name, O_WRONLY | O_CLOEXEC);

	/* Not by ftruncate(): a hole is a finding of its own. */
	static const uint8_t page[PAGE];

	MUST(fd >= 0);
	for (uint64_t i = 0; i < nr; i++)
		MUST(write(fd, page, PAGE) == PAGE);
	close(fd);
}
