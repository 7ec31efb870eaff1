/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Counters, dirty tracking, capabilities and settings. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/verdict.h"
#include "views/pane_impl.h"

static void time_row(struct paint *p, struct table *t, const char *name, const char *whose,
		     bool has, uint64_t us, const char *what)
{
	table_row(t, NULL, false);
	table_cell(t, TONE_KEY, "%s", name);
	table_cell(t, TONE_NORMAL, "%s", has ? txt_took(p, us).s : "-");
	table_cell(t, TONE_DIM, "%s", whose);
	table_cell(t, TONE_DIM, "%s", what);
}

static void count_row(struct table *t, const char *name, bool has, uint64_t n, const char *what)
{
	table_row(t, NULL, false);
	table_cell(t, TONE_KEY, "%s", name);
	table_cell(t, TONE_NORMAL, "%s", txt_opt(has, n).s);
	table_cell(t, TONE_DIM, "CRIU");
	table_cell(t, TONE_DIM, "%s", what);
}

/* What watching has cost so far. */
static void watch_rows(struct paint *p, struct table *t, const Stepdump__Watch *w,
		       uint64_t frozen_us)
{
	table_row(t, NULL, false);
	table_cell(t, TONE_KEY, "watch_stops");
	table_cell(t, TONE_NORMAL, "%lu", w->stops);
	table_cell(t, TONE_DIM, "ours");
	table_cell(t, TONE_DIM, "stops of criu; `set watch %s` makes %s",
		   w->mode && !strcmp(w->mode, "light") ? "full" : "light",
		   w->mode && !strcmp(w->mode, "light") ? "more" : "fewer");
	table_row(t, NULL, false);
	table_cell(t, TONE_KEY, "watch_held");
	table_cell(t, TONE_NORMAL, "%s", txt_took(p, w->held_frozen_us).s);
	table_cell(t, TONE_DIM, "ours");
	if (frozen_us)
		table_cell(t, TONE_DIM,
			   "of frozen_time, criu stood in them (%.1f %%); switching to "
			   "and fro is not counted",
			   100.0 * (double)w->held_frozen_us / (double)frozen_us);
}

static void paint_counters(struct paint *p, const Stepdump__Counters *c)
{
	const struct column columns[] = {
		{ .head = "counter" },
		{ "value", .right = true },
		{ "whose", .drop = 2 },
		{ "what it counts", .drop = 1, .min = 18, .prose = true },
	};
	struct table *t = TABLE_NEW(columns);

	time_row(p, t, "freezing_time", "CRIU", c->has_freezing_us, c->freezing_us,
		 "first thread seized until all stand");
	time_row(p, t, "frozen_time", "CRIU", c->has_frozen_us, c->frozen_us,
		 "all stand until they run again");
	time_row(p, t, "memdump_time", "CRIU", c->has_memdump_us, c->memdump_us,
		 "scan, drain and write");
	time_row(p, t, "memwrite_time", "CRIU", c->has_memwrite_us, c->memwrite_us,
		 "pages to image or socket");
	time_row(p, t, "scan", "ours", c->has_scan_us, c->scan_us, "pagemap and page selection");
	time_row(p, t, "drain", "ours", c->has_drain_us, c->drain_us,
		 "parasite calls and vmsplice");
	time_row(p, t, "total", "ours", c->has_total_us, c->total_us, "prepare until now");
	count_row(t, "pages_scanned", c->has_pages_scanned, c->pages_scanned,
		  "rounds of the page loop");
	count_row(t, "pages_skipped_parent", c->has_pages_skipped_parent, c->pages_skipped_parent,
		  "holes");
	count_row(t, "pages_written", c->has_pages_written, c->pages_written, "pages with data");
	count_row(t, "pages_lazy", c->has_pages_lazy, c->pages_lazy, "left for lazy restore");
	if (c->pages_zero_dropped)
		count_row(t, "pages_zero_dropped", true, c->pages_zero_dropped,
			  "hold only zeroes: set zero drop");
	count_row(t, "page_pipes", c->has_page_pipes, c->page_pipes, "pipes made");
	count_row(t, "page_pipe_bufs", c->has_page_pipe_bufs, c->page_pipe_bufs, "ppbs used");
	count_row(t, "shpages_scanned", c->has_shpages_scanned, c->shpages_scanned,
		  "pages of shared objects");
	count_row(t, "shpages_skipped_parent", c->has_shpages_skipped_parent,
		  c->shpages_skipped_parent, "holes in them");
	count_row(t, "shpages_written", c->has_shpages_written, c->shpages_written,
		  "pages of them with data");
	if (p->s->watch)
		watch_rows(p, t, p->s->watch, c->has_frozen_us ? c->frozen_us : 0);
	table_end(t, p, "");
}

static void draw_share(struct paint *p, unsigned col, unsigned width, const void *item, void *ctx)
{
	const Stepdump__VerdictCount *c = item;

	if (c)
		paint_bar(p, col, width, verdict_tone(c->verdict, false), c->pages,
			  *(uint64_t *)ctx, (char32_t)verdict_glyph(c->verdict, false));
}

