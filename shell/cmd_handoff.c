/* SPDX-License-Identifier: GPL-3.0-or-later */
/* handoff: the full checkpoint, by the installed CRIU */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/session/handoff.h"
#include "shell/cmd.h"
#include "shell/cmds.h"
#include "shell/format.h"
#include "views/reports.h"

#define LINE_US 50000 /* a terminal need not show every line of a log */

struct handing {
	struct shell *sh;
	struct out *o;
	bool progress, shown;
	uint64_t told_us;
};

static void handing_clear(struct handing *hd)
{
	if (hd->shown)
		fputs("\r\033[K", stderr);
	hd->shown = false;
}

static void handing_line(struct handing *hd, const char *text)
{
	AUTO_FREE char *line = xasprintf("criu: %s", text);
	uint64_t now = now_us();
	unsigned rows, cols;

	if (!hd->progress || now - hd->told_us < LINE_US)
		return;
	hd->told_us = now;
	term_size(&rows, &cols);
	plain_text(line);
	fprintf(stderr, "\r%.*s\033[K", (int)cols - 1, line);
	fflush(stderr);
	hd->shown = true;
}

static void handing_check(struct out *o, const Stepdump__CheckReport *c)
{
	if (!c->found)
		out_printf(o, "check: nothing that makes a dump fail\n");
	for (size_t i = 0; i < c->n_tasks; i++)
		for (size_t k = 0; k < c->tasks[i]->n_findings; k++) {
			const Stepdump__CheckFinding *f = c->tasks[i]->findings[k];

			if (strcmp(f->cause->severity, "note") != 0)
				out_printf(o, "check: %u: %s: %s (%s)\n", c->tasks[i]->pid,
					   f->cause->severity, f->cause->title, f->evidence);
		}
}

static void handing_event(void *arg, const struct handoff_event *ev)
{
	struct handing *hd = arg;
	struct out *o = hd->o;
	char size[24];

	if (ev->what == HANDOFF_LINE) {
		handing_line(hd, ev->text);
		return;
	}
	handing_clear(hd);
	format_bytes(ev->pages * PAGE_BYTES, size, sizeof(size));
	switch (ev->what) {
	case HANDOFF_CRIU:
		out_printf(o, "criu: %s\n", ev->text);
		break;
	case HANDOFF_CHECKED:
		handing_check(o, ev->check);
		break;
	case HANDOFF_NO_PARENT:
		out_printf(o,
			   "no parent: %s: criu takes a plain full dump, after a rehearsal by us\n",
			   ev->text);
		break;
	case HANDOFF_REHEARSED:
		out_printf(o, "rehearsed: %lu pages (%s) could be read; the target is as it was\n",
			   ev->pages, size);
		break;
	case HANDOFF_PRE_DUMP:
		out_printf(o,
			   "pre-dump: %lu pages (%s) at %s; criu takes what changes from now on\n",
			   ev->pages, size, ev->text);
		break;
	case HANDOFF_RUNS:
		out_printf(o, "let go; running %s\n", ev->text);
		break;
	case HANDOFF_UNDONE:
		out_printf(o, "after criu: %s\n", ev->text);
		break;
	case HANDOFF_LINE:
		break;
	}
	fflush(o->f);
}

static void handing_string(struct out *o, const char *name, const char *text)
{
	if (text)
		out_member(o, name, json_object_new_string(text));
}

