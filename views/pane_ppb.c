/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Page-pipe buffers, iovs and holes: what the engine planned and what the pipes hold. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/pane_impl.h"

bool at_ppb(const Stepdump__Snapshot *s, uint32_t ppb)
{
	const Stepdump__Cursor *c = s->cursor;

	return c && c->next && c->next->has_ppb && c->next->ppb == ppb &&
	       (c->phase == STEPDUMP__PHASE__DRAIN || c->phase == STEPDUMP__PHASE__XFER);
}

char *vma_label(const Stepdump__Snapshot *s, bool has_index, uint32_t index)
{
	const Stepdump__Vma *v = has_index ? vma_by_index(s, index) : NULL;
	const char *name = v && v->name ? v->name : "", *slash = strrchr(name, '/');

	if (slash && slash[1])
		name = slash + 1;
	if (v)
		return xasprintf("%u %s %s%s%s", index, v->kind, v->prot, *name ? " " : "", name);
	return xstrdup(txt_opt(has_index, index).s);
}

static uint64_t pages_in_pipe(const Stepdump__Ppb *b)
{
	if (b->has_in_pipe_bytes)
		return b->in_pipe_bytes / PAGE_BYTES;
	return b->state == STEPDUMP__PPB_STATE__DRAINED ? b->pages_in : 0;
}

static uint64_t pages_sent(const Stepdump__Ppb *b)
{
	if (b->has_pages_sent)
		return b->pages_sent;
	return b->state == STEPDUMP__PPB_STATE__SENT ? b->pages_in : 0;
}

void draw_pipe(struct paint *p, unsigned col, unsigned width, const Stepdump__Ppb *b,
	       uint64_t scale_pages)
{
	uint64_t sent = pages_sent(b), fact = add_sat(sent, pages_in_pipe(b));

	/* Sent is drawn over the fact, the fact over the plan: the visible part of the plan is
	 * missing. */
	paint_bar(p, col, width,
		  b->state == STEPDUMP__PPB_STATE__FAILED ? TONE_BAD : TONE_UNSCANNED, b->pages_in,
		  scale_pages, glyph_plan(p));
	paint_bar(p, col, width, b->lazy ? TONE_LAZY : TONE_DUMP, fact, scale_pages,
		  b->lazy ? U'L' : glyph_full(p));
	paint_bar(p, col, width, TONE_DIM, sent, scale_pages, U'~');
}

bool is_settled(const Stepdump__Snapshot *s)
{
	return s->cursor && s->cursor->settled;
}

const char *no_pipe_words(const Stepdump__Snapshot *s)
{
	const Stepdump__Cursor *c = s->cursor;

	return c && (c->phase > STEPDUMP__PHASE__XFER || c->chunk > 1) ?
		       "none now: earlier chunks are drained and their pipes closed" :
		       "none yet: the first pipe is made when the first page is selected";
}

void pipe_legend(struct paint *p)
{
	const struct legend items[] = {
		{ TONE_DUMP, glyph_full(p), "in the pipe (FIONREAD)" },
		{ TONE_UNSCANNED, glyph_plan(p), "planned (pages_in)" },
		{ TONE_DIM, U'~', "sent on" },
		{ TONE_LAZY, U'L', "in the pipe, lazy" },
	};

	paint_legend(p, items, 4);
}

struct pipe_scale {
	uint64_t pages;
};

static void draw_pipe_cell(struct paint *p, unsigned col, unsigned width, const void *item,
			   void *ctx)
{
	const struct pipe_scale *scale = ctx;
	unsigned inner = width - 2;

	if (!item) {
		grid_puts(p->g, p->row, col + 1, TONE_HEAD, "0");
		if (inner >= 12)
			grid_puts(p->g, p->row, col + 1 + inner / 2 - 1, TONE_HEAD, "50");
		grid_puts(p->g, p->row, col + 1 + inner - 4, TONE_HEAD, "100%");
		return;
	}
	grid_putc(p->g, p->row, col, TONE_DIM, U'[');
	grid_putc(p->g, p->row, col + width - 1, TONE_DIM, U']');
	draw_pipe(p, col + 1, inner, item, scale->pages);
}

