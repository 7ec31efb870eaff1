/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "views/keys.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PIPELINE IN_VIEW(VIEW_PIPELINE)
#define PIPES IN_VIEW(VIEW_PIPES)
#define MAP IN_VIEW(VIEW_MAP)
#define PARENTS IN_VIEW(VIEW_PARENTS)
#define LISTS IN_LISTS
#define VIEWS IN_ALL_VIEWS
#define BOTH (IN_ALL_VIEWS | IN_PAGER)

const struct action_desc actions[] = {
	/* n and s as at the prompt; so n is left to a search only where nothing can be run. */
	{ ACT_NEXT, ACTIONS_RUN, "n F11", "next", VIEWS, VIEWS, "run one unit (`next`)" },
	{ ACT_STEP, ACTIONS_RUN, "s F10", "step", VIEWS, VIEWS, "run to the next phase (`step`)" },
	{ ACT_FINISH, ACTIONS_RUN, "f S-F11", "finish", PIPELINE, VIEWS,
	  "run to the end of the chunk (`finish`)" },
	{ ACT_CONTINUE, ACTIONS_RUN, "c F5", "cont", PIPELINE, VIEWS,
	  "run to a breakpoint or the gate; ^C stops" },
	{ ACT_REVERSE_NEXT, ACTIONS_RUN, "u", NULL, 0, VIEWS, "one unit back (`back`)" },
	{ ACT_REVERSE_STEP, ACTIONS_RUN, "U", NULL, 0, VIEWS,
	  "back to the last change of phase (`reverse-step`)" },
	{ ACT_BREAK, ACTIONS_RUN, "b Space", "break", PIPELINE | PIPES,
	  PIPELINE | PIPES | MAP | PARENTS, "set or remove a breakpoint here" },

	{ ACT_DOWN, ACTIONS_MOVE, "j Down", "down", IN_PAGER, BOTH,
	  "down; in a picture: next VMA" },
	{ ACT_UP, ACTIONS_MOVE, "k Up", "up", IN_PAGER, BOTH, "up; in a picture: previous VMA" },
	{ ACT_LEFT, ACTIONS_MOVE, "h Left", NULL, 0, MAP | PARENTS, "one cell to the left" },
	{ ACT_RIGHT, ACTIONS_MOVE, "l Right", NULL, 0, MAP | PARENTS, "one cell to the right" },
	{ ACT_PAGE_DOWN, ACTIONS_MOVE, "PgDn ^F", "page", IN_PAGER, BOTH, "a screenful down" },
	{ ACT_PAGE_UP, ACTIONS_MOVE, "PgUp ^B", NULL, 0, BOTH, "a screenful up" },
	{ ACT_HALF_DOWN, ACTIONS_MOVE, "^D", NULL, 0, BOTH, "half a screenful down" },
	{ ACT_HALF_UP, ACTIONS_MOVE, "^U", NULL, 0, BOTH, "half a screenful up" },
	{ ACT_TOP, ACTIONS_MOVE, "g", NULL, 0, BOTH, "to the first row" },
	{ ACT_BOTTOM, ACTIONS_MOVE, "G", NULL, 0, BOTH, "to the last row" },
	{ ACT_LINE_START, ACTIONS_MOVE, "Home ^", NULL, 0, MAP | PARENTS,
	  "to the first page of the VMA" },
	{ ACT_LINE_END, ACTIONS_MOVE, "End $", NULL, 0, MAP | PARENTS,
	  "to the last page of the VMA" },
	{ ACT_ENTER, ACTIONS_MOVE, "Enter", "iovs", PIPES, PIPES, "into the iovs of the ppb" },
	{ ACT_BACK, ACTIONS_MOVE, "Esc <", NULL, 0, BOTH, "back out, position kept" },
	{ ACT_ENGINE, ACTIONS_MOVE, ".", NULL, 0, VIEWS & ~PIPELINE, "to where the engine is" },
	{ ACT_FOLLOW, ACTIONS_MOVE, "F", NULL, 0, VIEWS & ~PIPELINE,
	  "follow the engine after each step, or stay here" },
	{ ACT_GOTO, ACTIONS_MOVE, "@", NULL, 0, MAP | PARENTS, "go to an address" },

	{ ACT_WHY, ACTIONS_LOOK, "w", "why", MAP | PARENTS, PIPES | MAP | PARENTS,
	  "why: what becomes of this page, by which rule" },
	{ ACT_ZOOM_IN, ACTIONS_LOOK, "+", "zoom", MAP | PARENTS, MAP | PARENTS,
	  "zoom in, down to one page a cell" },
	{ ACT_ZOOM_OUT, ACTIONS_LOOK, "- _", NULL, 0, MAP | PARENTS, "zoom out" },
	{ ACT_LAYOUT, ACTIONS_LOOK, "m", "map", MAP, MAP,
	  "one row per VMA, or one continuous map" },
	{ ACT_MAP_HERE, ACTIONS_LOOK, "m", "map", PIPES, PIPES, "show this address on the map" },
	{ ACT_SHOW, ACTIONS_LOOK, "v", NULL, 0, MAP,
	  "cells show the verdict, presence or dirtiness" },
	{ ACT_BYTES, ACTIONS_LOOK, "e", NULL, 0, PIPES | MAP | PARENTS,
	  "bytes from target, pipe, image or parent" },
	{ ACT_OLDER, ACTIONS_LOOK, "]", NULL, 0, PARENTS, "an older generation" },
	{ ACT_NEWER, ACTIONS_LOOK, "[", NULL, 0, PARENTS, "a newer generation" },
	{ ACT_SHMEM, ACTIONS_LOOK, "p", "shm", PARENTS, PARENTS, "next shared object" },
	{ ACT_NEXT_HOLE, ACTIONS_LOOK, "x", "hole", PARENTS, MAP | PARENTS,
	  "the next VMA with holes: pages left to the parent" },
	{ ACT_SEARCH, ACTIONS_LOOK, "/", "find", BOTH & ~(PIPELINE | PIPES | PARENTS | LISTS),
	  BOTH & ~PIPELINE, "find text, a VMA by name, or an address" },
	{ ACT_SEARCH_NEXT, ACTIONS_LOOK, ";", NULL, 0, VIEWS & ~PIPELINE, "next match" },
	{ ACT_SEARCH_PREV, ACTIONS_LOOK, ",", NULL, 0, VIEWS & ~PIPELINE, "previous match" },
	{ ACT_SEARCH_NEXT, ACTIONS_LOOK, "n ;", "next", IN_PAGER, IN_PAGER, "next match" },
	{ ACT_SEARCH_PREV, ACTIONS_LOOK, "N ,", NULL, 0, IN_PAGER, "previous match" },
	{ ACT_FILTER, ACTIONS_LOOK, "\\", "filter", LISTS, MAP | LISTS,
	  "show only rows with this text; empty: all" },
	{ ACT_SORT, ACTIONS_LOOK, "o", "sort", LISTS, LISTS,
	  "sort by the next column; or click on its heading" },
	{ ACT_REVERSE, ACTIONS_LOOK, "I", NULL, 0, LISTS, "the other way round" },
	{ ACT_EXPLAIN, ACTIONS_LOOK, "E", "explain", LISTS, VIEWS,
	  "explain what is selected, with numbers of this target" },

	{ ACT_VIEW_1, ACTIONS_VIEW, "1", NULL, 0, VIEWS, "pipeline: the whole dump at a glance" },
	{ ACT_VIEW_2, ACTIONS_VIEW, "2", NULL, 0, VIEWS,
	  "pipes: what is planned and what they hold" },
	{ ACT_VIEW_3, ACTIONS_VIEW, "3", NULL, 0, VIEWS,
	  "map: address space, verdict of each page" },
	{ ACT_VIEW_4, ACTIONS_VIEW, "4", NULL, 0, VIEWS,
	  "parents: generations, holes, shared objects" },
	{ ACT_VIEW_5, ACTIONS_VIEW, "5", NULL, 0, VIEWS, "threads" },
	{ ACT_VIEW_6, ACTIONS_VIEW, "6", NULL, 0, VIEWS, "events: what happened, newest last" },
	{ ACT_VIEW_7, ACTIONS_VIEW, "7", NULL, 0, VIEWS, "pmc: the pagemap cache, its window" },
	{ ACT_VIEW_8, ACTIONS_VIEW, "8", NULL, 0, VIEWS, "holes: ranges left to the parent" },
	{ ACT_VIEW_9, ACTIONS_VIEW, "9", NULL, 0, VIEWS, "xfer: where the pages go" },
	{ ACT_VIEW_10, ACTIONS_VIEW, "0", NULL, 0, VIEWS, "checks: invariants, evaluated now" },
	{ ACT_VIEW_NEXT, ACTIONS_VIEW, "Tab", "view", VIEWS, VIEWS, "next view" },
	{ ACT_VIEW_PREV, ACTIONS_VIEW, "S-Tab", NULL, 0, VIEWS, "previous view" },
	{ ACT_COMMAND, ACTIONS_VIEW, ":", "cmd", BOTH, BOTH,
	  "any command of the shell; its output in a pane" },
	{ ACT_PROMPT, ACTIONS_VIEW, "i", NULL, 0, VIEWS,
	  "to the prompt; `view` comes back to this place" },
	{ ACT_REDRAW, ACTIONS_VIEW, "^L", NULL, 0, BOTH, "redraw, from a new snapshot" },
	{ ACT_SUSPEND, ACTIONS_VIEW, "^Z", NULL, 0, BOTH,
	  "suspend stepdump; the target stays frozen" },
	{ ACT_HELP, ACTIONS_VIEW, "? F1 H", "help", VIEWS, VIEWS, "this list" },
	{ ACT_QUIT, ACTIONS_VIEW, "q", "quit", BOTH, BOTH,
	  "close the pane or the view; the session goes on" },
	{ ACT_LEAVE, ACTIONS_VIEW, "Q", NULL, 0, BOTH, "leave the views" },
	{ .id = ACT_NONE },
};

