/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/demo_target.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/vec.h"
#include "shell/lesson_file.h"
#include "shell/signals.h"

static void demo_exec(char *const argv[], int out, pid_t parent)
{
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	setsid(); /* ^C at the prompt is not for it */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent || null < 0)
		_exit(1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	execv(argv[0], argv);
	_exit(127);
}

/* True: it said READY.  Its first lines are short. */
static bool demo_wait_ready(int fd)
{
	char text[1024];
	size_t len = 0;

	while (len + 1 < sizeof(text) && signals_wait_fd(fd)) {
		ssize_t n = RETRY(read(fd, text + len, sizeof(text) - 1 - len));

		if (n <= 0)
			return false;
		len += (size_t)n;
		text[len] = '\0';
		if (strstr(text, "READY ") && text[len - 1] == '\n')
			return true;
	}
	return false;
}

struct err *demo_start(char *const args[], const char *dir, pid_t *pid_ret)
{
	static const char *const places[] = { "../libexec/stepdump/demo", "tests/targets/demo",
					      NULL };
	AUTO_FREE char *program = NULL;
	AUTO_FREE char **argv = NULL;
	size_t nr = 0;
	int p[2];

	TRY(beside_us(places, "the demo target", &program));
	*vec_push(argv, nr) = program;
	for (; args && *args; args++)
		*vec_push(argv, nr) = *args;
	if (dir) {
		*vec_push(argv, nr) = "--dir";
		*vec_push(argv, nr) = (char *)dir;
	}
	*vec_push(argv, nr) = NULL;
	if (pipe2(p, O_CLOEXEC))
		return err_sys(errno, "start %s", program);

	AUTO_CLOSE int out = p[0], child_end = p[1];
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return err_sys(errno, "start %s", program);
	if (!pid)
		demo_exec(argv, child_end, parent);
	close_fd(&child_end);
	if (!demo_wait_ready(out)) {
		demo_end(pid);
		return err_hint(err_new(ERR_TARGET, "the demo target did not come up"),
				"run %s by hand: it says why", program);
	}
	*pid_ret = pid;
	return NULL;
}

void demo_end(pid_t pid)
{
	struct timespec pause = { .tv_nsec = 5000000 };

	if (pid <= 0)
		return;
	/* SIGTERM lets it remove its files; it may be stopped, or not listening. */
	kill(pid, SIGTERM);
	kill(pid, SIGCONT);
	for (int i = 0; i < 200; i++) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			return;
		nanosleep(&pause, NULL);
	}
	kill(pid, SIGKILL);
	RETRY(waitpid(pid, NULL, 0));
}
