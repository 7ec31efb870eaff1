/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Walks over /proc/PID/{maps,fd} that hold one entry at a time: both can have many. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/proc/proc.h"
#include "engine/proc/proc_priv.h"

/* "START-END PERMS OFFSET DEVICE INODE NAME".  Not by sscanf(): with 60,000 of these lines it takes
 * longer than the kernel does. */
bool parse_map_line(char *line, struct proc_map *m)
{
	char *p = line;

	m->start = strtoull(p, &p, 16);
	if (*p++ != '-')
		return false;
	m->end = strtoull(p, &p, 16);
	if (*p++ != ' ' || strlen(p) < sizeof(m->perms))
		return false;
	memcpy(m->perms, p, 4);
	m->perms[4] = 0;
	for (int fields = 0; fields < 4; fields++) {
		p += strcspn(p, " \n");
		p += strspn(p, " ");
	}
	p[strcspn(p, "\n")] = 0;
	m->name = p;
	return true;
}

struct err *proc_each_map(pid_t pid, bool (*fn)(const struct proc_map *m, void *arg), void *arg)
{
	AUTO_FREE char *line = NULL;
	size_t cap = 0;
	int fd;

	TRY(proc_open(pid, "maps", O_RDONLY, &fd));
	AUTO_FCLOSE FILE *f = fdopen(fd, "r");
	if (!f) {
		close_fd(&fd);
		return proc_err(errno, pid, "maps");
	}
	while (getline(&line, &cap, f) > 0) {
		struct proc_map m;

		if (parse_map_line(line, &m) && !fn(&m, arg))
			return NULL;
	}
	return ferror(f) ? proc_err(errno, pid, "maps") : NULL;
}

struct err *proc_each_fd(pid_t pid, void (*fn)(int fd, const char *link, void *arg), void *arg)
{
	char link[256];
	struct dirent *de;
	int fd;

	TRY(proc_open(pid, "fd", O_RDONLY | O_DIRECTORY, &fd));
	AUTO_CLOSEDIR DIR *d = fdopendir(fd);
	if (!d) {
		close_fd(&fd);
		return proc_err(errno, pid, "fd");
	}
	while ((de = readdir(d))) {
		if (*de->d_name == '.')
			continue;
		ssize_t n = readlinkat(dirfd(d), de->d_name, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = 0;
		fn(atoi(de->d_name), link, arg);
	}
	return NULL;
}
