/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* readline wants stdio first */
#include <readline/history.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"

#define HISTORY_LINES 1000

static char *path; /* NULL: nowhere to keep it */

char *xdg_path(const char *env, const char *fallback, const char *file)
{
	const char *base = getenv(env), *home = getenv("HOME");

	if (base && *base == '/')
		return xasprintf("%s/stepdump/%s", base, file);
	if (home && *home == '/')
		return xasprintf("%s/%s/stepdump/%s", home, fallback, file);
	return NULL;
}

void history_make_dirs(char *file)
{
	for (char *p = file + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir_private(AT_FDCWD, file);
		*p = '/';
	}
}

/* Adds to readline's list and removes an earlier copy from it. */
static void history_add(const char *line)
{
	HIST_ENTRY **list = history_list();

	for (int i = 0; list && list[i]; i++) {
		if (!strcmp(list[i]->line, line)) {
			free_history_entry(remove_history(i));
			break;
		}
	}
	add_history(line);
}

/* The file grows by appending; now and then it is rewritten through a second file. */
static void history_rewrite(void)
{
	HIST_ENTRY **list = history_list();
	AUTO_FREE char *tmp = xasprintf("%s.%d", path, (int)getpid());
	int fd = create_private(AT_FDCWD, tmp, O_WRONLY | O_EXCL);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	if (f) {
		for (int i = 0; list && list[i]; i++)
			fprintf(f, "%s\n", list[i]->line);
		bool bad = ferror(f);
		if (fclose(f) || bad || rename(tmp, path) < 0)
			unlink(tmp);
	}
}

void history_load(void)
{
	AUTO_FREE char *line = NULL;
	size_t cap = 0, nr = 0;
	static bool loaded;

	if (loaded)
		return;
	loaded = true;
	using_history();
	stifle_history(HISTORY_LINES);
	path = xdg_path("XDG_STATE_HOME", ".local/state", "history");
	if (!path)
		return;
	history_make_dirs(path);
	AUTO_FCLOSE FILE *f = fopen(path, "re");
	if (!f)
		return;
	while (getline(&line, &cap, f) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		if (*line)
			history_add(line);
		nr++;
	}
	if (nr > 2 * HISTORY_LINES)
		history_rewrite();
}

void history_append(const char *line)
{
	if (!*line || *line == ' ' || *line == '\t')
		return;
	history_add(line);
	AUTO_CLOSE int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
	if (fd >= 0 && fchmod(fd, 0600) == 0) /* whatever the umask */
		dprintf(fd, "%s\n", line);
}
