/* SPDX-License-Identifier: GPL-3.0-or-later */
/* back, reverse-step, reverse-continue, goto */
#include "shell/cmd_run.h"
#include "shell/cmds.h"

#define REVERSE_FLAGS (CMD_LIVE | CMD_REPLAYS | CMD_NEEDS_TARGET | CMD_MUTATES)

static struct err *back_exec(struct shell *sh, const struct args *a, struct out *o)
{
	return run_counted(sh, a, o, RUN_BACK);
}

const struct cmd_entry cmd_back = {
	.name = "back",
	.aliases = "reverse-next rn",
	.group = GROUP_RUN,
	.args = { 0, 1, NULL },
	.usage = "[N]",
	.summary = "go one unit back, or N of them",
	.help = "The target is frozen, so nothing has to be undone: the dump starts over and runs "
		"silently to where one unit less is done.  Everything is as it was there, "
		"but for times, and pages that were swapped out: the first splice read them in.  "
		"Works up to the gate, not behind it.  Breakpoints are passed; `show cursor` has the "
		"number of units done.",
	.examples = (const struct cmd_example[]){ { "back", "one unit", "attach %P; next 12" },
						  { "back 5", "five", "attach %P; next 12" },
						  { 0 } },
	.flags = REVERSE_FLAGS,
	.exec = back_exec,
};

static struct err *reverse_step_exec(struct shell *sh, const struct args *a, struct out *o)
{
	return run_counted(sh, a, o, RUN_REVERSE_STEP);
}

const struct cmd_entry cmd_reverse_step = {
	.name = "reverse-step",
	.aliases = "rs",
	.group = GROUP_RUN,
	.args = { 0, 1, NULL },
	.usage = "[N]",
	.summary = "go back to the last change of phase, N times",
	.help = "The opposite of `step`: stops at the last place before this one where a phase "
		"began.  See `help back`.",
	.examples =
		(const struct cmd_example[]){ { "reverse-step", "", "attach %P; step 4" }, { 0 } },
	.flags = REVERSE_FLAGS,
	.exec = reverse_step_exec,
};

static struct err *reverse_continue_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct run_request req = { .kind = RUN_REVERSE_CONTINUE };

	return run_pipeline(sh, &req, o);
}

const struct cmd_entry cmd_reverse_continue = {
	.name = "reverse-continue",
	.aliases = "rc",
	.group = GROUP_RUN,
	.args = { 0, 0, NULL },
	.usage = "",
	.summary = "go back to the last breakpoint before this place",
	.help = "Without one, to the beginning.  Hits are not counted.  See `help back`.",
	.examples = (const struct cmd_example[]){ { "reverse-continue", "",
						    "attach %P; break drain; continue; next 2" },
						  { 0 } },
	.flags = REVERSE_FLAGS,
	.exec = reverse_continue_exec,
};

static struct err *goto_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct run_request req = { .kind = RUN_GOTO };

	TRY(arg_uint(a->argv[0], "number of units", 0, UINT32_MAX, &req.unit));
	return run_pipeline(sh, &req, o);
}

const struct cmd_entry cmd_goto = {
	.name = "goto",
	.group = GROUP_RUN,
	.args = { 1, 1, NULL },
	.usage = "N",
	.summary = "go to where N units are done, back or forward",
	.help = "0 is the beginning of prepare; a number that is too large ends at the gate.  "
		"`show cursor` has the number of this place, unless some units were done in bulk, "
		"which `back` counts.",
	.examples = (const struct cmd_example[]){ { "goto 20", "", "attach %P; next 3" }, { 0 } },
	.flags = REVERSE_FLAGS | CMD_NO_REPEAT,
	.exec = goto_exec,
};
