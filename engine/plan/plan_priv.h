/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of engine/plan/ share. */
#ifndef STEPDUMP_PLAN_PRIV_H
#define STEPDUMP_PLAN_PRIV_H

#include "base/cleanup.h"
#include "engine/pages/page_walk.h"
#include "engine/plan/plan.h"
#include "proto/message.h"

struct plan {
	const struct plan_env *env;
	const struct plan_request *req;
	struct opts opts;          /* as set, but for the xfer; strings are borrowed */
	const struct target *from; /* as given */
	struct target *t;          /* shallow copies, with the selected mappings */
	size_t nr;
	bool frozen;
	struct dump d; /* the rehearsal */
	uint64_t iovs;
	Stepdump__PlanReport *r;
};

/* A run of pages that would be dumped. */
struct plan_run {
	size_t task, vma;
	uint64_t start, end;
	verdict_t verdict;
};

/* plan_each.c: calls fn for all of them, in the order of tasks and addresses; reads the page tables again. */
struct err *plan_each_run(struct plan *p, void (*fn)(const struct plan_run *run, void *arg),
			  void *arg);
/* ERR_INTERRUPTED if the operator has asked to stop. */
struct err *plan_go_on(const struct plan *p);

/* plan_select.c: makes p->t from p->from; frees it. */
struct err *plan_select(struct plan *p);
void plan_unselect(struct plan *p);

/* plan_content.c: zero and duplicate pages, and, if an interval was asked for, the rate of writes. */
struct err *plan_content(struct plan *p);
/* Is the page full of zero bytes? */
bool page_is_zero(const void *page);
/* Never 0 but for a page of zeros. */
uint64_t page_hash(const void *page);

/* plan_share.c: pages that several tasks have in common since a fork. */
struct err *plan_sharing(struct plan *p);

/* plan_time.c: predicts the freeze from dumps of a process of our own. */
struct err *plan_time(struct plan *p, const char *dir);

/* plan_iterate.c: what each pre-dump would save, from the rate and the times. */
void plan_iterate(struct plan *p);

#endif
