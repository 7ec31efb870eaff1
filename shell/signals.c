/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/signals.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/session/session.h"

static volatile sig_atomic_t got_quit, got_int, got_tstp, got_winch;
static struct session *volatile running; /* a command runs */
static bool at_terminal;

static void on_int(int sig)
{
	if (running)
		session_interrupt(running);
	if (at_terminal)
		got_int = 1;
	else
		got_quit = sig;
}

static void on_quit(int sig)
{
	got_quit = sig;
	if (running)
		session_interrupt(running);
}

static void on_tstp(int sig)
{
	static const char text[] = "\nsuspended; an attached target stays frozen until `fg`\n";
	int saved = errno;

	(void)sig;
	if (!running) {
		got_tstp = 1; /* the prompt restores the terminal first */
		return;
	}
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		errno = 0; /* nobody is left to report it to */
	raise(SIGSTOP);
	errno = saved;
}

static void on_winch(int sig)
{
	(void)sig;
	got_winch = 1;
}

static void signals_handle(int sig, void (*handler)(int))
{
	struct sigaction sa = { .sa_handler = handler }; /* no SA_RESTART: reads must return */

	sigaction(sig, &sa, NULL);
}

void signals_install(bool interactive)
{
	at_terminal = interactive;
	signals_handle(SIGPIPE, SIG_IGN);
	signals_handle(SIGTERM, on_quit);
	signals_handle(SIGHUP, on_quit);
	signals_handle(SIGINT, on_int);
	if (interactive) {
		signals_handle(SIGTSTP, on_tstp);
		signals_handle(SIGWINCH, on_winch);
	}
}

void signals_command(struct session *s)
{
	running = s;
	if (!s) {
		got_int = 0;
		got_tstp = 0;
	}
}

int signals_quit(void)
{
	return got_quit;
}

static bool signals_take(volatile sig_atomic_t *flag)
{
	bool was = *flag;

	*flag = 0;
	return was;
}

bool signals_take_int(void)
{
	return signals_take(&got_int);
}

bool signals_take_tstp(void)
{
	return signals_take(&got_tstp);
}

bool signals_take_winch(void)
{
	return signals_take(&got_winch);
}

void signals_block(sigset_t *old_ret)
{
	static const int sigs[] = { SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGWINCH };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		sigaddset(&set, sigs[i]);
	sigprocmask(SIG_BLOCK, &set, old_ret);
}

void signals_unblock(const sigset_t *old)
{
	sigprocmask(SIG_SETMASK, old, NULL);
}

bool signals_wait_fd(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	sigset_t old;
	int n = 0;

	signals_block(&old);
	while (!signals_quit()) {
		n = ppoll(&p, 1, NULL, &old);
		if (n > 0 || errno != EINTR)
			break;
	}
	signals_unblock(&old);
	return !signals_quit();
}

bool signals_wait_child(pid_t pid, int *status_ret)
{
	int fd = pidfd_open(pid, 0);
	bool stay = fd < 0 || signals_wait_fd(fd);

	if (fd >= 0)
		close(fd);
	if (!stay)
		return false;
	while (waitpid(pid, status_ret, 0) < 0) {
		if (errno != EINTR || signals_quit())
			return false;
	}
	return true;
}
