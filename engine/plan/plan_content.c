/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is in the pages: zeros, duplicates, and which change within a few seconds.  A bounded number of
 * pages, evenly spread, is read through /proc/PID/mem: once for the content, and again and again for
 * the rate.  Checksums are kept, not bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/vec.h"
#include "engine/plan/plan_priv.h"

struct sample {
	uint32_t task, vma;
	uint64_t addr;
	uint64_t hash; /* at the beginning */
	bool read;
};

struct samples {
	struct plan *p;
	struct sample *v; /* by task and address */
	size_t nr;
	uint64_t step;    /* every step-th page is read */
	uint64_t pages;   /* that could be read, in all */
	uint64_t swapped; /* that are not */
};

bool page_is_zero(const void *page)
{
	static const char zero[PAGE_BYTES_MAX];

	return !memcmp(page, zero, PAGE_BYTES);
}

/* Four lanes, so that a core is as fast as its memory.  It is not a cryptographic checksum. */
uint64_t page_hash(const void *page)
{
	const uint64_t prime = 0x9e3779b97f4a7c15ull;
	uint64_t lane[4] = { 1, 2, 3, 4 }, h = 0;
	const uint64_t *w = page;

	if (page_is_zero(page))
		return 0;
	for (size_t i = 0; i < PAGE_BYTES / sizeof(*w); i += 4)
		for (size_t k = 0; k < 4; k++) {
			lane[k] = (lane[k] ^ w[i + k]) * prime;
			lane[k] ^= lane[k] >> 29;
		}
	for (size_t k = 0; k < 4; k++)
		h = (h ^ lane[k]) * prime;
	h ^= h >> 32;
	return h ?: 1;
}

/* ---- which pages ---------------------------------------------------------------------------------- */

static void count_run(const struct plan_run *run, void *arg)
{
	struct samples *s = arg;
	uint64_t pages = (run->end - run->start) / PAGE_BYTES;

	if (run->verdict == VD(DUMP_SWAPPED))
		s->swapped += pages;
	else
		s->pages += pages;
}

static void sample_run(const struct plan_run *run, void *arg)
{
	struct samples *s = arg;

	if (run->verdict == VD(DUMP_SWAPPED))
		return;
	/* The count goes on from run to run, so that small runs get their share. */
	uint64_t first = (s->step - s->pages % s->step) % s->step;

	for (uint64_t at = run->start + first * PAGE_BYTES; at < run->end;
	     at += s->step * PAGE_BYTES)
		*vec_push(s->v, s->nr) = (struct sample){ .task = (uint32_t)run->task,
							  .vma = (uint32_t)run->vma,
							  .addr = at };
	s->pages += (run->end - run->start) / PAGE_BYTES;
}

static struct err *samples_take(struct samples *s)
{
	uint64_t most = s->p->req->read_bytes / PAGE_BYTES;

	TRY(plan_each_run(s->p, count_run, s));
	if (!s->pages || !most)
		return NULL;
	s->step = (s->pages + most - 1) / most;
	s->pages = 0;
	return plan_each_run(s->p, sample_run, s);
}

/* ---- reading them --------------------------------------------------------------------------------- */

#define BATCH 64u /* neighbours that are read at once */

/* Calls fn with the bytes of each; NULL: it cannot be read. */
static struct err *samples_read(struct samples *s,
				void (*fn)(struct sample *one, const void *page, void *arg),
				void *arg)
{
	AUTO_FREE char *buf = xcalloc(BATCH, PAGE_BYTES);

	for (size_t i = 0, n; i < s->nr; i += n) {
		int fd = s->p->t[s->v[i].task].task.mem_fd;

		for (n = 1; n < BATCH && i + n < s->nr && s->v[i + n].task == s->v[i].task &&
			    s->v[i + n].addr == s->v[i].addr + n * PAGE_BYTES;
		     n++)
			;

		ssize_t got = RETRY(pread(fd, buf, n * PAGE_BYTES, (off_t)s->v[i].addr));
		size_t whole = got > 0 ? (size_t)got / PAGE_BYTES : 0;

		if (whole < n)
			n = whole + 1; /* this page cannot be read: go on behind it */
		for (size_t k = 0; k < n; k++)
			fn(&s->v[i + k], k < whole ? buf + k * PAGE_BYTES : NULL, arg);
		TRY(plan_go_on(s->p));
	}
	return NULL;
}

/* ---- content -------------------------------------------------------------------------------------- */

static Stepdump__PlanVma *row_of(const struct samples *s, const struct sample *one)
{
	return s->p->r->tasks[one->task]->vmas[one->vma];
}

static Stepdump__PlanContent *content_of(Stepdump__PlanContent **c)
{
	if (!*c)
		*c = MSG_NEW(Stepdump__PlanContent, plan_content);
	return *c;
}

static void first_look(struct sample *one, const void *page, void *arg)
{
	struct samples *s = arg;
	Stepdump__PlanContent *all = content_of(&s->p->r->content);
	Stepdump__PlanContent *row = content_of(&row_of(s, one)->content);

	if (!page) {
		SET(all, unreadable, all->unreadable + 1);
		return;
	}
	one->read = true;
	one->hash = page_hash(page);
	all->read++;
	row->read++;
	all->zero += !one->hash;
	row->zero += !one->hash;
}

static int by_hash(const void *a, const void *b)
{
	const struct sample *x = *(struct sample *const *)a, *y = *(struct sample *const *)b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x < y ? -1 : x > y; /* the first of equals is the original */
}

