/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What criu's descriptors are, by their links in /proc, each looked at once. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "engine/watch/watch_priv.h"

#define MAX_FD 1048576

static bool ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcmp(s + n - m, end);
}

static void look_at_link(struct watch *w, int fd, struct wfd *f)
{
	char path[64], link[4096];
	int pid, n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", w->t.pid, fd);
	ssize_t len = readlink(path, link, sizeof(link) - 1);

	if (len < 0)
		return; /* closed: whatever comes next under this number is looked at again */
	link[len] = '\0';
	const char *name = strrchr(link, '/');

	name = name ? name + 1 : link;
	f->kind = WFD_OTHER;
	if (!strncmp(link, "pipe:[", 6)) {
		f->kind = WFD_PIPE;
		f->ino = strtoul(link + 6, NULL, 10);
	} else if (!strncmp(link, "socket:[", 8)) {
		f->kind = WFD_SOCKET;
		f->ino = strtoul(link + 8, NULL, 10);
	} else if (sscanf(link, "/proc/%d/%n", &pid, &n) == 1 && n) {
		f->pid = pid;
		if (!strcmp(name, "pagemap"))
			f->kind = WFD_PAGEMAP;
		else if (!strcmp(name, "clear_refs"))
			f->kind = WFD_CLEAR_REFS;
	} else if (ends_in(name, ".img") || !strncmp(name, "stats-", 6)) {
		f->kind = WFD_IMAGE;
		snprintf(f->name, sizeof(f->name), "%.63s", name);
	}
}

struct wfd *wfd_get(struct watch *w, int fd)
{
	static struct wfd none = { .kind = WFD_OTHER };

	if (fd < 0 || fd >= MAX_FD)
		return &none;
	while (w->nr_fds <= (size_t)fd)
		vec_push(w->fd, w->nr_fds);
	struct wfd *f = &w->fd[fd], old = *f;

	if (f->kind != WFD_UNKNOWN && !f->doubtful)
		return f;
	*f = (struct wfd){ 0 };
	look_at_link(w, fd, f);
	if (f->kind == WFD_SOCKET && f->kind == old.kind && f->ino == old.ino)
		*f = old; /* with whose it is */
	f->doubtful = false;
	return f;
}

void wfd_doubt_all(struct watch *w)
{
	for (size_t i = 0; i < w->nr_fds; i++)
		w->fd[i].doubtful = true;
}

int wfd_other_end(const struct watch *w, int fd, uint64_t ino)
{
	char path[64], link[64], wanted[64];

	snprintf(wanted, sizeof(wanted), "pipe:[%lu]", ino);
	snprintf(path, sizeof(path), "/proc/%d/fd", w->t.pid);
	AUTO_CLOSEDIR DIR *dir = opendir(path);

	for (struct dirent *de; dir && (de = readdir(dir));) {
		ssize_t len = readlinkat(dirfd(dir), de->d_name, link, sizeof(link) - 1);
		int other = (int)strtol(de->d_name, NULL, 10);

		link[len > 0 ? len : 0] = '\0';
		if (other != fd && !strcmp(link, wanted))
			return other;
	}
	return -1;
}

void wfd_forget(struct watch *w, int fd)
{
	if (fd >= 0 && (size_t)fd < w->nr_fds)
		w->fd[fd] = (struct wfd){ 0 };
}

void wfd_forget_all(struct watch *w)
{
	for (size_t i = 0; i < w->nr_fds; i++)
		w->fd[i] = (struct wfd){ 0 };
}
