/* SPDX-License-Identifier: GPL-3.0-or-later */
/* commands, define, call, save */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "shell/cmd.h"
#include "shell/cmds.h"

/* Opens a block: its lines follow, up to `end`, or stand behind, separated by ";". */
static void define_open(struct shell *sh, const char *name, const char *rest)
{
	struct habit_block *b = habit_block(&sh->habits, name, true);

	habit_block_clear(b);
	if (!*rest) {
		sh->habits.open = b;
		return;
	}
	while (*rest) {
		size_t n = strcspn(rest, ";");

		rest += strspn(rest, " ");
		n = strcspn(rest, ";");
		if (n)
			*vec_push(b->line, b->nr) = xstrndup(rest, n);
		rest += n + (rest[n] == ';');
	}
}

/* The first word of a raw argument, and what follows it. */
static char *define_word(const char *text, const char **rest_ret)
{
	size_t n = strcspn(text, " \t");

	*rest_ret = text + n + strspn(text + n, " \t");
	return xstrndup(text, n);
}

static struct err *commands_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct snap_request req = { .parts = SNAP_BREAKPOINTS };
	Stepdump__Snapshot *s;
	const char *rest;
	AUTO_FREE char *number = define_word(a->argv[0], &rest);
	uint64_t n;
	bool found = false;

	TRY(arg_uint(number, "number of a breakpoint", 1, UINT32_MAX, &n));
	TRY(shell_snap(sh, &req, &s));
	for (size_t i = 0; i < s->n_breakpoints; i++)
		found |= s->breakpoints[i]->number == n;
	shell_snap_free(sh, s);
	if (!found)
		return err_hint(err_new(ERR_USAGE, "there is no breakpoint %lu", n),
				"`show breakpoints` lists them");
	define_open(sh, number, rest);
	if (!*rest && sh->interactive)
		out_printf(o, "commands for breakpoint %lu, one a line; `end` ends them\n", n);
	return NULL;
}

const struct cmd_entry cmd_commands = {
	.name = "commands",
	.group = GROUP_BREAK,
	.args = { 1, 1, comp_break_number },
	.usage = "N [COMMAND; COMMAND...]",
	.summary = "run commands whenever breakpoint N stops",
	.help = "The commands stand behind N, separated by `;`, or on the lines that follow, up to `end`.  If "
		"one of them runs on, those after it are left.  `commands N` and `end` at once removes them.",
	.examples =
		(const struct cmd_example[]){
			{ "commands 1 show ppb; print holes", "", "break drain" }, { 0 } },
	.flags = CMD_NO_REPEAT | CMD_RAW,
	.exec = commands_exec,
};

static bool define_is_command(const struct shell *sh, const char *name)
{
	for (const struct cmd_entry *const *c = sh->commands; *c; c++)
		if (!strcmp((*c)->name, name) || word_in_list((*c)->aliases, name, strlen(name)))
			return true;
	return false;
}

static struct err *define_exec(struct shell *sh, const struct args *a, struct out *o)
{
	const char *rest;
	AUTO_FREE char *name = define_word(a->argv[0], &rest);
	AUTO_FREE char *call = xasprintf("call %s", name);

	if (!isalpha((unsigned char)*name) || strpbrk(name, "|>'\"#/!="))
		return cmd_usage(&cmd_define);
	if (define_is_command(sh, name))
		return err_new(ERR_USAGE, "\"%s\" is a command", name);
	alias_set(&sh->aliases, name, call);
	define_open(sh, name, rest);
	if (!*rest && sh->interactive)
		out_printf(o, "commands of %s, one a line; `end` ends them\n", name);
	return NULL;
}

const struct cmd_entry cmd_define = {
	.name = "define",
	.group = GROUP_SHELL,
	.args = { 1, 1, NULL },
	.usage = "NAME [COMMAND; COMMAND...]",
	.summary = "make a command of one's own, with arguments",
	.help = "The commands stand behind NAME, separated by `;`, or on the lines that follow, up to `end`.  In them "
		"$arg0, $arg1 and so on are the words behind NAME when it is called, $argc is how many there are.",
	.examples = (const struct cmd_example[]){ { "define peek x/$arg1 $arg0; why $arg0",
						    "then: peek $sp 16", "" },
						  { 0 } },
	.flags = CMD_NO_REPEAT | CMD_RAW,
	.exec = define_exec,
};

