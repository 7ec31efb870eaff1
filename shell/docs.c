/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/docs.h"

#include <string.h>

#include "engine/session/diagnose.h"
#include "shell/argv.h"
#include "shell/cmd.h"
#include "shell/cmds.h"
#include "shell/topics.h"
#include "shell/version.h"
#include "views/keys.h"
#include "views/panes.h"

static const char *const synopsis[] = {
	"[OPTION]...",
	"[OPTION]... -p PID",
	"[OPTION]... -S FILE",
	"[OPTION]... -- PROGRAM [ARG]...",
	"[OPTION]... check|plan|log|explain|residue [ARG]...",
	NULL,
};

static const struct {
	const char *line, *what;
} examples[] = {
	{ "stepdump -p 4242", "attach, and come to a prompt" },
	{ "stepdump -- sleep 1000", "start a program to play with" },
	{ "stepdump -batch -p 4242 -ex 'commit dump/'", "one dump, no questions" },
	{ "stepdump -batch --json -p 4242 -ex 'show vmas'", "for programs" },
	{ "stepdump -S incident.snap", "look at a saved snapshot" },
};

#define NR_EXAMPLES (sizeof(examples) / sizeof(examples[0]))

void docs_usage(FILE *f)
{
	char name[40];

	fprintf(f, "stepdump - step through a CRIU memory dump of a live process\n\n");
	for (const char *const *s = synopsis; *s; s++)
		fprintf(f, "%s stepdump %s\n", s == synopsis ? "usage:" : "      ", *s);
	fprintf(f, "\n");
	for (const struct argv_desc *d = argv_descs; d->name; d++) {
		if (!d->what)
			continue;
		snprintf(name, sizeof(name), "%s%s %s", argv_dashes(d), d->name,
			 d->arg ? d->arg : "");
		fprintf(f, "  %-16s %s\n", name, d->what);
	}
	fprintf(f, "\n");
	for (size_t i = 0; i < NR_EXAMPLES; i++)
		fprintf(f, "  %-50s # %s\n", examples[i].line, examples[i].what);
	fprintf(f,
		"\nExit status: 0 fine, 1 a command failed, 2 usage, 3 target gone or refused, 4 not\n"
		"supported here, 5 the target could not be restored, 128+N after signal N.\n");
}

/* Text for roff: a backslash, a leading dot or quote, and each minus sign are special. */
static void man_text(FILE *f, const char *text)
{
	bool start = true;

	for (; *text; text++) {
		if (start && (*text == '.' || *text == '\''))
			fputs("\\&", f);
		start = *text == '\n';
		if (*text == '\\')
			fputs("\\e", f);
		else if (*text == '-')
			fputs("\\-", f);
		else
			fputc(*text, f);
	}
}

static void man_options(FILE *f)
{
	fprintf(f, ".SH OPTIONS\n");
	for (const struct argv_desc *d = argv_descs; d->name; d++) {
		if (!d->what)
			continue;
		fprintf(f, ".TP\n\\fB");
		man_text(f, argv_dashes(d));
		fprintf(f, "%s\\fR", d->name);
		if (d->arg)
			fprintf(f, " \\fI%s\\fR", d->arg);
		fprintf(f, "\n");
		man_text(f, d->what);
		fprintf(f, "\n");
	}
}

static void man_commands(FILE *f)
{
	fprintf(f, ".SH COMMANDS\nA command can be shortened as long as it is unique.\n");
	for (enum cmd_group g = 0; g < NR_GROUPS; g++) {
		fprintf(f, ".SS %s\n", cmd_group_name(g));
		for (const struct cmd_entry *const *c = cmd_table; *c; c++) {
			if ((*c)->group != g)
				continue;
			fprintf(f, ".TP\n\\fB%s\\fR ", (*c)->name);
			man_text(f, (*c)->usage);
			if ((*c)->aliases)
				fprintf(f, "  (short: %s)", (*c)->aliases);
			fprintf(f, "\n");
			man_text(f, (*c)->summary);
			fprintf(f, ".\n");
			man_text(f, (*c)->help);
			fprintf(f, "\n");
		}
	}
}

