/* SPDX-License-Identifier: GPL-3.0-or-later */
/* commit, restart, abort */
#include "shell/cmd.h"
#include "shell/cmds.h"
#include "shell/progress.h"
#include "shell/stop.h"

static struct err *commit_exec(struct shell *sh, const struct args *a, struct out *o)
{
	Stepdump__Stop *stop = NULL;
	struct run_request req = { .kind = RUN_COMMIT, .where = a->argc ? a->argv[0] : NULL };
	struct progress p;

	progress_begin(&p, sh, &req);
	struct err *e = session_run(sh->session, &req, &stop);
	progress_end(&p);
	stop_print(stop, o);
	if (stop)
		stepdump__stop__free_unpacked(stop, NULL);
	return e;
}

const struct cmd_entry cmd_commit = {
	.name = "commit",
	.group = GROUP_COMMIT,
	.args = { 0, 1, comp_dir },
	.usage = "[DIR]",
	.summary = "finish the dump and publish the images",
	.help = "Runs what is left of the pipeline from wherever it stands, checks the "
		"images, makes them durable, renames the staging directory to DIR and only "
		"then resets dirty tracking. DIR must not exist, or be empty; without it, "
		"`set dir` counts.  Should it fail, there is nothing at DIR and the dump can "
		"be looked at, retried, restarted or aborted.",
	.examples = (const struct cmd_example[]){ { "commit %D/dump", "the whole dump in one go",
						    "attach %P" },
						  { "commit", "to the directory of `set dir`",
						    "attach %P; set dir %D/dump2" },
						  { 0 } },
	.flags = CMD_NO_REPEAT | CMD_LIVE | CMD_NEEDS_TARGET | CMD_MUTATES,
	.exec = commit_exec,
};

static struct err *restart_exec(struct shell *sh, const struct args *a, struct out *o)
{
	(void)a;
	TRY(session_restart(sh->session));
	out_printf(o, "back before prepare; nothing is staged\n");
	return NULL;
}

const struct cmd_entry cmd_restart = {
	.name = "restart",
	.group = GROUP_COMMIT,
	.args = { 0, 0, NULL },
	.usage = "",
	.summary = "go back to before prepare",
	.help = "Pipes and staged files are dropped and protections restored; the target "
		"stays attached and frozen, breakpoints and settings stay.",
	.examples = (const struct cmd_example[]){ { "restart", "", "attach %P; step 2" }, { 0 } },
	.flags = CMD_NO_REPEAT | CMD_LIVE | CMD_NEEDS_TARGET,
	.exec = restart_exec,
};

static struct err *abort_exec(struct shell *sh, const struct args *a, struct out *o)
{
	(void)a;
	TRY(session_abort(sh->session));
	out_printf(o, "aborted: the target is as right after attach\n");
	return NULL;
}

const struct cmd_entry cmd_abort = {
	.name = "abort",
	.group = GROUP_COMMIT,
	.args = { 0, 0, NULL },
	.usage = "",
	.summary = "give the dump up and remove the parasite",
	.help = "As `restart`, and the target is cured.  It stays attached: `detach` lets it "
		"run.",
	.examples = (const struct cmd_example[]){ { "abort", "", "attach %P; step 2" }, { 0 } },
	.flags = CMD_NO_REPEAT | CMD_LIVE | CMD_NEEDS_PIPELINE,
	.exec = abort_exec,
};