static void paint_verdicts(struct paint *p, const Stepdump__Counters *c)
{
	struct tally tally = tally_counters(c);
	Stepdump__VerdictCount rest = STEPDUMP__VERDICT_COUNT__INIT;
	const struct column columns[] = {
		{ .head = "verdict" },
		{ "pages", .right = true },
		{ "size", .right = true },
		{ "", .drop = 1, .min = 10, .grow = 50, .draw = draw_share, .ctx = &tally.total },
	};
	struct table *t = TABLE_NEW(columns);
	uint64_t sum = 0;

	rest.verdict = STEPDUMP__VERDICT__NOT_SCANNED;
	rest.pages = tally.to_scan;
	for (size_t i = 0; i <= c->n_verdicts; i++) {
		const Stepdump__VerdictCount *v = i < c->n_verdicts ? c->verdicts[i] : &rest;

		if (i < c->n_verdicts && v->verdict == STEPDUMP__VERDICT__NOT_SCANNED)
			continue; /* it comes last */
		table_row(t, v, false);
		table_cell(t, verdict_tone(v->verdict, false), "%c %s",
			   verdict_glyph(v->verdict, false), verdict_name(v->verdict));
		table_cell(t, TONE_NORMAL, "%lu", v->pages);
		table_cell(t, TONE_NORMAL, "%s", txt_pages(v->pages).s);
		sum = add_sat(sum, v->pages);
	}
	table_row(t, NULL, false);
	table_cell(t, TONE_TITLE, "= sum");
	table_cell(t, TONE_TITLE, "%lu", sum);
	table_cell(t, TONE_TITLE, "%s", txt_pages(sum).s);
	paint_blank(p);
	paint_line(p, TONE_TITLE, "verdicts of all pages in private VMAs");
	table_end(t, p, "");
	if (tally.has_total)
		paint_line(p, tally.balanced ? TONE_OK : TONE_BAD,
			   tally.balanced ?
				   "the sum is the whole: %lu pages" :
				   "the sum is NOT the whole of %lu pages: a page was lost "
				   "or counted twice",
			   tally.total);
}

void pane_stats(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;

	if (!s->counters) {
		paint_prose(p, 1, TONE_DIM, "nothing counted yet");
		return;
	}
	paint_counters(p, s->counters);
	if (s->counters->n_verdicts || s->counters->has_pages_total)
		paint_verdicts(p, s->counters);
}

void pane_tracker(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	const Stepdump__Tracker *t = s->tracker;

	if (!t) {
		paint_prose(p, 1, TONE_DIM, "nothing known: no target is attached");
		return;
	}
	paint_field(p, "dirty tracking", TONE_KEY, "%s", str_or_dash(t->kind));
	paint_field(p, "because", TONE_NORMAL, "%s", str_or_dash(t->reason));
	paint_field(p, "armed for", TONE_NORMAL, "%s",
		    t->has_since_us ? txt_took(p, t->since_us).s : "-");
	paint_field(p, "changed since", TONE_NORMAL, "%s pages %s",
		    txt_opt(t->has_dirty_pages, t->dirty_pages).s,
		    t->has_dirty_pages ? txt_pages(t->dirty_pages).s : "");
	if (t->has_dirty_pages_per_s)
		paint_field(p, "rate", TONE_NORMAL, "%.0f pages/s", t->dirty_pages_per_s);
	else
		paint_field(p, "rate", TONE_NORMAL, "-");
}

void pane_caps(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	const struct column columns[] = {
		{ .head = "capability" },
		{ .head = "here" },
		{ "value", .drop = 1, .min = 8 },
		{ "what it means for a dump", .drop = 2, .min = 24, .prose = true },
	};
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < s->n_caps; i++) {
		const Stepdump__Cap *c = s->caps[i];

		table_row(t, c, false);
		table_cell(t, TONE_KEY, "%s", c->name);
		table_cell(t, c->available ? TONE_OK : TONE_WARN, "%s",
			   c->available ? "yes" : "NO");
		table_cell(t, TONE_NORMAL, "%s", str_or_dash(c->value));
		table_cell(t, c->available ? TONE_DIM : TONE_NORMAL, "%s",
			   str_or_dash(c->consequence));
	}
	table_end(t, p, "nothing probed yet");
}

void pane_settings(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	const struct column columns[] = {
		{ .head = "setting" },
		{ .head = "value" },
		{ "default", .drop = 2 },
		{ "values", .drop = 3, .min = 8, .prose = true },
		{ "what it does", .drop = 1, .min = 20, .prose = true },
	};
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < s->n_settings; i++) {
		const Stepdump__Setting *v = s->settings[i];
		bool changed = v->default_value && strcmp(v->default_value, v->value);

		table_row(t, v, false);
		table_cell(t, TONE_KEY, "%s", v->name);
		table_cell(t, changed ? TONE_CHANGED : TONE_NORMAL, "%s%s", str_or_dash(v->value),
			   changed ? " *" : "");
		table_cell(t, TONE_DIM, "%s", str_or_dash(v->default_value));
		table_cell(t, TONE_DIM, "%s", str_or_dash(v->values));
		table_cell(t, TONE_NORMAL, "%s", str_or_dash(v->summary));
	}
	table_end(t, p, "none");
	if (s->n_settings)
		paint_line(p, TONE_DIM, "* differs from its default   `set NAME VALUE` changes it");
}
