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
/* Leave by the stub; there is no answer, unless it cannot be done. */
#define PARASITE_CMD_LEAVE 66u

struct parasite_area {
	uint32_t cap;    /* entries that fit */
	uint32_t nr;     /* entries used; put-back ones have len 0 */
	uint64_t cursor; /* where the last put-back was found: they come in order */
	uint8_t msg[PARASITE_MSG_MAX] __attribute__((aligned(8)));
	struct parasite_vma changed[] __attribute__((aligned(8))); /* prot: what it was */
};

/*
 * How the parasite leaves by itself: it puts protections back, closes what it opened, restores the
 * extended state, writes the stub (engine/arch/stub.h) and jumps into it.  A variable of the blob, filled
 * in by the keeper before the parasite runs.
 */
#define PARASITE_LEAVE_MAGIC 0x657661656c626473ull
#define PARASITE_STUB_MAX 512u
#define PARASITE_XSTATE_MAX 16384u

struct parasite_leave {
	uint64_t magic;
	uint64_t ready; /* 0: returns by rt_sigreturn, as compel's parasites do */
	uint64_t map_start, map_len;
	uint64_t stub_ip;
	uint64_t page_start,
		page_len;         /* the whole mapping that it is in: the vDSO cannot be split */
	uint32_t stub_len, leave; /* bytes; offset of where to jump to */
	uint8_t stub[PARASITE_STUB_MAX];
	uint8_t xstate[PARASITE_XSTATE_MAX] __attribute__((aligned(64)));
};

#endif
