/* SPDX-License-Identifier: GPL-3.0-or-later */
/* help, apropos, version */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell/cmd.h"
#include "shell/cmds.h"
#include "shell/explain.h"
#include "shell/topics.h"
#include "shell/version.h"
#include "views/panes.h"

static void help_all(const struct shell *sh, struct out *o)
{
	for (enum cmd_group g = 0; g < NR_GROUPS; g++) {
		out_printf(o, "%s\n", cmd_group_name(g));
		for (const struct cmd_entry *const *c = sh->commands; *c; c++) {
			if ((*c)->group == g)
				out_printf(o, "  %-10s %-9s %s\n", (*c)->name,
					   (*c)->aliases ? (*c)->aliases : "", (*c)->summary);
		}
		out_printf(o, "\n");
	}
	out_printf(o, "Topics (help TOPIC)\n");
	for (const struct help_topic *t = help_topics; t->name; t++)
		out_printf(o, "  %-20s %s\n", t->name, t->summary);
	out_printf(o, "\n");
	out_prose(o, "Commands can be shortened; Tab completes; Enter repeats step, next, x, show. "
		     "Any output can be piped or written to a file: show iovs | grep hole. "
		     "`explain TERM` tells what a column, a glyph or a word means.");
}

static void help_examples(const struct cmd_example *examples, struct out *o)
{
	int width = 0;

	out_printf(o, "\nExamples\n");
	for (const struct cmd_example *e = examples; e->line; e++) {
		AUTO_FREE char *line = cmd_example_text(e);

		if (*e->what && (int)strlen(line) > width)
			width = (int)strlen(line);
	}
	for (const struct cmd_example *e = examples; e->line; e++) {
		AUTO_FREE char *line = cmd_example_text(e);

		if (*e->what)
			out_printf(o, "  %-*s  # %s\n", width, line, e->what);
		else
			out_printf(o, "  %s\n", line);
	}
}

static void help_command(const struct cmd_entry *c, struct out *o)
{
	out_printf(o, "%s%s%s  -  %s\n", c->name, *c->usage ? " " : "", c->usage, c->summary);
	if (c->aliases)
		out_printf(o, "short: %s\n", c->aliases);
	out_printf(o, "\n");
	out_prose(o, c->help);
	if (c->examples)
		help_examples(c->examples, o);
}

static const struct help_topic *topic_find(const char *name)
{
	const struct help_topic *found = NULL;

	for (const struct help_topic *t = help_topics; t->name; t++) {
		if (!strcmp(t->name, name))
			return t;
		if (!strncmp(t->name, name, strlen(name)) && !found)
			found = t;
	}
	return found;
}

/* Its name or a short one, in full. */
static bool help_is_name(const struct cmd_entry *c, const char *word)
{
	size_t len = strlen(word);

	if (!strcmp(c->name, word))
		return true;
	for (const char *p = c->aliases ?: ""; *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		if (n == len && !strncmp(p, word, n))
			return true;
		p += n;
	}
	return false;
}

static struct err *help_exec(struct shell *sh, const struct args *a, struct out *o)
{
	const struct cmd_entry *c = NULL;
	const struct user_alias *alias = NULL;

	if (!a->argc) {
		help_all(sh, o);
		return NULL;
	}
	const char *name = a->argv[0];
	const struct help_topic *t = topic_find(name);
	bool is_topic = t && !strcmp(t->name, name);
	struct err *e = cmd_lookup(sh->commands, &sh->aliases, name, strlen(name), &c, &alias);

	/* `explain` has what is neither; a shortened command does not hide the full name of a term. */
	bool whole = (c && help_is_name(c, name)) || alias || is_topic;
	if (!whole && explain_print(sh, name, o)) {
		err_free(e);
		return NULL;
	}
	if (!c && !alias && !t)
		return e;
	err_free(e);
	if (alias && !is_topic) {
		out_printf(o, "%s is an alias of: %s\n", alias->name, alias->text);
		return NULL;
	}
	/* "history" is a command and a topic; "phases" is not short for a command. */
	bool is_command = c && (!is_topic || !strcmp(c->name, name));
	if (is_command)
		help_command(c, o);
	if (is_command && is_topic)
		out_printf(o, "\n");
	if (is_topic || !is_command) {
		AUTO_FREE char *text = help_topic_text(t);

		out_printf(o, "%s", text);
	}
	return NULL;
}

