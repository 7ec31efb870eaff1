/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The line typed in a view: readline edits it, with the prompt's completion, history and key
 * bindings; the view draws it.  Readline gets its bytes from here and prints to /dev/null.
 */
#include "shell/view_line.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
/* readline wants stdio first */
#include <readline/history.h>
#include <readline/readline.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "shell/history.h"
#include "shell/rlcomplete.h"

#define CTRL_G 7 /* readline: leave the incremental search */
#define CTRL_J 10

static struct {
	struct view_session *v;
	FILE *nowhere,
		*keys; /* keys: a pipe, since readline also asks whether more has been typed */
	int to_keys;
	bool active;
	bool done;  /* the line was entered or given up */
	char *line; /* what was entered; NULL: given up */
	/* of the prompt, while a view has readline */
	FILE *in, *out;
	rl_voidfunc_t *redisplay, *deprep;
	rl_vintfunc_t *prep;
	rl_getc_func_t *getc;
	char *bell;
	HISTORY_STATE *commands; /* while the history is that of the searches */
} typed;

static HISTORY_STATE searches; /* also filters and addresses */

static int line_getc(FILE *f)
{
	unsigned char c;

	return read(fileno(f), &c, 1) == 1 ? c : EOF;
}

static void line_redisplay(void)
{
	ui_line_show(&typed.v->ui, rl_display_prompt, rl_line_buffer, (size_t)rl_point);
}

static void line_entered(char *line)
{
	rl_callback_handler_remove();
	typed.done = true;
	typed.line = line;
}

static void line_offer(char **matches, int nr, int longest)
{
	AUTO_FREE char *text = rlcomplete_text(matches, (size_t)nr, longest);

	ui_line_offer(&typed.v->ui, text);
}

static int line_start(void)
{
	const char *text = typed.v->ui.typed.text;

	if (*text)
		rl_insert_text(text); /* the filter that is in force */
	return 0;
}

/* Before the terminal is opened: readline asks the terminal's description for its keys, and curses has to
 * have the last word on which terminal that is. */
struct err *view_line_prepare(struct shell *sh)
{
	int fds[2];

	if (typed.keys)
		return NULL;
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(errno, "cannot make a pipe for the keys");
	typed.keys = fdopen(fds[0], "r");
	typed.to_keys = fds[1];
	typed.nowhere = fopen("/dev/null", "we");
	if (!typed.keys || !typed.nowhere)
		return err_sys(errno, "cannot open /dev/null");
	rlcomplete_install(sh);
	rl_initialize();
	return NULL;
}

static void line_begin(struct view_session *v)
{
	char prompt[] = { v->ui.typed.kind, '\0' };

	typed.v = v;
	typed.active = true;
	typed.done = false;
	typed.line = NULL;
	typed.in = rl_instream;
	typed.out = rl_outstream;
	typed.redisplay = rl_redisplay_function;
	typed.prep = rl_prep_term_function;
	typed.deprep = rl_deprep_term_function;
	typed.getc = rl_getc_function;
	typed.bell = xstrdup(rl_variable_value("bell-style") ?: "audible");
	rl_variable_bind("bell-style", "none");
	rl_instream = typed.keys;
	rl_outstream = typed.nowhere;
	rl_redisplay_function = line_redisplay;
	rl_prep_term_function = NULL;
	rl_deprep_term_function = NULL;
	rl_getc_function = line_getc;
	rl_startup_hook = line_start;
	rlcomplete_display(line_offer);
	if (v->ui.typed.kind != ':') {
		typed.commands = history_get_history_state();
		history_set_history_state(&searches);
	}
	rl_callback_handler_install(prompt, line_entered);
}

static void line_end(void)
{
	if (!typed.done)
		rl_callback_handler_remove();
	if (typed.line && typed.commands && *typed.line)
		add_history(typed.line);
	else if (typed.line && !typed.commands)
		history_append(typed.line);
	if (typed.commands) {
		HISTORY_STATE *now = history_get_history_state();

		searches = *now;
		free(now);
		history_set_history_state(typed.commands);
		free(TAKE_PTR(typed.commands));
	}
	rlcomplete_display(NULL);
	rl_startup_hook = NULL;
	rl_getc_function = typed.getc;
	rl_deprep_term_function = typed.deprep;
	rl_prep_term_function = typed.prep;
	rl_redisplay_function = typed.redisplay;
	rl_instream = typed.in;
	rl_outstream = typed.out;
	rl_variable_bind("bell-style", typed.bell);
	free(TAKE_PTR(typed.bell));
	typed.active = false;
}

static void line_feed(const void *bytes, size_t nr)
{
	int left;

	if (write(typed.to_keys, bytes, nr) != (ssize_t)nr)
		return; /* a pipe has room for one key */
	while (!typed.done && !ioctl(fileno(typed.keys), FIONREAD, &left) && left)
		rl_callback_read_char();
}

/* A key as the bytes that a terminal sends for it; 0: none. */
static size_t line_bytes(int key, char *buf)
{
	static const struct {
		int key;
		const char *bytes;
	} keys[] = {
		{ K_UP, "\033[A" },   { K_DOWN, "\033[B" }, { K_RIGHT, "\033[C" },
		{ K_LEFT, "\033[D" }, { K_HOME, "\033[H" }, { K_END, "\033[F" },
		{ K_ENTER, "\r" },    { K_DELETE, "\004" },
	};
	unsigned c = (unsigned)key;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (keys[i].key == key)
			return strlen(strcpy(buf, keys[i].bytes));
	if (key <= 0 || key >= K_UP)
		return 0;
	if (c < 0x80) {
		buf[0] = (char)c;
		return 1;
	}

	unsigned more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;

	buf[0] = (char)((0xf0 << (3 - more) & 0xf0) | c >> 6 * more);
	for (unsigned i = 1; i <= more; i++)
		buf[i] = (char)(0x80 | (c >> 6 * (more - i) & 0x3f));
	return more + 1;
}

enum ui_effect view_line_key(struct view_session *v, int key, int meta)
{
	char bytes[9];
	size_t nr;

	if (!typed.active)
		line_begin(v);
	ui_line_offer(&v->ui, NULL);
	if (RL_ISSTATE(RL_STATE_ISEARCH) && key == K_ESC && !meta) {
		line_feed("\n", 1); /* ends the search, the line stays */
	} else if (key == K_ESC && meta) {
		bytes[0] = K_ESC;
		nr = line_bytes(meta, bytes + 1);
		if (nr)
			line_feed(bytes, nr + 1);
	} else if (key == K_ESC) {
		typed.line = NULL;
		line_end();
		return ui_line_done(&v->ui, NULL, v->now);
	} else if ((key == K_TAB && v->ui.typed.kind != ':') || (key == K_DELETE && !rl_end)) {
		return UI_NOTHING; /* nothing to complete, nothing to delete */
	} else if ((key == K_BACKSPACE || key == 8) && !rl_end && !RL_ISSTATE(RL_STATE_ISEARCH)) {
		return view_line_key(v, K_ESC, 0);
	} else {
		nr = line_bytes(key, bytes);
		if (!nr)
			return UI_NOTHING;
		line_feed(bytes, nr);
	}
	if (!typed.done)
		return UI_DRAW;
	line_end();

	AUTO_FREE char *line = TAKE_PTR(typed.line);

	return ui_line_done(&v->ui, line, v->now);
}

enum ui_effect view_line_interrupt(struct view_session *v)
{
	if (!RL_ISSTATE(RL_STATE_ISEARCH))
		return view_line_key(v, K_ESC, 0);
	line_feed(&(char){ CTRL_G }, 1);
	return UI_DRAW;
}
