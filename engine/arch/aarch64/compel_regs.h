/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See engine/arch/compel.h, which includes this. */
#ifndef STEPDUMP_ARCH_AARCH64_COMPEL_REGS_H
#define STEPDUMP_ARCH_AARCH64_COMPEL_REGS_H

static inline void arch_compel_call(const user_regs_struct_t *r, long *nr_ret, uint64_t args_ret[6])
{
	*nr_ret = (long)r->regs[8];
	for (int i = 0; i < 6; i++)
		args_ret[i] = r->regs[i];
}

static inline void arch_compel_result(user_regs_struct_t *r, int64_t value)
{
	r->regs[0] = (uint64_t)value;
}

static inline void arch_compel_set(user_regs_struct_t *r, const struct user_regs_struct *from)
{
}

#endif