static void handing_report(struct handing *hd, const struct handoff_result *r)
{
	struct pane_opts po = { .ascii = hd->sh->settings.ascii, .index = -1 };
	struct out *o = hd->o;
	struct grid g;

	handing_string(o, "criu", r->criu);
	handing_string(o, "pre_dump", r->pre_dump);
	handing_string(o, "dir", r->dir);
	handing_string(o, "kept", r->kept);
	handing_string(o, "log", r->log);
	handing_string(o, "target", r->target);
	if (r->explained)
		out_message(o, &r->explained->base);
	if (r->verified && (r->kept || r->verified->nr_fatal) && !o->json) {
		grid_init(&g, o->width, 0);
		report_verify(r->verified, &po, &g);
		out_grid(o, &g);
		grid_deinit(&g);
	}
	if (r->explained && !o->json) {
		grid_init(&g, o->width, 0);
		report_log(r->explained, &po, &g);
		out_grid(o, &g);
		grid_deinit(&g);
	}
	if (r->dir)
		out_printf(o,
			   "the checkpoint is at %s%s%s, and `verify` calls it fine; process %s\n",
			   r->dir, r->pre_dump ? ", its parent at " : "", r->pre_dump ?: "",
			   r->target);
	else if (r->target)
		out_printf(o, "process %s%s%s%s%s\n", r->target,
			   r->pre_dump ? "; the pre-dump at " : "", r->pre_dump ?: "",
			   r->pre_dump ? " is complete" : "", r->log ? "" : "; criu left no log");
}

/* "[--kill] [--force] DIR [-- OPTIONS]" */
static struct err *handing_args(const struct args *a, struct handoff_opts *ho)
{
	for (unsigned i = 0; i < a->argc; i++) {
		const char *word = a->argv[i];

		if (!strcmp(word, "--")) {
			ho->options = (const char *const *)a->argv + i + 1;
			ho->nr = a->argc - i - 1;
			break;
		}
		if (!strcmp(word, "--kill"))
			ho->kill = true;
		else if (!strcmp(word, "--force"))
			ho->force = true;
		else if (*word == '-' || ho->dir)
			return cmd_usage(&cmd_handoff);
		else
			ho->dir = word;
	}
	return ho->dir ? NULL : cmd_usage(&cmd_handoff);
}

static struct err *handoff_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct handing hd = { .sh = sh, .o = o };
	struct handoff_opts ho = { 0 };
	struct handoff_result r;

	TRY(handing_args(a, &ho));
	hd.progress = (sh->interactive || isatty(STDERR_FILENO)) && o->tty && !o->json;
	struct err *e = session_handoff(sh->session, &ho, handing_event, &hd, &r);

	handing_clear(&hd);
	handing_report(&hd, &r);
	o->complete = r.target != NULL; /* what was said of a failure stands, too */
	handoff_result_deinit(&r);
	return e;
}

const struct cmd_entry cmd_handoff = {
	.name = "handoff",
	.group = GROUP_COMMIT,
	.args = { 1, ARGS_MANY, comp_file },
	.usage = "[--kill] [--force] DIR [-- CRIU OPTIONS]",
	.summary = "let criu take the full checkpoint, after a pre-dump",
	.help = "A full checkpoint, with registers, files and sockets, is CRIU's job: this prepares it, "
		"gives the target to the installed criu, and looks at the result. First, with "
		"nothing done to the target: is there a criu (`set criu PATH`, $CRIU, PATH), does "
		"`criu check` pass, and does `check` find what would make the dump fail (an option after "
		"-- that its advice names settles a finding, --force all of them). Then a pre-dump is "
		"committed at DIR.pre, the target is let go and runs, and criu dumps what has changed, with "
		"DIR.pre as the parent. Where the kernel has no soft-dirty tracking, CRIU cannot use a "
		"parent: then the dump is rehearsed by us, and criu takes all of it. Its images are "
		"verified, and appear at DIR complete or not at all; its log is dump.log there, or DIR.log "
		"if it fails, and is explained as `log` does. The target runs on, unless --kill lets criu end it "
		"as soon as it has dumped it. ^C makes criu give up and undo its dump; it is never killed, "
		"and goes on by itself if stepdump is. If somebody kills criu, what it left in the target is "
		"removed. What follows -- is passed to criu, but for what says where images and pages go.",
	.examples =
		(const struct cmd_example[]){
			{ "handoff images/final", "and the target runs on", NULL },
			{ "handoff --kill images/final -- --tcp-established",
			  "to move it elsewhere", NULL },
			{ 0 } },
	.flags = CMD_NEEDS_TARGET | CMD_MUTATES | CMD_NO_REPEAT | CMD_LIVE | CMD_STREAMS,
	.exec = handoff_exec,
};
