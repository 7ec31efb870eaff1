/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shell/argv.h"
#include "shell/cmd.h"
#include "shell/cmds.h"
#include "shell/docs.h"
#include "shell/history.h"
#include "shell/signals.h"
#include "shell/version.h"
#include "shell/view.h"

/* For somebody who reads of a failure in a job's output, when the target is free again. */
static void main_report(struct shell *sh)
{
	const char *file = sh->report;

	if (!file || sh->interactive)
		return;
	sh->report = NULL; /* once, also if it fails itself */
	AUTO_FREE char *line = xstrdup("report");

	line_add_quoted(&line, file);
	report_error(sh, shell_exec(sh, line));
}

/* Runs one of the lines that the command line is translated to; true: go on. */
static bool main_line(struct shell *sh, const char *line, int *status)
{
	signals_command(sh->session);
	struct err *e = shell_exec(sh, line);
	signals_command(NULL);
	int code = err_exit_status(e);

	report_error(sh, e);
	report_gone(sh);
	if (!code)
		return !sh->quit && !signals_quit();
	main_report(sh);
	if (sh->interactive) /* the user sees the error and goes on from there */
		return true;
	if (sh->settings.keep_going && !sh->quit && !signals_quit()) {
		if (!sh->kept_status)
			sh->kept_status = code;
		return true;
	}
	*status = code;
	return false;
}

/* `command` followed by the quoted words. */
static bool main_words(struct shell *sh, const char *command, char *const *words, int *status)
{
	AUTO_FREE char *line = xstrdup(command);

	for (; *words; words++)
		line_add_quoted(&line, *words);
	return main_line(sh, line, status);
}

static bool main_word(struct shell *sh, const char *command, const char *word, int *status)
{
	char *words[] = { (char *)word, NULL };

	return main_words(sh, command, words, status);
}

static void main_rc(struct shell *sh)
{
	AUTO_FREE char *rc = xdg_path("XDG_CONFIG_HOME", ".config", "rc");
	int status;

	if (rc && access(rc, F_OK) == 0)
		main_word(sh, "source", rc, &status);
}

static bool main_stdin(struct shell *sh, int *status)
{
	signals_command(sh->session);
	struct err *e = shell_source(sh, "-");
	signals_command(NULL);
	*status = err_exit_status(e);
	report_error(sh, e);
	if (*status)
		main_report(sh);
	return !*status;
}

/* Where the first -ex 'commit DIR' will put the images, for `set reserve`; only plain names are
 * understood. */
static void main_foresee_commit(struct shell *sh, const struct argv_options *o)
{
	for (size_t i = 0; i < o->nr_script; i++) {
		const char *text = o->script[i].text;

		if (o->script[i].file || strncmp(text, "commit ", 7))
			continue;
		text += 7 + strspn(text + 7, " ");
		if (*text && *text != '-' && !strpbrk(text, " \t\"'\\$;|>&#"))
			session_opts(sh->session)->reserve_for = xstrdup(text);
		return;
	}
}

/* Everything before the prompt; false: leave without a prompt. */
static bool main_script(struct shell *sh, const struct argv_options *o, int *status)
{
	if (sh->interactive)
		main_rc(sh);
	main_foresee_commit(sh, o);
	if (o->pid && !main_word(sh, "attach", o->pid, status))
		return false;
	if (o->demo && !main_line(sh, "demo", status))
		return false;
	if (o->snapshot && !main_word(sh, "open", o->snapshot, status))
		return false;
	if (o->program && !main_words(sh, "run", o->program, status))
		return false;
	for (size_t i = 0; i < o->nr_script; i++) {
		const struct script_item *item = &o->script[i];

		if (!(item->file ? main_word(sh, "source", item->text, status) :
				   main_line(sh, item->text, status)))
			return false;
	}
	return true;
}

/* `stepdump check PID`: one command that needs no session. */
static int main_command(struct shell *sh, char **words)
{
	const struct cmd_entry *c = NULL;
	int status = 0;

	for (const struct cmd_entry *const *t = sh->commands; *t && !c; t++)
		if (!strcmp((*t)->name, words[0]))
			c = *t;
	if (!c || !(c->flags & CMD_ALONE)) {
		struct err *e =
			c ? err_hint(err_new(ERR_USAGE, "%s needs a session", words[0]),
				     "stepdump -p PID -ex '%s ...'", words[0]) :
			    err_hint(err_new(ERR_USAGE, "unexpected argument \"%s\"", words[0]),
				     "stepdump -p PID, or stepdump -- PROGRAM ARGS");

		status = err_exit_status(e);
		report_error(sh, e);
		return status;
	}
	if (main_words(sh, words[0], words + 1, &status) && sh->findings)
		status = 1;
	return status;
}

