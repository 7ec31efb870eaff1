/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/complete.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/vec.h"
#include "shell/dispatch.h"
#include "shell/explain.h"
#include "shell/topics.h"
#include "views/panes.h"

#define MAX_VMAS_OFFERED 512

static void complist_add_always(struct complist *l, const char *text, const char *desc)
{
	for (size_t i = 0; i < l->nr; i++) {
		if (!strcmp(l->v[i].text, text))
			return;
	}
	*vec_push(l->v, l->nr) =
		(struct candidate_item){ xstrdup(text), desc ? xstrdup(desc) : NULL };
}

void complist_add(struct complist *l, const struct cword *w, const char *text, const char *desc)
{
	if (!strncmp(text, w->text, strlen(w->text)))
		complist_add_always(l, text, desc);
}

void complist_deinit(struct complist *l)
{
	for (size_t i = 0; i < l->nr; i++) {
		free(l->v[i].text);
		free(l->v[i].desc);
	}
	free(l->v);
	memset(l, 0, sizeof(*l));
}

static void comp_add_words(struct complist *l, const struct cword *w, const char *const *words)
{
	for (; *words; words++)
		complist_add(l, w, *words, NULL);
}

/* The parts of "on|off". */
static void comp_add_alternatives(struct complist *l, const struct cword *w, const char *values)
{
	AUTO_FREE char *copy = xstrdup(values);
	char *save;

	for (char *s = strtok_r(copy, "|", &save); s; s = strtok_r(NULL, "|", &save))
		complist_add(l, w, s, NULL);
}

/* ---- explain --------------------------------------------------------------------------------- */

struct term_offer {
	const struct cword *w;
	struct complist *l;
};

static bool offer_term(const struct explain_term *t, const void *arg)
{
	const struct term_offer *offer = arg;

	for (const char *p = t->names; *p;) {
		size_t n = strcspn(p, "|");
		AUTO_FREE char *name = xstrndup(p, n);

		if (n > 1 && !strchr(name, ' '))
			complist_add(offer->l, offer->w, name, t->kind);
		p += n + (p[n] == '|');
	}
	return false;
}

void comp_term(const struct cword *w, struct complist *l)
{
	const struct term_offer offer = { w, l };

	explain_find(offer_term, &offer);
}

static void comp_command(const struct shell *sh, const struct cword *w, struct complist *l)
{
	for (const struct cmd_entry *const *c = sh->commands; *c; c++)
		complist_add(l, w, (*c)->name, (*c)->summary);
	for (size_t i = 0; i < sh->aliases.nr; i++)
		complist_add(l, w, sh->aliases.v[i].name, sh->aliases.v[i].text);
}

void comp_command_or_topic(struct shell *sh, const struct cword *w, struct complist *l)
{
	if (w->argn)
		return;
	comp_command(sh, w, l);
	for (const struct help_topic *t = help_topics; t->name; t++)
		complist_add(l, w, t->name, t->summary);
	comp_term(w, l);
}

/* ---- what the session knows ------------------------------------------------ */

static Stepdump__Snapshot *comp_look(struct shell *sh, uint32_t needs)
{
	struct snap_request req = { .parts = needs };
	Stepdump__Snapshot *s = NULL;

	if (needs & SNAP_VMAS)
		req.vma_nr = MAX_VMAS_OFFERED;
	err_free(shell_snap(sh, &req, &s)); /* no snapshot: nothing to offer */
	return s;
}

static void comp_add_number(struct complist *l, const struct cword *w, uint64_t n, const char *desc)
{
	char text[24];

	snprintf(text, sizeof(text), "%lu", n);
	complist_add(l, w, text, desc);
}

static void comp_add_vmas(struct shell *sh, const struct cword *w, struct complist *l)
{
	Stepdump__Snapshot *s = comp_look(sh, SNAP_VMAS);

	for (size_t i = 0; s && i < s->n_vmas && i < MAX_VMAS_OFFERED; i++) {
		const Stepdump__Vma *v = s->vmas[i];
		char text[24], desc[160];

		snprintf(text, sizeof(text), "%lx", v->start);
		snprintf(desc, sizeof(desc), "%s %s %s", v->prot, v->kind, v->name ? v->name : "");
		complist_add(l, w, text, desc);
	}
	shell_snap_free(sh, s);
}

void comp_addr(struct shell *sh, const struct cword *w, struct complist *l)
{
	complist_add(l, w, "$ip", "where the first thread stopped");
	complist_add(l, w, "$sp", "its stack pointer");
	comp_add_vmas(sh, w, l);
}

void comp_x(struct shell *sh, const struct cword *w, struct complist *l)
{
	static const char *const sources[] = { "target", "pipe", "image", "parent", NULL };

	if (w->argn == 0)
		comp_addr(sh, w, l);
	else if (w->argn == 1)
		comp_add_words(l, w, sources);
}