const char *action_group_name(enum action_group g)
{
	static const char *const names[] = {
		[ACTIONS_RUN] = "run",
		[ACTIONS_MOVE] = "move",
		[ACTIONS_LOOK] = "look",
		[ACTIONS_VIEW] = "views",
	};

	return g < NR_ACTION_GROUPS ? names[g] : "";
}

static const struct {
	const char *name, *summary;
} views[] = {
	[VIEW_PIPELINE] = { "pipeline", "the whole dump at a glance" },
	[VIEW_PIPES] = { "pipes", "pipe buffers: plan and fact, iovs, bytes" },
	[VIEW_MAP] = { "map", "address space, down to single pages" },
	[VIEW_PARENTS] = { "parents", "generations and shared objects" },
	[VIEW_THREADS] = { "threads", "threads of the target" },
	[VIEW_EVENTS] = { "events", "what happened" },
	[VIEW_PMC] = { "pmc", "pagemap cache: window, hits, misses" },
	[VIEW_HOLES] = { "holes", "ranges left to the parent image" },
	[VIEW_XFER] = { "xfer", "where the pages go, and what is written" },
	[VIEW_CHECKS] = { "checks", "invariants, evaluated now" },
};

const char *view_name(enum view_id v)
{
	return v < NR_VIEWS ? views[v].name : NULL;
}

