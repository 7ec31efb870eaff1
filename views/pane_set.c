/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An image set: which file holds what, which pages are where, and what of each mapping is left out. */
#include <stdlib.h>
#include <string.h>

#include "proto/verdict.h"
#include "views/pane_impl.h"

static void paint_set_files(struct paint *p, const Stepdump__Xfer *x)
{
	const struct column columns[] = {
		{ "file", .min = 16 },
		{ "size", .right = true },
		{ "kind", .drop = 1 },
		{ "entries", .right = true, .drop = 2 },
		{ "holds", .min = 16, .prose = true },
	};
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < x->n_files; i++) {
		const Stepdump__ImageFile *f = x->files[i];
		AUTO_FREE char *name = text_shown(p, f->name);

		table_row(t, f, false);
		table_cell(t, TONE_KEY, "%s", name);
		table_cell(t, TONE_NORMAL, "%s", txt_opt_size(f->has_bytes, f->bytes).s);
		table_cell(t, TONE_DIM, "%s", str_or_dash(f->kind));
		table_cell(t, TONE_NORMAL, "%s", txt_opt(f->has_entries, f->entries).s);
		table_cell(t, TONE_NORMAL, "%s", f->about ?: "");
	}
	table_end(t, p, "no files are known");
}

static uint64_t pages_of_verdict(const Stepdump__Vma *v, verdict_t verdict)
{
	return count_of(v->counts, v->n_counts, verdict);
}

/* Why pages of the mapping are not in the set. */
static const char *left_out(const Stepdump__Vma *v)
{
	if (pages_of_verdict(v, VD(NEVER)))
		return "made anew by the kernel";
	if (pages_of_verdict(v, VD(FILE_CLEAN)))
		return "unchanged since they were read from the file";
	if (pages_of_verdict(v, VD(SHARED)))
		return v->shmid && v->kind && strcmp(v->kind, "file") ?
			       "stored once, with the shared object" :
			       "the file has them";
	if (pages_of_verdict(v, VD(GUARD)))
		return "guard pages, and never touched";
	return pages_of_verdict(v, VD(ABSENT)) ? "never touched, or zero" : "";
}

static void paint_set_vmas(struct paint *p)
{
	const struct column columns[] = {
		{ "VMA", .right = true },       { .head = "start" },
		{ "kind", .drop = 2 },          { "stored", .right = true },
		{ "in parent", .right = true }, { "left out", .right = true },
		{ "why", .drop = 1 },           { "name", .min = 12, .drop = 3 },
	};
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < p->s->n_vmas; i++) {
		const Stepdump__Vma *v = p->s->vmas[i];
		uint64_t stored = pages_of_verdict(v, VD(DUMP)) + pages_of_verdict(v, VD(ALWAYS));
		uint64_t holes = pages_of_verdict(v, VD(HOLE)),
			 all = (v->end - v->start) / PAGE_BYTES;
		AUTO_FREE char *name = text_shown(p, v->name ?: "");

		table_row(t, v, false);
		table_cell(t, TONE_NORMAL, "%u", v->index);
		table_cell(t, TONE_ADDR, "%s", txt_addr(p, v->start).s);
		table_cell(t, TONE_NORMAL, "%s", v->kind);
		table_cell(t, stored ? TONE_DUMP : TONE_NORMAL, "%lu", stored);
		table_cell(t, holes ? TONE_HOLE : TONE_NORMAL, "%lu", holes);
		table_cell(t, TONE_NORMAL, "%lu", all > stored + holes ? all - stored - holes : 0);
		table_cell(t, TONE_DIM, "%s", left_out(v));
		table_cell(t, TONE_DIM, "%s", name);
	}
	table_end(t, p, "no mapping is known");
}

void pane_files(struct paint *p)
{
	const Stepdump__Xfer *x = p->s->xfer;

	if (!x) {
		paint_line(p, TONE_DIM, "nothing is written yet");
		return;
	}
	paint_set_files(p, x);
	if (!p->s->n_pagemap) /* of a live dump: `show vmas` has the verdicts */
		return;
	paint_blank(p);
	paint_line(p, TONE_TITLE, "pages of each mapping");
	paint_set_vmas(p);
}

void pane_pagemap(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;

	paint_pagemap_entries(
		p, s->pagemap, s->n_pagemap,
		"no image set is open, or it has no pagemap of this task: `open DIR`");
	if (s->has_pagemap_more)
		paint_line(p, TONE_DIM, "%lu more entries", s->pagemap_more);
}
