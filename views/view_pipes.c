/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pipes view: every pipe on one scale, the iovs of one of them, their bytes, the conversation
 * with a page server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/view_impl.h"

/* How the body is shared out. */
struct plan {
	uint32_t ppbs, iovs; /* rows of content */
	unsigned legend, hex, talk;
};

static uint32_t pipes_nr_ppbs(const Stepdump__Snapshot *s)
{
	return s && s->page_pipe ? (uint32_t)s->page_pipe->n_ppbs : 0;
}

static const Stepdump__Ppb *pipes_chosen(const struct ui *ui, const Stepdump__Snapshot *s)
{
	return ui->pipes.ppb < pipes_nr_ppbs(s) ? s->page_pipe->ppbs[ui->pipes.ppb] : NULL;
}

static uint32_t pipes_nr_iovs(const Stepdump__Ppb *b)
{
	if (!b)
		return 0;
	return b->has_nr_segs && b->nr_segs > b->n_iovs ? b->nr_segs : (uint32_t)b->n_iovs;
}

/* Where iov number `iov` stands in the snapshot, which may hold a window or all of them. */
static size_t pipes_place_of(const struct ui *ui, const Stepdump__Ppb *b, uint32_t iov)
{
	return b->n_iovs == pipes_nr_iovs(b) ? iov : iov - ui->pipes.iov_top;
}

static struct plan pipes_share(const struct ui *ui, const Stepdump__Snapshot *s)
{
	unsigned rows = body_rows(ui);
	uint32_t pipes = pipes_nr_ppbs(s);
	struct plan p = { 0 };

	if (s && s->xfer && s->xfer->n_conversation)
		p.talk = rows >= 30 ? 6 : rows >= 18 ? 3 : 0;
	if (rows >= 16 && pipes)
		p.hex = rows >= 40 ? 8 : rows >= 24 ? 4 : 2;
	p.legend = rows >= 12;

	unsigned fixed = 1 /* head */ + p.legend + 2 /* iov title and head */ + p.hex + p.talk;
	unsigned left = rows > fixed ? rows - fixed : 2;

	p.ppbs = left * 3 / 5;
	if (p.ppbs > pipes)
		p.ppbs = pipes ? pipes : 1;
	if (p.ppbs < 1)
		p.ppbs = 1;
	p.iovs = left > p.ppbs ? left - p.ppbs : 0;
	return p;
}

static void pipes_want(const struct ui *ui, const Stepdump__Snapshot *s, struct view_want *w)
{
	if (!s) {
		w->needs |= SNAP_PAGE_PIPE | SNAP_IOVS | SNAP_XFER;
		w->iovs_of_ppb = ui->pipes.ppb;
		w->iov_first = ui->pipes.iov_top;
		w->iov_max = body_rows(ui);
		return;
	}

	/* The VMAs that the iovs name, and the bytes of the one under the cursor. */
	const Stepdump__Ppb *b = pipes_chosen(ui, s);
	uint32_t last = UINT32_MAX;
	size_t at;

	if (!b)
		return;
	for (size_t i = 0; i < b->n_iovs; i++) {
		if (b->iovs[i]->has_vma_index && b->iovs[i]->vma_index != last)
			want_vmas(w, b->iovs[i]->vma_index, 1);
		last = b->iovs[i]->has_vma_index ? b->iovs[i]->vma_index : last;
	}
	at = pipes_place_of(ui, b, ui->pipes.iov);
	if (at < b->n_iovs && pipes_share(ui, s).hex) {
		w->peek = b->iovs[at]->start;
		w->peek_len = 32 * pipes_share(ui, s).hex;
		w->peek_source = ui->place.bytes == BYTES_TARGET &&
						 b->state == STEPDUMP__PPB_STATE__DRAINED ?
					 "pipe" :
					 byte_source_name(ui->place.bytes);
	}
}

