/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/image/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/mem.h"
#include "engine/image/pbwire.h"

#define BUFFER_SIZE (64u << 10)

/* ---- writing ------------------------------------------------------------- */

struct image_writer {
	ProtobufCBuffer base; /* first: packing appends straight to the file buffer */
	const struct image_desc *desc;
	int fd;
	int write_errno; /* sticky: append callbacks cannot fail */
	char name[IMAGE_NAME_MAX];
	off_t flushed; /* bytes of the file that count */
	size_t used;
	uint8_t buf[BUFFER_SIZE];
};

static bool write_all(int fd, const uint8_t *data, size_t len)
{
	while (len) {
		ssize_t n = FAULT(IMAGE_WRITE, write(fd, data, FAULT_LEN(IMAGE_WRITE, len)));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* Returns 0 or an errno.  A failure leaves the buffer full and the file as it was, so that it can
 * be tried again once there is room. */
static int flush(struct image_writer *w)
{
	int why = w->write_errno;

	if (why)
		return why;
	if (!write_all(w->fd, w->buf, w->used)) {
		why = errno;
		if (lseek(w->fd, w->flushed, SEEK_SET) < 0 || ftruncate(w->fd, w->flushed))
			w->write_errno = why;
		return why;
	}
	w->flushed += (off_t)w->used;
	w->used = 0;
	return 0;
}

static void append(ProtobufCBuffer *base, size_t len, const uint8_t *data)
{
	struct image_writer *w = (struct image_writer *)base;

	if (len > BUFFER_SIZE - w->used)
		w->write_errno = flush(w);
	if (w->write_errno)
		return;
	if (len > BUFFER_SIZE) {
		if (write_all(w->fd, data, len))
			w->flushed += (off_t)len;
		else
			w->write_errno = errno;
		return;
	}
	memcpy(w->buf + w->used, data, len);
	w->used += len;
}

static void append_u32(struct image_writer *w, uint32_t v)
{
	append(&w->base, sizeof(v), (const uint8_t *)&v);
}

struct err *image_create(int dirfd, const char *name, enum image_kind kind,
			 struct image_writer **ret)
{
	struct image_writer *w = xzalloc(sizeof(*w));

	w->base.append = append;
	w->desc = image_desc(kind);
	w->write_errno = 0;
	w->flushed = 0;
	w->used = 0;
	snprintf(w->name, sizeof(w->name), "%s", name);
	w->fd = FAULT(IMAGE_CREATE, create_private(dirfd, name, O_WRONLY | O_TRUNC));
	if (w->fd < 0) {
		struct err *e = err_sys(errno, "create %s", name);

		free(w);
		return e;
	}
	if (w->desc->framing != FRAMING_INVENTORY)
		append_u32(w, w->desc->framing == FRAMING_COMMON ? IMAGE_MAGIC_COMMON :
								   IMAGE_MAGIC_SERVICE);
	append_u32(w, w->desc->magic);
	*ret = w;
	return NULL;
}

struct err *image_write(struct image_writer *w, const ProtobufCMessage *m)
{
	size_t len = protobuf_c_message_get_packed_size(m);

	if (len > IMAGE_ENTRY_MAX)
		return err_new(ERR_CHECK, "write %s: message of %zu bytes is longer than %u",
			       w->name, len, IMAGE_ENTRY_MAX);
	/* A message that fits into the buffer goes in as a whole or not at all. */
	if (len + sizeof(uint32_t) > BUFFER_SIZE - w->used)
		TRY(image_flush(w));
	append_u32(w, (uint32_t)len);
	protobuf_c_message_pack_to_buffer(m, &w->base);
	return w->write_errno ? err_sys(w->write_errno, "write %s", w->name) : NULL;
}

struct err *image_flush(struct image_writer *w)
{
	int why = flush(w);

	return why ? err_sys(why, "write %s", w->name) : NULL;
}

struct err *image_finish(struct image_writer *w)
{
	struct err *e = image_flush(w);

	if (FAULT(IMAGE_CLOSE, close(w->fd)) < 0 && errno != EINTR)
		e = err_first(e, err_sys(errno, "close %s", w->name));
	free(w);
	return e;
}

void image_abandon(struct image_writer *w)
{
	if (!w)
		return;
	close(w->fd);
	free(w);
}

struct err *image_write_one(int dirfd, enum image_kind kind, uint64_t id, const ProtobufCMessage *m)
{
	struct image_writer *w;
	char name[IMAGE_NAME_MAX];

	TRY(image_create(dirfd, image_name(kind, id, name), kind, &w));
	struct err *e = image_write(w, m);
	return err_first(e, image_finish(w));
}

/* ---- reading ------------------------------------------------------------- */

struct image_reader {
	const struct image_desc *desc;
	int fd;
	bool old; /* framed as in sets of image version 1 */
	char name[IMAGE_NAME_MAX];
	uint64_t size; /* of the file, when opened */
	uint64_t pos;  /* next byte that the caller of take() gets */
	uint64_t entry_offset;
	size_t nr_entries; /* read so far */
	uint8_t *payload;  /* of the current message; grows */
	size_t payload_cap;
	size_t start, end; /* unread part of buf */
	uint8_t buf[BUFFER_SIZE];
};

/* Copies exactly `len` bytes; the caller has checked that the file has them. */
static struct err *take(struct image_reader *r, void *dst, size_t len)
{
	uint8_t *out = dst;

	while (len) {
		if (r->start == r->end) {
			ssize_t n = FAULT(IMAGE_READ, RETRY(read(r->fd, r->buf, sizeof(r->buf))));

			if (n < 0)
				return err_sys(errno, "read %s", r->name);
			if (!n)
				return err_new(ERR_FORMAT, "read %s: it became shorter meanwhile",
					       r->name);
			r->start = 0;
			r->end = (size_t)n;
		}
		size_t n = r->end - r->start < len ? r->end - r->start : len;

		memcpy(out, r->buf + r->start, n);
		r->start += n;
		r->pos += n;
		out += n;
		len -= n;
	}
	return NULL;
}

static struct err *take_magic(struct image_reader *r, uint32_t *ret)
{
	if (r->size - r->pos < sizeof(*ret))
		return err_new(ERR_FORMAT, "read %s: %lu bytes are too few for an image", r->name,
			       r->size);
	return take(r, ret, sizeof(*ret));
}

/* Sets of image version 1 have no head magic. */
static struct err *check_magics(struct image_reader *r)
{
	uint32_t head =
		r->desc->framing == FRAMING_SERVICE ? IMAGE_MAGIC_SERVICE : IMAGE_MAGIC_COMMON;
	uint32_t magic;

	TRY(take_magic(r, &magic));
	if (r->desc->framing != FRAMING_INVENTORY) {
		r->old = magic == r->desc->magic;
		if (r->old)
			return NULL;
		if (magic != head)
			return err_new(ERR_FORMAT, "read %s: head magic %08x, expected %08x",
				       r->name, magic, head);
		TRY(take_magic(r, &magic));
	}
	if (magic != r->desc->magic)
		return err_new(ERR_FORMAT, "read %s: type magic %08x, expected %08x (%s)", r->name,
			       magic, r->desc->magic, r->desc->magic_name);
	return NULL;
}

struct err *image_open_file(int dirfd, const char *name, int *fd_ret, uint64_t *size_ret)
{
	struct stat st;

	/* Looked at before, as to open a device may do something to it; and after, as it may have
	 * changed. */
	if (fstatat(dirfd, name, &st, 0) < 0)
		return err_sys(errno, "open %s", name);
	if (!S_ISREG(st.st_mode))
		return err_new(ERR_FORMAT, "read %s: not a regular file", name);
	AUTO_CLOSE int fd = FAULT(
		IMAGE_OPEN, openat(dirfd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
	if (fd < 0)
		return err_sys(errno, "open %s", name);
	if (fstat(fd, &st) < 0)
		return err_sys(errno, "stat %s", name);
	if (!S_ISREG(st.st_mode))
		return err_new(ERR_FORMAT, "read %s: not a regular file", name);
	*size_ret = (uint64_t)st.st_size;
	*fd_ret = TAKE_FD(fd);
	return NULL;
}

static struct err *reader_init(struct image_reader *r, int dirfd)
{
	TRY(image_open_file(dirfd, r->name, &r->fd, &r->size));
	return check_magics(r);
}

struct err *image_open_as(int dirfd, const char *name, const struct image_desc *desc,
			  struct image_reader **ret)
{
	struct image_reader *r = xzalloc(sizeof(*r));

	r->desc = desc;
	r->fd = -1;
	snprintf(r->name, sizeof(r->name), "%s", name);

	struct err *e = reader_init(r, dirfd);
	if (e) {
		image_close(r);
		return e;
	}
	*ret = r;
	return NULL;
}

struct err *image_open(int dirfd, const char *name, enum image_kind kind, struct image_reader **ret)
{
	return image_open_as(dirfd, name, image_desc(kind), ret);
}

/*
 * Parsing multiplies: a two-byte empty submessage becomes a hundred-byte struct.  A file of 64
 * MiB must not be able to ask for gigabytes.  What this returns is plain malloc memory, so
 * messages are freed with the default allocator.
 */
#define UNPACK_MAX (512u << 20)

static void *unpack_alloc(void *budget, size_t size)
{
	size_t *left = budget;

	if (size > *left)
		return NULL;
	*left -= size;
	return malloc(size);
}

static void unpack_free(void *budget, void *p)
{
	free(p);
}

static ProtobufCMessage *unpack(const ProtobufCMessageDescriptor *d, size_t len,
				const uint8_t *data)
{
	size_t left = UNPACK_MAX;
	ProtobufCAllocator a = { unpack_alloc, unpack_free, &left };

	return protobuf_c_message_unpack(d, &a, len, data);
}

static struct err *malformed(const struct image_reader *r, const char *what)
{
	return err_new(ERR_FORMAT, "read %s: entry %zu at offset %lu: %s", r->name, r->nr_entries,
		       r->entry_offset, what);
}

static struct err *read_payload(struct image_reader *r, uint32_t len)
{
	if (len >= r->payload_cap) { /* not NULL for an empty one: that is the end */
		r->payload = xreallocarray(r->payload, len + 1, 1); /* at most IMAGE_ENTRY_MAX */
		r->payload_cap = len + 1;
	}
	return take(r, r->payload, len);
}

struct err *image_next_raw(struct image_reader *r, const uint8_t **ret, size_t *len_ret)
{
	uint32_t len;

	r->entry_offset = r->pos;
	*ret = NULL;
	*len_ret = 0;
	/* CRIU reads one entry and looks no further, and what follows may be far longer. */
	if (r->pos == r->size || (r->desc->one_entry && r->nr_entries))
		return NULL;
	if (r->size - r->pos < sizeof(len))
		return malformed(r, "the file ends inside the length");
	TRY(take(r, &len, sizeof(len)));
	if (len > r->size - r->pos)
		return malformed(r, "the file ends inside the entry");
	if (len > IMAGE_ENTRY_MAX)
		return malformed(r, "longer than any image entry");
	/* No entry of a list is empty; a hole of the file would be an endless list of them. */
	if (!len && !r->desc->one_entry)
		return malformed(r, "it is empty");
	TRY(read_payload(r, len));
	if (!pb_well_formed(r->payload, len))
		return malformed(r, "the message does not parse");
	r->nr_entries++;
	*ret = r->payload;
	*len_ret = len;
	return NULL;
}

struct err *image_next(struct image_reader *r, ProtobufCMessage **ret)
{
	const uint8_t *data;
	size_t len;

	*ret = NULL;
	TRY(image_next_raw(r, &data, &len));
	if (!data)
		return NULL;

	const ProtobufCMessageDescriptor *d = r->desc->entry;

	if (r->desc->head && r->nr_entries == 1)
		d = r->desc->head;
	ProtobufCMessage *m = unpack(d, len, data);

	if (!m) {
		r->nr_entries--;
		return malformed(r, "the message does not parse");
	}
	*ret = m;
	return NULL;
}

size_t image_entry_index(const struct image_reader *r)
{
	return r->nr_entries - 1;
}

uint64_t image_entry_offset(const struct image_reader *r)
{
	return r->entry_offset;
}

bool image_is_old(const struct image_reader *r)
{
	return r->old;
}

uint64_t image_rest(const struct image_reader *r)
{
	return r->size - r->pos;
}

void image_close(struct image_reader *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	free(r->payload);
	free(r);
}

static struct err *read_one(struct image_reader *r, ProtobufCMessage **ret)
{
	ProtobufCMessage *first, *second;

	TRY(image_next(r, &first));
	if (!first)
		return err_new(ERR_FORMAT, "read %s: it has no entry", r->name);
	struct err *e = image_next(r, &second);
	if (!e && second) {
		protobuf_c_message_free_unpacked(second, NULL);
		e = err_new(ERR_FORMAT, "read %s: more than one entry", r->name);
	}
	if (e) {
		protobuf_c_message_free_unpacked(first, NULL);
		return e;
	}
	*ret = first;
	return NULL;
}

struct err *image_read_one(int dirfd, const char *name, enum image_kind kind,
			   ProtobufCMessage **ret)
{
	struct image_reader *r;

	TRY(image_open(dirfd, name, kind, &r));
	struct err *e = read_one(r, ret);
	image_close(r);
	return e;
}
