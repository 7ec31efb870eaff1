/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Protobuf messages of types that we have no descriptor for, field by field. */
#ifndef STEPDUMP_PBWIRE_H
#define STEPDUMP_PBWIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pb_type { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };

struct pb_field {
	uint32_t number;
	enum pb_type type;
	uint64_t value;      /* all but PB_BYTES */
	const uint8_t *data; /* PB_BYTES: part of the message */
	size_t len;
};

struct pb_cursor {
	const uint8_t *at, *end;
};

/* False at the end, and where the message is malformed: then c->at is before c->end. */
bool pb_next(struct pb_cursor *c, struct pb_field *ret);
/* One number of a packed field. */
bool pb_varint(struct pb_cursor *c, uint64_t *ret);
/* A field that protobuf-c kept as unknown: its bytes without the key. */
bool pb_payload(uint32_t number, enum pb_type type, const uint8_t *data, size_t len,
		struct pb_field *ret);
bool pb_well_formed(const uint8_t *data, size_t len);
/* The last value of a number field; false: it is not there. */
bool pb_uint(const uint8_t *data, size_t len, uint32_t number, uint64_t *ret);

#endif
