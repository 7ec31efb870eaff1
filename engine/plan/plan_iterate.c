/* SPDX-License-Identifier: GPL-3.0-or-later */
/* When do further pre-dumps stop paying?  From the rate of writes and the cost of a page. */
#include <string.h>

#include "engine/plan/plan_priv.h"

#define PRE_DUMPS_MAX 8u
#define PAYS 0.1 /* of the freeze: a pre-dump that saves less is not worth it */

static double cost_of(const Stepdump__PlanTime *t, const char *what)
{
	for (size_t i = 0; i < t->n_costs; i++)
		if (!strcmp(t->costs[i]->what, what))
			return t->costs[i]->each_us;
	return 0;
}

/*
 * Pages written within `us`: between the intervals that were measured, in proportion; below the
 * shortest one as if pages were written evenly, which is the least there can be; beyond the longest
 * one on as in its last part.
 */
static double written_within(const Stepdump__PlanRate *rate, double us, double most)
{
	double t0 = 0, n0 = 0, slope = 0;

	for (size_t i = 0; i < rate->n_intervals; i++) {
		double t = (double)rate->intervals[i]->us, n = (double)rate->intervals[i]->pages;

		if (t <= t0)
			continue;
		if (n < n0)
			n = n0; /* a page changed back looks unwritten later */
		slope = (n - n0) / (t - t0);
		if (us <= t)
			break;
		t0 = t;
		n0 = n;
	}

	double n = n0 + slope * (us - t0);

	return n < most ? n : most;
}

void plan_iterate(struct plan *p)
{
	Stepdump__PlanReport *r = p->r;

	if (!r->rate || !r->time || !r->pages)
		return;

	double page_us = cost_of(r->time, "page"), left = (double)r->pages, all = left, pass = 0;
	double fixed = (double)r->time->frozen_us - page_us * left, before = 0;

	if (fixed < 0)
		fixed = 0;
	for (unsigned i = 0; i <= PRE_DUMPS_MAX; i++) {
		Stepdump__PlanIteration *o = MSG_PUSH(r, iterations, plan_iteration);
		double frozen = fixed + page_us * left;

		o->pre_dumps = i;
		o->pages = (uint64_t)left;
		o->frozen_us = (uint64_t)frozen;
		o->pages_in_all = (uint64_t)all;
		if (i) {
			SET(o, saves_us, (int64_t)(before - frozen));
			SET(o, pass_us, (uint64_t)pass);
			if (before - frozen < PAYS * before)
				break;
			r->pays_until = i;
		}
		r->has_pays_until = true;
		/* The next one transfers what is left while the target writes on. */
		pass = fixed + page_us * left;
		left = written_within(r->rate, pass, (double)r->pages);
		all += left;
		before = frozen;
	}
}
