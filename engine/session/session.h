/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The engine as the shell sees it: a session holds at most one target and one run of the pipeline
 * over it.  shell/ needs only this header, chain.h and diagnose.h.  Nothing here prints or uses a
 * terminal.
 *
 * Threads: all calls come from one thread, except session_interrupt(), which is
 * async-signal-safe.
 */
#ifndef STEPDUMP_SESSION_H
#define STEPDUMP_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "engine/dump/opts.h"
#include "proto/names.h"
#include "proto/parts.h"

struct session;

/* Forks the keeper (see engine/target/keeper.h), so call it before starting threads or curses. */
struct err *session_create(struct session **ret);
/* Detaches (target untouched or cured), removes what is staged.  NULL is fine.  The error
 * says that the target could not be restored (ERR_HARM); the session is gone even then. */
struct err *session_destroy(struct session *s);

/* Async-signal-safe: the pipeline stops before its next unit with ERR_INTERRUPTED.
 * Cleared when the next run command starts. */
void session_interrupt(struct session *s);

/* From now on nothing but looking: an attach freezes the target, but removes nothing from it that an
 * earlier dumper left, and reserves nothing on disk; a detach never stops it. */
void session_only_look(struct session *s);

/* ---- target ------------------------------------------------------------- */

/*
 * session_attach - freeze all threads of `pid` and collect its mappings.
 * Target: stopped by ptrace; nothing in it is changed (infection waits for prepare).
 * Fails:  ERR_STATE a target is attached already; ERR_TARGET no such process, traced already,
 *         zombie, kernel thread, not ours; ERR_REFUSED it has memory that cannot be dumped.
 *         After failure the target runs on, untouched.
 */
struct err *session_attach(struct session *s, pid_t pid);
/* Same for `pid` and all its descendants, also those that appear meanwhile. */
struct err *session_attach_tree(struct session *s, pid_t pid);
size_t session_nr_tasks(const struct session *s);
/* Which task `show`, `why` and the prompt refer to: an index; -1: the task the pipeline is at. */
struct err *session_select_task(struct session *s, int64_t index);

/* Starts argv[0..] (NULL-terminated, PATH searched) as a session of its own with /dev/null as
 * stdin, waits until it has exec'ed, and attaches.  It stays alive when stepdump ends. */
struct err *session_launch(struct session *s, char *const argv[], pid_t *pid_ret);

/* Aborts the pipeline, cures, detaches.  The target runs if it ran before.  ERR_HARM if that
 * failed. */
struct err *session_detach(struct session *s);
/* Same, but its writes are tracked until it is attached again or stepdump ends. */
struct err *session_detach_keep_tracking(struct session *s);

/* Sends SIGKILL to the target.  Nothing else that we do ends a target. */
struct err *session_kill(struct session *s);

/* Removes from `pid` what an earlier, killed dumper left (parasite mappings, borrowed
 * registers in a journal).  *report_ret: one line per thing found, caller frees. */
struct err *session_rescue(struct session *s, pid_t pid, char **report_ret);

/* ---- watching a criu ------------------------------------------------------ */

/*
 * Instead of a target of its own a session can have a criu that it watches (engine/watch/watch.h).
 * Run control then holds criu at its system calls, snapshots tell what these have told, and
 * session_detach() lets it go on unwatched.  What would change the dump is ERR_STATE.
 */

/* Starts argv, which is to be a criu, and holds it before its first instruction. */
struct err *session_watch_start(struct session *s, char *const argv[]);
/* Takes up a criu that runs, wherever it is. */
struct err *session_watch_attach(struct session *s, pid_t pid);
/* Waits for the next criu that anybody starts on this machine; ERR_INTERRUPTED. */
struct err *session_watch_next(struct session *s);
pid_t session_watched(const struct session *s); /* the criu; 0: none */
/* Its exit status as a shell gives it, once it has ended; else 0.  wait: if we have started it, it
 * goes on unwatched, and its end is waited for. */
int session_watch_status(struct session *s, bool wait);

/* ---- state that the dispatcher asks for -------------------------------- */

bool session_has_target(const struct session *s);   /* attached, also if it died meanwhile */
bool session_target_gone(struct session *s);        /* it died; polls the keeper */
bool session_has_pipeline(const struct session *s); /* prepare has begun, not yet done/aborted */
bool session_past_gate(const struct session *s);    /* committed */
pid_t session_pid(const struct session *s);         /* of the selected task; 0: none */
/* "ready", "pmc-fill", "drain 5/8", "gate", "done": for the prompt.  Writes at most `len` bytes,
 * NUL included. */
