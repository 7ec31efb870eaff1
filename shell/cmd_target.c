/* SPDX-License-Identifier: GPL-3.0-or-later */
/* attach, run, detach, kill, rescue */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/session/diagnose.h"
#include "shell/cmd.h"
#include "shell/cmds.h"
#include "shell/format.h"
#include "shell/watching.h"
#include "views/panes.h"

#define TARGET_PARTS (SNAP_TARGET | SNAP_TRACKER | SNAP_TASKS)

/* "attached 4242 redis-server: 5 threads frozen, 41 VMAs, 48.0M resident" */
static struct err *tell_attached(struct shell *sh, const char *verb, struct out *o)
{
	struct snap_request req = { .parts = TARGET_PARTS };
	Stepdump__Snapshot *s;
	char rss[24];

	sh->gone_told = false;
	sh->x.valid = false;
	TRY(shell_snap(sh, &req, &s));
	const Stepdump__Target *t = s->target;
	if (t) {
		out_message(o, &t->base);
		format_bytes(t->rss_bytes, rss, sizeof(rss));
		out_printf(o, "%s %u %s: %u thread%s frozen, %u VMAs, %s resident", verb, t->pid,
			   t->comm ? t->comm : "", t->nr_threads, t->nr_threads == 1 ? "" : "s",
			   t->nr_vmas, rss);
		if (s->tracker && s->tracker->kind)
			out_printf(o, "; dirty tracking: %s", s->tracker->kind);
		out_printf(o, "\n");
		if (s->n_tasks > 1)
			out_printf(o, "and %zu descendant%s: `show tasks`\n", s->n_tasks - 1,
				   s->n_tasks == 2 ? "" : "s");
		out_member(o, "nr_tasks", json_object_new_int64((int64_t)s->n_tasks));
		tell_findings(sh, o);
	}
	shell_snap_free(sh, s);
	return NULL;
}

static struct err *attach_exec(struct shell *sh, const struct args *a, struct out *o)
{
	const char *text = NULL;
	bool tree = false;
	struct err *e;
	uint64_t pid;

	for (unsigned i = 0; i < a->argc; i++) {
		if (!strcmp(a->argv[i], "--tree"))
			tree = true;
		else if (text)
			return cmd_usage(&cmd_attach);
		else
			text = a->argv[i];
	}
	if (!text)
		return cmd_usage(&cmd_attach);
	e = arg_uint(text, "pid", 1, INT32_MAX, &pid);
	if (e)
		return err_hint(
			e, "`pidof NAME` prints it; at the prompt, type part of a name and Tab");
	TRY(tree ? session_attach_tree(sh->session, (pid_t)pid) :
		   session_attach(sh->session, (pid_t)pid));
	return tell_attached(sh, "attached", o);
}

const struct cmd_entry cmd_attach = {
	.name = "attach",
	.aliases = "at",
	.group = GROUP_TARGET,
	.args = { 1, 2, comp_attach },
	.usage = "[--tree] PID",
	.summary = "freeze a process and collect its mappings",
	.help = "All threads of the process stop.  Nothing in it is changed: the parasite is "
		"put in by the first `step`.  `detach`, `quit`, the end of the input and "
		"signals let it go on undisturbed.  Tab completes pids, your own processes "
		"first, and turns the beginning of a process name into its pid.  With --tree "
		"all its descendants are frozen as well and dumped together, task by task; "
		"`task N` selects the one that `show` refers to.",
	.examples =
		(const struct cmd_example[]){ { "attach %P", "the process with that pid", "" },
					      { "attach --tree %P", "and all its descendants", "" },
					      { 0 } },
	.flags = CMD_NO_REPEAT | CMD_LIVE,
	.exec = attach_exec,
};

static struct err *task_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct snap_request req = { .parts = SNAP_TASKS };
	Stepdump__Snapshot *s;
	uint64_t n;

	if (a->argc && !strcmp(a->argv[0], "auto")) {
		TRY(session_select_task(sh->session, -1));
	} else if (a->argc) {
		TRY(arg_uint(a->argv[0], "number of a task", 0, UINT32_MAX, &n));
		TRY(session_select_task(sh->session, (int64_t)n));
		sh->x.valid = false; /* the address was in the memory of another task */
	}
	TRY(shell_snap(sh, &req, &s));
	for (size_t i = 0; i < s->n_tasks; i++) {
		const Stepdump__Task *t = s->tasks[i];

		if (t->pid != (uint32_t)session_pid(sh->session))
			continue;
		out_message(o, &t->base);
		out_printf(o, "task %u of %zu: %u %s\n", t->index, s->n_tasks, t->pid,
			   t->comm ? t->comm : "");
	}
	shell_snap_free(sh, s);
	return NULL;
}

const struct cmd_entry cmd_task = {
	.name = "task",
	.group = GROUP_TARGET,
	.args = { 0, 1, comp_task },
	.usage = "[N|auto]",
	.summary = "select the task that show, why and x refer to",
	.help = "N counts the tasks in the order of `show tasks`; auto follows the task that "
		"the pipeline is at.  Without an argument, prints which one is selected.  The "
		"selection does not affect the pipeline.",
	.examples = (const struct cmd_example[]){ { "task 0", "the root", "attach --tree %P" },
						  { "task auto", "", "attach --tree %P; step" },
						  { 0 } },
	.flags = CMD_NO_REPEAT | CMD_LIVE | CMD_NEEDS_TARGET,
	.exec = task_exec,
};

