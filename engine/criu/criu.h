/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The installed CRIU as a program: found, asked what it can do, run, followed by its log, made to give up.
 *
 * A criu that is killed in the middle of a dump leaves its parasite in the target.  So it is never killed from
 * here, is in a session of its own, where no ^C of the terminal reaches it, and goes on when we end.  It
 * is made to give up by a limit of file size: its next write to an image fails, and it undoes its dump as
 * after any other error.
 */
#ifndef STEPDUMP_CRIU_H
#define STEPDUMP_CRIU_H

#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * criu_find - the program: `set` (a path; NULL: not given), else $CRIU, else "criu" in PATH and where
 * administrators' programs are.  Caller frees *ret.  Fails: ERR_USAGE it is not there, or cannot be run.
 */
struct err *criu_find(const char *set, char **ret);
/* "4.1.1"; caller frees.  "?" if it does not say. */
char *criu_version(const char *criu);
/* `criu check`: can it dump on this kernel at all?  ERR_UNSUPPORTED says in its words why not. */
struct err *criu_check(const char *criu);
/* Can it leave unchanged pages in a parent here? */
bool criu_tracks(const char *criu);

struct criu_job {
	char *const *argv; /* ends with NULL */
	const char *log;   /* the file that -o in argv makes; followed from its beginning */
	const struct rlimit *nofile;               /* limit of open files for it; NULL: ours */
	const volatile sig_atomic_t *stop;         /* not 0: it is made to give up */
	void (*line)(void *arg, const char *line); /* each line that the log gains */
	void *arg;
};

struct criu_end {
	pid_t pid;
	int status;    /* as of waitpid() */
	bool given_up; /* it was told to */
	char *said;    /* on stdout and stderr, the beginning of it; owned by the caller */
};

/* Until it has ended.  Fails: it could not be started; its own failure is in *ret. */
struct err *criu_run(const struct criu_job *job, struct criu_end *ret);

#endif
