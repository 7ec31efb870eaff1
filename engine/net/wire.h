/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The page-server protocol on the wire: requests with a header of fixed size, some with pages behind
 * it, some answered by one or four bytes.  All integers in host order.
 *
 * There are two headers, and nothing in the protocol tells which one is spoken:
 *
 *	3.17: up to CRIU 4.1     u32 cmd, u32 nr_pages, u64 vaddr, u64 dst_id
 *	4.2:  since then         u32 cmd, u32 unused,   u64 nr_pages, u64 vaddr, u64 dst_id
 *
 * Mirrors: criu/page-xfer.c struct page_server_iov, enum page_server commands.
 */
#ifndef STEPDUMP_NET_WIRE_H
#define STEPDUMP_NET_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/image/image.h"

enum ps_wire { PS_WIRE_UNKNOWN, PS_WIRE_3_17, PS_WIRE_4_2 };

#define PS_HEADER_MIN 24u
#define PS_HEADER_MAX 32u

/* The low 16 bits of cmd. */
enum ps_cmd {
	PS_ADD = 1,              /* ADD_F with PRESENT */
	PS_HOLE = 2,             /* ADD_F with PARENT */
	PS_OPEN = 3,             /* no answer */
	PS_OPEN2 = 4,            /* u8: does the server's parent have this object? */
	PS_PARENT = 5,           /* s32: the same question, nothing is opened */
	PS_ADD_F = 6,            /* flags (PE_*) in the high 16 bits; pages follow if PRESENT */
	PS_GET = 7,              /* lazy pages: the server is the dumper */
	PS_CLOSE = 0x1023,       /* s32 status: everything is stored */
	PS_FORCE_CLOSE = 0x1024, /* the same, on a socket that somebody else owns */
};

struct ps_msg {
	uint32_t cmd;      /* enum ps_cmd */
	uint32_t flags;    /* PE_* */
	uint64_t nr_pages; /* 3.17: below 2^32 */
	uint64_t vaddr;
	uint64_t dst_id;
};

static inline size_t ps_header_size(enum ps_wire w)
{
	return w == PS_WIRE_4_2 ? PS_HEADER_MAX : PS_HEADER_MIN;
}

/* "3.17", "4.2", "?" */
const char *ps_wire_name(enum ps_wire w);
/* "ADD_F"; NULL: there is no such command. */
const char *ps_cmd_name(uint32_t cmd);

/* Both of ps_header_size(w) bytes. */
void ps_pack(enum ps_wire w, const struct ps_msg *m, uint8_t buf[PS_HEADER_MAX]);
void ps_unpack(enum ps_wire w, const uint8_t *buf, struct ps_msg *ret);

/* The first message of a conversation names an object and no pages, so that its first 24 bytes tell the
 * header: in the old one they end with dst_id, which is never 0; in the new one with vaddr, which is. */
enum ps_wire ps_detect(const uint8_t first[PS_HEADER_MIN]);

static inline uint64_t ps_dst_id(bool is_shmem, uint64_t id)
{
	return id << 8 | (is_shmem ? 2 : 1);
}

/* Which object a dst_id means, also in the spelling of old senders; false: none. */
bool ps_dst_object(uint64_t dst_id, enum image_kind *kind_ret, uint64_t *id_ret);

/* "ADD_F 7f1200000 +12 PRESENT LAZY", for people. */
void ps_describe(const struct ps_msg *m, char *buf, size_t len);

#endif
