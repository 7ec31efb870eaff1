/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "shell/cmd.h"
#include "shell/dispatch.h"
#include "shell/explain.h"
#include "shell/report.h"
#include "shell/signals.h"
#include "shell/view.h"
#include "shell/view_line.h"
#include "views/term.h"

#define IDLE_MS 500     /* a target that dies is noticed after that */
#define FRAME_US 100000 /* while a dump runs: ten frames a second at most, */
#define FRAME_SHARE 50  /* and at most one part in 50 of the time */

struct err *view_parse_size(const char *text, unsigned *rows_ret, unsigned *cols_ret)
{
	unsigned cols, rows;
	char end;

	if (sscanf(text, "%ux%u%c", &cols, &rows, &end) != 2 || !cols || !rows || cols > 1000 ||
	    rows > 1000)
		return err_new(ERR_USAGE, "\"%s\" is not a size: COLUMNSxROWS, as in 80x24", text);
	*rows_ret = rows;
	*cols_ret = cols;
	return NULL;
}

struct terminal_opts view_terminal_opts(const struct shell *sh)
{
	const char *no = getenv("NO_COLOR");
	bool color = sh->settings.color == COLOR_ALWAYS ||
		     (sh->settings.color == COLOR_AUTO && !(no && *no));

	return (struct terminal_opts){
		.theme = color ? settings_theme(&sh->settings) : theme_find("mono"),
		.mouse = sh->settings.mouse,
	};
}

struct grid view_draw(struct view_session *v)
{
	struct grid g;

	grid_init(&g, v->ui.cols, v->ui.rows);
	screen_render(&v->ui, v->now, v->before, &g);
	return g;
}

static void view_show(struct view_session *v)
{
	struct grid g;

	if (v->headless)
		return;
	terminal_dimensions(&v->ui.rows, &v->ui.cols);
	g = view_draw(v);
	terminal_draw(&g, screen_cursor(&v->ui));
	grid_deinit(&g);
}

/* If a snapshot cannot be taken, the last one stays on screen, with the reason. */
static void view_look_again(struct view_session *v)
{
	struct err *e = view_look(v);

	if (e)
		ui_message(&v->ui, TONE_BAD, "%s", e->msg ? e->msg : "no snapshot");
	err_free(e);
	if (v->now)
		return;
	v->now = v->before;
	v->before = NULL;
	if (v->now)
		return;
	v->now = xcalloc(1, sizeof(*v->now));
	stepdump__snapshot__init(v->now);
	v->opened = false;
}

static void view_follow(struct view_session *v)
{
	if (!ui_follow(&v->ui, v->now))
		return;

	/* The engine named an address and no VMA. */
	struct snap_request req = { .parts = SNAP_VMAS };
	Stepdump__Snapshot *all;
	struct err *e = shell_snap(v->sh, &req, &all);

	if (!e) {
		ui_find(&v->ui, all);
		shell_snap_free(v->sh, all);
	}
	err_free(e);
}

static void view_find_in_all(struct view_session *v)
{
	struct snap_request req = { .parts = ui_find_needs(&v->ui) };
	Stepdump__Snapshot *all;
	struct err *e = shell_snap(v->sh, &req, &all);

	if (e) {
		ui_message(&v->ui, TONE_BAD, "%s", e->msg);
		err_free(e);
		return;
	}
	ui_find(&v->ui, all);
	shell_snap_free(v->sh, all);
}

/* ---- commands ------------------------------------------------------------------------------ */

/* All output goes into a file in memory, that of children too. */
struct caught {
	int out, err, file;
};

static struct err *view_catch_output(struct caught *c)
{
	fflush(stdout);
	fflush(stderr);
	c->file = memfd_create("stepdump-view", MFD_CLOEXEC);
	c->out = dup(STDOUT_FILENO);
	c->err = dup(STDERR_FILENO);
	if (c->file < 0 || c->out < 0 || c->err < 0 || dup2(c->file, STDOUT_FILENO) < 0 ||
	    dup2(c->file, STDERR_FILENO) < 0)
		return err_sys(errno, "cannot catch the output of a command");
	return NULL;
}

/* Heap; NULL if there was none. */
static char *view_caught_output(struct caught *c)
{
	off_t len;
	char *text = NULL;

	fflush(stdout);
	fflush(stderr);
	dup2(c->out, STDOUT_FILENO);
	dup2(c->err, STDERR_FILENO);
	close(c->out);
	close(c->err);
	len = lseek(c->file, 0, SEEK_END);
	if (len > 0 && (text = xcalloc(1, (size_t)len + 1)) &&
	    pread(c->file, text, (size_t)len, 0) != (ssize_t)len) {
		free(text);
		text = NULL;
	}
	close(c->file);
	return text;
}

