/* SPDX-License-Identifier: GPL-3.0-or-later */
/* shell, pwd, cd */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shell/cmd.h"
#include "shell/cmds.h"
#include "shell/signals.h"

/* With JSON the output of the command becomes part of our object; otherwise the command has our
 * terminal. */
static struct err *shell_cmd_read(int fd, struct out *o)
{
	char buf[4096];
	ssize_t n;

	while (signals_wait_fd(fd) && (n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno != EINTR)
			return err_sys(errno, "cannot read what the command prints");
		if (n > 0)
			fwrite(buf, 1, (size_t)n, o->f);
	}
	return NULL;
}

static struct err *shell_cmd_wait(pid_t pid, const char *command)
{
	int status;

	if (!signals_wait_child(pid, &status))
		return NULL;
	if (WIFSIGNALED(status))
		return err_new(ERR_SYS, "\"%s\" was killed by signal %d", command,
			       WTERMSIG(status));
	if (WEXITSTATUS(status))
		return err_new(ERR_SYS, "\"%s\" ended with exit status %d", command,
			       WEXITSTATUS(status));
	return NULL;
}

static struct err *shell_cmd_exec(struct shell *sh, const struct args *a, struct out *o)
{
	const char *interpreter = getenv("SHELL");
	const char *command = a->argc ? a->argv[0] : NULL;
	int fds[2] = { -1, -1 };
	struct err *e = NULL;

	if (!interpreter || !*interpreter)
		interpreter = "/bin/sh";
	if (o->json && pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(errno, "cannot make a pipe");
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		signal(SIGPIPE, SIG_DFL);
		if (o->json)
			dup2(fds[1], STDOUT_FILENO);
		if (command)
			execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		else
			execl(interpreter, interpreter, (char *)NULL);
		_exit(127);
	}
	if (pid < 0)
		e = err_sys(errno, "cannot start a shell");
	if (o->json) {
		close(fds[1]);
		if (!e)
			e = shell_cmd_read(fds[0], o);
		close(fds[0]);
	}
	return e || pid < 0 ? e : shell_cmd_wait(pid, command ? command : interpreter);
}

const struct cmd_entry cmd_shell = {
	.name = "shell",
	.aliases = "!",
	.group = GROUP_SHELL,
	.args = { 0, 1, comp_file },
	.usage = "[COMMAND]",
	.summary = "run a shell command, or start a shell",
	.help = "The rest of the line is passed to sh unchanged.  `!COMMAND` is the same.",
	.examples = (const struct cmd_example[]){ { "!ls -l | head -3", "", "" },
						  { "shell true", "", "" },
						  { 0 } },
	.flags = CMD_NO_REPEAT | CMD_RAW | CMD_STREAMS | CMD_TERMINAL | CMD_WRITES,
	.exec = shell_cmd_exec,
};

static struct err *pwd_exec(struct shell *sh, const struct args *a, struct out *o)
{
	AUTO_FREE char *dir = getcwd(NULL, 0);

	if (!dir)
		return err_sys(errno, "cannot find out the working directory");
	out_member(o, "dir", json_object_new_string(dir));
	out_printf(o, "%s\n", dir);
	return NULL;
}

const struct cmd_entry cmd_pwd = {
	.name = "pwd",
	.group = GROUP_SHELL,
	.args = { 0, 0, NULL },
	.usage = "",
	.summary = "print the working directory",
	.help = "File names in all commands are relative to it.",
	.examples = (const struct cmd_example[]){ { "pwd", "", "" }, { 0 } },
	.flags = CMD_NO_REPEAT,
	.exec = pwd_exec,
};

static struct err *cd_exec(struct shell *sh, const struct args *a, struct out *o)
{
	const char *dir = a->argc ? a->argv[0] : getenv("HOME");

	if (!dir)
		return err_new(ERR_USAGE, "cd: HOME is not set");
	return chdir(dir) < 0 ? err_sys(errno, "cannot change to \"%s\"", dir) : NULL;
}

const struct cmd_entry cmd_cd = {
	.name = "cd",
	.group = GROUP_SHELL,
	.args = { 0, 1, comp_dir },
	.usage = "[DIR]",
	.summary = "change the working directory",
	.help = "Without DIR, to your home directory.  Staged files stay where they are.",
	.examples = (const struct cmd_example[]){ { "cd /tmp", "", "" }, { 0 } },
	.flags = CMD_NO_REPEAT,
	.exec = cd_exec,
};
