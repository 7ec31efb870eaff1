/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Commands to the parasite over its channel (engine/parasite/proto.h).  One at a time, but see
 * pc_dump_send().
 * Every call ends in bounded time: a dead target closes the channel, a stuck one times out.
 * Mirrors: criu/parasite-syscall.c, compel_rpc_call_sync().
 */
#ifndef STEPDUMP_PARASITE_RPC_H
#define STEPDUMP_PARASITE_RPC_H

#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"
#include "engine/parasite/proto.h"

/* A command without data: *value_ret as proto.h says. */
struct err *pc_call(int sock, enum parasite_cmd cmd, uint64_t *value_ret);

/* add != 0: protections |= add; 0: back to v[].prot.  nr is unbounded (sent in batches).
 * On failure *at_ret is the index of the VMA at fault, and all before it are changed. */
struct err *pc_mprotect(int sock, const struct parasite_vma *v, size_t nr, uint32_t add,
			size_t *at_ret);

/*
 * Draining in two halves, so that the caller can do something else in between.
 * pc_dump_send: one DUMPPAGES for nr <= PARASITE_MAX_PIPES pipes, with at most PARASITE_MAX_IOVS
 * iovecs in all, then their descriptors.  The parasite fills them in this order, and answers for
 * each.  With EMFILE for all of them if it has no place for all descriptors.
 * pc_dump_wait: the answer for the next pipe.  *bytes_ret = what was spliced (also when it fell short:
 * then *at_ret is the iovec that was not finished and *errno_ret why, 0 for a short count without an
 * error).
 */
struct pc_pipe {
	const struct iovec *iov;
	unsigned nr;
	int fd;
};
struct err *pc_dump_send(int sock, const struct pc_pipe *pipe, unsigned nr);
struct err *pc_dump_wait(int sock, uint64_t *bytes_ret, unsigned *at_ret, int *errno_ret);

#endif
