/* SPDX-License-Identifier: GPL-3.0-or-later */
/* set */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "shell/cmd.h"
#include "shell/cmds.h"
#include "shell/dispatch.h"
#include "shell/lookup.h"

static void set_list(const void *base, const struct opt_desc *descs, json_object *all,
		     struct out *o)
{
	for (const struct opt_desc *d = descs; d->name; d++) {
		AUTO_FREE char *value = opt_print(base, d);

		out_printf(o, "%-14s %-10s %s\n", d->name, *value ? value : "-", d->summary);
		json_object_object_add(all, d->name, json_object_new_string(value));
	}
}

static struct err *set_list_all(struct shell *sh, struct out *o)
{
	json_object *all = json_object_new_object();

	out_printf(o, "of the dump\n");
	set_list(session_opts(sh->session), opt_descs, all, o);
	out_printf(o, "\nof the shell\n");
	set_list(&sh->settings, setting_descs, all, o);
	out_member(o, "settings", all);
	return NULL;
}

static const struct opt_desc *set_exact(const struct opt_desc *descs, const char *name)
{
	const struct opt_desc *d = opt_find_in(descs, name);

	return d && !strcmp(d->name, name) ? d : NULL;
}

/* Sets one of *d_ret (a setting of the dump) and *s_ret (of the shell); a prefix must be unique in
 * both tables. */
static struct err *set_find(const char *name, const struct opt_desc **d_ret,
			    const struct opt_desc **s_ret)
{
	AUTO_NAMES struct names fits = { 0 };
	AUTO_NAMES struct names all = { 0 };
	const struct opt_desc *const tables[] = { opt_descs, setting_descs };

	for (size_t i = 0; i < 2; i++)
		for (const struct opt_desc *d = tables[i]; d->name; d++) {
			names_add(&all, d->name);
			if (!strncmp(d->name, name, strlen(name)))
				names_add(&fits, d->name);
		}
	*d_ret = set_exact(opt_descs, name);
	*s_ret = set_exact(setting_descs, name);
	if (*d_ret || *s_ret)
		return NULL;
	if (fits.nr != 1)
		return lookup_failed("setting", name, &fits, &all, "`set` lists them");
	*d_ret = opt_find(name);
	*s_ret = opt_find_in(setting_descs, name);
	return NULL;
}

static void set_show(const void *base, const struct opt_desc *d, struct out *o)
{
	AUTO_FREE char *value = opt_print(base, d);

	out_printf(o, "%s = %s  (%s: %s)\n", d->name, *value ? value : "-", d->values, d->summary);
	out_member(o, d->name, json_object_new_string(value));
}

/* logging FILE|off: all lines and what they print go into FILE as well. */
static struct err *set_logging(struct shell *sh, const struct args *a, struct out *o)
{
	struct habits *h = &sh->habits;

	if (a->argc == 1) {
		out_printf(o, "logging = %s\n", h->log ? h->log_path : "off");
		return NULL;
	}
	if (a->argc != 2)
		return cmd_usage(&cmd_set);
	if (sh->readonly && strcmp(a->argv[1], "off") != 0)
		return dispatch_readonly("set logging");
	if (h->log)
		fclose(TAKE_PTR(h->log));
	free(TAKE_PTR(h->log_path));
	if (!strcmp(a->argv[1], "off"))
		return NULL;

	int fd = create_private(AT_FDCWD, a->argv[1], O_WRONLY | O_APPEND);

	if (fd < 0)
		return err_sys(errno, "cannot write \"%s\"", a->argv[1]);
	h->log = fdopen(fd, "a");
	if (!h->log)
		abort();
	setvbuf(h->log, NULL, _IOLBF, 0);
	h->log_path = xstrdup(a->argv[1]);
	out_printf(o, "logging to %s\n", a->argv[1]);
	return NULL;
}

static struct err *set_exec(struct shell *sh, const struct args *a, struct out *o)
{
	const struct opt_desc *d = NULL, *s = NULL;
	unsigned from = 1;

	if (!a->argc)
		return set_list_all(sh, o);
	if (!strcmp(a->argv[0], "logging"))
		return set_logging(sh, a, o);
	TRY(set_find(a->argv[0], &d, &s));
	if (a->argc == 1) {
		set_show(d ? (void *)session_opts(sh->session) : &sh->settings, d ? d : s, o);
		return NULL;
	}
	if (!strcmp(a->argv[1], "=")) /* gdb's spelling */
		from = 2;
	if (d && a->argc == from + 2 && !strcmp(d->name, "xfer") &&
	    !strcmp(a->argv[from], "server"))
		TRY(session_set(sh->session, opt_find("server"), a->argv[from + 1]));
	else if (a->argc != from + 1)
		return cmd_usage(&cmd_set);
	if (!d)
		return opt_parse(&sh->settings, s, a->argv[from]);
	return session_set(sh->session, d, a->argv[from]);
}

const struct cmd_entry cmd_set = {
	.name = "set",
	.group = GROUP_SHELL,
	.args = { 0, 4, comp_set },
	.usage = "[NAME [VALUE]] | xfer server HOST:PORT",
	.summary = "change a setting, or list all with their values",
	.help = "A setting of the dump takes effect at the next prepare, a setting of the "
		"shell at once.",
	.examples =
		(const struct cmd_example[]){
			{ "set", "all of them", "" },
			{ "set xfer null", "rehearse: the pages go nowhere", "" },
			{ "set xfer server localhost:27", "the pages go to a page server", "" },
			{ "set xfer local", "and to files again", "" },
			{ "set pmc pread", "read pagemap the old way", "" },
			{ "set logging %D/log", "everything goes into a file as well; off ends it",
			  "" },
			{ "set dir %D/dump", "where commit puts the images", "" },
			{ 0 } },
	.flags = CMD_NO_REPEAT,
	.exec = set_exec,
};
