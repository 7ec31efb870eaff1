/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The target and its mappings. */
#include <stdlib.h>
#include <string.h>

#include "proto/verdict.h"
#include "views/pane_impl.h"

bool at_vma(const Stepdump__Snapshot *s, const Stepdump__Vma *v)
{
	const Stepdump__Cursor *c = s->cursor;

	if (!c)
		return false;
	if (c->next && c->next->has_vma_index)
		return c->next->vma_index == v->index;
	return c->has_scan_vaddr && c->scan_vaddr >= v->start && c->scan_vaddr < v->end &&
	       (c->phase == STEPDUMP__PHASE__PMC_FILL ||
		c->phase == STEPDUMP__PHASE__GENERATE_IOVS);
}

void pane_target(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	const Stepdump__Target *t = s->target;

	if (!t || t->state == STEPDUMP__TARGET_STATE__NO_TARGET) {
		paint_prose(p, 1, TONE_DIM, "none: `attach PID` takes one");
		return;
	}
	paint_field(p, "pid", TONE_KEY, "%s %s", t->has_pid ? txt_pid(p, t->pid).s : "-",
		    t->comm ?: "");
	paint_field(p, "command line", TONE_NORMAL, "%s", str_or_dash(t->cmdline));
	paint_field(p, "state", t->state == STEPDUMP__TARGET_STATE__GONE ? TONE_BAD : TONE_NORMAL,
		    "%s%s", txt_enum(&stepdump__target_state__descriptor, t->state).s,
		    t->started_by_us ? ", started by stepdump" : "");
	paint_field(p, "before us", TONE_NORMAL, "%s", str_or_dash(t->was));
	if (t->has_frozen_us)
		paint_field(p, "frozen for", TONE_NORMAL, "%s", txt_took(p, t->frozen_us).s);
	paint_field(p, "threads", TONE_NORMAL, "%s", txt_opt(t->has_nr_threads, t->nr_threads).s);
	paint_field(p, "VMAs", TONE_NORMAL, "%s", txt_opt(t->has_nr_vmas, t->nr_vmas).s);
	paint_field(p, "private memory", TONE_NORMAL, "%s in %s pages",
		    t->has_nr_private_pages ? txt_pages(t->nr_private_pages).s : "-",
		    txt_opt(t->has_nr_private_pages, t->nr_private_pages).s);
	paint_field(p, "resident", TONE_NORMAL, "%s",
		    txt_opt_size(t->has_rss_bytes, t->rss_bytes).s);
	paint_field(p, "swapped out", TONE_NORMAL, "%s",
		    txt_opt_size(t->has_swap_bytes, t->swap_bytes).s);
	if (t->has_parasite_start && t->has_parasite_end)
		paint_field(p, "parasite", TONE_WARN, "%s-%s, %s mapped in the target by us",
			    txt_addr(p, t->parasite_start).s, txt_addr(p, t->parasite_end).s,
			    txt_pages(span_pages(t->parasite_start, t->parasite_end)).s);
	else if (p->s->watch && t->state == STEPDUMP__TARGET_STATE__INFECTED)
		paint_field(p, "parasite", TONE_WARN, "criu's: /memfd:CRIUMFD in `show vmas`");
	else
		paint_field(p, "parasite", TONE_NORMAL, "- (not infected)");
	if (t->nr_vmas_made_readable)
		paint_field(p, "made readable", TONE_WARN, "%u VMAs, until the dump ends",
			    t->nr_vmas_made_readable);
	if (t->has_ppid && t->has_uid)
		paint_field(p, "parent, user", TONE_NORMAL, "pid %s, uid %u", txt_pid(p, t->ppid).s,
			    t->uid);
}

