/* SPDX-License-Identifier: GPL-3.0-or-later */
/* break, tbreak, delete */
#include <stdlib.h>

#include "shell/cmd.h"
#include "shell/cmds.h"
#include "shell/stop.h"
#include "views/panes.h"

static struct err *set_break(struct shell *sh, const struct args *a, struct out *o, bool temporary)
{
	unsigned number;
	AUTO_FREE char *where = NULL;

	TRY(where_from_args(sh, a, &where));
	struct err *e = session_break(sh->session, where, temporary, &number);
	if (!e) {
		out_member(o, "number", json_object_new_int((int)number));
		out_member(o, "where", json_object_new_string(where));
		out_printf(o, "%s %u: %s\n", temporary ? "temporary breakpoint" : "breakpoint",
			   number, where);
	}
	return e;
}

static struct err *break_exec(struct shell *sh, const struct args *a, struct out *o)
{
	return set_break(sh, a, o, false);
}

const struct cmd_entry cmd_break = {
	.name = "break",
	.aliases = "b",
	.group = GROUP_BREAK,
	.args = { 1, ARGS_MANY, comp_where },
	.usage = "WHERE",
	.summary = "stop before a unit that matches WHERE",
	.help = "`help breakpoints` lists what WHERE can be.  Breakpoints can be set before "
		"attach, and survive restart, abort and detach.",
	.examples =
		(const struct cmd_example[]){
			{ "break drain", "before each pipe buffer", "" },
			{ "break drain if ppb == 5", "before one of them", "" },
			{ "break verdict hole", "before a run of pages that the parent has", "" },
			{ "break $sp", "when the page under the stack pointer is scanned",
			  "attach %P" },
			{ "break vma 3", "", "attach %P" },
			{ "break fail", "before a failure is reported", "" },
			{ 0 } },
	.flags = CMD_NO_REPEAT | CMD_LIVE | CMD_REPLAYS | CMD_CONDITIONS,
	.exec = break_exec,
};

static struct err *tbreak_exec(struct shell *sh, const struct args *a, struct out *o)
{
	return set_break(sh, a, o, true);
}

const struct cmd_entry cmd_tbreak = {
	.name = "tbreak",
	.aliases = "tb",
	.group = GROUP_BREAK,
	.args = { 1, ARGS_MANY, comp_where },
	.usage = "WHERE",
	.summary = "set a breakpoint that stops once",
	.help = "The same as `break`, but the breakpoint is deleted when it is hit.",
	.examples = (const struct cmd_example[]){ { "tbreak xfer", "", "" }, { 0 } },
	.flags = CMD_NO_REPEAT | CMD_LIVE | CMD_REPLAYS | CMD_CONDITIONS,
	.exec = tbreak_exec,
};

static struct err *delete_exec(struct shell *sh, const struct args *a, struct out *o)
{
	uint64_t n;

	if (!a->argc)
		return session_delete_break(sh->session, 0);
	for (unsigned i = 0; i < a->argc; i++) {
		TRY(arg_uint(a->argv[i], "breakpoint number", 1, UINT32_MAX, &n));
		TRY(session_delete_break(sh->session, (unsigned)n));
	}
	return NULL;
}

const struct cmd_entry cmd_delete = {
	.name = "delete",
	.aliases = "d",
	.group = GROUP_BREAK,
	.args = { 0, ARGS_MANY, comp_break_number },
	.usage = "[N]...",
	.summary = "delete breakpoints by number, or all of them",
	.help = "`show breakpoints` lists the numbers.",
	.examples = (const struct cmd_example[]){ { "delete 1", "", "break drain" },
						  { "delete", "all", "" },
						  { 0 } },
	.flags = CMD_NO_REPEAT | CMD_LIVE | CMD_REPLAYS,
	.exec = delete_exec,
};

static struct err *enable_exec_all(struct shell *sh, const struct args *a, bool on)
{
	uint64_t n;

	if (!a->argc)
		return session_enable_break(sh->session, 0, on);
	for (unsigned i = 0; i < a->argc; i++) {
		TRY(arg_uint(a->argv[i], "breakpoint number", 1, UINT32_MAX, &n));
		TRY(session_enable_break(sh->session, (unsigned)n, on));
	}
	return NULL;
}

static struct err *enable_exec(struct shell *sh, const struct args *a, struct out *o)
{
	return enable_exec_all(sh, a, true);
}

const struct cmd_entry cmd_enable = {
	.name = "enable",
	.group = GROUP_BREAK,
	.args = { 0, ARGS_MANY, comp_break_number },
	.usage = "[N]...",
	.summary = "let breakpoints stop again, by number, or all of them",
	.help = "The opposite of `disable`.",
	.examples =
		(const struct cmd_example[]){ { "enable 1", "", "break drain; disable 1" }, { 0 } },
	.flags = CMD_NO_REPEAT | CMD_LIVE | CMD_REPLAYS,
	.exec = enable_exec,
};

static struct err *disable_exec(struct shell *sh, const struct args *a, struct out *o)
{
	return enable_exec_all(sh, a, false);
}

const struct cmd_entry cmd_disable = {
	.name = "disable",
	.aliases = "dis",
	.group = GROUP_BREAK,
	.args = { 0, ARGS_MANY, comp_break_number },
	.usage = "[N]...",
	.summary = "keep breakpoints, but do not stop at them",
	.help = "By number, or all of them.  `enable` lets them stop again.  Hits of a breakpoint "
		"that is disabled are not counted.",
	.examples = (const struct cmd_example[]){ { "disable 1", "", "break drain" },
						  { "disable", "all", "" },
						  { 0 } },
	.flags = CMD_NO_REPEAT | CMD_LIVE | CMD_REPLAYS,
	.exec = disable_exec,
};

static struct err *ignore_exec(struct shell *sh, const struct args *a, struct out *o)
{
	uint64_t n, count;

	TRY(arg_uint(a->argv[0], "breakpoint number", 1, UINT32_MAX, &n));
	TRY(arg_uint(a->argv[1], "count", 0, UINT32_MAX, &count));
	return session_ignore_break(sh->session, (unsigned)n, (unsigned)count);
}

const struct cmd_entry cmd_ignore = {
	.name = "ignore",
	.group = GROUP_BREAK,
	.args = { 2, 2, comp_break_number },
	.usage = "N COUNT",
	.summary = "pass the next COUNT hits of breakpoint N",
	.help = "The hits are counted; `show breakpoints` says how many are still to be ignored.",
	.examples =
		(const struct cmd_example[]){
			{ "ignore 1 3", "stop at the fourth", "break drain if ppb >= 0" }, { 0 } },
	.flags = CMD_NO_REPEAT | CMD_LIVE | CMD_REPLAYS,
	.exec = ignore_exec,
};
