/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The report of `plan`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "proto/verdict.h"
#include "views/pane_impl.h"
#include "views/reports.h"

#define ROWS 12u /* mappings that are shown without -v */

static const Stepdump__Snapshot no_session = STEPDUMP__SNAPSHOT__INIT;

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void plan_title(struct paint *p, const char *about)
{
	unsigned col = grid_puts(p->g, p->row, 1, TONE_TITLE, "PLAN") + 2;

	if (col < p->g->cols)
		paint_cut(p, col, p->g->cols - col, TONE_KEY, false, about);
	p->row++;
	paint_rule(p);
}

static void plan_heads(struct paint *p, const Stepdump__PlanReport *r)
{
	const Stepdump__PlanTask *t = r->tasks[0];
	AUTO_FREE char *about = NULL;

	if (r->n_tasks == 1)
		about = xasprintf("%s %s, %s: %u mapping%s, %u thread%s, %s resident",
				  txt_pid(p, t->pid).s, t->comm ?: "", r->state, t->nr_vmas,
				  plural(t->nr_vmas), t->threads, plural(t->threads),
				  txt_size(t->rss_bytes).s);
	else
		about = xasprintf("%s %s and %zu more, %s", txt_pid(p, t->pid).s, t->comm ?: "",
				  r->n_tasks - 1, r->state);
	plan_title(p, about);
	if (r->selection)
		paint_field(p, "selected", TONE_WARN, "%s: a dump takes all others, too",
			    r->selection);
}

static void plan_size(struct paint *p, const Stepdump__PlanReport *r)
{
	paint_field(p, "to be dumped", TONE_TITLE, "%lu page%s, %s, by a %s", r->pages,
		    plural(r->pages), txt_size(r->bytes).s, r->mode);
	if (r->has_pages_hole)
		paint_field(p, "", TONE_NORMAL, "%lu page%s left to the parent (holes)",
			    r->pages_hole, plural(r->pages_hole));
	if (r->has_shared_pages)
		paint_field(p, "", TONE_NORMAL, "%lu of them in %zu shared object%s",
			    r->shared_pages, r->n_shmem, plural(r->n_shmem));
	for (size_t i = 0; i < r->n_shmem; i++)
		if (r->shmem[i]->error)
			paint_field(p, "", TONE_WARN, "%s %lu is %s", r->shmem[i]->kind,
				    r->shmem[i]->shmid, r->shmem[i]->error);
	paint_field(p, "page-pipe", TONE_NORMAL, "%u chunk%s, %lu pipe%s, %lu ppb%s, %lu iov%s",
		    r->chunks, plural(r->chunks), r->pipes, plural(r->pipes), r->ppbs,
		    plural(r->ppbs), r->iovs, plural(r->iovs));
	if (r->has_free_bytes)
		paint_field(p, "images", r->fits ? TONE_NORMAL : TONE_BAD,
			    "about %s; %s free in %s%s", txt_size(r->image_bytes).s,
			    txt_size(r->free_bytes).s, p->o->relative ? "DIR" : r->dir,
			    r->fits ? "" : ": that is not enough");
}

static void plan_frozen(struct paint *p, const Stepdump__PlanTime *t)
{
	const struct column columns[] = {
		{ .head = "for" },
		{ "number", .right = true },
		{ "each", .right = true },
		{ "in all", .right = true },
	};
	struct table *table;

	if (!t)
		return;
	paint_field(p, "frozen", TONE_TITLE, "about %s, %s", txt_took(p, t->frozen_us).s,
		    t->until ?: "if it is committed at once");
	paint_field(p, "", TONE_DIM, "%s", p->o->relative ? "measured now" : t->how);
	table = TABLE_NEW(columns);
	for (size_t i = 0; i < t->n_costs; i++) {
		const Stepdump__PlanCost *c = t->costs[i];

		table_row(table, c, false);
		table_cell(table, TONE_KEY, "%s", !strcmp(c->what, "fixed") ? "any dump" : c->what);
		table_cell(table, TONE_NORMAL, "%lu", c->count);
		table_cell(table, TONE_NORMAL, p->o->relative ? "-" : "%.2f us", c->each_us);
		table_cell(table, TONE_NORMAL, "%s", txt_took(p, (uint64_t)c->us).s);
	}
	table_end(table, p, "");
	paint_blank(p);
}