void pane_tasks(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	const struct column columns[] = {
		{ "task", .right = true },
		{ "pid", .right = true },
		{ "parent", .right = true, .drop = 2 },
		{ "name", .min = 8 },
		{ "threads", .right = true, .drop = 3 },
		{ "VMAs", .right = true, .drop = 5 },
		{ "private", .right = true, .drop = 1 },
		{ "pages dumped", .right = true, .drop = 1 },
		{ "state", .drop = 4 },
	};
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < s->n_tasks; i++) {
		const Stepdump__Task *k = s->tasks[i];

		table_row(t, k, k->current);
		table_cell(t, TONE_DIM, "%u", k->index);
		table_cell(t, TONE_KEY, "%s", txt_pid(p, k->pid).s);
		table_cell(t, TONE_NORMAL, "%s",
			   k->has_ppid && k->ppid ? txt_pid(p, k->ppid).s : "-");
		table_cell(t, TONE_NORMAL, "%s", str_or_dash(k->comm));
		table_cell(t, TONE_NORMAL, "%s", txt_opt(k->has_nr_threads, k->nr_threads).s);
		table_cell(t, TONE_NORMAL, "%s", txt_opt(k->has_nr_vmas, k->nr_vmas).s);
		table_cell(t, TONE_NORMAL, "%s",
			   k->has_nr_private_pages ? txt_pages(k->nr_private_pages).s : "-");
		table_cell(t, TONE_NORMAL, "%s", txt_opt(k->has_pages_dumped, k->pages_dumped).s);
		table_cell(t, k->selected ? TONE_CURSOR : TONE_NORMAL, "%s%s",
			   !k->has_infected ? "-" :
			   k->infected      ? "infected" :
					      "frozen",
			   k->selected ? ", selected" : "");
	}
	table_end(t, p, "none: no target is attached");
	if (s->n_tasks)
		paint_line(p, TONE_DIM,
			   "> the pipeline is here; `show` speaks of the selected one");
}

void pane_threads(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	const struct column columns[] = {
		{ "tid", .right = true },
		{ "name", .drop = 1, .min = 6 },
		{ "was", .drop = 2 },
		{ "ip", .drop = 3, .right = true },
		{ "sp", .drop = 4, .right = true },
		{ "pending signals", .drop = 6, .right = true },
		{ "blocked signals", .drop = 7, .right = true },
		{ "role", .drop = 5 },
	};
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < s->n_threads; i++) {
		const Stepdump__Thread *th = s->threads[i];

		table_row(t, th, false);
		table_cell(t, TONE_KEY, "%s", txt_pid(p, th->tid).s);
		table_cell(t, TONE_NORMAL, "%s", str_or_dash(th->comm));
		table_cell(t, TONE_NORMAL, "%s", str_or_dash(th->state_before));
		table_cell(t, TONE_ADDR, "%s", txt_opt_addr(p, th->has_ip, th->ip).s);
		table_cell(t, TONE_ADDR, "%s", txt_opt_addr(p, th->has_sp, th->sp).s);
		if (th->has_sig_pending)
			table_cell(t, TONE_NORMAL, "%016lx", th->sig_pending);
		else
			table_cell(t, TONE_NORMAL, "-");
		if (th->has_sig_blocked)
			table_cell(t, TONE_NORMAL, "%016lx", th->sig_blocked);
		else
			table_cell(t, TONE_NORMAL, "-");
		table_cell(t, TONE_NORMAL, "%s%s", th->leader ? "leader" : "-",
			   th->has_parasite ? ", runs the parasite" : "");
	}
	table_end(t, p, "none: no target is attached");
}

