/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Building protobuf-c messages by hand: what they own is freed by ..__free_unpacked(.., NULL).
 * Out of memory aborts: a half-filled message would be a lie, and the keeper puts the target back.
 */
#ifndef STEPDUMP_MESSAGE_H
#define STEPDUMP_MESSAGE_H

#include <stddef.h>

/* An optional scalar of a message, with its presence bit. */
#define SET(m, field, value)                                                                       \
	do {                                                                                       \
		(m)->has_##field = 1;                                                              \
		(m)->field = (value);                                                              \
	} while (0)

void *msg_alloc(size_t size); /* zeroed */
char *msg_strdup(const char *text);
char *msg_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Appends a zeroed element to a repeated field: pass the addresses of x->things, x->n_things. */
void *msg_push(void *array, size_t *nr, size_t elem_size);

#endif