static bool view_wants_terminal(struct view_session *v, const char *line)
{
	struct resolved r;
	struct err *e = line_resolve(v->sh->commands, &v->sh->aliases, line, &r);
	bool wants;

	if (e) { /* running it will report what is wrong with it */
		err_free(e);
		return false;
	}
	wants = r.cmd && r.cmd->flags & CMD_TERMINAL;
	resolved_deinit(&r);
	return wants;
}

static void view_run_on_terminal(struct view_session *v)
{
	terminal_leave();
	struct err *e = shell_exec(v->sh, v->ui.command.line);
	report_error(v->sh, e);
	fprintf(stderr, "\nEnter goes back to the view ");
	int c;
	do
		c = getchar();
	while (c != '\n' && c != EOF && !signals_quit());
	terminal_return();
}

/* The message line shows the first line of an error, a pane the others, unless a key that steps the dump
 * would bring it up each time. */
static void view_tell_error(struct view_session *v, struct err *e)
{
	AUTO_FREE char *text = error_text(v->sh, e);
	size_t first = strcspn(text, "\n");
	char message[sizeof(v->ui.message.text)];

	ui_message(&v->ui, e->code == ERR_INTERRUPTED ? TONE_WARN : TONE_BAD, "%.*s", (int)first,
		   text);
	memcpy(message, v->ui.message.text, sizeof(message));
	if (text[first + 1] && (first >= sizeof(message) ||
				grid_text_width(message) + 4 > v->ui.cols || !v->ui.command.steps))
		ui_page(&v->ui, "error", text);
	err_free(e);
}

static void view_run_command(struct view_session *v)
{
	struct shell *sh = v->sh;
	struct caught c;
	unsigned width = sh->width;
	char command[sizeof(v->ui.command.line)];

	memcpy(command, v->ui.command.line, sizeof(command));
	if (!v->headless && view_wants_terminal(v, command)) {
		view_run_on_terminal(v);
		view_look_again(v);
		return;
	}
	if (v->ui.command.steps && !v->opened) {
		if (v->before)
			stepdump__snapshot__free_unpacked(v->before, NULL);
		v->before = v->now;
		v->now = NULL;
	}
	struct err *e = view_catch_output(&c);
	if (!e) {
		sh->width = v->ui.cols;
		v->next_frame_us = 0;
		signals_command(sh->session);
		e = shell_exec(sh, command);
		signals_command(NULL);
		sh->width = width;

		char *text = view_caught_output(&c);

		*v->ui.message.text = '\0';
		if (text && v->ui.command.steps) {
			/* Where it stopped is on screen; the last line says why. */
			char *last = text + strlen(text);

			while (last > text && last[-1] == '\n')
				*--last = '\0';
			last = strrchr(text, '\n');
			ui_message(&v->ui, TONE_NORMAL, "%s", last ? last + 1 : text);
		} else if (text) {
			ui_page(&v->ui, command, text);
		}
		free(text);
	}
	if (e)
		view_tell_error(v, e);
	view_look_again(v);
	/* The file is unrelated to the live data shown before. */
	if (v->opened && v->before) {
		stepdump__snapshot__free_unpacked(v->before, NULL);
		v->before = NULL;
	}
	if (v->ui.command.steps && v->now && !v->ui.stay) {
		view_follow(v);
		view_look_again(v);
	}
}

/* ---- test seams ---------------------------------------------------------------------------- */

