/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See engine/arch/compel.h, which includes this. */
#ifndef STEPDUMP_ARCH_X86_64_COMPEL_REGS_H
#define STEPDUMP_ARCH_X86_64_COMPEL_REGS_H

#include <string.h>

static inline void arch_compel_call(const user_regs_struct_t *r, long *nr_ret, uint64_t args_ret[6])
{
	const user_regs_struct64 *n = &r->native;

	*nr_ret = (long)n->ax;
	args_ret[0] = n->di;
	args_ret[1] = n->si;
	args_ret[2] = n->dx;
	args_ret[3] = n->r10;
	args_ret[4] = n->r8;
	args_ret[5] = n->r9;
}

static inline void arch_compel_result(user_regs_struct_t *r, int64_t value)
{
	r->native.ax = (uint64_t)value;
}

static inline void arch_compel_set(user_regs_struct_t *r, const struct user_regs_struct *from)
{
	_Static_assert(sizeof(r->native) == sizeof(*from), "the kernel's registers both");
	memcpy(&r->native, from, sizeof(r->native));
}

#endif
