/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One run of the pipeline over a target: where it stands, the structures that the phases fill, and
 * what the phases have in common.  The phases themselves are in phases.h.
 * Internal to engine/; the shell sees it through session.h.
 *
 * The dump works on items: the private memory of each task, then each shared-memory object.
 */
#ifndef STEPDUMP_DUMP_H
#define STEPDUMP_DUMP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/dump/history.h"
#include "engine/dump/img_task.h"
#include "engine/dump/mover.h"
#include "engine/dump/opts.h"
#include "engine/dump/page_pipe.h"
#include "engine/dump/page_xfer.h"
#include "engine/dump/shmem.h"
#include "engine/dump/task_info.h"
#include "engine/image/staging.h"
#include "engine/pages/caps.h"
#include "engine/pages/pmc.h"
#include "engine/pages/verdict.h"
#include "engine/parasite/proto.h"
#include "engine/target/target.h"

struct dump_times { /* microseconds */
	uint64_t scan, drain, memwrite, total;
};

/* Of one task, for the images beside its pages: see dump_images.h. */
struct task_images {
	uint32_t exe_id;           /* in files.img */
	struct guard_range *guard; /* owned */
	size_t nr_guards;
};

/* One task of the tree and its part of the dump. */
struct task_dump {
	struct target *t;        /* borrowed */
	const struct opts *opts; /* borrowed */
	struct task_info ti;     /* collected in prepare, completed by the parasite */
	struct pmc pmc;
	struct tracker *tracker;       /* borrowed from the session; NULL: nothing is tracked */
	struct page_read *parent;      /* where holes point; NULL: every page is dumped */
	const char *no_parent;         /* why there is none; static */
	struct parasite_vma *readable; /* VMAs that got PROT_READ from us */
	size_t nr_readable;
	struct verdict_counts total;
	struct verdict_counts *by_vma; /* one per VMA; owned */
	struct task_images images;
	uint64_t *
		holes_there; /* with a page server: where its holes begin, which its record does not tell; owned */
	size_t nr_holes_there;
};

/* Where the pipeline stands, beside the phase. */
struct dump_cursor {
	size_t item;    /* tasks come first, then the shared-memory objects */
	unsigned unit;  /* prepare, reset: index of the next unit */
	unsigned chunk; /* 1-based once prepare is done; 0 before */
	unsigned drain; /* all ppbs below it are drained */
	unsigned asked; /* ppbs that the parasite has been asked for, and has not answered */
	unsigned xfer;  /* all ppbs below it are transferred */
	unsigned hole;  /* next one to write */
};

/* pmc-fill, generate-iovs: what of the current item is scanned, and the run that comes next. */
struct dump_scan {
	size_t vma;     /* being looked at */
	uint64_t vaddr; /* all below (of this item) is scanned; the next run begins here */
	uint64_t end;   /* of that run; == vaddr: not known yet */
	verdict_t verdict;
	bool lazy;
	bool zeroes;    /* holds only zeroes, and is left out for that: `set zero drop` */
	enum pst state; /* of a shared VMA: what it contributes to the pstate map */
};

/* Since prepare, over all items. */
struct dump_counts {
	uint64_t pipes, bufs; /* of page-pipes that were kept; see dump_pipes() */
	uint64_t holes_checked;
	uint64_t pages_scanned;  /* CRIU's CNT_PAGES_SCANNED: turns of the page loop */
	uint64_t pages_vanished; /* pre-dump by reading: were gone before they were read */
	uint64_t pages_lazy;
	uint64_t pages_zero_dropped; /* `set zero drop`: hold only zeroes */
	uint64_t shpages_scanned, shpages_skipped_parent, shpages_written;
	uint64_t units[16]; /* done, by phase */
};

/* What was drained of the current chunk. */
struct dump_drained {
	unsigned ppbs;
	uint64_t pages, us;
	bool passed_on; /* transferred meanwhile */
};

/* The second drain thread: see flow.h. */
struct dump_flow {
	struct mover *mover; /* owned; NULL: not started */
	bool on;             /* loads are being shared out */
	bool broken;         /* it has failed once */
	unsigned first;      /* all loads below are in the file ... */
	uint64_t base;       /* ... up to here; `first` goes to this offset */
	unsigned next;       /* load to be taken next */
	unsigned given;      /* the first that the other thread was given */
};

struct dump {
	struct task_dump *task; /* parents before children; owned */
	size_t nr_tasks;
	const struct opts *opts;        /* borrowed */
	const struct caps *caps;        /* borrowed */
	struct keeper *keeper;          /* borrowed */
	struct tracker_table *trackers; /* borrowed */

	phase_t phase; /* of the next unit */
	struct dump_cursor at;
	struct dump_scan scan;

	struct page_pipe pp; /* of the current item */
	bool one_fd;         /* the target has no place for the pipes of several ppbs at once */
	struct dump_flow flow;
	unsigned nr_reserved;   /* pages files in `staging` that were made before the freeze */
	struct page_pipe *kept; /* pre-dump: of each item, until it is transferred; owned */
	bool thawed;            /* the tasks run again */
	enum opt_thaw thaw;     /* of this commit: dump_thaw_when() as it began */
	/* Pages are only selected and planned, for targets that are neither frozen nor infected.
	 * Set right after dump_init(), with `set xfer null`; the tasks may have no keeper. */
	bool rehearsal;
	const volatile sig_atomic_t *stop; /* the operator asks; NULL: nobody can; borrowed */
	struct page_xfer xfer;
	struct staging *staging; /* NULL: xfer null, or not yet made */
	struct shmem_list shmem;
	struct parent_set parent;