static void comp_add_ppbs(struct shell *sh, const struct cword *w, struct complist *l)
{
	Stepdump__Snapshot *s = comp_look(sh, SNAP_PAGE_PIPE);

	for (size_t i = 0; s && s->page_pipe && i < s->page_pipe->n_ppbs; i++) {
		char desc[64];

		snprintf(desc, sizeof(desc), "%u pages", s->page_pipe->ppbs[i]->pages_in);
		comp_add_number(l, w, s->page_pipe->ppbs[i]->index, desc);
	}
	shell_snap_free(sh, s);
}

static void comp_add_shmids(struct shell *sh, const struct cword *w, struct complist *l)
{
	Stepdump__Snapshot *s = comp_look(sh, SNAP_SHMEM);

	for (size_t i = 0; s && i < s->n_shmem; i++)
		comp_add_number(l, w, s->shmem[i]->shmid, s->shmem[i]->name);
	shell_snap_free(sh, s);
}

void comp_pane(struct shell *sh, const struct cword *w, struct complist *l)
{
	if (w->argn == 0) {
		for (const struct pane *p = panes; p->name; p++)
			complist_add(l, w, p->name, p->summary);
		return;
	}
	const struct pane *p = pane_find(w->argv[0]);
	if (!p || !p->arg || w->argn > 1)
		return;
	if (strstr(p->name, "vma"))
		comp_add_vmas(sh, w, l);
	else if (p->needs & SNAP_SHMEM)
		comp_add_shmids(sh, w, l);
	else if (p->needs & SNAP_PAGE_PIPE)
		comp_add_ppbs(sh, w, l);
}

void comp_break_number(struct shell *sh, const struct cword *w, struct complist *l)
{
	Stepdump__Snapshot *s = comp_look(sh, SNAP_BREAKPOINTS);

	for (size_t i = 0; s && i < s->n_breakpoints; i++)
		comp_add_number(l, w, s->breakpoints[i]->number, s->breakpoints[i]->where);
	shell_snap_free(sh, s);
}

static const char *const comp_fields[] = {
	"ppb", "vma", "chunk", "shmem", "pages", "verdict", NULL
};

static void comp_add_verdicts(struct complist *l, const struct cword *w)
{
	for (int v = STEPDUMP__VERDICT__DUMP; v <= STEPDUMP__VERDICT__SHARED; v++)
		complist_add(l, w, verdict_name((verdict_t)v), verdict_info((verdict_t)v)->meaning);
}

void comp_where(struct shell *sh, const struct cword *w, struct complist *l)
{
	static const char *const operators[] = { "==", "!=", "<", "<=", ">", ">=", NULL };
	const char *last = w->argn ? w->argv[w->argn - 1] : "";

	if (w->argn == 0) {
		for (int p = STEPDUMP__PHASE__PREPARE; p <= STEPDUMP__PHASE__RESET; p++) {
			if (p != STEPDUMP__PHASE__GATE)
				complist_add(l, w, phase_name((Stepdump__Phase)p), "phase");
		}
		complist_add(l, w, "chunk", "chunk N begins");
		complist_add(l, w, "fail", "any unit fails");
		complist_add(l, w, "verdict", "a run with that verdict");
		complist_add(l, w, "vma", "pmc-fill of that VMA begins");
		if (*w->text) /* an address: when one is being typed */
			comp_add_vmas(sh, w, l);
	} else if (!strcmp(last, "verdict") && w->argn == 1) {
		comp_add_verdicts(l, w);
	} else if (!strcmp(last, "vma") && w->argn == 1) {
		comp_add_vmas(sh, w, l);
	} else if (w->argn > 3 && !strcmp(w->argv[w->argn - 2], "verdict")) {
		comp_add_verdicts(l, w);
	} else if (!strcmp(last, "if") || !strcmp(last, "&&") || !strcmp(last, "||")) {
		comp_add_words(l, w, comp_fields);
	} else if (w->argn == 1 && phase_from_name(last) >= 0) {
		complist_add(l, w, "if", NULL);
	} else {
		for (int i = 0; comp_fields[i]; i++)
			if (!strcmp(last, comp_fields[i]) && w->argn > 1)
				comp_add_words(l, w, operators);
	}
}

void comp_fault(struct shell *sh, const struct cword *w, struct complist *l)
{
	static const char *const actions[] = { "ENOSPC", "EIO",         "ENOMEM", "short", "delay",
					       "kill",   "kill-keeper", "after",  "if",    NULL };
	const char *last = w->argn ? w->argv[w->argn - 1] : "";
	struct session_fault_point p;

	if (w->argn == 0) {
		complist_add(l, w, "list", "the points");
		complist_add(l, w, "off", "disarm all");
		for (unsigned i = 0; session_fault_point(i, &p); i++)
			complist_add(l, w, p.name, p.what);
	} else if (!strcmp(last, "if") || !strcmp(last, "&&") || !strcmp(last, "||")) {
		comp_add_words(l, w, comp_fields);
	} else if (w->argn == 1 || !strcmp(w->argv[1], "after")) {
		comp_add_words(l, w, actions + (w->argn == 1 ? 0 : 7));
	}
}

