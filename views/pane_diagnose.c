/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reports on why dumps fail. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "views/pane_impl.h"
#include "views/reports.h"

/* Panes draw from a snapshot; a report stands alone. */
static const Stepdump__Snapshot no_session = STEPDUMP__SNAPSHOT__INIT;

static void diagnose_title(struct paint *p, const char *what, const char *about)
{
	unsigned col = grid_puts(p->g, p->row, 1, TONE_TITLE, what) + 2;

	if (col < p->g->cols)
		paint_cut(p, col, p->g->cols - col, TONE_KEY, false, about);
	p->row++;
	paint_rule(p);
}

static enum tone severity_tone(const char *severity)
{
	return !strcmp(severity, "note")                                ? TONE_DIM :
	       !strcmp(severity, "slow") || !strcmp(severity, "option") ? TONE_WARN :
									  TONE_BAD;
}

static const char *severity_words(const char *severity)
{
	return !strcmp(severity, "fail") ?
		       "the dump fails" :
	       !strcmp(severity, "lose") ?
		       "the dump succeeds and something is lost" :
	       !strcmp(severity, "harm") ?
		       "the dump can damage or kill the process" :
	       !strcmp(severity, "slow") ?
		       "the dump is slow or large" :
	       !strcmp(severity, "option") ?
		       "CRIU needs an option for it, without which the dump fails" :
		       "worth knowing";
}

void report_fields(const char *title, const char *about, const struct report_field *f, size_t nr,
		   const struct pane_opts *o, struct grid *g)
{
	struct paint p = paint_begin(&no_session, o, g);

	diagnose_title(&p, title, about);
	for (size_t i = 0; i < nr; i++)
		if (f[i].text)
			paint_field(&p, f[i].label, TONE_NORMAL, "%s", f[i].text);
}

/* ---- explain --------------------------------------------------------------------------------- */

static void paint_cause(struct paint *p, const Stepdump__Cause *c)
{
	paint_field(p, "what", TONE_TITLE, "%s", c->title);
	paint_field(p, "severity", severity_tone(c->severity), "%s: %s", c->severity,
		    severity_words(c->severity));
	if (*c->phase)
		paint_field(p, "CRIU's phase", TONE_NORMAL, "%s", c->phase);
	paint_field(p, "seen before", TONE_NORMAL, "%s", c->seen ?: "nowhere from outside");
	for (size_t i = 0; i < c->n_log_lines; i++)
		paint_field(p, i ? "" : "in the log", TONE_KEY, "%s", c->log_lines[i]);
	if (!c->n_log_lines)
		paint_field(p, "in the log", TONE_DIM, "no line");
	paint_field(p, "advice", TONE_NORMAL, "%s", c->advice);
	if (c->issues)
		paint_field(p, "reported", TONE_DIM, "%s", c->issues);
}

void report_causes(const Stepdump__CauseList *l, const struct pane_opts *o, struct grid *g)
{
	const struct column columns[] = {
		{ .head = "cause" },
		{ "phase", .drop = 1 },
		{ .head = "severity" },
		{ "what", .min = 24, .prose = true },
	};
	struct paint p = paint_begin(&no_session, o, g);
	struct table *t;

	if (l->n_causes == 1) {
		diagnose_title(&p, "EXPLAIN", l->causes[0]->name);
		paint_cause(&p, l->causes[0]);
		return;
	}
	diagnose_title(&p, "EXPLAIN",
		       "what makes dumps fail, in the order in which CRIU comes there");
	t = TABLE_NEW(columns);
	for (size_t i = 0; i < l->n_causes; i++) {
		const Stepdump__Cause *c = l->causes[i];

		table_row(t, c, false);
		table_cell(t, TONE_KEY, "%s", c->name);
		table_cell(t, TONE_NORMAL, "%s", c->phase);
		table_cell(t, severity_tone(c->severity), "%s", c->severity);
		table_cell(t, TONE_NORMAL, "%s", c->title);
	}
	table_end(t, &p, "");
}

/* ---- log ------------------------------------------------------------------------------------- */

/* CRIU's way as one line of names: what was reached, and where it ended. */
static void paint_log_phases(struct paint *p, const Stepdump__LogReport *r)
{
	unsigned col = field_col(p);
	bool past = false, any = false;

	if (!r->n_phases)
		return;
	grid_puts(p->g, p->row, 1, TONE_DIM, "phases");
	for (size_t i = 0; i < r->n_phases; i++) {
		const Stepdump__LogPhase *f = r->phases[i];
		bool here = !strcmp(f->name, r->deepest);
		bool bad = here && strcmp(r->outcome, "succeeded");
		AUTO_FREE char *text =
			xasprintf("%s%s%s", any ? "- " : "", f->name, bad ? "!" : "");

		if (col + strlen(text) + 1 > p->g->cols && col > field_col(p)) {
			p->row++;
			col = field_col(p);
		}
		col = grid_puts(p->g, p->row, col,
				bad  ? TONE_BAD :
				past ? TONE_DIM :
				       TONE_OK,
				text) +
		      1;
		any = true;
		past |= here;
	}
	p->row++;
}

