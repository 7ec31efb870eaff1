/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Errors are values.  A function that can fail returns `struct err *`; NULL is
 * success.  The caller owns the error it gets: it returns it to its own caller (adding context with
 * err_wrap()), or drops it with err_free().  Nothing in engine/ prints: exactly one place,
 * shell/report.c, renders an error.
 *
 * A complete message says what was tried, on what, why it failed, what to do
 * next, and in which state the target is.  `msg` carries the first two, `sys_errno`
 * the third, `hint` the fourth; shell/report.c adds the fifth from the session.
 */
#ifndef STEPDUMP_ERR_H
#define STEPDUMP_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What kind of failure it is: programs branch on this, never on text. */
enum err_code {
	ERR_SYS,         /* a system call failed: sys_errno says why */
	ERR_NOMEM,       /* the kernel, the keeper or the target has no memory for it */
	ERR_USAGE,       /* the request itself is wrong (exit status 2 in batch) */
	ERR_STATE,       /* right request, wrong moment: no target, dump already done, ... */
	ERR_TARGET,      /* target gone, or cannot be attached (exit status 3) */
	ERR_UNSUPPORTED, /* this kernel or build cannot do it (exit status 4) */
	ERR_REFUSED,     /* the target has memory that cannot be dumped: nothing was touched */
	ERR_FORMAT,      /* bytes from outside (image, /proc, snapshot) do not parse */
	ERR_CHECK,       /* an invariant or self-check failed: a bug, or a torn image */
	ERR_INTERRUPTED, /* the operator asked to stop; the pipeline stands between two units */
	ERR_HARM,        /* the target could not be put back as it was (exit status 5) */
};

struct err {
	enum err_code code;
	int sys_errno;  /* 0: none */
	pid_t pid;      /* 0: not about one task */
	uint64_t vaddr; /* address at fault; valid if has_vaddr */
	bool has_vaddr;
	const char *phase; /* static string, a phase name; NULL: outside the pipeline */
	char *msg;         /* "what was tried, on what"; never NULL */
	char *hint;        /* "what to do next"; NULL: none */
	char *cause;    /* name in the catalogue of causes (engine/diagnose/causes.c); NULL: none */
	char *evidence; /* where the cause shows: file, field, value; NULL: none */
};

/* Makes an error.  The text is without a final full stop and without errno text. */
struct err *err_new(enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), warn_unused_result));

/* Same, with code ERR_SYS and sys_errno = `sys_errno` (pass errno).  For EMFILE and
 * EFBIG with the advice to raise the limit, which is our own. */
struct err *err_sys(int sys_errno, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), warn_unused_result));

/* Puts "context: " before the message.  Takes and returns ownership; NULL stays NULL. */
struct err *err_wrap(struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), warn_unused_result));

/* Sets the advice (replacing an earlier one).  Takes and returns ownership; NULL stays NULL. */
struct err *err_hint(struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), warn_unused_result));

/* Names the cause, an entry of the catalogue ("unreadable-page"), and where it shows.  The catalogue adds
 * what it is and the advice.  Takes and returns ownership; NULL stays NULL. */
struct err *err_cause(struct err *e, const char *cause, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), warn_unused_result));
/* The same without evidence: the message says it all. */
struct err *err_cause_only(struct err *e, const char *cause) __attribute__((warn_unused_result));

/* Changes the code.  NULL stays NULL. */
struct err *err_code(struct err *e, enum err_code code) __attribute__((warn_unused_result));

/* Records which task / page / phase the error is about.  NULL stays NULL. */
struct err *err_pid(struct err *e, pid_t pid) __attribute__((warn_unused_result));
struct err *err_vaddr(struct err *e, uint64_t vaddr) __attribute__((warn_unused_result));
struct err *err_phase(struct err *e, const char *phase) __attribute__((warn_unused_result));

/* Changes the code, where the caller knows better than the call that failed.  NULL stays NULL, and
 * out of memory stays out of memory. */
struct err *err_as(struct err *e, enum err_code code) __attribute__((warn_unused_result));

/* A copy that the caller owns; NULL for NULL. */
struct err *err_dup(const struct err *e) __attribute__((warn_unused_result));

/* Accepts NULL. */
void err_free(struct err *e);

/* For a clean-up that failed while another error is already on its way up: keeps the first. */
struct err *err_first(struct err *first, struct err *second) __attribute__((warn_unused_result));

/* "ENOSPC" for ENOSPC; "errno 999" for a number without a name.  Static or per-thread storage. */
const char *err_errno_name(int sys_errno);

/* "nomem", "usage", ...: the stable name used in JSON. */
const char *err_code_name(enum err_code code);

/* One line "msg: ENOSPC (No space left on device)"; caller frees. */
char *err_text(const struct err *e);

/* Exit status of a batch run that ends with `e` (`help errors`); 0 for NULL. */
int err_exit_status(const struct err *e);

/* Return from the calling function if `expr` is an error. */
#define TRY(expr)                                                                                  \
	do {                                                                                       \
		struct err *try_e_ = (expr);                                                       \
		if (try_e_)                                                                        \
			return try_e_;                                                             \
	} while (0)

#endif
