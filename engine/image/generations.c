/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/image/generations.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/vec.h"

/* Takes the directory over, unless it was visited before or cannot be examined: then errno says
 * why. */
static bool generations_enter(struct generations *g, int dirfd)
{
	struct stat st;

	if (fstat(dirfd, &st))
		return false;
	for (size_t i = 0; i < g->nr_seen; i++)
		if (g->seen[i].dev == st.st_dev && g->seen[i].ino == st.st_ino) {
			errno = ELOOP;
			return false;
		}
	*vec_push(g->seen, g->nr_seen) = (struct generation_id){ st.st_dev, st.st_ino };
	close_fd(&g->dirfd);
	g->dirfd = dirfd;
	return true;
}

struct err *generations_begin(struct generations *g, int dirfd)
{
	*g = (struct generations){ .dirfd = -1 };

	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(errno, "open an image directory");
	if (generations_enter(g, fd))
		return NULL;

	struct err *e = err_sys(errno, "stat an image directory");

	close_fd(&fd);
	return e;
}

enum parent_link generations_up(struct generations *g)
{
	int fd = openat(g->dirfd, "parent", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0) {
		g->why = errno;
		return g->why == ENOENT && fstatat(g->dirfd, "parent", &st, AT_SYMLINK_NOFOLLOW) ?
			       PARENT_NONE :
			       PARENT_BROKEN;
	}
	errno = ELOOP;
	if (g->nr_seen < GENERATIONS_MAX && generations_enter(g, fd)) {
		g->nr++;
		return PARENT_OPEN;
	}
	g->why = errno;
	close_fd(&fd);
	return g->why == ELOOP ? PARENT_LOOP : PARENT_BROKEN;
}

void generations_end(struct generations *g)
{
	close_fd(&g->dirfd);
	free(g->seen);
	*g = (struct generations){ .dirfd = -1 };
}

char *generations_path(const struct generations *g)
{
	char link[32], path[PATH_MAX];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", g->dirfd);
	ssize_t n = readlink(link, path, sizeof(path));

	return xstrndup(path, n > 0 ? (size_t)n : 0);
}

char *generation_file(unsigned generation, const char *file)
{
	if (!generation)
		return xstrdup(file);
	return generation == 1 ? xasprintf("parent/%s", file) :
				 xasprintf("parent (%u generations back)/%s", generation, file);
}
