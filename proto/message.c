/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proto/message.h"

#include <string.h>

#include "base/vec.h"

void *msg_push(void *array, size_t *nr, size_t elem_size)
{
	void ***a = array;

	*a = vec_room(*a, *nr, sizeof(void *));
	return (*a)[(*nr)++] = xzalloc(elem_size);
}

void msg_push_text(void *array, size_t *nr, const char *text)
{
	size_t size = strlen(text) + 1;

	memcpy(msg_push(array, nr, size), text, size);
}
