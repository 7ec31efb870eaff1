/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A record of what the keeper borrows from a target, written to disk before it is borrowed:
 * `rescue` needs it after a kill -9 of the keeper itself.  One file per target, PID.journal, in a
 * directory that only we can write: $XDG_RUNTIME_DIR/stepdump, /run/stepdump (root), or
 * /tmp/stepdump-UID.
 */
#ifndef STEPDUMP_JOURNAL_H
#define STEPDUMP_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "base/err.h"
#include "engine/keeper/ptrace.h"

#define JOURNAL_TEXT_LEN 16

struct journal {
	pid_t pid;
	uint64_t start_time_ticks; /* /proc/PID/stat field 22: tells a reused pid */
	struct user_regs_struct regs;
	uint64_t sigmask;
	uint64_t text_ip;               /* where compel puts a name for the length of one call */
	uint8_t text[JOURNAL_TEXT_LEN]; /* the original bytes there */
	uint64_t insn_ip;               /* the instruction that injected calls use */
	uint64_t stub_ip; /* engine/arch/stub.h, in the target; 0: there is no place for it */
	uint64_t map_start, map_end; /* the parasite; equal: not mapped yet */
	uint64_t xstate_len;
	uint8_t xstate[PT_XSTATE_MAX] __attribute__((aligned(16)));
};

/* Creates or replaces. */
struct err *journal_write(const struct journal *j);
/* Does nothing if there is none. */
void journal_remove(pid_t pid);
/* *found_ret false: there is none (or not one of ours). */
struct err *journal_read(pid_t pid, struct journal *ret, bool *found_ret);

#endif
