/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/lib/random_snapshot.h"

uint64_t random_number(void)
{
	switch (rnd(6)) {
	case 0:
		return 0;
	case 1:
		return rnd(8);
	case 2:
		return 0x7f0000000000 + rnd(64) * 4096;
	case 3:
		return rnd64();
	case 4:
		return UINT64_MAX - rnd(3);
	default:
		return rnd(100000);
	}
}

static char *random_string(void)
{
	static const char *const words[] = {
		"",
		"a",
		"PRESENT",
		"/usr/lib/x86_64-linux-gnu/libc.so.6",
		"7f0000001000",
		"\xc3\xa4\xe6\xbc\xa2",
		"\t\033[2J\xff",
		"a sentence of several words that has to be broken somewhere"
	};

	return strdup(words[rnd(8)]);
}

static void fill_message(ProtobufCMessage *m, unsigned depth);

static void fill_value(const ProtobufCFieldDescriptor *f, void *v, unsigned depth)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		*(char **)v = random_string();
		break;
	case PROTOBUF_C_TYPE_BYTES: {
		ProtobufCBinaryData *b = v;

		b->len = rnd(100);
		b->data = calloc(1, b->len + 1);
		break;
	}
	case PROTOBUF_C_TYPE_MESSAGE: {
		ProtobufCMessage *m =
			malloc(((const ProtobufCMessageDescriptor *)f->descriptor)->sizeof_message);

		protobuf_c_message_init(f->descriptor, m);
		fill_message(m, depth + 1);
		*(ProtobufCMessage **)v = m;
		break;
	}
	case PROTOBUF_C_TYPE_ENUM:
		*(int *)v = (int)(rnd(13)); /* beyond all enums too */
		break;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)v = rnd64() & 1;
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		*(double *)v = (double)random_number();
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		*(uint64_t *)v = random_number();
		break;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
		*(uint32_t *)v = (uint32_t)random_number();
		break;
	default:
		fail_msg("snapshot.proto has a type that this test does not fill: %d", f->type);
	}
}

static void fill_message(ProtobufCMessage *m, unsigned depth)
{
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		char *base = (char *)m;

		if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			size_t nr = rnd(depth ? 4 : 6);

			*(size_t *)(base + f->quantifier_offset) = nr;
			*(void **)(base + f->offset) = calloc(nr + 1, sizeof(void *));
			for (size_t k = 0; k < nr; k++)
				fill_value(f, *(char **)(base + f->offset) + k * sizeof(void *),
					   depth);
			continue;
		}
		if (f->label == PROTOBUF_C_LABEL_OPTIONAL && rnd(3) == 0)
			continue;
		if (f->label == PROTOBUF_C_LABEL_OPTIONAL && f->type != PROTOBUF_C_TYPE_STRING &&
		    f->type != PROTOBUF_C_TYPE_MESSAGE)
			*(protobuf_c_boolean *)(base + f->quantifier_offset) = 1;
		fill_value(f, base + f->offset, depth);
	}
}

void random_message(ProtobufCMessage *m)
{
	fill_message(m, 0);
}

Stepdump__Snapshot *random_snapshot(void)
{
	Stepdump__Snapshot *s = malloc(sizeof(*s));

	stepdump__snapshot__init(s);
	fill_message(&s->base, 0);
	return s;
}
