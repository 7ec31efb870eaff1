/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Growing arrays, and searching sorted ones.  An array is a pointer and a count in any struct.
 *
 *     struct row *row;
 *     size_t nr;
 *     *vec_push(x->row, x->nr) = (struct row){ ... };
 *     free(x->row);
 */
#ifndef STEPDUMP_VEC_H
#define STEPDUMP_VEC_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define VEC_FIRST 8u

/* Makes room for element nr.  The capacity follows from the count (8, 16, 32 ...), so the array
 * must have been made here, or be NULL. */
static inline void *vec_room(void *v, size_t nr, size_t size)
{
	if (nr == 0)
		return xreallocarray(v, VEC_FIRST, size);
	if (nr >= VEC_FIRST && (nr & (nr - 1)) == 0)
		return xreallocarray(v, nr * 2, size);
	return v;
}

/* Appends a zeroed element and returns its address, which is valid until the next push. */
#define vec_push(v, nr)                                                                            \
	({                                                                                         \
		(v) = vec_room((v), (nr), sizeof(*(v)));                                           \
		memset(&(v)[(nr)], 0, sizeof(*(v)));                                               \
		&(v)[(nr)++];                                                                      \
	})

/* Removes element i, keeping the order. */
#define vec_remove(v, nr, i)                                                                       \
	({                                                                                         \
		size_t vec_i_ = (i);                                                               \
		(nr)--;                                                                            \
		memmove(&(v)[vec_i_], &(v)[vec_i_ + 1], ((nr)-vec_i_) * sizeof(*(v)));             \
	})

/* qsort() of v[0..nr), which may be NULL if it is empty: qsort() itself does not take that. */
#define vec_sort(v, nr, compare)                                                                   \
	({                                                                                         \
		if (nr)                                                                            \
			qsort((v), (nr), sizeof(*(v)), (compare));                                 \
	})

/*
 * vec_first(nr, i, PREDICATE) - the first i in [0, nr) for which PREDICATE, an expression in i, is true;
 * nr if there is none.  Once true it must stay true: bisection.
 *
 *     size_t at = vec_first(l->nr, i, l->v[i].end > addr);
 */
#define vec_first(nr, i, predicate)                                                                \
	({                                                                                         \
		size_t vec_lo_ = 0, vec_hi_ = (nr);                                                \
		while (vec_lo_ < vec_hi_) {                                                        \
			size_t i = vec_lo_ + (vec_hi_ - vec_lo_) / 2;                              \
			if (predicate)                                                             \
				vec_hi_ = i;                                                       \
			else                                                                       \
				vec_lo_ = i + 1;                                                   \
		}                                                                                  \
		vec_lo_;                                                                           \
	})

#endif
