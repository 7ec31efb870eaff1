/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/image/image_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/vec.h"
#include "engine/image/flatdir.h"
#include "engine/image/image.h"
#include "engine/image/pbwire.h"

#define DEPTH_MAX 32u
#define TEXT_MAX 4096u /* longer bytes are no text */

struct to_json {
	size_t *left;
	bool full; /* *left is used up */
};

static json_object *message_json(struct to_json *t, const ProtobufCMessageDescriptor *d,
				 const uint8_t *data, size_t len, unsigned depth);

/* Counts a value. */
static json_object *made(struct to_json *t, json_object *o)
{
	if (*t->left)
		--*t->left;
	else
		t->full = true;
	return o;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static json_object *base64_json(const uint8_t *p, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = 0;
	AUTO_FREE char *out = xzalloc(len / 3 * 4 + 8);

	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < len ? (uint32_t)p[i + 1] << 8 : 0) |
			     (i + 2 < len ? p[i + 2] : 0);

		out[n++] = digits[v >> 18];
		out[n++] = digits[v >> 12 & 63];
		out[n++] = i + 1 < len ? digits[v >> 6 & 63] : '=';
		out[n++] = i + 2 < len ? digits[v & 63] : '=';
	}
	return json_object_new_string_len(out, (int)n);
}

static bool is_text(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] < 0x20 || p[i] >= 0x7f)
			return false;
	return len && len <= TEXT_MAX;
}

/* A string may hold anything; JSON is UTF-8, so other bytes are told as crit tells bytes. */
static json_object *text_json(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!p[i] || p[i] >= 0x80)
			return base64_json(p, len);
	return json_object_new_string_len((const char *)p, (int)len);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Of a field that we do not know. */
static json_object *unknown_json(struct to_json *t, const struct pb_field *f, unsigned depth)
{
	if (f->type != PB_BYTES)
		return json_object_new_uint64(f->value);
	if (is_text(f->data, f->len))
		return text_json(f->data, f->len);
	if (f->len && depth < DEPTH_MAX && pb_well_formed(f->data, f->len))
		return message_json(t, NULL, f->data, f->len, depth + 1);
	return base64_json(f->data, f->len);
}

static json_object *enum_json(const ProtobufCEnumDescriptor *d, uint64_t value)
{
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(d, (int)value);

	return v ? json_object_new_string(v->name) : json_object_new_int64((int)value);
}

static json_object *scalar_json(const ProtobufCFieldDescriptor *d, uint64_t v)
{
	switch (d->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return json_object_new_boolean(v != 0);
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return json_object_new_int64((int32_t)v);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return json_object_new_int64((int64_t)v);
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SINT64:
		return json_object_new_int64((int64_t)(v >> 1) ^ -(int64_t)(v & 1));
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return json_object_new_uint64((uint32_t)v);
	case PROTOBUF_C_TYPE_ENUM:
		return enum_json(d->descriptor, v);
	default:
		return json_object_new_uint64(v);
	}
}

static json_object *known_json(struct to_json *t, const ProtobufCFieldDescriptor *d,
			       const struct pb_field *f, unsigned depth)
{
	if (f->type != PB_BYTES)
		return scalar_json(d, f->value);
	if (d->type == PROTOBUF_C_TYPE_MESSAGE && depth < DEPTH_MAX)
		return message_json(t, d->descriptor, f->data, f->len, depth + 1);
	if (d->type == PROTOBUF_C_TYPE_STRING)
		return text_json(f->data, f->len);
	return base64_json(f->data, f->len);
}

/* Numbers of a repeated field in one. */
static void packed_json(struct to_json *t, const ProtobufCFieldDescriptor *d,
			const struct pb_field *f, json_object *array)
{
	struct pb_cursor c = { f->data, f->data + f->len };
	uint64_t v;

	while (!t->full && c.at < c.end && pb_varint(&c, &v))
		json_object_array_add(array, made(t, scalar_json(d, v)));
}

static bool is_packed(const ProtobufCFieldDescriptor *d, const struct pb_field *f)
{
	return f->type == PB_BYTES && d->type != PROTOBUF_C_TYPE_MESSAGE &&
	       d->type != PROTOBUF_C_TYPE_STRING && d->type != PROTOBUF_C_TYPE_BYTES;
}

/* The same number again: an array. */
static void add_again(json_object *o, const char *name, json_object *value)
{
	json_object *old = NULL, *array;

	if (!json_object_object_get_ex(o, name, &old)) {
		json_object_object_add(o, name, value);
		return;
	}
	if (json_object_is_type(old, json_type_array)) {
		json_object_array_add(old, value);
		return;
	}
	array = json_object_new_array();
	json_object_array_add(array, json_object_get(old));
	json_object_array_add(array, value);
	json_object_object_add(o, name, array);
}

