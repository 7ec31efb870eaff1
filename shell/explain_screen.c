/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What stands on the screen: the headings of columns, and the glyphs of the legends. */
#include "shell/explain.h"

#define COLUMN(names, what, look)                                                                  \
	{                                                                                          \
		names, "column", what, NULL, NULL, NULL, look, NULL                                \
	}
#define GLYPH(names, what, look)                                                                   \
	{                                                                                          \
		names, "glyph", what, NULL, NULL, NULL, look, NULL                                 \
	}

const struct explain_term explain_screen[] = {
	/* ---- columns ------------------------------------------------------------------------ */
	COLUMN("start|end|vaddr|address",
	       "Addresses in the target, hexadecimal: from start up to, not including, end.",
	       "show vmas, show iovs"),
	COLUMN("pages|size|bytes|resident|swap|private",
	       "How much: pages (4096 bytes on x86-64), or bytes with K, M, G, T. resident is in memory, swap is "
	       "swapped out, private are pages of private mappings, which the scan has to judge.",
	       "show vmas, show tasks"),
	COLUMN("prot",
	       "Protection as in /proc/PID/maps: r, w, x, and p private or s shared. A note says when "
	       "PROT_READ was added for the dump.",
	       "show vmas"),
	COLUMN("kind",
	       "Of a mapping: anon, heap, stack, file cow, vdso and so on, classified as CRIU does. Of a "
	       "shared object: anon, memfd, sysv. Of a breakpoint: temporary or not.",
	       "show vmas, show shmem"),
	COLUMN("note",
	       "What is special about a VMA: made readable, why it cannot be dumped, madvise flags.",
	       "show vmas, show vmas N"),
	COLUMN("name", "Of a mapping the file or kernel's name; of a thread or task its comm.",
	       "show vmas, show threads"),
	COLUMN("fds", "The two ends of the pipe of a ppb in stepdump: read, write.", "show ppb"),
	COLUMN("pages/capacity|0 50 100%|50 100%|0 50|0|50|100%",
	       "Pages planned for the pipe, and how many it can hold (F_GETPIPE_SZ). The bars of all ppbs "
	       "have one scale, that of the largest.",
	       "show ppb"),
	COLUMN("flags",
	       "Of a ppb: L lazy, + it shares the pipe of the one before. Of a hole or an entry: "
	       "PRESENT, LAZY, PARENT.",
	       "show ppb, show holes, show xfer"),
	COLUMN("state",
	       "Of a ppb: planned, in pipe, sent, failed, or short by so many pages. Of a phase: ok, now, "
	       "failed, or - if it has not begun. Of a task: infected or not.",
	       "show ppb, show phases, show tasks"),
	COLUMN("chunk offset", "How many pages of this chunk stand in ppbs before this one.",
	       "show ppb"),
	COLUMN("pipe page", "Where the pages of an iov begin in their pipe, in pages.",
	       "show iovs"),
	COLUMN("one unit|effect on target|undo|mirrors in CRIU",
	       "What one `next` does in a phase, what that changes in the target, whether `restart` takes "
	       "it back, and the functions of CRIU that do the same.",
	       "show phases, help phases"),
	COLUMN("for|number",
	       "Of the predicted freeze: what costs time, and how many there are of it.",
	       "plan PID, explain predicted"),
	COLUMN("number|where|enabled|hits",
	       "Of a breakpoint: its number for `delete`, where it stops, whether it does, how often it "
	       "did.",
	       "show breakpoints, help breakpoints"),
	COLUMN("no|seconds|phase|what",
	       "Of an event: its number, the time since attach, the phase, and what happened.",
	       "show events"),
	COLUMN("holds", "Of a file of an image set: what is in it, and to which others it belongs.",
	       "show files"),
	COLUMN("stored|in parent|left out|why",
	       "Pages of a mapping in an image set: with data in its pages file, holes that a parent has, "
	       "in neither; and why the last are in no image.",
	       "show files"),
	COLUMN("point|action|fired|passed|step",
	       "Of a fault: where it strikes, what it does there, in which process it did, how often the "
	       "point was passed since the first fault was armed, and the step that fails.",
	       "show fault, fault list"),
	COLUMN("kind|by",
	       "Of something that was put back or removed: what it is, and whether stepdump or its "
	       "keeper did it.",
	       "show undo"),
	COLUMN("check|detail",
	       "An invariant, such as \"the sum of the verdicts is the number of pages\", and the numbers "
	       "that went into it. It is evaluated again each time.",
	       "show checks"),
	COLUMN("data|maps|dumped|done|read by",
	       "Of a shared object: bytes that SEEK_DATA finds, how many mappings it has, pages written so "
	       "far, whether it is finished, and how it is read.",
	       "show shmem"),
	COLUMN("counter|value|whose|what it counts",
	       "A time or a count; \"CRIU\" in whose means that it has CRIU's name and goes into "
	       "stats-dump.",
	       "show stats"),
	COLUMN("capability|here|what it means for a dump",
	       "What this kernel and these rights allow, tried out at the start, and what follows.",
	       "show caps"),
	COLUMN("setting|default|values|what it does", "A setting, its default, and what it can be.",
	       "show settings, set NAME VALUE"),
	COLUMN("task|pid|threads|pages dumped",
	       "One process of the tree: its place in the order of the dump, its pid, how many threads it "
	       "has, and its pages that are dumped so far.",
	       "show tasks, attach PID --tree"),
	COLUMN("tid|was|ip|sp|pending signals|blocked signals|role",
	       "Of a thread: its id, running or stopped as found at attach, instruction and stack "
	       "pointer, signal sets, and which thread is the leader or lends itself to the parasite.",
	       "show threads"),
	COLUMN("file|entries|offset in pages file",
	       "Of an image: its name, how many entries it has, and where in pages-N.img the pages of an "
	       "entry begin.",
	       "show xfer"),
	COLUMN("directory|pages stored",
	       "Of one generation of the chain: its image directory, and how many pages it has itself, "
	       "without holes.",
	       "show parents"),
	COLUMN("present|dirty",
	       "Of a run of pages: in memory; written since the tracker was last reset.",
	       "show pages"),
	COLUMN("where in the window", "Which part of the pmc's window a VMA covers.", "show pmc"),

	/* ---- glyphs ------------------------------------------------------------------------- */
	GLYPH("#|█",
	      "Pages that go into a pipe (verdict dump), or that are in one (FIONREAD); in a "
	      "parent: pages stored. A bar without a legend is a share of the longest.",
	      "show map, show ppb, show parents"),
	GLYPH("=", "A hole: the parent has these pages. In `show stats`: the sum.",
	      "show map, show holes"),
	GLYPH("s", "dump-swapped: goes into a pipe, the splice reads it in.", "show map"),
	GLYPH("S", "Pages of a shared mapping: its object is dumped separately.", "show map"),
	GLYPH("!", "always: goes into a pipe whatever the pagemap says.", "show map"),
	GLYPH("z", "zero: the kernel's zero page.", "show map"),
	GLYPH("f", "file-clean: the file has it.", "show map"),
	GLYPH(".", "absent, nothing there; in the pipeline: skipped.", "show map, show pipeline"),
	GLYPH("g", "guard: a guard region.", "show map"),
	GLYPH("x", "never: skipped by rule.", "show map"),
	GLYPH("_", "not scanned yet.", "show map, show pipeline"),
	GLYPH("L", "lazy: goes into a pipe, and may be restored lazily.", "show map, show ppb"),
	GLYPH("%", "A cell that stands for pages with several verdicts.", "show map"),
	GLYPH(">", "The engine is here: the next unit.", "show map, show ppb"),
	GLYPH("+",
	      "The row is cut, the VMA goes on. In flags of a ppb: shares a pipe. In `show parents`: "
	      "new since the parent.",
	      "show map, show ppb, show parents"),
	GLYPH("(|()|)", "In brackets: shares of the row, not places.", "show map"),
	GLYPH("~", "Sent on: these pages have left the pipe. At the end of a text: it is cut.",
	      "show ppb"),
	GLYPH("░", "Planned (pages_in), not in the pipe yet.", "show ppb"),
	GLYPH("-",
	      "Planned (pages_in), not in the pipe yet, with `set ascii on`. In a column: none.",
	      "show ppb"),
	GLYPH("^", "In the parent: needed by a hole, and found.", "show parents"),
	GLYPH("?", "In the parent: needed by a hole, and not found: the dump stops there.",
	      "show parents"),
	GLYPH("o", "In `show parents`: old, as the parent has it.", "show parents"),
	GLYPH("p|d", "In the pages of the map: present; dirty since the parent.", "view map"),
	GLYPH("0|1|2|3|D", "States of a page of a shared object: do not dump, dump, zero, dirty.",
	      "show pstate"),
	{ NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL },
};
