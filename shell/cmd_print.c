/* SPDX-License-Identifier: GPL-3.0-or-later */
/* print, display, undisplay, watch, unwatch */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "shell/cmd.h"
#include "shell/cmds.h"
#include "shell/expr.h"
#include "views/panes.h"

/* The value as text, of this moment; heap. */
static struct err *print_value(struct shell *sh, const char *expr, bool hex, char **ret)
{
	struct snap_request req = { .parts = expr_needs(expr) };
	Stepdump__Snapshot *s;
	struct calc_value v;

	TRY(shell_snap(sh, &req, &s));
	struct err *e = expr_eval(expr, s, &v);

	if (!e)
		*ret = expr_show(&v, hex);
	shell_snap_free(sh, s);
	return e;
}

static struct err *print_exec(struct shell *sh, const struct args *a, struct out *o)
{
	AUTO_FREE char *expr = args_join(a), *value = NULL;
	bool hex = a->mod ? *a->mod == 'x' : *expr == '$';

	if (a->mod && strcmp(a->mod, "x") && strcmp(a->mod, "d"))
		return err_hint(err_new(ERR_USAGE, "print/%s", a->mod), "x or d");
	TRY(print_value(sh, expr, hex, &value));
	out_member(o, "value", json_object_new_string(value));
	out_printf(o, "%s = %s\n", expr, value);
	return NULL;
}

const struct cmd_entry cmd_print = {
	.name = "print",
	.aliases = "p inspect",
	.group = GROUP_LOOK,
	.args = { 1, ARGS_MANY, NULL },
	.usage = "[/x|/d] EXPR",
	.summary = "evaluate an expression: counters, registers, fields",
	.help = "EXPR has numbers, the operators of C, $rip and $rsp of the first thread, and fields of "
		"the snapshot (`--json` shows their names): pages_written, hits, nr_iovs are found by "
		"themselves, the others by their path, as pmc.hits or ppb[3].pages_in; holes, iovs, pipes, "
		"ppbs, chunk, unit and phase are short names.  A field that is a list counts its elements.",
	.examples =
		(const struct cmd_example[]){
			{ "print pages_written * 4096", "", "attach %P; continue" },
			{ "print/x $rsp", "", "attach %P" },
			{ "print pmc.hits * 100 / (pmc.hits + pmc.misses + 1)", "",
			  "attach %P; step 4" },
			{ "print ppb[0].pages_in", "", "attach %P; until drain" },
			{ 0 } },
	.flags = CMD_MOD | CMD_CONDITIONS,
	.exec = print_exec,
};

/* ---- display ----------------------------------------------------------------------------------- */

static struct err *display_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct habits *h = &sh->habits;
	AUTO_FREE char *what = args_join(a);

	for (size_t i = 0; !a->argc && i < h->nr_displays; i++)
		out_printf(o, "%u: %s\n", h->display[i].number, h->display[i].line);
	if (!a->argc)
		return NULL;

	struct habit_display *d = vec_push(h->display, h->nr_displays);
	bool pane = pane_find(a->argv[0]) != NULL;

	*d = (struct habit_display){ .number = ++h->last_display,
				     .line = xasprintf("%s %s", pane ? "show" : "print", what) };
	out_member(o, "number", json_object_new_int((int)d->number));
	out_printf(o, "%u: %s\n", d->number, d->line);
	return NULL;
}

const struct cmd_entry cmd_display = {
	.name = "display",
	.group = GROUP_LOOK,
	.args = { 0, ARGS_MANY, comp_pane },
	.usage = "[PANE [N] | EXPR]",
	.summary = "show a pane or an expression at every stop",
	.help = "What `show` or `print` take.  Alone it lists what is displayed; `undisplay N` ends one, "
		"`undisplay` all.",
	.examples = (const struct cmd_example[]){ { "display ppb", "", "attach %P" },
						  { "display holes", "", "attach %P" },
						  { 0 } },
	.flags = CMD_NO_REPEAT | CMD_CONDITIONS,
	.exec = display_exec,
};

static struct err *undisplay_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct habits *h = &sh->habits;
	uint64_t n = 0;
	size_t before = h->nr_displays;

	if (a->argc)
		TRY(arg_uint(a->argv[0], "number of a display", 1, UINT32_MAX, &n));
	for (size_t i = h->nr_displays; i-- > 0;) {
		if (n && h->display[i].number != n)
			continue;
		free(h->display[i].line);
		vec_remove(h->display, h->nr_displays, i);
	}
	return n && h->nr_displays == before ?
		       err_hint(err_new(ERR_USAGE, "there is no display %lu", n),
				"`display` lists them") :
		       NULL;
}

const struct cmd_entry cmd_undisplay = {
	.name = "undisplay",
	.group = GROUP_LOOK,
	.args = { 0, 1, NULL },
	.usage = "[N]",
	.summary = "no longer show it at every stop",
	.help = "Without N: none of them.",
	.examples = (const struct cmd_example[]){ { "undisplay 1", "", "display holes" }, { 0 } },
	.flags = CMD_NO_REPEAT,
	.exec = undisplay_exec,
};

