/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/image/pbwire.h"

#include <string.h>

bool pb_varint(struct pb_cursor *c, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64 && c->at < c->end; shift += 7) {
		uint8_t byte = *c->at++;

		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

static bool pb_fixed(struct pb_cursor *c, size_t size, uint64_t *ret)
{
	if ((size_t)(c->end - c->at) < size)
		return false;
	*ret = 0;
	memcpy(ret, c->at, size);
	c->at += size;
	return true;
}

static bool pb_bytes(struct pb_cursor *c, struct pb_field *f)
{
	uint64_t len;

	if (!pb_varint(c, &len) || len > (uint64_t)(c->end - c->at))
		return false;
	f->data = c->at;
	f->len = len;
	c->at += len;
	return true;
}

static bool pb_value(struct pb_cursor *c, struct pb_field *f)
{
	switch (f->type) {
	case PB_VARINT:
		return pb_varint(c, &f->value);
	case PB_FIXED64:
		return pb_fixed(c, 8, &f->value);
	case PB_BYTES:
		return pb_bytes(c, f);
	case PB_FIXED32:
		return pb_fixed(c, 4, &f->value);
	}
	return false;
}

static bool pb_take(struct pb_cursor *c, struct pb_field *f)
{
	uint64_t key;

	if (!pb_varint(c, &key) || key >> 32 || !(key >> 3))
		return false;
	*f = (struct pb_field){ .number = (uint32_t)(key >> 3), .type = key & 7 };
	return pb_value(c, f);
}

bool pb_payload(uint32_t number, enum pb_type type, const uint8_t *data, size_t len,
		struct pb_field *ret)
{
	struct pb_cursor c = { data, data + len };

	*ret = (struct pb_field){ .number = number, .type = type };
	return pb_value(&c, ret) && c.at == c.end;
}

bool pb_next(struct pb_cursor *c, struct pb_field *ret)
{
	struct pb_cursor at = *c;

	if (c->at == c->end || !pb_take(&at, ret))
		return false;
	*c = at;
	return true;
}

bool pb_well_formed(const uint8_t *data, size_t len)
{
	if (!len) /* data may be NULL */
		return true;

	struct pb_cursor c = { data, data + len };
	struct pb_field f;

	while (pb_next(&c, &f))
		;
	return c.at == c.end;
}

bool pb_uint(const uint8_t *data, size_t len, uint32_t number, uint64_t *ret)
{
	struct pb_cursor c = { data, data + len };
	struct pb_field f;
	bool found = false;

	while (pb_next(&c, &f))
		if (f.number == number && f.type != PB_BYTES) {
			*ret = f.value;
			found = true;
		}
	return found;
}