/* "about " if not all pages were read. */
static const char *about(const Stepdump__PlanContent *c)
{
	return c->read < c->pages ? "about " : "";
}

static uint64_t scaled(const Stepdump__PlanContent *c, uint64_t n)
{
	return c->read ? (uint64_t)((double)n * (double)c->pages / (double)c->read) : 0;
}

static void plan_content(struct paint *p, const Stepdump__PlanContent *c)
{
	if (!c || (!c->read && !c->swapped && !c->unreadable))
		return;
	paint_field(p, "content", TONE_DIM, "%lu of %lu pages were read: %s", c->read, c->pages,
		    c->method);
	if (c->zero)
		paint_field(p, "zeros", TONE_WARN, "%s%lu page%s, %s: dumped in full anyway",
			    about(c), scaled(c, c->zero), plural(c->zero),
			    txt_pages(scaled(c, c->zero)).s);
	else
		paint_field(p, "zeros", TONE_NORMAL, "none was seen");
	if (c->duplicate)
		paint_field(p, "duplicates", TONE_NORMAL, "%s%lu page%s, %s: equal to another one",
			    c->read < c->pages ? "at least " : "", c->duplicate,
			    plural(c->duplicate), txt_pages(c->duplicate).s);
	else
		paint_field(p, "duplicates", TONE_NORMAL, "none was seen");
	if (c->swapped)
		paint_field(p, "not read", TONE_NORMAL, "%lu page%s that are swapped out",
			    c->swapped, plural(c->swapped));
	if (c->unreadable)
		paint_field(p, "unreadable", TONE_WARN, "%lu page%s", c->unreadable,
			    plural(c->unreadable));
}

static void plan_sharing(struct paint *p, const Stepdump__PlanSharing *s)
{
	if (!s)
		return;
	paint_field(p, "in common", s->written_again ? TONE_WARN : TONE_NORMAL,
		    "%lu page%s since a fork, by %s: %s are written again%s%s", s->pages,
		    plural(s->pages), !strcmp(s->method, "pfn") ? "page frame" : "content",
		    txt_pages(s->written_again).s, s->limits ? "; " : "", s->limits ?: "");
}

static void plan_rate(struct paint *p, const Stepdump__PlanRate *rate)
{
	if (!rate)
		return;
	for (size_t i = 0; i < rate->n_intervals; i++)
		paint_field(p, i ? "" : "written", TONE_NORMAL, "%lu page%s within %s",
			    rate->intervals[i]->pages, plural(rate->intervals[i]->pages),
			    txt_took(p, rate->intervals[i]->us).s);
	if (rate->new_pages)
		paint_field(p, "", TONE_NORMAL, "and %lu new one%s", rate->new_pages,
			    plural(rate->new_pages));
	if (!p->o->relative)
		paint_field(p, "rate", TONE_TITLE, "%.0f pages/s, %s/s (by %s)", rate->pages_per_s,
			    txt_pages((uint64_t)rate->pages_per_s).s, rate->method);
	paint_field(p, "", TONE_DIM, "%s", rate->limits);
}

