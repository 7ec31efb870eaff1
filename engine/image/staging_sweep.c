/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/image/staging_sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/undo.h"
#include "engine/image/flatdir.h"

#define MARK ".stepdump-"
/* A directory of so many entries is not searched to its end: an attach should not wait for it. */
#define MAX_ENTRIES 20000

char *staging_suffix(pid_t pid, uint64_t random, bool may_be_swept)
{
	return xasprintf(MARK "%d%c%016lx", (int)pid, may_be_swept ? '.' : '-', random);
}

void staging_hold(int dirfd)
{
	(void)flock(dirfd, LOCK_SH | LOCK_NB);
}

/* The pid in a name that staging_suffix() made; 0: it is another name. */
static pid_t sweep_pid_of(const char *name)
{
	const char *mark = NULL, *next = name;
	uint64_t random;
	int pid, end = 0;

	while ((next = strstr(next, MARK)))
		mark = next++;
	if (!mark || sscanf(mark, MARK "%d.%16lx%n", &pid, &random, &end) != 2 || mark[end] ||
	    pid <= 0)
		return 0;
	AUTO_FREE char *same = staging_suffix(pid, random, true);
	return strcmp(mark, same) ? 0 : pid;
}

static void sweep_one(int parent_fd, const char *parent, const char *name)
{
	struct stat st;
	pid_t pid = sweep_pid_of(name);

	if (!pid || kill(pid, 0) == 0 || errno != ESRCH)
		return;
	AUTO_CLOSE int fd = openat(parent_fd, name,
				   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != geteuid())
		return;
	/* The process may live in another pid namespace. */
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return;
	err_free(flatdir_clear(fd, name));
	if (!unlinkat(parent_fd, name, AT_REMOVEDIR))
		undo_note(0, "files", "%s/%s removed: its stepdump and keeper are dead", parent,
			  name);
}

void staging_sweep(int parent_fd, const char *parent)
{
	int fd = openat(parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSEDIR DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	if (!d && fd >= 0)
		close(fd);
	for (unsigned i = 0; d && i < MAX_ENTRIES && (de = readdir(d)); i++)
		sweep_one(fd, parent, de->d_name);
}