static enum tone ppb_state(const Stepdump__Ppb *b, struct txt *text)
{
	uint64_t fact = add_sat(pages_in_pipe(b), pages_sent(b));

	if (b->state != STEPDUMP__PPB_STATE__DRAINED) {
		*text = txt_enum(&stepdump__ppb_state__descriptor, b->state);
		return b->state == STEPDUMP__PPB_STATE__FAILED ? TONE_BAD : TONE_NORMAL;
	}
	if (fact < b->pages_in)
		snprintf(text->s, sizeof(text->s), "short by %lu", b->pages_in - fact);
	else if (fact > b->pages_in)
		snprintf(text->s, sizeof(text->s), "over by %lu", fact - b->pages_in);
	else
		snprintf(text->s, sizeof(text->s), "in pipe");
	return fact == b->pages_in ? TONE_NORMAL : TONE_BAD;
}

static const Stepdump__Ppb *ppb_by_index(const Stepdump__PagePipe *pp, uint32_t index)
{
	for (size_t i = 0; i < pp->n_ppbs; i++)
		if (pp->ppbs[i]->index == index)
			return pp->ppbs[i];
	return NULL;
}

static size_t ppb_place(const Stepdump__PagePipe *pp, const Stepdump__Ppb *b)
{
	size_t i = 0;

	while (pp->ppbs[i] != b)
		i++;
	return i;
}

static bool same_answer(const Stepdump__Ppb *a, const Stepdump__Ppb *b)
{
	return a->pipe_asked == b->pipe_asked && a->pipe_size == b->pipe_size &&
	       !strcmp(a->pipe_refused ?: "", b->pipe_refused ?: "");
}

/* "pipe 0-7: asked for 819 pages, the kernel gave 1024" */
static void paint_pipe_size(struct paint *p, const Stepdump__Ppb *first, const Stepdump__Ppb *last)
{
	char numbers[32];

	if (!first->has_pipe_asked)
		return;
	if (first == last)
		snprintf(numbers, sizeof(numbers), "%u", first->index);
	else
		snprintf(numbers, sizeof(numbers), "%u-%u", first->index, last->index);
	paint_line(p, first->pipe_refused ? TONE_WARN : TONE_DIM,
		   "pipe %s: asked for %u pages, the kernel gave %u%s%s", numbers,
		   first->pipe_asked, first->pipe_size, first->pipe_refused ? ": " : "",
		   first->pipe_refused ?: "");
}

/* One line for neighbours that got the same answer. */
static void paint_pipe_sizes(struct paint *p, const Stepdump__PagePipe *pp)
{
	for (size_t i = 0, next; i < pp->n_ppbs; i = next) {
		for (next = i + 1; next < pp->n_ppbs && same_answer(pp->ppbs[i], pp->ppbs[next]);)
			next++;
		paint_pipe_size(p, pp->ppbs[i], pp->ppbs[next - 1]);
	}
}

