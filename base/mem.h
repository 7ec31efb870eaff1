/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Allocation that does not fail.  One policy for the whole program: what is small and needed is
 * taken by these functions, and when memory is out, the process ends at once by abort().  That harms
 * nobody: the keeper, a process of its own, sees stepdump end and puts the targets back.
 *
 * The keeper itself must not end like that.  It sets memory aside with mem_reserve(); the first request
 * that fails is served from there, mem_low() tells it so, and it puts its targets back and ends in
 * order.
 *
 * A size that somebody else decides (an image's entry, a file's length) is bounded before it gets here.
 */
#ifndef STEPDUMP_MEM_H
#define STEPDUMP_MEM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* All: never NULL; the caller frees.  Size 0 gives a pointer that can be freed. */
void *xzalloc(size_t size); /* zeroed */
void *xcalloc(size_t nr, size_t size);
void *xreallocarray(void *p, size_t nr, size_t size); /* what is new is not zeroed */
void *xmemdup(const void *p, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t max);
char *xvasprintf(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Sets so many bytes (16 MiB at the most) aside for the moment when memory runs out; again after it was
 * spent.  The heap of the process does not shrink any more. */
void mem_reserve(size_t bytes);
/* Has the reserve been spent?  False where none was set aside. */
bool mem_low(void);

#endif
