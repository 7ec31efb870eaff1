/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The full-screen views without a terminal: what is on screen is a function of a snapshot and
 * of `struct ui` (where the cursor is, what is zoomed, what is typed).
 *
 * The shell turns the wheel (shell/view_loop.c):
 *
 *      key -> ui_key() --------> effect: run a command, search, leave
 *                 |
 *      ui_want() -> bounded snapshot -> ui_settle() -> screen_render() -> terminal_draw()
 *
 * Only what is visible is asked for, so the cost does not grow with the target.
 */
#ifndef STEPDUMP_VIEW_H
#define STEPDUMP_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "views/keys.h"
#include "views/panes.h"

#define SCREEN_MIN_COLS 60
#define SCREEN_MIN_ROWS 12
#define UI_TEXT_MAX 512
#define WANT_MAX 256 /* windows of one kind */

/*
 * What a view needs to see.  It is asked twice: first without a snapshot, then with the result of
 * that, since the ranges of pages follow from the VMAs.  The second answer adds to the first.
 */
struct view_want {
	uint32_t needs; /* bits of proto/parts.h; VMAs and runs are asked for by their windows */
	struct {
		uint32_t first, nr;
	} vmas[WANT_MAX];
	unsigned nr_vmas;
	struct {
		uint64_t start, end;
	} runs[WANT_MAX];
	unsigned nr_runs;
	uint32_t iovs_of_ppb, iov_first, iov_max; /* SNAP_IOVS */
	uint32_t events_max;
	uint64_t peek; /* address; UINT64_MAX: none */
	uint32_t peek_len;
	const char *peek_source;
};

void want_vmas(struct view_want *w, uint32_t first, uint32_t nr);
void want_runs(struct view_want *w, uint64_t start, uint64_t end);

enum byte_source { BYTES_TARGET, BYTES_PIPE, BYTES_IMAGE, BYTES_PARENT, NR_BYTE_SOURCES };
const char *byte_source_name(enum byte_source b);

enum map_channel { CHANNEL_VERDICT, CHANNEL_PRESENT, CHANNEL_DIRTY, NR_CHANNELS };

/* On top of the view: nothing, text that scrolls, or a line being typed. */
enum ui_mode { UI_VIEW, UI_PAGER, UI_LINE };

enum ui_effect {
	UI_NOTHING,
	UI_DRAW, /* the picture changed, the data did not */
	UI_LOOK, /* a new snapshot is needed */
	UI_RUN,  /* ui->command is to be run, by the shell's own dispatcher */
	UI_FIND, /* something has to be searched for in the complete data: ui_find() */
	/* ui->command.line has words, one a line: the first that is a term is to be explained. */
	UI_EXPLAIN,
	UI_GOTO, /* ui->typed.text names an address: the shell knows what $sp is */
	UI_SUSPEND,
	UI_LEAVE,
};

struct pager {
	char *title;
	char **line;
	size_t nr, top;
};

/* What UI_FIND looks for. */
enum ui_find_what {
	FIND_TEXT,   /* find.text: the next VMA or iov that has it */
	FIND_FILTER, /* the VMAs that pass the filter */
	FIND_ADDR,   /* the VMA of place.addr */
	FIND_HOLE,   /* the next VMA with holes */
};

struct ui {
	enum view_id view;
	enum ui_mode mode;
	unsigned rows, cols;
	bool ascii, relative;
	bool stay;  /* the cursor does not follow the engine */
	bool saved; /* a snapshot from a file: nothing can be run */

