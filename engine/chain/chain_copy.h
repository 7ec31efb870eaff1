/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files of one image directory into another, for flatten and convert. */
#ifndef STEPDUMP_CHAIN_COPY_H
#define STEPDUMP_CHAIN_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/chain/chain_walk.h"

#define CHAIN_COPY_BLOCK (256u * 1024u)

struct chain_copy {
	const char *name; /* of `from`, for errors */
	int from, to;     /* directories */
	chain_stop_t stop;
	bool old; /* `from` is of image version 1: the copies get the head magics of version 2 */
	uint8_t buf[CHAIN_COPY_BLOCK];
};

/* Appends [off, off + len) of `in` to `out`; in the kernel where the file systems can. */
struct err *chain_copy_range(struct chain_copy *c, int in, uint64_t off, uint64_t len, int out);
struct err *chain_copy_file(struct chain_copy *c, const char *name);
/* inventory.img, as of a set of image version 2. */
struct err *chain_copy_inventory(struct chain_copy *c);

#endif
