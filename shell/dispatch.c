/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell/report.h"

#define MAX_ALIAS_HOPS 16
#define MAX_DEPTH 16

void resolved_deinit(struct resolved *r)
{
	free(r->text);
	free(r->mod);
	memset(r, 0, sizeof(*r));
}

/* Looks the word up; "x/4w" is x with a modifier if x takes one. */
static struct err *lookup_with_mod(const struct cmd_entry *const *table,
				   const struct alias_list *aliases, struct resolved *r,
				   const struct user_alias **alias_ret)
{
	const char *slash = memchr(r->text, '/', r->word_len);

	*alias_ret = NULL;
	if (slash && slash > r->text) {
		size_t len = (size_t)(slash - r->text);
		struct err *e = cmd_lookup(table, aliases, r->text, len, &r->cmd, alias_ret);

		if (!e && r->cmd && r->cmd->flags & CMD_MOD) {
			r->mod = xstrndup(slash + 1, r->word_len - len - 1);
			return NULL;
		}
		err_free(e);
	}
	return cmd_lookup(table, aliases, r->text, r->word_len, &r->cmd, alias_ret);
}

static struct err *line_expand(const struct cmd_entry *const *table,
			       const struct alias_list *aliases, struct resolved *r)
{
	for (int hops = 0;; hops++) {
		const struct user_alias *alias;
		char *text;

		r->word_len = line_command_len(r->text);
		if (!r->word_len) {
			r->cmd = NULL;
			return *r->text == '|' || *r->text == '>' ?
				       err_new(ERR_USAGE, "no command before %c", *r->text) :
				       NULL;
		}
		TRY(lookup_with_mod(table, aliases, r, &alias));
		if (r->cmd)
			return NULL;
		if (hops == MAX_ALIAS_HOPS)
			return err_new(ERR_USAGE, "alias \"%s\" refers to itself", alias->name);
		text = xasprintf("%s%s", line_skip_blanks(alias->text), r->text + r->word_len);
		free(r->text);
		r->text = text;
	}
}

struct err *line_resolve(const struct cmd_entry *const *table, const struct alias_list *aliases,
			 const char *text, struct resolved *ret)
{
	struct resolved r = { .text = xstrdup(line_skip_blanks(text)) };
	struct err *e = line_expand(table, aliases, &r);

	if (e) {
		resolved_deinit(&r);
		return e;
	}
	*ret = r;
	return NULL;
}

/* A raw command has one argument, the rest of the line, or none. */
static struct err *dispatch_parse_raw(const struct resolved *r, struct line *ret)
{
	const char *rest = line_skip_blanks(r->text + r->word_len);
	size_t len = strlen(rest);

	while (len && strchr(" \t\r\n", rest[len - 1]))
		len--;
	*ret = (struct line){ .argc = len ? 2 : 1, .argv = xcalloc(3, sizeof(*ret->argv)) };
	ret->argv[0] = xstrdup(r->cmd->name);
	if (len)
		ret->argv[1] = xstrndup(rest, len);
	return NULL;
}

struct err *dispatch_readonly(const char *what)
{
	return err_hint(err_new(ERR_STATE, "%s: stepdump was started with --readonly", what),
			"attach, show, why and x work, and their output can be piped");
}

/* Checks the flags of the entry, so that no command has to check for a target itself. */
static struct err *dispatch_check(struct shell *sh, const struct cmd_entry *c)
{
	unsigned live = CMD_LIVE | CMD_NEEDS_TARGET | CMD_NEEDS_PIPELINE | CMD_MUTATES;

	if (sh->readonly && c->flags & CMD_WRITES)
		return dispatch_readonly(c->name);
	if (sh->opened && sh->set && c->flags & CMD_SETS)
		return NULL;
	if (sh->opened && c->flags & live)
		return err_hint(err_new(ERR_STATE, "%s: %s is open, it can only be looked at",
					c->name, sh->set ? "an image set" : "a saved snapshot"),
				"`close` goes back to the live session");
	if (session_is_replay(sh->session)) {
		if (c->flags & CMD_REPLAYS || !(c->flags & live))
			return NULL;
		return err_hint(err_new(ERR_STATE,
					"%s: a recording is open, it can only be looked at",
					c->name),
				"`close` goes back to the live session");
	}
	if (sh->readonly && c->flags & CMD_MUTATES)
		return dispatch_readonly(c->name);
	if (c->flags & (CMD_NEEDS_TARGET | CMD_NEEDS_PIPELINE) && !session_has_target(sh->session))
		return err_hint(err_new(ERR_STATE, "%s: no target is attached", c->name),
				"`attach PID` or `run PROGRAM`");
	if (c->flags & CMD_NEEDS_PIPELINE && !session_has_pipeline(sh->session))
		return err_hint(err_new(ERR_STATE, "%s: no dump is under way", c->name),
				"`step` begins one");
	return NULL;
}

