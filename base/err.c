/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"

static struct err *__attribute__((format(printf, 3, 0)))
err_vnew(enum err_code code, int sys_errno, const char *fmt, va_list ap)
{
	struct err *e = xzalloc(sizeof(*e));

	e->msg = xvasprintf(fmt, ap);
	if (!*e->msg) { /* an empty message would help nobody: name at least the kind */
		free(e->msg);
		e->msg = xasprintf("a failure of the kind '%s', without a text",
				   err_code_name(code));
	}
	e->code = code;
	e->sys_errno = sys_errno;
	return e;
}

struct err *err_new(enum err_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	struct err *e = err_vnew(code, 0, fmt, ap);
	va_end(ap);
	return e;
}

struct err *err_sys(int sys_errno, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	struct err *e = err_vnew(sys_errno == ENOMEM ? ERR_NOMEM : ERR_SYS, sys_errno, fmt, ap);
	va_end(ap);
	/* Limits of ourselves, unless who made the call knows better. */
	if (sys_errno == EMFILE)
		e = err_hint(e,
			     "stepdump's own limit of open files is reached: raise it (ulimit -n)");
	if (sys_errno == EFBIG)
		e = err_hint(e,
			     "stepdump's own file size limit is in the way: raise it (ulimit -f)");
	return e;
}

struct err *err_wrap(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return NULL;
	va_start(ap, fmt);
	AUTO_FREE char *context = xvasprintf(fmt, ap);
	va_end(ap);

	char *msg = xasprintf("%s: %s", context, e->msg);

	free(e->msg);
	e->msg = msg;
	return e;
}

struct err *err_hint(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return NULL;
	free(e->hint);
	va_start(ap, fmt);
	e->hint = xvasprintf(fmt, ap);
	va_end(ap);
	return e;
}

struct err *err_cause_only(struct err *e, const char *cause)
{
	if (!e)
		return NULL;
	free(e->cause);
	free(e->evidence);
	e->cause = xstrdup(cause);
	e->evidence = NULL;
	return e;
}

struct err *err_cause(struct err *e, const char *cause, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return NULL;
	e = err_cause_only(e, cause);
	va_start(ap, fmt);
	e->evidence = xvasprintf(fmt, ap);
	va_end(ap);
	return e;
}

struct err *err_code(struct err *e, enum err_code code)
{
	if (e)
		e->code = code;
	return e;
}

struct err *err_pid(struct err *e, pid_t pid)
{
	if (e)
		e->pid = pid;
	return e;
}

struct err *err_vaddr(struct err *e, uint64_t vaddr)
{
	if (e) {
		e->vaddr = vaddr;
		e->has_vaddr = true;
	}
	return e;
}

struct err *err_phase(struct err *e, const char *phase)
{
	if (e)
		e->phase = phase;
	return e;
}

struct err *err_as(struct err *e, enum err_code code)
{
	if (e && e->code != ERR_NOMEM)
		e->code = code;
	return e;
}

struct err *err_dup(const struct err *e)
{
	if (!e)
		return NULL;

	struct err *copy = xmemdup(e, sizeof(*e));

	copy->msg = xstrdup(e->msg);
	copy->hint = e->hint ? xstrdup(e->hint) : NULL;
	copy->cause = e->cause ? xstrdup(e->cause) : NULL;
	copy->evidence = e->evidence ? xstrdup(e->evidence) : NULL;
	return copy;
}

void err_free(struct err *e)
{
	if (!e)
		return;
	free(e->msg);
	free(e->hint);
	free(e->cause);
	free(e->evidence);
	free(e);
}

struct err *err_first(struct err *first, struct err *second)
{
	if (!first)
		return second;
	err_free(second);
	return first;
}

const char *err_errno_name(int sys_errno)
{
	static _Thread_local char number[24];
	const char *name = strerrorname_np(sys_errno);

	if (name)
		return name;
	snprintf(number, sizeof(number), "errno %d", sys_errno);
	return number;
}

const char *err_code_name(enum err_code code)
{
	static const char *const names[] = {
		[ERR_SYS] = "system",      [ERR_NOMEM] = "nomem",
		[ERR_USAGE] = "usage",     [ERR_STATE] = "state",
		[ERR_TARGET] = "target",   [ERR_UNSUPPORTED] = "unsupported",
		[ERR_REFUSED] = "refused", [ERR_FORMAT] = "format",
		[ERR_CHECK] = "check",     [ERR_INTERRUPTED] = "interrupted",
		[ERR_HARM] = "harm",
	};

	return (size_t)code < sizeof(names) / sizeof(*names) ? names[code] : "unknown";
}

char *err_text(const struct err *e)
{
	if (!e->sys_errno)
		return xstrdup(e->msg);
	return xasprintf("%s: %s (%s)", e->msg, err_errno_name(e->sys_errno),
			 strerror(e->sys_errno));
}

int err_exit_status(const struct err *e)
{
	if (!e)
		return 0;
	switch (e->code) {
	case ERR_USAGE:
		return 2;
	case ERR_TARGET:
	case ERR_REFUSED:
		return 3;
	case ERR_UNSUPPORTED:
		return 4;
	case ERR_HARM:
		return 5;
	default:
		return 1;
	}
}
