/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The reports of commands, drawn as panes are: pure, any width. */
#ifndef STEPDUMP_REPORTS_H
#define STEPDUMP_REPORTS_H

#include "proto/diagnose.pb-c.h"
#include "proto/plan.pb-c.h"
#include "proto/report.pb-c.h"
#include "views/panes.h"

/* verbose: also what is in order (VMAs without a difference). */
void report_verify(const Stepdump__VerifyReport *r, const struct pane_opts *o, struct grid *g);
void report_diff(const Stepdump__DiffReport *r, const struct pane_opts *o, struct grid *g);
void report_flatten(const Stepdump__FlattenReport *r, const struct pane_opts *o, struct grid *g);

/* A title and labelled texts; those that are NULL are left out. */
struct report_field {
	const char *label, *text;
};
void report_fields(const char *title, const char *about, const struct report_field *f, size_t nr,
		   const struct pane_opts *o, struct grid *g);

/* One cause in full, several as a table. */
void report_causes(const Stepdump__CauseList *l, const struct pane_opts *o, struct grid *g);
/* verbose: all errors and all noise. */
void report_log(const Stepdump__LogReport *r, const struct pane_opts *o, struct grid *g);

/* verbose: of --all, also processes with notes only. */
void report_check(const Stepdump__CheckReport *r, const struct pane_opts *o, struct grid *g);
/* verbose: all mappings. */
void report_plan(const Stepdump__PlanReport *r, const struct pane_opts *o, struct grid *g);
void report_residue(const Stepdump__ResidueReport *r, const struct pane_opts *o, struct grid *g);

#endif
