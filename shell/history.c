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

#define HISTORY_LINES 1000

static char *path; /* NULL: nowhere to keep it */

char *xdg_path(const char *env, const char *fallback, const char *file)
{
	const char *base = getenv(env), *home = getenv("HOME");
	char *s;
	int n;

	if (base && *base == '/')
		n = asprintf(&s, "%s/stepdump/%s", base, file);
	else if (home && *home == '/')
		n = asprintf(&s, "%s/%s/stepdump/%s", home, fallback, file);
	else
		return NULL;
	return n < 0 ? NULL : s;
}

/* Makes all directories above `file`; 0700 because what was typed is private. */
static void make_parents(char *file)
{
	for (char *p = file + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(file, 0700);
		*p = '/';
	}
}

/* Adds to readline's list and takes an earlier copy out of it. */
static void add_unique(const char *line)
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

/* The file grows by appending; now and then it is written anew, through a second file. */
static void rewrite(void)
{
	HIST_ENTRY **list = history_list();
	char *tmp;

	if (asprintf(&tmp, "%s.%d", path, (int)getpid()) < 0)
		return;
	int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	if (f) {
		for (int i = 0; list && list[i]; i++)
			fprintf(f, "%s\n", list[i]->line);
		bool bad = ferror(f);
		if (fclose(f) || bad || rename(tmp, path) < 0)
			unlink(tmp);
	}
	free(tmp);
}

void history_load(void)
{
	char *line = NULL;
	size_t cap = 0, nr = 0;

	using_history();
	stifle_history(HISTORY_LINES);
	path = xdg_path("XDG_STATE_HOME", ".local/state", "history");
	if (!path)
		return;
	make_parents(path);
	FILE *f = fopen(path, "re");
	if (!f)
		return;
	while (getline(&line, &cap, f) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		if (*line)
			add_unique(line);
		nr++;
	}
	fclose(f);
	free(line);
	if (nr > 2 * HISTORY_LINES)
		rewrite();
}

void history_append(const char *line)
{
	if (!*line || *line == ' ' || *line == '\t')
		return;
	add_unique(line);
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
	if (fd < 0)
		return;
	dprintf(fd, "%s\n", line);
	close(fd);
}
