/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is the same for all processes of a run, or for those of one namespace. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/io.h"
#include "base/vec.h"
#include "engine/diagnose/check_priv.h"

#define TREE_DEPTH 1000u /* of a tree of processes; deeper ones are not followed */

static uint64_t read_sysctl(const char *path)
{
	char buf[32];

	return read_small(path, buf, sizeof(buf)) > 0 ? strtoull(buf, NULL, 10) : 0;
}

/* "net:[4026531840]"; "" if it may not be read. */
static void read_ns(pid_t pid, const char *kind, char ret[64])
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, kind);
	n = readlink(path, ret, 63);
	ret[n > 0 ? n : 0] = '\0';
}

/* In the first user namespace all ids are what they are called. */
static bool in_own_userns(void)
{
	unsigned inside, outside, count;
	char buf[128];

	return read_small("/proc/self/uid_map", buf, sizeof(buf)) > 0 &&
	       (sscanf(buf, "%u %u %u", &inside, &outside, &count) != 3 || inside || outside ||
		count != UINT32_MAX);
}

struct err *env_init(struct check_env *env, const struct caps *caps)
{
	struct proc_fds own = { 0 };
	struct rlimit r;

	*env = (struct check_env){ .caps = caps, .self = getpid(), .patience_ms = 1000 };
	TRY(proc_shmem_dev(&env->shmem_dev));
	env->max_map_count = read_sysctl("/proc/sys/vm/max_map_count");
	env->pipe_soft_pages = read_sysctl("/proc/sys/fs/pipe-user-pages-soft");
	env->fsize_limit = getrlimit(RLIMIT_FSIZE, &r) ? RLIM_INFINITY : r.rlim_cur;
	env->nofile_limit = getrlimit(RLIMIT_NOFILE, &r) ? RLIM_INFINITY : r.rlim_max;
	read_ns(env->self, "ipc", env->ipc_ns);
	env->own_userns = in_own_userns();
	err_free(proc_read_fds(env->self, &own));
	for (size_t i = 0; i < own.nr; i++)
		env->own_uffd |= !strcmp(own.v[i].link, "anon_inode:[userfaultfd]");
	proc_fds_deinit(&own);
	return NULL;
}

void env_deinit(struct check_env *env)
{
	for (size_t i = 0; i < env->nr_netns; i++) {
		proc_tcps_deinit(&env->netns[i].tcp);
		proc_unixes_deinit(&env->netns[i].unix_sockets);
	}
	free(env->netns);
	free(env->socket);
	for (size_t i = 0; i < env->nr_mntns; i++)
		proc_mounts_deinit(&env->mntns[i].mounts);
	free(env->mntns);
}

static struct netns *netns_of(struct check_env *env, pid_t pid)
{
	struct netns n = { 0 };

	read_ns(pid, "net", n.name);
	if (!*n.name)
		return NULL;
	for (size_t i = 0; i < env->nr_netns; i++)
		if (!strcmp(env->netns[i].name, n.name))
			return &env->netns[i];
	*vec_push(env->netns, env->nr_netns) = n;
	return &env->netns[env->nr_netns - 1];
}

const struct proc_tcps *env_tcp(struct check_env *env, pid_t pid)
{
	struct netns *n = netns_of(env, pid);

	if (n && !n->has_tcp) {
		n->has_tcp = true;
		err_free(proc_read_tcp(pid, &n->tcp));
	}
	return n ? &n->tcp : NULL;
}

const struct proc_unixes *env_unix(struct check_env *env, pid_t pid)
{
	struct netns *n = netns_of(env, pid);

	if (n && !n->has_unix) {
		n->has_unix = true;
		err_free(proc_read_unix(pid, &n->unix_sockets));
	}
	return n ? &n->unix_sockets : NULL;
}

bool env_same_net(const struct check_env *env, pid_t pid)
{
	char own[64], other[64];

	read_ns(env->self, "net", own);
	read_ns(pid, "net", other);
	return *own && !strcmp(own, other);
}

/* ---- sockets of the tree ------------------------------------------------------------------------- */

static void add_sockets(struct check_env *env, pid_t pid, unsigned depth)
{
	struct proc_children c = { 0 };
	struct proc_fds f = { 0 };

	err_free(proc_read_fds(pid, &f));
	for (size_t i = 0; i < f.nr; i++)
		if (!strncmp(f.v[i].link, "socket:[", 8))
			*vec_push(env->socket, env->nr_sockets) =
				strtoull(f.v[i].link + 8, NULL, 10);
	proc_fds_deinit(&f);
	if (depth)
		err_free(proc_read_children(pid, &c));
	for (size_t i = 0; i < c.nr; i++)
		add_sockets(env, c.pid[i], depth - 1);
	proc_children_deinit(&c);
}

static int socket_by_ino(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

bool env_tree_holds(struct check_env *env, uint64_t ino)
{
	if (!env->has_sockets) {
		env->has_sockets = true;
		add_sockets(env, env->root, TREE_DEPTH);
		vec_sort(env->socket, env->nr_sockets, socket_by_ino);
	}
	size_t at = vec_first(env->nr_sockets, i, env->socket[i] >= ino);

	return at < env->nr_sockets && env->socket[at] == ino;
}

/* ---- mounts -------------------------------------------------------------------------------------- */

/* mountinfo ends at the root of the process: after a chroot it does not show all of the namespace. */
static bool sees_all_mounts(pid_t pid)
{
	char path[64], root[2];

	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	return readlink(path, root, sizeof(root)) == 1 && *root == '/';
}

const struct proc_mounts *env_mounts(struct check_env *env, pid_t pid)
{
	struct mntns n = { 0 };
	char own[64];

	read_ns(pid, "mnt", n.name);
	if (!*n.name)
		return NULL;
	for (size_t i = 0; i < env->nr_mntns; i++)
		if (!strcmp(env->mntns[i].name, n.name))
			return &env->mntns[i].mounts;
	read_ns(env->self, "mnt", own);
	if (!strcmp(own, n.name))
		pid = env->self;
	if (!sees_all_mounts(pid))
		return NULL;
	struct err *e = proc_read_mounts(pid, &n.mounts);

	if (e) {
		err_free(e);
		return NULL;
	}
	*vec_push(env->mntns, env->nr_mntns) = n;
	return &env->mntns[env->nr_mntns - 1].mounts;
}
