/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reports on image chains. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/pane_impl.h"
#include "views/reports.h"

/* Panes draw from a snapshot; a report stands alone. */
static const Stepdump__Snapshot no_session = STEPDUMP__SNAPSHOT__INIT;

static void chain_title(struct paint *p, const char *what, const char *about)
{
	unsigned col = grid_puts(p->g, p->row, 1, TONE_TITLE, what) + 2;

	if (col < p->g->cols)
		paint_cut(p, col, p->g->cols - col, TONE_KEY, false, about);
	p->row++;
	paint_rule(p);
}

/* ---- verify -------------------------------------------------------------------------------- */

static void paint_report_chain(struct paint *p, const Stepdump__VerifyReport *r)
{
	const struct column columns[] = {
		{ "gen", .right = true },
		{ "directory", .min = 12 },
		{ .head = "kind" },
		{ "images", .right = true, .drop = 4 },
		{ "pagemaps", .right = true, .drop = 3 },
		{ "entries", .right = true, .drop = 2 },
		{ "stored", .right = true },
		{ "in parent", .right = true },
		{ "uptime s", .right = true, .drop = 1 },
	};
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < r->n_generations; i++) {
		const Stepdump__Generation *g = r->generations[i];

		table_row(t, g, false);
		table_cell(t, TONE_DIM, "%zu", i);
		table_cell(t, TONE_KEY, "%s", g->dir);
		table_cell(t, TONE_NORMAL, "%s", g->kind ?: "");
		table_cell(t, TONE_NORMAL, "%u", g->files);
		table_cell(t, TONE_NORMAL, "%u", g->pagemaps);
		table_cell(t, TONE_NORMAL, "%lu", g->entries);
		table_cell(t, TONE_NORMAL, "%s", txt_pages(g->pages_stored).s);
		table_cell(t, g->pages_in_parent ? TONE_HOLE : TONE_NORMAL, "%s",
			   txt_pages(g->pages_in_parent).s);
		if (!g->has_dump_uptime_us)
			table_cell(t, TONE_WARN, "none");
		else
			table_cell(t, TONE_NORMAL, "%s",
				   p->o->relative ? "%U" : txt_when(p, g->dump_uptime_us).s);
	}
	table_end(t, p, "the directory could not be read");
}

static void paint_findings(struct paint *p, const Stepdump__VerifyReport *r)
{
	const struct column columns[] = {
		{ .head = "" },
		{ "file", .min = 14 },
		{ "entry", .right = true, .drop = 1 },
		{ "address", .right = true, .drop = 2 },
		{ "finding", .min = 24, .prose = true },
	};
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < r->n_findings; i++) {
		const Stepdump__Finding *f = r->findings[i];

		table_row(t, f, false);
		table_cell(t, f->fatal ? TONE_BAD : TONE_WARN, f->fatal ? "FATAL" : "note");
		table_cell(t, TONE_KEY, "%s", f->file);
		table_cell(t, TONE_NORMAL, "%s", txt_opt(f->has_entry, (uint64_t)f->entry).s);
		table_cell(t, TONE_ADDR, "%s", txt_opt_addr(p, f->has_vaddr, f->vaddr).s);
		table_cell(t, TONE_NORMAL, "%s", f->text);
	}
	table_end(t, p, "");
	if (r->n_findings < r->nr_fatal + r->nr_notes)
		paint_line(p, TONE_DIM, "%zu of %lu shown", r->n_findings,
			   r->nr_fatal + r->nr_notes);
}

static bool live_differs(const Stepdump__LiveVma *v)
{
	return strcmp(v->state, "same") || v->changed || v->unreadable || v->missing;
}

