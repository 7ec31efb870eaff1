/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libcompel's registers, which are its own type: the call that it wants to be made. */
#ifndef STEPDUMP_ARCH_COMPEL_H
#define STEPDUMP_ARCH_COMPEL_H

#include <compel/infect.h>
#include <stdint.h>
#include <sys/user.h>

static inline void arch_compel_call(const user_regs_struct_t *r, long *nr_ret,
				    uint64_t args_ret[6]);
static inline void arch_compel_result(user_regs_struct_t *r, int64_t value);
/* The general registers, as a signal frame is to have them. */
static inline void arch_compel_set(user_regs_struct_t *r, const struct user_regs_struct *from);

#if defined(__x86_64__)
#include "engine/arch/x86_64/compel_regs.h"
#elif defined(__aarch64__)
#include "engine/arch/aarch64/compel_regs.h"
#else
#error "engine/arch has no folder for this processor"
#endif

#endif