static void draw_counts(struct paint *p, unsigned col, unsigned width, const void *item, void *ctx)
{
	const Stepdump__Vma *v = item;
	uint64_t parts[STEPDUMP__VERDICT__SHARED + 1];
	unsigned columns[STEPDUMP__VERDICT__SHARED + 1], at = col;
	uint32_t *verdicts = ctx;

	if (!v)
		return;
	for (int k = 0; k <= STEPDUMP__VERDICT__SHARED; k++)
		parts[k] = count_of(v->counts, v->n_counts, (Stepdump__Verdict)k);
	*verdicts |= verdicts_of(v->counts, v->n_counts);
	share_columns(parts, STEPDUMP__VERDICT__SHARED + 1, width, columns);
	/* NOT_SCANNED is 0 and belongs at the end, as those pages are still to come. */
	for (int k = 1; k <= STEPDUMP__VERDICT__SHARED + 1; k++) {
		Stepdump__Verdict verdict =
			(Stepdump__Verdict)(k % (STEPDUMP__VERDICT__SHARED + 1));

		for (unsigned n = columns[verdict]; n; n--)
			grid_putc(p->g, p->row, at++, verdict_tone(verdict, false),
				  (char32_t)verdict_glyph(verdict, false));
	}
}

static enum tone vma_note(const Stepdump__Vma *v, const char **text)
{
	*text = v->unsupp        ? v->unsupp :
		v->made_readable ? "made readable" :
		v->shared        ? "shared" :
				   "-";
	return v->unsupp ? TONE_BAD : v->made_readable ? TONE_WARN : TONE_DIM;
}

static void paint_vma_table(struct paint *p)
{
	uint32_t verdicts = 0; /* that were drawn */
	const struct column columns[] = {
		{ "VMA", .right = true },
		{ "start", .right = true },
		{ "end", .right = true, .drop = 6 },
		{ "size", .right = true },
		{ .head = "prot" },
		{ "kind", .drop = 1 },
		{ "resident", .right = true, .drop = 3 },
		{ "swap", .right = true, .drop = 7 },
		{ "pages by verdict", .drop = 5, .min = 16, .grow = 24, .draw = draw_counts,
		  .ctx = &verdicts },
		{ "note", .drop = 4, .min = 6 },
		{ "name", .drop = 2, .min = 10 },
	};
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < p->s->n_vmas; i++) {
		const Stepdump__Vma *v = p->s->vmas[i];
		const char *note;
		enum tone tone = vma_note(v, &note);

		table_row(t, v, at_vma(p->s, v));
		table_cell(t, TONE_NORMAL, "%u", v->index);
		table_cell(t, TONE_ADDR, "%s", txt_addr(p, v->start).s);
		table_cell(t, TONE_ADDR, "%s", txt_addr(p, v->end).s);
		table_cell(t, TONE_NORMAL, "%s", txt_pages(span_pages(v->start, v->end)).s);
		table_cell(t, TONE_NORMAL, "%s", v->prot);
		table_cell(t, TONE_KEY, "%s", v->kind);
		table_cell(t, TONE_NORMAL, "%s", txt_opt_size(v->has_rss_bytes, v->rss_bytes).s);
		table_cell(t, TONE_NORMAL, "%s", txt_opt_size(v->has_swap_bytes, v->swap_bytes).s);
		table_cell(t, tone, "%s", note);
		table_cell(t, TONE_NORMAL, "%s", str_or_dash(v->name));
	}
	table_end(t, p, "none: no target is attached");
	paint_verdict_legend(p, verdicts, NULL, 0);
	if (p->s->target)
		paint_shown_of(p, "VMAs", p->s->n_vmas, p->s->target->has_nr_vmas,
			       p->s->target->nr_vmas);
}

static void paint_names(struct paint *p, const char *label, bool has, uint64_t bits,
			char *const *names, size_t nr)
{
	AUTO_FREE char *text = join_names(names, nr, " ");

	if (has)
		paint_field(p, label, TONE_NORMAL, "%s (0x%lx)", text, bits);
	else
		paint_field(p, label, TONE_NORMAL, "%s", text);
}

struct count_ctx {
	uint64_t whole;
};

static void draw_count(struct paint *p, unsigned col, unsigned width, const void *item, void *ctx)
{
	const Stepdump__VerdictCount *c = item;
	const struct count_ctx *whole = ctx;

	if (c)
		paint_bar(p, col, width, verdict_tone(c->verdict, false), c->pages, whole->whole,
			  (char32_t)verdict_glyph(c->verdict, false));
}