static struct err *view_save_screen(struct view_session *v, const char *path)
{
	int fd = create_private(AT_FDCWD, path, O_WRONLY | O_TRUNC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (!f)
		return err_sys(errno, "cannot write \"%s\"", path);

	struct grid g = view_draw(v);
	const struct theme *t =
		v->sh->settings.color == COLOR_ALWAYS ? settings_theme(&v->sh->settings) : NULL;
	char *text = grid_to_ansi(&g, t);
	bool bad = fputs(text, f) < 0;

	free(text);
	grid_deinit(&g);
	return fclose(f) || bad ? err_sys(errno, "cannot write \"%s\"", path) : NULL;
}

void view_skip_comments(struct view_session *v)
{
	while (*v->keys == '#') {
		v->keys += strcspn(v->keys, "\n");
		v->keys += *v->keys == '\n';
	}
}

/* Next key of the file: text as it stands, <Name> for the others; the end of a line is Enter only
 * while a line is being typed. */
static int view_next_key(struct view_session *v)
{
	while (*v->keys) {
		const char *close;
		int c = (unsigned char)*v->keys++;

		if (c == '\n') {
			if (v->ui.mode == UI_LINE)
				return K_ENTER;
			view_skip_comments(v);
			continue;
		}
		close = c == '<' ? strchr(v->keys, '>') : NULL;
		/* "<" begins a name, but a "<" that is typed stays one. */
		if (close && (v->ui.mode != UI_LINE || close - v->keys > 1) &&
		    key_parse(v->keys, (size_t)(close - v->keys))) {
			int key = key_parse(v->keys, (size_t)(close - v->keys));

			v->keys = close + 1;
			return key;
		}
		if (c >= 0xc0) { /* UTF-8 */
			unsigned more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;

			c &= 0x3f >> more;
			while (more-- && (*v->keys & 0xc0) == 0x80)
				c = c << 6 | (*v->keys++ & 0x3f);
		}
		return c;
	}
	return K_NONE;
}

/* ---- the loop ------------------------------------------------------------------------------ */

static void view_suspend(struct view_session *v)
{
	char text[96] = "suspended";

	if (session_has_target(v->sh->session))
		snprintf(text, sizeof(text), "suspended; target %d stays frozen until `fg`",
			 (int)session_pid(v->sh->session));
	if (!v->headless)
		terminal_suspend(text);
}

/* A command about the screen, not the session. */
static bool view_own_command(struct view_session *v)
{
	char *line = v->ui.command.line + strspn(v->ui.command.line, " ");
	struct err *e = NULL;

	if (!strncmp(line, "save-screen ", 12)) {
		*v->ui.message.text = '\0';
		e = view_save_screen(v, line + 12 + strspn(line + 12, " "));
	} else if (!strncmp(line, "view ", 5) && view_find(line + 5) != NR_VIEWS) {
		v->ui.view = view_find(line + 5);
		view_look_again(v);
	} else {
		return false;
	}
	if (e)
		view_tell_error(v, e);
	return true;
}

/* The first of the words that is a term is explained, with this target's numbers. */
static void view_explain(struct view_session *v)
{
	AUTO_FREE char *words = xstrdup(v->ui.command.line);
	char *save = NULL;

	for (char *w = strtok_r(words, "\n", &save); w; w = strtok_r(NULL, "\n", &save))
		if (explain_find(explain_is, w)) {
			snprintf(v->ui.command.line, sizeof(v->ui.command.line), "explain '%s'", w);
			view_run_command(v);
			return;
		}
	ui_message(&v->ui, TONE_WARN, "nothing here is a term: `:apropos WORD` searches");
}

/* An address in hex, or $sp and the like. */
static void view_go_to(struct view_session *v)
{
	uint64_t addr;
	struct err *e = arg_addr(v->sh, v->ui.typed.text, &addr);

	if (e) {
		view_tell_error(v, e);
		return;
	}
	v->ui.place.addr = addr;
	v->ui.find.what = FIND_ADDR;
	view_find_in_all(v);
}

/* True: go on. */
static bool view_do_effect(struct view_session *v, enum ui_effect effect)
{
	switch (effect) {
	case UI_NOTHING:
	case UI_DRAW:
		return true;
	case UI_SUSPEND:
		view_suspend(v);
		return true;
	case UI_LEAVE:
		return false;
	case UI_GOTO:
		view_go_to(v);
		break;
	case UI_EXPLAIN:
		view_explain(v);
		return true;
	case UI_RUN:
		if (!view_own_command(v))
			view_run_command(v);
		if (!v->headless) {
			struct terminal_opts o = view_terminal_opts(v->sh);

			terminal_configure(&o);
		}
		v->ui.ascii = v->sh->settings.ascii;
		return !v->sh->quit;
	case UI_FIND:
		view_find_in_all(v);
		break;
	case UI_LOOK:
		break;
	}
	/* Another window: the changes in the old one are not visible any more. */
	if (v->before) {
		stepdump__snapshot__free_unpacked(v->before, NULL);
		v->before = NULL;
	}
	view_look_again(v);
	return true;
}

/* A key from the terminal or the file.  meta: see view_line_key(). */
static enum ui_effect view_on_key(struct view_session *v, int key, int meta)
{
	bool ctrl_x = v->ctrl_x;

