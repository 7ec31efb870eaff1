/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proto/snapfile.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/num.h"

#define MAGIC "SDSNAP1\n"
#define MAGIC_LEN (sizeof(MAGIC) - 1)
#define HEAD_LEN (MAGIC_LEN + sizeof(uint32_t))

/* A two-byte field can unpack to a hundred bytes of structure, so memory is counted too. */
static void *budget_alloc(void *data, size_t size)
{
	size_t *left = data;

	if (size > *left)
		return NULL;
	*left -= size;
	return malloc(size);
}

static void budget_free(void *data, void *p)
{
	free(p);
}

struct err *snapfile_parse(const void *bytes, size_t len, Stepdump__Snapshot **ret)
{
	size_t left = SNAPFILE_MEMORY_MAX;
	ProtobufCAllocator budget = { budget_alloc, budget_free, &left };
	const uint8_t *p = bytes;
	uint32_t body;

	if (len < HEAD_LEN || memcmp(p, MAGIC, MAGIC_LEN))
		return err_new(ERR_FORMAT, "not a stepdump snapshot");
	memcpy(&body, p + MAGIC_LEN, sizeof(body));
	body = le32toh(body);
	if (body != len - HEAD_LEN)
		return err_new(ERR_FORMAT, "snapshot damaged: %u bytes announced, %zu there", body,
			       len - HEAD_LEN);

	Stepdump__Snapshot *s = stepdump__snapshot__unpack(&budget, body, p + HEAD_LEN);

	if (!s)
		return err_new(ERR_FORMAT, "snapshot damaged: its %u bytes do not parse", body);
	if (s->page_bytes != PAGE_BYTES) {
		struct err *e = err_new(ERR_FORMAT,
					"the snapshot counts in pages of %u bytes, this machine's "
					"have %lu",
					s->page_bytes, PAGE_BYTES);

		stepdump__snapshot__free_unpacked(s, &budget);
		return err_hint(e, "look at it on a machine like the one that took it");
	}
	*ret = s;
	return NULL;
}

static struct err *load_fd(int fd, Stepdump__Snapshot **ret)
{
	struct stat st;

	if (fstat(fd, &st))
		return err_sys(errno, "asking for its size");
	if (!S_ISREG(st.st_mode))
		return err_new(ERR_FORMAT, "not a regular file");
	if (st.st_size > (off_t)(SNAPFILE_BYTES_MAX + HEAD_LEN))
		return err_new(ERR_FORMAT, "%lld bytes are too many for a snapshot",
			       (long long)st.st_size);

	size_t len = (size_t)st.st_size;
	AUTO_FREE uint8_t *buf = xcalloc(len + 1, 1);
	ssize_t n = read_full(fd, buf, len);

	if (n < 0)
		return err_sys(errno, "reading");
	if ((size_t)n < len)
		return err_new(ERR_FORMAT, "file became shorter while being read");
	return snapfile_parse(buf, len, ret);
}

struct err *snapfile_load(const char *path, Stepdump__Snapshot **ret)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return err_sys(errno, "opening snapshot %s", path);
	return err_wrap(load_fd(fd, ret), "snapshot %s", path);
}

/* Creates, fills and renames; leaves nothing behind when it fails. */
static struct err *save_bytes(const char *path, const uint8_t *buf, size_t len)
{
	AUTO_FREE char *temp = xasprintf("%s.XXXXXX", path);
	int fd = mkostemp(temp, O_CLOEXEC); /* mode 0600 */
	struct err *e = NULL;

	if (fd < 0) {
		e = err_sys(errno, "creating a file beside it");
	} else {
		if (fchmod(fd, 0600)) /* an umask can take the owner's rights too */
			e = err_sys(errno, "setting the mode");
		else if (write_full(fd, buf, len) < 0)
			e = err_sys(errno, "writing");
		else if (fsync(fd))
			e = err_sys(errno, "flushing to disk");
		if (close(fd) && !e)
			e = err_sys(errno, "closing");
		if (!e && rename(temp, path))
			e = err_sys(errno, "renaming to it");
		if (e)
			unlink(temp);
	}
	return e;
}

struct err *snapfile_save(const char *path, const Stepdump__Snapshot *s)
{
	size_t body = stepdump__snapshot__get_packed_size(s);

	if (body > SNAPFILE_BYTES_MAX)
		return err_hint(err_new(ERR_USAGE, "snapshot %s: %zu bytes are more than %lu", path,
					body, SNAPFILE_BYTES_MAX),
				"ask for less: fewer iovs, holes or page runs");

	AUTO_FREE uint8_t *buf = xcalloc(HEAD_LEN + body, 1);

	uint32_t le = htole32((uint32_t)body);

	memcpy(buf, MAGIC, MAGIC_LEN);
	memcpy(buf + MAGIC_LEN, &le, sizeof(le));
	stepdump__snapshot__pack(s, buf + HEAD_LEN);

	return err_wrap(save_bytes(path, buf, HEAD_LEN + body), "saving snapshot %s", path);
}
