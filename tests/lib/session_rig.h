/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A real target for run control: a child with known memory that waits, and a session over it. */
#ifndef STEPDUMP_TESTS_SESSION_RIG_H
#define STEPDUMP_TESTS_SESSION_RIG_H

#include <dirent.h>
#include <poll.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "engine/session/session.h"

#include "tests/lib/images.h"
#include "tests/targets/run_child.h"

extern struct session *s;
extern pid_t child;

struct memory { /* pages, as tests/targets/run_child.c takes them */
	size_t dense, sparse, memfd, shared, filed;
};

extern struct memory child_has;
extern struct run_child its;

void child_make(struct memory m);

void set(const char *name, const char *value);

/* A small child, many chunks. */
extern const struct memory small;

void session_over(struct memory m);

int small_target(void **state);

/* Checks that the child is unharmed: it still waits, or runs. */
int end_target(void **state);

/* ---- running ---------------------------------------------------------------------- */

struct stop { /* contents of a Stepdump__Stop */
	char reason[16];
	unsigned breakpoint;
	Stepdump__Phase phase; /* of the next unit */
	unsigned chunk;
	int ppb, vma; /* of the next unit; -1 */
	uint64_t start, end;
	int verdict; /* -1: none */
};

struct err *run_kind(enum run_kind kind, unsigned count, const char *where, struct stop *ret);

struct stop run(enum run_kind kind, unsigned count, const char *where);

#define cont() run(RUN_CONTINUE, 0, NULL)
#define next(n) run(RUN_NEXT, n, NULL)

#define reason_is(stop, text) assert_string_equal((stop).reason, text)

/* ---- what is staged --------------------------------------------------------------- */

struct staged {
	struct {
		char name[256];
		struct bytes f;
	} file[16];
	size_t nr;
};

int staging_fd(void);

/* All pagemaps and pages in the directory, by name. */
struct staged staged_read(int dirfd);

struct staged staged_now(void);

void staged_free(struct staged *st);

/* Equal to the last byte; frees `b`. */
void staged_equal(const struct staged *a, struct staged b);

/* ---- what the child has ------------------------------------------------------------- */

/* Compares its private memory page by page; pages never written must not be there. */
void images_hold_what_the_child_has(const char *dir);

/* /proc/PID/maps; the caller frees .b. */
struct bytes maps_of_child(void);

#endif
