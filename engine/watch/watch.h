/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Watching a criu that dumps: what its system calls tell, kept in the terms of its own structures.
 *
 * watch_step() lets criu go on to the next unit: a system call that moves its pipeline, at the entry
 * of which it is held until the next watch_step().  The target is frozen by criu then, not by us.
 * Nothing is written to criu; when we end, it goes on (see tracee.h).
 *
 * It sees the calls, their arguments and results, and criu's memory where they point.  So a ppb's plan is
 * known from its DUMPPAGES command on, and a hole when it is in the image; where criu has debug information,
 * they are known from its page_pipe before (inside.h).
 *
 * Ranges are half-open, addresses and offsets in bytes, times in microseconds.
 */
#ifndef STEPDUMP_WATCH_H
#define STEPDUMP_WATCH_H

#include "engine/watch/inside.h"
#include "engine/watch/tracee.h"
#include "proto/names.h"

#define WATCH_LOG 64  /* lines of criu's log that are kept */
#define WATCH_TALK 32 /* messages with the parasite, or of the page server */
#define WATCH_TEXT 200
#define WATCH_MAX_IOVS 1048576 /* of one ppb */

/* What an open file of criu is, by its link in /proc. */
enum wfd_kind {
	WFD_UNKNOWN, /* not looked at yet */
	WFD_OTHER,
	WFD_PAGEMAP,    /* /proc/PID/pagemap */
	WFD_CLEAR_REFS, /* /proc/PID/clear_refs */
	WFD_PIPE,
	WFD_SOCKET,
	WFD_IMAGE, /* *.img, stats-* */
};

struct wfd {
	enum wfd_kind kind;
	pid_t pid;        /* WFD_PAGEMAP, WFD_CLEAR_REFS: whose; WFD_SOCKET: the parasite's, or 0 */
	bool page_server; /* WFD_SOCKET: pages or their messages go through it */
	uint64_t ino;     /* WFD_PIPE, WFD_SOCKET */
	bool doubtful;    /* closed and opened again since, perhaps */
	char name[64];    /* WFD_IMAGE: without directory */
};

struct wiov {
	uint64_t start;
	uint64_t nr_pages;
};

/* A pipe of the page_pipe.  The pages of a ppb go through it; the next chunk uses it again. */
struct wpipe {
	int fd_read, fd_write; /* criu's; -1: not seen, or closed */
	uint64_t ino;
	uint64_t level;       /* bytes in it, as last seen */
	uint64_t taken;       /* of marker_spliced(fd_read) */
	uint32_t size, asked; /* pages; asked: by the last F_SETPIPE_SZ */
	int refused;          /* errno with which more was refused, or 0 */
};

enum wppb_state { WPPB_PLANNED, WPPB_DRAINED, WPPB_SENT, WPPB_FAILED };

struct wppb {
	size_t task;
	ssize_t pipe;     /* -1: criu has not said which */
	bool has_plan;    /* iov, nr_pages are known */
	struct wiov *iov; /* owned */
	size_t nr_segs;
	uint64_t nr_pages;
	enum wppb_state state;
	uint64_t real_bytes; /* FIONREAD when the parasite had replied */
	uint64_t sent_bytes; /* spliced on since */
	uint64_t t_command, drain_us;
	int32_t reply; /* of the parasite: 0, or a negative errno */
};

enum wtask_kind {
	WTASK_PROCESS,
	WTASK_SHMEM,  /* a shared object */
	WTASK_REMOTE, /* of a page server: a process of its client's machine */
};

/* What pages belong to. */
struct wtask {
	enum wtask_kind kind;
	pid_t pid, ppid; /* 0 unless WTASK_PROCESS */
	char comm[16];
	unsigned nr_threads;
	uint64_t id; /* unless WTASK_PROCESS: shmid, pid there */
	bool frozen, infected;
	uint64_t planned, drained_bytes, spliced_bytes; /* all chunks: pages, bytes, bytes */
	uint64_t nr_ppbs, chunks;
	struct wiov *run; /* all iovs of all its ppbs, in the order of the drains; owned */
	size_t nr_runs;
};

struct wpmc {
	pid_t pid; /* of the task; 0: nothing was filled yet */
	bool scan; /* PAGEMAP_SCAN, or pread */
	uint64_t start, end, walk_end;
	uint64_t fills, nr_entries; /* entries: regions (scan) or 8-byte entries */
	uint64_t vec;               /* criu's buffer of them */
};

/* The call that is about to be made (or was made last). */
struct watch_unit {
	phase_t phase;
	pid_t pid; /* task; 0: none, or a shared object */
	int ppb;   /* index in the chunk; -1: not about one */
	unsigned chunk;
	uint64_t start, end; /* addresses; equal: none */
	char text[WATCH_TEXT];
};

struct watch_line {
	uint64_t t_us; /* since watch_*() began */
	bool server;   /* talk: with a page server, not with the parasite */
	char text[WATCH_TEXT];
};

