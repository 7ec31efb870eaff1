/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/out.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "proto/json.h"
#include "shell/shell.h"
#include "shell/signals.h"

#define WIDTH_WITHOUT_TERMINAL 100
#define PAGER_DEFAULT "less -FRX"

void term_size(unsigned *rows_ret, unsigned *cols_ret)
{
	struct winsize w;

	*rows_ret = 24;
	*cols_ret = 80;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0)
		return;
	if (w.ws_row)
		*rows_ret = w.ws_row;
	if (w.ws_col)
		*cols_ret = w.ws_col;
}

static unsigned out_width(bool tty)
{
	const char *columns = getenv("COLUMNS");
	unsigned rows, cols;

	if (tty) {
		term_size(&rows, &cols);
		return cols;
	}
	long n = columns ? strtol(columns, NULL, 10) : 0;
	return n >= 20 && n <= 1000 ? (unsigned)n : WIDTH_WITHOUT_TERMINAL;
}

/* Starts `sh -c command` reading from the returned stream. */
static struct err *out_open_pipe(const char *command, FILE **ret, pid_t *child_ret)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(errno, "cannot make a pipe for \"%s\"", command);
	fflush(stdout);
	pid_t pid = fork();
	if (pid < 0) {
		struct err *e = err_sys(errno, "cannot start \"%s\"", command);

		close(fds[0]);
		close(fds[1]);
		return e;
	}
	if (!pid) {
		signal(SIGPIPE, SIG_DFL);
		signal(SIGINT, SIG_DFL);
		dup2(fds[0], STDIN_FILENO);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(fds[0]);
	*child_ret = pid;
	*ret = fdopen(fds[1], "w");
	if (!*ret)
		abort();
	return NULL;
}

static struct err *out_close_pipe(FILE *f, pid_t child, const char *command)
{
	int status;

	fclose(f);                               /* EPIPE: the reader had enough */
	if (!signals_wait_child(child, &status)) /* a pager must not keep the target frozen */
		return NULL;
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGPIPE && WTERMSIG(status) != SIGINT)
		return err_new(ERR_SYS, "\"%s\" was killed by signal %d", command,
			       WTERMSIG(status));
	/* 1 is how grep and diff say "no". */
	if (WIFEXITED(status) && WEXITSTATUS(status) > 1)
		return err_new(ERR_SYS, "\"%s\" ended with exit status %d", command,
			       WEXITSTATUS(status));
	return NULL;
}

/* Opened before the command runs, so that an error comes first; emptied and written afterwards. */
static struct err *out_open_file(const struct line *line, struct out *o)
{
	int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (line->append ? O_APPEND : 0);

	o->append = line->append;
	o->fd = open(line->file, flags | O_EXCL, 0666);
	o->created = o->fd >= 0;
	if (o->fd < 0 && errno == EEXIST)
		o->fd = open(line->file, flags, 0666);
	if (o->fd < 0)
		return err_sys(errno, "cannot write \"%s\"", line->file);
	o->dest = open_memstream(&o->file_buf, &o->file_len);
	if (!o->dest)
		abort();
	return NULL;
}

static struct err *out_write_file(struct out *o, bool failed, bool *kept_ret)
{
	AUTO_CLOSE int fd = TAKE_FD(o->fd);
	struct stat st;

	fclose(o->dest);
	if (failed && !o->complete && !(o->created && o->file_len)) {
		if (o->created)
			unlink(o->what);
		*kept_ret = !o->created;
		return NULL;
	}
	if (fstat(fd, &st) < 0 || (S_ISREG(st.st_mode) && !o->append && ftruncate(fd, 0) < 0) ||
	    (write_full(fd, o->file_buf, o->file_len) < 0 && errno != EPIPE))
		return err_sys(errno, "cannot write %s", o->what);
	return NULL;
}

static struct err *out_open_dest(const struct shell *sh, const struct line *line, struct out *o)
{
	const char *what = line->pipe ? line->pipe : line->file;

	o->dest = sh->dest ? sh->dest : stdout;
	if (!what)
		return NULL;
	o->owned = true;
	o->what = xstrdup(what);
	return line->pipe ? out_open_pipe(line->pipe, &o->dest, &o->child) : out_open_file(line, o);
}

struct err *out_open(const struct shell *sh, const struct line *line, bool streams, struct out *o)
{
	*o = (struct out){ .fd = -1 };
	struct err *e = out_open_dest(sh, line, o);

	if (e) {
		free(o->what);
		return e;
	}
	bool plain = o->dest == stdout;

	o->log = plain ? sh->habits.log : NULL;
	o->tty = plain && isatty(STDOUT_FILENO);
	o->width = !o->tty && sh->width ? sh->width : out_width(o->tty);
	if (plain ? settings_color(&sh->settings, STDOUT_FILENO) :
		    sh->settings.color == COLOR_ALWAYS)
		o->theme = settings_theme(&sh->settings);
	o->page = o->tty && sh->interactive && sh->settings.pager && !streams && !sh->depth;
	if (sh->settings.json)
		o->json = json_object_new_object();
	/* The stream keeps the addresses of buf and len: `o` must stay where it is. */
	o->f = o->json || o->page ? open_memstream(&o->buf, &o->len) : o->dest;
	if (!o->f)
		abort();
	return NULL;
}