static void man_rows(FILE *f, const char *name, const char *detail, const char *summary)
{
	fprintf(f, ".TP\n\\fB");
	man_text(f, name);
	fprintf(f, "\\fR %s\n", detail ? detail : "");
	man_text(f, summary);
	fprintf(f, "\n");
}

static void man_tables(FILE *f)
{
	fprintf(f, ".SH \"WHAT CAN BE SHOWN\"\n");
	for (const struct pane *p = panes; p->name; p++)
		man_rows(f, p->name, p->arg, p->summary);
	fprintf(f, ".SH SETTINGS\n");
	for (const struct opt_desc *d = opt_descs; d->name; d++)
		man_rows(f, d->name, d->values, d->summary);
	for (const struct opt_desc *d = setting_descs; d->name; d++)
		man_rows(f, d->name, d->values, d->summary);
	for (const struct help_topic *t = help_topics; t->name; t++) {
		fprintf(f, ".SH \"");
		for (const char *p = t->name; *p; p++)
			fputc(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p, f);
		fprintf(f, "\"\n.nf\n");
		AUTO_FREE char *text = help_topic_text(t);

		man_text(f, text);
		fprintf(f, ".fi\n");
	}
}

/* The catalogue that `check` and `log` work by. */
static void man_causes(FILE *f)
{
	Stepdump__CauseList *l;
	struct err *e = session_causes(NULL, &l);

	if (e) {
		err_free(e);
		return;
	}
	fprintf(f, ".SH \"WHY DUMPS FAIL\"\n");
	for (size_t i = 0; i < l->n_causes; i++) {
		AUTO_FREE char *text =
			xasprintf("%s. %s", l->causes[i]->title, l->causes[i]->advice);

		man_rows(f, l->causes[i]->name, l->causes[i]->phase, text);
	}
	stepdump__cause_list__free_unpacked(l, NULL);
}

/* The keys of the views, from the same table that binds them. */
static void man_keys(FILE *f)
{
	fprintf(f, ".SH \"KEYS IN THE VIEWS\"\n");
	for (enum action_group g = 0; g < NR_ACTION_GROUPS; g++) {
		fprintf(f, ".SS %s\n", action_group_name(g));
		for (const struct action_desc *a = actions; a->id; a++) {
			if (a->group != g)
				continue;
			man_rows(f, a->keys, NULL, a->help);
			if (a->where & IN_ALL_VIEWS && (a->where & IN_ALL_VIEWS) != IN_ALL_VIEWS) {
				fprintf(f, "(in");
				for (enum view_id v = 0; v < NR_VIEWS; v++)
					if (a->where & IN_VIEW(v))
						fprintf(f, " %s", view_name(v));
				fprintf(f, ")\n");
			}
		}
	}
}

void docs_man(FILE *f)
{
	fprintf(f, ".TH STEPDUMP 1 \"\" \"stepdump %s\"\n", STEPDUMP_VERSION);
	fprintf(f, ".SH NAME\nstepdump \\- step through a CRIU memory dump of a live process\n");
	fprintf(f, ".SH SYNOPSIS\n");
	for (const char *const *s = synopsis; *s; s++) {
		fprintf(f, "%s\\fBstepdump\\fR ", s == synopsis ? "" : ".br\n");
		man_text(f, *s);
		fprintf(f, "\n");
	}
	fprintf(f,
		".SH DESCRIPTION\n"
		"A debugger for checkpoints: it freezes a process and runs CRIU's memory dump over it one\n"
		"step at a time.  Between two steps every structure can be looked at.  Nothing is published\n"
		"and nothing in the process is changed for good before \\fBcommit\\fR; however\n"
		"stepdump ends, the process goes on as before.\n");
	man_options(f);
	man_commands(f);
	man_tables(f);
	man_keys(f);
	man_causes(f);
	fprintf(f, ".SH ENVIRONMENT\n");
	man_rows(f, "STEPDUMP_PAGER, PAGER", NULL,
		 "shows output that is longer than the screen; default: less -FRX");
	man_rows(f, "NO_COLOR", NULL, "if not empty: no colour");
	man_rows(f, "COLUMNS", NULL, "width of output that goes into a file or a pipe");
	fprintf(f, ".SH FILES\n");
	man_rows(f, "$XDG_CONFIG_HOME/stepdump/rc", NULL, "commands run before the first prompt");
	man_rows(f, "$XDG_STATE_HOME/stepdump/history", NULL, "the lines that were typed");
	fprintf(f, ".SH EXAMPLES\n.nf\n");
	for (size_t i = 0; i < NR_EXAMPLES; i++) {
		man_text(f, examples[i].line);
		fprintf(f, "    # %s\n", examples[i].what);
	}
	fprintf(f, ".fi\n.SH \"SEE ALSO\"\n.BR criu (8),\n.BR crit (1),\n.BR gdb (1)\n");
}

