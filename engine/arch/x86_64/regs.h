/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See engine/arch/arch.h, which includes this. */
#ifndef STEPDUMP_ARCH_X86_64_REGS_H
#define STEPDUMP_ARCH_X86_64_REGS_H

#include <errno.h>
#include <stddef.h>

#define ARCH_INSN_LEN 2u
#define ARCH_INSN_ALIGN 1u
#define ARCH_XSTATE_NOTES                                                                          \
	{                                                                                          \
		NT_X86_XSTATE                                                                      \
	}
#define ARCH_XSTATE_MAX 16384u /* with AMX tile data it is 11 KiB */
#define ARCH_CALL_NOTE 0
#define ARCH_REWINDS_IP false
/* It begins as struct user_regs_struct does. */
#define ARCH_PT_BYTES offsetof(struct user_regs_struct, rip)
#define ARCH_PT_CALL offsetof(struct user_regs_struct, orig_rax)
#define ARCH_PT_ARGS                                                                               \
	{                                                                                          \
		offsetof(struct user_regs_struct, rdi), offsetof(struct user_regs_struct, rsi),    \
			offsetof(struct user_regs_struct, rdx),                                    \
			offsetof(struct user_regs_struct, r10),                                    \
			offsetof(struct user_regs_struct, r8),                                     \
			offsetof(struct user_regs_struct, r9)                                      \
	}
#define ARCH_PERF_RESULT 0 /* PERF_REG_X86_AX */
#define ARCH_PERF_ARG 5    /* PERF_REG_X86_DI */
#define ARCH_CORE_MTYPE CRIU__CORE_MACHINE__X86_64

#define EFLAGS_TF 0x100ul
#define EFLAGS_DF 0x400ul
#define ERESTARTNOHAND 514 /* internal to the kernel: programs never see it */

static inline uint64_t arch_ip(const struct user_regs_struct *r)
{
	return r->rip;
}

static inline uint64_t arch_sp(const struct user_regs_struct *r)
{
	return r->rsp;
}

static inline bool arch_is_syscall(const uint8_t insn[])
{
	return insn[0] == 0x0f && insn[1] == 0x05;
}

static inline int64_t arch_interrupted_call(const struct user_regs_struct *r, bool at_syscall)
{
	return (int64_t)r->orig_rax;
}

static inline bool arch_restart_call(struct user_regs_struct *r, bool (*is_one)(long nr))
{
	if ((long)r->rax != -EINTR || !is_one((long)r->orig_rax))
		return false;
	r->rax = (unsigned long long)-ERESTARTNOHAND;
	return true;
}

static inline long arch_entered_call(const struct user_regs_struct *r)
{
	return (long)r->orig_rax;
}

static inline void arch_forget_call(struct user_regs_struct *r)
{
	r->orig_rax = (unsigned long long)-1;
}

static inline void arch_set_call(struct user_regs_struct *r, uint64_t ip, long nr,
				 const uint64_t args[6])
{
	r->rip = ip;
	r->orig_rax = (unsigned long long)-1;
	r->eflags &= ~(EFLAGS_TF | EFLAGS_DF);
	r->rax = (unsigned long long)nr;
	r->rdi = args[0];
	r->rsi = args[1];
	r->rdx = args[2];
	r->r10 = args[3];
	r->r8 = args[4];
	r->r9 = args[5];
}

static inline int64_t arch_call_result(const struct user_regs_struct *r)
{
	return (int64_t)r->rax;
}

static inline void arch_jump(struct user_regs_struct *r, uint64_t ip)
{
	r->rip = ip;
	r->orig_rax = (unsigned long long)-1;
}

static inline bool arch_same_preserved(const struct user_regs_struct *a,
				       const struct user_regs_struct *b)
{
	return a->rbx == b->rbx && a->rbp == b->rbp && a->rsp == b->rsp && a->r12 == b->r12 &&
	       a->r13 == b->r13 && a->r14 == b->r14 && a->r15 == b->r15;
}

/* With four-level page tables; PAGEMAP_SCAN refuses the vsyscall page, which lies above. */
static inline uint64_t arch_task_size(void)
{
	return 0x7ffffffff000ull;
}

#endif