static void comp_add_settings(const struct opt_desc *d, const struct cword *w, struct complist *l)
{
	for (; d->name; d++)
		complist_add(l, w, d->name, d->summary);
}

/* Where the pages went before. */
static void comp_server(struct shell *sh, const struct cword *w, struct complist *l)
{
	const char *before = session_opts(sh->session)->server;

	if (before)
		complist_add(l, w, before, "as it is set");
	complist_add(l, w, "localhost:", "HOST:PORT, also [IPv6]:PORT");
	complist_add(l, w, "unix:", "unix:PATH");
}

void comp_set(struct shell *sh, const struct cword *w, struct complist *l)
{
	const struct opt_desc *d;

	if (w->argn == 0) {
		comp_add_settings(opt_descs, w, l);
		comp_add_settings(setting_descs, w, l);
		return;
	}
	d = opt_find(w->argv[0]);
	if (!d)
		d = opt_find_in(setting_descs, w->argv[0]);
	if (d && !strcmp(d->name, "xfer") && w->argn == 2 && !strcmp(w->argv[1], "server"))
		d = opt_find("server");
	else if (!d || w->argn > 1)
		return;
	if (!strcmp(d->name, "server"))
		comp_server(sh, w, l);
	else if (d->type == OPT_STRING)
		l->dirs = true;
	else if (d->type != OPT_UINT)
		comp_add_alternatives(l, w, d->values);
}

void comp_dir(struct shell *sh, const struct cword *w, struct complist *l)
{
	l->dirs = w->argn == 0;
}

void comp_commit(struct shell *sh, const struct cword *w, struct complist *l)
{
	if (*w->text == '-')
		complist_add(l, w, "--parent", "pages unchanged since that dump stay there");
	else
		l->dirs = true;
}

/* Directories, and then a pid. */
static void comp_dirs_and_pid(struct shell *sh, const struct cword *w, struct complist *l,
			      unsigned nr_dirs)
{
	struct cword word = *w;

	for (unsigned i = 0; i < w->argn; i++)
		word.argn -= !strcmp(w->argv[i], "-v");
	if (*w->text == '-') {
		complist_add(l, w, "-v", "also what is the same");
	} else if (word.argn < nr_dirs) {
		l->dirs = true;
	} else if (word.argn == nr_dirs) {
		Stepdump__Snapshot *s = comp_look(sh, SNAP_TASKS);

		for (size_t i = 0; s && i < s->n_tasks; i++)
			comp_add_number(l, w, s->tasks[i]->pid, s->tasks[i]->comm);
		shell_snap_free(sh, s);
	}
}

void comp_verify(struct shell *sh, const struct cword *w, struct complist *l)
{
	comp_dirs_and_pid(sh, w, l, 1);
}

void comp_diff(struct shell *sh, const struct cword *w, struct complist *l)
{
	comp_dirs_and_pid(sh, w, l, 2);
}

void comp_flatten(struct shell *sh, const struct cword *w, struct complist *l)
{
	l->dirs = w->argn < 2;
}

void comp_dump_image(struct shell *sh, const struct cword *w, struct complist *l)
{
	l->files = w->argn < 1;
}

void comp_task(struct shell *sh, const struct cword *w, struct complist *l)
{
	if (w->argn)
		return;
	Stepdump__Snapshot *s = comp_look(sh, SNAP_TASKS);

	for (size_t i = 0; s && i < s->n_tasks; i++) {
		char desc[80];

		snprintf(desc, sizeof(desc), "%u %s", s->tasks[i]->pid,
			 s->tasks[i]->comm ? s->tasks[i]->comm : "");
		comp_add_number(l, w, s->tasks[i]->index, desc);
	}
	shell_snap_free(sh, s);
	complist_add(l, w, "auto", "the one that the pipeline is at");
}

void comp_detach(struct shell *sh, const struct cword *w, struct complist *l)
{
	if (!w->argn)
		complist_add(l, w, "--keep-tracking", "writes are tracked until the next attach");
}

void comp_file(struct shell *sh, const struct cword *w, struct complist *l)
{
	l->files = true;
}

void comp_snap(struct shell *sh, const struct cword *w, struct complist *l)
{
	if (w->argn == 0)
		complist_add(l, w, "save", NULL);
	l->files = w->argn == 1;
}

/* ---- processes --------------------------------------------------------------- */

struct process {
	long pid;
	bool own;
	char comm[32];
};

