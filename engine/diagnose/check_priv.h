/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Internal to check*.c. */
#ifndef STEPDUMP_CHECK_PRIV_H
#define STEPDUMP_CHECK_PRIV_H

#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/num.h"
#include "engine/diagnose/causes.h"
#include "engine/diagnose/check.h"
#include "engine/proc/files.h"
#include "engine/proc/proc.h"
#include "engine/proc/unix_diag.h"

#define GHOST_LIMIT (1u << 20) /* CRIU's, where --ghost-limit is not given, bytes */

/* What CRIU compares with the limit: what is allocated.  A file with holes can be longer. */
static inline uint64_t ghost_bytes(const struct stat *st)
{
	return (uint64_t)st->st_blocks * 512;
}

/* What the processes of one network or mount namespace have in common; read for the first of them. */
struct netns {
	char name[64]; /* "net:[4026531840]" */
	bool has_tcp,
		has_unix; /* was asked for; what follows is empty where that is not permitted */
	struct proc_tcps tcp;
	struct proc_unixes unix_sockets;
};

struct mntns {
	char name[64];
	struct proc_mounts mounts;
};

/* What is the same for all processes of a run. */
struct check_env {
	const struct caps *caps;
	pid_t self;
	uint64_t max_map_count;
	uint64_t pipe_soft_pages; /* fs.pipe-user-pages-soft; 0: no such limit */
	uint64_t shmem_dev;
	uint64_t fsize_limit; /* our own; RLIM_INFINITY */
	uint64_t nofile_limit;
	char ipc_ns[64];
	pid_t root; /* of the tree that would be dumped; 0: each process is looked at by itself */
	bool has_ptmx; /* a process of the tree so far holds the master of a pseudo-terminal */
	bool own_userns; /* we are in a user namespace of our own: our capabilities count for little */
	bool own_uffd; /* the userfaultfd that a process is registered with may be our own tracker's */
	unsigned patience_ms; /* time left to wait for threads in state D to wake up */
	struct netns *netns;
	size_t nr_netns;
	struct mntns *mntns;
	size_t nr_mntns;
	bool has_sockets;
	uint64_t *socket; /* inodes of all sockets that the tree of root holds, ascending */
	size_t nr_sockets;
};

/* One process that is looked at. */
struct look {
	struct check_env *env;
	pid_t pid;
	struct proc_stat stat;
	struct proc_status st;
	struct proc_limits limits;
	struct vma_list vmas;
	struct proc_fds fds;
	bool has_limits, has_vmas, has_fds;
	bool not_ours; /* it is somebody else's, and we may not look into it */
	Stepdump__CheckedTask *task;
};

/* Appends a finding without evidence yet. */
Stepdump__CheckFinding *finding_new(Stepdump__CheckFinding ***v, size_t *nr, enum cause_id id);
/* Adds a finding, or counts it with the first of its cause.  v: the mapping, or NULL. */
void found(struct look *k, enum cause_id id, const struct vma *v, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The same as a note: for the cause that stands in the way of some kinds of dump only. */
void found_note(struct look *k, enum cause_id id, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* check_task.c: state, threads, cgroup, rights.  False: there is no memory to look at. */
bool check_states(struct look *k);
void check_family(struct look *k);
void check_cgroup_memory(struct look *k);
/* After mappings and descriptors were read. */
void check_hidden_uring(struct look *k);
/* check_maps.c */
void check_maps(struct look *k);
void check_file(struct look *k, const struct vma *v);
/* check_pages.c */
void check_pages(struct look *k);
/* check_limits.c */
void check_limits(struct look *k);
/* check_fds.c */
void check_fds(struct look *k);

/* check_env.c */
struct err *env_init(struct check_env *env, const struct caps *caps);
void env_deinit(struct check_env *env);
/* Of the namespace of the process; NULL if it cannot be read.  Valid until the next call. */
const struct proc_tcps *env_tcp(struct check_env *env, pid_t pid);
const struct proc_unixes *env_unix(struct check_env *env, pid_t pid);
const struct proc_mounts *env_mounts(struct check_env *env, pid_t pid);
/* Is the process in our own network namespace? */
bool env_same_net(const struct check_env *env, pid_t pid);
/* Does a process of the tree hold this socket? */
bool env_tree_holds(struct check_env *env, uint64_t ino);

#endif