/* ---- docs/commands.md -------------------------------------------------------------------------------- */

/* A cell of a table; a bar in the text would end it. */
static void md_cell(FILE *f, const char *text)
{
	fputc(' ', f);
	for (; *text; text++)
		fprintf(f, "%s%c", *text == '|' ? "\\" : "", *text);
	fputs(" |", f);
}

static void md_row(FILE *f, const char *code, const char *a, const char *b)
{
	fputs("| `", f);
	for (; *code; code++)
		fprintf(f, "%s%c", *code == '|' ? "\\" : "", *code);
	fputs("` |", f);
	if (a)
		md_cell(f, a);
	md_cell(f, b);
	fputc('\n', f);
}

/* Escapes what Markdown would take for markup, outside of code. */
static void md_words(FILE *f, const char *text)
{
	bool code = false;

	for (; *text; text++) {
		code ^= *text == '`';
		fprintf(f, "%s%c", !code && strchr("<>*_[]|", *text) ? "\\" : "", *text);
	}
}

static void md_prose(FILE *f, const char *text)
{
	md_words(f, text);
	fputs("\n\n", f);
}

static void md_command(FILE *f, const struct cmd_entry *c)
{
	fprintf(f, "### %s\n\n", c->name);
	fprintf(f, "    %s%s%s\n\n", c->name, *c->usage ? " " : "", c->usage);
	if (c->aliases)
		fprintf(f, "Short: `%s`.\n\n", c->aliases);
	fprintf(f, "%c", *c->summary - (*c->summary >= 'a' && *c->summary <= 'z' ? 32 : 0));
	fprintf(f, "%s%s\n\n", c->summary + 1,
		c->summary[strlen(c->summary) - 1] == '?' ? "" : ".");
	md_prose(f, c->help);
	for (const struct cmd_example *e = c->examples; e && e->line; e++) {
		AUTO_FREE char *line = cmd_example_text(e);

		fprintf(f, "    %s%s%s\n", line, *e->what ? "    # " : "", e->what);
	}
	fputs(c->examples ? "\n" : "", f);
}

static void md_settings(FILE *f, const char *title, const struct opt_desc *d)
{
	fprintf(f, "### %s\n\n| setting | values | |\n|---|---|---|\n", title);
	for (; d->name; d++)
		md_row(f, d->name, d->values, d->summary);
	fputc('\n', f);
}