void paint_ppb_table(struct paint *p, const Stepdump__PagePipe *pp, size_t first, size_t nr)
{
	struct pipe_scale scale = { 1 };
	const struct column columns[] = {
		{ "ppb", .right = true },
		{ "fds", .drop = 6 },
		{ "pages/capacity", .right = true },
		{ "", .drop = 1, .min = 14, .grow = 42, .draw = draw_pipe_cell, .ctx = &scale },
		{ "iovs", .drop = 2, .right = true },
		{ "flags", .drop = 5 },
		{ .head = "state" },
		{ "drain", .drop = 4, .right = true },
		{ "chunk offset", .drop = 7, .right = true },
	};
	struct table *t = TABLE_NEW(columns);
	uint64_t before = 0;

	/* One scale for all: equal lengths are equal numbers of pages. */
	for (size_t i = 0; i < pp->n_ppbs; i++)
		if (pp->ppbs[i]->pipe_size > scale.pages)
			scale.pages = pp->ppbs[i]->pipe_size;
	for (size_t i = 0; i < pp->n_ppbs; i++) {
		const Stepdump__Ppb *b = pp->ppbs[i];
		struct txt state;
		enum tone tone = ppb_state(b, &state);

		if (i >= first && i - first < nr) {
			table_row(t, b, at_ppb(p->s, b->index));
			table_cell(t, TONE_NORMAL, "%u", b->index);
			if (b->has_fd_read && b->has_fd_write)
				table_cell(t, TONE_NORMAL, "%d,%d", b->fd_read, b->fd_write);
			else
				table_cell(t, TONE_NORMAL, "-");
			table_cell(t, TONE_NORMAL, "%u/%u", b->pages_in, b->pipe_size);
			table_cell(t, TONE_NORMAL, "%s", txt_opt(b->has_nr_segs, b->nr_segs).s);
			table_cell(t, TONE_NORMAL, "%s",
				   b->lazy && b->shares_pipe ? "L+" :
				   b->lazy                   ? "L" :
				   b->shares_pipe            ? "+" :
							       "-");
			table_cell(t, tone, "%s", state.s);
			table_cell(t, TONE_NORMAL, "%s",
				   b->has_drain_us && b->state != STEPDUMP__PPB_STATE__PLANNED ?
					   txt_took(p, b->drain_us).s :
					   "-");
			table_cell(t, TONE_NORMAL, "%lu", before);
		}
		before += b->pages_in;
	}
	table_end(t, p, no_pipe_words(p->s));
}

static void draw_pages_bar(struct paint *p, unsigned col, unsigned width, const void *item,
			   void *ctx)
{
	if (item)
		paint_bar(p, col, width, TONE_DUMP, *(const uint32_t *)item, *(uint64_t *)ctx,
			  glyph_full(p));
}

static void iov_row(struct paint *p, struct table *t, const Stepdump__Ppb *b, size_t number,
		    const Stepdump__Iov *iov)
{
	AUTO_FREE char *vma = vma_label(p->s, iov->has_vma_index, iov->vma_index);

	table_row(t, &iov->nr_pages, false);
	table_cell(t, TONE_NORMAL, "%u", b->index);
	table_cell(t, TONE_DIM, "%zu", number);
	table_cell(t, TONE_ADDR, "%s", txt_addr(p, iov->start).s);
	table_cell(t, TONE_ADDR, "%s", txt_addr(p, iov->start + iov->nr_pages * PAGE_BYTES).s);
	table_cell(t, TONE_NORMAL, "%u", iov->nr_pages);
	table_cell(t, TONE_NORMAL, "%s", txt_pages(iov->nr_pages).s);
	table_cell(t, TONE_NORMAL, "%s", txt_opt(iov->has_pipe_off_pages, iov->pipe_off_pages).s);
	table_cell(t, TONE_NORMAL, "%s", vma);
}

/* Column for the ppb's number only where there are several. */
#define IOV_COLUMNS(several, scale)                                                                \
	{                                                                                          \
		{ "ppb", .right = true, .drop = (several) ? 0 : 9 },                               \
			{ "iov", .right = true, .drop = 3 }, { "start", .right = true },           \
			{ "end", .right = true, .drop = 5 }, { "pages", .right = true },           \
			{ "size", .right = true, .drop = 4 },                                      \
			{ "pipe page", .right = true, .drop = 6 },                                 \
			{ "VMA", .drop = 1, .min = 16 }, { "",                                     \
							   .drop = 7,                              \
							   .min = 8,                               \
							   .grow = 32,                             \
							   .draw = draw_pages_bar,                 \
							   .ctx = (scale) },                       \
	}

