/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/vec.h"
#include "views/runs.h"

#include <stdlib.h>
#include <string.h>

#include "views/pane_impl.h"

static int run_order(const void *a, const void *b)
{
	const Stepdump__VerdictRun *x = *(Stepdump__VerdictRun *const *)a;
	const Stepdump__VerdictRun *y = *(Stepdump__VerdictRun *const *)b;

	return x->start < y->start ? -1 : x->start > y->start;
}

uint64_t run_end(const Stepdump__VerdictRun *r)
{
	return add_sat(r->start, mul_sat(r->nr_pages, PAGE_BYTES));
}

struct run_index runs_index(const Stepdump__Snapshot *s)
{
	struct run_index x = { .nr = s->n_runs };

	if (!x.nr)
		return x;
	x.runs = xcalloc(x.nr, sizeof(*x.runs));
	memcpy(x.runs, s->runs, x.nr * sizeof(*x.runs));
	runs_sort(&x);
	return x;
}

void runs_sort(struct run_index *x)
{
	bool sorted = true;

	for (size_t i = 1; i < x->nr && sorted; i++)
		sorted = x->runs[i - 1]->start <= x->runs[i]->start;
	if (!sorted)
		vec_sort(x->runs, x->nr, run_order);
}

void runs_deinit(struct run_index *x)
{
	free(x->runs);
	free(x->own);
	*x = (struct run_index){ 0 };
}

size_t runs_first(const struct run_index *x, uint64_t addr)
{
	return vec_first(x->nr, i, run_end(x->runs[i]) > addr);
}

const Stepdump__VerdictRun *runs_at(const struct run_index *x, uint64_t addr)
{
	size_t i = runs_first(x, addr);

	return i < x->nr && x->runs[i]->start <= addr ? x->runs[i] : NULL;
}

uint64_t runs_covered(const struct run_index *x, uint64_t start, uint64_t end)
{
	uint64_t pages = 0;

	for (size_t i = runs_first(x, start); i < x->nr && x->runs[i]->start < end; i++) {
		uint64_t from = x->runs[i]->start, to = run_end(x->runs[i]);

		pages += span_pages(from > start ? from : start, to < end ? to : end);
	}
	return pages;
}

bool runs_fill(const struct run_index *x, struct strip *st, uint64_t start, uint64_t end,
	       struct run_look *look)
{
	bool any = false;

	for (size_t i = runs_first(x, start); i < x->nr; i++) {
		const Stepdump__VerdictRun *r = x->runs[i];

		if (r->start >= end)
			break;
		if (!r->nr_pages)
			continue;
		strip_fill(st, r->start / PAGE_BYTES, r->nr_pages,
			   verdict_tone(r->verdict, r->lazy),
			   (char32_t)verdict_glyph(r->verdict, r->lazy));
		if ((unsigned)r->verdict <= STEPDUMP__VERDICT__SHARED)
			look->verdicts |= 1u << r->verdict;
		look->lazy |= r->lazy && r->verdict == STEPDUMP__VERDICT__DUMP;
		any = true;
	}
	for (unsigned i = 0; i < st->width; i++)
		look->mixed |= st->cells[i].ch == U'%';
	return any;
}

void runs_fill_present(const struct run_index *x, struct strip *st, uint64_t start, uint64_t end)
{
	for (size_t i = runs_first(x, start); i < x->nr && x->runs[i]->start < end; i++) {
		const Stepdump__VerdictRun *r = x->runs[i];

		strip_fill(st, r->start / PAGE_BYTES, r->nr_pages,
			   r->present ? TONE_NORMAL : TONE_ABSENT, r->present ? U'p' : U'.');
	}
}

void runs_fill_dirty(const struct run_index *x, struct strip *st, uint64_t start, uint64_t end)
{
	for (size_t i = runs_first(x, start); i < x->nr && x->runs[i]->start < end; i++) {
		const Stepdump__VerdictRun *r = x->runs[i];

		strip_fill(st, r->start / PAGE_BYTES, r->nr_pages,
			   r->dirty ? TONE_CHANGED : TONE_ABSENT, r->dirty ? U'd' : U'.');
	}
}

int engine_column(const Stepdump__Snapshot *s, const struct strip *st, unsigned col)
{
	const Stepdump__Cursor *c = s->cursor;

	if (!c || !c->has_scan_vaddr || c->phase < STEPDUMP__PHASE__PMC_FILL ||
	    c->phase > STEPDUMP__PHASE__XFER)
		return -1;

	uint64_t page = c->scan_vaddr / PAGE_BYTES;

	if (page < st->first || page - st->first >= st->nr_pages ||
	    (page - st->first) / st->per_cell >= st->width)
		return -1;
	return (int)(col + (page - st->first) / st->per_cell);
}

void draw_composition(struct paint *p, const Stepdump__Vma *v, unsigned col, unsigned width,
		      uint32_t *verdicts)
{
	uint64_t parts[STEPDUMP__VERDICT__SHARED + 1];
	unsigned columns[STEPDUMP__VERDICT__SHARED + 1], at = col + 1;

	for (int k = 0; k <= STEPDUMP__VERDICT__SHARED; k++)
		parts[k] = count_of(v->counts, v->n_counts, (Stepdump__Verdict)k);
	share_columns(parts, STEPDUMP__VERDICT__SHARED + 1, width, columns);
	grid_putc(p->g, p->row, col, TONE_DIM, U'(');
	for (int k = 1; k <= STEPDUMP__VERDICT__SHARED + 1; k++) {
		Stepdump__Verdict verdict =
			(Stepdump__Verdict)(k % (STEPDUMP__VERDICT__SHARED + 1));

		for (unsigned n = columns[verdict]; n; n--)
			grid_putc(p->g, p->row, at++, verdict_tone(verdict, false),
				  (char32_t)verdict_glyph(verdict, false));
	}
	grid_putc(p->g, p->row, at, TONE_DIM, U')');
	*verdicts |= verdicts_of(v->counts, v->n_counts);
}

static int size_order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x > y ? -1 : x < y;
}

/*
 * One scale for all rows.  A reservation of a terabyte would turn everything else into one cell, so
 * a few sizes far above all others do not count: their rows are cut.
 */
uint64_t longest_that_counts(Stepdump__Vma *const *vmas, size_t nr)
{
	AUTO_FREE uint64_t *sizes = xcalloc(nr, sizeof(*sizes));
	size_t i = 0;

	if (!nr)
		return 0;
	for (size_t k = 0; k < nr; k++)
		sizes[k] = span_pages(vmas[k]->start, vmas[k]->end);
	vec_sort(sizes, nr, size_order);
	while (i + 1 < nr && i <= nr / 8 && sizes[i] / 16 > sizes[i + 1])
		i++;
	return sizes[i];
}
