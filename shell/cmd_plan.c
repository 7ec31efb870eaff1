/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan: a dump rehearsed from outside */
#include <stdlib.h>
#include <string.h>

#include "engine/session/plan.h"
#include "shell/cmd.h"
#include "shell/cmds.h"
#include "views/reports.h"

#define INTERVAL_MS 2000u
#define READ_BYTES (64ull << 20)

struct plan_words {
	struct plan_request req;
	pid_t pid;
	bool tree, verbose;
};

/* "64M", "1G", "all". */
static struct err *plan_size_word(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGT";
	char *end;
	uint64_t n = strtoull(text, &end, 10);
	const char *unit = *end ? strchr(units, *end) : NULL;

	if (!strcmp(text, "all")) {
		*ret = UINT64_MAX;
		return NULL;
	}
	if (end == text || (*end && (!unit || end[1])))
		return err_new(ERR_USAGE, "\"%s\" is not a size: 64M, 1G, all, or 0", text);
	for (const char *u = units; unit && u <= unit; u++)
		n = mul_sat(n, 1024);
	*ret = n;
	return NULL;
}

static struct err *plan_seconds_word(const char *text, uint32_t *ret)
{
	char *end;
	double s = strtod(text, &end);

	if (end == text || *end || !(s >= 0 && s <= 3600))
		return err_new(ERR_USAGE, "\"%s\" is not a number of seconds, 0 to 3600", text);
	*ret = (uint32_t)(s * 1000);
	return NULL;
}

/* "START-END", hex. */
static struct err *plan_range_word(const char *text, struct plan_request *req)
{
	char *end;

	req->start = strtoull(text, &end, 16);
	if (end != text && *end == '-') {
		const char *second = end + 1;

		req->end = strtoull(second, &end, 16);
		if (end != second && !*end && req->end > req->start)
			return NULL;
	}
	return err_new(ERR_USAGE, "\"%s\" is not a range of addresses: START-END, hex", text);
}

/* The value of option `name`; NULL: the word is another one, or has none. */
static const char *plan_value(const struct args *a, unsigned *i, const char *name)
{
	return !strcmp(a->argv[*i], name) && *i + 1 < a->argc ? a->argv[++*i] : NULL;
}

static struct err *plan_parse(const struct args *a, struct plan_words *w)
{
	const char *v;
	uint64_t pid;

	for (unsigned i = 0; i < a->argc; i++) {
		if (!strcmp(a->argv[i], "-v"))
			w->verbose = true;
		else if (!strcmp(a->argv[i], "--tree"))
			w->tree = true;
		else if (!strcmp(a->argv[i], "--quick"))
			w->req.quick = true;
		else if ((v = plan_value(a, &i, "--seconds")))
			TRY(plan_seconds_word(v, &w->req.interval_ms));
		else if ((v = plan_value(a, &i, "--read")))
			TRY(plan_size_word(v, &w->req.read_bytes));
		else if ((v = plan_value(a, &i, "--range")))
			TRY(plan_range_word(v, &w->req));
		else if ((v = plan_value(a, &i, "--vma")))
			w->req.vma = v;
		else if ((v = plan_value(a, &i, "--prot")))
			w->req.prot = v;
		else if ((v = plan_value(a, &i, "--dir")))
			w->req.dir = v;
		else if (*a->argv[i] == '-' || w->pid)
			return cmd_usage(&cmd_plan);
		else {
			TRY(arg_uint(a->argv[i], "pid", 1, INT32_MAX, &pid));
			w->pid = (pid_t)pid;
		}
	}
	return NULL;
}

static struct err *plan_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct plan_words w = { .req = { .interval_ms = INTERVAL_MS, .read_bytes = READ_BYTES } };
	Stepdump__PlanReport *r;
	struct grid g;

	TRY(plan_parse(a, &w));
	if (!w.pid && (!session_has_target(sh->session) || w.tree))
		return cmd_usage(&cmd_plan);
	TRY(session_plan(sh->session, w.pid, w.tree, &w.req, &r));
	out_message(o, &r->base);
	if (!o->json) {
		struct pane_opts po = { .ascii = sh->settings.ascii,
					.relative = sh->relative,
					.verbose = w.verbose,
					.index = -1 };

		grid_init(&g, o->width, 0);
		report_plan(r, &po, &g);
		out_grid(o, &g);
		grid_deinit(&g);
	}
	stepdump__plan_report__free_unpacked(r, NULL);
	return NULL;
}

const struct cmd_entry cmd_plan = {
	.name = "plan",
	.group = GROUP_DIAGNOSE,
	.args = { 0, ARGS_MANY, comp_plan },
	.usage = "[-v] [PID [--tree]] [--quick] [--seconds N] [--read SIZE] [--dir DIR] "
		 "[--vma VMA] [--range START-END] [--prot rw-]",
	.summary = "rehearse a dump: its size, its pipes, how long it freezes",
	.help = "Selects pages as a dump does, with the settings as they are, but stops nothing and injects "
		"nothing; what a running process does meanwhile makes it an estimate. Without PID, of "
		"what is attached.\n"
		"Tells pages by verdict and mapping, chunks, pipes and ppbs, the size of the images "
		"and the space for them, and what is resident but not dumped. At most SIZE of memory (64M; "
		"all; 0 for none) is read through /proc/PID/mem, evenly spread, to count pages of zeros "
		"and duplicates; what is swapped out is left there. The same pages are read again for N "
		"seconds (2; 0 for not at all) to see which change: that gives the rate of writes, and what "
		"each pre-dump would save. If the process was attached before, and detached with its writes "
		"tracked, the tracker tells instead.\n"
		"How long it freezes is predicted from dumps of a small process of our own, "
		"some 20 MiB that are written to DIR (`set dir`, or the working directory) and removed. "
		"--tree plans all descendants too, and counts the pages that they have in common since "
		"a fork: each task writes them again. "
		"--quick reads page tables only. --vma (a number, or part of a name), --range and "
		"--prot (\"?\" for either) look at a part; a dump takes everything.",
	.examples =
		(const struct cmd_example[]){
			{ "plan %P --seconds 0", "nothing is waited for", "" },
			{ "plan %P --tree --quick", "page tables only, with all descendants", "" },
			{ "plan %P --vma [heap] --read all --seconds 0", "one mapping, every page",
			  "" },
			{ "plan --quick", "of what is attached", "attach %P" },
			{ 0 } },
	.flags = CMD_ALONE | CMD_LIVE,
	.exec = plan_exec,
};
