/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/session/plan.h"

#include <stdlib.h>

#include "base/vec.h"
#include "engine/plan/plan.h"
#include "engine/proc/proc.h"
#include "engine/session/session_priv.h"

/* Tasks that are looked at while they run. */
struct looked {
	struct target *t;
	size_t nr;
};

static void looked_deinit(struct looked *l)
{
	for (size_t i = 0; i < l->nr; i++)
		err_free(target_release(&l->t[i]));
	free(l->t);
}

/* A descendant that ends meanwhile, or is a zombie, is left out. */
static struct err *look_at(struct looked *l, pid_t pid, int parent, bool tree)
{
	struct target *t = vec_push(l->t, l->nr);
	size_t index = l->nr - 1;
	struct err *e = target_look(t, pid);

	if (e) {
		l->nr--;
		if (parent < 0 || e->code != ERR_TARGET)
			return e;
		err_free(e);
		return NULL;
	}
	t->parent = parent;

	struct proc_children c = { 0 };

	if (tree)
		err_free(proc_read_children(pid, &c));
	for (size_t i = 0; i < c.nr && !e; i++)
		e = look_at(l, c.pid[i], (int)index, true);
	proc_children_deinit(&c);
	return e;
}

struct err *session_plan(struct session *s, pid_t pid, bool tree, const struct plan_request *req,
			 Stepdump__PlanReport **ret)
{
	const struct plan_env env = { .opts = &s->opts,
				      .caps = &s->caps,
				      .keeper = s->keeper,
				      .trackers = &s->trackers,
				      .interrupted = &s->interrupted };
	struct looked l = { 0 };

	s->interrupted = 0;
	if (!pid && !attached(s))
		return err_hint(err_new(ERR_STATE, "plan: no target is attached"), "`plan PID`");
	if (!pid || (attached(s) && pid == s->t[0].pid))
		return plan_make(&env, s->t, s->nr_tasks, !s->d.thawed, req, ret);

	struct err *e = look_at(&l, pid, -1, tree);

	if (!e)
		e = plan_make(&env, l.t, l.nr, false, req, ret);
	looked_deinit(&l);
	return e;
}