static void count_duplicates(struct samples *s)
{
	AUTO_FREE struct sample **v = xcalloc(s->nr ?: 1, sizeof(*v));
	size_t nr = 0;

	for (size_t i = 0; i < s->nr; i++)
		if (s->v[i].read && s->v[i].hash)
			v[nr++] = &s->v[i];
	vec_sort(v, nr, by_hash);
	for (size_t i = 1; i < nr; i++)
		if (v[i]->hash == v[i - 1]->hash) {
			s->p->r->content->duplicate++;
			row_of(s, v[i])->content->duplicate++;
		}
}

static struct err *look_at_content(struct samples *s)
{
	Stepdump__PlanReport *r = s->p->r;
	Stepdump__PlanContent *all = content_of(&r->content);

	TRY(samples_read(s, first_look, s));
	count_duplicates(s);
	all->pages = s->pages;
	if (s->swapped)
		SET(all, swapped, s->swapped);
	all->method = s->step > 1 ? xasprintf("one in %lu, through /proc/PID/mem", s->step) :
				    xstrdup("all, through /proc/PID/mem");
	for (size_t i = 0; i < r->n_tasks; i++)
		for (size_t k = 0; k < r->tasks[i]->n_vmas; k++)
			if (r->tasks[i]->vmas[k]->content)
				r->tasks[i]->vmas[k]->content->pages =
					r->tasks[i]->vmas[k]->pages_dumped;
	return NULL;
}

/* ---- rate ----------------------------------------------------------------------------------------- */

struct round {
	struct samples *s;
	uint64_t changed;
	bool last;
};

static void look_again(struct sample *one, const void *page, void *arg)
{
	struct round *r = arg;

	if (!one->read || (page && page_hash(page) == one->hash))
		return;
	r->changed++;
	if (r->last)
		SET(row_of(r->s, one), written, row_of(r->s, one)->written + 1);
}

/* Sleeps until `when`, or until the operator asks to stop. */
static struct err *wait_until(const struct plan *p, uint64_t when)
{
	for (uint64_t now; (now = now_us()) < when;) {
		uint64_t left = when - now < 50000 ? when - now : 50000;

		TRY(plan_go_on(p));
		nanosleep(&(struct timespec){ .tv_nsec = (long)left * 1000 }, NULL);
	}
	return NULL;
}

static void put_interval(Stepdump__PlanRate *rate, uint64_t us, uint64_t pages)
{
	Stepdump__PlanInterval *i = MSG_PUSH(rate, intervals, plan_interval);

	i->us = us;
	i->pages = pages;
}

static Stepdump__PlanRate *new_rate(struct plan *p, const char *method, const char *limits)
{
	Stepdump__PlanRate *rate = MSG_NEW(Stepdump__PlanRate, plan_rate);

	p->r->rate = rate;
	rate->method = xstrdup(method);
	rate->limits = xstrdup(limits);
	return rate;
}

/* How many pages have changed after 1/16, 1/8, ... of the interval.  begun: when they were read first. */
static struct err *rate_by_content(struct samples *s, uint64_t begun)
{
	struct plan *p = s->p;
	uint64_t whole = p->req->interval_ms * 1000ull;
	Stepdump__PlanRate *rate = new_rate(
		p, "content",
		"checksums of the pages that were read: what is written with the same bytes, or "
		"changed back, does not show; nor do pages that are swapped out");
	struct samples after = { .p = p };

	for (int shift = 4; shift >= 0; shift--) {
		struct round r = { .s = s, .last = shift == 0 };
		uint64_t t0;

		TRY(wait_until(p, begun + (whole >> shift)));
		t0 = now_us();
		TRY(samples_read(s, look_again, &r));
		/* The time between two readings of a page is that between the two passes. */
		put_interval(rate, t0 - begun, r.changed * s->step);
	}
	TRY(plan_each_run(p, count_run, &after));
	SET(rate, new_pages, after.pages > s->pages ? after.pages - s->pages : 0);
	return NULL;
}

/* Pages that trackers armed at an earlier attach saw written; 0: not all tasks have one. */
static struct err *rate_by_tracker(struct plan *p, bool *ret)
{
	uint64_t dirty = 0, now, since = UINT64_MAX;
	const char *kind = NULL;

	*ret = false;
	TRY(uptime_us(&now));
	for (size_t i = 0; i < p->nr; i++) {
		const struct tracker *t = tracker_table_find(p->env->trackers, &p->t[i]);
		uint64_t n, total;

		if (!t || !tracker_armed(t))
			return NULL;
		TRY(tracker_count(t, &p->t[i].vmas, &n, &total));
		dirty += n;
		kind = tracker_kind_name(tracker_kind(t));
		if (now - tracker_reset_uptime_us(t) < since)
			since = now - tracker_reset_uptime_us(t);
	}
	put_interval(
		new_rate(p, kind,
			 "since the last commit of this session; memory that the tracker cannot "
			 "vouch for counts as written"),
		since ?: 1, dirty);
	*ret = true;
	return NULL;
}

static struct err *measure_rate(struct samples *s, uint64_t begun)
{
	struct plan *p = s->p;
	bool known;

	TRY(rate_by_tracker(p, &known));
	/* A stopped process writes nothing, which says nothing of its rate. */
	if (!known && p->req->interval_ms && s->nr && !p->frozen)
		TRY(rate_by_content(s, begun));
	if (!p->r->rate)
		return NULL;

	Stepdump__PlanRate *rate = p->r->rate;
	const Stepdump__PlanInterval *longest = rate->intervals[rate->n_intervals - 1];

	SET(rate, pages_per_s,
	    (double)(longest->pages + rate->new_pages) * 1e6 / (double)longest->us);
	return NULL;
}

struct err *plan_content(struct plan *p)
{
	struct samples s = { .p = p, .step = 1 };
	struct err *e = samples_take(&s);
	uint64_t begun = now_us();

	if (!e)
		e = look_at_content(&s);
	if (!e)
		e = measure_rate(&s, begun);
	free(s.v);
	return e;
}
