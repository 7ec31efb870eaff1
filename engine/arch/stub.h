/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stub: a few instructions in the target with a copy of the leader's own registers, through which
 * every injected call is made.  When the call returns and nobody stops the leader, because the keeper
 * is dead, the stub goes on: it undoes the call, closes the descriptor and unmaps the mapping that are
 * ours, restores registers and signal mask, and continues the program.  It needs neither stack nor
 * writable memory, and it runs nothing that would make the kernel forget how to restart a call.
 *
 * What is to be closed and unmapped is in registers, so that one PTRACE_SETREGSET changes it together
 * with where the leader goes on: there is no moment in which the two do not agree.
 */
#ifndef STEPDUMP_ARCH_STUB_H
#define STEPDUMP_ARCH_STUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

#define ARCH_STUB_MAX 512u
#define ARCH_STUB_SCRATCH 64u /* zeros behind the code and the registers */

/* Offsets of the stub. */
struct arch_stub {
	uint32_t len;  /* with the registers and the scratch; 0: there is none for this processor */
	uint32_t code; /* bytes that are the same each time */
	uint32_t call; /* any call */
	uint32_t leave;   /* closes, unmaps, returns to the program */
	uint32_t close;   /* the call is to close our descriptor */
	uint32_t unmap;   /* ... to unmap our mapping */
	uint32_t restore; /* ... to restore the signal mask: the last one */
	uint32_t scratch;
};

extern const struct arch_stub arch_stub;

/* What is ours in the target. */
struct arch_stub_own {
	int fd;              /* -1: none */
	uint64_t start, len; /* len 0: none */
};

enum arch_stub_undo { STUB_UNDO_NOTHING, STUB_UNDO_FD, STUB_UNDO_MAP };

/* Makes the stub that returns to `own`.  out: arch_stub.len bytes. */
void arch_stub_make(const struct user_regs_struct *own, uint64_t sigmask, uint8_t *out);
/* The registers with which the program goes on without the kernel's help: an interrupted call is made
 * again, or went on with by restart_syscall(). */
void arch_stub_resume(const struct user_regs_struct *own, struct user_regs_struct *ret);
/* Into the registers of an injected call: how it is undone, and what else is ours. */
void arch_stub_args(struct user_regs_struct *r, enum arch_stub_undo undo, uint64_t map_len,
		    const struct arch_stub_own *own);

#endif
