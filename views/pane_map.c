/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The address space: verdicts as glyphs in place. */
#include <stdlib.h>
#include <string.h>

#include "views/pane_impl.h"

#define MAP_WIDTH_MAX 200 /* cells of a row */

/* The runs in address order, for looking up those of one VMA. */
struct run_index {
	Stepdump__VerdictRun **runs;
	size_t nr;
};

static int run_order(const void *a, const void *b)
{
	const Stepdump__VerdictRun *x = *(Stepdump__VerdictRun *const *)a;
	const Stepdump__VerdictRun *y = *(Stepdump__VerdictRun *const *)b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static uint64_t run_end(const Stepdump__VerdictRun *r)
{
	return add_sat(r->start, mul_sat(r->nr_pages, PAGE_BYTES));
}

static struct run_index index_runs(const Stepdump__Snapshot *s)
{
	struct run_index x = { .nr = s->n_runs };

	if (!x.nr)
		return x;
	x.runs = malloc(x.nr * sizeof(*x.runs));
	if (!x.runs)
		abort();
	memcpy(x.runs, s->runs, x.nr * sizeof(*x.runs));
	qsort(x.runs, x.nr, sizeof(*x.runs), run_order);
	return x;
}

/* Index of the first run that reaches beyond `addr`. */
static size_t first_run(const struct run_index *x, uint64_t addr)
{
	size_t low = 0, high = x->nr;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (run_end(x->runs[mid]) <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct map_ctx {
	struct run_index index;
	uint64_t per_cell;
	uint32_t verdicts; /* shown so far */
	bool lazy, mixed, composition, cut, engine;
};

/* Pages of [start, end) into a strip; false if no run says anything about them. */
static bool fill_from_runs(struct map_ctx *m, struct strip *st, uint64_t start, uint64_t end)
{
	bool any = false;

	for (size_t i = first_run(&m->index, start); i < m->index.nr; i++) {
		const Stepdump__VerdictRun *r = m->index.runs[i];

		if (r->start >= end)
			break;
		if (!r->nr_pages)
			continue;
		strip_fill(st, r->start / PAGE_BYTES, r->nr_pages, verdict_tone(r->verdict, r->lazy),
			   (char32_t)verdict_glyph(r->verdict, r->lazy));
		if ((unsigned)r->verdict <= STEPDUMP__VERDICT__SHARED)
			m->verdicts |= 1u << r->verdict;
		m->lazy |= r->lazy && r->verdict == STEPDUMP__VERDICT__DUMP;
		any = true;
	}
	for (unsigned i = 0; i < st->width; i++)
		m->mixed |= st->cells[i].ch == U'%';
	return any;
}

static void mark_engine(struct paint *p, struct map_ctx *m, const struct strip *st, unsigned col)
{
	const Stepdump__Cursor *c = p->s->cursor;

	if (!c || !c->has_scan_vaddr || c->phase < STEPDUMP__PHASE__PMC_FILL ||
	    c->phase > STEPDUMP__PHASE__XFER)
		return;

	uint64_t page = c->scan_vaddr / PAGE_BYTES;

	if (page < st->first || page - st->first >= st->nr_pages)
		return;
	if ((page - st->first) / st->per_cell < st->width) {
		grid_putc(p->g, p->row, col + (unsigned)((page - st->first) / st->per_cell),
			  TONE_ENGINE, U'>');
		m->engine = true;
	}
}

/* No runs, but counts: the shares are known, the places are not. */
static void draw_composition(struct paint *p, struct map_ctx *m, const Stepdump__Vma *v,
			     unsigned width, unsigned col)
{
	uint64_t parts[STEPDUMP__VERDICT__SHARED + 1];
	unsigned columns[STEPDUMP__VERDICT__SHARED + 1], at = col + 1;

	for (int k = 0; k <= STEPDUMP__VERDICT__SHARED; k++)
		parts[k] = count_of(v->counts, v->n_counts, (Stepdump__Verdict)k);
	share_columns(parts, STEPDUMP__VERDICT__SHARED + 1, width, columns);
	grid_putc(p->g, p->row, col, TONE_DIM, U'(');
	for (int k = 1; k <= STEPDUMP__VERDICT__SHARED + 1; k++) {
		Stepdump__Verdict verdict = (Stepdump__Verdict)(k % (STEPDUMP__VERDICT__SHARED + 1));

		for (unsigned n = columns[verdict]; n; n--)
			grid_putc(p->g, p->row, at++, verdict_tone(verdict, false),
				  (char32_t)verdict_glyph(verdict, false));
	}
	grid_putc(p->g, p->row, at, TONE_DIM, U')');
	m->verdicts |= verdicts_of(v->counts, v->n_counts);
	m->composition = true;
}

static void draw_vma_strip(struct paint *p, unsigned col, unsigned width, const void *item,
			   void *ctx)
{
	const Stepdump__Vma *v = item;
	struct map_ctx *m = ctx;
	struct strip st;

	if (!v) {
		grid_puts(p->g, p->row, col, TONE_HEAD, "pages");
		return;
	}

	uint64_t pages = span_pages(v->start, v->end);
	bool cut = (pages + m->per_cell - 1) / m->per_cell > width - 2;

	/* Two columns for the brackets of a composition, or the mark of a cut row. */
	strip_init(&st, v->start / PAGE_BYTES, pages, m->per_cell, width - 2);
	if (fill_from_runs(m, &st, v->start, v->end) || !verdicts_of(v->counts, v->n_counts)) {
		strip_draw(p, &st, col + 1, TONE_UNSCANNED, U'_');
		for (unsigned i = 0; i < st.width; i++)
			if (!st.cells[i].ch)
				m->verdicts |= 1u << STEPDUMP__VERDICT__NOT_SCANNED;
		mark_engine(p, m, &st, col + 1);
	} else {
		draw_composition(p, m, v, st.width, col);
	}
	if (cut) {
		grid_putc(p->g, p->row, col + width - 1, TONE_WARN, U'+');
		m->cut = true;
	}
}

static int size_order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x > y ? -1 : x < y;
}

/*
 * One scale for all rows.  A reservation of a terabyte would turn everything else into one
 * cell, so that a few sizes far above all others do not count: their rows are cut.
 */
static uint64_t longest_that_counts(const Stepdump__Snapshot *s)
{
	uint64_t *sizes = malloc(s->n_vmas * sizeof(*sizes)), longest;
	size_t i = 0;

	if (!sizes)
		abort();
	for (size_t k = 0; k < s->n_vmas; k++)
		sizes[k] = span_pages(s->vmas[k]->start, s->vmas[k]->end);
	qsort(sizes, s->n_vmas, sizeof(*sizes), size_order);
	while (i + 1 < s->n_vmas && i <= s->n_vmas / 8 && sizes[i] / 16 > sizes[i + 1])
		i++;
	longest = sizes[i];
	free(sizes);
	return longest;
}

static void map_legend(struct paint *p, const struct map_ctx *m)
{
	struct legend more[5];
	unsigned nr = 0;

	if (m->lazy)
		more[nr++] = (struct legend){ TONE_LAZY, U'L', "to pipe, lazy restore allowed" };
	if (m->mixed)
		more[nr++] = (struct legend){ TONE_MIXED, U'%', "mixed cell" };
	if (m->engine)
		more[nr++] = (struct legend){ TONE_ENGINE, U'>', "engine is here" };
	if (m->cut)
		more[nr++] = (struct legend){ TONE_WARN, U'+', "row is cut, VMA goes on" };
	if (m->composition)
		more[nr++] = (struct legend){ TONE_DIM, U'(', ") shares only, not places" };
	paint_verdict_legend(p, m->verdicts, more, nr);
}

static void paint_map(struct paint *p, struct map_ctx *m)
{
	unsigned strip = p->g->cols > 46 ? p->g->cols - 42 : 8;
	const struct column columns[] = {
		{ "start", .right = true },
		{ "size", .right = true },
		{ "prot", .drop = 2 },
		{ "kind", .drop = 1, .min = 8 },
		{ "", .min = 10, .grow = MAP_WIDTH_MAX, .draw = draw_vma_strip, .ctx = m },
	};
	struct table *t = TABLE_NEW(columns);

	m->per_cell = strip_scale(longest_that_counts(p->s), strip < STRIP_MAX ? strip : STRIP_MAX);
	for (size_t i = 0; i < p->s->n_vmas; i++) {
		const Stepdump__Vma *v = p->s->vmas[i];

		table_row(t, v, at_vma(p->s, v));
		table_cell(t, TONE_ADDR, "%s", txt_addr(p, v->start).s);
		table_cell(t, TONE_NORMAL, "%s", txt_pages(span_pages(v->start, v->end)).s);
		table_cell(t, TONE_NORMAL, "%s", v->prot);
		table_cell(t, TONE_KEY, "%s", v->kind);
	}
	paint_line(p, TONE_NORMAL, "%zu VMAs, one row each, in address order   1 cell = %s",
		   p->s->n_vmas, txt_pages(m->per_cell).s);
	table_end(t, p, "none");
	map_legend(p, m);
}

/* One VMA over as many rows as it needs, up to a screenful. */
static void paint_zoom(struct paint *p, struct map_ctx *m, const Stepdump__Vma *v)
{
	unsigned width = 64, max_rows = 32;
	uint64_t pages = span_pages(v->start, v->end);

	while (width > 8 && width + 20 > p->g->cols)
		width /= 2;
	m->per_cell = strip_scale(pages, width * max_rows);

	uint64_t per_row = m->per_cell * width;

	paint_line(p, TONE_NORMAL, "VMA %u %s %s %s   1 cell = %s, 1 row = %s", v->index, v->kind,
		   v->prot, txt_pages(pages).s, txt_pages(m->per_cell).s, txt_pages(per_row).s);
	for (uint64_t first = 0; first < pages; first += per_row) {
		uint64_t start = v->start + first * PAGE_BYTES;
		uint64_t nr = pages - first < per_row ? pages - first : per_row;
		struct txt addr = txt_addr(p, start);
		struct strip st;

		strip_init(&st, start / PAGE_BYTES, nr, m->per_cell, width);
		fill_from_runs(m, &st, start, start + nr * PAGE_BYTES);
		for (unsigned i = 0; i < st.width; i++)
			if (!st.cells[i].ch)
				m->verdicts |= 1u << STEPDUMP__VERDICT__NOT_SCANNED;
		grid_puts(p->g, p->row, strlen(addr.s) < 16 ? 16 - (unsigned)strlen(addr.s) : 0,
			  TONE_ADDR, addr.s);
		strip_draw(p, &st, 18, TONE_UNSCANNED, U'_');
		mark_engine(p, m, &st, 18);
		p->row++;
	}
	map_legend(p, m);
}

void pane_map(const Stepdump__Snapshot *s, const struct pane_opts *o, struct grid *g)
{
	struct paint p = paint_begin(s, o, g);
	struct map_ctx m = { .index = index_runs(s) };

	paint_title(&p, "map");
	if (!s->n_vmas) {
		paint_prose(&p, 1, TONE_DIM, "no VMAs: no target is attached");
	} else if (o->index < 0) {
		paint_map(&p, &m);
	} else {
		const Stepdump__Vma *v =
			o->index <= UINT32_MAX ? vma_by_index(s, (uint32_t)o->index) : NULL;

		if (v)
			paint_zoom(&p, &m, v);
		else
			paint_line(&p, TONE_WARN, "no VMA %ld here", o->index);
	}
	free(m.index.runs);
}

/* Presence, dirtiness and verdict above each other: the third row follows from the first two. */
static void paint_page_strips(struct paint *p, struct map_ctx *m, uint64_t start, uint64_t end)
{
	enum { COL = 12 };
	unsigned width = p->g->cols > COL + 8 ? p->g->cols - COL - 1 : 8;
	uint64_t first = start / PAGE_BYTES, nr = span_pages(start, end);
	struct strip present, dirty, verdict;
	bool flags = false;

	m->per_cell = strip_scale(nr, width < STRIP_MAX ? width : STRIP_MAX);
	strip_init(&present, first, nr, m->per_cell, width);
	strip_init(&dirty, first, nr, m->per_cell, width);
	strip_init(&verdict, first, nr, m->per_cell, width);
	for (size_t i = 0; i < m->index.nr; i++) {
		const Stepdump__VerdictRun *r = m->index.runs[i];

		flags |= r->has_present || r->has_dirty;
		strip_fill(&present, r->start / PAGE_BYTES, r->nr_pages,
			   r->present ? TONE_NORMAL : TONE_ABSENT, r->present ? U'p' : U'.');
		strip_fill(&dirty, r->start / PAGE_BYTES, r->nr_pages,
			   r->dirty ? TONE_CHANGED : TONE_ABSENT, r->dirty ? U'd' : U'.');
	}
	fill_from_runs(m, &verdict, start, end);
	grid_puts(p->g, p->row, 1, TONE_DIM, "page");
	strip_axis(p, &verdict, COL, first);
	if (flags) {
		grid_puts(p->g, p->row, 1, TONE_DIM, "present");
		strip_draw(p, &present, COL, TONE_UNSCANNED, U'_');
		p->row++;
		grid_puts(p->g, p->row, 1, TONE_DIM, "dirty");
		strip_draw(p, &dirty, COL, TONE_UNSCANNED, U'_');
		p->row++;
	}
	grid_puts(p->g, p->row, 1, TONE_DIM, "verdict");
	strip_draw(p, &verdict, COL, TONE_UNSCANNED, U'_');
	mark_engine(p, m, &verdict, COL);
	p->row++;
}

static void paint_runs(struct paint *p, const struct run_index *x)
{
	const struct column columns[] = {
		{ "start", .right = true },
		{ "end", .right = true, .drop = 3 },
		{ "pages", .right = true },
		{ "size", .right = true, .drop = 1 },
		{ .head = "verdict" },
		{ "present", .drop = 4 },
		{ "dirty", .drop = 2 },
	};
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < x->nr; i++) {
		const Stepdump__VerdictRun *r = x->runs[i];

		table_row(t, r, false);
		table_cell(t, TONE_ADDR, "%s", txt_addr(p, r->start).s);
		table_cell(t, TONE_ADDR, "%s", txt_addr(p, run_end(r)).s);
		table_cell(t, TONE_NORMAL, "%lu", r->nr_pages);
		table_cell(t, TONE_NORMAL, "%s", txt_pages(r->nr_pages).s);
		table_cell(t, verdict_tone(r->verdict, r->lazy), "%c %s%s",
			   verdict_glyph(r->verdict, r->lazy),
			   txt_enum(&stepdump__verdict__descriptor, r->verdict).s,
			   r->lazy ? ", lazy" : "");
		table_cell(t, TONE_NORMAL, "%s", !r->has_present ? "-" : r->present ? "yes" : "no");
		table_cell(t, TONE_NORMAL, "%s", !r->has_dirty ? "-" : r->dirty ? "yes" : "no");
	}
	table_end(t, p, "none");
}

void pane_pages(const Stepdump__Snapshot *s, const struct pane_opts *o, struct grid *g)
{
	struct paint p = paint_begin(s, o, g);
	struct map_ctx m = { .index = index_runs(s) };
	uint64_t end = 0, pages = 0;

	paint_title(&p, "pages");
	if (!m.index.nr) {
		paint_prose(&p, 1, TONE_DIM, "no page of this range is known: not scanned yet, or "
					     "outside of every VMA");
		return;
	}
	for (size_t i = 0; i < m.index.nr; i++) {
		end = run_end(m.index.runs[i]) > end ? run_end(m.index.runs[i]) : end;
		pages = add_sat(pages, m.index.runs[i]->nr_pages);
	}

	uint64_t start = m.index.runs[0]->start;

	paint_line(&p, TONE_NORMAL, "%s-%s   %lu pages %s in %zu runs", txt_addr(&p, start).s,
		   txt_addr(&p, end).s, pages, txt_pages(pages).s, m.index.nr);
	/* A whole address space is mostly nothing: on one axis, nothing else would show. */
	if (pages >= span_pages(start, end) / 2) {
		paint_page_strips(&p, &m, start, end);
		map_legend(&p, &m);
		if (m.per_cell > 1)
			paint_line(&p, TONE_DIM, "1 cell = %lu pages", m.per_cell);
		paint_blank(&p);
	}
	paint_runs(&p, &m.index);
	free(m.index.runs);
}
