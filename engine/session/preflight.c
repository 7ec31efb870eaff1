/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/session/preflight.h"

#include <string.h>

#include "base/cleanup.h"
#include "engine/diagnose/causes.h"
#include "engine/diagnose/check.h"
#include "engine/session/diagnose.h"

static bool stands_in_the_way(const Stepdump__CheckFinding *f)
{
	return !strcmp(f->cause->severity, severity_name(SEV_FAIL)) ||
	       !strcmp(f->cause->severity, severity_name(SEV_HARM));
}

/* ERR_REFUSED for the first finding that stands in the way: in a report the worst come first. */
static struct err *refuse(const char *what, pid_t pid, const Stepdump__CheckReport *r)
{
	for (size_t i = 0; i < r->n_tasks; i++)
		for (size_t j = 0; j < r->tasks[i]->n_findings; j++) {
			const Stepdump__CheckFinding *f = r->tasks[i]->findings[j];

			if (!stands_in_the_way(f))
				continue;
			return err_cause(
				err_hint(err_new(ERR_REFUSED, "%s %d: CRIU would fail: %s", what,
						 (int)r->tasks[i]->pid, f->cause->title),
					 "`set preflight warn` goes on nevertheless"),
				f->cause->name, "%s", f->evidence);
		}
	return NULL;
}

struct err *preflight_attach(struct session *s, pid_t pid, bool tree)
{
	Stepdump__CheckReport *r;

	if (s->opts.preflight != PREFLIGHT_REFUSE)
		return NULL;
	TRY(check_run(&s->caps, tree ? CHECK_TREE : CHECK_ONE, pid, &r));

	struct err *e = refuse("attach", pid, r);

	stepdump__check_report__free_unpacked(r, NULL);
	return e;
}

void preflight_look_early(struct session *s)
{
	if (s->opts.preflight == PREFLIGHT_WARN)
		err_free(session_check_early(s, &s->early_checked)); /* looked at inside, then */
}

void preflight_keep_early(struct session *s)
{
	Stepdump__CheckReport *r = TAKE_PTR(s->early_checked);
	bool same = r && s->nr_tasks == r->n_tasks;

	for (size_t i = 0; i < s->nr_tasks && same; i++)
		same = s->t[i].vmas_are_early;
	if (same)
		s->checked = r;
	else if (r)
		stepdump__check_report__free_unpacked(r, NULL);
}

const Stepdump__CheckReport *session_checked(struct session *s)
{
	if (s->opts.preflight == PREFLIGHT_OFF || !attached(s))
		return NULL;
	if (!s->checked)
		err_free(session_check_target(
			s, &s->checked)); /* attach and commit succeed without it */
	return s->checked;
}

struct err *preflight_commit(struct session *s)
{
	const Stepdump__CheckReport *r =
		s->opts.preflight == PREFLIGHT_REFUSE ? session_checked(s) : NULL;

	return r ? refuse("commit", s->t[0].pid, r) : NULL;
}

void preflight_forget(struct session *s)
{
	if (s->checked)
		stepdump__check_report__free_unpacked(TAKE_PTR(s->checked), NULL);
}
