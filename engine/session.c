/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A session: the target, and the run of the pipeline over it.  Running is in run.c, looking in
 * snap*.c. */
#include "engine/session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/session_priv.h"

struct err *session_create(struct session **ret)
{
	struct session *s = calloc(1, sizeof(*s));
	struct err *e;

	if (!s)
		return err_nomem();
	opts_init(&s->opts);
	s->t.pagemap_fd = -1;
	e = keeper_start(&s->keeper);
	if (!e)
		e = caps_probe(&s->caps);
	if (e) {
		e = err_first(e, keeper_stop(s->keeper));
		opts_deinit(&s->opts);
		free(s);
		return e;
	}
	*ret = s;
	return NULL;
}

struct err *session_destroy(struct session *s)
{
	struct err *e = NULL;

	if (!s)
		return NULL;
	if (s->attached)
		e = session_detach(s);
	e = err_first(e, keeper_stop(s->keeper));
	brk_list_deinit(&s->breaks);
	opts_deinit(&s->opts);
	free(s->error.msg);
	free(s->error.hint);
	free(s);
	return e;
}

void session_interrupt(struct session *s)
{
	s->interrupted = 1;
}

void session_event(struct session *s, phase_t phase, const char *fmt, ...)
{
	struct event *ev = &s->events[s->nr_events % NR_EVENTS];
	va_list ap;

	ev->seq = ++s->nr_events;
	ev->t_us = s->t_attach_us ? now_us() - s->t_attach_us : 0;
	ev->phase = phase;
	va_start(ap, fmt);
	vsnprintf(ev->text, sizeof(ev->text), fmt, ap);
	va_end(ap);
}

struct err *session_keep_error(struct session *s, struct err *e)
{
	if (!e)
		return NULL;
	free(s->error.msg);
	free(s->error.hint);
	s->has_error = true;
	s->error.code = e->code;
	s->error.sys_errno = e->sys_errno;
	s->error.pid = e->pid;
	s->error.has_vaddr = e->has_vaddr;
	s->error.vaddr = e->vaddr;
	s->error.phase = e->phase;
	s->error.msg = strdup(e->msg);
	s->error.hint = e->hint ? strdup(e->hint) : NULL;
	return e;
}

/* ---- target ---------------------------------------------------------------------------- */

static struct err *need_no_target(const struct session *s)
{
	if (!s->attached)
		return NULL;
	return err_hint(err_new(ERR_STATE, "attach: process %d is attached already", s->t.pid),
			"`detach` first");
}

static struct err *need_target(const struct session *s)
{
	return s->attached ? NULL :
			     err_hint(err_new(ERR_STATE, "no target is attached"), "`attach PID`");
}

struct err *session_attach(struct session *s, pid_t pid)
{
	char *note = NULL;

	TRY(need_no_target(s));
	s->t_attach_us = now_us();
	struct err *e = target_attach(&s->t, s->keeper, pid, &note);

	if (e)
		return session_keep_error(s, err_wrap(e, "attach %d", pid));
	s->attached = true;
	s->gone = false;
	s->has_error = false;
	s->last = (struct unit){ .phase = PH(READY) };
	s->units_done = s->stopped_at = 0;
	dump_init(&s->d, &s->t, s->keeper, &s->opts, &s->caps);
	session_event(s, PH(READY), "attached %d: %zu threads, %zu VMAs, frozen in %.1f ms", pid,
		      s->t.task.nr_threads, s->t.vmas.nr, (double)s->t.task.freezing_us / 1000);
	if (note)
		session_event(s, PH(READY), "removed what an earlier dumper left: %s", note);
	free(note);
	return NULL;
}

/* In the child: becomes the program, or says why not. */
static void exec_program(char *const argv[], int report)
{
	int null = open("/dev/null", O_RDONLY);

	setsid();
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	for (int sig = 1; sig < 32; sig++)
		signal(sig, SIG_DFL);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(argv[0], argv);

	int why = errno;

	if (write(report, &why, sizeof(why)) < 0)
		_exit(126);
	_exit(127);
}

struct err *session_launch(struct session *s, char *const argv[], pid_t *pid_ret)
{
	int p[2], why;

	TRY(need_no_target(s));
	if (pipe2(p, O_CLOEXEC))
		return err_sys(errno, "start %s", argv[0]);

