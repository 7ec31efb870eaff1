/* SPDX-License-Identifier: GPL-3.0-or-later */
/* explain: what terms mean, and why dumps fail; check, log */
#include <string.h>

#include "engine/session/diagnose.h"
#include "shell/cmd.h"
#include "shell/cmds.h"
#include "shell/explain.h"
#include "views/reports.h"

#define PREFLIGHT_LINES 3u /* of `check`, told at the gate and by commit */

static struct pane_opts diagnose_opts(const struct shell *sh, bool verbose)
{
	return (struct pane_opts){
		.ascii = sh->settings.ascii,
		.relative = sh->relative,
		.verbose = verbose,
		.index = -1,
	};
}

/* Terms, and causes of failed dumps. */
void comp_cause(struct shell *sh, const struct cword *w, struct complist *l)
{
	comp_term(w, l);

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
	AUTO_FREE char *name = args_join(a);
	Stepdump__CauseList *l = NULL;
	struct grid g;
	unsigned nr = *name ? explain_print(sh, name, o) : 0;
	struct err *e = session_causes(*name ? name : NULL, &l);

	if (e && nr) { /* a term, and not a cause as well */
		err_free(e);
		return NULL;
	}
	if (e && e->code == ERR_USAGE) {
		err_free(e);
		return err_hint(err_new(ERR_USAGE, "no term or cause is called \"%s\"", name),
				"`apropos WORD` searches, `explain` lists the causes");
	}
	TRY(e);
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
	.args = { 0, ARGS_MANY, comp_cause },
	.usage = "[TERM|CAUSE]",
	.summary = "what a term on the screen means; what makes dumps fail",
	.help = "TERM is any heading of a column, glyph of a legend, phase, verdict, structure or "
		"flag: what it is, why it exists, the function of CRIU, what the text of 2017 says "
		"and what holds now, what to type to see it, and the numbers of the target "
		"that is attached. Quote a glyph that the shell would take for its own: explain "
		"'>'. Without an argument, lists all causes of failed dumps that are known; with the "
		"name of one, tells in which phase CRIU fails, how it shows before a dump, what the log "
		"says, what to do, and where it was reported. `check` and `log` use these names.",
	.examples = (const struct cmd_example[]){ { "explain ppb", "a structure", "" },
						  { "explain chunk offset", "a column", "" },
						  { "explain pmc", "with numbers",
						    "attach %P; step 2" },
						  { "explain", "all causes", "" },
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
		"containerd printed of it. Shows how far CRIU got, which line matters, which "
		"errors are only noise, the likely causes and what to do. A log that simply stops, "
		"or fails without a reason, gets the causes that do that. With --images, "
		"also what is in the image directory. If the process is alive, also what "
		"`check` still finds of the cause. -v lists all errors.",
	.examples = (const struct cmd_example[]){ { "log dump.log", "", NULL },
						  { "log dump.log --images dump/", "", NULL },
						  { 0 } },
	.flags = CMD_ALONE,
	.exec = log_exec,
};

/* ---- check ----------------------------------------------------------------------------------- */

static void show_check(struct shell *sh, const Stepdump__CheckReport *r, bool verbose,
		       struct out *o)
{
	struct grid g;

	out_message(o, &r->base);
	if (o->json)
		return;
	struct pane_opts po = diagnose_opts(sh, verbose);

	grid_init(&g, o->width, 0);
	report_check(r, &po, &g);
	out_grid(o, &g);
	grid_deinit(&g);
}

static struct err *check_exec(struct shell *sh, const struct args *a, struct out *o)
{
	bool tree = false, all = false, verbose = false;
	const char *who = NULL;
	Stepdump__CheckReport *r;

	for (unsigned i = 0; i < a->argc; i++) {
		if (!strcmp(a->argv[i], "-v"))
			verbose = true;
		else if (!strcmp(a->argv[i], "--tree"))
			tree = true;
		else if (!strcmp(a->argv[i], "--all"))
			all = true;
		else if (who || *a->argv[i] == '-')
			return cmd_usage(&cmd_check);
		else
			who = a->argv[i];
	}
	if (all ? who || tree : !who && !session_has_target(sh->session))
		return cmd_usage(&cmd_check);
	TRY(who || all ? session_check(sh->session, who, tree, all, &r) :
			 session_check_target(sh->session, &r));
	show_check(sh, r, verbose, o);
	sh->findings |= r->found || r->not_ours; /* of these it cannot be told */
	stepdump__check_report__free_unpacked(r, NULL);
	return NULL;
}

const struct cmd_entry cmd_check = {
	.name = "check",
	.group = GROUP_DIAGNOSE,
	.args = { 0, 3, comp_check },
	.usage = "[-v] [PID|NAME] [--tree] | --all",
	.summary = "would a dump of this process fail, and why?",
	.help = "Looks from outside: reads /proc and the cgroup tree, traces nothing, stops nothing. Each "
		"finding names its evidence, the phase in which CRIU would fail, and what to do. "
		"Severities: harm (the dump can hurt the process), fail, lose (it succeeds, and "
		"something is missing), slow, option (CRIU needs an option for it, such as "
		"--tcp-established), note. Options and notes are common and do not count as findings. "
		"With --tree all descendants "
		"too, with --all every process but kernel threads and zombies, each by itself; those that are not ours to look into "
		"are counted in the last line. Without an argument, the target. "
		"As `stepdump check PID` the exit status is 0 without findings, 1 with (or if some could not be "
		"looked into), 2 "
		"usage, 3 no such process; --json prints the report. `explain` lists what is "
		"looked for.",
	.examples = (const struct cmd_example[]){ { "check %P", "", "" },
						  { "check --tree %P", "and its descendants", "" },
						  { 0 } },
	.flags = CMD_ALONE | CMD_LIVE,
	.exec = check_exec,
};

void tell_findings(struct shell *sh, struct out *o)
{
	const Stepdump__CheckReport *r = session_checked(sh->session);

	if (!r)
		return;
	if (r->found)
		out_printf(o, "%lu finding%s: `check`\n", r->found, r->found == 1 ? "" : "s");
	out_member(o, "findings", json_object_new_int64((int64_t)r->found));
}

void tell_preflight(struct shell *sh, struct out *o)
{
	/* A pre-dump of CRIU's does not look at files. */
	bool files = session_opts(sh->session)->mode != MODE_PRE_DUMP;
	const Stepdump__CheckReport *r = files ? session_checked(sh->session) : NULL;
	json_object *names = json_object_new_array();
	unsigned nr = 0;

	for (size_t i = 0; r && i < r->n_tasks; i++)
		for (size_t j = 0; j < r->tasks[i]->n_findings; j++) {
			const Stepdump__CheckFinding *f = r->tasks[i]->findings[j];

			if (strcmp(f->cause->severity, "fail"))
				continue;
			if (nr++ < PREFLIGHT_LINES)
				out_printf(o, "criu would fail here: %s (%s)\n", f->cause->title,
					   f->cause->name);
			json_object_array_add(names, json_object_new_string(f->cause->name));
		}
	if (nr > PREFLIGHT_LINES)
		out_printf(o, "  and %u more: `check`\n", nr - PREFLIGHT_LINES);
	if (nr)
		out_member(o, "criu_would_fail", names);
	else
		json_object_put(names);
}

void tell_elsewhere(struct shell *sh, struct out *o)
{
	Stepdump__CheckReport *r = NULL;
	struct err *e = session_elsewhere(sh->session, &r);
	bool any = false;

	if (e) {
		err_free(e);
		return;
	}
	for (size_t i = 0; i < r->n_tasks; i++)
		for (size_t j = 0; j < r->tasks[i]->n_findings; j++) {
			const Stepdump__CheckFinding *f = r->tasks[i]->findings[j];
			uint64_t count = f->has_count ? f->count : 1;

			out_printf(o, "not in this set: ");
			for (size_t k = 0; k < f->n_places; k++)
				out_printf(o, "%s%s (%lu KiB)", k ? ", " : "",
					   f->places[k]->name ? f->places[k]->name : "?",
					   (f->places[k]->end - f->places[k]->start) >> 10);
			out_printf(o, "%s\n", count > f->n_places ? ", ..." : "");
			any = true;
		}
	if (any)
		out_printf(o,
			   "  it is in files: `explain memory-in-files` tells whose job that is\n");
	stepdump__check_report__free_unpacked(r, NULL);
}