static void pipes_settle(struct ui *ui, const Stepdump__Snapshot *s)
{
	uint32_t nr = pipes_nr_ppbs(s);
	struct plan p = pipes_share(ui, s);

	if (ui->pipes.ppb >= nr)
		ui->pipes.ppb = nr ? nr - 1 : 0;
	keep_visible(ui->pipes.ppb, p.ppbs, nr, &ui->pipes.top);

	const Stepdump__Ppb *b = pipes_chosen(ui, s);
	uint32_t iovs = pipes_nr_iovs(b);

	if (ui->pipes.iov >= iovs)
		ui->pipes.iov = iovs ? iovs - 1 : 0;
	keep_visible(ui->pipes.iov, p.iovs, iovs, &ui->pipes.iov_top);
	ui->pipes.iov_addr = 0;
	if (b && pipes_place_of(ui, b, ui->pipes.iov) < b->n_iovs)
		ui->pipes.iov_addr = b->iovs[pipes_place_of(ui, b, ui->pipes.iov)]->start;
}

static enum ui_effect pipes_act(struct ui *ui, enum action a, const Stepdump__Snapshot *s)
{
	struct plan p = pipes_share(ui, s);
	char where[48];

	switch (a) {
	case ACT_ENTER:
		if (!ui->pipes.in_iovs && pipes_nr_iovs(pipes_chosen(ui, s)))
			ui->pipes.in_iovs = true;
		return UI_DRAW;
	case ACT_BACK:
		ui->pipes.in_iovs = false;
		return UI_DRAW;
	case ACT_BREAK:
		snprintf(where, sizeof(where), "drain if ppb == %u", ui->pipes.ppb);
		return s ? toggle_break(ui, s, where) : UI_NOTHING;
	case ACT_WHY:
		if (!ui->pipes.iov_addr)
			return UI_NOTHING;
		snprintf(ui->command.line, sizeof(ui->command.line), "why %lx", ui->pipes.iov_addr);
		ui->command.steps = false;
		return UI_RUN;
	case ACT_MAP_HERE:
		if (!ui->pipes.iov_addr)
			return UI_NOTHING;
		ui->place.addr = ui->pipes.iov_addr;
		ui->view = VIEW_MAP;
		ui->find.what = FIND_ADDR;
		return UI_FIND;
	default:
		break;
	}
	if (ui->pipes.in_iovs) {
		if (!move_rows(a, p.iovs, pipes_nr_iovs(pipes_chosen(ui, s)), &ui->pipes.iov))
			return UI_NOTHING;
		keep_visible(ui->pipes.iov, p.iovs, pipes_nr_iovs(pipes_chosen(ui, s)),
			     &ui->pipes.iov_top);
		return UI_LOOK;
	}
	if (!move_rows(a, p.ppbs, pipes_nr_ppbs(s), &ui->pipes.ppb))
		return UI_NOTHING;
	ui->pipes.iov = ui->pipes.iov_top = 0;
	return UI_LOOK;
}

/* The same rows as pipes_render() draws. */
static enum ui_effect pipes_click(struct ui *ui, unsigned row, unsigned col,
				  const Stepdump__Snapshot *s)
{
	struct plan p = pipes_share(ui, s);
	const Stepdump__Ppb *b = pipes_chosen(ui, s);
	unsigned iovs = 1 + p.ppbs + p.legend + 2;
	uint32_t ppb = ui->pipes.top + row - 1, iov = ui->pipes.iov_top + row - iovs;

	(void)col;
	if (row >= 1 && row < 1 + p.ppbs && ppb < pipes_nr_ppbs(s)) {
		if (ppb != ui->pipes.ppb)
			ui->pipes.iov = ui->pipes.iov_top = 0;
		ui->pipes.ppb = ppb;
		ui->pipes.in_iovs = false;
		return UI_LOOK;
	}
	if (row >= iovs && row < iovs + p.iovs && iov < pipes_nr_iovs(b)) {
		ui->pipes.iov = iov;
		ui->pipes.in_iovs = true;
		return UI_LOOK;
	}
	return UI_NOTHING;
}

static char *pipes_term(const struct ui *ui, const Stepdump__Snapshot *s)
{
	return xstrdup(ui->pipes.in_iovs && pipes_chosen(ui, s) ? "iov" : "ppb");
}

