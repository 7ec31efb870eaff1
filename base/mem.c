/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *reserve;
static bool low;

void mem_reserve(size_t bytes)
{
	/* The reserve is in the heap, where it stays when it is freed: memory that goes back to the
	 * kernel cannot be had again under a limit below what is in use by then. */
	mallopt(M_MMAP_THRESHOLD, (int)(bytes * 2));
	mallopt(M_TRIM_THRESHOLD, -1);
	free(reserve);
	reserve = malloc(bytes);
	if (reserve)
		memset(reserve, 1, bytes); /* pages, not just addresses */
	low = false;
}

bool mem_low(void)
{
	return low;
}

/* Frees the reserve.  True: there is memory again, try once more. */
static bool spend_reserve(void)
{
	if (!reserve)
		return false;
	free(reserve);
	reserve = NULL;
	return low = true;
}

void *xreallocarray(void *p, size_t nr, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(nr, size, &bytes))
		abort();
	if (!bytes)
		bytes = 1;
	do {
		void *new = realloc(p, bytes);

		if (new)
			return new;
	} while (spend_reserve());
	abort();
}

void *xcalloc(size_t nr, size_t size)
{
	do {
		void *p = calloc(nr ? nr : 1, size ? size : 1);

		if (p)
			return p;
	} while (spend_reserve());
	abort();
}

void *xzalloc(size_t size)
{
	return xcalloc(1, size);
}

void *xmemdup(const void *p, size_t size)
{
	void *new = xreallocarray(NULL, size, 1);

	return size ? memcpy(new, p, size) : new;
}

char *xstrdup(const char *s)
{
	return xmemdup(s, strlen(s) + 1);
}

char *xstrndup(const char *s, size_t max)
{
	size_t len = strnlen(s, max);
	char *new = xreallocarray(NULL, len + 1, 1);

	memcpy(new, s, len);
	new[len] = 0;
	return new;
}

char *xvasprintf(const char *fmt, va_list ap)
{
	char *text;
	va_list again;
	int n;

	do {
		va_copy(again, ap);
		n = vasprintf(&text, fmt, again);
		va_end(again);
		if (n >= 0)
			return text;
	} while (spend_reserve());
	abort();
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *text = xvasprintf(fmt, ap);
	va_end(ap);
	return text;
}
