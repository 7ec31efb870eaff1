/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proto/message.h"

#include "base/vec.h"

void *msg_push(void *array, size_t *nr, size_t elem_size)
{
	void ***a = array;

	*a = vec_room(*a, *nr, sizeof(void *));
	return (*a)[(*nr)++] = xzalloc(elem_size);
}