static void field_json(struct to_json *t, const ProtobufCMessageDescriptor *d,
		       const struct pb_field *f, unsigned depth, json_object *o)
{
	const ProtobufCFieldDescriptor *fd =
		d ? protobuf_c_message_descriptor_get_field(d, f->number) : NULL;
	json_object *array = NULL;
	char name[32];

	if (!fd) {
		snprintf(name, sizeof(name), "field_%u", f->number);
		add_again(o, name, made(t, unknown_json(t, f, depth)));
		return;
	}
	if (fd->label != PROTOBUF_C_LABEL_REPEATED) {
		json_object_object_add(o, fd->name, made(t, known_json(t, fd, f, depth)));
		return;
	}
	if (!json_object_object_get_ex(o, fd->name, &array)) {
		array = json_object_new_array();
		json_object_object_add(o, fd->name, array);
	}
	if (is_packed(fd, f))
		packed_json(t, fd, f, array);
	else
		json_object_array_add(array, made(t, known_json(t, fd, f, depth)));
}

/* d NULL: its fields are not known. */
static json_object *message_json(struct to_json *t, const ProtobufCMessageDescriptor *d,
				 const uint8_t *data, size_t len, unsigned depth)
{
	struct pb_cursor c = { data, data + len };
	json_object *o = json_object_new_object();
	struct pb_field f;

	while (len && !t->full && pb_next(&c, &f))
		field_json(t, d, &f, depth, o);
	return o;
}

/* ---- files ----------------------------------------------------------------------------------- */

static struct err *entries_json(struct image_reader *r, const struct image_desc *d,
				struct to_json *t, json_object *o)
{
	json_object *entries = json_object_new_array();

	json_object_object_add(o, "entries", entries);
	for (size_t nr = 0;; nr++) {
		const ProtobufCMessageDescriptor *m = d->head && !nr ? d->head : d->entry;
		const uint8_t *data;
		size_t len;

		TRY(image_next_raw(r, &data, &len));
		if (!data)
			break;
		json_object_array_add(entries, made(t, message_json(t, m, data, len, 0)));
		if (t->full)
			return err_hint(err_new(ERR_CHECK,
						"more than %u values: too many to be shown at once",
						IMAGE_JSON_MAX),
					"a single image, or `crit decode`");
		if (d->raw_after) /* where the next entry begins is not known */
			break;
	}
	if (image_rest(r))
		json_object_object_add(o, "extra", json_object_new_uint64(image_rest(r)));
	return NULL;
}

struct err *image_json(int dirfd, const char *name, size_t *left, json_object **ret)
{
	const char *slash = strrchr(name, '/');
	const struct image_desc *d = image_desc_by_name(slash ? slash + 1 : name, NULL);
	struct to_json t = { .left = left };
	struct image_reader *r;

	if (!d)
		return err_hint(
			err_new(ERR_FORMAT, "%s is not the name of an image with entries", name),
			"the name tells the kind: mm-42.img; pages are looked at by `open` and `x`");
	TRY(image_open_as(dirfd, name, d, &r));

	json_object *o = json_object_new_object();

	json_object_object_add(o, "magic", json_object_new_string(d->magic_name));

	struct err *e = entries_json(r, d, &t, o);

	image_close(r);
	if (e)
		json_object_put(o);
	else
		*ret = o;
	return e;
}

struct json_dir {
	json_object *o;
	size_t left;
};

static struct err *json_of_file(void *arg, int dirfd, const char *name)
{
	struct json_dir *a = arg;
	json_object *o = NULL;

	if (!image_desc_by_name(name, NULL))
		return NULL;

	struct err *e = image_json(dirfd, name, &a->left, &o);

	if (e && e->code == ERR_CHECK)
		return e;
	if (e) {
		AUTO_FREE char *text = err_text(e);

		o = json_object_new_object();
		json_object_object_add(o, "error", json_object_new_string(text));
		err_free(e);
	}
	json_object_object_add(a->o, name, o);
	return NULL;
}

struct err *image_json_dir(int dirfd, const char *path, json_object **ret)
{
	struct json_dir a = { json_object_new_object(), IMAGE_JSON_MAX };
	struct err *e = flatdir_each(dirfd, path, json_of_file, &a);

	if (e)
		json_object_put(a.o);
	else
		*ret = a.o;
	return e;
}