/* `r` is what a stdio function returned. */
static void out_note_failure(struct out *o, int r)
{
	if (r < 0 && !o->failed)
		o->failed = errno;
}

/* Rows that `text` takes on a terminal; bytes count as columns, which is close enough here. */
static size_t out_rows(const char *text, size_t len, unsigned cols)
{
	size_t rows = 0, col = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n' || ++col > cols) {
			rows++;
			col = 0;
		}
	}
	return rows;
}

static struct err *out_show_paged(struct out *o)
{
	const char *pager = getenv("STEPDUMP_PAGER");
	unsigned rows, cols;
	FILE *f;
	pid_t child;

	if (!pager)
		pager = getenv("PAGER");
	if (!pager || !*pager)
		pager = PAGER_DEFAULT;
	term_size(&rows, &cols);
	if (out_rows(o->buf, o->len, cols) < rows || !strcmp(pager, "cat")) {
		if (fwrite(o->buf, 1, o->len, stdout) < o->len)
			out_note_failure(o, -1);
		return NULL;
	}
	TRY(out_open_pipe(pager, &f, &child));
	fwrite(o->buf, 1, o->len, f);
	return out_close_pipe(f, child, pager);
}

struct err *out_close(struct out *o, bool failed, bool *kept_ret)
{
	struct err *e = NULL;

	*kept_ret = false;

	if (o->f != o->dest)
		fclose(o->f);
	if (o->page && !o->json)
		e = out_show_paged(o);
	if (o->child) {
		e = err_first(e, out_close_pipe(o->dest, o->child, o->what));
	} else if (o->fd >= 0) {
		e = err_first(e, out_write_file(o, failed, kept_ret));
	} else {
		out_note_failure(o, fflush(o->dest));
		if (o->failed && o->failed != EPIPE)
			e = err_first(e, err_sys(o->failed, "cannot write the output"));
	}
	clearerr(stdout); /* a reader that left must not make the next command fail as well */
	json_object_put(o->json);
	free(o->buf);
	free(o->file_buf);
	free(o->what);
	return e;
}

/* The text that a command printed, as an array of lines. */
static json_object *out_text_lines(const char *text)
{
	json_object *a = json_object_new_array();

	while (*text) {
		size_t n = strcspn(text, "\n");

		json_object_array_add(a, json_object_new_string_len(text, (int)n));
		text += n + (text[n] == '\n');
	}
	return a;
}

void out_json_done(struct out *o, const char *command, json_object *error)
{
	json_object *line = json_object_new_object();

	fflush(o->f);
	json_object_object_add(line, "command", json_object_new_string(command));
	json_object_object_add(line, "ok", json_object_new_boolean(!error));
	if (error)
		json_object_object_add(line, "error", error);
	json_object_object_foreach(o->json, name, value)
		json_object_object_add(line, name, json_object_get(value));
	if (o->len && !json_object_object_length(o->json))
		json_object_object_add(line, "text", out_text_lines(o->buf));
	const char *text = json_object_to_json_string_ext(
		line, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	out_note_failure(o, fprintf(o->dest, "%s\n", text));
	json_object_put(line);
}

void plain_text(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++) {
		bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f;

		if ((*p < ' ' && *p != '\n' && *p != '\t') || *p == 0x7f || c1)
			*p = '?';
		if (c1)
			*++p = '?';
	}
}

void out_printf(struct out *o, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	plain_text(text);
	out_note_failure(o, fputs(text, o->f));
	if (o->log)
		fputs(text, o->log);
}

void out_prose(struct out *o, const char *text)
{
	size_t width = o->width < 80 ? o->width : 80, col = 0;

	for (size_t n; *text; text += n) {
		size_t blanks = strspn(text, " ");

		n = blanks + strcspn(text + blanks, " ");
		if (col && col + n >= width) {
			out_printf(o, "\n");
			text += blanks;
			n -= blanks;
			col = 0;
		}
		out_printf(o, "%.*s", (int)n, text);
		col += n;
	}
	out_printf(o, "\n");
}

void out_grid(struct out *o, const struct grid *g)
{
	AUTO_FREE char *text = o->theme && !o->json ? grid_to_ansi(g, o->theme) : grid_to_text(g);

	if (text)
		out_note_failure(o, fputs(text, o->f));
	if (o->log) {
		AUTO_FREE char *plain = grid_to_text(g);

		fputs(plain, o->log);
	}
}

void out_message(struct out *o, const ProtobufCMessage *m)
{
	json_object *all;

	if (!o->json)
		return;
	all = pb_to_json(m);
	json_object_object_foreach(all, name, value)
		json_object_object_add(o->json, name, json_object_get(value));
	json_object_put(all);
}

void out_member(struct out *o, const char *name, json_object *value)
{
	if (o->json)
		json_object_object_add(o->json, name, value);
	else
		json_object_put(value);
}
