/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "views/term.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include "views/theme.h"
/* Included last, as they define ordinary words as macros. */
#include <ncursesw/curses.h>
#include <ncursesw/term.h>
#undef tone

#define ROW_MAX 1024 /* cells handed to curses at once */
#define ESC_DELAY_MS 25

static struct {
	SCREEN *screen;
	FILE *in, *out;
	int fd;
	struct termios before;
	char restore[256]; /* the sequences that restore the terminal, ready for a signal handler */
	size_t restore_len;
	attr_t attr[NR_TONES];
	short pair[NR_TONES];
	unsigned mouse_row, mouse_col;
	int wheel;
	bool mouse;
} tty = { .fd = -1 };

static volatile sig_atomic_t is_open, want_suspend;

/* ---- back to normal, whatever happens ------------------------------------------------------ */

static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGQUIT };
#define NR_FATAL (sizeof(fatal) / sizeof(*fatal))
static struct sigaction old_fatal[NR_FATAL], old_tstp;

/* Async-signal-safe: curses itself is not. */
static void term_restore_now(void)
{
	if (!is_open)
		return;
	is_open = 0;
	if (write(tty.fd, tty.restore, tty.restore_len) < 0)
		errno = 0; /* the terminal has gone away */
	tcsetattr(tty.fd, TCSADRAIN, &tty.before);
}