/* Without time stamp and source line, where they help nobody. */
static const char *bare_text(const char *text)
{
	const char *level = strstr(text, "Error ("), *colon;

	if (!level)
		level = strstr(text, "Warn  (");
	colon = level ? strstr(level, "): ") : NULL;
	return colon ? colon + 3 : text;
}

static void paint_log_line(struct paint *p, const char *label, enum tone tone,
			   const Stepdump__LogLine *l)
{
	if (l->remark)
		paint_field(p, label, tone, "line %u: %s -- %s", l->line, bare_text(l->text),
			    l->remark);
	else
		paint_field(p, label, tone, "line %u: %s", l->line, l->text);
}

static void paint_log_cause(struct paint *p, const Stepdump__LogCause *c)
{
	paint_blank(p);
	paint_field(p, "cause", TONE_TITLE, "%s (%s; %s)", c->cause->title, c->confidence,
		    c->cause->name);
	if (c->confirmed)
		paint_field(p, "seen now", TONE_BAD, "%s", c->confirmed);
	paint_field(p, "advice", TONE_NORMAL, "%s", c->cause->advice);
	if (c->cause->issues)
		paint_field(p, "reported", TONE_DIM, "%s", c->cause->issues);
}

void report_log(const Stepdump__LogReport *r, const struct pane_opts *o, struct grid *g)
{
	struct paint p = paint_begin(&no_session, o, g);
	bool ok = !strcmp(r->outcome, "succeeded");
	size_t shown = 0;

	diagnose_title(&p, "LOG", r->file);
	paint_field(&p, "of", TONE_NORMAL, "CRIU %s%s%s, %s%s%s",
		    r->version ?: "of unknown version", r->through ? ", as quoted by " : "",
		    r->through ?: "", r->action, r->has_pid ? " of " : "",
		    r->has_pid ? txt_opt(true, r->pid).s : "");
	if (r->comm || r->alive)
		paint_field(&p, "process", TONE_NORMAL, "%s%s%s",
			    r->comm ?: txt_opt(r->has_pid, r->pid).s, r->alive ? ", " : "",
			    r->alive ?: "");
	paint_field(&p, "outcome", ok ? TONE_OK : TONE_BAD, "%s%s%s", r->outcome,
		    !ok && *r->deepest ? " in " : "", ok ? "" : r->deepest);
	paint_log_phases(&p, r);
	if (r->matters)
		paint_log_line(&p, "what matters", TONE_BAD, r->matters);
	else if (!ok)
		paint_field(&p, "what matters", TONE_WARN, "no line tells why");
	for (size_t i = 0; i < r->n_causes; i++)
		paint_log_cause(&p, r->causes[i]);
	if (!ok && !r->n_causes)
		paint_field(&p, "cause", TONE_WARN, "not in the catalogue: %s",
			    r->has_pid ? "`check PID` looks at the process" :
					 "a log with more detail (-v4) may tell");
	if (r->n_context || r->n_noise)
		paint_blank(&p);
	for (size_t i = 0; i < r->n_context && (o->verbose || i < 5); i++)
		paint_log_line(&p, i ? "" : "other errors", TONE_NORMAL, r->context[i]);
	if (!o->verbose && r->n_context > 5)
		paint_field(&p, "", TONE_DIM, "%zu more: log -v", r->n_context - 5);
	for (size_t i = 0; i < r->n_noise && (o->verbose || i < 5); i++)
		paint_log_line(&p, shown++ ? "" : "noise", TONE_DIM, r->noise[i]);
	if (r->images) {
		paint_blank(&p);
		paint_field(&p, "images", TONE_KEY, "%s", r->images);
		for (size_t i = 0; i < r->n_written; i++)
			paint_field(&p, i ? "" : "written", TONE_NORMAL, "%s", r->written[i]);
	}
}

/* ---- check ----------------------------------------------------------------------------------- */

