/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A walk over the pages that would be dumped, as often as needed. */
#include "engine/plan/plan_priv.h"

struct err *plan_go_on(const struct plan *p)
{
	return p->env->interrupted && *p->env->interrupted ?
		       err_new(ERR_INTERRUPTED, "the plan is not complete") :
		       NULL;
}

static struct err *each_run_of(struct plan *p, size_t task,
			       void (*fn)(const struct plan_run *run, void *arg), void *arg)
{
	const struct task_dump *td = &p->d.task[task];
	struct page_run run;
	struct pmc pmc;
	struct err *e;

	TRY(pmc_init(&pmc, td->t->pagemap_fd, p->env->caps, p->opts.pmc, p->opts.pmc_cache));
	pmc.extra = td->pmc.extra;

	struct page_walk w = { .pmc = &pmc, .vmas = &td->t->vmas, .end = UINT64_MAX };

	while (!(e = page_walk_next(&w, &run)) && run.vma) {
		struct plan_run pr = { task, (size_t)(run.vma - td->t->vmas.v), run.start, run.end,
				       dump_verdict(td, run.vma, run.categories) };

		if (verdict_is_data(pr.verdict))
			fn(&pr, arg);
		if ((e = plan_go_on(p)))
			break;
	}
	pmc_deinit(&pmc);
	return e;
}

struct err *plan_each_run(struct plan *p, void (*fn)(const struct plan_run *run, void *arg),
			  void *arg)
{
	for (size_t i = 0; i < p->nr; i++)
		TRY(each_run_of(p, i, fn, arg));
	return NULL;
}