/* ---- watch ------------------------------------------------------------------------------------------ */

/* A value in a line: of a message, how much it is. */
static char *watch_brief(const char *value)
{
	struct json_object *o = json_tokener_parse(value);
	char *brief = json_object_is_type(o, json_type_object) ?
			      xasprintf("%d fields", json_object_object_length(o)) :
			      xstrdup(value);

	json_object_put(o);
	return brief;
}

/* Of a message only the fields that differ. */
static void watch_tell(struct out *o, const struct habit_watch *w, const char *now)
{
	struct json_object *old = json_tokener_parse(w->last), *new = json_tokener_parse(now);

	out_printf(o, "watchpoint %u: %s\n", w->number, w->expr);
	if (!json_object_is_type(old, json_type_object) ||
	    !json_object_is_type(new, json_type_object)) {
		out_printf(o, "  old: %s\n  new: %s\n", w->last, now);
	} else {
		json_object_object_foreach(new, key, value)
		{
			struct json_object *was = json_object_object_get(old, key);

			if (!json_object_equal(was, value))
				out_printf(o, "  %s: %s -> %s\n", key,
					   was ? json_object_to_json_string(was) : "not there",
					   json_object_to_json_string(value));
		}
		json_object_object_foreach(old, gone, last)
		{
			if (!json_object_object_get_ex(new, gone, NULL))
				out_printf(o, "  %s: %s -> not there\n", gone,
					   json_object_to_json_string(last));
		}
	}
	json_object_put(old);
	json_object_put(new);
}

bool habits_watch_changed(struct shell *sh, struct out *o)
{
	struct habits *h = &sh->habits;
	bool changed = false;

	for (size_t i = 0; i < h->nr_watches; i++) {
		struct habit_watch *w = &h->watch[i];
		char *now = NULL;
		AUTO_ERR struct err *e = print_value(sh, w->expr, false, &now);

		if (e || !strcmp(now, w->last)) {
			free(now);
			continue;
		}
		changed = true;
		if (o) {
			watch_tell(o, w, now);
			free(w->last);
			w->last = TAKE_PTR(now);
		}
		free(now);
	}
	return changed;
}

static struct err *watch_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct habits *h = &sh->habits;
	AUTO_FREE char *expr = args_join(a);
	char *value;

	for (size_t i = 0; !a->argc && i < h->nr_watches; i++) {
		AUTO_FREE char *brief = watch_brief(h->watch[i].last);

		out_printf(o, "%u: %s = %s\n", h->watch[i].number, h->watch[i].expr, brief);
	}
	if (!a->argc)
		return NULL;
	TRY(print_value(sh, expr, false, &value));

	struct habit_watch *w = vec_push(h->watch, h->nr_watches);

	*w = (struct habit_watch){ .number = ++h->last_watch,
				   .expr = TAKE_PTR(expr),
				   .last = value };
	out_member(o, "number", json_object_new_int((int)w->number));

	AUTO_FREE char *brief = watch_brief(w->last);

	out_printf(o, "watchpoint %u: %s, now %s\n", w->number, w->expr, brief);
	return NULL;
}

const struct cmd_entry cmd_watchpoint = {
	.name = "watch",
	.group = GROUP_BREAK,
	.args = { 0, ARGS_MANY, NULL },
	.usage = "[EXPR]",
	.summary = "stop after a unit that changes an expression",
	.help = "EXPR is as for `print`: `watch holes`, `watch ppb 3`, `watch counters.pages_lazy`.  Every run "
		"goes by units then, and stops after the one that changed it, with the old and the new value.  "
		"Alone it lists them; `unwatch N` ends one.",
	.examples = (const struct cmd_example[]){ { "watch holes", "", "attach %P" },
						  { "watch ppb 3", "whatever changes in that pipe",
						    "attach %P" },
						  { "watch pages_lazy > 100", "", "attach %P" },
						  { 0 } },
	.flags = CMD_NO_REPEAT | CMD_CONDITIONS,
	.exec = watch_exec,
};

static struct err *unwatch_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct habits *h = &sh->habits;
	uint64_t n = 0;
	size_t before = h->nr_watches;

	if (a->argc)
		TRY(arg_uint(a->argv[0], "number of a watchpoint", 1, UINT32_MAX, &n));
	for (size_t i = h->nr_watches; i-- > 0;) {
		if (n && h->watch[i].number != n)
			continue;
		free(h->watch[i].expr);
		free(h->watch[i].last);
		vec_remove(h->watch, h->nr_watches, i);
	}
	return n && h->nr_watches == before ?
		       err_hint(err_new(ERR_USAGE, "there is no watchpoint %lu", n),
				"`watch` lists them") :
		       NULL;
}

const struct cmd_entry cmd_unwatch = {
	.name = "unwatch",
	.group = GROUP_BREAK,
	.args = { 0, 1, NULL },
	.usage = "[N]",
	.summary = "remove a watchpoint, or all",
	.help = "See `watch`.",
	.examples =
		(const struct cmd_example[]){ { "unwatch", "", "attach %P; watch holes" }, { 0 } },
	.flags = CMD_NO_REPEAT,
	.exec = unwatch_exec,
};