static bool comp_read_process(const char *name, struct process *ret)
{
	char path[300];
	struct stat st;

	if (!isdigit((unsigned char)*name))
		return false;
	snprintf(path, sizeof(path), "/proc/%s", name);
	if (stat(path, &st) < 0)
		return false;
	ret->pid = strtol(name, NULL, 10);
	ret->own = st.st_uid == getuid();
	snprintf(path, sizeof(path), "/proc/%s/cmdline", name);
	AUTO_FCLOSE FILE *cmdline = fopen(path, "re");
	if (!cmdline ||
	    fgetc(cmdline) == EOF) /* a kernel thread or a zombie: it cannot be attached */
		return false;
	snprintf(path, sizeof(path), "/proc/%s/comm", name);
	AUTO_FCLOSE FILE *f = fopen(path, "re");
	bool ok = f && fgets(ret->comm, sizeof(ret->comm), f);
	ret->comm[strcspn(ret->comm, "\n")] = '\0';
	/* Neither ourselves nor our keeper. */
	return ok && ret->pid != (long)getpid() && strcmp(ret->comm, "stepdump-keeper") != 0;
}

/* Own processes first, the youngest pid on top. */
static int comp_by_owner(const void *a, const void *b)
{
	const struct process *p = a, *q = b;

	if (p->own != q->own)
		return p->own ? -1 : 1;
	return p->pid > q->pid ? -1 : p->pid < q->pid;
}

void comp_pid(struct shell *sh, const struct cword *w, struct complist *l)
{
	AUTO_CLOSEDIR DIR *d = w->argn ? NULL : opendir("/proc");
	AUTO_FREE struct process *v = NULL;
	size_t nr = 0;

	for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
		struct process p;

		if (comp_read_process(e->d_name, &p))
			*vec_push(v, nr) = p;
	}
	vec_sort(v, nr, comp_by_owner);
	for (size_t i = 0; i < nr; i++) {
		char text[24];

		snprintf(text, sizeof(text), "%ld", v[i].pid);
		/* A name may be typed in place of the number. */
		if (!strncmp(v[i].comm, w->text, strlen(w->text)))
			complist_add_always(l, text, v[i].comm);
		else
			complist_add(l, w, text, v[i].comm);
	}
}

void comp_attach(struct shell *sh, const struct cword *w, struct complist *l)
{
	struct cword first = *w;
	bool tree = w->argn && !strcmp(w->argv[0], "--tree");

	if (*w->text == '-') {
		complist_add(l, w, "--tree", "with all its descendants");
		return;
	}
	first.argn -= tree;
	comp_pid(sh, &first, l);
}

void comp_check(struct shell *sh, const struct cword *w, struct complist *l)
{
	struct cword first = *w;

	if (*w->text == '-') {
		complist_add(l, w, "--tree", "with all its descendants");
		complist_add(l, w, "--all", "every process of this machine");
		complist_add(l, w, "-v", "notes too");
		return;
	}
	first.argn = 0;
	comp_pid(sh, &first, l);
}

void comp_plan(struct shell *sh, const struct cword *w, struct complist *l)
{
	struct cword first = *w;

	if (*w->text == '-') {
		complist_add(l, w, "-v", "all mappings");
		complist_add(l, w, "--tree", "with all its descendants");
		complist_add(l, w, "--quick", "page tables only");
		complist_add(l, w, "--seconds", "how long writes are watched");
		complist_add(l, w, "--read", "how much memory is read");
		complist_add(l, w, "--dir", "where the images would go");
		complist_add(l, w, "--vma", "by number or name");
		complist_add(l, w, "--range", "START-END");
		complist_add(l, w, "--prot", "rw-");
		return;
	}
	first.argn = 0;
	comp_pid(sh, &first, l);
}

/* ---- a whole line -------------------------------------------------------------- */

static void complete_words(struct shell *sh, const char *line, struct line *words,
			   struct complist *l)
{
	struct cword w = { .text = words->argv[words->argc - 1] };
	struct resolved r;

	if (words->argc == 1) {
		if (!strchr(w.text, '/'))
			comp_command(sh, &w, l);
		return;
	}
	w.argn = words->argc - 2;
	w.argv = words->argv + 1;
	struct err *e = line_resolve(sh->commands, &sh->aliases, line, &r);
	if (e) {
		err_free(e);
		return;
	}
	if (r.cmd && r.cmd->args.complete)
		r.cmd->args.complete(sh, &w, l);
	resolved_deinit(&r);
}

void complete_line(struct shell *sh, const char *line, size_t point, struct complist *ret)
{
	struct complist l = { 0 };
	struct line words;
	bool tail;

	line_split_partial(line, point, &words, &tail);
	if (tail)
		l.files = true;
	else
		complete_words(sh, line, &words, &l);
	line_deinit(&words);
	*ret = l;
}
