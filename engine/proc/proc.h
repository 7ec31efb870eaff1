/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading /proc/PID.  Nothing here changes the process.
 *
 * A task that is gone, or that may not be looked at, is ERR_TARGET with the errno; text that
 * does not parse is ERR_FORMAT.  The parse_*() functions take text alone (fuzzing, tests).
 * Mirrors: criu/proc_parse.c.
 */
#ifndef STEPDUMP_PROC_H
#define STEPDUMP_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/err.h"
#include "engine/proc/vma.h"

/* ---- mappings (smaps.c) -------------------------------------------------- */

/* What stat() of a mapped file adds to the text of smaps. */
struct vma_file {
	bool known; /* dev, ino, mode, rdev are valid */
	uint64_t dev, ino;
	mode_t mode;
	dev_t rdev;
	bool has_fdflags;
	uint32_t fdflags; /* O_RDONLY, O_WRONLY or O_RDWR */
};

/* What the classification needs besides the text. */
struct smaps_env {
	uint64_t shmem_dev; /* device of the kernel's own tmpfs: proc_shmem_dev() */
	/* Asked for every VMA with a file behind it (dev, ino and name are set, name is not
	 * owned yet); NULL: nothing is known.  *ret is zeroed before. */
	void (*file)(void *arg, const struct vma *v, struct vma_file *ret);
	void *arg;
};

/*
 * parse_smaps - classify the mappings in the text of /proc/PID/smaps.
 * *ret is set on success only; the caller frees it with vma_list_deinit().  Memory: one buffer of
 * 64 KiB and the list.  VMAs that cannot be dumped are in it, with VMA_UNSUPP and a reason.
 * Fails: ERR_FORMAT malformed, or not in address order.
 * Mirrors: parse_smaps(), handle_vma(), parse_vmflags().
 */
struct err *parse_smaps(const char *text, size_t len, const struct smaps_env *env,
			struct vma_list *ret);
/* Same, reading `fd` to its end. */
struct err *parse_smaps_fd(int fd, const struct smaps_env *env, struct vma_list *ret);

/* Device number of the kernel's internal tmpfs, on which memfds, System V segments and shared
 * anonymous mappings live. */
struct err *proc_shmem_dev(uint64_t *ret);

/*
 * proc_read_vmas - all mappings of `pid`, classified, in address order, with totals.
 * The process should be frozen: else the list may already be wrong when it is complete.
 * Guard regions are not in it (pagemap_scan_guards()); a parasite's mapping is.
 * Fails: ERR_TARGET no such process, not permitted, or no memory (zombie, kernel thread).
 */
struct err *proc_read_vmas(pid_t pid, struct vma_list *ret);

/* A hash of /proc/PID/maps, which takes a fraction of the time of smaps.  If it is vma_list.maps_hash,
 * then the mappings are those of the list, but for what only smaps tells: VmFlags, sizes. */
struct err *proc_maps_hash(pid_t pid, uint64_t *ret);

/* Target of the map_files link of *v: its true path, unescaped.  Caller frees. */
struct err *proc_read_map_link(pid_t pid, const struct vma *v, char **ret);

/* ---- stat, status -------------------------------------------------------- */

struct proc_stat {
	pid_t pid;
	char comm[64]; /* without parentheses; kernel threads have up to 63 characters */
	char state;    /* R S D T t Z X I ... */
	pid_t ppid, pgrp, sid;
	uint32_t flags; /* PF_* */
	uint32_t num_threads;
	uint64_t start_time_ticks;
	uint64_t start_code, end_code, start_stack;
	uint64_t start_data, end_data, start_brk;
	uint64_t arg_start, arg_end, env_start, env_end;
};

#define PROC_PF_KTHREAD 0x00200000u

struct err *parse_stat(const char *text, size_t len, struct proc_stat *ret);
struct err *proc_read_stat(pid_t pid, struct proc_stat *ret);