static void paint_live(struct paint *p, const Stepdump__LiveReport *l)
{
	const struct column columns[] = {
		{ .head = "start" },
		{ "end", .drop = 2 },
		{ .head = "prot" },
		{ "kind", .drop = 3 },
		{ .head = "VMA" },
		{ "pages", .right = true },
		{ "changed", .right = true },
		{ "missing", .right = true },
		{ "unreadable", .right = true, .drop = 4 },
		{ "detail", .drop = 1, .min = 12, .prose = true },
	};
	struct table *t = TABLE_NEW(columns);
	size_t shown = 0;

	if (l->n_vmas)
		p->base = l->vmas[0]->start;
	paint_blank(p);
	paint_line(p, TONE_TITLE, "against %s %s%s", txt_pid(p, l->pid).s, l->comm ?: "",
		   l->no_mm ? "   (no mm image: its VMAs are not compared)" : "");
	for (size_t i = 0; i < l->n_vmas; i++) {
		const Stepdump__LiveVma *v = l->vmas[i];
		bool same = !strcmp(v->state, "same");

		if (!p->o->verbose && !live_differs(v))
			continue;
		shown++;
		table_row(t, v, false);
		table_cell(t, TONE_ADDR, "%s", txt_addr(p, v->start).s);
		table_cell(t, TONE_ADDR, "%s", txt_addr(p, v->end).s);
		table_cell(t, TONE_NORMAL, "%s", v->prot);
		table_cell(t, TONE_NORMAL, "%s", v->kind);
		table_cell(t, same ? TONE_OK : TONE_CHANGED, "%s", v->state);
		table_cell(t, TONE_NORMAL, "%lu", v->image_pages);
		table_cell(t, v->changed ? TONE_CHANGED : TONE_NORMAL, "%lu", v->changed);
		table_cell(t, v->missing ? TONE_CHANGED : TONE_NORMAL, "%lu", v->missing);
		table_cell(t, v->unreadable ? TONE_CHANGED : TONE_NORMAL, "%lu", v->unreadable);
		table_cell(t, TONE_DIM, "%s", v->detail ?: v->name ?: "");
	}
	table_end(t, p, "no VMA differs");
	if (shown && shown < l->n_vmas)
		paint_line(p, TONE_DIM, "%zu of %zu VMAs shown, the others are the same", shown,
			   l->n_vmas);
	paint_line(p, l->changed || l->missing || l->unreadable ? TONE_CHANGED : TONE_OK,
		   "%lu pages compared: %lu the same, %lu changed, %lu not there any more; "
		   "%lu that a dump would take now are missing",
		   l->image_pages, l->same, l->changed, l->unreadable, l->missing);
}

static bool is_memory_only(const Stepdump__VerifyReport *r)
{
	return !r->nr_unreadable && r->n_generations && r->generations[0]->kind &&
	       !strcmp(r->generations[0]->kind, "memory");
}

void report_verify(const Stepdump__VerifyReport *r, const struct pane_opts *o, struct grid *g)
{
	struct paint p = paint_begin(&no_session, o, g);

	chain_title(&p, "VERIFY", r->dir);
	for (size_t i = 0; i < r->n_about; i++)
		paint_line(&p, TONE_DIM, "%s", r->about[i]);
	paint_report_chain(&p, r);
	if (r->n_findings) {
		paint_blank(&p);
		paint_findings(&p, r);
	}
	paint_blank(&p);
	if (is_memory_only(r))
		paint_line(
			&p, TONE_DIM,
			"memory only, and so a parent for a dump: CRIU restores a full checkpoint, "
			"which has registers (core), descriptors (fdinfo) and fs as well");
	if (r->nr_fatal)
		paint_line(&p, TONE_BAD,
			   "%lu fatal, %lu notes: CRIU fails, crashes or restores wrong "
			   "memory with this",
			   r->nr_fatal, r->nr_notes);
	else if (r->newer)
		paint_line(&p, TONE_WARN, "not judged: it is newer than this program: %s",
			   r->newer);
	else if (r->nr_unreadable)
		paint_line(&p, TONE_WARN, "not judged: this user may not read %lu file%s of it",
			   r->nr_unreadable, r->nr_unreadable == 1 ? "" : "s");
	else if (r->n_generations && r->generations[0]->has_pages_at_server)
		paint_line(&p, TONE_WARN,
			   "fine as far as it goes: %lu pages are at a page server, and it can be "
			   "restored only beside them",
			   r->generations[0]->pages_at_server);
	else if (r->nr_elsewhere)
		paint_line(&p, TONE_WARN,
			   "fine, but CRIU cannot restore it on this machine as it is: %lu of the "
			   "files that it maps %s here as %s",
			   r->nr_elsewhere, r->nr_elsewhere == 1 ? "is not" : "are not",
			   r->nr_elsewhere == 1 ? "it was" : "they were");
	else
		paint_line(&p, TONE_OK, "fine%s",
			   r->nr_notes ? "; the notes are worth knowing" : "");
	if (r->restore)
		paint_line(&p, TONE_DIM, "restored by: %s", r->restore);
	if (r->live)
		paint_live(&p, r->live);
}

/* ---- diff ---------------------------------------------------------------------------------- */

