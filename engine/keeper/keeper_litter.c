/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Staging directories, and single files, that are removed if stepdump ends without unregistering them. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/undo.h"
#include "base/vec.h"
#include "engine/keeper/keeper_priv.h"

static char **litter;
static size_t nr_litter;

static void litter_remove(const char *path)
{
	if (!unlink(path)) {
		undo_note(0, "files", "%s removed, after stepdump died", path);
		return;
	}

	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_CLOSEDIR DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	while (d && (de = readdir(d)))
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			unlinkat(fd, de->d_name, 0);
	if (!rmdir(path))
		undo_note(0, "files", "%s removed, after stepdump died", path);
}

struct err *litter_add(const char *path)
{
	if (!path || *path != '/')
		return err_new(ERR_USAGE, "not an absolute path: %s", path ? path : "");
	*vec_push(litter, nr_litter) = xstrdup(path);
	return NULL;
}

void litter_del(const char *path)
{
	for (size_t i = 0; path && i < nr_litter; i++)
		if (!strcmp(litter[i], path)) {
			free(litter[i]);
			vec_remove(litter, nr_litter, i);
			return;
		}
}

void litter_remove_all(void)
{
	for (size_t i = 0; i < nr_litter; i++)
		litter_remove(litter[i]);
}
