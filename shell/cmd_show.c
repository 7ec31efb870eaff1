/* SPDX-License-Identifier: GPL-3.0-or-later */
/* show and why: panes of views/ on one snapshot */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell/cmd.h"
#include "shell/cmds.h"
#include "shell/pages_summed.h"
#include "shell/why_saved.h"
#include "views/panes.h"

#define PEEK_BYTES 256

static struct err *show_list(struct out *o)
{
	json_object *a = json_object_new_array();

	for (const struct pane *p = panes; p->name; p++) {
		char name[40];

		snprintf(name, sizeof(name), "%s %s", p->name, p->arg ? p->arg : "");
		out_printf(o, "%-20s  %s\n", name, p->summary);
		json_object_array_add(a, json_object_new_string(p->name));
	}
	out_member(o, "panes", a);
	return NULL;
}

static struct err *show_unknown(const char *name)
{
	AUTO_NAMES struct names fits = { 0 };
	AUTO_NAMES struct names all = { 0 };

	for (const struct pane *p = panes; p->name; p++) {
		names_add(&all, p->name);
		if (!strncmp(p->name, name, strlen(name)))
			names_add(&fits, p->name);
	}
	return lookup_failed("pane", name, &fits, &all, "`show` lists them");
}

static const Stepdump__Vma *show_vma_at(const Stepdump__Snapshot *s, uint64_t addr)
{
	for (size_t i = 0; i < s->n_vmas; i++)
		if (addr >= s->vmas[i]->start && addr < s->vmas[i]->end)
			return s->vmas[i];
	return NULL;
}

/* For panes about VMAs: a number that counts them, or an address in one; *ret = its index. */
static struct err *show_vma(struct shell *sh, const struct pane *p, const char *text, int64_t *ret)
{
	struct snap_request req = { .parts = SNAP_VMAS };
	Stepdump__Snapshot *s;
	const Stepdump__Vma *v = NULL;
	uint64_t n;

	TRY(shell_snap(sh, &req, &s));
	struct err *e = arg_uint(text, "number", 0, UINT32_MAX, &n);
	if (!e && strncmp(text, "0x", 2) && n < s->n_vmas) {
		v = s->vmas[n];
	} else {
		err_free(e);
		e = arg_addr(sh, text, &n);
		if (!e && !(v = show_vma_at(s, n)))
			e = err_hint(err_new(ERR_STATE, "there is no VMA \"%s\"", text),
				     "`show %s` lists them; an address in one will do as well",
				     p->name);
	}
	if (!e)
		*ret = v->index;
	shell_snap_free(sh, s);
	return e;
}

/* For panes about a page.  Runs of the VMA around it only: a process may have millions. */
static struct err *show_page(struct shell *sh, const char *text, struct snap_request *req,
			     int64_t *ret)
{
	struct snap_request vmas = { .parts = SNAP_VMAS };
	Stepdump__Snapshot *s;
	uint64_t addr;
	struct err *e = NULL;

	TRY(arg_addr(sh, text, &addr));
	*ret = (int64_t)addr;
	if (!(req->parts & SNAP_RUNS)) /* why and peek themselves report what is wrong with it */
		return NULL;
	TRY(shell_snap(sh, &vmas, &s));
	const Stepdump__Vma *v = show_vma_at(s, addr);
	if (!v) {
		e = err_hint(err_new(ERR_STATE, "%lx is in no VMA", addr),
			     "`show vmas` lists the mappings");
	} else if (!(req->parts & SNAP_PARENTS)) {
		req->runs_start = v->start;
		req->runs_end = v->end;
	}
	shell_snap_free(sh, s);
	return e;
}

static struct err *show_index(struct shell *sh, const struct pane *p, const char *text,
			      struct snap_request *req, int64_t *ret)
{
	uint64_t n;

	if (!p->arg)
		return err_new(ERR_USAGE, "show %s takes no argument", p->name);
	if (strstr(p->arg, "ADDR"))
		return show_page(sh, text, req, ret);
	if (p->needs & SNAP_VMA_COUNTS)
		return show_vma(sh, p, text, ret);
	TRY(arg_uint(text, "number", 0, INT64_MAX, &n));
	*ret = (int64_t)n;
	/* Panes of one pipe buffer do not need the iovs of the others. */
	if (p->needs & SNAP_IOVS && n <= UINT32_MAX) {
		req->ppb_first = (uint32_t)n;
		req->ppb_nr = 1;
	}
	return NULL;
}

/* Does the thing with that number exist?  VMAs and addresses have been looked up before. */
static struct err *show_check(const struct pane *p, const Stepdump__Snapshot *s, int64_t index)
{
	const char *what = "ppb";
	bool found = true;

