/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proto/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *msg_alloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	if (!p)
		abort();
	return p;
}

char *msg_strdup(const char *text)
{
	char *p = strdup(text);

	if (!p)
		abort();
	return p;
}

char *msg_printf(const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	int n = vasprintf(&p, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	return p;
}

void *msg_push(void *array, size_t *nr, size_t elem_size)
{
	void ***a = array;

	/* Grows at 0, 1, 2, 4, 8, ... elements. */
	if ((*nr & (*nr - 1)) == 0) {
		void *p = reallocarray(*a, *nr ? *nr * 2 : 1, sizeof(void *));

		if (!p)
			abort();
		*a = p;
	}
	return (*a)[(*nr)++] = msg_alloc(elem_size);
}