static struct err *run_exec(struct shell *sh, const struct args *a, struct out *o)
{
	pid_t pid;

	if (is_criu_command(a->argv[0])) {
		TRY(session_watch_start(sh->session, a->argv));
		return tell_watched(sh, "started", o);
	}
	TRY(session_launch(sh->session, a->argv, &pid));
	return tell_attached(sh, "started", o);
}

const struct cmd_entry cmd_run = {
	.name = "run",
	.aliases = "r",
	.group = GROUP_TARGET,
	.args = { 1, ARGS_MANY, comp_file },
	.usage = "PROGRAM [ARG]...",
	.summary = "start a program and attach to it",
	.help = "The program is looked up in PATH, gets a session of its own and /dev/null as "
		"standard input, and is attached as soon as it runs.  It stays alive when "
		"stepdump ends.  A program called criu is watched instead, as by `watch-criu`: "
		"its dump is looked at, held before its first instruction.",
	.examples =
		(const struct cmd_example[]){ { "run sleep 1000", "a target to play with", NULL },
					      { 0 } },
	.flags = CMD_NO_REPEAT | CMD_LIVE | CMD_MUTATES,
	.exec = run_exec,
};

static struct err *detach_exec(struct shell *sh, const struct args *a, struct out *o)
{
	int pid = (int)session_pid(sh->session);
	bool keep = a->argc != 0;

	if (keep && strcmp(a->argv[0], "--keep-tracking"))
		return cmd_usage(&cmd_detach);
	TRY(keep ? session_detach_keep_tracking(sh->session) : session_detach(sh->session));
	sh->gone_told = false;
	out_member(o, "pid", json_object_new_int(pid));
	out_printf(o, "detached from %d%s\n", pid,
		   keep ? "; its writes are tracked until it is attached again" : "");
	return NULL;
}

const struct cmd_entry cmd_detach = {
	.name = "detach",
	.group = GROUP_TARGET,
	.args = { 0, 1, comp_detach },
	.usage = "[--keep-tracking]",
	.summary = "put the target back as it was and let it go",
	.help = "A dump under way is aborted, the parasite is removed, and registers, "
		"protections and signals are restored.  A target that was running runs on, a "
		"stopped one stays stopped (`set leave-stopped on` stops it in any case).  "
		"With --keep-tracking its writes go on being tracked as long as stepdump "
		"runs, so that the next `attach` can make an incremental dump (`help "
		"tracking`).",
	.examples = (const struct cmd_example[]){ { "detach", "", "attach %P; step" }, { 0 } },
	.flags = CMD_NO_REPEAT | CMD_LIVE | CMD_NEEDS_TARGET,
	.exec = detach_exec,
};

static struct err *kill_exec(struct shell *sh, const struct args *a, struct out *o)
{
	int pid = (int)session_pid(sh->session);

	TRY(session_kill(sh->session));
	sh->gone_told = true; /* do not report its death again */
	out_member(o, "pid", json_object_new_int(pid));
	out_printf(o, "killed %d\n", pid);
	return NULL;
}

const struct cmd_entry cmd_kill = {
	.name = "kill",
	.group = GROUP_TARGET,
	.args = { 0, 0, NULL },
	.usage = "",
	.summary = "end the target with SIGKILL",
	.help = "This is the only command that ends a target; leaving stepdump never does.",
	.flags = CMD_NO_REPEAT | CMD_LIVE | CMD_NEEDS_TARGET | CMD_MUTATES,
	.exec = kill_exec,
};

/* Looks again at what is left: the report only tells what was done. */
static void tell_residue(pid_t pid, struct out *o)
{
	Stepdump__ResidueReport *r;
	struct err *e = session_residue(pid, &r);

	if (e) {
		err_free(e);
		return;
	}
	out_member(o, "mappings_left", json_object_new_int64((int64_t)r->n_mappings));
	if (r->n_mappings)
		out_printf(o, "%zu mapping%s of a parasite still there: `residue %d`\n",
			   r->n_mappings, r->n_mappings == 1 ? " is" : "s are", (int)pid);
	if (r->stopped)
		out_printf(o, "it is stopped %s: `residue %d`\n", r->stopped, (int)pid);
	stepdump__residue_report__free_unpacked(r, NULL);
}

static struct err *rescue_exec(struct shell *sh, const struct args *a, struct out *o)
{
	uint64_t pid;
	AUTO_FREE char *report = NULL;

	TRY(arg_uint(a->argv[0], "pid", 1, INT32_MAX, &pid));
	TRY(session_rescue(sh->session, (pid_t)pid, &report));
	out_member(o, "report", json_object_new_string(report));
	out_printf(o, "%s", *report ? report : "nothing to rescue\n");
	if (*report && report[strlen(report) - 1] != '\n')
		out_printf(o, "\n");
	tell_residue((pid_t)pid, o);
	return NULL;
}

const struct cmd_entry cmd_rescue = {
	.name = "rescue",
	.group = GROUP_TARGET,
	.args = { 1, 1, comp_pid },
	.usage = "PID",
	.summary = "remove what a killed dumper left in a process",
	.help = "Looks for the mapping of a parasite and for a journal of borrowed registers, "
		"undoes both, and reports what was found.  The process must not be attached.",
	.examples = (const struct cmd_example[]){ { "rescue %P", "", "" }, { 0 } },
	.flags = CMD_NO_REPEAT | CMD_LIVE | CMD_MUTATES,
	.exec = rescue_exec,
};
