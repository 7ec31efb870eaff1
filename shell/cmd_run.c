/* SPDX-License-Identifier: GPL-3.0-or-later */
/* step, next, finish, until, continue */
#include "shell/cmd_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shell/cmds.h"
#include "shell/progress.h"
#include "shell/stop.h"

/* After each unit, while something is watched. */
static bool run_watched(struct session *s, void *arg)
{
	return habits_watch_changed(arg, NULL);
}

struct err *run_pipeline(struct shell *sh, struct run_request *req, struct out *o)
{
	Stepdump__Stop *stop = NULL;
	struct progress p;

	if (sh->habits.nr_watches) {
		req->stop = run_watched;
		req->stop_arg = sh;
	}
	progress_begin(&p, sh, req);
	struct err *e = session_run(sh->session, req, &stop);
	progress_end(&p);
	if (stop && (stop->committed || !strcmp(stop->reason, "gate"))) {
		tell_preflight(sh, o);
		tell_elsewhere(sh, o);
	}
	if (sh->habits.nr_watches)
		habits_watch_changed(sh, o);
	if (stop) {
		sh->habits.stopped = true;
		sh->habits.breakpoint = stop->breakpoint;
	}
	stop_print(stop, o); /* its last line says where it stopped: views show just that one */
	if (stop)
		stepdump__stop__free_unpacked(stop, NULL);
	return e;
}

struct err *run_counted(struct shell *sh, const struct args *a, struct out *o, enum run_kind kind)
{
	struct run_request req = { .kind = kind, .count = 1 };
	uint64_t n = 1;

	if (a->argc)
		TRY(arg_uint(a->argv[0], "count", 1, UINT32_MAX, &n));
	req.count = (unsigned)n;
	return run_pipeline(sh, &req, o);
}

static struct err *step_exec(struct shell *sh, const struct args *a, struct out *o)
{
	return run_counted(sh, a, o, RUN_STEP);
}

const struct cmd_entry cmd_step = {
	.name = "step",
	.aliases = "s",
	.group = GROUP_RUN,
	.args = { 0, 1, NULL },
	.usage = "[N]",
	.summary = "run to the next change of phase, N times",
	.help = "The first step begins the dump: prepare puts the parasite into the target.  "
		"`help phases` explains the phases.",
	.examples = (const struct cmd_example[]){ { "step", "to the next phase", "attach %P" },
						  { "step 3", "three phases on", "attach %P" },
						  { 0 } },
	.flags = CMD_LIVE | CMD_REPLAYS | CMD_NEEDS_TARGET | CMD_MUTATES,
	.exec = step_exec,
};

static struct err *next_exec(struct shell *sh, const struct args *a, struct out *o)
{
	return run_counted(sh, a, o, RUN_NEXT);
}

const struct cmd_entry cmd_next = {
	.name = "next",
	.aliases = "n",
	.group = GROUP_RUN,
	.args = { 0, 1, NULL },
	.usage = "[N]",
	.summary = "run one unit of the current phase, or N of them",
	.help = "A unit is the smallest step that can be looked at: one VMA looked up, one "
		"run of pages judged, one pipe buffer drained, one pagemap entry written.  "
		"After a failure, `next` tries the same unit again.",
	.examples = (const struct cmd_example[]){ { "next", "one unit", "attach %P" },
						  { "next 20", "twenty", "attach %P" },
						  { 0 } },
	.flags = CMD_LIVE | CMD_REPLAYS | CMD_NEEDS_TARGET | CMD_MUTATES,
	.exec = next_exec,
};

static struct err *finish_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct run_request req = { .kind = RUN_FINISH };

	return run_pipeline(sh, &req, o);
}

const struct cmd_entry cmd_finish = {
	.name = "finish",
	.aliases = "f fin",
	.group = GROUP_RUN,
	.args = { 0, 0, NULL },
	.usage = "",
	.summary = "run to the end of the chunk",
	.help = "A chunk is what fits into the 8 pipes at once: it is scanned, drained and "
		"transferred before the next one begins.",
	.examples = (const struct cmd_example[]){ { "finish", "", "attach %P; step" }, { 0 } },
	.flags = CMD_LIVE | CMD_REPLAYS | CMD_NEEDS_TARGET | CMD_MUTATES,
	.exec = finish_exec,
};

static struct err *until_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct run_request req = { .kind = RUN_UNTIL };
	char *where;

	TRY(where_from_args(sh, a, &where));
	req.where = where;
	struct err *e = run_pipeline(sh, &req, o);
	free(where);
	return e;
}

const struct cmd_entry cmd_until = {
	.name = "until",
	.aliases = "u",
	.group = GROUP_RUN,
	.args = { 1, ARGS_MANY, comp_where },
	.usage = "WHERE",
	.summary = "run to WHERE, or to the gate if it never comes",
	.help = "WHERE is what `break` takes; `help breakpoints` lists it.",
	.examples =
		(const struct cmd_example[]){
			{ "until drain", "the first pipe buffer is about to be filled",
			  "attach %P" },
			{ "until drain if ppb == 0", "", "attach %P" },
			{ "until verdict zero", "the first run of zero pages", "attach %P" },
			{ "until $sp", "the page under the stack pointer", "attach %P" },
			{ 0 } },
	.flags = CMD_LIVE | CMD_REPLAYS | CMD_NEEDS_TARGET | CMD_MUTATES | CMD_CONDITIONS,
	.exec = until_exec,
};

static struct err *continue_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct run_request req = { .kind = RUN_CONTINUE };

	return run_pipeline(sh, &req, o);
}

const struct cmd_entry cmd_continue = {
	.name = "continue",
	.aliases = "c",
	.group = GROUP_RUN,
	.args = { 0, 0, NULL },
	.usage = "",
	.summary = "run to a breakpoint, or to the commit gate",
	.help = "At the gate everything is staged and nothing is published; `commit DIR` "
		"passes it.  ^C stops before the next unit.",
	.examples = (const struct cmd_example[]){ { "continue", "", "attach %P" }, { 0 } },
	.flags = CMD_LIVE | CMD_REPLAYS | CMD_NEEDS_TARGET | CMD_MUTATES,
	.exec = continue_exec,
};