void docs_markdown(FILE *f)
{
	fprintf(f, "<!-- Made from the tables of the program: `make docs` writes it. -->\n"
		   "# Commands\n\n"
		   "A command can be shortened as long as it is unique.  Inside stepdump, `help`,\n"
		   "`help COMMAND` and `apropos WORD` print the same.\n\n"
		   "| command | |\n|---|---|\n");
	for (enum cmd_group g = 0; g < NR_GROUPS; g++)
		for (const struct cmd_entry *const *c = cmd_table; *c; c++)
			if ((*c)->group == g)
				md_row(f, (*c)->name, NULL, (*c)->summary);
	for (enum cmd_group g = 0; g < NR_GROUPS; g++) {
		fprintf(f, "\n## %s\n\n", cmd_group_name(g));
		for (const struct cmd_entry *const *c = cmd_table; *c; c++)
			if ((*c)->group == g)
				md_command(f, *c);
	}
	fprintf(f, "## What `show` shows\n\n| pane | argument | |\n|---|---|---|\n");
	for (const struct pane *p = panes; p->name; p++)
		md_row(f, p->name, p->arg ? p->arg : "", p->summary);
	fprintf(f, "\n## What `set` sets\n\n");
	md_settings(f, "Of the dump", opt_descs);
	md_settings(f, "Of the shell", setting_descs);
	fprintf(f, "## Topics\n\n`help TOPIC` prints each of these.\n");
	for (const struct help_topic *t = help_topics; t->name; t++) {
		AUTO_FREE char *text = help_topic_text(t);

		fprintf(f, "\n### %s: %s\n\n```\n%s```\n", t->name, t->summary, text);
	}
}

/* ---- docs/failures.md -------------------------------------------------------------------------------- */

static void md_cause(FILE *f, const Stepdump__Cause *c)
{
	fprintf(f, "### %s\n\n", c->name);
	/* A capital, but not for the name of a function: "mseal() of ..." */
	bool word = c->title[strcspn(c->title, " (")] == ' ';

	fprintf(f, "%c", *c->title - (word && *c->title >= 'a' && *c->title <= 'z' ? 32 : 0));
	md_words(f, c->title + 1);
	fprintf(f, ". ");
	md_prose(f, c->advice);
	fprintf(f, "- severity: %s\n", c->severity);
	if (c->seen) {
		fprintf(f, "- seen before a dump: ");
		md_words(f, c->seen);
		fputc('\n', f);
	}
	for (size_t i = 0; i < c->n_log_lines; i++)
		fprintf(f, "- in the log: `%s`\n", c->log_lines[i]);
	if (c->issues)
		fprintf(f, "- reported: %s\n", c->issues);
	fputs("\n", f);
}

static bool is_first_of_phase(const Stepdump__CauseList *l, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (!strcmp(l->causes[i]->phase, l->causes[at]->phase))
			return false;
	return true;
}

void docs_failures(FILE *f)
{
	Stepdump__CauseList *l;
	struct err *e = session_causes(NULL, &l);

	if (e) {
		err_free(e);
		return;
	}
	fprintf(f,
		"<!-- Made from the catalogue in engine/diagnose/causes.c: `make docs` writes it. -->\n"
		"# Why dumps fail\n\n"
		"What `check` looks for in a process, what `log` finds in a log of CRIU, and what our own\n"
		"errors name as their cause; `explain NAME` prints an entry.  Severities: *fail* (the\n"
		"dump fails), *lose* (it succeeds, and something is missing afterwards), *harm* (it can\n"
		"damage or kill the process), *slow*, *option* (CRIU needs an option for it), *note*.\n"
		"In the lines of a log, `*` stands for anything.\n");
	for (size_t i = 0; i < l->n_causes; i++) {
		const char *phase = l->causes[i]->phase;

		if (!is_first_of_phase(l, i))
			continue;
		fprintf(f, "\n## %s\n\n", *phase ? phase : "after a dump");
		for (size_t k = i; k < l->n_causes; k++)
			if (!strcmp(l->causes[k]->phase, phase))
				md_cause(f, l->causes[k]);
	}
	stepdump__cause_list__free_unpacked(l, NULL);
}

void docs_examples(FILE *f)
{
	for (const struct cmd_entry *const *c = cmd_table; *c; c++) {
		for (const struct cmd_example *e = (*c)->examples; e && e->line; e++) {
			if (e->setup)
				fprintf(f, "%s\t%s\t%s\n", (*c)->name, e->setup, e->line);
		}
	}
}
