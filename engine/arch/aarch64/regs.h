/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * See engine/arch/arch.h, which includes this.
 *
 * An interrupted call: before a tracer sees the thread, the kernel has put the first argument back
 * into x0 and moved pc back to the svc, so these registers alone run the call again.  One that was
 * to go on with restart_syscall() (nanosleep, poll, a futex with a timeout) begins anew if foreign
 * code ran in between.  One that failed with EINTR cannot be run again: x0 has the error, and
 * nothing shows the first argument.
 */
#ifndef STEPDUMP_ARCH_AARCH64_REGS_H
#define STEPDUMP_ARCH_AARCH64_REGS_H

#include <string.h>

#define ARCH_INSN_LEN 4u
#define ARCH_INSN_ALIGN 4u
/* A call may drop what SVE registers have beyond 128 bits.  TLS and ZA are left alone by both the
 * parasite and calls. */
#define ARCH_XSTATE_NOTES                                                                          \
	{                                                                                          \
		NT_PRFPREG, NT_ARM_SVE                                                             \
	}
#define ARCH_XSTATE_MAX 32768u /* SVE of 2048 bits: 8.8 KiB */
#define ARCH_CALL_NOTE NT_ARM_SYSTEM_CALL
#define ARCH_REWINDS_IP true
/* Behind struct user_regs_struct: the first argument, which x0 has lost, and the call's number. */
#define ARCH_PT_BYTES (sizeof(struct user_regs_struct) + 16)
#define ARCH_PT_CALL (sizeof(struct user_regs_struct) + 8)
#define ARCH_PT_ARGS                                                                               \
	{                                                                                          \
		sizeof(struct user_regs_struct), 8, 16, 24, 32, 40                                 \
	}
#define ARCH_PERF_RESULT 0 /* PERF_REG_ARM64_X0 */
#define ARCH_PERF_ARG 0
#define ARCH_CORE_MTYPE CRIU__CORE_MACHINE__AARCH64

#define PSTATE_SS (1ull << 21)

/* Calls that this processor never had: numbers that no call has. */
#define SYS_open (-2)
#define SYS_pipe (-3)
#define SYS_dup2 (-4)
#define SYS_epoll_wait (-5)

static inline uint64_t arch_ip(const struct user_regs_struct *r)
{
	return r->pc;
}

static inline uint64_t arch_sp(const struct user_regs_struct *r)
{
	return r->sp;
}

static inline bool arch_is_syscall(const uint8_t insn[])
{
	static const uint8_t svc_0[4] = { 0x01, 0x00, 0x00, 0xd4 };

	return !memcmp(insn, svc_0, sizeof(svc_0));
}

static inline int64_t arch_interrupted_call(const struct user_regs_struct *r, bool at_syscall)
{
	return at_syscall ? (int64_t)r->regs[8] : -1;
}

static inline bool arch_restart_call(struct user_regs_struct *r, bool (*is_one)(long nr))
{
	return false;
}

static inline long arch_entered_call(const struct user_regs_struct *r)
{
	return (long)r->regs[8];
}

/* The number is not among these registers. */
static inline void arch_forget_call(struct user_regs_struct *r)
{
}

static inline void arch_set_call(struct user_regs_struct *r, uint64_t ip, long nr,
				 const uint64_t args[6])
{
	r->pc = ip;
	r->pstate &= ~PSTATE_SS;
	r->regs[8] = (unsigned long long)nr;
	memcpy(r->regs, args, 6 * sizeof(*args));
}

static inline int64_t arch_call_result(const struct user_regs_struct *r)
{
	return (int64_t)r->regs[0];
}

static inline void arch_jump(struct user_regs_struct *r, uint64_t ip)
{
	r->pc = ip;
}

static inline bool arch_same_preserved(const struct user_regs_struct *a,
				       const struct user_regs_struct *b)
{
	return a->sp == b->sp && !memcmp(a->regs + 19, b->regs + 19, 11 * sizeof(*a->regs));
}

/* Kernels are built for addresses of 36 to 52 bits; above 48 only who asks for it gets memory. */
uint64_t arch_probe_task_size(void);

static inline uint64_t arch_task_size(void)
{
	return arch_probe_task_size();
}

#endif