/* `text` with $argN and $argc replaced; heap. */
static struct err *call_fill(const char *text, const struct args *a, char **ret)
{
	char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);
	struct err *e = NULL;

	if (!f)
		abort();
	while (*text && !e) {
		if (!strncmp(text, "$argc", 5)) {
			fprintf(f, "%u", a->argc - 1);
			text += 5;
		} else if (!strncmp(text, "$arg", 4) && isdigit((unsigned char)text[4])) {
			char *end;
			unsigned long n = strtoul(text + 4, &end, 10);

			if (n + 1 >= a->argc)
				e = err_new(ERR_USAGE, "%s: there is no argument %lu: %u given",
					    a->argv[0], n, a->argc - 1);
			else
				fputs(a->argv[n + 1], f);
			text = end;
		} else {
			fputc(*text++, f);
		}
	}
	fclose(f);
	if (e)
		free(out);
	else
		*ret = out;
	return e;
}

static struct err *call_exec(struct shell *sh, const struct args *a, struct out *o)
{
	const struct habit_block *b = habit_block(&sh->habits, a->argv[0], false);
	struct habit_block copy = { 0 };
	struct err *e = NULL;

	if (!b || isdigit((unsigned char)*a->argv[0]))
		return err_hint(err_new(ERR_USAGE, "%s is not defined", a->argv[0]),
				"`define %s` does", a->argv[0]);
	for (size_t i = 0; i < b->nr && !e; i++) {
		char *line;

		e = call_fill(b->line[i], a, &line);
		if (!e)
			*vec_push(copy.line, copy.nr) = line;
	}
	sh->depth++;
	for (size_t i = 0; i < copy.nr && !e && !sh->quit; i++)
		e = shell_exec(sh, copy.line[i]);
	sh->depth--;
	habit_block_clear(&copy);
	return e;
}

const struct cmd_entry cmd_call = {
	.name = "call",
	.group = GROUP_SHELL,
	.args = { 1, ARGS_MANY, NULL },
	.usage = "NAME [ARG...]",
	.summary = "run a command that `define` made",
	.help = "The same as NAME ARG... alone.",
	.examples =
		(const struct cmd_example[]){ { "call hi you", "", "define hi echo hello $arg0" },
					      { 0 } },
	.flags = CMD_NO_REPEAT | CMD_STREAMS,
	.exec = call_exec,
};

static void save_block(FILE *f, const char *head, const struct habit_block *b)
{
	fprintf(f, "%s\n", head);
	for (size_t i = 0; i < b->nr; i++)
		fprintf(f, "%s\n", b->line[i]);
	fprintf(f, "end\n");
}

static void save_all(const struct shell *sh, const Stepdump__Snapshot *s, FILE *f)
{
	const struct habits *h = &sh->habits;

	for (size_t i = 0; i < s->n_breakpoints; i++) {
		const Stepdump__Breakpoint *b = s->breakpoints[i];
		char number[16], head[32];

		fprintf(f, "%s %s\n", b->temporary ? "tbreak" : "break", b->where);
		/* In the new session they are counted from 1. */
		if (b->has_enabled && !b->enabled)
			fprintf(f, "disable %zu\n", i + 1);
		if (b->ignore)
			fprintf(f, "ignore %zu %u\n", i + 1, b->ignore);
		snprintf(number, sizeof(number), "%u", b->number);
		snprintf(head, sizeof(head), "commands %zu", i + 1);
		for (size_t k = 0; k < h->nr_blocks; k++)
			if (!strcmp(h->block[k].name, number))
				save_block(f, head, &h->block[k]);
	}
	for (size_t i = 0; i < h->nr_watches; i++)
		fprintf(f, "watch %s\n", h->watch[i].expr);
}

static struct err *save_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct snap_request req = { .parts = SNAP_BREAKPOINTS };
	Stepdump__Snapshot *s;

	if (strncmp("breakpoints", a->argv[0], strlen(a->argv[0])) || !*a->argv[0])
		return cmd_usage(&cmd_save);
	AUTO_FCLOSE FILE *f = fopen(a->argv[1], "we");

	if (!f)
		return err_sys(errno, "cannot write \"%s\"", a->argv[1]);
	TRY(shell_snap(sh, &req, &s));
	save_all(sh, s, f);
	shell_snap_free(sh, s);
	if (fflush(f))
		return err_sys(errno, "cannot write \"%s\"", a->argv[1]);
	out_printf(o, "saved to %s: `source %s` sets them again\n", a->argv[1], a->argv[1]);
	return NULL;
}

const struct cmd_entry cmd_save = {
	.name = "save",
	.group = GROUP_BREAK,
	.args = { 2, 2, comp_file },
	.usage = "breakpoints FILE",
	.summary = "write the breakpoints to a file, for `source`",
	.help = "With their conditions, their commands, and the watchpoints.",
	.examples = (const struct cmd_example[]){ { "save breakpoints %D/b", "", "break drain" },
						  { 0 } },
	.flags = CMD_NO_REPEAT | CMD_WRITES,
	.exec = save_exec,
};
