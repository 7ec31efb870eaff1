/* SPDX-License-Identifier: GPL-3.0-or-later */
/* source, history, alias, echo, quit */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* readline wants stdio first */
#include <readline/history.h>

#include "shell/cmd.h"
#include "shell/cmds.h"

static struct err *source_exec(struct shell *sh, const struct args *a, struct out *o)
{
	FILE *before = sh->dest;

	if (o->owned)
		sh->dest = o->dest;
	struct err *e = shell_source(sh, a->argv[0]);
	sh->dest = before;
	return e;
}

const struct cmd_entry cmd_source = {
	.name = "source",
	.group = GROUP_SHELL,
	.args = { 1, 1, comp_file },
	.usage = "FILE",
	.summary = "run the commands in a file",
	.help = "One command per line; # begins a comment; the first error ends the run.  "
		"Empty lines do not repeat a command.  $XDG_CONFIG_HOME/stepdump/rc is run at "
		"the start of each interactive session.",
	.examples = (const struct cmd_example[]){ { "source walk.stepdump", "", NULL }, { 0 } },
	.flags = CMD_NO_REPEAT | CMD_STREAMS,
	.exec = source_exec,
};

static struct err *history_exec(struct shell *sh, const struct args *a, struct out *o)
{
	HIST_ENTRY **list = history_list();
	uint64_t most = UINT32_MAX, nr = 0, i;

	if (a->argc)
		TRY(arg_uint(a->argv[0], "count", 1, UINT32_MAX, &most));

	json_object *lines = json_object_new_array();

	while (list && list[nr])
		nr++;
	for (i = nr > most ? nr - most : 0; i < nr; i++) {
		out_printf(o, "%s\n", list[i]->line);
		json_object_array_add(lines, json_object_new_string(list[i]->line));
	}
	out_member(o, "lines", lines);
	return NULL;
}

const struct cmd_entry cmd_history = {
	.name = "history",
	.group = GROUP_SHELL,
	.args = { 0, 1, NULL },
	.usage = "[N]",
	.summary = "list the lines that were typed, or the last N",
	.help = "The history is kept in $XDG_STATE_HOME/stepdump/history, readable only by "
		"you, without duplicates.  A line that begins with a blank is not kept.  ^R "
		"searches it at the prompt.",
	.examples = (const struct cmd_example[]){ { "history 10", "", "" }, { 0 } },
	.flags = CMD_NO_REPEAT,
	.exec = history_exec,
};

static struct err *alias_list_all(const struct shell *sh, struct out *o)
{
	json_object *all = json_object_new_object();

	for (size_t i = 0; i < sh->aliases.nr; i++) {
		const struct user_alias *u = &sh->aliases.v[i];

		out_printf(o, "%s = %s\n", u->name, u->text);
		json_object_object_add(all, u->name, json_object_new_string(u->text));
	}
	out_member(o, "aliases", all);
	return NULL;
}

/* Such an alias would never be reached: commands and their own short names come first. */
static bool alias_is_command(const struct shell *sh, const char *name)
{
	for (const struct cmd_entry *const *c = sh->commands; *c; c++) {
		if (!strcmp((*c)->name, name) || word_in_list((*c)->aliases, name, strlen(name)))
			return true;
	}
	return false;
}

static struct err *alias_exec(struct shell *sh, const struct args *a, struct out *o)
{
	AUTO_FREE char *text = args_join(a);
	char *name, *value;

	if (!a->argc)
		return alias_list_all(sh, o);
	name = text;
	value = strchr(text, '=');
	if (value) {
		char *end = value;

		while (end > name && end[-1] == ' ')
			end--;
		*end = '\0';
		value = (char *)line_skip_blanks(value + 1);
	}
	if (!*name || strpbrk(name, " \t|>'\"#/!"))
		return cmd_usage(&cmd_alias);
	if (value && alias_is_command(sh, name))
		return err_new(ERR_USAGE, "\"%s\" is a command", name);
	if (!value && !alias_find(&sh->aliases, name, strlen(name)))
		return err_new(ERR_USAGE, "there is no alias \"%s\"", name);
	if (!value)
		return alias_list_all(sh, o);
	alias_set(&sh->aliases, name, *value ? value : NULL);
	return NULL;
}

const struct cmd_entry cmd_alias = {
	.name = "alias",
	.group = GROUP_SHELL,
	.args = { 0, ARGS_MANY, NULL },
	.usage = "[NAME=COMMAND]",
	.summary = "name a command line, or list the aliases",
	.help = "Words that follow the alias are appended to the command line.  Put the "
		"command line into quotes if it contains | or quotes.  `alias NAME=` removes "
		"an alias.  The names of commands and their short forms cannot be replaced.",
	.examples = (const struct cmd_example[]){ { "alias nn=next 10", "", "" },
						  { "alias holes='show iovs | grep hole'", "", "" },
						  { 0 } },
	.flags = CMD_NO_REPEAT,
	.exec = alias_exec,
};

static struct err *echo_exec(struct shell *sh, const struct args *a, struct out *o)
{
	AUTO_FREE char *text = args_join(a);

	out_member(o, "text", json_object_new_string(text));
	out_printf(o, "%s\n", text);
	return NULL;
}

const struct cmd_entry cmd_echo = {
	.name = "echo",
	.group = GROUP_SHELL,
	.args = { 0, ARGS_MANY, NULL },
	.usage = "[TEXT]...",
	.summary = "print text, for scripts",
	.help = "The words are separated by single blanks and followed by a newline.",
	.examples = (const struct cmd_example[]){ { "echo half way", "", "" }, { 0 } },
	.flags = CMD_NO_REPEAT,
	.exec = echo_exec,
};

static struct err *quit_exec(struct shell *sh, const struct args *a, struct out *o)
{
	sh->quit = true;
	return NULL;
}

const struct cmd_entry cmd_quit = {
	.name = "quit",
	.aliases = "q exit",
	.group = GROUP_SHELL,
	.args = { 0, 0, NULL },
	.usage = "",
	.summary = "put the target back, let it go, and leave",
	.help = "The same as ^D.  Never asks; if a dump was not committed, it is dropped, and "
		"a message says so.",
	.examples = (const struct cmd_example[]){ { "quit", "", "attach %P; step" }, { 0 } },
	.flags = CMD_NO_REPEAT,
	.exec = quit_exec,
};
