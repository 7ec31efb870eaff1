/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Shared by all panes: title, fields, prose, legend, and the look of numbers.  Internal to views/.
 */
#ifndef STEPDUMP_PAINT_H
#define STEPDUMP_PAINT_H

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/vec.h"
#include "views/panes.h"

struct paint {
	bool brief; /* a view has little room: one row for each field */
	const Stepdump__Snapshot *s;
	const struct pane_opts *o;
	struct grid *g;
	unsigned row;       /* next free row */
	uint64_t base;      /* relative addresses count from here */
	unsigned field_col; /* where the text of a field begins; 0: the usual column */
};

struct paint paint_begin(const Stepdump__Snapshot *s, const struct pane_opts *o, struct grid *g);

void paint_rule(struct paint *p);
void paint_blank(struct paint *p);
/* " TEXT", flowing, as a line cut in the middle of a number would show a wrong number. */
void paint_line(struct paint *p, enum tone tone, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* " label         text": the text flows over as many rows as it needs, aligned. */
void paint_field(struct paint *p, const char *label, enum tone tone, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
unsigned field_col(const struct paint *p);
/* Text in `width` columns at (p->row, col); text that does not fit ends in '~'. */
void paint_cut(struct paint *p, unsigned col, unsigned width, enum tone tone, bool right,
	       const char *text);
/* Prose from column `col` on, broken between words. */
void paint_prose(struct paint *p, unsigned col, enum tone tone, const char *text);

/* One entry of a legend: "# to pipe". */
struct legend {
	enum tone tone;
	char32_t ch;
	const char *text;
};

/* Flows over as many rows as it needs.  `verdicts`: a bit for each Stepdump__Verdict shown. */
void paint_legend(struct paint *p, const struct legend *items, unsigned nr);
void paint_verdict_legend(struct paint *p, uint32_t verdicts, const struct legend *more,
			  unsigned nr);

/* The character of a bar: a block where the terminal has it. */
char32_t glyph_full(const struct paint *p); /* fact */
char32_t glyph_plan(const struct paint *p); /* plan */

/*
 * One bar, [from, to) of `whole` filled, drawn into `width` columns.  Part of a column shows
 * as an eighth block with UTF-8; a part above zero is never invisible.
 */
void paint_bar(struct paint *p, unsigned col, unsigned width, enum tone tone, uint64_t part,
	       uint64_t whole, char32_t ch);

/* Shares `width` columns among the parts in proportion; the columns sum to `width` (if any part
 * is above zero), and each part above zero has one at least where width allows. */
void share_columns(const uint64_t *parts, unsigned nr, unsigned width, unsigned *columns);

/* Text that lives as long as the expression it is used in. */
struct txt {
	char s[64];
};

struct txt txt_addr(const struct paint *p, uint64_t addr); /* 7f3a40000000 or +00012000 */
struct txt txt_size(uint64_t bytes);                       /* 48.0M */
struct txt txt_pages(uint64_t pages);                      /* size of that many pages */
struct txt txt_when(const struct paint *p, uint64_t us);   /* 1.842 */
struct txt txt_took(const struct paint *p, uint64_t us);   /* 2.1 ms */
struct txt txt_pid(const struct paint *p, uint32_t pid);   /* 4242 or PID */
/* "-" for what is absent. */
struct txt txt_opt(bool has, uint64_t value);
struct txt txt_opt_size(bool has, uint64_t bytes);
struct txt txt_opt_addr(const struct paint *p, bool has, uint64_t addr);
struct txt txt_enum(const ProtobufCEnumDescriptor *d, int value); /* "pmc-fill" */
const char *str_or_dash(const char *text);

/* "a, b, c" or "-"; caller frees. */
char *join_names(char *const *names, size_t nr, const char *separator);
/* With relative: addresses and the pid inside free text as offsets and PID.  Caller frees. */
char *text_shown(const struct paint *p, const char *text);

/* The VMA with that index, NULL if the snapshot does not hold it. */
const Stepdump__Vma *vma_by_index(const Stepdump__Snapshot *s, uint32_t index);
uint64_t span_pages(uint64_t start, uint64_t end);

/* Describes a list that the request may have cut: "showing 100 of 822". */
void paint_shown_of(struct paint *p, const char *what, uint64_t shown, bool has_all, uint64_t all);

#endif