const struct cmd_entry cmd_help = {
	.name = "help",
	.aliases = "h ?",
	.group = GROUP_SHELL,
	.args = { 0, 1, comp_command_or_topic },
	.usage = "[COMMAND|TOPIC|TERM]",
	.summary = "list the commands, or explain a command, topic or term",
	.help = "`apropos WORD` searches names, summaries and texts.  TERM is what `explain` takes: "
		"help ppb.",
	.examples = (const struct cmd_example[]){ { "help", "", "" },
						  { "help break", "", "" },
						  { "help phases", "", "" },
						  { 0 } },
	.flags = CMD_NO_REPEAT,
	.exec = help_exec,
};

static bool help_mentions(const char *text, const char *word)
{
	return text && strcasestr(text, word);
}

struct mention {
	struct out *o;
	const char *word;
	unsigned nr;
};

static bool apropos_term(const struct explain_term *t, const void *arg)
{
	struct mention *m = (struct mention *)arg;

	if (!help_mentions(t->names, m->word) && !help_mentions(t->what, m->word) &&
	    !help_mentions(t->why, m->word) && !help_mentions(t->criu, m->word))
		return false;
	AUTO_FREE char *name = explain_name(t);

	size_t len = strcspn(t->what, ".:,(");

	out_printf(m->o, "explain %-12s %.*s\n", name, (int)(len < 59 ? len : 59), t->what);
	m->nr++;
	return false;
}

static struct err *apropos_exec(struct shell *sh, const struct args *a, struct out *o)
{
	AUTO_FREE char *word = args_join(a);
	unsigned nr = 0;

	for (const struct cmd_entry *const *c = sh->commands; *c; c++) {
		if (!help_mentions((*c)->name, word) && !help_mentions((*c)->summary, word) &&
		    !help_mentions((*c)->help, word))
			continue;
		out_printf(o, "%-20s %s\n", (*c)->name, (*c)->summary);
		nr++;
	}
	for (const struct help_topic *t = help_topics; t->name; t++) {
		AUTO_FREE char *text = help_topic_text(t);

		if (!help_mentions(t->name, word) && !help_mentions(text, word))
			continue;
		out_printf(o, "help %-15s %s\n", t->name, t->summary);
		nr++;
	}
	struct mention m = { o, word, 0 };

	explain_find(apropos_term, &m);
	nr += m.nr;
	for (const struct pane *p = panes; p->name; p++) {
		if (!help_mentions(p->name, word) && !help_mentions(p->summary, word))
			continue;
		out_printf(o, "show %-15s %s\n", p->name, p->summary);
		nr++;
	}
	for (const struct opt_desc *d = opt_descs; d->name; d++) {
		if (!help_mentions(d->name, word) && !help_mentions(d->summary, word))
			continue;
		out_printf(o, "set %-16s %s\n", d->name, d->summary);
		nr++;
	}
	return nr ? NULL : err_new(ERR_STATE, "nothing mentions \"%s\"", word);
}

const struct cmd_entry cmd_apropos = {
	.name = "apropos",
	.group = GROUP_SHELL,
	.args = { 1, ARGS_MANY, NULL },
	.usage = "WORD",
	.summary = "search commands, topics, panes and settings",
	.help = "Upper and lower case are the same.",
	.examples = (const struct cmd_example[]){ { "apropos hole", "", "" }, { 0 } },
	.flags = CMD_NO_REPEAT,
	.exec = apropos_exec,
};

static struct err *version_exec(struct shell *sh, const struct args *a, struct out *o)
{
	out_member(o, "version", json_object_new_string(STEPDUMP_VERSION));
	out_printf(o, "stepdump %s\n", STEPDUMP_VERSION);
	return NULL;
}

const struct cmd_entry cmd_version = {
	.name = "version",
	.group = GROUP_SHELL,
	.args = { 0, 0, NULL },
	.usage = "",
	.summary = "print the version",
	.help = "`show caps` lists what stepdump can do on this machine.",
	.examples = (const struct cmd_example[]){ { "version", "", "" }, { 0 } },
	.flags = CMD_NO_REPEAT,
	.exec = version_exec,
};