void session_position(const struct session *s, char *buf, size_t len);
/* One clause on the state of the target: "target 4242 frozen, its memory untouched".  Every error
 * report ends with it. */
void session_state_clause(struct session *s, char *buf, size_t len);
struct opts *session_opts(struct session *s);
/* Changes one option.  ERR_STATE: it cannot change while a dump is under way.  A parent that is not
 * an image directory is refused at once. */
struct err *session_set(struct session *s, const struct opt_desc *d, const char *value);

/* ---- run control --------------------------------------------------------- */

enum run_kind {
	RUN_STEP,     /* to the next change of phase */
	RUN_NEXT,     /* `count` units */
	RUN_FINISH,   /* to the end of the chunk (all ppbs of it transferred) */
	RUN_CONTINUE, /* to a breakpoint, or the commit gate */
	RUN_UNTIL,    /* like continue, with a temporary breakpoint at `where` */
	/* Before the gate, both ways: */
	RUN_GOTO,             /* to where `unit` units are done */
	RUN_BACK,             /* `count` units back */
	RUN_REVERSE_STEP,     /* to the last change of phase before, `count` times */
	RUN_REVERSE_CONTINUE, /* to the last breakpoint before, or the beginning */
	RUN_COMMIT,           /* session_commit() to the directory `where`, with progress */
};

struct run_request {
	enum run_kind kind;
	unsigned
		count; /* RUN_STEP, RUN_NEXT, RUN_BACK, RUN_REVERSE_STEP: how many times; 0 means 1 */
	uint64_t unit;     /* RUN_GOTO */
	const char *where; /* RUN_UNTIL: as for session_break(); RUN_COMMIT: directory or NULL */
	/* Called about ten times a second, never more often, while the pipeline runs; may be NULL.
	 * The callback may take a snapshot, but must not run or change anything. */
	void (*progress)(struct session *s, void *arg);
	void *progress_arg;
	/* Asked after each unit, which are done one by one then; true: stop here ("watch").  May be NULL;
	 * may take a snapshot, but must not run or change anything. */
	bool (*stop)(struct session *s, void *arg);
	void *stop_arg;
};

/*
 * session_run - advance the pipeline.
 * *stop_ret (caller frees with stepdump__stop__free_unpacked(.., NULL)) is set on success,
 * and also when a unit failed or the operator interrupted, to show what was done.  A failed unit
 * changes nothing that was done before; the same unit is tried again by the next run command.
 */
struct err *session_run(struct session *s, const struct run_request *req,
			Stepdump__Stop **stop_ret);

/*
 * session_commit - pass the gate: run what is left, check, fsync, rename to `dir`, reset.
 * dir NULL: the directory from `set dir`.  It must not exist, or be an empty directory.
 * With `set xfer null` it refuses (nothing to publish).
 * After failure before the rename: nothing at `dir`, pipeline as it was, can be retried.
 */
struct err *session_commit(struct session *s, const char *dir, Stepdump__Stop **stop_ret);

/* Units done since prepare began, up to the gate: what RUN_GOTO counts in.  Units that were done in
 * bulk may have been counted as one. */
uint64_t session_units(const struct session *s);

/* Back to before prepare: pipes and staged files dropped, protections restored, still attached.
 * After a pre-dump has thawed the target: frozen again, for the next one; as abort does. */
struct err *session_restart(struct session *s);
/* Same, and cures: as right after attach. */
struct err *session_abort(struct session *s);

/* ---- recordings ----------------------------------------------------------- */

enum record_every {
	RECORD_UNITS,  /* each unit, and so a run does one by one */
	RECORD_PHASES, /* each change of phase */
	RECORD_STOPS,  /* where a run command ends */
};

struct record_opts {
	enum record_every every;
	uint64_t max_bytes; /* of the file; the recording ends before it gets larger */
	uint32_t run_bytes; /* of memory, at the beginning of each run of pages; 0: none */
};

/*
 * session_record - what is known at each stop goes into a file (proto/recfile.h), from now on, until
 * session_record_end(), or until it is full or cannot be written: the dump goes on all the same.
 * Fails: ERR_STATE it is recorded already, or a recording is looked at; ERR_USAGE the file exists; ERR_SYS.
 */
struct err *session_record(struct session *s, const char *path, const struct record_opts *o);

