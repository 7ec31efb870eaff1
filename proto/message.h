/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Building protobuf-c messages by hand: their memory comes from base/mem.h and is freed by
 * ..__free_unpacked(.., NULL).
 */
#ifndef STEPDUMP_MESSAGE_H
#define STEPDUMP_MESSAGE_H

#include <stddef.h>

#include "base/mem.h"

/* An optional scalar of a message, with its presence bit. */
#define SET(m, field, value)                                                                       \
	do {                                                                                       \
		(m)->has_##field = 1;                                                              \
		(m)->field = (value);                                                              \
	} while (0)

/* Appends a zeroed element to a repeated field: pass the addresses of x->things, x->n_things. */
void *msg_push(void *array, size_t *nr, size_t elem_size);

/* The same for a repeated string: a copy of `text`. */
void msg_push_text(void *array, size_t *nr, const char *text);

/* The same for a message of the snapshot, initialized: MSG_PUSH(snap, events, event). */
#define MSG_PUSH(m, field, name)                                                                   \
	({                                                                                         \
		__typeof__(*(m)->field) new_ =                                                     \
			msg_push(&(m)->field, &(m)->n_##field, sizeof(*new_));                     \
		stepdump__##name##__init(new_);                                                    \
		new_;                                                                              \
	})

/* A single one: MSG_NEW(Stepdump__Cursor, cursor). */
#define MSG_NEW(type, name)                                                                        \
	({                                                                                         \
		type *new_ = xzalloc(sizeof(*new_));                                               \
		stepdump__##name##__init(new_);                                                    \
		new_;                                                                              \
	})

#endif