	if (index < 0 || strstr(p->arg, "ADDR"))
		return NULL;
	if (p->needs & SNAP_IOVS) {
		found = s->page_pipe && (uint64_t)index < s->page_pipe->n_ppbs;
	} else if (p->needs & SNAP_SHMEM) {
		what = "shared memory object";
		found = false;
		for (size_t i = 0; i < s->n_shmem; i++)
			found = found || s->shmem[i]->shmid == (uint64_t)index;
	}
	return found ? NULL :
		       err_hint(err_new(ERR_STATE, "there is no %s %ld", what, index),
				"`show %s` lists what there is",
				p->needs & SNAP_IOVS ? "ppb" : "shmem");
}

static struct err *show_pane(struct shell *sh, const struct pane *p, const struct snap_request *req,
			     const struct pane_opts *po, struct out *o)
{
	Stepdump__Snapshot *s;
	struct grid g;

	TRY(shell_snap(sh, req, &s));

	struct err *e = show_check(p, s, po->index);

	if (e) {
		shell_snap_free(sh, s);
		return e;
	}
	out_message(o, &s->base);
	if (!o->json) {
		grid_init(&g, o->width, 0);
		pane_render(p, s, po, &g);
		out_grid(o, &g);
		grid_deinit(&g);
	}
	shell_snap_free(sh, s);
	return NULL;
}

static struct pane_opts pane_opts(const struct shell *sh)
{
	return (struct pane_opts){
		.ascii = sh->settings.ascii,
		.relative = sh->relative,
		.index = -1,
	};
}

static struct err *show_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct pane_opts po = pane_opts(sh);
	const char *words[2];
	unsigned nr = 0;

	for (unsigned i = 0; i < a->argc; i++) {
		if (!strcmp(a->argv[i], "-v"))
			po.verbose = true;
		else if (nr == 2)
			return cmd_usage(&cmd_show);
		else
			words[nr++] = a->argv[i];
	}
	if (!nr)
		return show_list(o);
	const struct pane *p = pane_find(words[0]);
	if (!p)
		return show_unknown(words[0]);
	if (nr == 2 && !strcmp(p->name, "pages") && !strncmp(words[1], "--", 2))
		return show_pages_summed(sh, words[1], o);

	struct snap_request req = { .parts = p->needs };

	if (nr == 2)
		TRY(show_index(sh, p, words[1], &req, &po.index));
	else if (p->arg && *p->arg != '[')
		return err_new(ERR_USAGE, "usage: show %s %s", p->name, p->arg);

	uint64_t addr = (uint64_t)po.index;

	if (p->needs & SNAP_WHY) {
		req.why = &addr;
		req.nr_why = 1;
	}
	if (p->needs & SNAP_PEEK) {
		req.peek.vaddr = addr;
		req.peek.len = PEEK_BYTES;
	}
	return show_pane(sh, p, &req, &po, o);
}

/* `show ppb 3` goes on with `show ppb 4`. */
static char *show_repeat(const struct shell *sh, const struct args *a)
{
	const struct pane *p = a->argc == 2 ? pane_find(a->argv[0]) : NULL;
	uint64_t n;

	if (p && p->arg && !strstr(p->arg, "ADDR")) {
		struct err *e = arg_uint(a->argv[1], "number", 0, 1u << 30, &n);

		if (!e)
			return xasprintf("show %s %lu", p->name, n + 1);
		err_free(e);
	}

	AUTO_FREE char *words = args_join(a);

	return xasprintf("show %s", words);
}

const struct cmd_entry cmd_show = {
	.name = "show",
	.aliases = "sh i info",
	.group = GROUP_LOOK,
	.args = { 0, 3, comp_pane },
	.usage = "[-v] [NAME [N|ADDR]] | pages --duplicates|--by-vma|--by-file",
	.summary = "show one of the structures, or list them",
	.help = "Names can be shortened.  A VMA is given by its number or by an address in "
		"it, a pipe buffer by its number.  -v shows in full what is otherwise "
		"summarized.  Enter shows the next number.  Works on a snapshot opened with "
		"`open` as on the live target.  `show pages --by-vma` and `--by-file` sum up what is "
		"stored of each mapping or file, `--duplicates` reads all pages and finds those with the "
		"same contents.",
	.examples =
		(const struct cmd_example[]){
			{ "show", "what can be shown", "" },
			{ "show pipeline", "the whole dump at a glance", "attach %P; step 2" },
			{ "show vmas", "the mappings", "attach %P" },
			{ "show vmas $sp", "the stack, with all that is known", "attach %P" },
			{ "show pages --by-file", "what of each file is in a set", "attach %P" },
			{ "show ppb 0", "the first pipe buffer, planned and real",
			  "attach %P; until xfer" },
			{ "show iovs | wc -l", "", "attach %P; until drain" },
			{ "show caps > %D/caps.txt", "what this kernel allows, into a file", "" },
			{ 0 } },
	.repeat = show_repeat,
	.exec = show_exec,
};

