/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Options of a dump, for `set NAME VALUE` and `show settings`.  One table describes them all:
 * opt_parse(), opt_print(), completion and help work from it.
 */
#ifndef STEPDUMP_OPTS_H
#define STEPDUMP_OPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/opt.h"
#include "engine/net/wire.h"
#include "engine/pages/pmc.h"
#include "engine/track/tracker.h"

enum opt_xfer { XFER_LOCAL, XFER_NULL, XFER_SERVER };
enum opt_mode { MODE_DUMP, MODE_PRE_DUMP };
enum opt_pre_dump { PRE_DUMP_SPLICE, PRE_DUMP_READ };
enum opt_watch { OPT_WATCH_LIGHT, OPT_WATCH_FULL };
enum opt_hole_missing { HOLE_MISSING_FAIL, HOLE_MISSING_DUMP };
/* Pages that were written, and hold only zeroes. */
enum opt_zero { ZERO_KEEP, ZERO_DROP };

/* When the target runs on.  AUTO: DRAINED, but COMMITTED with soft-dirty tracking.  With a page
 * server DRAINED is COMMITTED too. */
enum opt_thaw { THAW_OFF, THAW_DRAINED, THAW_COMMITTED, THAW_AUTO };

/* Room for the pages before the freeze.  AUTO is ON, but says nothing if it is of no use. */
enum opt_reserve { RESERVE_OFF, RESERVE_ON, RESERVE_AUTO };

/* What would make CRIU fail: not looked for; told at attach, gate and commit; in the way of both. */
enum opt_preflight { PREFLIGHT_OFF, PREFLIGHT_WARN, PREFLIGHT_REFUSE };

struct opts {
	enum opt_pmc pmc;    /* how pagemap is read */
	bool pmc_cache;      /* several small VMAs in one fill (off = CRIU_PMC_OFF) */
	enum opt_xfer xfer;  /* where pages go */
	char *dir;           /* where commit puts the images; NULL: must be given to commit */
	char *server;        /* of XFER_SERVER; NULL: not said */
	enum ps_wire wire;   /* UNKNOWN: find out */
	uint32_t timeout_s;  /* longest wait for the server */
	uint32_t pipe_pages; /* how many pages a pipe is asked to hold at the most */
	bool lazy;           /* mark pages that may be restored lazily */
	enum opt_mode mode;  /* a full dump, or one that others follow */
	enum opt_pre_dump pre_dump;         /* how a pre-dump gets the pages */
	char *parent;                       /* image directory that holes point into; NULL: none */
	bool holes_at_server;               /* also if its pages went to a page server */
	enum opt_track track;               /* how writes are tracked from now on */
	enum opt_hole_missing hole_missing; /* a clean page that the parent lacks */
	enum opt_zero zero;                 /* pages full of zeroes */
	bool track_shmem;                   /* pstate maps for shared memory (CRIU_TRACK_SHMEM) */
	enum opt_reserve reserve;           /* room for the pages, made before the freeze */
	bool early;                         /* read what takes long before the freeze */
	char *reserve_for;                  /* without `dir`: where commit will go; NULL: unknown */
	enum opt_thaw thaw;                 /* of a dump; a pre-dump runs on in any case */
	enum opt_preflight preflight;       /* what is done about what `check` finds */
	char *criu;                         /* the program for handoff; NULL: found by itself */
	enum opt_watch watch;               /* at which calls a watched criu stops */
	bool leave_stopped;                 /* detach leaves the target stopped (SIGSTOP) */
};

/* Ends with name == NULL. */
extern const struct opt_desc opt_descs[];

void opts_init(struct opts *o);
void opts_deinit(struct opts *o);
const struct opt_desc *opt_find(const char *name); /* in opt_descs */

#endif