struct watch_fault {
	bool set;
	uint64_t seq;      /* counts them */
	const char *phase; /* phase_name() */
	pid_t pid;         /* task, or 0 */
	int sys_errno;     /* 0: none */
	bool has_vaddr;
	uint64_t vaddr;
	int cause;             /* enum cause_id, by watch_cause(); -1: not known */
	char what[WATCH_TEXT]; /* "DUMPPAGES for ppb 3: the parasite replies -1" */
};

struct watch {
	struct tracee t;
	uint64_t t0;                           /* when we began */
	uint64_t t_freeze;                     /* the first task was seized; 0: not yet */
	uint64_t frozen_us;                    /* until the last was let go; 0: still */
	uint64_t held_at_freeze, held_at_thaw; /* t.held_us at these two; thaw 0: still */
	size_t nr_frozen;                      /* tasks seized now */

	phase_t phase;
	unsigned chunk; /* 1-based, counted over all tasks; 0: none yet */
	struct watch_unit next, last;
	uint64_t units[PH(DONE) + 1];

	struct wtask *task; /* parents before children, objects last */
	size_t nr_tasks;
	size_t cur; /* the one that criu is at; nr_tasks: none */

	struct wpipe *pipe;
	size_t nr_pipes;
	struct wppb *ppb; /* of this chunk (and what other tasks have not sent), as commanded */
	size_t nr_ppbs;
	uint64_t pipes_ever, ppbs_ever;
	uint64_t coming_vaddr, coming_pages; /* announced to a page server, not yet taken */
	bool chunk_sent;                     /* the next ppb opens a chunk */
	struct wpmc pmc;

	struct wfd *fd; /* by number */
	size_t nr_fds;
	int new_pipe[2]; /* the last pipe that was made, not yet known to be of a page_pipe */
	pid_t touched;   /* whose registers were written last */
	uint32_t cmd;    /* to the parasite, not yet answered; 0: none */
	bool cmd_light;  /* it was marked, so its reply is if it is an error */
	long area_off;   /* of the arguments in the shared mapping; -1: not found yet */
	uint64_t area_map, area_len; /* that mapping, of the present task */
	size_t area_head;

	char pagemap_img[64], pages_img[64]; /* being written */
	char images[4096];                   /* directory that they are in; "": none is open yet */
	bool to_socket;
	uint64_t spliced_bytes; /* in all */
	uint64_t scan_us, drain_us, memwrite_us, t_phase;

	struct watch_line log[WATCH_LOG], talk[WATCH_TALK];
	uint64_t nr_log, nr_talk; /* ever */

	int last_errno;           /* of the last call but the writes of the log; 0: it succeeded */
	struct watch_fault fault; /* the last failure that was noticed */
	uint64_t t_event;         /* of the last stop */
	bool stuck_told;          /* by watch_stuck() */
	bool over;                /* criu has ended: t.status */
	char *cmdline;            /* read while it was there; NULL: it could not be.  Owned */

	struct inside *inside;        /* NULL: criu's own structures cannot be read */
	char why_outside[WATCH_TEXT]; /* why */

	struct marker *marker;     /* NULL: not asked for yet, or not to be had */
	bool light;                /* the present or last run was */
	char why_full[WATCH_TEXT]; /* why no run is light; "": nothing is against it */
	uint64_t taken;            /* of marker_spliced_all(), by model_catch_up() */
};

enum watch_event {
	WATCH_UNIT,  /* held before the unit w->next */
	WATCH_FAULT, /* held where a call has failed: w->fault */
	WATCH_QUIET, /* runs: nothing came in that time */
	WATCH_OVER,  /* it has ended */
};

/* Starts argv, which is to be a criu, held before its first instruction. */
struct err *watch_start(char *const argv[], const struct rlimit *nofile, struct watch **ret);
/* Takes up one that runs, wherever it is. */
struct err *watch_attach(pid_t pid, struct watch **ret);
/*
 * watch_step - go on to the next event, for at most `us`.
 * light: criu is not held before units, and stops only after calls that the picture needs (marker.h);
 * splices are added up, and lines of the log that are not errors are not seen.  If that cannot be,
 * all calls are stopped at, and why_full says why.
 */
enum watch_event watch_step(struct watch *w, bool light, uint64_t us);
/* The run is over, and criu goes on: it is to be held at its next call, not the next that matters. */
void watch_hold(struct watch *w);
/* How long criu stood in our stops while targets were frozen. */
uint64_t watch_held_frozen_us(const struct watch *w);
/* Lets criu go on unwatched, and frees.  NULL is fine. */
void watch_release(struct watch *w);

/* "task 4242", "shmem 3", "remote 4242" */
void watch_task_name(const struct wtask *t, char *buf, size_t len);
/* ppb `i` of the chunk: what is in its pipe now (FIONREAD); -1 if criu does not let us see. */
int64_t watch_in_pipe(const struct watch *w, size_t i);
/* Bytes from `vaddr` on, out of the pipe that holds them, by tee(), which takes none: how many (to
 * the end of the iov at most), or -1 with errno; ENODATA: they are in no pipe. */
ssize_t watch_peek_pipe(const struct watch *w, uint64_t vaddr, void *buf, size_t len);

#endif
