/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the keeper process share; stepdump itself uses none of it. */
#ifndef STEPDUMP_KEEPER_PRIV_H
#define STEPDUMP_KEEPER_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "base/err.h"
#include "engine/arch/stub.h"
#include "engine/keeper/journal.h"
#include "engine/keeper/keeper_proc.h"
#include "engine/keeper/ptrace.h"
#include "engine/target/keeper.h"

/* Names of the memory and the log that compel, and so CRIU too, creates in a target. */
#define PARASITE_MEMFD "/memfd:CRIUMFD"
#define LOG_MEMFD "stepdump-log" /* ours */
#define SEIZE_TIMEOUT_NS 5000000000ull
#define CALL_TIMEOUT_NS 10000000000ull
#define CURE_TIMEOUT_NS 30000000000ull

struct parasite_area;
struct parasite_ctl;

struct held_thread {
	pid_t tid;
	bool was_stopped;
	bool gone;
};

/* One seized process. */
struct held {
	pid_t pid;
	uint64_t start_time_ticks;
	struct held_thread *threads; /* leader first */
	size_t nr;
	bool was_stopped;
	bool gone; /* it died */
	bool gone_told;
	int seccomp; /* mode of the leader */
	bool seccomp_suspended;

	bool running;  /* the leader is: it runs the parasite */
	bool borrowed; /* the leader is borrowed; `own` holds its own state */
	struct journal own;
	struct arch_stub_own ours; /* what the stub closes and unmaps if we die */
	uint64_t nr_maps;          /* its mappings when they were looked at; 0: not yet */

	bool infected;
	int crash_sig;              /* the parasite got a signal that it must not see */
	struct parasite_area *area; /* the parasite's argument area, as mapped here */
	uint32_t area_cap; /* processes that share the target's memory can change its contents */
	struct parasite_ctl *ctl;
	void *compel_regs;
	int rpc;         /* compel's own socket */
	int log;         /* what compel's code in the target logs to */
	int *fds_before; /* the target's descriptors before infection */
	size_t nr_fds_before;

	struct held *next;
};

/* ---- a held process (keeper_held.c) --------------------------------------- */

void held_free(struct held *h);
/* Deals with one change of one of its threads. */
void held_news(struct held *h, struct held_thread *t, int status);
struct held_thread *held_find(struct held *h, pid_t tid);
/* Stops the leader wherever it is: afterwards it is inside get_signal(). */
struct err *held_stop_leader(struct held *h, uint64_t timeout_ns);
struct err *held_gone_err(const struct held *h);

/* ---- seizing (keeper_seize.c) ------------------------------------------ */

/* `us`: the process that must not be attached (stepdump).  despite_frozen: also a task whose cgroup
 * is frozen, as nothing can be injected into one, but registers can be put back. */
struct err *held_seize(pid_t pid, pid_t us, bool despite_frozen, struct held **ret);
/* Detaches from all threads; frees nothing.  Running tasks run, stopped ones stay stopped. */
struct err *held_detach(struct held *h);
/* Detaches from all but the leader. */
void held_detach_others(struct held *h);

/* Why this pid cannot be attached, found out in /proc before anything is touched. */
struct err *preflight_seize(pid_t pid, pid_t us, bool despite_frozen);
/* Why PTRACE_SEIZE failed. */
struct err *explain_seize(pid_t pid, int sys_errno);
/* Is it in a frozen cgroup? */
bool preflight_frozen(pid_t pid);
/* It has a filter that we may not suspend.  to: "inject into". */
struct err *seccomp_err(const struct held *h, const char *to);
/* Is there room for the parasite: descriptors, address space, mappings?  After borrow_look(). */
struct err *preflight_infect(struct held *h, size_t bytes);

/* ---- borrowing the leader (keeper_borrow.c) ------------------------------ */

/* Reads the target's mappings: counts them, and finds the places where calls can be injected.
 * Takes long if there are many, so it is called before the freeze, and afterwards only sees whether what
 * it found is still there; silent if they cannot be read. */
void borrow_look(struct held *h);
/* Saves everything that injected code changes, blocks all signals, writes the journal. */
struct err *borrow_begin(struct held *h);
/* Puts it back; the leader must be inside get_signal().  ERR_HARM on failure. */
struct err *borrow_end(struct held *h);
/* Runs one call between begin and end; *ret as the kernel leaves it, -errno on failure. */
struct err *borrow_syscall(struct held *h, long nr, const uint64_t args[6], int64_t *ret);

/* Puts the stub into the target, or zeros in its place; the leader may run. */
void borrow_stub(struct held *h, bool there);
/* Where a stopped leader goes on if we die: the stub, which returns to the program. */
int borrow_park(struct held *h);
/* Resumes to the next entry to or exit from a system call. */
struct err *borrow_to_syscall(struct held *h);
/* Moves from an exit stop, with the thread's own registers, into get_signal(). */
struct err *borrow_to_signal_stop(struct held *h);

/* ---- the parasite (keeper_infect.c) -------------------------------------- */

void infect_init(void);
/* After a failure the caller cures by held_forced_cure(). */
struct err *held_infect(struct held *h, size_t max_mprotect, int *sock_ret,
			struct keeper_parasite *ret);
/* What compel logged, here and in the target. */
const char *infect_logged(struct held *h);
/* Frees what belongs to an infection on our side. */
void infect_drop(struct held *h);

/* ---- cure (keeper_cure.c) -------------------------------------------------- */

struct err *held_cure(struct held *h);
/* From wherever the leader is, without help from the parasite; also after half an infection. */
struct err *held_forced_cure(struct held *h);

/* ---- litter (keeper_litter.c) ----------------------------------------------- */

struct err *litter_add(const char *path);
void litter_del(const char *path);
void litter_remove_all(void);

/* ---- rescue (keeper_rescue.c) -------------------------------------------- */

struct err *rescue(pid_t pid, pid_t us, bool remove, char **report_ret);

#endif
