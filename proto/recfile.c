/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proto/recfile.h"

#include <endian.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "proto/snapfile.h"

#define MAGIC "SDREC01\n"
#define MAGIC_LEN (sizeof(MAGIC) - 1)
#define HEAD_LEN (1 + sizeof(uint32_t)) /* of a block */
#define LEVEL 3
#define WINDOW_LOG 23 /* 8 MiB: several frames */

/* ---- writing ---- */

struct rec_writer {
	int fd;
	char *path;
	uint64_t size, max;
	ZSTD_CCtx *z;
	bool in_stream;
};

struct err *rec_create(const char *path, uint64_t max_bytes, struct rec_writer **ret)
{
	AUTO_CLOSE int fd = create_private(AT_FDCWD, path, O_WRONLY | O_EXCL);

	if (fd < 0)
		return errno == EEXIST ?
			       err_hint(err_new(ERR_USAGE, "record %s: there is such a file", path),
					"choose another name, or remove it first") :
			       err_sys(errno, "record %s: creating it", path);
	if (max_bytes < MAGIC_LEN)
		max_bytes = MAGIC_LEN;
	if (write_full(fd, MAGIC, MAGIC_LEN) < 0) {
		struct err *e = err_sys(errno, "record %s: writing", path);

		unlink(path);
		return e;
	}

	struct rec_writer *w = xzalloc(sizeof(*w));

	w->fd = TAKE_FD(fd);
	w->path = xstrdup(path);
	w->size = MAGIC_LEN;
	w->max = max_bytes;
	w->z = ZSTD_createCCtx();
	if (!w->z)
		abort(); /* as the allocators of base/mem.h do */
	ZSTD_CCtx_setParameter(w->z, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(w->z, ZSTD_c_windowLog, WINDOW_LOG);
	*ret = w;
	return NULL;
}

/* One block is flushed, not ended: the next one refers to it. */
static struct err *rec_compress(struct rec_writer *w, const uint8_t *raw, size_t len, uint8_t *to,
				size_t room, size_t *len_ret)
{
	ZSTD_inBuffer in = { raw, len, 0 };
	ZSTD_outBuffer out = { to, room, 0 };
	size_t left;

	do {
		left = ZSTD_compressStream2(w->z, &out, &in, ZSTD_e_flush);
		if (ZSTD_isError(left))
			return err_new(ERR_CHECK, "compressing: %s", ZSTD_getErrorName(left));
	} while (left && out.pos < out.size);
	if (left)
		return err_new(ERR_CHECK, "compressing: %zu bytes did not fit", left);
	*len_ret = out.pos;
	return NULL;
}

struct err *rec_append(struct rec_writer *w, const Stepdump__Frame *f, bool key)
{
	size_t raw_len = stepdump__frame__get_packed_size(f), room, len = 0;

	if (raw_len > SNAPFILE_BYTES_MAX)
		return err_new(ERR_USAGE, "record %s: a stop of %zu bytes is more than %lu",
			       w->path, raw_len, SNAPFILE_BYTES_MAX);
	key |= !w->in_stream;
	if (key)
		ZSTD_CCtx_reset(w->z, ZSTD_reset_session_only);
	room = ZSTD_compressBound(raw_len) + 1024;

	AUTO_FREE uint8_t *raw = xcalloc(raw_len, 1);
	AUTO_FREE uint8_t *block = xcalloc(HEAD_LEN + room, 1);
	struct err *e;

	stepdump__frame__pack(f, raw);
	w->in_stream = false; /* should it fail, the next frame begins anew */
	e = rec_compress(w, raw, raw_len, block + HEAD_LEN, room, &len);
	if (e)
		return err_wrap(e, "record %s", w->path);

	if (len > w->max - w->size || HEAD_LEN > w->max - w->size - len)
		return err_hint(err_new(ERR_STATE, "%s is full: it has %lu of %lu bytes", w->path,
					w->size, w->max),
				"`record --max SIZE` allows more");

	uint32_t le = htole32((uint32_t)len);

