/* SPDX-License-Identifier: GPL-3.0-or-later */
/* set */
#include <stdlib.h>
#include <string.h>

#include "shell/cmd.h"
#include "shell/cmds.h"

static struct err *list_one(const void *base, const struct opt_desc *descs, json_object *all,
			    struct out *o)
{
	for (const struct opt_desc *d = descs; d->name; d++) {
		char *value = opt_print(base, d);

		if (!value)
			return err_nomem();
		out_printf(o, "%-14s %-10s %s\n", d->name, *value ? value : "-", d->summary);
		json_object_object_add(all, d->name, json_object_new_string(value));
		free(value);
	}
	return NULL;
}

static struct err *list_all(struct shell *sh, struct out *o)
{
	json_object *all = json_object_new_object();

	out_printf(o, "of the dump\n");
	struct err *e = list_one(session_opts(sh->session), opt_descs, all, o);
	out_printf(o, "\nof the shell\n");
	if (!e)
		e = list_one(&sh->settings, setting_descs, all, o);
	out_member(o, "settings", all);
	return e;
}

static struct err *unknown(const char *name)
{
	return err_hint(err_new(ERR_USAGE, "no setting is called \"%s\", or several are", name),
			"`set` lists them");
}

static struct err *show_one(const void *base, const struct opt_desc *d, struct out *o)
{
	char *value = opt_print(base, d);

	if (!value)
		return err_nomem();
	out_printf(o, "%s = %s  (%s: %s)\n", d->name, *value ? value : "-", d->values, d->summary);
	out_member(o, d->name, json_object_new_string(value));
	free(value);
	return NULL;
}

static struct err *set_exec(struct shell *sh, const struct args *a, struct out *o)
{
	const struct opt_desc *d, *s;
	unsigned from = 1;

	if (!a->argc)
		return list_all(sh, o);
	d = opt_find(a->argv[0]);
	s = opt_find_in(setting_descs, a->argv[0]);
	/* A prefix that fits both tables is as ambiguous as one that fits twice in one. */
	if (d && s && strcmp(d->name, a->argv[0]) && strcmp(s->name, a->argv[0]))
		return unknown(a->argv[0]);
	if (d && s && !strcmp(s->name, a->argv[0]))
		d = NULL;
	if (!d && !s)
		return unknown(a->argv[0]);
	if (a->argc == 1)
		return d ? show_one(session_opts(sh->session), d, o) :
			   show_one(&sh->settings, s, o);
	if (!strcmp(a->argv[1], "=")) /* gdb's spelling */
		from = 2;
	if (a->argc != from + 1)
		return cmd_usage(&cmd_set);
	if (!d)
		return opt_parse(&sh->settings, s, a->argv[from]);
	if (d->before_prepare && session_has_pipeline(sh->session))
		return err_hint(
			err_new(ERR_STATE, "%s cannot change while a dump is under way", d->name),
			"`restart` goes back to before prepare");
	return opts_set(session_opts(sh->session), d, a->argv[from]);
}

const struct cmd_entry cmd_set = {
	.name = "set",
	.group = GROUP_SHELL,
	.args = { 0, 3, comp_set },
	.usage = "[NAME [VALUE]]",
	.summary = "change a setting; alone: list all with their values",
	.help = "Settings of the dump hold from the next prepare on; those of the shell at "
		"once.",
	.examples =
		(const struct cmd_example[]){
			{ "set", "all of them", "" },
			{ "set xfer null", "rehearse: the pages go nowhere", "" },
			{ "set pmc pread", "read pagemap the old way", "" },
			{ "set dir %D/dump", "where commit puts the images", "" },
			{ 0 } },
	.flags = CMD_NO_REPEAT,
	.exec = set_exec,
};
