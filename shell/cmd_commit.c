/* SPDX-License-Identifier: GPL-3.0-or-later */
/* commit, restart, abort */
#include <string.h>

#include "shell/cmd.h"
#include "shell/cmds.h"
#include "shell/progress.h"
#include "shell/stop.h"

/* As `set parent`, which only counts before prepare. */
static struct err *commit_set_parent(struct shell *sh, const char *dir)
{
	const struct opts *opts = session_opts(sh->session);

	if (opts->parent && !strcmp(opts->parent, dir))
		return NULL;
	if (session_has_pipeline(sh->session))
		return err_hint(
			err_new(ERR_STATE, "commit --parent: the dump under way was begun %s",
				opts->parent ? "with another parent" : "without a parent"),
			"`commit DIR` finishes it as it is; `restart`, then commit with --parent");
	return session_set(sh->session, opt_find("parent"), dir);
}

/* "[DIR] [--parent OLD]", in any order. */
static struct err *commit_args(struct shell *sh, const struct args *a, const char **dir_ret)
{
	const char *parent = NULL;

	*dir_ret = NULL;
	for (unsigned i = 0; i < a->argc; i++) {
		if (!strcmp(a->argv[i], "--parent") && !parent && i + 1 < a->argc)
			parent = a->argv[++i];
		else if (*dir_ret || a->argv[i][0] == '-')
			return cmd_usage(&cmd_commit);
		else
			*dir_ret = a->argv[i];
	}
	return parent ? commit_set_parent(sh, parent) : NULL;
}

static struct err *commit_exec(struct shell *sh, const struct args *a, struct out *o)
{
	Stepdump__Stop *stop = NULL;
	struct run_request req = { .kind = RUN_COMMIT };
	struct progress p;

	TRY(commit_args(sh, a, &req.where));
	progress_begin(&p, sh, &req);
	struct err *e = session_run(sh->session, &req, &stop);
	progress_end(&p);
	if (stop && stop->committed) {
		tell_preflight(sh, o);
		tell_elsewhere(sh, o);
	}
	stop_print(stop, o);
	if (stop)
		stepdump__stop__free_unpacked(stop, NULL);
	return e;
}

const struct cmd_entry cmd_commit = {
	.name = "commit",
	.group = GROUP_COMMIT,
	.args = { 0, 3, comp_commit },
	.usage = "[DIR] [--parent OLD]",
	.summary = "finish the dump and publish the images",
	.help = "Runs the rest of the pipeline, checks the images, syncs them to disk, "
		"renames the staging directory to DIR, and only then resets dirty tracking.  "
		"DIR must not exist, or must be an empty directory; without DIR, the one from "
		"`set dir` is used.  If the commit fails, there is nothing at DIR, and the "
		"dump can be looked at, retried, restarted or aborted.  --parent OLD does "
		"`set parent OLD` first: pages unchanged since that dump are left there "
		"(`help chains`).  With `set thaw drained` the target runs on once its pages are "
		"in files (`explain thaw`); -batch does that by itself.  It also runs on after a "
		"pre-dump; `restart` freezes it for the next one.",
	.examples =
		(const struct cmd_example[]){
			{ "commit %D/dump", "the whole dump in one go", "attach %P" },
			{ "commit", "to the directory of `set dir`",
			  "attach %P; set dir %D/dump2" },
			{ "commit new --parent old", "only what changed since old", NULL },
			{ 0 } },
	.flags = CMD_NO_REPEAT | CMD_LIVE | CMD_NEEDS_TARGET | CMD_MUTATES,
	.exec = commit_exec,
};

/* A dump that is under way, or done: after a pre-dump the target runs, and can be frozen again. */
static struct err *need_dump(struct shell *sh, const char *what)
{
	if (session_has_pipeline(sh->session) || session_past_gate(sh->session))
		return NULL;
	return err_hint(err_new(ERR_STATE, "%s: no dump is under way", what), "`step` begins one");
}

static struct err *restart_exec(struct shell *sh, const struct args *a, struct out *o)
{
	bool again = session_past_gate(sh->session);

	TRY(need_dump(sh, "restart"));
	TRY(session_restart(sh->session));
	out_printf(o, "%s\n",
		   again ? "frozen, ready for another dump" :
			   "back before prepare; nothing is staged");
	return NULL;
}

const struct cmd_entry cmd_restart = {
	.name = "restart",
	.group = GROUP_COMMIT,
	.args = { 0, 0, NULL },
	.usage = "",
	.summary = "go back to the state before prepare",
	.help = "Drops pipes and staged files and restores protections.  The target stays "
		"attached and frozen; breakpoints and settings are kept.  After a commit, "
		"`restart` begins the next dump; a target that a pre-dump let run is frozen "
		"again.",
	.examples = (const struct cmd_example[]){ { "restart", "", "attach %P; step 2" }, { 0 } },
	.flags = CMD_NO_REPEAT | CMD_LIVE | CMD_NEEDS_TARGET,
	.exec = restart_exec,
};

static struct err *abort_exec(struct shell *sh, const struct args *a, struct out *o)
{
	TRY(need_dump(sh, "abort"));
	TRY(session_abort(sh->session));
	out_printf(o, "aborted: the target is as it was right after attach\n");
	return NULL;
}

const struct cmd_entry cmd_abort = {
	.name = "abort",
	.group = GROUP_COMMIT,
	.args = { 0, 0, NULL },
	.usage = "",
	.summary = "give up the dump and remove the parasite",
	.help = "Does what `restart` does, and removes the parasite from the target, which "
		"stays attached: `detach` lets it run.",
	.examples = (const struct cmd_example[]){ { "abort", "", "attach %P; step 2" }, { 0 } },
	.flags = CMD_NO_REPEAT | CMD_LIVE | CMD_NEEDS_TARGET,
	.exec = abort_exec,
};
