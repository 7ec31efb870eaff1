/* SPDX-License-Identifier: GPL-3.0-or-later */
/* residue: what a dumper left in a process */
#include "engine/session/diagnose.h"
#include "shell/cmd.h"
#include "shell/cmds.h"
#include "views/reports.h"

static struct err *residue_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct pane_opts po = { .ascii = sh->settings.ascii,
				.relative = sh->relative,
				.index = -1 };
	Stepdump__ResidueReport *r;
	struct grid g;
	uint64_t pid;

	TRY(arg_uint(a->argv[0], "pid", 1, INT32_MAX, &pid));
	TRY(session_residue((pid_t)pid, &r));
	out_message(o, &r->base);
	if (!o->json) {
		grid_init(&g, o->width, 0);
		report_residue(r, &po, &g);
		out_grid(o, &g);
		grid_deinit(&g);
	}
	sh->findings |= !r->clean;
	stepdump__residue_report__free_unpacked(r, NULL);
	return NULL;
}

const struct cmd_entry cmd_residue = {
	.name = "residue",
	.group = GROUP_DIAGNOSE,
	.args = { 1, 1, comp_pid },
	.usage = "PID",
	.summary = "what has a dumper that died left in a process?",
	.help = "Looks from outside for the mappings of a parasite (CRIU's or stepdump's), and for a "
		"process that was left stopped.  Changes nothing; `rescue PID` removes what can be removed. "
		"As `stepdump residue PID` the exit status is 0 if there is nothing, 1 if there "
		"is.",
	.examples = (const struct cmd_example[]){ { "residue %P", "", "" }, { 0 } },
	.flags = CMD_ALONE | CMD_LIVE,
	.exec = residue_exec,
};