/* An error of a line that failed before it had an output. */
static void dispatch_json_error(struct shell *sh, const char *text, const struct err *e)
{
	struct out o = { .f = stdout, .dest = stdout, .json = json_object_new_object() };
	const char *p = line_skip_blanks(text);
	AUTO_FREE char *name = xstrndup(p, line_command_len(p));

	out_json_done(&o, name, error_json(sh, e));
	json_object_put(o.json);
	fflush(stdout);
}

static struct err *dispatch_run(struct shell *sh, const struct resolved *r, const struct line *line,
				bool *told, char **repeat_ret)
{
	const struct cmd_entry *c = r->cmd;
	struct args args = { line->argc - 1, line->argv + 1, r->mod };
	struct out o;
	bool kept;

	if (args.argc < c->args.min || args.argc > c->args.max)
		return cmd_usage(c);
	TRY(dispatch_check(sh, c));
	if (sh->readonly && line->file)
		return dispatch_readonly("a redirection");
	TRY(out_open(sh, line, c->flags & CMD_STREAMS, &o));
	struct err *e = c->exec(sh, &args, &o);
	if (o.json) {
		out_json_done(&o, c->name, e ? error_json(sh, e) : NULL);
		*told = true;
	}
	e = err_first(e, out_close(&o, e != NULL, &kept));
	if (kept) {
		*told = false; /* nobody would read it there */
		notice(sh, "%s: left as it was", line->file);
	}
	if (!e && repeat_ret && !(c->flags & CMD_NO_REPEAT))
		*repeat_ret = c->repeat ? c->repeat(sh, &args) : xstrdup(r->text);
	return e;
}

static struct err *dispatch_line(struct shell *sh, const char *text, bool *told, char **repeat_ret)
{
	struct resolved r;
	struct line line;

	if (sh->depth >= MAX_DEPTH)
		return err_new(ERR_USAGE, "`source` is nested more than %d deep", MAX_DEPTH);
	TRY(line_resolve(sh->commands, &sh->aliases, text, &r));
	struct err *e = NULL;
	if (r.cmd) {
		e = r.cmd->flags & CMD_RAW ?
			    dispatch_parse_raw(&r, &line) :
			    line_parse(r.text, r.cmd->flags & CMD_CONDITIONS, &line);
		if (!e) {
			e = dispatch_run(sh, &r, &line, told, repeat_ret);
			line_deinit(&line);
		}
	}
	resolved_deinit(&r);
	return e;
}

static struct err *dispatch_and_tell(struct shell *sh, const char *text, char **repeat_ret)
{
	bool told = false;
	struct err *e;

	if (sh->habits.log && *line_skip_blanks(text))
		fprintf(sh->habits.log, "(stepdump) %s\n", line_skip_blanks(text));
	if (sh->take_line && sh->take_line(sh, text))
		return NULL;
	e = dispatch_line(sh, text, &told, repeat_ret);
	if (!e && sh->after_line) {
		told = true; /* the lines that it runs tell their errors */
		e = sh->after_line(sh);
	}

	if (e && sh->settings.json && !told)
		dispatch_json_error(sh, text, e);
	return e;
}

struct err *shell_exec(struct shell *sh, const char *text)
{
	return dispatch_and_tell(sh, text, NULL);
}

struct err *shell_exec_typed(struct shell *sh, const char *text)
{
	AUTO_FREE char *again = NULL;
	char *repeat = NULL;

	if (!*line_skip_blanks(text)) {
		if (!sh->repeat_line || !sh->settings.repeat)
			return NULL;
		again = xstrdup(sh->repeat_line); /* the command may replace what it was run from */
		text = again;
	}
	struct err *e = dispatch_and_tell(sh, text, &repeat);
	free(sh->repeat_line);
	sh->repeat_line = repeat;
	return e;
}