static const Stepdump__Why *snapshot_has_why(const Stepdump__Snapshot *s, uint64_t addr)
{
	for (size_t i = 0; i < s->n_whys; i++)
		if (s->whys[i]->vaddr == addr)
			return s->whys[i];
	return NULL;
}

/* What was asked when the snapshot was saved is in it; the rest follows from its runs. */
static struct err *why_opened(struct shell *sh, const uint64_t *addrs, size_t nr, struct out *o)
{
	Stepdump__Snapshot tell = *sh->opened;
	struct pane_opts po = pane_opts(sh);
	AUTO_FREE Stepdump__Why **whys = xcalloc(nr, sizeof(Stepdump__Why *));
	struct grid g;

	for (size_t i = 0; i < nr; i++) {
		const Stepdump__Why *known = snapshot_has_why(sh->opened, addrs[i]);

		whys[i] = known ? (Stepdump__Why *)known : xzalloc(sizeof(**whys));
		if (!known) {
			stepdump__why__init(whys[i]);
			why_saved(sh->opened, addrs[i], whys[i]);
		}
	}
	tell.whys = whys;
	tell.n_whys = nr;
	if (o->json) {
		Stepdump__Snapshot only = STEPDUMP__SNAPSHOT__INIT;

		only.whys = whys;
		only.n_whys = nr;
		out_message(o, &only.base);
	} else {
		grid_init(&g, o->width, 0);
		pane_render(pane_find("why"), &tell, &po, &g);
		out_grid(o, &g);
		grid_deinit(&g);
	}
	for (size_t i = 0; i < nr; i++)
		if (!snapshot_has_why(sh->opened, addrs[i]))
			stepdump__why__free_unpacked(whys[i], NULL);
	return NULL;
}

static struct err *why_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct snap_request req = { .parts = SNAP_TARGET | SNAP_WHY | SNAP_VMAS };
	struct pane_opts po = pane_opts(sh);
	AUTO_FREE uint64_t *addrs = xcalloc(a->argc, sizeof(*addrs));
	size_t nr = 0;

	if (!sh->opened && !session_has_target(sh->session))
		return err_hint(err_new(ERR_STATE, "why: no target is attached"),
				"`attach PID` or `run PROGRAM`");
	for (unsigned i = 0; i < a->argc; i++, nr++) {
		uint64_t index;

		if (!strcmp(a->argv[i], "vma") && i + 1 < a->argc) {
			TRY(arg_uint(a->argv[++i], "number of a VMA", 0, UINT32_MAX, &index));
			TRY(arg_vma_index(sh, index, &addrs[nr]));
		} else {
			TRY(arg_addr(sh, a->argv[i], &addrs[nr]));
		}
		addrs[nr] &= ~0xffful;
	}
	if (sh->opened && !sh->set)
		return why_opened(sh, addrs, nr, o);
	req.why = addrs;
	req.nr_why = nr;
	return show_pane(sh, pane_find("why"), &req, &po, o);
}

const struct cmd_entry cmd_why = {
	.name = "why",
	.aliases = "w",
	.group = GROUP_LOOK,
	.args = { 1, ARGS_MANY, comp_addr },
	.usage = "ADDR|vma N...",
	.summary = "explain what becomes of a page, and by which rule",
	.help = "ADDR is hexadecimal, with or without 0x, $ip or $sp of the first thread, or the name of "
		"a VMA in brackets; +N or -N (hexadecimal) can follow.  `vma N` is the first page of that VMA.  Works at "
		"any time after attach: a page that has not been scanned yet is judged on the spot; after a "
		"commit the images tell what was done with it.  In a saved snapshot, what is known "
		"there.",
	.examples =
		(const struct cmd_example[]){
			{ "why $sp", "the page under the stack pointer", "attach %P" },
			{ "why $sp $ip", "several", "attach %P" },
			{ "why [heap]+1000", "the heap's second page", "attach %P" },
			{ "why vma 2", "", "attach %P" },
			{ "why 7f3a41c0c000", "", NULL },
			{ 0 } },
	.exec = why_exec,
};
