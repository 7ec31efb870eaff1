/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From an image directory to its parent, the parent's parent, and so on, by the `parent` links.
 *
 *	AUTO_GENERATIONS struct generations g;
 *
 *	TRY(generations_begin(&g, dirfd));
 *	do
 *		... g.dirfd, g.nr ...
 *	while (generations_up(&g) == PARENT_OPEN);
 */
#ifndef STEPDUMP_GENERATIONS_H
#define STEPDUMP_GENERATIONS_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define AUTO_GENERATIONS __attribute__((cleanup(generations_end)))
#define GENERATIONS_MAX 1024 /* more than anyone keeps */

struct generations {
	int dirfd;   /* the directory at hand; owned */
	unsigned nr; /* 0: the newest */
	int why;     /* errno, after PARENT_BROKEN and PARENT_LOOP */
	struct generation_id {
		dev_t dev;
		ino_t ino;
	} * seen; /* nr + 1 */
	size_t nr_seen;
};

enum parent_link {
	PARENT_OPEN,   /* it is at hand now */
	PARENT_NONE,   /* there is no link: the end of the chain */
	PARENT_BROKEN, /* a link that cannot be followed */
	PARENT_LOOP,   /* it leads back, or the chain is longer than GENERATIONS_MAX */
};

/* `dirfd` stays the caller's. */
struct err *generations_begin(struct generations *g, int dirfd);
/* After anything but PARENT_OPEN the child is still at hand. */
enum parent_link generations_up(struct generations *g);
void generations_end(struct generations *g);
/* Path of the directory at hand; the caller frees. */
char *generations_path(const struct generations *g);

/* "FILE", "parent/FILE", "parent (2 generations back)/FILE": how findings name a file; the caller frees. */
char *generation_file(unsigned generation, const char *file);

#endif
