/* SPDX-License-Identifier: GPL-3.0-or-later */
/* set */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell/cmd.h"
#include "shell/cmds.h"
#include "shell/lookup.h"

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

static const struct opt_desc *exact(const struct opt_desc *descs, const char *name)
{
	const struct opt_desc *d = opt_find_in(descs, name);

	return d && !strcmp(d->name, name) ? d : NULL;
}

/* How many names of both tables begin with `name`, which, and the one that is nearest to it. */
static unsigned look_alikes(const char *name, FILE *fits, const char **near_ret)
{
	const struct opt_desc *const tables[] = { opt_descs, setting_descs };
	unsigned best = 3, nr = 0;

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		for (const struct opt_desc *d = tables[i]; d->name; d++) {
			unsigned distance = edit_distance(d->name, name);

			if (!strncmp(d->name, name, strlen(name)))
				fprintf(fits, "%s%s", nr++ ? ", " : "", d->name);
			if (distance < best && distance < strlen(name)) {
				best = distance;
				*near_ret = d->name;
			}
		}
	}
	return nr;
}

/* One of *d_ret (of the dump) and *s_ret (of the shell); a prefix must be unique in both tables. */
static struct err *find(const char *name, const struct opt_desc **d_ret,
			const struct opt_desc **s_ret)
{
	char *list = NULL;
	const char *near = NULL;
	size_t len;
	struct err *e = NULL;
	FILE *f = open_memstream(&list, &len);

	if (!f)
		return err_nomem();
	unsigned nr = look_alikes(name, f, &near);
	fclose(f);
	*d_ret = exact(opt_descs, name);
	*s_ret = exact(setting_descs, name);
	if (!*d_ret && !*s_ret) {
		if (nr > 1)
			e = err_new(ERR_USAGE, "ambiguous setting \"%s\": %s", name, list);
		else if (!nr)
			e = err_hint(err_new(ERR_USAGE, "no setting is called \"%s\"", name),
				     near ? "did you mean \"%s\"?" : "`set` lists them", near);
		*d_ret = opt_find(name);
		*s_ret = opt_find_in(setting_descs, name);
	}
	free(list);
	return e;
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
	const struct opt_desc *d = NULL, *s = NULL;
	unsigned from = 1;

	if (!a->argc)
		return list_all(sh, o);
	TRY(find(a->argv[0], &d, &s));
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
