/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/pages_summed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "proto/message.h"
#include "proto/report.pb-c.h"
#include "proto/verdict.h"
#include "shell/cmd.h"
#include "shell/mem_walk.h"

#define PAGE 4096u
#define PAGES_MAX (16u << 20) /* that are kept in mind: 384 MiB of sums */
#define TWINS_MAX 30u         /* shown */
#define BEGIN 16u

struct page_sum {
	uint64_t a, b; /* of the contents */
	uint64_t vaddr;
};

struct summed {
	struct mem_walk w;
	Stepdump__PagesReport *r;
	bool by_file;
	struct page_sum *sum;
	size_t nr;
};

static const char *vma_label(const Stepdump__Vma *v)
{
	return v->name && *v->name ? v->name : v->kind;
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static Stepdump__PagesRow *summed_row(struct summed *s, const Stepdump__Vma *v)
{
	Stepdump__PagesReport *r = s->r;

	for (size_t i = 0; s->by_file && i < r->n_rows; i++)
		if (!strcmp(r->rows[i]->name, vma_label(v)))
			return r->rows[i];

	Stepdump__PagesRow *o = msg_push(&r->rows, &r->n_rows, sizeof(*o));

	stepdump__pages_row__init(o);
	o->name = xstrdup(vma_label(v));
	if (!s->by_file) {
		SET(o, start, v->start);
		SET(o, end, v->end);
		o->prot = xstrdup(v->prot);
	}
	return o;
}

static void summed_run(void *arg, const Stepdump__VerdictRun *run, uint64_t nr_pages)
{
	struct summed *s = arg;
	Stepdump__PagesRow *o = s->by_file ? summed_row(s, s->w.vma) : s->r->rows[s->r->n_rows - 1];

	if (mem_walk_is_file(s->w.vma, run))
		o->file += nr_pages;
	else if (run->verdict == VD(HOLE))
		o->holes += nr_pages;
	else if (run->verdict == VD(SHARED) || s->w.vma->prot[3] == 's')
		o->shared += nr_pages;
	else
		o->data += nr_pages;
}

static int by_size(const void *a, const void *b)
{
	const Stepdump__PagesRow *const *x = a, *const *y = b;
	uint64_t n = (*x)->data + (*x)->shared, m = (*y)->data + (*y)->shared;

	return n != m ? (n < m) - (n > m) :
			((*x)->mapped < (*y)->mapped) - ((*x)->mapped > (*y)->mapped);
}

/* A row for each mapping, also of those of which nothing is stored. */
static struct err *summed_sizes(struct summed *s)
{
	struct snap_request req = { .parts = SNAP_VMAS };
	Stepdump__Snapshot *snap;
	struct err *e = NULL;

	s->w.files = true;
	s->w.run = summed_run;
	TRY(shell_snap(s->w.sh, &req, &snap));
	for (size_t i = 0; i < snap->n_vmas && !e; i++) {
		const Stepdump__Vma *v = snap->vmas[i];
		Stepdump__PagesRow *o = summed_row(s, v);

		o->vmas++;
		o->mapped += (v->end - v->start) / PAGE;
		s->w.vma_index = v->index;
		e = mem_walk(&s->w);
	}
	shell_snap_free(s->w.sh, snap);
	if (s->by_file)
		vec_sort(s->r->rows, s->r->n_rows, by_size);
	return e;
}

/* ---- duplicates ------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 29;
	return x;
}

/* 128 bits that differ for all practical purposes; nobody is to be kept from making equal ones. */
static struct page_sum sum_of(const uint8_t *p, uint64_t vaddr)
{
	struct page_sum s = { 0x9e3779b97f4a7c15u, 0xc2b2ae3d27d4eb4fu, vaddr };

	for (size_t i = 0; i < PAGE; i += 8) {
		uint64_t v;

		memcpy(&v, p + i, sizeof(v));
		s.a = mix(s.a ^ v) + i;
		s.b = (s.b ^ mix(v + i)) * 0x100000001b3u;
	}
	return s;
}

static bool is_zero(const uint8_t *p)
{
	return !p[0] && !memcmp(p, p + 1, PAGE - 1);
}

static void summed_block(void *arg, uint64_t at, const uint8_t *data, size_t len)
{
	struct summed *s = arg;

	for (size_t i = 0; i + PAGE <= len; i += PAGE) {
		s->r->read++;
		if (is_zero(data + i)) {
			s->r->zero++;
		} else if (s->nr == PAGES_MAX) {
			SET(s->r, more, true);
			s->w.stop = true;
		} else {
			s->sum = vec_room(s->sum, s->nr, sizeof(*s->sum));
			s->sum[s->nr++] = sum_of(data + i, at + i);
		}
	}
}

static int by_sum(const void *a, const void *b)
{
	const struct page_sum *x = a, *y = b;

	if (x->a != y->a)
		return x->a < y->a ? -1 : 1;
	if (x->b != y->b)
		return x->b < y->b ? -1 : 1;
	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

static int by_number(const void *a, const void *b)
{
	const Stepdump__PagesTwins *const *x = a, *const *y = b;

	if ((*x)->pages != (*y)->pages)
		return (*x)->pages < (*y)->pages ? 1 : -1;
	return (*x)->vaddr < (*y)->vaddr ? -1 : 1;
}

/* Keeps the most frequent ones. */
static void add_twins(struct summed *s, uint64_t pages, uint64_t vaddr)
{
	Stepdump__PagesReport *r = s->r;
	Stepdump__PagesTwins *t;

	if (r->n_twins == TWINS_MAX) {
		if (r->twins[TWINS_MAX - 1]->pages >= pages)
			return;
		t = r->twins[TWINS_MAX - 1];
	} else {
		t = msg_push(&r->twins, &r->n_twins, sizeof(*t));
		stepdump__pages_twins__init(t);
	}
	t->pages = pages;
	t->vaddr = vaddr;
	vec_sort(r->twins, r->n_twins, by_number);
}

/* The name of its mapping, and what it begins with. */
static struct err *describe(struct summed *s, const Stepdump__Snapshot *vmas,
			    Stepdump__PagesTwins *t)
{
	struct snap_request req = { .parts = SNAP_PEEK,
				    .peek = { .vaddr = t->vaddr, .len = PAGE } };
	Stepdump__Snapshot *snap;
	size_t at = 0;

	for (size_t i = 0; i < vmas->n_vmas && !t->name; i++)
		if (vmas->vmas[i]->start <= t->vaddr && t->vaddr < vmas->vmas[i]->end)
			t->name = xstrdup(vma_label(vmas->vmas[i]));
	if (!t->name)
		t->name = xstrdup("");
	TRY(shell_snap(s->w.sh, &req, &snap));

	const Stepdump__Peek *p = snap->n_peeks ? snap->peeks[0] : NULL;

	while (p && at + BEGIN < p->data.len && !p->data.data[at])
		at++;
	if (p && p->data.len >= at + BEGIN) {
		t->has_begin = true;
		t->begin.len = BEGIN;
		t->begin.data = xmemdup(p->data.data + at, BEGIN);
	}
	shell_snap_free(s->w.sh, snap);
	return NULL;
}

static struct err *summed_duplicates(struct summed *s)
{
	struct snap_request req = { .parts = SNAP_VMAS };
	Stepdump__Snapshot *vmas;
	struct err *e = NULL;

	s->w.block = summed_block;
	s->r->has_read = s->r->has_zero = true;
	TRY(mem_walk(&s->w));
	SET(s->r, unreadable, s->w.unreadable / PAGE);
	vec_sort(s->sum, s->nr, by_sum);
	s->r->has_distinct = true;
	for (size_t i = 0, n; i < s->nr; i += n) {
		for (n = 1; i + n < s->nr && s->sum[i].a == s->sum[i + n].a &&
			    s->sum[i].b == s->sum[i + n].b;)
			n++;
		s->r->distinct++;
		if (n > 1)
			add_twins(s, n, s->sum[i].vaddr);
	}
	TRY(shell_snap(s->w.sh, &req, &vmas));
	for (size_t i = 0; i < s->r->n_twins && !e; i++)
		e = describe(s, vmas, s->r->twins[i]);
	shell_snap_free(s->w.sh, vmas);
	return e;
}

/* ---- output ----------------------------------------------------------------------------------- */

static void print_rows(const struct summed *s, struct out *o)
{
	Stepdump__PagesRow all = STEPDUMP__PAGES_ROW__INIT;

	out_printf(o, "%10s %10s %10s %10s %10s  %s\n", "mapped", "data", "shared", "holes", "file",
		   s->by_file ? "vmas  name" : "VMA");
	for (size_t i = 0; i < s->r->n_rows; i++) {
		const Stepdump__PagesRow *r = s->r->rows[i];

		out_printf(o, "%10lu %10lu %10lu %10lu %10lu  ", r->mapped, r->data, r->shared,
			   r->holes, r->file);
		if (s->by_file)
			out_printf(o, "%4u  %s\n", r->vmas, r->name);
		else
			out_printf(o, "%012lx-%012lx %s %s\n", r->start, r->end, r->prot, r->name);
		all.mapped += r->mapped;
		all.data += r->data;
		all.shared += r->shared;
		all.holes += r->holes;
		all.file += r->file;
	}
	out_printf(o, "%10lu %10lu %10lu %10lu %10lu  pages in all\n", all.mapped, all.data,
		   all.shared, all.holes, all.file);
}

static void print_twins(const struct summed *s, struct out *o)
{
	const Stepdump__PagesReport *r = s->r;

	if (r->n_twins)
		out_printf(o, "%8s  %-12s  %-24s  %s\n", "pages", "the first", "of", "begins with");
	for (size_t i = 0; i < r->n_twins; i++) {
		const Stepdump__PagesTwins *t = r->twins[i];

		out_printf(o, "%8lu  %012lx  %-24.24s  ", t->pages, t->vaddr, t->name);
		for (size_t k = 0; k < t->begin.len; k++)
			out_printf(o, "%02x%s", t->begin.data[k], k % 4 == 3 ? " " : "");
		out_printf(o, "\n");
	}
	out_printf(o, "%lu pages read: %lu zero, %lu different contents, %lu duplicates\n", r->read,
		   r->zero, r->distinct, r->read - r->zero - r->distinct);
	if (r->unreadable)
		out_printf(o, "%lu pages could not be read\n", r->unreadable);
	if (r->more)
		out_printf(o, "there are more pages: no more than %u are compared\n", PAGES_MAX);
}

struct err *show_pages_summed(struct shell *sh, const char *what, struct out *o)
{
	struct summed s = { .w = { .sh = sh, .end = UINT64_MAX, .vma_index = -1 } };
	bool twins = !strcmp(what, "--duplicates");

	s.by_file = !strcmp(what, "--by-file");
	if (!twins && !s.by_file && strcmp(what, "--by-vma"))
		return err_hint(err_new(ERR_USAGE, "show pages: unknown option \"%s\"", what),
				"--duplicates, --by-vma or --by-file");
	if (sh->opened && !sh->set)
		return err_new(ERR_STATE, "show pages %s: a snapshot does not hold the pages",
			       what);
	s.w.arg = &s;
	s.r = xzalloc(sizeof(*s.r));
	stepdump__pages_report__init(s.r);

	struct err *e = twins ? summed_duplicates(&s) : summed_sizes(&s);

	if (!e) {
		out_message(o, &s.r->base);
		if (!o->json && twins)
			print_twins(&s, o);
		else if (!o->json)
			print_rows(&s, o);
	}
	for (size_t i = 0; i < s.r->n_twins; i++)
		if (!s.r->twins[i]->name)
			s.r->twins[i]->name = xstrdup(""); /* it was not described */
	stepdump__pages_report__free_unpacked(s.r, NULL);
	free(s.sum);
	return e;
}
