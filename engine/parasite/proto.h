/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The protocol between stepdump and its parasite, over a SOCK_SEQPACKET socket: one message with a
 * command, one reply with the same cmd.  Included by both sides: fixed-size types only, no libc.
 *
 * Drain follows CRIU: DUMP_PAGES with the iovecs, the pipe's descriptor as a message of its own
 * (SCM_RIGHTS), the reply.  The iovecs travel inside the message, where CRIU has them in a
 * shared area: one pipe never holds more than PARASITE_MAX_IOVS of them.
 * One command may be for several pipes, as many as descriptors follow: the message with the
 * descriptors says how many of the iovecs are for each, and each gets its own reply as soon as it
 * is filled, while the next is being filled.
 */
#ifndef STEPDUMP_PARASITE_PROTO_H
#define STEPDUMP_PARASITE_PROTO_H

#include <stdint.h>

/* First command on compel's own socket; the descriptor of our channel follows it.  The parasite
 * serves the channel until it closes, then answers compel. */
#define PARASITE_CMD_SERVE 64u /* = PARASITE_USER_CMDS */

enum parasite_cmd {
	PC_PING = 1,       /* reply.value = pid as the target sees it */
	PC_MPROTECT = 2,   /* arg: nr VMAs follow; each gets prot | add (add != 0), or prot back */
	PC_DUMP_PAGES = 3, /* nr iovecs follow; then one SCM_RIGHTS message with the pipes, whose
			    * data is a uint32_t for each: its number of iovecs; vmsplice */
	PC_BRK = 4,        /* reply.value = current break */
	PC_DUMPABLE = 5,   /* reply.value = prctl(PR_GET_DUMPABLE) */
	PC_THP_DISABLED = 6, /* reply.value = prctl(PR_GET_THP_DISABLE) */
	PC_QUIT = 7,         /* stop serving; protections that were changed are put back first */
};

#define PARASITE_MAX_IOVS 1024u
#define PARASITE_MAX_VMAS 1024u
#define PARASITE_MAX_PIPES 8u /* of one command */

struct parasite_iov {       /* = struct iovec on 64 bit */
	uint64_t base, len; /* bytes */
};

struct parasite_vma {
	uint64_t start, len; /* bytes */
	uint32_t prot;       /* the target's own PROT_* */
	uint32_t pad;
};

struct parasite_msg {
	uint32_t cmd;
	uint32_t nr;         /* elements that follow */
	uint32_t add;        /* PC_MPROTECT: PROT_* to add; 0: put back */
	uint32_t fail_errno; /* 0, or: fail with that (base/fault.h) ... */
	uint32_t fail_at;    /* ... when so many elements are done */
	uint32_t pad;
	/* then nr elements of struct parasite_iov or struct parasite_vma */
};

struct parasite_reply {
	uint32_t cmd;
	int32_t err; /* 0 or -errno */
	uint32_t at; /* PC_MPROTECT: index of the VMA that failed; PC_DUMP_PAGES: of the iovec */
	uint32_t pad;
	uint64_t value; /* PC_DUMP_PAGES: bytes spliced before the failure, or in all */
};

#define PARASITE_MSG_MAX                                                                           \
	(sizeof(struct parasite_msg) + PARASITE_MAX_VMAS * sizeof(struct parasite_vma))

#endif