	pid_t pid = fork();

	if (pid < 0) {
		why = errno;
		close(p[0]);
		close(p[1]);
		return err_sys(why, "start %s", argv[0]);
	}
	if (pid == 0) {
		close(p[0]);
		exec_program(argv, p[1]);
	}
	close(p[1]);

	/* The write end closes at a successful exec. */
	ssize_t n = read(p[0], &why, sizeof(why));

	close(p[0]);
	if (n > 0) {
		struct err *e = err_sys(why, "start %s", argv[0]);

		return err_hint(e, "the first word after -- is a program: a path, or found in PATH");
	}
	*pid_ret = pid;
	TRY(session_attach(s, pid));
	s->t.started_by_us = true;
	return NULL;
}

struct err *session_detach(struct session *s)
{
	TRY(need_target(s));

	bool gone = session_target_gone(s);

	if (s->opts.leave_stopped && !gone)
		kill(s->t.pid, SIGSTOP);

	struct err *e = dump_undo(&s->d);

	e = err_first(e, target_release(&s->t));
	dump_deinit(&s->d);
	s->attached = false;
	s->last = (struct unit){ .phase = PH(READY) };
	if (gone) { /* nothing was left to put back */
		err_free(e);
		return NULL;
	}
	return session_keep_error(s, err_wrap(e, "detach"));
}

struct err *session_kill(struct session *s)
{
	TRY(need_target(s));

	pid_t pid = s->t.pid;

	if (kill(pid, SIGKILL) && errno != ESRCH)
		return err_sys(errno, "kill %d", pid);
	s->gone = true;
	return session_detach(s);
}

struct err *session_rescue(struct session *s, pid_t pid, char **report_ret)
{
	if (s->attached && s->t.pid == pid)
		return err_hint(err_new(ERR_STATE, "rescue %d: it is attached right now", pid),
				"`detach` puts it back");
	return err_wrap(keeper_rescue(s->keeper, pid, true, report_ret), "rescue %d", pid);
}

/* ---- state ------------------------------------------------------------------------------- */

bool session_has_target(const struct session *s)
{
	return s->attached;
}

bool session_target_gone(struct session *s)
{
	if (s->attached && !s->gone && keeper_task_gone(s->keeper, s->t.pid)) {
		s->gone = true;
		session_event(s, s->d.phase, "target %d died", s->t.pid);
	}
	return s->attached && s->gone;
}

bool session_has_pipeline(const struct session *s)
{
	return s->attached && s->d.phase != PH(READY) && s->d.phase != PH(DONE);
}

bool session_past_gate(const struct session *s)
{
	return s->attached && s->d.committed;
}

pid_t session_pid(const struct session *s)
{
	return s->attached ? s->t.pid : 0;
}

struct opts *session_opts(struct session *s)
{
	return &s->opts;
}

void session_position(const struct session *s, char *buf, size_t len)
{
	const struct dump *d = &s->d;

	if (!s->attached)
		snprintf(buf, len, "no target");
	else if (s->gone)
		snprintf(buf, len, "gone");
	else if (d->phase == PH(DRAIN) || d->phase == PH(XFER))
		snprintf(buf, len, "%s %u/%u", phase_name(d->phase), d->ppb, d->pp.nr_ppbs);
	else
		snprintf(buf, len, "%s", phase_name(d->phase));
}

void session_state_clause(struct session *s, char *buf, size_t len)
{
	if (!s->attached)
		snprintf(buf, len, "no target is attached");
	else if (session_target_gone(s))
		snprintf(buf, len, "target %d is gone; nothing was published%s", s->t.pid,
			 s->d.committed ? " after the last commit" : "");
	else if (s->t.infected)
		snprintf(buf, len, "target %d is frozen, with the parasite in it; detach, abort and quit "
			 "put it back", s->t.pid);
	else
		snprintf(buf, len, "target %d is frozen, otherwise as we found it", s->t.pid);
}

/* ---- breakpoints --------------------------------------------------------------------------- */

struct err *session_break(struct session *s, const char *where, bool temporary,
			  unsigned *number_ret)
{
	return brk_add(&s->breaks, where, temporary, number_ret);
}

struct err *session_delete_break(struct session *s, unsigned number)
{
	return brk_delete(&s->breaks, number);
}
