/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proto/json.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Length of the valid UTF-8 character at s, 0 if there is none. */
static size_t utf8_len(const unsigned char *s)
{
	size_t len = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (len == 1)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates and code points above U+10FFFF show in the second byte. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

/* A path can contain any bytes, JSON text cannot: bytes that are not UTF-8 become U+FFFD. */
static json_object *string_to_json(const char *text)
{
	char *clean = xcalloc(strlen(text) + 1, 3), *out = clean;

	while (*text) {
		size_t len = utf8_len((const unsigned char *)text);

		if (len) {
			out = mempcpy(out, text, len);
			text += len;
		} else {
			out = mempcpy(out, "\xef\xbf\xbd", 3);
			text++;
		}
	}

	json_object *o = json_object_new_string_len(clean, (int)(out - clean));

	free(clean);
	return o;
}

static json_object *bytes_to_json(const ProtobufCBinaryData *bytes)
{
	static const char digits[] = "0123456789abcdef";
	char *hex = xcalloc(bytes->len + 1, 2);

	for (size_t i = 0; i < bytes->len; i++) {
		hex[2 * i] = digits[bytes->data[i] >> 4];
		hex[2 * i + 1] = digits[bytes->data[i] & 0xf];
	}

	json_object *o = json_object_new_string_len(hex, (int)(bytes->len * 2));

	free(hex);
	return o;
}

static json_object *enum_to_json(const ProtobufCEnumDescriptor *desc, int value)
{
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(desc, value);
	char name[64];
	size_t i;

	if (!v) /* from a newer writer */
		return json_object_new_int(value);
	for (i = 0; i < sizeof(name) - 1 && v->name[i]; i++)
		name[i] = v->name[i] == '_' ? '-' : (char)tolower((unsigned char)v->name[i]);
	return json_object_new_string_len(name, (int)i);
}

static json_object *double_to_json(double d)
{
	char text[32];

	if (!isfinite(d)) /* JSON has no notation for it */
		return json_object_new_string(isnan(d) ? "nan" : d > 0 ? "inf" : "-inf");
	snprintf(text, sizeof(text), "%.17g", d);
	return json_object_new_double_s(d, text);
}

static json_object *value_to_json(const ProtobufCFieldDescriptor *f, const void *v)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return json_object_new_int(*(const int32_t *)v);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return json_object_new_int64(*(const uint32_t *)v);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return json_object_new_int64(*(const int64_t *)v);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return json_object_new_uint64(*(const uint64_t *)v);
	case PROTOBUF_C_TYPE_FLOAT:
		return double_to_json(*(const float *)v);
	case PROTOBUF_C_TYPE_DOUBLE:
		return double_to_json(*(const double *)v);
	case PROTOBUF_C_TYPE_BOOL:
		return json_object_new_boolean(*(const protobuf_c_boolean *)v);
	case PROTOBUF_C_TYPE_ENUM:
		return enum_to_json(f->descriptor, *(const int *)v);
	case PROTOBUF_C_TYPE_STRING:
		return string_to_json(*(char *const *)v ? *(char *const *)v : "");
	case PROTOBUF_C_TYPE_BYTES:
		return bytes_to_json(v);
	case PROTOBUF_C_TYPE_MESSAGE:
		return pb_to_json(*(const ProtobufCMessage *const *)v);
	}
	return NULL;
}

static size_t value_size(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return sizeof(uint64_t);
	case PROTOBUF_C_TYPE_DOUBLE:
		return sizeof(double);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_ENUM:
		return sizeof(int);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	default:
		return sizeof(uint32_t);
	}
}

static json_object *repeated_to_json(const ProtobufCFieldDescriptor *f, const char *base)
{
	size_t nr = *(const size_t *)(base + f->quantifier_offset);
	const char *values = *(const char *const *)(base + f->offset);
	json_object *array = json_object_new_array();

	for (size_t i = 0; array && i < nr; i++) {
		json_object *o = value_to_json(f, values + i * value_size(f->type));

		if (!o || json_object_array_add(array, o)) {
			json_object_put(o);
			json_object_put(array);
			return NULL;
		}
	}
	return array;
}

static bool is_set(const ProtobufCFieldDescriptor *f, const char *base)
{
	const void *v = base + f->offset;

	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)(base + f->quantifier_offset) == f->id;
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(const void *const *)v;
	if (f->label != PROTOBUF_C_LABEL_OPTIONAL)
		return true;
	if (f->type == PROTOBUF_C_TYPE_STRING)
		return *(const void *const *)v && *(const void *const *)v != f->default_value;
	return *(const protobuf_c_boolean *)(base + f->quantifier_offset);
}

json_object *pb_to_json(const ProtobufCMessage *m)
{
	json_object *object = json_object_new_object();

	for (unsigned i = 0; object && i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		const char *base = (const char *)m;
		json_object *o;

		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			o = repeated_to_json(f, base);
		else if (is_set(f, base))
			o = value_to_json(f, base + f->offset);
		else
			continue;
		if (!o || json_object_object_add(object, f->name, o)) {
			json_object_put(o);
			json_object_put(object);
			return NULL;
		}
	}
	return object;
}
