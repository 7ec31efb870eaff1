/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What criu's descriptors are, by their links in /proc, each looked at once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
	if (w->fd[fd].kind == WFD_UNKNOWN)
		look_at_link(w, fd, &w->fd[fd]);
	return &w->fd[fd];
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