static int main_session(struct shell *sh, const struct argv_options *o)
{
	int status = o->command ? main_command(sh, o->command) : 0;
	bool go_on = !o->command && main_script(sh, o, &status);

	if (go_on && sh->interactive) {
		if (!sh->quiet)
			notice(sh, "stepdump %s - `help` lists the commands, `attach PID` begins",
			       STEPDUMP_VERSION);
		shell_loop(sh);
	} else if (go_on && !(o->batch && o->nr_script)) {
		main_stdin(sh, &status);
	}
	shell_close_replay(sh);
	if (!status)
		status = sh->kept_status;
	/* The status of a criu that was run is ours, as with any program that runs another. */
	int criu = session_watch_status(sh->session, sh->batch);
	struct err *e = shell_deinit(sh);

	if (criu)
		status = criu;
	if (e) {
		if (status != 5) /* harm done to a target outweighs any other failure */
			status = err_exit_status(e);
		report_error(sh, e);
	}
	if (status != 5 && signals_quit())
		status = 128 + signals_quit();
	return status;
}

static struct err *main_options(struct shell *sh, const struct argv_options *o)
{
	bool terminal = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);

	sh->interactive = terminal && !o->batch;
	sh->batch = !sh->interactive;
	sh->quiet = o->quiet || o->json;
	sh->readonly = o->readonly;
	if (sh->readonly)
		session_only_look(sh->session);
	sh->relative = o->relative;
	sh->settings.json = o->json;
	sh->settings.ascii |= o->ascii;
	sh->keys = o->keys;
	sh->report = o->report;
	if (o->batch) { /* nobody looks at the frozen target */
		session_opts(sh->session)->thaw = THAW_AUTO;
		session_opts(sh->session)->reserve = RESERVE_AUTO;
		session_opts(sh->session)->early = true;
	}
	if (o->lessons)
		sh->settings.lessons = xstrdup(o->lessons);
	if (o->preflight)
		TRY(session_set(sh->session, opt_find("preflight"), o->preflight));
	if (o->size)
		TRY(view_parse_size(o->size, &sh->screen_rows, &sh->screen_cols));
	if (o->color)
		return opt_parse(&sh->settings, opt_find_in(setting_descs, "color"), o->color);
	if (sh->batch)
		sh->settings.color = COLOR_NEVER;
	return NULL;
}

static int main_completions(const char *line)
{
	struct shell sh;
	struct complist l;
	struct err *e = shell_init(&sh, cmd_table);

	if (e) {
		err_free(e);
		return 1;
	}
	complete_line(&sh, line, strlen(line), &l);
	for (size_t i = 0; i < l.nr; i++)
		printf("%s\n", l.v[i].text);
	complist_deinit(&l);
	e = shell_deinit(&sh);
	int status = err_exit_status(e);
	err_free(e);
	return status;
}

static int main_run(const struct argv_options *o)
{
	struct shell sh;
	struct err *e;

	switch (o->mode) {
	case MODE_HELP:
		docs_usage(stdout);
		return 0;
	case MODE_VERSION:
		printf("stepdump %s\n", STEPDUMP_VERSION);
		return 0;
	case MODE_MAN:
		docs_man(stdout);
		return 0;
	case MODE_MARKDOWN:
		docs_markdown(stdout);
		return 0;
	case MODE_FAILURES:
		docs_failures(stdout);
		return 0;
	case MODE_EXAMPLES:
		docs_examples(stdout);
		return 0;
	case MODE_COMPLETE:
		return main_completions(o->complete);
	case MODE_RUN:
		break;
	}
	e = shell_init(&sh, cmd_table);
	if (!e)
		e = main_options(&sh, o);
	if (e) {
		int status = err_exit_status(e);

		report_error(&sh, e);
		err_free(shell_deinit(&sh));
		return status;
	}
	habits_install(&sh);
	signals_install(sh.interactive);
	return main_session(&sh, o);
}

int main(int argc, char **argv)
{
	struct argv_options o;

	setlocale(LC_CTYPE, "");
	setvbuf(stdout, NULL, _IOLBF, 0);
	struct err *e = argv_parse(argc, argv, &o);
	if (e) {
		struct shell none = { 0 };
		int status = err_exit_status(e);

		report_error(&none, e);
		return status;
	}
	int status = main_run(&o);
	argv_deinit(&o);
	if (fflush(stdout) && !status)
		status = 1;
	return status;
}
