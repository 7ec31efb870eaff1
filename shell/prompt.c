/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The prompt: readline's callback interface around one ppoll(), so that signals arrive while we
 * wait and a target that dies is reported at once.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* readline wants stdio first */
#include <readline/readline.h>

#include "shell/history.h"
#include "shell/rlcomplete.h"
#include "shell/shell.h"
#include "shell/signals.h"

#define DEATH_POLL_MS 500

static struct shell *at_prompt; /* readline's callbacks take no argument */

static void prompt_text(char *buf, size_t len)
{
	char where[128];
	bool color = settings_color(&at_prompt->settings, STDERR_FILENO);

	if (at_prompt->habits.open) { /* lines of a block */
		snprintf(buf, len, "> ");
		return;
	}
	shell_position(at_prompt, where, sizeof(where));
	/* \001 and \002 enclose what takes no room on the line, for readline. */
	snprintf(buf, len, "%s(%s)%s ", color ? "\001\033[1m\002" : "", *where ? where : "stepdump",
		 color ? "\001\033[0m\002" : "");
}

static void prompt_on_line(char *line);

static void prompt_install(void)
{
	char prompt[192];

	prompt_text(prompt, sizeof(prompt));
	rl_callback_handler_install(prompt, prompt_on_line);
}

static void prompt_on_line(char *line)
{
	/* Removed first: the command, its pager or a suspended shell get a normal terminal. */
	rl_callback_handler_remove();
	if (!line) {
		fputs("quit\n", stderr);
		at_prompt->quit = true;
		return;
	}
	history_append(line);
	signals_command(at_prompt->session);
	struct err *e = shell_exec_typed(at_prompt, line);
	signals_command(NULL);
	report_error(at_prompt, e);
	report_gone(at_prompt);
	free(line);
	if (!at_prompt->quit && !signals_quit())
		prompt_install();
}

/* Erases the half-typed line and leaves the cursor in column 0. */
static void prompt_clear_line(void)
{
	rl_free_line_state();
	rl_callback_sigcleanup();
	fputs("^C\n", stderr);
	rl_replace_line("", 0);
	rl_on_new_line();
	rl_redisplay();
}

static void prompt_suspend(void)
{
	rl_callback_handler_remove();
	fputc('\n', stderr);
	if (session_has_target(at_prompt->session))
		notice(at_prompt, "suspended; target %d stays frozen until `fg`",
		       (int)session_pid(at_prompt->session));
	raise(SIGSTOP);
	prompt_install();
}

/* Prints above the prompt and keeps the half-typed line. */
static void prompt_look_at_target(void)
{
	if (at_prompt->gone_told || !session_has_target(at_prompt->session) ||
	    !session_target_gone(at_prompt->session))
		return;
	fputc('\n', stderr);
	report_gone(at_prompt);
	rl_on_new_line();
	rl_redisplay();
}

/* Waits for input.  False: a signal asks us to leave. */
static bool prompt_wait(void)
{
	struct pollfd fd = { .fd = fileno(rl_instream), .events = POLLIN };
	struct timespec tick = { .tv_nsec = DEATH_POLL_MS * 1000000l };
	sigset_t old;
	int n = 0;

	signals_block(&old);
	while (!signals_quit()) {
		if (signals_take_int())
			prompt_clear_line();
		if (signals_take_tstp())
			prompt_suspend();
		if (signals_take_winch())
			rl_resize_terminal();
		n = ppoll(&fd, 1, session_has_target(at_prompt->session) ? &tick : NULL, &old);
		if (n > 0 || (n < 0 && errno != EINTR))
			break;
		if (!n)
			prompt_look_at_target();
	}
	signals_unblock(&old);
	return !signals_quit() && n > 0;
}

void shell_loop(struct shell *sh)
{
	at_prompt = sh;
	rl_outstream = stderr; /* prompts are not data */
	rlcomplete_install(sh);
	history_load();
	prompt_install();
	while (!sh->quit && prompt_wait())
		rl_callback_read_char();
	rl_callback_handler_remove();
	if (signals_quit())
		fputc('\n', stderr);
}