static void paint_diff_object(struct paint *p, const Stepdump__DiffObject *d)
{
	const struct column columns[] = {
		{ .head = "start" },
		{ .head = "end" },
		{ "prot", .drop = 2 },
		{ "kind", .drop = 1 },
		{ "mapped", .drop = 3 },
		{ "added", .right = true },
		{ "gone", .right = true },
		{ "changed", .right = true },
		{ "same", .right = true, .drop = 4 },
		{ d->unknown ? "unknown" : "", .right = true },
	};
	struct table *t = TABLE_NEW(columns);
	const char *only = !d->in_new ? ", only in the old directory" :
			   !d->in_old ? ", only in the new directory" :
					"";

	if (d->n_vmas && !d->has_shmid)
		p->base = d->vmas[0]->start;
	if (d->has_shmid)
		paint_line(p, TONE_TITLE, "shared object %lu%s", d->shmid, only);
	else
		paint_line(p, TONE_TITLE, "task %s%s", txt_pid(p, d->pid).s, only);
	for (size_t i = 0; i < d->n_mappings; i++)
		paint_line(p, TONE_DIM, "mapped by %s", d->mappings[i]);
	for (size_t i = 0; i < d->n_vmas; i++) {
		const Stepdump__DiffVma *v = d->vmas[i];

		if (!p->o->verbose && !v->added && !v->gone && !v->changed && !v->unknown)
			continue;
		table_row(t, v, false);
		table_cell(t, TONE_ADDR, "%s", txt_addr(p, v->start).s);
		table_cell(t, TONE_ADDR, "%s", txt_addr(p, v->end).s);
		table_cell(t, TONE_NORMAL, "%s", str_or_dash(v->prot));
		table_cell(t, TONE_NORMAL, "%s", str_or_dash(v->kind));
		table_cell(t, TONE_NORMAL, "%s", v->mapped);
		table_cell(t, v->added ? TONE_DUMP : TONE_NORMAL, "%lu", v->added);
		table_cell(t, v->gone ? TONE_HOLE : TONE_NORMAL, "%lu", v->gone);
		table_cell(t, v->changed ? TONE_CHANGED : TONE_NORMAL, "%lu", v->changed);
		table_cell(t, TONE_DIM, "%lu", v->same);
		if (d->unknown)
			table_cell(t, v->unknown ? TONE_BAD : TONE_NORMAL, "%lu", v->unknown);
		else
			table_cell(t, TONE_NORMAL, "%s", "");
	}
	table_end(t, p, d->trouble ? "" : "no difference");
	paint_line(p, TONE_NORMAL, "%lu added, %lu gone, %lu changed, %lu the same", d->added,
		   d->gone, d->changed, d->same);
	if (d->unknown)
		paint_line(p, TONE_BAD, "%lu could not be compared: %s", d->unknown,
			   d->trouble ?: "");
	else if (d->trouble)
		paint_line(p, TONE_BAD, "could not be compared: %s", d->trouble);
}

void report_diff(const Stepdump__DiffReport *r, const struct pane_opts *o, struct grid *g)
{
	struct paint p = paint_begin(&no_session, o, g);
	AUTO_FREE char *about = xasprintf("%s -> %s", r->old_dir, r->new_dir);

	chain_title(&p, "DIFF", about);
	for (size_t i = 0; i < r->n_objects; i++) {
		if (i)
			paint_blank(&p);
		paint_diff_object(&p, r->objects[i]);
	}
	if (r->n_objects > 1) {
		paint_blank(&p);
		paint_line(&p, TONE_NORMAL,
			   "in all: %lu pages added (%s), %lu gone, %lu changed (%s), %lu the same",
			   r->added, txt_pages(r->added).s, r->gone, r->changed,
			   txt_pages(r->changed).s, r->same);
	}
}

/* ---- flatten ------------------------------------------------------------------------------- */

void report_flatten(const Stepdump__FlattenReport *r, const struct pane_opts *o, struct grid *g)
{
	struct paint p = paint_begin(&no_session, o, g);
	const struct column columns[] = {
		{ "pagemap", .min = 12 },
		{ "generations", .right = true, .drop = 1 },
		{ "entries", .right = true, .drop = 2 },
		{ "before", .right = true, .drop = 2 },
		{ "pages", .right = true },
		{ r->converted ? "holes" : "from parents", .right = true },
	};
	struct table *t = TABLE_NEW(columns);

	chain_title(&p, r->converted ? "CONVERT" : "FLATTEN", r->chain);
	for (size_t i = 0; i < r->n_objects; i++) {
		const Stepdump__FlattenObject *f = r->objects[i];

		table_row(t, f, false);
		table_cell(t, TONE_KEY, "%s", f->name);
		table_cell(t, TONE_NORMAL, "%u", f->generations);
		table_cell(t, TONE_NORMAL, "%lu", f->entries);
		table_cell(t, TONE_DIM, "%lu", f->entries_before);
		table_cell(t, TONE_NORMAL, "%lu", f->pages);
		table_cell(t, TONE_HOLE, "%lu", r->converted ? f->holes : f->pages_from_parents);
	}
	table_end(t, &p, "the chain has no pagemap");
	if (r->converted) {
		paint_line(&p, TONE_OK, "wrote %s: %lu pages (%s); %u other images", r->dir,
			   r->pages, txt_pages(r->pages).s, r->files_copied);
		if (r->parent)
			paint_line(&p, TONE_DIM, "its holes lead to %s", r->parent);
		if (r->restore)
			paint_line(&p, TONE_DIM, "restored by: %s", r->restore);
		return;
	}
	paint_line(&p, TONE_OK,
		   "wrote %s: %lu pages (%s), %lu of them from parents; %u other images", r->dir,
		   r->pages, txt_pages(r->pages).s, r->pages_from_parents, r->files_copied);
}