static void pipes_talk(struct paint *p, unsigned rows)
{
	const Stepdump__Xfer *x = p->s->xfer;
	size_t n = x->n_conversation, first = n > rows - 1 ? n - (rows - 1) : 0;

	grid_puts(p->g, p->row++, 1, TONE_TITLE, "with the page server, newest last");
	for (size_t i = first; i < n; i++) {
		AUTO_FREE char *text = text_shown(p, x->conversation[i]);

		paint_cut(p, 3, p->g->cols - 3, TONE_NORMAL, false, text);
		p->row++;
	}
}

/* "iovs of ppb 5, in the order of the pipe            12 of 118" */
static void pipes_iov_part(struct paint *p, const struct ui *ui, const Stepdump__Ppb *b,
			   const struct plan *plan)
{
	unsigned head, col;
	size_t first = pipes_place_of(ui, b, ui->pipes.iov_top),
	       here = pipes_place_of(ui, b, ui->pipes.iov);

	col = grid_printf(p->g, p->row, 1, TONE_TITLE, "iovs of ppb %u", b->index);
	if (pipes_nr_iovs(b))
		col = grid_printf(p->g, p->row, col, TONE_DIM, ", %u of %u", ui->pipes.iov + 1,
				  pipes_nr_iovs(b));
	if (!ui->pipes.in_iovs && pipes_nr_iovs(b) && ui->view == VIEW_PIPES)
		grid_puts(p->g, p->row, col + 3, TONE_DIM, "Enter: go in");
	p->row++;
	if (first > b->n_iovs)
		return;
	head = p->row;
	paint_iov_rows(p, b, first, ui->pipes.iov_top, plan->iovs);
	if (ui->pipes.in_iovs && here >= first && here - first < plan->iovs)
		mark_row(p->g, head + 1 + (unsigned)(here - first), 0, p->g->cols);
	p->row = head + 1 + plan->iovs;
}

static void pipes_legend(struct paint *p, const void *ctx)
{
	(void)ctx;
	pipe_legend(p);
}

static void pipes_render(const struct ui *ui, const Stepdump__Snapshot *s, struct grid *g)
{
	struct pane_opts o = view_opts(ui);
	struct paint p = view_paint(ui, &o, s, g);
	const Stepdump__PagePipe *pp = s->page_pipe;
	const Stepdump__Ppb *b = pipes_chosen(ui, s);
	struct plan plan = pipes_share(ui, s);

	if (!pp || !pp->n_ppbs) {
		paint_prose(&p, 1, TONE_DIM, no_pipe_words(s));
		return;
	}
	paint_ppb_table(&p, pp, ui->pipes.top, plan.ppbs);
	if (!ui->pipes.in_iovs && ui->view == VIEW_PIPES)
		mark_row(g, 1 + ui->pipes.ppb - ui->pipes.top, 0, g->cols);
	p.row = 1 + plan.ppbs;
	if (plan.legend)
		paint_first_rows(&p, 1, pipes_legend, NULL);
	if (b)
		pipes_iov_part(&p, ui, b, &plan);
	if (plan.hex)
		paint_hex(&p, ui->pipes.iov_addr, plan.hex);
	if (plan.talk) {
		p.row = g->max_rows - plan.talk;
		pipes_talk(&p, plan.talk);
	}
}

static void pipes_title(const struct ui *ui, const Stepdump__Snapshot *s, char *buf, size_t len)
{
	const Stepdump__PagePipe *pp = s->page_pipe;
	uint32_t drained = 0;

	for (uint32_t i = 0; i < pipes_nr_ppbs(s); i++)
		drained += pp->ppbs[i]->state != STEPDUMP__PPB_STATE__PLANNED;
	if (pp)
		snprintf(buf, len, "%u of %u drained   %s iovs", drained, pipes_nr_ppbs(s),
			 txt_opt(pp->has_nr_iovs, pp->nr_iovs).s);
}

const struct view_ops view_pipes = {
	.want = pipes_want,
	.settle = pipes_settle,
	.act = pipes_act,
	.click = pipes_click,
	.term = pipes_term,
	.render = pipes_render,
	.title = pipes_title,
};
