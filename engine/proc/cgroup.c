/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/proc/cgroup.h"

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "engine/proc/proc.h"

/* A process in one cgroup tree. */
struct place {
	char mount[PATH_MAX]; /* where the tree is mounted */
	char *path;           /* of the group below it: "/a/b", or "" for the root */
};

/* Is `word` one of the words between commas? */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += len)
		if ((p == list || p[-1] == ',') && (!p[len] || p[len] == ','))
			return true;
	return false;
}

/*
 * Mount point of the tree, and which directory of the tree is mounted there: not the root of the tree in
 * a container that shares the cgroup namespace of its host.
 * controller: of a version 1 tree; NULL: the version 2 tree.
 */
bool parse_cgroup_mount(const char *line, const char *controller, char mount[PATH_MAX],
			char root[PATH_MAX])
{
	char type[64], opts[1024];
	const char *dash = strstr(line, " - ");

	if (!dash || sscanf(line, "%*s %*s %*s %4095s %4095s", root, mount) != 2 ||
	    sscanf(dash + 3, "%63s %*s %1023s", type, opts) != 2)
		return false;
	return controller ? !strcmp(type, "cgroup") && has_word(opts, controller) :
			    !strcmp(type, "cgroup2");
}

static bool find_mount(const char *controller, char mount[PATH_MAX], char root[PATH_MAX])
{
	AUTO_FCLOSE FILE *f = fopen("/proc/self/mountinfo", "re");
	AUTO_FREE char *line = NULL;
	size_t cap = 0;

	while (f && getline(&line, &cap, f) > 0)
		if (parse_cgroup_mount(line, controller, mount, root))
			return true;
	return false;
}

char *parse_cgroup_path(char *text, const char *controller)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *names = strchr(line, ':'), *path = names ? strchr(++names, ':') : NULL;

		if (!path)
			continue;
		*path++ = '\0';
		if (controller ? has_word(names, controller) : !*names)
			return xstrdup(path);
	}
	return NULL;
}

/* As /proc/PID/cgroup gives it. */
static char *find_path(pid_t pid, const char *controller)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	struct err *e = proc_read_file(pid, "cgroup", &text, &len);

	if (e) {
		err_free(e);
		return NULL;
	}
	return parse_cgroup_path(text, controller);
}

/* False: no such tree is mounted, or the process is not in it.  The caller frees ret->path. */
static bool find_place(pid_t pid, const char *controller, struct place *ret)
{
	AUTO_FREE char *path = find_path(pid, controller);
	char root[PATH_MAX];
	size_t len;

	if (!path || !find_mount(controller, ret->mount, root))
		return false;
	len = strcmp(root, "/") ? strlen(root) : 0;
	if (len && (strncmp(path, root, len) || (path[len] && path[len] != '/')))
		len = 0; /* another part of the tree than the one mounted: the files will be missing */
	ret->path = xstrdup(strcmp(path + len, "/") ? path + len : "");
	return true;
}

/* To the group above; false at the root. */
static bool place_up(struct place *p)
{
	char *slash = strrchr(p->path, '/');

	if (slash)
		*slash = '\0';
	return slash != NULL;
}

/* The text of the group's `file`; the root has few of the files. */
static bool place_read(const struct place *p, const char *file, char buf[256])
{
	AUTO_FREE char *name = xasprintf("%s%s/%s", p->mount, p->path, file);

	return read_small(name, buf, 256) > 0;
}

static void tell_where(char **where, const struct place *p, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void tell_where(char **where, const struct place *p, const char *fmt, ...)
{
	AUTO_FREE char *what = NULL;
	va_list ap;

	if (!where)
		return;
	va_start(ap, fmt);
	if (vasprintf(&what, fmt, ap) < 0)
		abort();
	va_end(ap);
	free(*where);
	*where = xasprintf("%s%s/%s", p->mount, p->path, what);
}

static bool frozen_v1(pid_t pid, char **where)
{
	struct place p;
	char buf[256];
	bool frozen;

	if (!find_place(pid, "freezer", &p))
		return false;
	/* THAWED has neither of the words in it; a frozen group above shows here too. */
	frozen = place_read(&p, "freezer.state", buf) &&
		 (strstr(buf, "FROZEN") || strstr(buf, "FREEZING"));
	if (frozen)
		tell_where(where, &p, "freezer.state: %.*s", (int)strcspn(buf, "\n"), buf);
	free(p.path);
	return frozen;
}

/* cgroup.events tells when all tasks are frozen; before that, the request is in cgroup.freeze of the
 * group or of one above it. */
static bool frozen_v2(pid_t pid, char **where)
{
	struct place p;
	char buf[256];
	bool frozen;

	if (!find_place(pid, NULL, &p))
		return false;
	frozen = place_read(&p, "cgroup.events", buf) && strstr(buf, "frozen 1");
	if (frozen) {
		tell_where(where, &p, "cgroup.events: frozen 1");
	} else {
		do
			frozen = place_read(&p, "cgroup.freeze", buf) && *buf == '1';
		while (!frozen && place_up(&p));
		if (frozen)
			tell_where(where, &p, "cgroup.freeze: 1");
	}
	free(p.path);
	return frozen;
}

enum cgroup_state cgroup_frozen(pid_t pid, char **where)
{
	if (frozen_v1(pid, where))
		return CGROUP_FROZEN_V1;
	return frozen_v2(pid, where) ? CGROUP_FROZEN_V2 : CGROUP_RUNS;
}

static uint64_t least_limit(pid_t pid, const char *controller, const char *file, uint64_t least,
			    char **where)
{
	struct place p;
	char buf[256];

	if (!find_place(pid, controller, &p))
		return least;
	do {
		uint64_t n;

		if (!place_read(&p, file, buf) || *buf < '0' || *buf > '9')
			continue; /* "max" */
		n = strtoull(buf, NULL, 10);
		/* Version 1 writes a number near 2^63 where there is no limit. */
		if (n < least && n < UINT64_MAX >> 2) {
			least = n;
			tell_where(where, &p, "%s", file);
		}
	} while (place_up(&p));
	free(p.path);
	return least;
}

uint64_t cgroup_memory_limit(pid_t pid, char **where)
{
	uint64_t least = least_limit(pid, "memory", "memory.limit_in_bytes", UINT64_MAX, where);

	return least_limit(pid, NULL, "memory.max", least, where);
}