static void plan_iterations(struct paint *p, const Stepdump__PlanReport *r)
{
	const struct column columns[] = {
		{ .head = "pre-dumps", .right = true },
		{ "left to dump", .right = true },
		{ "frozen in it", .right = true },
		{ "saves", .right = true },
		{ "written in all", .right = true, .drop = 1 },
	};
	struct table *t;

	if (!r->n_iterations)
		return;
	paint_blank(p);
	t = TABLE_NEW(columns);
	for (size_t i = 0; i < r->n_iterations; i++) {
		const Stepdump__PlanIteration *o = r->iterations[i];

		table_row(t, o, false);
		table_cell(t, o->pre_dumps <= r->pays_until ? TONE_KEY : TONE_DIM, "%u",
			   o->pre_dumps);
		table_cell(t, TONE_NORMAL, "%s", txt_pages(o->pages).s);
		table_cell(t, TONE_NORMAL, "%s", txt_took(p, o->frozen_us).s);
		table_cell(t, TONE_NORMAL, "%s",
			   !o->has_saves_us ? "-" :
			   o->saves_us > 0  ? txt_took(p, (uint64_t)o->saves_us).s :
					      "nothing");
		table_cell(t, TONE_NORMAL, "%s", txt_pages(o->pages_in_all).s);
	}
	table_end(t, p, "");
	paint_line(p, TONE_NORMAL,
		   r->pays_until ? "beyond %u pre-dump%s, less than 10%% is saved" :
				   "a pre-dump would save less than 10%%",
		   r->pays_until, plural(r->pays_until));
	paint_line(p, TONE_DIM,
		   "within less than the shortest interval pages count as written evenly, which is "
		   "the least there can be");
}

static void plan_left_out(struct paint *p, const Stepdump__PlanReport *r)
{
	const struct column columns[] = {
		{ .head = "resident, not dumped", .min = 20 },
		{ "size", .right = true },
		{ "who has it", .min = 20, .prose = true },
	};
	struct table *t;

	if (!r->n_left_out)
		return;
	paint_blank(p);
	t = TABLE_NEW(columns);
	for (size_t i = 0; i < r->n_left_out; i++) {
		table_row(t, r->left_out[i], false);
		table_cell(t, TONE_NORMAL, "%s", r->left_out[i]->reason);
		table_cell(t, TONE_NORMAL, "%s", txt_size(r->left_out[i]->bytes).s);
		table_cell(t, TONE_DIM, "%s", r->left_out[i]->who_has_it);
	}
	table_end(t, p, "");
}

static void plan_verdicts(struct paint *p, const Stepdump__PlanReport *r)
{
	const struct column columns[] = {
		{ .head = "" },
		{ .head = "verdict" },
		{ "pages", .right = true },
		{ "size", .right = true },
	};
	struct table *t = TABLE_NEW(columns);

	paint_blank(p);
	for (Stepdump__Verdict v = 1; v <= STEPDUMP__VERDICT__SHARED; v++) {
		uint64_t pages = 0;

		for (size_t i = 0; i < r->n_tasks; i++)
			pages += count_of(r->tasks[i]->counts, r->tasks[i]->n_counts, v);
		if (!pages)
			continue;
		table_row(t, NULL, false);
		table_cell(t, verdict_tone(v, false), "%c", verdict_glyph(v, false));
		table_cell(t, verdict_tone(v, false), "%s", verdict_name(v));
		table_cell(t, TONE_NORMAL, "%lu", pages);
		table_cell(t, TONE_NORMAL, "%s", txt_pages(pages).s);
	}
	table_end(t, p, "nothing is mapped");
}

/* ---- mappings ------------------------------------------------------------------------------------- */

static int most_pages_first(const void *a, const void *b)
{
	const Stepdump__PlanVma *x = *(Stepdump__PlanVma *const *)a,
				*y = *(Stepdump__PlanVma *const *)b;

	if (x->pages_dumped != y->pages_dumped)
		return x->pages_dumped < y->pages_dumped ? 1 : -1;
	return x->index < y->index ? -1 : 1;
}

