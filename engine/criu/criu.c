/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/criu/criu.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"

#define ASK_US 60000000ul /* longest time for a question; it forks and probes, but dumps nothing */
#define TICK_MS 100
#define SAID_MAX 4096u
#define LINE_MAX_BYTES 4096u

/* ---- finding ---------------------------------------------------------------------------------- */

static bool criu_can_run(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

static struct err *criu_named(const char *path, const char *by, char **ret)
{
	if (!criu_can_run(path))
		return err_hint(err_new(ERR_USAGE,
					"%s, named by %s, is not a program that can be "
					"run",
					path, by),
				"`set criu PATH` names another, `set criu \"\"` none");
	*ret = xstrdup(path);
	return NULL;
}

struct err *criu_find(const char *set, char **ret)
{
	const char *env = getenv("CRIU"), *path = getenv("PATH");
	AUTO_FREE char *dirs =
		xasprintf("%s:/usr/local/sbin:/usr/sbin:/sbin", path ?: "/usr/local/bin:/usr/bin");
	char *save;

	if (set)
		return criu_named(set, "`set criu`", ret);
	if (env && *env)
		return criu_named(env, "$CRIU", ret);
	for (char *d = strtok_r(dirs, ":", &save); d; d = strtok_r(NULL, ":", &save)) {
		AUTO_FREE char *file = xasprintf("%s/criu", d);

		if (criu_can_run(file)) {
			*ret = TAKE_PTR(file);
			return NULL;
		}
	}
	return err_hint(err_new(ERR_USAGE, "criu is not installed, or not in PATH"),
			"install it, or name it with `set criu PATH` or $CRIU");
}

/* ---- running ---------------------------------------------------------------------------------- */

/* In the child.  What it says goes to a file: a pipe that nobody reads any more would be its end. */
static void criu_exec(char *const argv[], int said, const struct rlimit *nofile)
{
	int null = open("/dev/null", O_RDONLY);
	sigset_t none;

	setsid();
	if (nofile)
		setrlimit(RLIMIT_NOFILE, nofile);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	dup2(said, STDOUT_FILENO);
	dup2(said, STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	for (int sig = 1; sig < 32; sig++)
		signal(sig, SIG_DFL);
	signal(SIGXFSZ, SIG_IGN); /* see criu_give_up() */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(argv[0], argv);
	dprintf(STDERR_FILENO, "cannot be executed: %s\n", strerror(errno));
	_exit(127);
}

static char *criu_said(int fd)
{
	char *text = xzalloc(SAID_MAX + 1);
	ssize_t n = pread_full(fd, text, SAID_MAX, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static struct err *criu_start(char *const argv[], const struct rlimit *nofile, pid_t *pid_ret,
			      int *pidfd_ret, int *said_ret)
{
	AUTO_CLOSE int said = memfd_create("criu", MFD_CLOEXEC);

	if (said < 0)
		return err_sys(errno, "start %s", argv[0]);
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(errno, "start %s", argv[0]);
	if (pid == 0)
		criu_exec(argv, said, nofile);
	*pid_ret = pid;
	*pidfd_ret = pidfd_open(pid, 0); /* -1: then it is asked now and then */
	*said_ret = TAKE_FD(said);
	return NULL;
}

/* Has it ended?  Waits for TICK_MS at most. */
static bool criu_ended(pid_t pid, int pidfd, int *status_ret)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	poll(&p, 1, TICK_MS);
	pid_t r = RETRY(waitpid(pid, status_ret, WNOHANG));

	if (r < 0) /* somebody else has waited for it */
		*status_ret = -1;
	return r != 0;
}

/* A short question, which touches no process. */
static int criu_ask(const char *criu, const char *const words[], char **said_ret)
{
	char *argv[5] = { (char *)criu };
	uint64_t until = now_us() + ASK_US;
	AUTO_CLOSE int pidfd = -1;
	AUTO_CLOSE int said = -1;
	int status = -1;
	pid_t pid;

	for (size_t i = 0; i < 3 && words[i]; i++)
		argv[i + 1] = (char *)words[i];
	struct err *e = criu_start(argv, NULL, &pid, &pidfd, &said);

	if (e) {
		*said_ret = err_text(e);
		err_free(e);
		return -1;
	}
	while (!criu_ended(pid, pidfd, &status))
		if (now_us() > until) {
			kill(pid, SIGKILL);
			until = UINT64_MAX;
		}
	*said_ret = criu_said(said);
	return status;
}

char *criu_version(const char *criu)
{
	static const char *const words[] = { "--version", NULL };
	AUTO_FREE char *said = NULL;
	char version[32] = "?";

	criu_ask(criu, words, &said);
	const char *at = strstr(said, "Version:");

	if (at)
		sscanf(at, "Version: %31[0-9A-Za-z.+~-]", version);
	return xstrdup(version);
}

struct err *criu_check(const char *criu)
{
	static const char *const words[] = { "check", NULL };
	AUTO_FREE char *said = NULL;
	int status = criu_ask(criu, words, &said);

	if (!status)
		return NULL;
	for (char *p = said; *p; p++)
		if (*p == '\n')
			*p = p[1] ? ';' : '\0';
	return err_hint(err_new(ERR_UNSUPPORTED, "`%s check` fails, so it cannot dump here: %s",
				criu, *said ? said : "it says nothing"),
			"`set criu PATH` names another one; for what it is missing see its words "
			"(it needs root, too)");
}

bool criu_tracks(const char *criu)
{
	static const char *const words[] = { "check", "--feature", "mem_dirty_track", NULL };
	AUTO_FREE char *said = NULL;

	return !criu_ask(criu, words, &said);
}

/* ---- the log ---------------------------------------------------------------------------------- */

struct criu_tail {
	const struct criu_job *job;
	int fd; /* -1: not there yet */
	char line[LINE_MAX_BYTES];
	size_t len;
};

static void tail_take(struct criu_tail *t, const char *buf, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (buf[i] != '\n' && t->len < sizeof(t->line) - 1) {
			t->line[t->len++] = buf[i];
			continue;
		}
		t->line[t->len] = '\0';
		t->len = 0;
		if (*t->line)
			t->job->line(t->job->arg, t->line);
	}
}

static void tail_follow(struct criu_tail *t)
{
	char buf[16384];
	ssize_t n;

	if (t->fd < 0)
		t->fd = open(t->job->log, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	while (t->fd >= 0 && (n = RETRY(read(t->fd, buf, sizeof(buf)))) > 0)
		tail_take(t, buf, (size_t)n);
}

/* ---- a dump ----------------------------------------------------------------------------------- */

/* With SIGXFSZ ignored, writes to files fail with EFBIG from now on; pipes and sockets go on. */
static bool criu_give_up(pid_t pid)
{
	const struct rlimit none = { 0, 0 };

	return !prlimit(pid, RLIMIT_FSIZE, &none, NULL);
}

struct err *criu_run(const struct criu_job *job, struct criu_end *ret)
{
	struct criu_tail t = { .job = job, .fd = -1 };
	struct criu_end end = { 0 };
	AUTO_CLOSE int pidfd = -1;
	AUTO_CLOSE int said = -1;

	TRY(criu_start(job->argv, job->nofile, &end.pid, &pidfd, &said));
	while (!criu_ended(end.pid, pidfd, &end.status)) {
		tail_follow(&t);
		if (*job->stop && !end.given_up)
			end.given_up = criu_give_up(end.pid);
	}
	tail_follow(&t);
	close_fd(&t.fd);
	end.said = criu_said(said);
	*ret = end;
	return NULL;
}
