/* SPDX-License-Identifier: GPL-3.0-or-later */
/* There is no stub for this processor yet: a kill of the keeper itself during an injected call leaves
 * borrowed registers in the leader (docs/keeper.md). */
#include "engine/arch/stub.h"

const struct arch_stub arch_stub = { 0 };

void arch_stub_make(const struct user_regs_struct *own, uint64_t sigmask, uint8_t *out)
{
}

void arch_stub_resume(const struct user_regs_struct *own, struct user_regs_struct *ret)
{
	*ret = *own;
}

void arch_stub_args(struct user_regs_struct *r, enum arch_stub_undo undo, uint64_t map_len,
		    const struct arch_stub_own *own)
{
}
