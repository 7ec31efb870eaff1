/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One interface to the calls of libcompel that differ between its releases.  compel_config.h is
 * generated (engine/keeper/probe-compel).
 */
#ifndef STEPDUMP_COMPEL_API_H
#define STEPDUMP_COMPEL_API_H

#include <compel/infect-rpc.h>
#include <compel/infect-util.h>
#include <compel/infect.h>
#include <compel/log.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/keeper/compel_config.h"

/* Exported by libcompel.a, declared in none of its installed headers. */
int sigreturn_prep_regs_plain(struct rt_sigframe *frame, user_regs_struct_t *regs,
			      user_fpregs_struct_t *fpregs);
int sigreturn_prep_fpu_frame_plain(struct rt_sigframe *frame, struct rt_sigframe *rframe);
int __wrap_compel_execute_syscall(struct parasite_ctl *ctl, user_regs_struct_t *regs,
				  const char *code);

/* The parameters of a save_regs_t. */
#if COMPEL_SAVE_REGS_TID
#define SAVE_REGS_PARAMS pid_t tid, void *to, user_regs_struct_t *regs, user_fpregs_struct_t *fpregs
#else
#define SAVE_REGS_PARAMS void *to, user_regs_struct_t *regs, user_fpregs_struct_t *fpregs
#endif

/* Keeps compel away from restartable sequences: borrow_begin() has ended the one that the freeze
 * interrupted, as the kernel would have, and the leader returns outside of any. */
static inline struct parasite_ctl *compel_new_ctl(pid_t pid)
{
#if COMPEL_PREPARE_RSEQ
	return compel_prepare_noctx(pid, false);
#else
	return compel_prepare_noctx(pid);
#endif
}

/* A value that no other run uses; it becomes part of the name of the parasite's socket. */
static inline void compel_set_run_id(uint64_t id)
{
#if COMPEL_RUN_ID_TEXT
	snprintf(compel_run_id, sizeof(compel_run_id), "%lx", id);
#else
	compel_run_id = id;
#endif
}

#endif
