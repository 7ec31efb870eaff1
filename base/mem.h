/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Allocation that does not fail.  One policy for the whole program: small and necessary allocations
 * use these functions, and when memory runs out, the process ends at once by abort().  That harms
 * nobody: the keeper, a process of its own, sees stepdump end and puts the targets back.
 *
 * The keeper itself must not end like that.  It sets memory aside with mem_reserve(); the first
 * request that fails is served from there, mem_low() is true from then on, and the keeper puts its
 * targets back and ends in an orderly way.
 *
 * A size that comes from outside (an image's entry, a file's length) is bounded before it gets
 * here.
 */
#ifndef STEPDUMP_MEM_H
#define STEPDUMP_MEM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* None returns NULL; the caller frees.  Size 0 gives a pointer that can be freed. */
void *xzalloc(size_t size); /* zeroed */
void *xcalloc(size_t nr, size_t size);
void *xreallocarray(void *p, size_t nr, size_t size); /* added memory is not zeroed */
void *xmemdup(const void *p, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t max);
char *xvasprintf(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Sets `size` bytes (16 MiB at the most) aside for the moment when memory runs out; call it again
 * after the reserve was spent.  The heap of the process does not shrink any more. */
void mem_reserve(size_t bytes);
/* Has the reserve been spent?  False where none was set aside. */
bool mem_low(void);

#endif
