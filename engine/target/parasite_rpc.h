/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Commands to the parasite over its channel (engine/parasite/proto.h).  One at a time.
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
 * pc_dump_send: DUMPPAGES with nr <= PARASITE_MAX_IOVS iovecs, then the pipe's descriptor.
 * pc_dump_wait: *bytes_ret = what was spliced (also when it fell short: then *at_ret is the iovec
 * that was not finished and *errno_ret why, 0 for a short count without an error).
 */
struct err *pc_dump_send(int sock, const struct iovec *iov, unsigned nr, int pipe_fd);
struct err *pc_dump_wait(int sock, uint64_t *bytes_ret, unsigned *at_ret, int *errno_ret);

#endif
