/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The protocol between stepdump and the keeper: one fixed struct, descriptors with it, and a body
 * in as many further messages as needed.  Both sides are one program: no versions, no padding. */
#ifndef STEPDUMP_KEEPER_WIRE_H
#define STEPDUMP_KEEPER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum keeper_op {
	KOP_SEIZE = 1,
	KOP_INFECT,
	KOP_CURE,
	KOP_RELEASE,
	KOP_TAKE_FD,
	KOP_LITTER_ADD,
	KOP_LITTER_DEL,
	KOP_RESCUE,
	KOP_STOP,
};

/* Exit status of a keeper that ran out of memory, after it put all of its targets back. */
#define KEEPER_EXIT_NOMEM 3

struct keeper_msg {
	uint32_t op;
	int32_t pid;
	uint64_t arg[8]; /* by op */
	uint64_t body_len;
	/* replies only */
	int32_t err_code; /* enum err_code, or -1: success */
	int32_t err_errno;
	int32_t err_pid;
	uint32_t err_has_vaddr;
	uint64_t err_vaddr;
	/* Error texts, one behind the other in the body; 0: none. */
	uint32_t msg_len, hint_len, cause_len, evidence_len;
};

/* fd -1: none.  0 or -errno. */
int wire_send(int sock, const struct keeper_msg *m, const void *body, int fd);
/*
 * Receives a message.  *body_ret is allocated (with a NUL behind it), NULL for none; *fd_ret -1
 * for none.  0, -EPIPE when the other side is gone, -ETIMEDOUT, or another -errno.
 * timeout_ms -1: no limit.
 */
int wire_recv(int sock, int timeout_ms, struct keeper_msg *m, char **body_ret, int *fd_ret);

/* Sends the reply `m` (with `body`), or the error if `e` is set.  Takes ownership of `e`. */
int wire_reply(int sock, struct keeper_msg *m, const void *body, int fd, struct err *e);
/* The error in a reply; NULL for success. */
struct err *wire_err(const struct keeper_msg *m, const char *body);

#endif