const char *view_summary(enum view_id v)
{
	return v < NR_VIEWS ? views[v].summary : NULL;
}

enum view_id view_find(const char *name)
{
	enum view_id found = NR_VIEWS;
	size_t len = strlen(name);
	unsigned nr = 0;

	for (enum view_id v = 0; v < NR_VIEWS; v++) {
		if (!strcmp(views[v].name, name))
			return v;
		if (len && !strncmp(views[v].name, name, len)) {
			found = v;
			nr++;
		}
	}
	return nr == 1 ? found : NR_VIEWS;
}

int key_parse(const char *name, size_t len)
{
	static const struct {
		const char *name;
		int key;
	} names[] = {
		{ "Tab", K_TAB },     { "S-Tab", K_SHIFT_TAB }, { "Enter", K_ENTER },
		{ "Esc", K_ESC },     { "Space", ' ' },         { "Backspace", K_BACKSPACE },
		{ "Up", K_UP },       { "Down", K_DOWN },       { "Left", K_LEFT },
		{ "Right", K_RIGHT }, { "PgUp", K_PGUP },       { "PgDn", K_PGDN },
		{ "Home", K_HOME },   { "End", K_END },         { "Delete", K_DELETE },
	};
	bool shift = len > 2 && !strncmp(name, "S-F", 3);
	const char *f = shift ? name + 2 : name;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strlen(names[i].name) == len && !strncmp(names[i].name, name, len))
			return names[i].key;
	if (len == 1)
		return (unsigned char)*name;
	if (len == 2 && *name == '^' && name[1] >= '@' && name[1] <= '_')
		return name[1] - '@';
	if (*f == 'F' && len > 1) {
		int n = atoi(f + 1);

		if (n >= 1 && n <= 12)
			return (shift ? K_SHIFT_F1 : K_F1) + n - 1;
	}
	return K_NONE;
}

static bool keys_bound(const char *keys, int key)
{
	for (size_t len; *keys; keys += len + (keys[len] == ' ')) {
		len = strcspn(keys, " ");
		if (key_parse(keys, len) == key)
			return true;
	}
	return false;
}

enum action key_action(int key, uint32_t where)
{
	if (key == K_SUSPEND)
		key = 26;
	for (const struct action_desc *a = actions; a->id; a++)
		if (a->where & where && keys_bound(a->keys, key))
			return a->id;
	return ACT_NONE;
}

/* These stay longest in a narrow bar: how to get help and how to get out. */
static bool keys_essential(enum action id)
{
	return id == ACT_HELP || id == ACT_QUIT;
}

unsigned bar_items(uint32_t where, unsigned cols, struct bar_item *items)
{
	unsigned nr = 0, need = 1, col = 1;

	for (const struct action_desc *a = actions; a->id; a++)
		if (a->bar && a->bar_in & where && keys_essential(a->id))
			need += (unsigned)(strcspn(a->keys, " ") + 1 + strlen(a->bar) + 2);
	for (const struct action_desc *a = actions; a->id && nr < BAR_ITEMS_MAX; a++) {
		if (!a->bar || !(a->bar_in & where))
			continue;

		size_t key_len = strcspn(a->keys, " ");
		unsigned width = (unsigned)(key_len + 1 + strlen(a->bar));

		if (!keys_essential(a->id) && need + width + 2 > cols + 2)
			continue;
		if (!keys_essential(a->id))
			need += width + 2;
		items[nr++] = (struct bar_item){ a->id, col, width, a->keys, key_len, a->bar };
		col += width + 2;
	}
	return nr;
}
