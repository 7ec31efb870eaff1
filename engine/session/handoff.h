/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The full checkpoint by the installed CRIU, after what we can do for it: `check`, and a pre-dump as its parent
 * or, where CRIU cannot use one, a rehearsal.
 */
#ifndef STEPDUMP_SESSION_HANDOFF_H
#define STEPDUMP_SESSION_HANDOFF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "proto/diagnose.pb-c.h"
#include "proto/report.pb-c.h"

struct session;

struct handoff_opts {
	const char *dir;            /* of the checkpoint; must not exist, or be empty */
	bool kill;                  /* criu ends the target when its dump has succeeded */
	bool force;                 /* also if `check` finds what makes the dump fail */
	const char *const *options; /* more of criu's; may be NULL if nr is 0 */
	unsigned nr;
};

enum handoff_what {
	HANDOFF_CRIU,      /* text: program and version */
	HANDOFF_CHECKED,   /* check: what was found, notes included */
	HANDOFF_NO_PARENT, /* text: why there is no parent: a rehearsal comes, then a plain dump */
	HANDOFF_REHEARSED, /* pages that a dump takes */
	HANDOFF_PRE_DUMP,  /* text: its directory; pages in it */
	HANDOFF_RUNS,      /* text: criu's command line; the target is let go, criu begins */
	HANDOFF_LINE,      /* text: a line of criu's log */
	HANDOFF_UNDONE, /* text: what was found in the target after criu was killed, and removed */
};

struct handoff_event {
	enum handoff_what what;
	const char *text;
	uint64_t pages;
	const Stepdump__CheckReport *check;
};

struct handoff_result {
	char *criu;     /* program; NULL: none */
	char *pre_dump; /* committed; NULL: none */
	char *dir;      /* the checkpoint; NULL: none */
	char *kept;     /* what criu wrote, if that could not be published; NULL: nothing */
	char *log;      /* criu's; NULL: none */
	char *target;   /* "4242 runs": its state at the end */
	Stepdump__VerifyReport *verified; /* NULL: not looked at */
	Stepdump__LogReport *explained;   /* of a failure; NULL: there is nothing to explain */
};

void handoff_result_deinit(struct handoff_result *r);

/*
 * session_handoff - the whole of it.  *ret is set in every case.
 * Target: attached, no dump under way (ERR_STATE).  Afterwards it is not attached any more, unless the error
 * came before it was let go, and it runs, unless criu has ended it (kill).  CRIU is asked before anything is
 * done to it.
 * Fails: ERR_USAGE, ERR_UNSUPPORTED no usable criu, or an option that is ours; ERR_REFUSED `check` finds what
 * makes the dump fail; ERR_INTERRUPTED; ERR_CHECK criu failed, or its images are not good.
 */
struct err *session_handoff(struct session *s, const struct handoff_opts *o,
			    void (*event)(void *arg, const struct handoff_event *ev), void *arg,
			    struct handoff_result *ret);

#endif
