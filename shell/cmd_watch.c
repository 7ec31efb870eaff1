/* SPDX-License-Identifier: GPL-3.0-or-later */
/* watch-criu: criu's own dump in the place of ours */
#include <stdio.h>
#include <string.h>

#include "shell/cmd.h"
#include "shell/cmds.h"
#include "shell/watching.h"

struct err *tell_watched(struct shell *sh, const char *verb, struct out *o)
{
	int pid = (int)session_watched(sh->session);

	sh->gone_told = false;
	sh->x.valid = false;
	out_member(o, "criu", json_object_new_int(pid));
	out_printf(o, "%s criu %d: `step`, `continue` let it go on, `show watch` tells of it\n",
		   verb, pid);
	return NULL;
}

bool is_criu_command(const char *program)
{
	const char *slash = strrchr(program, '/');

	return !strcmp(slash ? slash + 1 : program, "criu");
}

static struct err *watch_exec(struct shell *sh, const struct args *a, struct out *o)
{
	uint64_t pid;

	if (!strcmp(a->argv[0], "--next"))
		TRY(session_watch_next(sh->session));
	else {
		TRY(arg_uint(a->argv[0], "pid", 1, INT32_MAX, &pid));
		TRY(session_watch_attach(sh->session, (pid_t)pid));
	}
	return tell_watched(sh, "watching", o);
}

const struct cmd_entry cmd_watch = {
	.name = "watch-criu",
	.group = GROUP_TARGET,
	.args = { 1, 1, comp_pid },
	.usage = "PID|--next",
	.summary = "watch a criu that dumps, and hold it at its system calls",
	.help = "Takes up a criu that runs, at any moment of its dump; --next waits for the next one "
		"that anybody starts on this machine, a container runtime for example.  "
		"`run criu dump ...` starts one.  criu is held at its system calls: `step`, `next`, "
		"`break` and `continue` stop before those that move its pipeline, `show` and `view` "
		"show what these have told.  When a call fails it stops there and says why.  Nothing "
		"is written to criu; `detach`, `quit` and the death of stepdump let it go on.  "
		"`help watching` has more.",
	.examples =
		(const struct cmd_example[]){ { "watch-criu --next", "the next criu dump", NULL },
					      { "watch-criu 4242", "the criu with that pid", NULL },
					      { 0 } },
	.flags = CMD_NO_REPEAT | CMD_LIVE,
	.exec = watch_exec,
};
