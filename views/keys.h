/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What keys do in the full-screen views: one table for dispatch, the bottom bar, the help
 * screen and the manual page.  Nothing here uses a terminal.
 */
#ifndef STEPDUMP_KEYS_H
#define STEPDUMP_KEYS_H

#include <stddef.h>
#include <stdint.h>

enum view_id {
	VIEW_PIPELINE,
	VIEW_PIPES,
	VIEW_MAP,
	VIEW_PARENTS,
	VIEW_THREADS,
	VIEW_EVENTS,
	VIEW_PMC,
	VIEW_HOLES,
	VIEW_XFER,
	VIEW_CHECKS,
	NR_VIEWS
};

/* Where an action is bound: a bit for each view, and one for the pager pane over them. */
#define IN_VIEW(v) (1u << (v))
#define IN_PAGER (1u << NR_VIEWS)
/* Those that show a pane of the same name: rows to move in, to sort and to filter. */
#define IN_LISTS                                                                                   \
	(IN_VIEW(VIEW_THREADS) | IN_VIEW(VIEW_EVENTS) | IN_VIEW(VIEW_PMC) | IN_VIEW(VIEW_HOLES) |  \
	 IN_VIEW(VIEW_XFER) | IN_VIEW(VIEW_CHECKS))
#define IN_ALL_VIEWS (IN_PAGER - 1)

/* A key is a Unicode character or one of these; control characters stand for themselves. */
enum key {
	K_NONE = 0,
	K_TAB = 9,
	K_ENTER = 10,
	K_ESC = 27,
	K_BACKSPACE = 127,
	K_UP = 0x110000,
	K_DOWN,
	K_LEFT,
	K_RIGHT,
	K_PGUP,
	K_PGDN,
	K_HOME,
	K_END,
	K_DELETE,
	K_SHIFT_TAB,
	K_RESIZE,        /* not a key: the terminal has another size */
	K_MOUSE,         /* not a key: see terminal_mouse() */
	K_SUSPEND,       /* ^Z, which arrives as a signal */
	K_F1 = 0x110100, /* K_F1 + 4 is F5; shifted ones begin at K_SHIFT_F1 */
	K_SHIFT_F1 = 0x110200,
};

enum action {
	ACT_NONE,
	/* run control: the commands of the shell */
	ACT_NEXT,
	ACT_STEP,
	ACT_FINISH,
	ACT_CONTINUE,
	ACT_REVERSE_NEXT,
	ACT_REVERSE_STEP,
	ACT_BREAK,
	/* views */
	ACT_VIEW_1,
	ACT_VIEW_2,
	ACT_VIEW_3,
	ACT_VIEW_4,
	ACT_VIEW_5,
	ACT_VIEW_6,
	ACT_VIEW_7,
	ACT_VIEW_8,
	ACT_VIEW_9,
	ACT_VIEW_10,
	ACT_VIEW_NEXT,
	ACT_VIEW_PREV,
	/* moving */
	ACT_DOWN,
	ACT_UP,
	ACT_LEFT,
	ACT_RIGHT,
	ACT_PAGE_DOWN,
	ACT_PAGE_UP,
	ACT_HALF_DOWN,
	ACT_HALF_UP,
	ACT_TOP,
	ACT_BOTTOM,
	ACT_LINE_START,
	ACT_LINE_END,
	ACT_ENTER,
	ACT_BACK,
	/* looking */
	ACT_WHY,
	ACT_ZOOM_IN,
	ACT_ZOOM_OUT,
	ACT_SHOW,
	ACT_LAYOUT,
	ACT_BYTES,
	ACT_MAP_HERE,
	ACT_OLDER,
	ACT_NEWER,
	ACT_SHMEM,
	ACT_NEXT_HOLE,
	ACT_ENGINE,
	ACT_GOTO,
	ACT_SEARCH,
	ACT_SEARCH_NEXT,
	ACT_SEARCH_PREV,
	ACT_FILTER,
	ACT_SORT,
	ACT_REVERSE,
	ACT_FOLLOW,
	ACT_EXPLAIN,
	/* the rest */
	ACT_COMMAND,
	ACT_PROMPT,
	ACT_REDRAW,
	ACT_SUSPEND,
	ACT_HELP,
	ACT_QUIT,
	ACT_LEAVE,
	NR_ACTIONS
};

enum action_group { ACTIONS_RUN, ACTIONS_MOVE, ACTIONS_LOOK, ACTIONS_VIEW, NR_ACTION_GROUPS };

struct action_desc {
	enum action id;
	enum action_group group;
	const char *keys; /* names separated by blanks: "j Down" */
	const char *bar;  /* word in the bottom bar; NULL: not there */
	uint32_t bar_in;  /* views whose bar shows it */
	uint32_t where;   /* where the keys work */
	const char *help; /* at most 60 columns */
};

/* Ends with id == ACT_NONE. */
extern const struct action_desc actions[];
const char *action_group_name(enum action_group g);

/* Name and one-line summary of a view; NULL outside. */
const char *view_name(enum view_id v);
const char *view_summary(enum view_id v);
/* Exact name or unique prefix; NR_VIEWS if there is none. */
enum view_id view_find(const char *name);

/* The action of `key` there (`where` has one bit); ACT_NONE if it has none. */
enum action key_action(int key, uint32_t where);
/* "PgDn", "^F", "S-Tab", "j" to a key; K_NONE if it is not a key. */
int key_parse(const char *name, size_t len);

/*
 * The bottom bar of a view in at most `cols` columns, the most important actions first to stay.
 * Calls put() for each item with its column; `key` is the first key's name (len bytes).
 */
struct bar_item {
	enum action id;
	unsigned col, width;
	const char *key;
	size_t key_len;
	const char *text;
};
#define BAR_ITEMS_MAX 24
unsigned bar_items(uint32_t where, unsigned cols, struct bar_item *items);

#endif
