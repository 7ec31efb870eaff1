/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/stop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "shell/format.h"

/* "breakpoint 1: drain: DUMPPAGES for ppb 5 ... (chunk 2)" */
static void stop_print_breakpoint(const Stepdump__Stop *stop, struct out *o)
{
	const Stepdump__Cursor *c = stop->cursor;

	out_printf(o, "breakpoint %u", stop->breakpoint);
	if (c)
		out_printf(o, ": %s", phase_name(c->phase));
	if (c && c->next && c->next->text)
		out_printf(o, ": %s", c->next->text);
	if (c && c->chunk)
		out_printf(o, " (chunk %u)", c->chunk);
	out_printf(o, "\n");
}

/* "41 units done; next: drain: DUMPPAGES for ppb 5 ..." */
static void stop_print_place(const Stepdump__Stop *stop, struct out *o)
{
	const Stepdump__Cursor *c = stop->cursor;

	const char *next = c->next && c->next->text ? c->next->text : NULL;

	if (c->has_unit)
		out_printf(o, "%lu unit%s done%s", c->unit, c->unit == 1 ? "" : "s",
			   next ? "; " : "");
	if (next)
		out_printf(o, "next: %s: %s", phase_name(c->phase), next);
	out_printf(o, "\n");
}

/* "committed dump/: 12288 pages 48.0M, 1792 holes, 0.21 s" */
static void stop_print_committed(const Stepdump__Stop *stop, struct out *o)
{
	const Stepdump__Counters *c = stop->counters;
	char size[24];

	out_printf(o, "committed %s", stop->committed);
	if (c) {
		uint64_t pages = c->pages_written + c->shpages_written;

		format_bytes(pages * PAGE_BYTES, size, sizeof(size));
		out_printf(o, ": %lu pages %s, %lu holes, %.2f s", pages, size,
			   c->pages_skipped_parent + c->shpages_skipped_parent,
			   (double)c->total_us / 1e6);
	}
	out_printf(o, "\n");
}

void stop_print(const Stepdump__Stop *stop, struct out *o)
{
	if (!stop)
		return;
	out_message(o, &stop->base);
	for (size_t i = 0; i < stop->n_lines; i++)
		out_printf(o, "%s\n", stop->lines[i]);
	if (stop->has_breakpoint)
		stop_print_breakpoint(stop, o);
	else if (stop->committed)
		stop_print_committed(stop, o);
	else if (!strcmp(stop->reason, "back") || !strcmp(stop->reason, "watch"))
		stop_print_place(stop, o);
	else if (!strcmp(stop->reason, "gate"))
		out_printf(o,
			   "at the gate: all staged, nothing published; `commit DIR` passes it\n");
}

struct err *where_from_args(struct shell *sh, const struct args *a, char **ret)
{
	AUTO_FREE char *text = xstrdup("");

	for (unsigned i = 0; i < a->argc; i++) {
		AUTO_FREE char *before = text;
		uint64_t addr;

		text = NULL;
		if (*a->argv[i] == '$') {
			TRY(arg_addr(sh, a->argv[i], &addr));
			text = xasprintf("%s%s0x%lx", before, i ? " " : "", addr);
		} else {
			text = xasprintf("%s%s%s", before, i ? " " : "", a->argv[i]);
		}
	}
	*ret = TAKE_PTR(text);
	return NULL;
}
