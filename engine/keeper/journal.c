/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/keeper/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/io.h"

#define JOURNAL_MAGIC 0x336c6e72756a6473ull /* "sdjurnl3" */

struct journal_file {
	uint64_t magic;
	struct journal j;
};

/* Whoever can write to the directory can choose a target's registers, so it must be ours alone. */
static bool usable_dir(const char *dir)
{
	struct stat st;

	if (mkdir_private(AT_FDCWD, dir) && errno != EEXIST)
		return false;
	return !lstat(dir, &st) && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       !(st.st_mode & 077) && !access(dir, W_OK);
}

static bool journal_dir(char dir[PATH_MAX])
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (runtime && *runtime == '/' &&
	    snprintf(dir, PATH_MAX, "%s/stepdump", runtime) < PATH_MAX && usable_dir(dir))
		return true;
	snprintf(dir, PATH_MAX, "/run/stepdump");
	if (!geteuid() && usable_dir(dir))
		return true;
	snprintf(dir, PATH_MAX, "/tmp/stepdump-%u", (unsigned)geteuid());
	return usable_dir(dir);
}

static bool journal_path(pid_t pid, char path[PATH_MAX])
{
	char dir[PATH_MAX];

	return journal_dir(dir) &&
	       snprintf(path, PATH_MAX, "%s/%d.journal", dir, pid) < PATH_MAX - 8;
}

struct err *journal_write(const struct journal *j)
{
	struct journal_file f = { .magic = JOURNAL_MAGIC, .j = *j };
	char path[PATH_MAX], tmp[PATH_MAX + 8];
	int err = 0;

	if (!journal_path(j->pid, path))
		return err_hint(err_new(ERR_SYS, "cannot find a private directory for the journal"),
				"set XDG_RUNTIME_DIR to a directory that you own and can write");
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	int fd = FAULT(JOURNAL, create_private(AT_FDCWD, tmp, O_WRONLY | O_TRUNC));
	if (fd < 0)
		return err_sys(errno, "cannot create journal %s", tmp);
	if (write_full(fd, &f, sizeof(f)) < 0)
		err = errno;
	if (close(fd) && !err)
		err = errno;
	if (!err && rename(tmp, path))
		err = errno;
	if (err) {
		unlink(tmp);
		return err_sys(err, "cannot write journal %s", path);
	}
	return NULL;
}

void journal_remove(pid_t pid)
{
	char path[PATH_MAX];

	if (journal_path(pid, path))
		unlink(path);
}

struct err *journal_read(pid_t pid, struct journal *ret, bool *found_ret)
{
	struct journal_file f;
	char path[PATH_MAX];

	*found_ret = false;
	if (!journal_path(pid, path))
		return NULL;
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? NULL : err_sys(errno, "cannot open journal %s", path);
	if (read_full(fd, &f, sizeof(f)) != (ssize_t)sizeof(f) || f.magic != JOURNAL_MAGIC ||
	    f.j.pid != pid || f.j.xstate_len > sizeof(f.j.xstate))
		return NULL;
	*ret = f.j;
	*found_ret = true;
	return NULL;
}