	/* Shared by map and parents: it survives a change of view. */
	struct {
		uint64_t addr;   /* page under the cursor */
		uint32_t vma;    /* its VMA */
		uint64_t origin; /* start of the first VMA, for relative addresses */
		unsigned zoom;   /* log2 of pages per cell */
		enum byte_source bytes;
	} place;
	struct {
		uint32_t top; /* first row shown, counted among the rows that pass the filter */
		enum map_channel channel;
		bool continuous;
		unsigned scale; /* continuous: log2 of pages per cell, plus 1; 0: what fits */
	} map;
	struct {
		uint32_t ppb, top;
		bool in_iovs;
		uint32_t iov, iov_top;
		uint64_t iov_addr; /* of the selected iov, 0 before it is known */
	} pipes;
	struct {
		uint32_t shmem;
		uint32_t generation;
	} parents;
	struct {
		uint32_t at, top;
		bool moved;  /* by hand: else the newest row, or that of the engine, is shown */
		char by[32]; /* the heading of the column it is sorted by; empty: as it comes */
		bool reverse;
	} list[NR_VIEWS];

	struct {
		char text[NR_VIEWS][64];
		uint32_t *vma; /* indices of the VMAs that pass, ascending; NULL: all do */
		uint32_t nr;
	} filter;
	struct {
		char text[128];
		enum ui_find_what what;
		bool back;    /* N */
		bool to_hole; /* the cursor goes to the first hole that the next snapshot shows */
	} find;

	struct pager pager;
	/* The line being typed: the shell edits it, see ui_line_show(). */
	struct {
		char kind; /* ':', '/', '\\' or '@' */
		char prompt
			[64]; /* what stands before the text: the kind, or what is searched for */
		char text[UI_TEXT_MAX];
		size_t cursor; /* bytes of text before it */
		char *offered; /* lines to choose from; NULL: none */
	} typed;
	struct {
		char text[256];
		enum tone tone;
	} message;
	/* What UI_RUN runs. */
	struct {
		char line[UI_TEXT_MAX + 64];
		bool steps; /* the pipeline: what changes is highlighted */
	} command;
};

void ui_init(struct ui *ui, unsigned rows, unsigned cols, bool ascii);
void ui_deinit(struct ui *ui);

enum ui_effect ui_key(struct ui *ui, int key, const Stepdump__Snapshot *s);
enum ui_effect ui_action(struct ui *ui, enum action a, const Stepdump__Snapshot *s);
/* A click on a cell. */
enum ui_effect ui_click(struct ui *ui, unsigned row, unsigned col, const Stepdump__Snapshot *s);
void ui_message(struct ui *ui, enum tone tone, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/*
 * While ui->mode is UI_LINE, keys belong to the line and the shell edits it: it shows each change, and
 * ends with what was entered, or NULL if it was given up.  ui->typed.text is what the line begins with.
 */
void ui_line_show(struct ui *ui, const char *prompt, const char *text, size_t cursor);
/* Lines to choose from, drawn above the line; NULL: none any more. */
void ui_line_offer(struct ui *ui, const char *lines);
enum ui_effect ui_line_done(struct ui *ui, const char *text, const Stepdump__Snapshot *s);
/* Shows `text` (lines) in the pager pane.  Text without a line break becomes the message. */
void ui_page(struct ui *ui, const char *title, const char *text);

/* s NULL: the first question; see struct view_want. */
void ui_want(const struct ui *ui, const Stepdump__Snapshot *s, struct view_want *w);
/* After each new snapshot or size: moves cursor and window to where something is. */
void ui_settle(struct ui *ui, const Stepdump__Snapshot *s);
/* The cursor goes to where the engine is.  True: the VMA has to be looked up, see UI_FIND. */
bool ui_follow(struct ui *ui, const Stepdump__Snapshot *s);
/* Bits of proto/parts.h: the parts that ui_find() needs in full. */
uint32_t ui_find_needs(const struct ui *ui);
/* Answers UI_FIND; `all` has all VMAs, or also all iovs. */
void ui_find(struct ui *ui, const Stepdump__Snapshot *all);

/*
 * The whole screen.  `g` has ui->cols columns and gets ui->rows rows.  `before`, if not NULL, is
 * the screen before the last unit: cells that differ are drawn as TONE_CHANGED.
 */
void screen_render(const struct ui *ui, const Stepdump__Snapshot *s,
		   const Stepdump__Snapshot *before, struct grid *g);
/* Column of the text cursor in the bottom row while a line is typed; -1: no cursor. */
int screen_cursor(const struct ui *ui);

#endif