static void paint_vma_counts(struct paint *p, const Stepdump__Vma *v)
{
	struct count_ctx ctx = { span_pages(v->start, v->end) };
	const struct column columns[] = {
		{ .head = "verdict" },
		{ "pages", .right = true },
		{ "size", .right = true },
		{ "", .drop = 1, .min = 10, .grow = 40, .draw = draw_count, .ctx = &ctx },
	};
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < v->n_counts; i++) {
		const Stepdump__VerdictCount *c = v->counts[i];

		table_row(t, c, false);
		table_cell(t, verdict_tone(c->verdict, false), "%c %s",
			   verdict_glyph(c->verdict, false), verdict_name(c->verdict));
		table_cell(t, TONE_NORMAL, "%lu", c->pages);
		table_cell(t, TONE_NORMAL, "%s", txt_pages(c->pages).s);
	}
	paint_blank(p);
	table_end(t, p, "no page of it is scanned yet");
}

/* Kinds of which the rule says that no page is dumped. */
static bool vma_is_skipped(const Stepdump__Vma *v)
{
	return !strcmp(v->kind, "vvar") || !strcmp(v->kind, "vsyscall") ||
	       !strcmp(v->kind, "droppable");
}

static void paint_vma(struct paint *p, const Stepdump__Vma *v)
{
	uint64_t pages = span_pages(v->start, v->end);

	paint_field(p, "VMA", TONE_KEY, "%u %s", v->index, v->kind);
	paint_field(p, "range", TONE_ADDR, "%s-%s", txt_addr(p, v->start).s, txt_addr(p, v->end).s);
	paint_field(p, "size", TONE_NORMAL, "%s, %lu pages", txt_pages(pages).s, pages);
	paint_field(p, "name", TONE_NORMAL, "%s", str_or_dash(v->name));
	paint_field(p, "protection", TONE_NORMAL, "%s%s", v->prot,
		    v->made_readable ? ", readable for now: PROT_READ added by us" : "");
	paint_names(p, "status", v->has_status, v->status, v->status_names, v->n_status_names);
	paint_names(p, "flags", v->has_flags, v->flags, v->flag_names, v->n_flag_names);
	paint_names(p, "madvise", v->has_madv, v->madv, v->madv_names, v->n_madv_names);
	paint_field(p, "file offset", TONE_NORMAL, "%s", txt_opt_size(v->has_pgoff, v->pgoff).s);
	paint_field(p, "shmid", TONE_NORMAL, "%s", txt_opt(v->has_shmid, v->shmid).s);
	paint_field(p, "resident", TONE_NORMAL, "%s",
		    txt_opt_size(v->has_rss_bytes, v->rss_bytes).s);
	paint_field(p, "swapped out", TONE_NORMAL, "%s",
		    txt_opt_size(v->has_swap_bytes, v->swap_bytes).s);
	paint_field(p, "private", TONE_NORMAL, "%s",
		    !v->has_is_private ? "-" :
		    !v->is_private     ? "no" :
		    vma_is_skipped(v)  ? "yes, but no page of it is ever dumped" :
					 "yes: its pages go to pagemap-PID.img");
	if (v->unsupp)
		paint_field(p, "cannot dump", TONE_BAD, "%s", v->unsupp);
	paint_vma_counts(p, v);
}

void pane_vmas(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	const struct pane_opts *o = p->o;

	if (o->index < 0) {
		paint_vma_table(p);
		return;
	}

	const Stepdump__Vma *v =
		o->index <= UINT32_MAX ? vma_by_index(s, (uint32_t)o->index) : NULL;

	if (v)
		paint_vma(p, v);
	else
		paint_line(p, TONE_WARN, "no VMA %ld here", o->index);
}