static const char *in_plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void paint_finding(struct paint *p, const Stepdump__CheckFinding *f)
{
	const Stepdump__Cause *c = f->cause;

	paint_field(p, c->severity, severity_tone(c->severity), "%s  (%s)", c->title, c->name);
	paint_field(p, "", TONE_KEY, "%s", f->evidence);
	for (size_t i = 0; i < f->n_places; i++)
		paint_field(p, "", TONE_ADDR, "%s-%s %s", txt_addr(p, f->places[i]->start).s,
			    txt_addr(p, f->places[i]->end).s, f->places[i]->name ?: "");
	if (f->has_count && f->count > f->n_places)
		paint_field(p, "", TONE_DIM, "%lu of this kind", f->count);
	if (*c->phase && strcmp(c->severity, "note"))
		paint_field(p, "", TONE_NORMAL, "%s in %s%s.",
			    !strcmp(c->severity, "fail") || !strcmp(c->severity, "option") ?
				    "CRIU fails" :
				    "It happens",
			    c->phase, !strcmp(c->severity, "option") ? " without the option" : "");
	paint_field(p, "", TONE_NORMAL, "%s", c->advice);
	if (c->issues)
		paint_field(p, "", TONE_DIM, "%s", c->issues);
}

/* Ordinary processes have notes, and need options. */
static bool only_notes(const Stepdump__CheckedTask *t)
{
	for (size_t i = 0; i < t->n_findings; i++)
		if (strcmp(t->findings[i]->cause->severity, "note") &&
		    strcmp(t->findings[i]->cause->severity, "option"))
			return false;
	return true;
}

void report_check(const Stepdump__CheckReport *r, const struct pane_opts *o, struct grid *g)
{
	struct paint p = paint_begin(&no_session, o, g);

	for (size_t i = 0; i < r->n_tasks; i++) {
		const Stepdump__CheckedTask *t = r->tasks[i];
		AUTO_FREE char *about = NULL;

		if (r->n_tasks > 1 && only_notes(t) && !o->verbose)
			continue;
		about = xasprintf("%s %s: %s mapping%s, %s resident%s%s", txt_pid(&p, t->pid).s,
				  t->comm ?: "", txt_opt(t->has_vmas, t->vmas).s,
				  in_plural(t->vmas), txt_size(t->rss).s,
				  t->swap ? ", swapped " : "", t->swap ? txt_size(t->swap).s : "");
		diagnose_title(&p, "CHECK", about);
		for (size_t j = 0; j < t->n_findings; j++)
			paint_finding(&p, t->findings[j]);
		if (!t->n_findings)
			paint_line(&p, TONE_OK, "nothing seen that would make a dump fail");
	}
	for (size_t i = 0; i < r->n_machine && (r->checked == 1 || o->verbose); i++) {
		paint_field(&p, "this machine", TONE_DIM, "%s (%s): %s.",
			    r->machine[i]->cause->title, r->machine[i]->cause->name,
			    r->machine[i]->evidence);
		paint_field(&p, "", TONE_DIM, "%s", r->machine[i]->cause->advice);
	}
	paint_line(&p, r->found ? TONE_BAD : TONE_OK,
		   "%u process%s checked: %lu finding%s, %lu note%s", r->checked,
		   r->checked == 1 ? "" : "es", r->found, in_plural(r->found), r->notes,
		   in_plural(r->notes));
	if (r->not_ours)
		paint_line(
			&p, TONE_WARN,
			"%u of them are not ours to look into: only their state was seen; run as root",
			r->not_ours);
}

/* ---- residue --------------------------------------------------------------------------------- */

void report_residue(const Stepdump__ResidueReport *r, const struct pane_opts *o, struct grid *g)
{
	struct paint p = paint_begin(&no_session, o, g);
	AUTO_FREE char *about = xasprintf("%s %s", txt_pid(&p, r->pid).s, r->comm ?: "");

	diagnose_title(&p, "RESIDUE", about);
	for (size_t i = 0; i < r->n_mappings; i++)
		paint_field(&p, i ? "" : "mapped", TONE_BAD, "%s-%s %s",
			    txt_addr(&p, r->mappings[i]->start).s,
			    txt_addr(&p, r->mappings[i]->end).s, r->mappings[i]->name ?: "");
	if (r->traced)
		paint_field(&p, "traced", TONE_WARN, "%s", r->traced);
	if (r->stopped)
		paint_field(&p, "stopped", TONE_WARN, "%s", r->stopped);
	if (r->protection)
		paint_field(&p, "protections", TONE_NORMAL, "%s", r->protection);
	for (size_t i = 0; i < r->n_advice; i++)
		paint_field(&p, i ? "" : "advice", TONE_NORMAL, "%s", r->advice[i]);
	if (r->clean)
		paint_line(&p, TONE_OK,
			   "nothing is left in it: no parasite, not stopped, not traced");
}
