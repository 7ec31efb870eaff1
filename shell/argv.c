/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/argv.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"

const struct argv_desc argv_descs[] = {
	{ "p", "PID", "attach to a process" },
	{ "S", "FILE", "look at a saved snapshot" },
	{ "x", "FILE", "run the commands of a file; may be given several times" },
	{ "ex", "COMMAND", "run a command; in the order given, mixed with -x" },
	{ "batch", NULL, "no prompt, no pager, no colour, stop at the first error" },
	{ "q", NULL, "no banner" },
	{ "json", NULL, "each command prints one JSON object on one line" },
	{ "color", "WHEN", "auto, always or never" },
	{ "ascii", NULL, "print nothing outside ASCII" },
	{ "size", "CxR", "columns and rows of the views, whatever the terminal says" },
	{ "demo", NULL, "start the demo target and attach to it" },
	{ "lessons", "DIR", "tours and exercises from there: `set lessons`" },
	{ "keys", "FILE", "the views take their keys from a file, and nothing is drawn" },
	{ "report", "FILE", "if a command fails, write a report (`help report`) before leaving" },
	{ "preflight", "WHAT", "off, warn or refuse: `set preflight` before -p attaches" },
	{ "readonly", NULL, "refuse what changes a process or writes a file" },
	{ "relative", NULL, "addresses from the first VMA on, no pids, no times: for tests" },
	{ "version", NULL, "print the version" },
	{ "help", NULL, "print this" },
	{ "man", NULL, "print the manual page" },
	{ "markdown", NULL, NULL },
	{ "failures", NULL, NULL },
	{ "examples", NULL, NULL },
	{ "complete", "LINE", NULL },
	{ NULL, NULL, NULL },
};

/* gdb's options have one dash, the others two; all are accepted with either. */
const char *argv_dashes(const struct argv_desc *d)
{
	return !d->name[1] || !strcmp(d->name, "ex") || !strcmp(d->name, "batch") ? "-" : "--";
}

static const struct argv_desc *argv_find(const char *name, size_t len)
{
	for (const struct argv_desc *d = argv_descs; d->name; d++) {
		if (strlen(d->name) == len && !strncmp(d->name, name, len))
			return d;
	}
	if (len == 1 && *name == 'h')
		return argv_find("help", 4);
	return len == 5 && !strncmp(name, "quiet", 5) ? argv_find("q", 1) : NULL;
}

static struct err *argv_usage(struct err *e)
{
	return err_hint(e, "stepdump --help");
}

static void argv_add_script(struct argv_options *o, bool file, const char *text)
{
	*vec_push(o->script, o->nr_script) = (struct script_item){ file, text };
}

static void argv_apply(struct argv_options *o, const char *name, const char *value)
{
	struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{ "batch", &o->batch }, { "q", &o->quiet },           { "json", &o->json },
		{ "ascii", &o->ascii }, { "readonly", &o->readonly }, { "relative", &o->relative },
		{ "demo", &o->demo },
	};
	static const struct {
		const char *name;
		enum argv_mode mode;
	} modes[] = {
		{ "version", MODE_VERSION },   { "help", MODE_HELP },
		{ "man", MODE_MAN },           { "markdown", MODE_MARKDOWN },
		{ "examples", MODE_EXAMPLES }, { "complete", MODE_COMPLETE },
		{ "failures", MODE_FAILURES },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (!strcmp(name, flags[i].name))
			*flags[i].flag = true;
	}
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (!strcmp(name, modes[i].name))
			o->mode = modes[i].mode;
	}
	if (!strcmp(name, "p"))
		o->pid = value;
	else if (!strcmp(name, "S"))
		o->snapshot = value;
	else if (!strcmp(name, "color"))
		o->color = value;
	else if (!strcmp(name, "keys"))
		o->keys = value;
	else if (!strcmp(name, "report"))
		o->report = value;
	else if (!strcmp(name, "preflight"))
		o->preflight = value;
	else if (!strcmp(name, "lessons"))
		o->lessons = value;
	else if (!strcmp(name, "size"))
		o->size = value;
	else if (!strcmp(name, "complete"))
		o->complete = value;
	else if (!strcmp(name, "x"))
		argv_add_script(o, true, value);
	else if (!strcmp(name, "ex"))
		argv_add_script(o, false, value);
}

/* `stepdump check --json 4242`: options about the output may stand anywhere, the rest belongs to
 * the command. */
static void argv_take_command(struct argv_options *o, int nr, char **words)
{
	size_t n = 0;

	o->command = xcalloc((size_t)nr + 1, sizeof(*o->command));
	for (int i = 0; i < nr; i++) {
		if (!strcmp(words[i], "--json"))
			o->json = true;
		else if (!strcmp(words[i], "--ascii"))
			o->ascii = true;
		else if (!strcmp(words[i], "--relative"))
			o->relative = true;
		else
			o->command[n++] = words[i];
	}
	o->batch = o->quiet = true;
}

static struct err *argv_parse_all(int argc, char **argv, struct argv_options *o)
{
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i], *value;

		if (!strcmp(name, "--")) {
			if (i + 1 == argc)
				return argv_usage(err_new(ERR_USAGE, "no program after %s", "--"));
			o->program = argv + i + 1;
			break;
		}
		if (*name != '-' || !name[1]) {
			argv_take_command(o, argc - i, argv + i);
			break;
		}
		name += 1 + (name[1] == '-');
		size_t len = strcspn(name, "=");
		const struct argv_desc *d = argv_find(name, len);
		if (!d)
			return argv_usage(err_new(ERR_USAGE, "unknown option \"%s\"", argv[i]));
		value = name[len] ? name + len + 1 : NULL;
		if (!d->arg && value)
			return argv_usage(
				err_new(ERR_USAGE, "option \"%s\" takes no value", argv[i]));
		if (d->arg && !value) {
			if (++i == argc)
				return argv_usage(err_new(ERR_USAGE, "option \"%s\" needs a value",
							  argv[i - 1]));
			value = argv[i];
		}
		argv_apply(o, d->name, value);
	}
	if (!!o->pid + !!o->snapshot + !!o->program > 1)
		return argv_usage(
			err_new(ERR_USAGE, "%s: only one of them", "-p, -S and -- PROGRAM"));
	if (o->command && (o->pid || o->snapshot || o->nr_script))
		return argv_usage(
			err_new(ERR_USAGE, "\"%s\" excludes -p, -S, -x and -ex", o->command[0]));
	return NULL;
}

struct err *argv_parse(int argc, char **argv, struct argv_options *ret)
{
	struct argv_options o = { 0 };
	struct err *e = argv_parse_all(argc, argv, &o);

	if (e) {
		argv_deinit(&o);
		return e;
	}
	*ret = o;
	return NULL;
}

void argv_deinit(struct argv_options *o)
{
	free(o->script);
	free(o->command);
	o->script = NULL;
	o->command = NULL;
}
