/* SPDX-License-Identifier: GPL-3.0-or-later */
/* explain, log: why dumps fail */
#include <string.h>

#include "engine/session/diagnose.h"
#include "shell/cmd.h"
#include "shell/cmds.h"
#include "views/reports.h"

static struct pane_opts diagnose_opts(const struct shell *sh, bool verbose)
{
	return (struct pane_opts){
		.ascii = sh->settings.ascii,
		.relative = sh->relative,
		.verbose = verbose,
		.index = -1,
	};
}

/* ---- explain --------------------------------------------------------------------------------- */

void comp_cause(struct shell *sh, const struct cword *w, struct complist *l)
{
	Stepdump__CauseList *all;
	struct err *e = session_causes(NULL, &all);

	if (e) {
		err_free(e);
		return;
	}
	for (size_t i = 0; i < all->n_causes; i++)
		complist_add(l, w, all->causes[i]->name, all->causes[i]->title);
	stepdump__cause_list__free_unpacked(all, NULL);
}

static struct err *explain_exec(struct shell *sh, const struct args *a, struct out *o)
{
	Stepdump__CauseList *l;
	struct grid g;

	TRY(session_causes(a->argc ? a->argv[0] : NULL, &l));
	out_message(o, &l->base);
	if (!o->json) {
		struct pane_opts po = diagnose_opts(sh, false);

		grid_init(&g, o->width, 0);
		report_causes(l, &po, &g);
		out_grid(o, &g);
		grid_deinit(&g);
	}
	stepdump__cause_list__free_unpacked(l, NULL);
	return NULL;
}

const struct cmd_entry cmd_explain = {
	.name = "explain",
	.group = GROUP_DIAGNOSE,
	.args = { 0, 1, comp_cause },
	.usage = "[CAUSE]",
	.summary = "what makes dumps fail, how it is seen, what to do",
	.help = "Without an argument, lists all causes that are known; with the name of one, tells in "
		"which phase CRIU fails, how it shows before a dump, what the log says, what to do, "
		"and where it was reported. `check` and `log` use these names.",
	.examples = (const struct cmd_example[]){ { "explain", "", "" },
						  { "explain sealed", "one of them", "" },
						  { 0 } },
	.flags = CMD_ALONE,
	.exec = explain_exec,
};

/* ---- log ------------------------------------------------------------------------------------- */

struct err *show_log(struct shell *sh, const char *path, const char *images, bool verbose,
		     struct out *o)
{
	Stepdump__LogReport *r;
	struct grid g;

	TRY(session_log(sh->session, path, images, &r));
	out_message(o, &r->base);
	if (!o->json) {
		struct pane_opts po = diagnose_opts(sh, verbose);

		grid_init(&g, o->width, 0);
		report_log(r, &po, &g);
		out_grid(o, &g);
		grid_deinit(&g);
	}
	stepdump__log_report__free_unpacked(r, NULL);
	return NULL;
}

static struct err *log_exec(struct shell *sh, const struct args *a, struct out *o)
{
	const char *path = NULL, *images = NULL;
	bool verbose = false;

	for (unsigned i = 0; i < a->argc; i++) {
		if (!strcmp(a->argv[i], "-v"))
			verbose = true;
		else if (!strcmp(a->argv[i], "--images") && i + 1 < a->argc)
			images = a->argv[++i];
		else if (path || *a->argv[i] == '-')
			return cmd_usage(&cmd_log);
		else
			path = a->argv[i];
	}
	if (!path)
		return cmd_usage(&cmd_log);
	return show_log(sh, path, images, verbose, o);
}

const struct cmd_entry cmd_log = {
	.name = "log",
	.group = GROUP_DIAGNOSE,
	.args = { 1, 4, comp_file },
	.usage = "[-v] FILE [--images DIR]",
	.summary = "explain the log of a CRIU run that failed",
	.help = "FILE is dump.log or restore.log of any CRIU 3.x or 4.x, or what runc, crun, podman or "
		"containerd printed of it. Tells how far CRIU came, which line matters, which errors "
		"are only noise, the likely causes and what to do. A log that simply stops, "
		"or fails without a reason, gets the causes that do that. With --images, what is in the image "
		"directory. If the process lives, what `check` still sees of the cause. -v lists all "
		"errors.",
	.examples = (const struct cmd_example[]){ { "log dump.log", "", NULL },
						  { "log dump.log --images dump/", "", NULL },
						  { 0 } },
	.flags = CMD_ALONE,
	.exec = log_exec,
};
