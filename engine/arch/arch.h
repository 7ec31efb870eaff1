/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What differs between processors, behind one interface: a task's registers, the instruction that
 * makes a system call, how an interrupted call is run again, the size of the address space.  Each
 * processor has a folder; this file says what has to be in it.
 *
 * `struct user_regs_struct` is the kernel's NT_PRSTATUS.  Nothing here looks at a task or changes
 * one: engine/keeper/ptrace.h does.
 *
 * Mirrors: compel/arch/ARCH/src/lib/infect.c.
 */
#ifndef STEPDUMP_ARCH_H
#define STEPDUMP_ARCH_H

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/user.h>

/*
 * Macros:
 * ARCH_INSN_LEN, ARCH_INSN_ALIGN  bytes of the instruction that makes a system call
 * ARCH_XSTATE_NOTES   the register sets beside NT_PRSTATUS that foreign code can change; the first
 *                     one is always there
 * ARCH_XSTATE_MAX     bytes that they take together, at most
 * ARCH_CALL_NOTE      the register set with the number of the call that is being entered; 0: it is
 *                     one of the registers
 * ARCH_REWINDS_IP     an interrupted call is run again by moving ip back to its instruction, which
 *                     the kernel has done before a tracer sees the thread
 * ARCH_PT_BYTES, ARCH_PT_CALL, ARCH_PT_ARGS
 *                     the kernel's struct pt_regs when a call returns, as a tracepoint sees it: bytes up
 *                     to what is needed of it; where the call's number (32 bits) and its six
 *                     arguments (64 bits each) are
 * ARCH_PERF_RESULT, ARCH_PERF_ARG
 *                     what perf calls the registers of a function's result and first argument
 * ARCH_CORE_MTYPE     enum CoreMachine in core-PID.img
 */

static inline uint64_t arch_ip(const struct user_regs_struct *r);
static inline uint64_t arch_sp(const struct user_regs_struct *r);

static inline bool arch_is_syscall(const uint8_t insn[]);

/* Where the freeze has stopped a thread: the call that it goes on with when it runs, or -1.
 * at_syscall: arch_is_syscall() at its ip; only used with ARCH_REWINDS_IP. */
static inline int64_t arch_interrupted_call(const struct user_regs_struct *r, bool at_syscall);
/* If the call has failed with EINTR and is one of those: makes the kernel run it again, or fail with
 * EINTR if a handler runs first.  false: `r` is as before. */
static inline bool arch_restart_call(struct user_regs_struct *r, bool (*is_one)(long nr));

/* At the entry to a call. */
static inline long arch_entered_call(const struct user_regs_struct *r);
/* The kernel skips it; with ARCH_CALL_NOTE that has to be written too. */
static inline void arch_forget_call(struct user_regs_struct *r);

/* Makes the thread execute the instruction at `ip` as that call, with nothing to restart. */
static inline void arch_set_call(struct user_regs_struct *r, uint64_t ip, long nr,
				 const uint64_t args[6]);
static inline int64_t arch_call_result(const struct user_regs_struct *r);

/* Goes on at `ip`, with nothing to restart. */
static inline void arch_jump(struct user_regs_struct *r, uint64_t ip);
/* Are those equal that a function or a call leaves alone? */
static inline bool arch_same_preserved(const struct user_regs_struct *a,
				       const struct user_regs_struct *b);

/* One beyond the last address that PAGEMAP_SCAN takes. */
static inline uint64_t arch_task_size(void);

#if defined(__x86_64__)
#include "engine/arch/x86_64/regs.h"
#elif defined(__aarch64__)
#include "engine/arch/aarch64/regs.h"
#else
#error "engine/arch has no folder for this processor"
#endif

#endif
