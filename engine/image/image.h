/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * CRIU image files: framing, kinds, one-message-at-a-time writing and reading.
 *
 * A protobuf image is a head magic (not in inventory.img), a type magic, and then
 * { u32 length, message } until the end of the file; all integers in host order.
 * Names are relative to a directory fd; nothing here depends on the working directory.
 *
 * Mirrors: criu/image.c open_image(), criu/protobuf.c pb_write_one(), pb_read_one_eof().
 */
#ifndef STEPDUMP_IMAGE_H
#define STEPDUMP_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <protobuf-c/protobuf-c.h>

#include "base/err.h"

enum image_kind {
	IMG_INVENTORY,     /* inventory.img */
	IMG_PSTREE,        /* pstree.img */
	IMG_CORE,          /* core-TID.img */
	IMG_IDS,           /* ids-PID.img */
	IMG_MM,            /* mm-PID.img */
	IMG_PAGEMAP,       /* pagemap-PID.img */
	IMG_SHMEM_PAGEMAP, /* pagemap-shmem-ID.img */
	IMG_FILES,         /* files.img */
	IMG_REG_FILES,     /* reg-files.img: files.img of very old sets, read only */
	IMG_MEMFD,         /* memfd.img */
	IMG_STATS_DUMP,    /* stats-dump */
	IMG_STATS_RESTORE, /* stats-restore */
	IMG_NR,
	IMG_OTHER = IMG_NR, /* the other kinds that CRIU has: known by name and magic */
};

enum image_framing {
	FRAMING_COMMON,    /* 0x54564319, type magic */
	FRAMING_SERVICE,   /* 0x55105940, type magic */
	FRAMING_INVENTORY, /* type magic only */
};

#define IMAGE_MAGIC_COMMON 0x54564319u
#define IMAGE_MAGIC_SERVICE 0x55105940u

/* A row of the table of all kinds (image_kinds.c): what a file has to be like, and whether it matters. */
struct image_desc {
	enum image_kind kind;
	const char *magic_name; /* as crit prints it: "PAGEMAP" */
	uint32_t magic;
	enum image_framing framing;
	const char *prefix; /* the file is prefix + id + suffix ... */
	const char *suffix; /* ... or just prefix, if this is NULL */
	bool hex;           /* the id is hexadecimal, not decimal */
	bool one_entry;     /* CRIU reads one; what follows it is ignored */
	bool may_be_bad; /* with one_entry: CRIU goes on without it if there is none, or a broken one */
	bool raw_after;                          /* bytes that are not framed follow an entry */
	bool not_for_restore;                    /* CRIU's restore never opens it */
	const ProtobufCMessageDescriptor *head;  /* first message, if it differs; else NULL */
	const ProtobufCMessageDescriptor *entry; /* all (other) messages; NULL: IMG_OTHER */
};

#define IMAGE_NAME_MAX 64
/* No message is longer: about a million VMAs. */
#define IMAGE_ENTRY_MAX (64u << 20)

const struct image_desc *image_desc(enum image_kind kind);
/* Which kind a file name denotes, and its id (0 if it has none); NULL: not an image with entries.
 * id_ret may be NULL. */
const struct image_desc *image_desc_by_name(const char *name, uint64_t *id_ret);
/* "pagemap-4242.img".  `id` is ignored by kinds that have none.  Returns `buf`. */
const char *image_name(enum image_kind kind, uint64_t id, char buf[IMAGE_NAME_MAX]);

/* ---- writing ------------------------------------------------------------- */

struct image_writer;

/*
 * image_create - create or truncate `name` (0600, symlinks refused) and write
 * the magics.  Output is buffered: errors may show up in a later call.
 * `dirfd` is only used during the call.
 */
struct err *image_create(int dirfd, const char *name, enum image_kind kind,
			 struct image_writer **ret);
/* Appends one message: the head message if the kind has one and this is the first.  On failure
 * nothing of it is written, and it can be tried again (not if it is longer than 64 KiB). */
struct err *image_write(struct image_writer *w, const ProtobufCMessage *m);
/* Writes what is buffered; can be tried again after a failure. */
struct err *image_flush(struct image_writer *w);
/* Flushes, closes, frees `w`, also on failure.  staging_publish() makes it durable. */
struct err *image_finish(struct image_writer *w);
/* Closes and frees without flushing: after an error elsewhere.  NULL is fine. */
void image_abandon(struct image_writer *w);

/* create, one message, finish. */
struct err *image_write_one(int dirfd, enum image_kind kind, uint64_t id,
			    const ProtobufCMessage *m);

/* ---- reading ------------------------------------------------------------- */

/*
 * image_open_file - open a file of a set for reading, which must be a regular one.
 * A directory may come from a stranger: a FIFO in it does not hang us, a device is not touched.
 * Fails: ERR_SYS; ERR_FORMAT for what is not a regular file.
 */
struct err *image_open_file(int dirfd, const char *name, int *fd_ret, uint64_t *size_ret);

struct image_reader;

/*
 * image_open - open `name` and check its magics.
 * Fails: ERR_SYS (ENOENT: for CRIU an absent image is one without entries; the caller
 * decides), ERR_FORMAT for what is not a regular file of that kind.
 */
struct err *image_open(int dirfd, const char *name, enum image_kind kind,
		       struct image_reader **ret);
/* The same for any kind, as image_desc_by_name() gives it. */
struct err *image_open_as(int dirfd, const char *name, const struct image_desc *desc,
			  struct image_reader **ret);
/*
 * image_next - read the next message.
 * *ret (caller: protobuf_c_message_free_unpacked(.., NULL)) is NULL at the end of the list, which
 * is the end of the file at an entry boundary.  ERR_FORMAT: an end inside an entry, a length
 * beyond the file or IMAGE_ENTRY_MAX, a message that does not parse; it names entry and offset.
 * Where the kind has one entry, what follows it is left alone, as by CRIU: see image_rest().
 */
struct err *image_next(struct image_reader *r, ProtobufCMessage **ret);
/* The same for a kind of which only the framing is known: *ret, NULL at the end, is valid until the next
 * call.  It is well-formed, so that pb_next() can walk it. */
struct err *image_next_raw(struct image_reader *r, const uint8_t **ret, size_t *len_ret);
/* Is it framed as in sets of image version 1? */
bool image_is_old(const struct image_reader *r);
/* Bytes of the file that were not read. */
uint64_t image_rest(const struct image_reader *r);
/* Number of the message that image_next() returned last, from 0, and its file offset. */
size_t image_entry_index(const struct image_reader *r);
uint64_t image_entry_offset(const struct image_reader *r);
/* NULL is fine. */
void image_close(struct image_reader *r);

/* open, one message, close.  ERR_FORMAT if there is none, or a second one where the kind has many. */
struct err *image_read_one(int dirfd, const char *name, enum image_kind kind,
			   ProtobufCMessage **ret);

#endif
