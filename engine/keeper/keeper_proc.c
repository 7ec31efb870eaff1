/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/keeper/keeper_proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

ssize_t kproc_read(const char *path, char *buf, size_t len)
{
	size_t have = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	while (have < len - 1) {
		ssize_t n = read(fd, buf + have, len - 1 - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			close(fd);
			return -1;
		}
		if (!n)
			break;
		have += (size_t)n;
	}
	close(fd);
	buf[have] = 0;
	return (ssize_t)have;
}

/* The text after "Key:\t" in a status file, or "". */
static const char *field(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, len) && line[len] == ':')
			return line + len + 1 + strspn(line + len + 1, " \t");
	}
	return "";
}

bool kproc_status(pid_t pid, pid_t tid, struct kproc_status *ret)
{
	char path[64], buf[8192];

	if (tid)
		snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
	else
		snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (kproc_read(path, buf, sizeof(buf)) <= 0)
		return false;
	ret->state = *field(buf, "State");
	ret->tgid = atoi(field(buf, "Tgid"));
	ret->tracer = atoi(field(buf, "TracerPid"));
	ret->uid = (uid_t)strtoul(field(buf, "Uid"), NULL, 10);
	ret->sig_pending = strtoull(field(buf, "SigPnd"), NULL, 16);
	ret->shared_pending = strtoull(field(buf, "ShdPnd"), NULL, 16);
	ret->sig_blocked = strtoull(field(buf, "SigBlk"), NULL, 16);
	ret->seccomp = atoi(field(buf, "Seccomp"));
	ret->vm_size = strtoull(field(buf, "VmSize"), NULL, 10) << 10;
	const char *name = field(buf, "Name");
	snprintf(ret->comm, sizeof(ret->comm), "%.*s", (int)strcspn(name, "\n"), name);
	return ret->state != 0;
}

bool kproc_stat(pid_t pid, struct kproc_stat *ret)
{
	char path[64], buf[1024];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (kproc_read(path, buf, sizeof(buf)) <= 0)
		return false;
	const char *p = strrchr(buf, ')'); /* the name before it may hold anything */
	if (!p)
		return false;
	return sscanf(p + 1,
		      " %*c %*d %*d %*d %*d %*d %lu %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d"
		      " %*d %*d %" SCNu64,
		      &ret->flags, &ret->start_time_ticks) == 2;
}

void kproc_comm(pid_t pid, char buf[16])
{
	char path[64], text[64];

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	if (kproc_read(path, text, sizeof(text)) <= 0)
		strcpy(text, "?");
	snprintf(buf, 16, "%.*s", (int)strcspn(text, "\n"), text);
}

bool kproc_tids(pid_t pid, pid_t **ret, size_t *nr_ret)
{
	char path[64];
	pid_t *tids = NULL;
	size_t nr = 0, cap = 0;
	struct dirent *de;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *d = opendir(path);
	if (!d)
		return false;
	while ((de = readdir(d))) {
		pid_t tid = atoi(de->d_name);

		if (tid <= 0)
			continue;
		if (nr == cap) {
			cap = cap ? cap * 2 : 64;
			pid_t *more = reallocarray(tids, cap, sizeof(*tids));
			if (!more) {
				free(tids);
				closedir(d);
				return false;
			}
			tids = more;
		}
		tids[nr++] = tid;
	}
	closedir(d);
	*ret = tids;
	*nr_ret = nr;
	return true;
}

uint64_t kproc_limit(pid_t pid, const char *name)
{
	char path[64], buf[4096];
	uint64_t soft;

	snprintf(path, sizeof(path), "/proc/%d/limits", pid);
	if (kproc_read(path, buf, sizeof(buf)) <= 0)
		return UINT64_MAX;
	const char *at = strstr(buf, name);
	if (!at || sscanf(at + strlen(name), " %" SCNu64, &soft) != 1)
		return UINT64_MAX;
	return soft;
}

/* "START-END PERMS OFFSET DEVICE INODE NAME".  Not by sscanf(): with 60,000 of these lines it takes
 * longer than the kernel does. */
static bool parse_map(char *line, struct kproc_map *m)
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

bool kproc_maps(pid_t pid, bool (*fn)(const struct kproc_map *m, void *arg), void *arg)
{
	char path[64], *line = NULL;
	size_t cap = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	while (getline(&line, &cap, f) > 0) {
		struct kproc_map m;

		if (!parse_map(line, &m))
			continue;
		if (!fn(&m, arg))
			break;
	}
	free(line);
	fclose(f);
	return true;
}

bool kproc_fds(pid_t pid, void (*fn)(int fd, const char *link, void *arg), void *arg)
{
	char path[64], link[256];
	struct dirent *de;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	DIR *d = opendir(path);
	if (!d)
		return false;
	while ((de = readdir(d))) {
		if (*de->d_name == '.')
			continue;
		ssize_t n = readlinkat(dirfd(d), de->d_name, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = 0;
		fn(atoi(de->d_name), link, arg);
	}
	closedir(d);
	return true;
}
