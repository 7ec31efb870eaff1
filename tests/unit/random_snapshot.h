/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Snapshots with anything in them, by walking the descriptors.  `state` is the seed. */
#ifndef STEPDUMP_TESTS_RANDOM_SNAPSHOT_H
#define STEPDUMP_TESTS_RANDOM_SNAPSHOT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "proto/snapshot.pb-c.h"

static uint64_t state;

static uint64_t next_random(void) /* splitmix64 */
{
	uint64_t z = state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* Small, page-like and extreme numbers all matter. */
static uint64_t random_number(void)
{
	switch (next_random() % 6) {
	case 0:
		return 0;
	case 1:
		return next_random() % 8;
	case 2:
		return 0x7f0000000000 + next_random() % 64 * 4096;
	case 3:
		return next_random();
	case 4:
		return UINT64_MAX - next_random() % 3;
	default:
		return next_random() % 100000;
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

	return strdup(words[next_random() % 8]);
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

		b->len = next_random() % 100;
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
		*(int *)v = (int)(next_random() % 13); /* beyond all enums too */
		break;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)v = next_random() & 1;
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		*(double *)v = (double)random_number();
		break;
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
			size_t nr = next_random() % (depth ? 4 : 6);

			*(size_t *)(base + f->quantifier_offset) = nr;
			*(void **)(base + f->offset) = calloc(nr + 1, sizeof(void *));
			for (size_t k = 0; k < nr; k++)
				fill_value(f, *(char **)(base + f->offset) + k * sizeof(void *),
					   depth);
			continue;
		}
		if (f->label == PROTOBUF_C_LABEL_OPTIONAL && next_random() % 3 == 0)
			continue;
		if (f->label == PROTOBUF_C_LABEL_OPTIONAL && f->type != PROTOBUF_C_TYPE_STRING &&
		    f->type != PROTOBUF_C_TYPE_MESSAGE)
			*(protobuf_c_boolean *)(base + f->quantifier_offset) = 1;
		fill_value(f, base + f->offset, depth);
	}
}

static Stepdump__Snapshot *random_snapshot(void)
{
	Stepdump__Snapshot *s = malloc(sizeof(*s));

	stepdump__snapshot__init(s);
	fill_message(&s->base, 0);
	return s;
}

#endif
