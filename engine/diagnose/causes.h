/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Why dumps fail: one table for `check` (a process before it is dumped), `log` (a dump that has failed),
 * `explain` and the manual page.  Pure data, static for the life of the program.
 */
#ifndef STEPDUMP_CAUSES_H
#define STEPDUMP_CAUSES_H

#include <stdbool.h>
#include <stddef.h>

/*
 * CRIU's way through a dump, in order.  The steps of the memory phase have the names that the
 * pipeline has here; those around it are CRIU's alone.
 */
enum criu_step {
	STEP_NONE,
	STEP_CONNECT,  /* options, image directory, page server */
	STEP_SEIZE,    /* freeze the tree */
	STEP_COLLECT,  /* mappings, descriptors, shared objects */
	STEP_INFECT,   /* parasite in */
	STEP_PREPARE,  /* PROT_READ where it is missing */
	STEP_PMC_FILL, /* pagemap read */
	STEP_IOVS,     /* page-pipe planned */
	STEP_DRAIN,    /* the parasite splices */
	STEP_XFER,     /* pages written */
	STEP_RESET,    /* dirty tracking cleared */
	STEP_FINISH,   /* after the pages: core, mm, cure */
	STEP_RESTORE,  /* not a dump at all */
	NR_STEPS
};

const char *criu_step_name(enum criu_step s); /* "seize", "pmc-fill"; "" for STEP_NONE */
const char *criu_step_summary(enum criu_step s);

enum severity {
	SEV_FAIL,   /* the dump fails */
	SEV_LOSE,   /* it succeeds, and something is missing afterwards */
	SEV_HARM,   /* it can damage or kill the target */
	SEV_SLOW,   /* it works, but takes long or grows large */
	SEV_OPTION, /* CRIU needs an option for it, without which the dump fails */
	SEV_NOTE,   /* worth knowing */
	NR_SEVERITIES
};

const char *severity_name(enum severity s); /* "fail", "lose", ... */
/* Notes and options do not count as findings: ordinary processes have them. */
bool severity_counts(const char *name);

/* How sure a line of a log makes us. */
enum confidence {
	CONF_NONE,
	CONF_POSSIBLE, /* one of several causes of this line */
	CONF_LIKELY,   /* nearly always this */
	CONF_CERTAIN,  /* the line has no other cause */
};

const char *confidence_name(enum confidence c);

enum cause_id {
	/* before and during the freeze */
	CAUSE_TRACED,
	CAUSE_ZOMBIE,
	CAUSE_ZOMBIE_LEADER,
	CAUSE_KERNEL_THREAD,
	CAUSE_NO_PROCESS,
	CAUSE_UNINTERRUPTIBLE,
	CAUSE_FROZEN_V1,
	CAUSE_FROZEN_V2,
	CAUSE_DUMPER_IN_TREE,
	CAUSE_SECCOMP_SUSPEND,
	CAUSE_PENDING_SIGTRAP,
	CAUSE_SHARED_MM,
	CAUSE_SESSION_OUTSIDE,
	CAUSE_NO_RIGHTS,
	CAUSE_PAGE_SERVER_DOWN,
	CAUSE_KERNDAT,
	CAUSE_NOT_SESSION_LEADER,
	/* mappings and descriptors */
	CAUSE_KERNEL_OBJECT,
	CAUSE_SECRETMEM,
	CAUSE_UPROBES,
	CAUSE_UPROBES_TRAMPOLINE,
	CAUSE_DEVICE_MEMORY,
	CAUSE_SHADOW_STACK,
	CAUSE_GHOST_TOO_BIG,
	CAUSE_SHMEM_VMSPLICE,
	CAUSE_FD_USERFAULTFD,
	CAUSE_FD_KERNEL_OBJECT,
	CAUSE_FD_DEVICE,
	CAUSE_TUN_HOST_NET,
	CAUSE_SOCKET_KIND,
	CAUSE_MOUNT_OUTSIDE,
	CAUSE_TCP_ESTABLISHED,
	CAUSE_TCP_IN_FLIGHT,
	CAUSE_FILE_LOCKS,
	CAUSE_UNIX_PEER_OUTSIDE,
	CAUSE_TTY_OUTSIDE,
	/* infection */
	CAUSE_NO_FREE_FDS,
	CAUSE_LIMIT_AS,
	CAUSE_LIMIT_MEMLOCK,
	CAUSE_LIMIT_MAPS,
	CAUSE_NO_CODE_VMA,
	CAUSE_PARASITE_SIGNAL,
	/* protections and the pagemap */
	CAUSE_SEALED,
	CAUSE_SCAN_CATEGORY,
	CAUSE_STALE_KDAT,
	CAUSE_GUARD_LOOKAHEAD,
	CAUSE_HUGE_RESERVE,
	CAUSE_PAGEMAP_REFUSED,
	/* pipes and the drain */
	CAUSE_POISONED,
	CAUSE_PROTECTION_KEY,
	CAUSE_SPLICE_EAGAIN,
	CAUSE_PIPE_FDS,
	CAUSE_PIPE_SOFT_LIMIT,
	/* writing */
	CAUSE_NO_SPACE,
	CAUSE_LIMIT_FSIZE,
	CAUSE_PAGE_SERVER_LOST,
	CAUSE_HOLE_NOT_IN_PARENT,
	/* tracking and parents */
	CAUSE_NO_SOFT_DIRTY,
	CAUSE_PARENT_NO_UPTIME,
	CAUSE_NO_PARENT_IMAGE,
	CAUSE_SOFT_DIRTY_LIMITS,
	/* silent losses, and what fails late */
	CAUSE_UFFD_OUTSIDE,
	CAUSE_UFFD_WP_MARKERS,
	CAUSE_AIO,
	CAUSE_URING_HIDDEN,
	CAUSE_SEAL_LOST,
	CAUSE_MEMORY_MERGE,
	CAUSE_LIMITS_REFUSED,
	CAUSE_FILE_ELSEWHERE,
	CAUSE_SYSV_HOST_IPC,
	/* what hurts the target */
	CAUSE_MEMCG,
	CAUSE_RESIDUE,
	CAUSE_KILLED_BY_DUMP,
	CAUSE_DUMPER_CRASHED,
	/* restore */
	CAUSE_RESTORE_PID_TAKEN,
	CAUSE_RESTORE_FILE_CHANGED,
	CAUSE_RESTORE_FILE_MISSING,
	CAUSE_RESTORE_NO_IMAGE,
	NR_CAUSES
};

#define CAUSE_PATTERNS 5

struct cause {
	const char *name;  /* "traced": what `explain` takes, and programs branch on */
	const char *title; /* one clause, no full stop */
	enum criu_step step;
	enum severity severity;
	/* Lines of a log that it leaves; shell patterns, found anywhere in the line. */
	struct {
		const char *glob;
		enum confidence confidence;
	} log[CAUSE_PATTERNS];
	const char *seen;   /* where it shows before the dump; NULL: nowhere from outside */
	const char *advice; /* what to do; sentences */
	const char *issues; /* "criu #1753, #2080"; NULL: none known */
};

extern const struct cause causes[NR_CAUSES];

/* By name; -1 if there is none. */
int cause_find(const char *name);

#endif
