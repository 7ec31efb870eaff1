/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The cgroups of a process, in both versions, as they are mounted here. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "engine/diagnose/check_priv.h"

/* Mount point of the cgroup2 tree, or of the v1 tree with `controller`. */
static bool find_mount(const char *controller, char dir[PATH_MAX])
{
	AUTO_FCLOSE FILE *f = fopen("/proc/self/mountinfo", "re");
	AUTO_FREE char *line = NULL;
	size_t cap = 0;

	while (f && getline(&line, &cap, f) > 0) {
		char mount[PATH_MAX], type[64], opts[1024];
		const char *dash = strstr(line, " - ");

		if (!dash || sscanf(line, "%*s %*s %*s %*s %4095s", mount) != 1 ||
		    sscanf(dash + 3, "%63s %*s %1023s", type, opts) != 2)
			continue;
		if (controller ? !strcmp(type, "cgroup") && strstr(opts, controller) :
				 !strcmp(type, "cgroup2")) {
			strcpy(dir, mount);
			return true;
		}
	}
	return false;
}

/* The path of the process in the tree of `controller`; NULL: in the cgroup2 tree.  Heap or NULL. */
static char *find_path(pid_t pid, const char *controller)
{
	AUTO_FREE char *text = NULL;
	char *save = NULL;
	size_t len;
	struct err *e = proc_read_file(pid, "cgroup", &text, &len);

	if (e) {
		err_free(e);
		return NULL;
	}
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;

		if (!path)
			continue;
		*path++ = '\0';
		if (controller ? strstr(names + 1, controller) != NULL : !names[1])
			return xstrdup(path);
	}
	return NULL;
}

static bool read_word(const char *dir, const char *path, const char *file, char buf[256])
{
	AUTO_FREE char *name = xasprintf("%s%s/%s", dir, strcmp(path, "/") ? path : "", file);
	AUTO_CLOSE int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read_full(fd, buf, 255);

	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* The directory above, in place; false at the root. */
static bool path_up(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash || !slash[1])
		return false;
	slash[slash == path] = '\0';
	return true;
}

enum cgroup_state cgroup_frozen(pid_t pid, char **where)
{
	AUTO_FREE char *v1 = find_path(pid, "freezer"), *v2 = find_path(pid, NULL);
	char mount[PATH_MAX], buf[256];

	/* THAWED has neither FROZEN nor FREEZING in it. */
	if (v1 && find_mount("freezer", mount) && read_word(mount, v1, "freezer.state", buf) &&
	    (strstr(buf, "FROZEN") || strstr(buf, "FREEZING"))) {
		*where = xasprintf("%s%s/freezer.state: %.*s", mount, v1, (int)strcspn(buf, "\n"),
				   buf);
		return CGROUP_FROZEN_V1;
	}
	if (!v2 || !find_mount(NULL, mount))
		return CGROUP_RUNS;
	if (read_word(mount, v2, "cgroup.events", buf) && strstr(buf, "frozen 1")) {
		*where = xasprintf("%s%s/cgroup.events: frozen 1", mount, v2);
		return CGROUP_FROZEN_V2;
	}
	do {
		if (read_word(mount, v2, "cgroup.freeze", buf) && *buf == '1') {
			*where = xasprintf("%s%s/cgroup.freeze: 1", mount, v2);
			return CGROUP_FROZEN_V2;
		}
	} while (path_up(v2));
	return CGROUP_RUNS;
}

uint64_t cgroup_memory_limit(pid_t pid, char **where)
{
	uint64_t least = UINT64_MAX;

	for (int version = 1; version <= 2; version++) {
		AUTO_FREE char *path = find_path(pid, version == 1 ? "memory" : NULL);
		const char *file = version == 1 ? "memory.limit_in_bytes" : "memory.max";
		char mount[PATH_MAX], buf[256];

		if (!path || !find_mount(version == 1 ? "memory" : NULL, mount))
			continue;
		do {
			uint64_t n;

			if (!read_word(mount, path, file, buf) || *buf < '0' || *buf > '9')
				continue;
			n = strtoull(buf, NULL, 10);
			if (n < least &&
			    n < UINT64_MAX >> 2) { /* v1 writes a huge number for none */
				least = n;
				free(*where);
				*where = xasprintf("%s%s/%s", mount, path, file);
			}
		} while (path_up(path));
	}
	return least;
}