static void paint_iov_table(struct paint *p, const Stepdump__PagePipe *pp, int64_t only)
{
	uint64_t longest = 1;
	const struct column columns[] = IOV_COLUMNS(only < 0, &longest);
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < pp->n_ppbs; i++)
		for (size_t k = 0; k < pp->ppbs[i]->n_iovs; k++)
			if (pp->ppbs[i]->iovs[k]->nr_pages > longest)
				longest = pp->ppbs[i]->iovs[k]->nr_pages;
	for (size_t i = 0; i < pp->n_ppbs; i++) {
		const Stepdump__Ppb *b = pp->ppbs[i];

		for (size_t k = 0; (only < 0 || b->index == only) && k < b->n_iovs; k++)
			iov_row(p, t, b, k, b->iovs[k]);
	}
	table_end(t, p, pp->n_ppbs ? "none" : no_pipe_words(p->s));
}

void paint_iov_rows(struct paint *p, const Stepdump__Ppb *b, size_t first, size_t number, size_t nr)
{
	uint64_t longest = 16; /* many iovs of one page each should not be many full bars */
	const struct column columns[] = IOV_COLUMNS(false, &longest);
	struct table *t = TABLE_NEW(columns);
	size_t end = first + nr < b->n_iovs ? first + nr : b->n_iovs;

	for (size_t k = first; k < end; k++)
		if (b->iovs[k]->nr_pages > longest)
			longest = b->iovs[k]->nr_pages;
	for (size_t k = first; k < end; k++)
		iov_row(p, t, b, number + k - first, b->iovs[k]);
	table_end(t, p, "none");
}

static void paint_pipe_summary(struct paint *p, const Stepdump__PagePipe *pp)
{
	char max[32] = "";

	if (pp->has_max_pipes && pp->max_pipes)
		snprintf(max, sizeof(max), " of %u", pp->max_pipes);
	paint_line(p, TONE_NORMAL, "%s%s pipes%s   planned %s pages %s   in pipes %s pages %s",
		   txt_opt(pp->has_nr_pipes, pp->nr_pipes).s, max,
		   pp->chunk_mode ? ", chunk mode" : "",
		   txt_opt(pp->has_pages_planned, pp->pages_planned).s,
		   pp->has_pages_planned ? txt_pages(pp->pages_planned).s : "",
		   txt_opt(pp->has_pages_in_pipes, pp->pages_in_pipes).s,
		   pp->has_pages_in_pipes ? txt_pages(pp->pages_in_pipes).s : "");
}

static const Stepdump__PagePipe *page_pipe(struct paint *p)
{
	if (!p->s->page_pipe)
		paint_prose(p, 1, TONE_DIM, "no page-pipe yet: it is made in prepare");
	return p->s->page_pipe;
}

static const Stepdump__Ppb *chosen_ppb(struct paint *p, const Stepdump__PagePipe *pp)
{
	const Stepdump__Ppb *b = ppb_by_index(pp, (uint32_t)p->o->index);

	if (!b || p->o->index > UINT32_MAX)
		paint_line(p, TONE_WARN, "no ppb %ld here: there are %zu", p->o->index, pp->n_ppbs);
	return p->o->index > UINT32_MAX ? NULL : b;
}

void pane_ppb(struct paint *p)
{
	const struct pane_opts *o = p->o;
	const Stepdump__PagePipe *pp = page_pipe(p);
	const Stepdump__Ppb *one = NULL;

	if (!pp)
		return;
	if (o->index >= 0 && !(one = chosen_ppb(p, pp)))
		return;
	if (!one)
		paint_pipe_summary(p, pp);
	paint_ppb_table(p, pp, one ? ppb_place(pp, one) : 0, one ? 1 : pp->n_ppbs);
	if (!pp->n_ppbs)
		return;
	pipe_legend(p);
	if (!one) {
		paint_pipe_sizes(p, pp);
		return;
	}
	paint_pipe_size(p, one, one);
	if (one->has_iovs_before) {
		paint_blank(p);
		paint_field(p, "command", TONE_KEY, "DUMPPAGES");
		paint_field(p, "its arguments", TONE_NORMAL,
			    "args->off %u, nr_segs %u, nr_pages %u; then the pipe's fd %s",
			    one->iovs_before, one->nr_segs, one->pages_in,
			    p->o->relative || !one->has_fd_write ?
				    "" :
				    txt_opt(true, (uint64_t)one->fd_write).s);
		paint_field(p, "what it does", TONE_NORMAL, "%s", str_or_dash(one->splice));
	}
	paint_blank(p);
	paint_line(p, TONE_TITLE, "iovs of ppb %u, in the order of the pipe", one->index);
	paint_iov_table(p, pp, one->index);
	paint_shown_of(p, "iovs", one->n_iovs, one->has_nr_segs, one->nr_segs);
}