static int by_address(const void *a, const void *b)
{
	const Stepdump__PlanVma *x = *(Stepdump__PlanVma *const *)a,
				*y = *(Stepdump__PlanVma *const *)b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static void percent_cell(struct table *t, uint64_t n, uint64_t of, bool known)
{
	if (!known || !of)
		table_cell(t, TONE_DIM, "-");
	else
		table_cell(t, n ? TONE_WARN : TONE_DIM, "%lu%%", (n * 100 + of - 1) / of);
}

/* "#4096 z30 .200": how many pages have which verdict. */
static char *vma_verdicts(const Stepdump__PlanVma *v)
{
	char *text = xstrdup("");

	for (size_t i = 0; i < v->n_counts; i++) {
		char *longer =
			xasprintf("%s%s%c%lu", text, i ? " " : "",
				  verdict_glyph(v->counts[i]->verdict, false), v->counts[i]->pages);

		free(text);
		text = longer;
	}
	return text;
}

static void plan_vmas(struct paint *p, const Stepdump__PlanTask *task, bool rate)
{
	const struct column columns[] = {
		{ .head = "vma", .right = true },
		{ .head = "start", .drop = 2 },
		{ .head = "prot", .drop = 1 },
		{ "pages", .right = true },
		{ "size", .right = true },
		{ "zero", .right = true },
		{ "equal", .right = true, .drop = 3 },
		{ "written", .right = true },
		{ "kind", .min = 8, .grow = 40 },
		{ "verdicts", .min = 12, .prose = true }, /* with -v */
	};
	unsigned nr_columns = sizeof(columns) / sizeof(*columns) - !p->o->verbose;
	AUTO_FREE Stepdump__PlanVma **v = xcalloc(task->n_vmas ?: 1, sizeof(*v));
	struct table *t = table_new(columns, nr_columns);
	size_t nr = 0, shown;

	for (size_t i = 0; i < task->n_vmas; i++)
		if (task->vmas[i]->pages_dumped || p->o->verbose)
			v[nr++] = task->vmas[i];
	vec_sort(v, nr, most_pages_first);
	shown = p->o->verbose || nr < ROWS ? nr : ROWS;
	vec_sort(v, shown, by_address);
	for (size_t i = 0; i < shown; i++) {
		const Stepdump__PlanContent *c = v[i]->content;

		table_row(t, v[i], false);
		table_cell(t, TONE_KEY, "%u", v[i]->index);
		table_cell(t, TONE_ADDR, "%s", txt_addr(p, v[i]->start).s);
		table_cell(t, TONE_NORMAL, "%s", v[i]->prot);
		table_cell(t, TONE_NORMAL, "%lu", v[i]->pages_dumped);
		table_cell(t, TONE_NORMAL, "%s", txt_pages(v[i]->pages_dumped).s);
		percent_cell(t, c ? c->zero : 0, c ? c->read : 0, c);
		percent_cell(t, c ? c->duplicate : 0, c ? c->read : 0, c);
		percent_cell(t, v[i]->written, c ? c->read : 0, c && rate);
		table_cell(t, TONE_NORMAL, "%s%s%s", v[i]->kind, v[i]->name ? " " : "",
			   v[i]->name ?: "");
		if (p->o->verbose) {
			AUTO_FREE char *verdicts = vma_verdicts(v[i]);

			table_cell(t, TONE_NORMAL, "%s", verdicts);
		}
	}
	table_end(t, p, "no mapping has pages to be dumped");
	if (shown < nr)
		paint_line(p, TONE_DIM, "the %zu largest of %zu: plan -v shows all", shown, nr);
}

static void plan_tasks(struct paint *p, const Stepdump__PlanReport *r)
{
	for (size_t i = 0; i < r->n_tasks; i++) {
		const Stepdump__PlanTask *t = r->tasks[i];

		paint_blank(p);
		if (r->n_tasks > 1)
			paint_line(p, TONE_TITLE, "task %zu: %s %s, %lu pages, %s", i,
				   txt_pid(p, t->pid).s, t->comm ?: "", t->pages_dumped,
				   txt_pages(t->pages_dumped).s);
		plan_vmas(p, t, r->rate && !strcmp(r->rate->method, "content"));
	}
}

void report_plan(const Stepdump__PlanReport *r, const struct pane_opts *o, struct grid *g)
{
	struct paint p = paint_begin(&no_session, o, g);

	plan_heads(&p, r);
	plan_size(&p, r);
	plan_frozen(&p, r->time);
	plan_content(&p, r->content);
	plan_sharing(&p, r->sharing);
	plan_rate(&p, r->rate);
	for (size_t i = 0; i < r->n_notes; i++)
		paint_field(&p, i ? "" : "note", TONE_WARN, "%s", r->notes[i]);
	plan_iterations(&p, r);
	plan_verdicts(&p, r);
	plan_left_out(&p, r);
	plan_tasks(&p, r);
}
