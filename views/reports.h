/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What `verify`, `diff` and `flatten` found, drawn as panes are: pure, any width. */
#ifndef STEPDUMP_REPORTS_H
#define STEPDUMP_REPORTS_H

#include "proto/report.pb-c.h"
#include "views/panes.h"

/* verbose: also what is as it should be (VMAs without a difference). */
void report_verify(const Stepdump__VerifyReport *r, const struct pane_opts *o, struct grid *g);
void report_diff(const Stepdump__DiffReport *r, const struct pane_opts *o, struct grid *g);
void report_flatten(const Stepdump__FlattenReport *r, const struct pane_opts *o, struct grid *g);

#endif