void pane_iovs(struct paint *p)
{
	const struct pane_opts *o = p->o;
	size_t shown = 0;

	const Stepdump__PagePipe *pp = page_pipe(p);

	if (!pp || (o->index >= 0 && !chosen_ppb(p, pp)))
		return;
	paint_line(p, TONE_NORMAL, "%s of %s iovs in use; neighbours merge into one",
		   txt_opt(pp->has_nr_iovs, pp->nr_iovs).s,
		   txt_opt(pp->has_nr_iovs_max, pp->nr_iovs_max).s);
	paint_iov_table(p, pp, o->index);
	for (size_t i = 0; i < pp->n_ppbs; i++)
		shown += pp->ppbs[i]->n_iovs;
	if (o->index < 0)
		paint_shown_of(p, "iovs", shown, pp->has_nr_iovs, pp->nr_iovs);
}

static void draw_hole_bar(struct paint *p, unsigned col, unsigned width, const void *item,
			  void *ctx)
{
	const Stepdump__Hole *hole = item;

	if (hole)
		paint_bar(p, col, width, TONE_HOLE, hole->nr_pages, *(uint64_t *)ctx, U'=');
}

static const char *no_hole_words(const Stepdump__Snapshot *s)
{
	if (s->xfer && s->xfer->has_holes_written && s->xfer->holes_written)
		return "none now: those of earlier chunks are written; `show pages` has them";
	if (s->watch)
		return s->watch->inside ?
			       "none now in criu's page_pipe" :
			       "none yet: a watched criu's holes are seen when it writes them to the image";
	return s->n_parents ? "none yet: no page was left to the parent" :
			      "none: without a parent image every present page is dumped";
}

void pane_holes(struct paint *p)
{
	uint64_t longest = 1, pages = 0;
	const struct column columns[] = {
		{ "hole", .right = true, .drop = 3 },
		{ "start", .right = true },
		{ "end", .right = true, .drop = 4 },
		{ "pages", .right = true },
		{ "size", .right = true, .drop = 2 },
		{ "flags", .drop = 1 },
		{ "", .drop = 5, .min = 8, .grow = 40, .draw = draw_hole_bar, .ctx = &longest },
	};

	const Stepdump__PagePipe *pp = page_pipe(p);

	if (!pp)
		return;

	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < pp->n_holes; i++) {
		const Stepdump__Hole *h = pp->holes[i];

		if (h->nr_pages > longest)
			longest = h->nr_pages;
		pages = add_sat(pages, h->nr_pages);
		table_row(t, h, false);
		table_cell(t, TONE_DIM, "%zu", i);
		table_cell(t, TONE_ADDR, "%s", txt_addr(p, h->start).s);
		table_cell(t, TONE_ADDR, "%s", txt_addr(p, h->start + h->nr_pages * PAGE_BYTES).s);
		table_cell(t, TONE_NORMAL, "%lu", h->nr_pages);
		table_cell(t, TONE_NORMAL, "%s", txt_pages(h->nr_pages).s);
		table_cell(t, TONE_NORMAL, "%s", str_or_dash(h->flags));
	}
	paint_line(p, TONE_NORMAL, "%s holes (room for %s, grows by 32)   %lu pages %s shown here",
		   txt_opt(pp->has_nr_holes, pp->nr_holes).s,
		   txt_opt(pp->has_holes_cap, pp->holes_cap).s, pages, txt_pages(pages).s);
	table_end(t, p, no_hole_words(p->s));
	paint_shown_of(p, "holes", pp->n_holes, pp->has_nr_holes, pp->nr_holes);
	paint_prose(p, 1, TONE_DIM,
		    "= pages that did not change since the parent image, which has them");
}
