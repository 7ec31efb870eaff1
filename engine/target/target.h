/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The frozen process: its threads, its mappings, and the parasite in it.
 * All ptrace work is the keeper's (engine/target/keeper.h); this is what the pipeline builds on.
 */
#ifndef STEPDUMP_TARGET_H
#define STEPDUMP_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "engine/proc/vma.h"
#include "engine/target/keeper.h"

/* The mappings of a process that still runs; see recheck.h. */
struct target_early {
	pid_t pid;
	struct vma_list vmas; /* owned; empty: could not be read */
	bool knows_guards;    /* PAGEMAP_SCAN has PAGE_IS_GUARD */
};

struct recheck;

struct target {
	pid_t pid;
	struct keeper *keeper;   /* borrowed */
	struct keeper_task task; /* threads, mem_fd */
	struct keeper_parasite par;
	bool infected;
	bool thawed;             /* it runs: we hold nothing of it any more */
	int pagemap_fd;          /* owned */
	struct vma_list vmas;    /* as found right after the freeze; no mapping of ours */
	bool vmas_are_early;     /* ... but VmFlags and sizes are from just before it */
	struct recheck *recheck; /* owned; NULL: not begun */
	uint64_t t_frozen_us;    /* CLOCK_MONOTONIC when its last thread stopped */
	uint64_t t_thawed_us;    /* ... and when the first was let run again; 0: still frozen */
	char *comm, *cmdline;    /* owned */
	bool started_by_us;
	int parent; /* index of its parent in the tree; -1: the root */
};

/*
 * Has it no executable mapping?  Such a process dies when its system call returns, which a freeze makes it do.
 * One that is at an exec has none for a moment, and some are at an exec all the time: so this takes a tenth of a
 * second if it is true.  From outside, the target is not touched.
 */
bool target_lacks_code(pid_t pid);

/*
 * target_attach - freeze `pid` and read its mappings.
 * Target: stopped, otherwise untouched.  After a failure it runs on.
 * A residue of an earlier dumper is removed first if put_right is set; *note_ret (caller frees, may be NULL) then
 * reports it.
 * early: of the same process, read before; its mappings are taken if they are still right, and *early
 * is empty then.  NULL: there are none.
 */
struct err *target_attach(struct target *t, struct keeper *k, pid_t pid, bool put_right,
			  struct target_early *early, char **note_ret);
/*
 * target_look - the same without freezing: pagemap, mappings, memory as they are while it runs.
 * No keeper holds it.  mem_fd is -1 if its memory may not be read.  End with target_release().
 * Target: untouched.  Fails: ERR_TARGET no such process, no memory, or not ours to look at.
 */
struct err *target_look(struct target *t, pid_t pid);
/* How long it has been, or was, frozen. */
uint64_t target_frozen_us(const struct target *t);
/* Cures if necessary and detaches.  The struct is empty afterwards, whatever is returned. */
struct err *target_release(struct target *t);

/* Cures if necessary and detaches, but keeps what is known about the task. */
struct err *target_thaw(struct target *t);

struct err *target_infect(struct target *t, size_t max_mprotect);
/* Target: registers, mappings, protections as before target_infect(). */
struct err *target_cure(struct target *t);

/* Bytes of the target as they are now; short only at an unreadable page (*got_ret).
 * Reads PROT_NONE too, never blocks on somebody's userfaultfd. */
struct err *target_read(const struct target *t, uint64_t vaddr, void *buf, size_t len,
			size_t *got_ret);

/* ERR_REFUSED naming the first VMA that cannot be dumped, or NULL. */
struct err *target_check_dumpable(const struct target *t);

#endif
