/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Commands from a file or from standard input. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "shell/lines.h"
#include "shell/shell.h"
#include "shell/signals.h"

static struct err *source_lines(struct shell *sh, int fd, const char *path)
{
	struct err *e = NULL;
	struct lines l;
	char *line;
	unsigned nr = 0;

	lines_init(&l, fd);
	while (!e && !sh->quit && !signals_quit()) {
		nr++;
		e = lines_next(&l, &line);
		if (!e && !line)
			break;
		if (!e)
			e = shell_exec(sh, line);
		if (e && sh->settings.keep_going) {
			if (!sh->kept_status)
				sh->kept_status = err_exit_status(e);
			report_error(sh, TAKE_PTR(e));
		}
		report_gone(sh);
	}
	lines_deinit(&l);
	return fd == STDIN_FILENO ? e : err_wrap(e, "%s:%u", path, nr);
}

struct err *shell_source(struct shell *sh, const char *path)
{
	if (!strcmp(path, "-"))
		return source_lines(sh, STDIN_FILENO, path);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(errno, "cannot read \"%s\"", path);
	sh->depth++;
	struct err *e = source_lines(sh, fd, path);
	sh->depth--;
	return e;
}
