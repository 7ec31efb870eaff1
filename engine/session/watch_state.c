/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a session tells of the criu that it watches. */
#include <stdio.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "engine/proc/proc.h"
#include "engine/session/session_priv.h"
#include "engine/session/session_watch.h"

void watch_drop(struct session *s)
{
	watch_release(s->watch);
	s->watch = NULL;
	vma_list_deinit(&s->watch_vmas);
	s->watch_vmas_of = 0;
}

pid_t session_watched(const struct session *s)
{
	return s->watch ? s->watch->t.pid : 0;
}

int session_watch_status(struct session *s, bool wait)
{
	struct watch *w = s->watch;

	/* It is our child: it goes on unwatched to its end, or until a signal ends our waiting. */
	if (w && wait && !w->over && w->t.child) {
		tracee_detach(&w->t);
		w->over = waitpid(w->t.pid, &w->t.status, 0) == w->t.pid;
	}
	return w && w->over ? watch_exit_status(w) : 0;
}

int watch_exit_status(const struct watch *w)
{
	return WIFSIGNALED(w->t.status) ? 128 + WTERMSIG(w->t.status) : WEXITSTATUS(w->t.status);
}

const struct vma_list *watch_vmas(struct session *s, pid_t pid)
{
	if (s->watch_vmas_of == pid)
		return &s->watch_vmas;
	for (size_t i = 0; i < s->watch->nr_tasks; i++) {
		if (s->watch->task[i].pid != pid || !s->watch->task[i].frozen)
			continue;
		vma_list_deinit(&s->watch_vmas);
		s->watch_vmas_of = 0;
		struct err *e = proc_read_vmas(pid, &s->watch_vmas);

		if (!e)
			s->watch_vmas_of = pid;
		err_free(e);
	}
	return s->watch_vmas_of == pid ? &s->watch_vmas : NULL;
}

/* ---- where it is ------------------------------------------------------------------------------------- */

pid_t watch_shown_pid(const struct session *s)
{
	const struct watch *w = s->watch;
	size_t i = s->selected >= 0 ? (size_t)s->selected : w->cur;

	return i < w->nr_tasks && w->task[i].pid ? w->task[i].pid : w->t.pid;
}

void watch_position(const struct session *s, char *buf, size_t len)
{
	const struct watch *w = s->watch;

	if (w->over)
		snprintf(buf, len, "criu ended");
	else if (w->phase == PH(DRAIN) || w->phase == PH(XFER))
		snprintf(buf, len, "criu %s %d", phase_name(w->phase), w->next.ppb);
	else
		snprintf(buf, len, "criu %s", phase_name(w->phase));
}

void watch_state_clause(const struct session *s, char *buf, size_t len)
{
	const struct watch *w = s->watch;
	char frozen[80] = "";

	if (w->t_freeze && !w->frozen_us)
		snprintf(frozen, sizeof(frozen), "; its target has been frozen for %.1f s",
			 (double)(now_us() - w->t_freeze) / 1e6);
	if (w->over)
		snprintf(buf, len, "criu %d has ended with status %d", w->t.pid,
			 watch_exit_status(w));
	else if (w->t.held)
		snprintf(buf, len, "criu %d is held%s; `continue` and `detach` let it go on",
			 w->t.pid, frozen);
	else
		snprintf(buf, len, "criu %d runs on to its next call%s", w->t.pid, frozen);
}

struct err *watch_refuse(const struct session *s, const char *what)
{
	return err_hint(err_new(ERR_STATE, "%s: criu %d is watched, the dump is criu's own", what,
				s->watch->t.pid),
			"`continue` lets it go on watched, `detach` unwatched");
}
