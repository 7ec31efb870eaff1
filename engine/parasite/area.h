/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The parasite's argument area: memory that the parasite and the keeper both have mapped.
 *
 * The parasite notes in it every protection it changes before it changes it, so that the keeper
 * can put them back from outside if the parasite does not.  compel keeps its own arguments at the
 * start of the area while the parasite starts up; we write to it after that.
 * It lies right behind the blob, where compel aligns it to 8 bytes and no more.
 */
#ifndef STEPDUMP_PARASITE_AREA_H
#define STEPDUMP_PARASITE_AREA_H

#include "engine/parasite/proto.h"

/* On compel's socket, after PARASITE_CMD_SERVE: stop serving.  Each of the two gets its answer. */
#define PARASITE_CMD_DONE 65u

struct parasite_area {
	uint32_t cap;    /* entries that fit */
	uint32_t nr;     /* entries used; put-back ones have len 0 */
	uint64_t cursor; /* where the last put-back was found: they come in order */
	uint8_t msg[PARASITE_MSG_MAX] __attribute__((aligned(8)));
	struct parasite_vma changed[] __attribute__((aligned(8))); /* prot: what it was */
};

#endif
