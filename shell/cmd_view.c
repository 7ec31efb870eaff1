/* SPDX-License-Identifier: GPL-3.0-or-later */
/* view: the full-screen views */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shell/cmd.h"
#include "shell/cmds.h"
#include "shell/history.h"
#include "shell/view.h"
#include "shell/view_line.h"
#include "views/term.h"

#define DEFAULT_ROWS 24
#define DEFAULT_COLS 80

/* Where the operator left off; one, as there is one terminal. */
static struct view_session state = { .fresh = true };

static struct err *find_view(const char *name, enum view_id *ret)
{
	char list[128] = "";

	*ret = view_find(name);
	if (*ret != NR_VIEWS)
		return NULL;
	for (enum view_id v = 0; v < NR_VIEWS; v++) {
		strcat(list, v ? ", " : "");
		strcat(list, view_name(v));
	}
	return err_hint(err_new(ERR_USAGE, "there is no view \"%s\"", name), "%s", list);
}

static struct err *read_keys(const char *path, char **ret)
{
	AUTO_FCLOSE FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t cap = 0;

	if (!f)
		return err_new(ERR_USAGE, "cannot read the keys in \"%s\"", path);
	if (getdelim(&text, &cap, '\0', f) < 0 && !feof(f)) {
		free(text);
		return err_new(ERR_SYS, "cannot read the keys in \"%s\"", path);
	}
	*ret = text ? text : xstrdup("");
	return NULL;
}

static void leave(struct view_session *v)
{
	ui_action(&v->ui, ACT_BACK, NULL); /* a pane that was open is closed */
	view_free_snapshots(v);
	if (v->opened)
		v->opened = false;
}

/* Without a terminal: the same picture once, as text. */
static struct err *print_once(struct view_session *v, struct out *o)
{
	v->ui.relative = v->sh->relative;
	TRY(view_look(v));
	if (v->fresh && ui_follow(&v->ui, v->now))
		v->ui.find.what = FIND_TEXT;
	v->fresh = false;
	struct err *e = view_look(v);
	if (!e) {
		struct grid g = view_draw(v);

		out_message(o, &v->now->base);
		if (!o->json)
			out_grid(o, &g);
		grid_deinit(&g);
	}
	leave(v);
	return e;
}

static struct err *run_keys(struct view_session *v, const char *path)
{
	AUTO_FREE char *keys = NULL;

	TRY(view_line_prepare(v->sh));
	TRY(read_keys(path, &keys));
	v->keys = keys;
	view_skip_comments(v);
	v->headless = true;
	struct err *e = view_loop(v);
	v->headless = false;
	leave(v);
	return e;
}

static struct err *run_on_terminal(struct view_session *v)
{
	struct terminal_opts opts = view_terminal_opts(v->sh);
	char why[200];

	TRY(view_line_prepare(v->sh));
	history_load();
	if (!terminal_open(&opts, why, sizeof(why)))
		return err_hint(err_new(ERR_STATE, "view: %s", why),
				"`view NAME | cat` prints it once as text");
	struct err *e = view_loop(v);
	leave(v);
	terminal_close();
	return e;
}

static struct err *view_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct view_session *v = &state;
	enum view_id id = v->ui.rows ? v->ui.view : VIEW_PIPELINE;
	const char *term = getenv("TERM");

	if (a->argc)
		TRY(find_view(a->argv[0], &id));
	if (sh->view)
		return err_new(ERR_STATE, "a view is open already; its number or Tab changes it");
	if (!v->ui.rows)
		ui_init(&v->ui, DEFAULT_ROWS, DEFAULT_COLS, sh->settings.ascii);
	v->sh = sh;
	v->ui.view = id;
	v->ui.ascii = sh->settings.ascii;
	if (sh->keys || !o->tty || !sh->interactive || !term || !strcmp(term, "dumb")) {
		v->ui.rows = sh->screen_rows ? sh->screen_rows : DEFAULT_ROWS;
		v->ui.cols = sh->screen_cols ? sh->screen_cols : o->tty ? o->width : DEFAULT_COLS;
	}
	if (sh->keys)
		return run_keys(v, sh->keys);
	if (!o->tty || !sh->interactive || !term || !strcmp(term, "dumb"))
		return print_once(v, o);
	return run_on_terminal(v);
}

static void comp_view(struct shell *sh, const struct cword *w, struct complist *l)
{
	for (enum view_id v = 0; !w->argn && v < NR_VIEWS; v++)
		complist_add(l, w, view_name(v), view_summary(v));
}

const struct cmd_entry cmd_view = {
	.name = "view",
	.group = GROUP_LOOK,
	.args = { 0, 1, comp_view },
	.usage = "[NAME]",
	.summary = "open the full-screen views",
	.help = "NAME is pipeline, pipes, map, parents, threads, events, pmc, holes, xfer or checks; without it, the "
		"view that was open last.  Keys run the same commands as the prompt, ? lists "
		"them, and what changed is highlighted.  q goes back to the prompt.  If the "
		"output is not a terminal, or one that cannot move its cursor, the view is "
		"printed once as text.",
	.examples =
		(const struct cmd_example[]){ { "view", "the whole dump at a glance", "attach %P" },
					      { "view map", "", "attach %P; step 2" },
					      { 0 } },
	.flags = CMD_STREAMS,
	.exec = view_exec,
};