	block[0] = key ? 'K' : 'F';
	memcpy(block + 1, &le, sizeof(le));
	if (pwrite_full(w->fd, block, HEAD_LEN + len, (off_t)w->size) < 0) {
		e = err_sys(errno, "record %s: writing", w->path);
		if (ftruncate(w->fd, (off_t)w->size))
			return e; /* the reader stops there by itself */
		return e;
	}
	w->size += HEAD_LEN + len;
	w->in_stream = true;
	return NULL;
}

uint64_t rec_size(const struct rec_writer *w)
{
	return w->size;
}

void rec_close(struct rec_writer *w)
{
	if (!w)
		return;
	close(w->fd);
	ZSTD_freeCCtx(w->z);
	free(w->path);
	free(w);
}

/* ---- reading ---- */

struct rec_reader {
	int fd;
	uint64_t at, size;
	ZSTD_DCtx *z;
	bool in_stream, cut;
};

static int rec_open_fd(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

bool rec_is(const char *path)
{
	AUTO_CLOSE int fd = rec_open_fd(path);
	char magic[MAGIC_LEN];

	return fd >= 0 && pread_full(fd, magic, MAGIC_LEN, 0) == (ssize_t)MAGIC_LEN &&
	       !memcmp(magic, MAGIC, MAGIC_LEN);
}

struct err *rec_open(const char *path, struct rec_reader **ret)
{
	AUTO_CLOSE int fd = rec_open_fd(path);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return err_sys(errno, "opening recording %s", path);
	if (!S_ISREG(st.st_mode) || !rec_is(path))
		return err_new(ERR_FORMAT, "%s is not a recording", path);

	struct rec_reader *r = xzalloc(sizeof(*r));

	r->fd = TAKE_FD(fd);
	r->at = MAGIC_LEN;
	r->size = (uint64_t)st.st_size;
	r->z = ZSTD_createDCtx();
	if (!r->z)
		abort();
	ZSTD_DCtx_setParameter(r->z, ZSTD_d_windowLogMax, WINDOW_LOG);
	*ret = r;
	return NULL;
}

/* All that one block unpacks to; heap. */
static struct err *rec_decompress(struct rec_reader *r, const uint8_t *block, size_t len,
				  uint8_t **raw_ret, size_t *raw_len_ret)
{
	ZSTD_inBuffer in = { block, len, 0 };
	AUTO_FREE uint8_t *raw = NULL;
	size_t cap = 0, n = 0;

	for (;;) {
		if (n == cap) {
			if (cap >= SNAPFILE_BYTES_MAX)
				return err_new(ERR_FORMAT, "a frame is too large");
			cap = cap ? cap * 2 : 64 << 10;
			if (cap > SNAPFILE_BYTES_MAX)
				cap = SNAPFILE_BYTES_MAX;
			raw = xreallocarray(raw, cap, 1);
		}
		ZSTD_outBuffer out = { raw, cap, n };
		size_t taken = in.pos, rc = ZSTD_decompressStream(r->z, &out, &in);

		if (ZSTD_isError(rc))
			return err_new(ERR_FORMAT, "%s", ZSTD_getErrorName(rc));
		/* All is out once the input is used up and the output was not filled. */
		if (in.pos == in.size && out.pos < cap) {
			*raw_len_ret = out.pos;
			*raw_ret = TAKE_PTR(raw);
			return NULL;
		}
		if (out.pos == n && in.pos == taken && n < cap)
			return err_new(ERR_FORMAT, "a frame does not end");
		n = out.pos;
	}
}

/* Memory that a frame may unpack to, see proto/snapfile.c. */
static void *rec_alloc(void *data, size_t size)
{
	size_t *left = data;

	if (size > *left)
		return NULL;
	*left -= size;
	return malloc(size);
}

static void rec_free(void *data, void *p)
{
	free(p);
}

static struct err *rec_unpack(struct rec_reader *r, const uint8_t *block, size_t len,
			      Stepdump__Frame **ret)
{
	size_t left = SNAPFILE_MEMORY_MAX, raw_len = 0;
	ProtobufCAllocator budget = { rec_alloc, rec_free, &left };
	AUTO_FREE uint8_t *raw = NULL;

	TRY(rec_decompress(r, block, len, &raw, &raw_len));
	*ret = stepdump__frame__unpack(&budget, raw_len, raw);
	return *ret ? NULL : err_new(ERR_FORMAT, "a frame of %zu bytes does not parse", raw_len);
}

struct err *rec_next(struct rec_reader *r, Stepdump__Frame **ret, uint64_t *off_ret, bool *key_ret)
{
	uint8_t head[HEAD_LEN];
	uint64_t off = r->at;
	uint32_t len;

	*ret = NULL;
	if (off == r->size)
		return NULL;
	if (pread_full(r->fd, head, HEAD_LEN, (off_t)off) != (ssize_t)HEAD_LEN) {
		r->cut = true;
		return NULL;
	}
	memcpy(&len, head + 1, sizeof(len));
	len = le32toh(len);

	bool key = head[0] == 'K';

	if ((!key && head[0] != 'F') || (!key && !r->in_stream))
		return err_new(ERR_FORMAT, "recording damaged at byte %lu", off);
	if (len > r->size - off - HEAD_LEN) {
		r->cut = true;
		return NULL;
	}
	if (len > ZSTD_COMPRESSBOUND(SNAPFILE_BYTES_MAX))
		return err_new(ERR_FORMAT, "recording damaged at byte %lu", off);

	AUTO_FREE uint8_t *block = xcalloc((size_t)len + 1, 1);

	if (pread_full(r->fd, block, len, (off_t)(off + HEAD_LEN)) != (ssize_t)len)
		return err_sys(errno, "reading the recording at byte %lu", off);
	if (key)
		ZSTD_DCtx_reset(r->z, ZSTD_reset_session_only);
	r->in_stream = false;
	TRY(err_wrap(rec_unpack(r, block, len, ret), "recording damaged at byte %lu", off));
	r->in_stream = true;
	r->at = off + HEAD_LEN + len;
	if (off_ret)
		*off_ret = off;
	if (key_ret)
		*key_ret = key;
	return NULL;
}

void rec_seek(struct rec_reader *r, uint64_t off)
{
	r->at = off;
	r->in_stream = false;
}

bool rec_cut_short(const struct rec_reader *r)
{
	return r->cut;
}

void rec_reader_close(struct rec_reader *r)
{
	if (!r)
		return;
	close(r->fd);
	ZSTD_freeDCtx(r->z);
	free(r);
}