static void term_on_fatal(int sig)
{
	term_restore_now();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void term_on_tstp(int sig)
{
	(void)sig;
	want_suspend = 1;
}

static void term_catch_signals(void)
{
	struct sigaction sa = { .sa_handler = term_on_fatal, .sa_flags = (int)SA_RESETHAND };

	for (size_t i = 0; i < NR_FATAL; i++)
		sigaction(fatal[i], &sa, &old_fatal[i]);
	sa = (struct sigaction){ .sa_handler = term_on_tstp };
	sigaction(SIGTSTP, &sa, &old_tstp);
}

static void term_release_signals(void)
{
	for (size_t i = 0; i < NR_FATAL; i++)
		sigaction(fatal[i], &old_fatal[i], NULL);
	sigaction(SIGTSTP, &old_tstp, NULL);
}

static void term_add_restore(const char *cap)
{
	const char *s = tigetstr(cap);
	size_t len;

	if (!s || s == (char *)-1)
		return;
	len = strcspn(s, "$"); /* padding "$<5>" is for old hardware terminals */
	if (tty.restore_len + len < sizeof(tty.restore)) {
		memcpy(tty.restore + tty.restore_len, s, len);
		tty.restore_len += len;
	}
}

static void term_prepare_restore(void)
{
	static const char mouse_off[] = "\033[?1000l\033[?1006l";

	tty.restore_len = 0;
	if (tty.mouse) {
		memcpy(tty.restore, mouse_off, sizeof(mouse_off) - 1);
		tty.restore_len = sizeof(mouse_off) - 1;
	}
	term_add_restore("rmkx");
	term_add_restore("sgr0");
	term_add_restore("cnorm");
	term_add_restore("rmcup");
}

/* ---- themes -------------------------------------------------------------------------------- */

/* A colour of the 256-colour cube on a terminal that has eight. */
static int nearest_of_8(int c)
{
	if (c >= 232)
		return 7;
	c -= 16;
	return (c / 36 >= 2 ? 1 : 0) | (c / 6 % 6 >= 2 ? 2 : 0) | (c % 6 >= 3 ? 4 : 0);
}

static int colour_for_terminal(int c, attr_t *attr)
{
	if (c < COLORS)
		return c;
	if (c < 16) {
		*attr |= A_BOLD;
		return c - 8;
	}
	*attr |= A_BOLD;
	return nearest_of_8(c);
}

/* "\033[1;38;5;214m" as attributes and a foreground colour; -1: the terminal's own. */
static int term_parse_sgr(const char *sgr, attr_t *attr)
{
	int colour = -1;

	for (const char *p = sgr + strcspn(sgr, "["); *p && *p != 'm';) {
		char *end;
		long n = strtol(p + 1, &end, 10);

		if (n == 38 && !strncmp(end, ";5;", 3)) {
			n = strtol(end + 3, &end, 10);
			colour = (int)n;
		} else if (n == 1) {
			*attr |= A_BOLD;
		} else if (n == 2) {
			*attr |= A_DIM;
		} else if (n == 4) {
			*attr |= A_UNDERLINE;
		} else if (n == 7) {
			*attr |= A_REVERSE;
		} else if (n >= 30 && n <= 37) {
			colour = (int)n - 30;
		} else if (n >= 90 && n <= 97) {
			colour = (int)n - 90 + 8;
		}
		p = end;
	}
	return colour;
}

static void term_use_theme(const struct theme *t)
{
	bool colours = t && has_colors();

	if (colours) {
		start_color();
		use_default_colors();
	}
	for (unsigned i = 0; i < NR_TONES; i++) {
		int colour;

		tty.attr[i] = i == TONE_CURSOR ? A_REVERSE : A_NORMAL;
		tty.pair[i] = 0;
		if (!t)
			continue;
		tty.attr[i] = A_NORMAL;
		colour = term_parse_sgr(theme_sgr(t, i), &tty.attr[i]);
		if (!colours || colour < 0)
			continue;
		colour = colour_for_terminal(colour, &tty.attr[i]);
		if (init_pair((short)(i + 1), (short)colour, -1) == OK)
			tty.pair[i] = (short)(i + 1);
	}
}

void terminal_configure(const struct terminal_opts *o)
{
	term_use_theme(o->theme);
	tty.mouse = o->mouse;
	mousemask(o->mouse ? BUTTON1_CLICKED | BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED :
			     0,
		  NULL);
	mouseinterval(0);
	term_prepare_restore();
}

/* ---- opening and closing ------------------------------------------------------------------- */

static bool term_fail(char *why, size_t len, const char *what)
{
	snprintf(why, len, "%s", what);
	if (tty.in)
		fclose(tty.in);
	if (tty.out)
		fclose(tty.out);
	tty.in = tty.out = NULL;
	tty.fd = -1;
	return false;
}

bool terminal_open(const struct terminal_opts *o, char *why, size_t len)
{
	static bool at_exit;
	const char *name = getenv("TERM");
	char text[160];

	if (!name || !*name || !strcmp(name, "dumb"))
		return term_fail(why, len, "TERM says that this terminal has no screen");
	tty.in = fopen(o->path ? o->path : "/dev/tty", "re");
	tty.out = fopen(o->path ? o->path : "/dev/tty", "we");
	if (!tty.in || !tty.out)
		return term_fail(why, len, "there is no terminal");
	tty.fd = fileno(tty.out);
	if (tcgetattr(tty.fd, &tty.before) < 0)
		return term_fail(why, len, "that is not a terminal");
	use_env(FALSE); /* LINES and COLUMNS of the environment do not follow a resize */
	tty.screen = newterm(name, tty.out, tty.in);
	if (!tty.screen) {
		snprintf(text, sizeof(text),
			 "terminal \"%s\" is not known here, or cannot move its cursor", name);
		return term_fail(why, len, text);
	}
	cbreak(); /* ^C and ^Z stay signals: they have to work while a dump runs */
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	intrflush(stdscr, FALSE);
	set_escdelay(ESC_DELAY_MS);
	curs_set(0);
	terminal_configure(o);
	want_suspend = 0;
	is_open = 1;
	term_catch_signals();
	if (!at_exit)
		atexit(term_restore_now);
	at_exit = true;
	return true;
}

void terminal_close(void)
{
	if (!tty.screen)
		return;
	if (is_open) {
		curs_set(1);
		endwin();
	}
	is_open = 0;
	term_release_signals();
	tcsetattr(tty.fd, TCSADRAIN, &tty.before);
	delscreen(tty.screen);
	tty.screen = NULL;
	fclose(tty.in);
	fclose(tty.out);
	tty.in = tty.out = NULL;
	tty.fd = -1;
}

void terminal_leave(void)
{
	curs_set(1);
	endwin();
	is_open = 0;
}

void terminal_return(void)
{
	is_open = 1;
	curs_set(0);
	clearok(stdscr, TRUE);
	refresh();
}

bool terminal_take_suspend(void)
{
	bool was = want_suspend;

	want_suspend = 0;
	return was;
}

void terminal_suspend(const char *text)
{
	terminal_leave();
	fprintf(tty.out, "%s\n", text);
	fflush(tty.out);
	raise(SIGSTOP);
	want_suspend = 0;
	terminal_return();
}

/* ---- drawing ------------------------------------------------------------------------------- */

void terminal_dimensions(unsigned *rows_ret, unsigned *cols_ret)
{
	struct winsize w;

	if (tty.fd >= 0 && !ioctl(tty.fd, TIOCGWINSZ, &w) && w.ws_row && w.ws_col &&
	    (w.ws_row != LINES || w.ws_col != COLS))
		resizeterm(w.ws_row, w.ws_col);
	*rows_ret = (unsigned)LINES;
	*cols_ret = (unsigned)COLS;
}

void terminal_draw(const struct grid *g, int cursor_col)
{
	cchar_t row[ROW_MAX];
	unsigned cols = g->cols < (unsigned)COLS ? g->cols : (unsigned)COLS;

	for (unsigned r = 0; r < g->rows && r < (unsigned)LINES; r++) {
		const struct cell *line = g->cells + (size_t)r * g->cols;
		int n = 0;

		for (unsigned c = 0; c < cols && n < ROW_MAX; c++) {
			wchar_t text[2] = { (wchar_t)line[c].ch, 0 };
			unsigned tone = line[c].tone < NR_TONES ? line[c].tone : TONE_NORMAL;

			if (line[c].ch) /* the right half of a wide character comes with the left */
				setcchar(&row[n++], text, tty.attr[tone], tty.pair[tone], NULL);
		}
		mvadd_wchnstr((int)r, 0, row, n);
	}
	for (unsigned r = g->rows; r < (unsigned)LINES; r++) {
		move((int)r, 0);
		clrtoeol();
	}
	curs_set(cursor_col >= 0);
	if (cursor_col >= 0 && g->rows)
		move((int)g->rows - 1, cursor_col < COLS ? cursor_col : COLS - 1);
	refresh();
}

void terminal_redraw(void)
{
	clearok(stdscr, TRUE);
}

/* ---- keys ---------------------------------------------------------------------------------- */

static int term_from_curses(int key)
{
	static const struct {
		int curses, key;
	} map[] = {
		{ KEY_UP, K_UP },
		{ KEY_DOWN, K_DOWN },
		{ KEY_LEFT, K_LEFT },
		{ KEY_RIGHT, K_RIGHT },
		{ KEY_PPAGE, K_PGUP },
		{ KEY_NPAGE, K_PGDN },
		{ KEY_HOME, K_HOME },
		{ KEY_END, K_END },
		{ KEY_DC, K_DELETE },
		{ KEY_BTAB, K_SHIFT_TAB },
		{ KEY_BACKSPACE, K_BACKSPACE },
		{ KEY_ENTER, K_ENTER },
		{ KEY_RESIZE, K_RESIZE },
	};

	for (size_t i = 0; i < sizeof(map) / sizeof(*map); i++)
		if (map[i].curses == key)
			return map[i].key;
	if (key >= KEY_F(1) && key <= KEY_F(12))
		return K_F1 + key - KEY_F(1);
	if (key >= KEY_F(13) && key <= KEY_F(24)) /* xterm counts shifted ones on */
		return K_SHIFT_F1 + key - KEY_F(13);
	return K_NONE;
}

static int term_read_mouse(void)
{
	MEVENT e;

	if (getmouse(&e) != OK)
		return K_NONE;
	tty.mouse_row = (unsigned)e.y;
	tty.mouse_col = (unsigned)e.x;
	tty.wheel = e.bstate & BUTTON4_PRESSED ? -1 : e.bstate & BUTTON5_PRESSED ? 1 : 0;
	return K_MOUSE;
}

int terminal_key(int ms)
{
	wint_t c;

	struct pollfd fd = { .fd = fileno(tty.in), .events = POLLIN };
	int r;

	if (want_suspend)
		return K_SUSPEND;
	/* curses waits on through signals; they must wake us. */
	timeout(0);
	r = get_wch(&c);
	if (r == ERR && poll(&fd, 1, ms) > 0)
		r = get_wch(&c);
	switch (r) {
	case OK:
		return c == '\r' ? K_ENTER : c == 8 ? K_BACKSPACE : (int)c;
	case KEY_CODE_YES:
		return c == KEY_MOUSE ? term_read_mouse() : term_from_curses((int)c);
	default:
		return want_suspend ? K_SUSPEND : K_NONE;
	}
}

void terminal_mouse(unsigned *row_ret, unsigned *col_ret, int *wheel_ret)
{
	*row_ret = tty.mouse_row;
	*col_ret = tty.mouse_col;
	*wheel_ret = tty.wheel;
}