	if (v->ui.mode == UI_LINE && key != K_SUSPEND)
		return view_line_key(v, key, meta);
	/* ^X a, as in gdb: back to the prompt. */
	v->ctrl_x = key == ('X' - '@');
	if (v->ctrl_x)
		return UI_NOTHING;
	if (ctrl_x && (key == 'a' || key == 'A' || key == ('A' - '@')))
		return ui_action(&v->ui, ACT_PROMPT, v->now);
	return ui_key(&v->ui, key, v->now);
}

static enum ui_effect view_on_mouse(struct view_session *v)
{
	unsigned row, col;
	int wheel;

	terminal_mouse(&row, &col, &wheel);
	if (!wheel)
		return ui_click(&v->ui, row, col, v->now);
	return ui_action(&v->ui, wheel < 0 ? ACT_UP : ACT_DOWN, v->now);
}

static enum ui_effect view_wait_and_act(struct view_session *v)
{
	unsigned rows = v->ui.rows, cols = v->ui.cols;
	int key, meta = 0;

	if (v->headless) {
		key = view_next_key(v);
		return key == K_NONE ? UI_LEAVE : view_on_key(v, key, 0);
	}
	key = terminal_key(IDLE_MS);
	terminal_dimensions(&v->ui.rows, &v->ui.cols);
	if (v->ui.rows != rows || v->ui.cols != cols) {
		if (key == K_NONE || key == K_RESIZE)
			return UI_LOOK;
		view_look_again(v); /* what was typed meanwhile counts */
	}
	if (signals_take_int()) {
		if (v->ui.mode == UI_LINE)
			return view_line_interrupt(v);
		ui_message(&v->ui, TONE_NORMAL, "nothing runs; q leaves the view");
		return UI_DRAW;
	}
	if (key == 'L' - '@' && v->ui.mode != UI_LINE)
		terminal_redraw();
	if (key == K_NONE && session_has_target(v->sh->session) && !v->sh->gone_told &&
	    session_target_gone(v->sh->session)) {
		v->sh->gone_told = true;
		ui_message(&v->ui, TONE_BAD,
			   "the target has died; what is known of it can still be looked at");
		return UI_LOOK;
	}
	if (key == K_NONE || key == K_RESIZE)
		return UI_NOTHING;
	if (key == K_MOUSE)
		return view_on_mouse(v);
	/* Alt with a key sends both at once; a typed ESC comes alone. */
	if (key == K_ESC && v->ui.mode == UI_LINE)
		meta = terminal_key(0);
	return view_on_key(v, key, meta < K_UP ? meta : 0);
}

/* ---- while a dump runs --------------------------------------------------------------------- */

static void view_progress(struct session *s, void *arg)
{
	struct view_session *v = arg;
	uint64_t start = now_us(), took;
	Stepdump__Snapshot *before = v->before;
	char where[48], text[128];

	if (terminal_take_suspend())
		view_suspend(v);
	if (v->headless || start < v->next_frame_us)
		return;
	session_position(s, where, sizeof(where));
	v->before = NULL; /* everything changes: nothing is highlighted */
	if (!v->ui.stay && v->now && ui_follow(&v->ui, v->now))
		v->ui.find.what = FIND_TEXT; /* no search of all VMAs for each frame */
	view_look_again(v);
	progress_text(v->now, v->progress.pages_before, start - v->progress.begin_us, text,
		      sizeof(text));
	ui_message(&v->ui, TONE_ENGINE, "running: %s   %s   ^C stops", where, text);
	view_show(v);
	v->before = before;
	/* Schedules the next frame so that drawing takes only its share of the time. */
	took = now_us() - start;
	v->next_frame_us =
		now_us() + (took * FRAME_SHARE > FRAME_US ? took * FRAME_SHARE : FRAME_US);
}

/* ---- until the operator leaves ---------------------------------------------------------------------- */

struct err *view_loop(struct view_session *v)
{
	struct shell *sh = v->sh;
	bool go_on = true;

	v->ui.relative = sh->relative;
	v->ui.ascii = sh->settings.ascii;
	if (!v->headless)
		terminal_dimensions(&v->ui.rows, &v->ui.cols);
	TRY(view_look(v));
	if (v->fresh) {
		v->fresh = false;
		view_follow(v);
		TRY(view_look(v));
	}
	v->on_progress = view_progress;
	sh->view = v;
	signals_command(NULL); /* ^C now means us; commands set it for themselves */
	while (go_on && !signals_quit()) {
		view_show(v);
		go_on = view_do_effect(v, view_wait_and_act(v));
	}
	sh->view = NULL;
	return NULL;
}