struct proc_status {
	char comm[16]; /* cut off if escapes made it longer */
	char state;
	pid_t tgid, ppid, tracer_pid;
	uint32_t uid[4], gid[4];                           /* real, effective, saved, file system */
	uint64_t vm_size, vm_rss, vm_swap, vm_pin, vm_lck; /* bytes; 0 for kernel threads */
	uint64_t rss_anon, hugetlb;
	uint32_t threads;
	uint64_t sig_pnd, shd_pnd, sig_blk; /* bit n-1 = signal n */
	uint64_t cap_eff;
	uint32_t seccomp; /* 0 none, 1 strict, 2 filter */
	pid_t ns_pid[32]; /* outermost namespace first */
	size_t nr_ns_pid;
	pid_t ns_pgid_last, ns_sid_last; /* in the innermost namespace, 0: outside */
};

struct err *parse_status(const char *text, size_t len, struct proc_status *ret);
struct err *proc_read_status(pid_t pid, struct proc_status *ret);
/* Of one thread: /proc/PID/task/TID/status. */
struct err *proc_read_thread_status(pid_t pid, pid_t tid, struct proc_status *ret);

/* ---- the rest ------------------------------------------------------------ */

struct proc_auxv {
	uint64_t *words; /* type, value, type, value, ... as they go into mm_saved_auxv */
	size_t nr;
};

void proc_auxv_deinit(struct proc_auxv *a);
struct err *proc_read_auxv(pid_t pid, struct proc_auxv *ret);

/* Arguments joined by spaces, control characters as '?'; "" for a kernel thread.  Caller frees. */
struct err *proc_read_cmdline(pid_t pid, char **ret);
/* Target of /proc/PID/exe.  Caller frees. */
struct err *proc_read_exe(pid_t pid, char **ret);

struct proc_threads {
	pid_t *tid; /* ascending */
	size_t nr;
};

void proc_threads_deinit(struct proc_threads *t);
struct err *proc_read_threads(pid_t pid, struct proc_threads *ret);

struct proc_children {
	pid_t *pid; /* in the order of the kernel's lists */
	size_t nr;
};

void proc_children_deinit(struct proc_children *c);
/* Children of all threads of `pid`, zombies included.  Complete while `pid` is frozen. */
struct err *proc_read_children(pid_t pid, struct proc_children *ret);
/* Have two processes one address space (CLONE_VM)?  False for pid 0, and where kcmp() may not tell. */
bool proc_shares_memory(pid_t a, pid_t b);

struct proc_fd {
	int fd;
	char *link; /* "/path", "socket:[123]", "anon_inode:[eventfd]"; owned */
};

struct proc_fds {
	struct proc_fd *v; /* ascending */
	size_t nr;
};

void proc_fds_deinit(struct proc_fds *f);
/* A descriptor closed meanwhile is left out. */
struct err *proc_read_fds(pid_t pid, struct proc_fds *ret);

struct proc_map {
	uint64_t start, end; /* bytes, end exclusive */
	char perms[5];       /* "r-xp" */
	const char *name;    /* "" for none; valid during the call */
};

/* One line of /proc/PID/maps, which is changed; false: it is none.  Addresses are not judged. */
bool parse_map_line(char *line, struct proc_map *m);

/* Calls `fn` for each mapping in /proc/PID/maps until it returns false: without the details of
 * smaps, but ten times as fast. */
struct err *proc_each_map(pid_t pid, bool (*fn)(const struct proc_map *m, void *arg), void *arg);
/* Calls `fn` for each open descriptor; link: what it refers to, cut off at 255 bytes; "" if it was
 * closed meanwhile. */
struct err *proc_each_fd(pid_t pid, void (*fn)(int fd, const char *link, void *arg), void *arg);

struct proc_limits {
	struct rlimit lim[RLIM_NLIMITS]; /* index RLIMIT_*; RLIM_INFINITY if unlimited */
};

struct err *parse_limits(const char *text, size_t len, struct proc_limits *ret);
struct err *proc_read_limits(pid_t pid, struct proc_limits *ret);

/* Whole text of /proc/PID/`file`, NUL-terminated; for small files.  Caller frees. */
struct err *proc_read_file(pid_t pid, const char *file, char **ret, size_t *len_ret);
/* Is `dev` (as struct vma has it) a tmpfs that is mounted where the process can see it? */
bool proc_on_tmpfs(pid_t pid, uint64_t dev);

#endif
