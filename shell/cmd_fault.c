/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fault: make a step fail, to see what is undone */
#include <stdio.h>
#include <string.h>

#include "shell/cmd.h"
#include "shell/cmds.h"

static struct err *fault_list(struct out *o)
{
	json_object *all = json_object_new_array();
	struct session_fault_point p;

	for (unsigned i = 0; session_fault_point(i, &p); i++) {
		json_object *one = json_object_new_object();

		json_object_object_add(one, "point", json_object_new_string(p.name));
		json_object_object_add(one, "phase", json_object_new_string(p.phase));
		json_object_object_add(one, "what", json_object_new_string(p.what));
		json_object_object_add(one, "passed", json_object_new_int64(p.passed));
		json_object_object_add(one, "fired", json_object_new_int64(p.fired));
		json_object_array_add(all, one);
		out_printf(o, "%-20s  %s\n", p.name, p.what);
	}
	out_member(o, "points", all);
	return NULL;
}

static struct err *fault_exec(struct shell *sh, const struct args *a, struct out *o)
{
	AUTO_FREE char *what = args_join(a);

	if (!strcmp(what, "list"))
		return fault_list(o);
	if (!strcmp(what, "off")) {
		session_fault_off(sh->session);
		return NULL;
	}
	TRY(session_fault(sh->session, what));
	out_member(o, "fault", json_object_new_string(what));
	out_printf(o, "armed: %s\n", what);
	return NULL;
}

const struct cmd_entry cmd_fault = {
	.name = "fault",
	.group = GROUP_BREAK,
	.args = { 1, ARGS_MANY, comp_fault },
	.usage = "list|off|POINT [ERRNO|short N|delay MS|kill|kill-keeper] [after N] [if COND]",
	.summary = "make a step fail once, to see what is undone",
	.help = "At POINT the step fails with ERRNO (EIO if none is given), moves no more than N "
		"bytes or elements, is held up, or stepdump or its keeper gets SIGKILL.  `after N` lets "
		"it pass N times before; COND is what `break PHASE if` takes, of the point's phase.  "
		"Everything else is the real thing: what the step did, what is undone, "
		"what the error says.  `show fault` tells what has fired, `show undo` what was put back "
		"and removed.  The target comes out as it went in, whatever fails; try it on a "
		"process of your own all the same.  FI_DUMP_PAGES is CRIU's fault of that name.",
	.examples = (const struct cmd_example[]){ { "fault list", "the points", "" },
						  { "fault xfer-splice ENOSPC after 2",
						    "the third splice finds the disk full", "" },
						  { "fault parasite-mprotect short 1",
						    "one mapping is made readable, then EIO", "" },
						  { "fault drain-shmem EIO if shmem == 1", "", "" },
						  { "fault infect-run kill-keeper", "", "" },
						  { "fault off", "disarm all", "fault xfer-close" },
						  { 0 } },
	.flags = CMD_NO_REPEAT | CMD_LIVE | CMD_CONDITIONS | CMD_WRITES,
	.exec = fault_exec,
};
