/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/chain/chain_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/image/image.h"
#include "proto/inventory.pb-c.h"

#define VERSION_OLD 1u
#define VERSION_NOW 2u
#define VERSION_COMPRESSED 3u
#define INVENTORY_COMPRESS 15u /* and the fields after it */
#define BLOCK CHAIN_COPY_BLOCK
/* Between two checks for an interrupt. */
#define COPY_AT_ONCE (64u * 1024u * 1024u)

/* ---- bytes --------------------------------------------------------------------------------- */

static bool cannot_copy_in_kernel(int why)
{
	return why == EXDEV || why == EINVAL || why == EOPNOTSUPP || why == ENOSYS || why == EPERM;
}

/* Appends [off, off + len) of `in` to `out`; in the kernel where the file systems can. */
struct err *chain_copy_range(struct chain_copy *c, int in, uint64_t off, uint64_t len, int out)
{
	bool in_kernel = true;
	off_t at = (off_t)off;

	while (len) {
		size_t n_max = in_kernel ? COPY_AT_ONCE : BLOCK;
		size_t want = len < n_max ? len : n_max;
		ssize_t n;

		TRY(chain_check_stop(c->stop));
		if (in_kernel) {
			n = RETRY(copy_file_range(in, &at, out, NULL, want, 0));
			if (n < 0 && cannot_copy_in_kernel(errno)) {
				in_kernel = false;
				continue;
			}
			if (n < 0)
				return err_sys(errno, "copy images");
		} else {
			n = pread_full(in, c->buf, want, at);
			if (n < 0)
				return err_sys(errno, "read images");
			if (write_full(out, c->buf, (size_t)n) < 0)
				return err_sys(errno, "write images");
			at += n;
		}
		if (!n)
			return err_new(ERR_CHECK, "the file ends at byte %ld, %lu bytes too early",
				       at, len);
		len -= (uint64_t)n;
	}
	return NULL;
}

/* Holes of a file stay holes: a small file may claim to be terabytes long. */
static struct err *copy_data(struct chain_copy *c, int in, uint64_t size, int out)
{
	off_t at = 0, hole;

	while ((at = lseek(in, at, SEEK_DATA)) >= 0 && (uint64_t)at < size) {
		hole = lseek(in, at, SEEK_HOLE);
		if (hole < 0 || lseek(out, at, SEEK_SET) < 0)
			return err_sys(errno, "find the data");
		if ((uint64_t)hole > size) /* it grows meanwhile */
			hole = (off_t)size;
		TRY(chain_copy_range(c, in, (uint64_t)at, (uint64_t)(hole - at), out));
		at = hole;
	}
	if (at < 0 && errno != ENXIO)
		return err_sys(errno, "find the data");
	return ftruncate(out, (off_t)size) ? err_sys(errno, "set the length") : NULL;
}

/* Of image version 1: the head magic that it lacks is put before it. */
static struct err *copy_reframed(struct chain_copy *c, const struct image_desc *d, int in,
				 uint64_t size, int out)
{
	uint32_t head = d->framing == FRAMING_SERVICE ? IMAGE_MAGIC_SERVICE : IMAGE_MAGIC_COMMON;

	if (d->framing != FRAMING_INVENTORY && write_full(out, &head, sizeof(head)) < 0)
		return err_sys(errno, "write images");
	return chain_copy_range(c, in, 0, size, out);
}

struct err *chain_copy_file(struct chain_copy *c, const char *name)
{
	const struct image_desc *d = image_desc_by_name(name, NULL);
	AUTO_CLOSE int in = -1;
	uint64_t size;

	TRY(err_wrap(image_open_file(c->from, name, &in, &size), "%s", c->name));
	int out = create_private(c->to, name, O_WRONLY | O_EXCL);
	if (out < 0)
		return err_sys(errno, "create %s", name);
	struct err *e = NULL;

	if (c->old && d)
		e = copy_reframed(c, d, in, size, out);
	else
		e = copy_data(c, in, size, out);
	e = err_wrap(e, "copy %s", name);
	if (close(out) && errno != EINTR)
		e = err_first(e, err_sys(errno, "close %s", name));
	return e;
}

/* ---- inventory.img ------------------------------------------------------------------------- */

/* Pages are written uncompressed and all files have their head magics: image version 2, whatever it was. */
struct err *chain_copy_inventory(struct chain_copy *c)
{
	ProtobufCMessage *m;

	TRY(image_read_one(c->from, "inventory.img", IMG_INVENTORY, &m));

	Criu__InventoryEntry *inv = (Criu__InventoryEntry *)m;
	struct err *e;
	unsigned kept = 0, all = m->n_unknown_fields;

	if (inv->img_version == VERSION_COMPRESSED || inv->img_version == VERSION_OLD) {
		inv->img_version = VERSION_NOW;
		for (unsigned i = 0; i < all; i++)
			if (m->unknown_fields[i].tag < INVENTORY_COMPRESS) {
				ProtobufCMessageUnknownField u = m->unknown_fields[i];

				m->unknown_fields[i] = m->unknown_fields[kept];
				m->unknown_fields[kept++] = u;
			}
		m->n_unknown_fields = kept;
		e = image_write_one(c->to, IMG_INVENTORY, 0, m);
		m->n_unknown_fields = all; /* they are freed with it */
	} else {
		e = chain_copy_file(c, "inventory.img");
	}
	protobuf_c_message_free_unpacked(m, NULL);
	return e;
}