	struct dump_drained drained;
	struct dump_counts count;
	struct dump_times times;
	uint64_t uptime_us;       /* of the dump: later writes belong to the next one */
	struct file_table *files; /* for files.img; NULL: not collected yet; owned */
	bool stats_are_final;     /* stats-dump has the frozen time that the target felt */

	/* Told what a unit does inside, in words; NULL: nobody listens. */
	void (*told)(void *arg, phase_t phase, const char *text);
	void *told_arg;

	char *committed; /* directory, once published; owned */
	struct {
		bool known;
		dev_t dev;
		ino_t ino;
	} place;               /* of `committed` */
	const char *commit_to; /* during commit; borrowed */
};

/* The task that the pipeline is at; the last one while shared memory is dumped. */
static inline struct task_dump *dump_task(const struct dump *d)
{
	return &d->task[d->at.item < d->nr_tasks ? d->at.item : d->nr_tasks - 1];
}

/* The shared-memory object that the pipeline is at, or NULL while it is at a task. */
static inline struct shmem_info *dump_shmem(const struct dump *d)
{
	return d->at.item < d->nr_tasks ? NULL : &d->shmem.o[d->at.item - d->nr_tasks];
}

/* t[0..nr): parents before children; borrowed. */
void dump_init(struct dump *d, struct target *t, size_t nr, struct keeper *k,
	       struct tracker_table *tt, const struct opts *o, const struct caps *c);
/* For d->told. */
void dump_tell(struct dump *d, phase_t phase, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The mappings that PROT_READ was added to or is taken from again, one line each. */
void dump_tell_readable(struct dump *d, const struct task_dump *td, phase_t phase, bool added);
/* Is this dump part of a chain, so that writes have to be tracked? */
bool dump_is_tracked(const struct dump *d);
/* OFF, DRAINED or COMMITTED, by the settings and by what tracks the tasks. */
enum opt_thaw dump_thaw_when(const struct dump *d);
/* Cures, and lets all tasks run; what is known about them stays.  Those that run already: nothing. */
struct err *dump_thaw(struct dump *d);
/* Cures, drops pipes and staged files.  After it: READY. */
struct err *dump_undo(struct dump *d);
void dump_deinit(struct dump *d);
/* Filters an error of putting task `pid` back: NULL if the task has died, as nothing is left to put
 * back. */
struct err *dump_unless_dead(struct keeper *k, pid_t pid, struct err *e);

/* Pre-dump, before the thaw: pages stay in their pipes, and the pipes stay with their item. */
static inline bool dump_keeps_pages(const struct dump *d)
{
	return d->opts->mode == MODE_PRE_DUMP && !d->thawed;
}

/* Pre-dump by reading: nothing is spliced, the pages are read once the tasks run again. */
static inline bool dump_reads_pages(const struct dump *d)
{
	return d->opts->mode == MODE_PRE_DUMP && d->opts->pre_dump == PRE_DUMP_READ;
}

/* The page-pipe is full, or the item is scanned: goes on with the first ppb. */
void dump_begin_drain(struct dump *d);

/* A fresh d->pp, of the kind that the mode needs. */
void dump_new_page_pipe(struct dump *d);

/* Pre-dump, after the thaw: item i is transferred from what was kept. */
struct err *dump_transfer_item(struct dump *d, size_t i);

/* The shared object whose pstate map VMA v contributes to, or NULL. */
struct shmem_info *dump_pstate_of(const struct dump *d, const struct vma *v);
/* Where holes of the current item point; NULL: it can have none. */
struct page_read *dump_parent(const struct dump *d);

/* The first VMA (>= i) of the current task whose pages this dump looks at; nr if none. */
size_t dump_next_vma(const struct dump *d, size_t i);
/* Begins to scan the current item, whose pagemap is open. */
void dump_begin_item(struct dump *d);
/* Is all of the current item scanned? */
bool dump_item_scanned(const struct dump *d);
/* Goes on with the next item, or to the gate. */
struct err *dump_next_item(struct dump *d);

/* CRIU's page_pipes and page_pipe_bufs: pipes made and ppbs used so far. */
void dump_pipes(const struct dump *d, uint64_t *pipes_ret, uint64_t *bufs_ret);
/* Pages of all tasks that got verdict v. */
uint64_t dump_count(const struct dump *d, verdict_t v);

/* page_verdict() with the mode, the parent and the tracker of the task taken into account. */
verdict_t dump_verdict(const struct task_dump *td, const struct vma *v, uint64_t categories);
/* What pages with these categories in a shared VMA contribute to the pstate map of their object.
 * Only soft-dirty can prove a page clean; a page that is in no page table may still exist. */
enum pst dump_pstate(const struct task_dump *td, uint64_t categories);
/* Is the verdict on VMA v the same for all its pages, whatever pagemap says? */
bool dump_decides_alone(const struct task_dump *td, const struct vma *v);
#endif
