/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "views/panes.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/pane_impl.h"

#define PANE(pane_name, argument, text, parts)                                                     \
	{                                                                                          \
		.name = #pane_name, .arg = argument, .summary = text,                              \
		.needs = SNAP_TARGET | (parts), .render = pane_##pane_name                         \
	}

/* Addresses are shown relative to the first VMA, and iovs name theirs. */
#define NAMES SNAP_VMAS

const struct pane panes[] = {
	PANE(pipeline, NULL, "the whole dump at a glance",
	     SNAP_CURSOR | SNAP_COUNTERS | SNAP_PAGE_PIPE | SNAP_XFER | SNAP_CHECKS | SNAP_EVENTS |
		     SNAP_PARENTS | SNAP_ERROR | NAMES),
	PANE(cursor, NULL, "where the engine is, and what it does next", SNAP_CURSOR | NAMES),
	PANE(phases, NULL, "the phases, what one unit of each is", SNAP_CURSOR),
	PANE(target, NULL, "the process that is dumped", 0),
	PANE(tasks, NULL, "the tree of processes that is dumped", SNAP_TASKS),
	PANE(threads, NULL, "its threads, as found at attach", SNAP_THREADS | NAMES),
	PANE(vmas, "[N]", "its mappings, classified as CRIU does",
	     SNAP_VMAS | SNAP_VMA_COUNTS | SNAP_CURSOR),
	PANE(map, "[N]", "address space: one row per VMA, a glyph per cell",
	     SNAP_VMAS | SNAP_VMA_COUNTS | SNAP_RUNS | SNAP_CURSOR | SNAP_PMC),
	PANE(pages, "[ADDR]", "verdict of each page, in runs", SNAP_RUNS | SNAP_CURSOR | NAMES),
	PANE(pmc, NULL, "pagemap cache: window, hits, misses",
	     SNAP_PMC | SNAP_PMC_REGIONS | SNAP_CURSOR | NAMES),
	PANE(ppb, "[N]", "page-pipe buffers: planned and real fill",
	     SNAP_PAGE_PIPE | SNAP_IOVS | SNAP_CURSOR | NAMES),
	PANE(iovs, "[N]", "address ranges that go into the pipes",
	     SNAP_PAGE_PIPE | SNAP_IOVS | SNAP_CURSOR | NAMES),
	PANE(holes, NULL, "ranges left to the parent image",
	     SNAP_PAGE_PIPE | SNAP_HOLES | SNAP_XFER | SNAP_PARENTS | NAMES),
	PANE(shmem, NULL, "shared memory objects", SNAP_SHMEM),
	PANE(pstate, "[ID]", "page states of a shared object, by mapping",
	     SNAP_SHMEM | SNAP_PARENTS | SNAP_CURSOR),
	PANE(xfer, NULL, "where the pages go, and what is written", SNAP_XFER | NAMES),
	PANE(files, NULL, "the files of an image set, and what is in none",
	     SNAP_XFER | SNAP_VMA_COUNTS | NAMES),
	PANE(pagemap, NULL, "entries of the pagemap of an image set", SNAP_XFER | NAMES),
	PANE(parents, "[ADDR]", "earlier images, and how holes are covered",
	     SNAP_PARENTS | SNAP_PAGE_PIPE | SNAP_IOVS | SNAP_HOLES | SNAP_XFER | SNAP_RUNS |
		     SNAP_CURSOR | NAMES),
	PANE(tracker, NULL, "how changed pages are known", SNAP_TRACKER),
	PANE(stats, NULL, "times and counts, with CRIU's names", SNAP_COUNTERS),
	PANE(checks, NULL, "invariants, evaluated now", SNAP_CHECKS | NAMES),
	PANE(events, NULL, "what happened, newest last", SNAP_EVENTS | NAMES),
	PANE(why, "ADDR", "why a page is dumped or not", SNAP_WHY | NAMES),
	PANE(peek, "ADDR", "bytes of the target, a pipe or an image", SNAP_PEEK | NAMES),
	PANE(error, NULL, "the last failure", SNAP_ERROR | NAMES),
	PANE(breakpoints, NULL, "where the engine stops", SNAP_BREAKPOINTS | NAMES),
	PANE(fault, NULL, "steps that are made to fail, and what fired", SNAP_FAULTS),
	PANE(undo, NULL, "what was put back and removed, step by step", SNAP_UNDO | NAMES),
	PANE(watch, NULL, "the criu that is watched, and what it says", SNAP_WATCH),
	PANE(caps, NULL, "what this kernel and these rights allow", SNAP_CAPS),
	PANE(settings, NULL, "settings and their values", SNAP_SETTINGS),
	{ 0 },
};

const struct pane *pane_find(const char *name)
{
	const struct pane *found = NULL;
	size_t len = strlen(name);
	unsigned nr = 0;

	for (const struct pane *p = panes; p->name; p++) {
		if (!strcmp(p->name, name))
			return p;
		if (len && !strncmp(p->name, name, len)) {
			found = p;
			nr++;
		}
	}
	return nr == 1 ? found : NULL;
}

/* " NAME  summary                    4242 redis-server" and a rule. */
static void pane_title(struct paint *p, const struct pane *pane)
{
	const Stepdump__Target *t = p->s->target;
	unsigned col = 1;

	for (const char *c = pane->name; *c; c++)
		grid_putc(p->g, p->row, col++, TONE_TITLE, (char32_t)toupper((unsigned char)*c));
	col += 2;
	if (col < p->g->cols)
		paint_cut(p, col, p->g->cols - col, TONE_DIM, false, pane->summary);
	col += grid_text_width(pane->summary);

	if (t && t->has_pid) {
		AUTO_FREE char *right = xasprintf("%s %s", txt_pid(p, t->pid).s, t->comm ?: "");
		unsigned width = grid_text_width(right);

		if (col + 2 + width < p->g->cols)
			grid_puts(p->g, p->row, p->g->cols - 1 - width, TONE_KEY, right);
	}
	p->row++;
	paint_rule(p);
}

/* What the calls of a watched criu do not tell. */
static const struct {
	const char *pane, *text;
} not_of_criu[] = {
	{ "shmem", "of a watched criu: its shared objects are among `show tasks`, their pages in "
		   "`show iovs`; its calls do not tell who maps them" },
	{ "pstate",
	  "of a watched criu: not known; it keeps these states in its memory, and no call "
	  "tells them" },
	{ "parents",
	  "of a watched criu: not known; it reads its parent images by itself.  `show xfer` "
	  "counts the holes that it has written, `open DIR` looks at the images" },
	{ "tracker",
	  "of a watched criu: soft-dirty if it was called with --track-mem (`show watch` has "
	  "its command line); ours is not in use" },
	{ "checks", "of a watched criu: none, they are of our own dump; `show watch` has its pages "
		    "planned, in the pipes and sent on" },
};

static bool pane_not_of_criu(const struct pane *pane, struct paint *p)
{
	for (size_t i = 0; p->s->watch && i < sizeof(not_of_criu) / sizeof(not_of_criu[0]); i++)
		if (!strcmp(pane->name, not_of_criu[i].pane)) {
			paint_prose(p, 1, TONE_DIM, not_of_criu[i].text);
			return true;
		}
	return false;
}

void pane_render(const struct pane *pane, const Stepdump__Snapshot *s, const struct pane_opts *o,
		 struct grid *g)
{
	struct paint p = paint_begin(s, o, g);

	pane_title(&p, pane);
	if (!pane_not_of_criu(pane, &p))
		pane->render(&p);
}