struct record_status {
	bool on;
	const char *path; /* NULL: nothing was recorded yet; borrowed */
	uint64_t stops, bytes, max_bytes;
	const char *ended; /* why it ended by itself; NULL: it did not; borrowed */
};

void session_record_status(const struct session *s, struct record_status *ret);
struct err *session_record_end(struct session *s);

/*
 * session_replay - a session whose target is a recording: it has no keeper and needs no rights.
 * Run control moves in it both ways, snapshots tell what was known at the stop; what would change
 * a target is ERR_STATE.  Fails: ERR_SYS; ERR_FORMAT.
 */
struct err *session_replay(const char *path, struct session **ret);
bool session_is_replay(const struct session *s);

struct replay_status {
	uint64_t stop, stops; /* which one is looked at, from 0; how many there are */
	bool cut_short;       /* the file ends in the middle of a stop */
	const char *damaged;  /* what is wrong behind the last stop; NULL: nothing; borrowed */
};

void session_replay_status(const struct session *s, struct replay_status *ret);

/* ---- breakpoints --------------------------------------------------------- */

/*
 * where :=  PHASE [if EXPRESSION]     of ppb, vma, chunk, shmem, pages, verdict; see base/calc.h
 *        |  0xADDR or hex ADDR          the page is scanned, or transferred
 *        |  vma N | vma ADDR            pmc-fill of that VMA begins
 *        |  verdict NAME                a run with that verdict ("hole", "zero", ...)
 *        |  fail                        any unit fails
 *        |  chunk N                     chunk N begins
 *        |  ppb N                       ppb N is drained
 * Stops before the unit that matches.
 */
struct err *session_break(struct session *s, const char *where, bool temporary,
			  unsigned *number_ret);
/* number 0: all. */
struct err *session_delete_break(struct session *s, unsigned number);
/* A breakpoint that is not enabled stops nothing and counts no hits.  number 0: all. */
struct err *session_enable_break(struct session *s, unsigned number, bool on);
/* The next `count` hits do not stop. */
struct err *session_ignore_break(struct session *s, unsigned number, unsigned count);

/* ---- faults on purpose ----------------------------------------------------- */

/*
 * session_fault - make a step fail, once (base/fault.h).
 * what := POINT [ERRNO | short N | delay MS | kill | kill-keeper] [after N] [if COND]
 * Without a word for what happens it fails with EIO.  COND as for session_break(), of the point's
 * phase.  Fires once, in stepdump, its keeper, or by its order in the parasite.
 */
struct err *session_fault(struct session *s, const char *what);
void session_fault_off(struct session *s);
struct session_fault_point {
	const char *name, *phase, *what; /* static; phase "": none of its own */
	uint32_t passed, fired;          /* since the first fault was armed */
};
/* The i-th point; false: there are no more. */
bool session_fault_point(unsigned i, struct session_fault_point *ret);

/* ---- looking ------------------------------------------------------------- */

/*
 * What a snapshot is to contain.  A part that is not asked for stays empty; a window that is all
 * zeros means everything, unless its comment says otherwise.
 */
struct snap_request {
	uint32_t parts;              /* SNAP_* of proto/parts.h */
	uint32_t vma_first, vma_nr;  /* SNAP_VMAS: indices; nr 0: to the last */
	uint32_t ppb_first, ppb_nr;  /* SNAP_IOVS: the ppbs that list theirs; nr 0: to the last */
	uint32_t iov_first, iov_max; /* SNAP_IOVS: window inside each ppb; max 0: all */
	uint64_t runs_start,
		runs_end;    /* SNAP_RUNS, and SNAP_PARENTS' entries: addresses; end 0: all */
	uint32_t runs_max;   /* SNAP_RUNS; 0: 65536 */
	bool raw_bits;       /* SNAP_RUNS: the upper bits of each page's entry, too */
	uint32_t events_max; /* SNAP_EVENTS; 0: 100 */
	uint32_t
		parent_runs_max; /* SNAP_PARENTS: entries of one generation; 0: SNAP_PARENT_RUNS_MAX */
	const uint64_t *why;     /* SNAP_WHY: the pages asked about */
	size_t nr_why;
	struct {
		uint64_t vaddr;
		uint32_t len;
	} peek;                  /* SNAP_PEEK: at most 1 MiB */
	const char *peek_source; /* NULL or "target", "pipe", "image", "parent" */
};

/* Caller frees with stepdump__snapshot__free_unpacked(.., NULL). */
struct err *snap_take(struct session *s, const struct snap_request *req, Stepdump__Snapshot **ret);

#endif
