/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/lesson_state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "shell/history.h"

#define MAX_STEPS (sizeof(((struct lesson_progress *)0)->answered) / sizeof(bool))

static char *state_path(void)
{
	return xdg_path("XDG_STATE_HOME", ".local/state", "lessons");
}

/* Is it the line of that lesson? */
static bool state_is_of(const char *line, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(line, name, len) && line[len] == ' ';
}

void lesson_progress_load(const char *name, struct lesson_progress *ret)
{
	AUTO_FREE char *path = state_path();
	AUTO_FCLOSE FILE *f = path ? fopen(path, "re") : NULL;
	AUTO_FREE char *line = NULL;
	size_t cap = 0;
	char bits[MAX_STEPS + 1];
	int done;

	*ret = (struct lesson_progress){ 0 };
	while (f && getline(&line, &cap, f) >= 0) {
		struct lesson_progress p = { 0 };

		if (!state_is_of(line, name) ||
		    sscanf(line + strlen(name), " %zu %99[01] %d", &p.step, bits, &done) != 3 ||
		    p.step >= MAX_STEPS)
			continue;
		for (size_t i = 0; bits[i]; i++)
			p.answered[i] = bits[i] == '1';
		p.done = done;
		*ret = p;
	}
}

void lesson_progress_save(const char *name, const struct lesson_progress *p, size_t nr_steps)
{
	AUTO_FREE char *path = state_path();

	if (!path)
		return;
	history_make_dirs(path);

	AUTO_FREE char *tmp = xasprintf("%s.%d", path, (int)getpid());
	AUTO_FCLOSE FILE *old = fopen(path, "re");
	AUTO_FREE char *line = NULL;
	size_t cap = 0;
	int fd = create_private(AT_FDCWD, tmp, O_WRONLY | O_TRUNC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (!f) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while (old && getline(&line, &cap, old) >= 0)
		if (!state_is_of(line, name))
			fputs(line, f);
	fprintf(f, "%s %zu ", name, p->step);
	for (size_t i = 0; i < nr_steps && i < MAX_STEPS; i++)
		fputc(p->answered[i] ? '1' : '0', f);
	fprintf(f, " %d\n", p->done);

	bool bad = ferror(f);

	if (fclose(f) || bad || rename(tmp, path) < 0)
		unlink(tmp);
}
