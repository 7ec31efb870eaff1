/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Descriptors that CRIU cannot dump, or not without an option.  Mirrors: dump_one_file(), dump_chrdev(),
 * can_dump_inet_sk() and note_file_lock() of CRIU, from outside.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "engine/diagnose/check_priv.h"

/* Majors and minors of <linux/major.h> and the kernel's devices.txt. */
#define MAJOR_MEM 1
#define MAJOR_TTY 4
#define MAJOR_TTYAUX 5
#define MAJOR_MISC 10
#define MAJOR_PTY_MASTER 128 /* 8 of them */
#define MAJOR_PTY_SLAVE 136  /* 8 of them */
#define MAJOR_USB_SERIAL 188
#define MINOR_TUN 200
#define MINOR_AUTOFS 235

static bool is_one_of(const char *word, const char *const *list, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (!strcmp(word, list[i]))
			return true;
	return false;
}

/* Kinds without a path that CRIU knows. */
static bool known_anon_inode(const char *kind)
{
	static const char *const known[] = { "[eventfd]",  "[eventpoll]", "[signalfd]", "inotify",
					     "[fanotify]", "[timerfd]",   "[pidfd]",    "bpf-map" };

	return is_one_of(kind, known, sizeof(known) / sizeof(known[0]));
}

static void check_anon_inode(struct look *k, const struct proc_fd *f)
{
	if (!strcmp(f->link, "anon_inode:[userfaultfd]"))
		found(k, CAUSE_FD_USERFAULTFD, NULL, "/proc/%d/fd/%d: %s", k->pid, f->fd, f->link);
	else if (!known_anon_inode(f->link + 11))
		found(k, CAUSE_FD_KERNEL_OBJECT, NULL, "/proc/%d/fd/%d: %s", k->pid, f->fd,
		      f->link);
}

/* ---- sockets ------------------------------------------------------------------------------------- */

static bool known_protocol(const char *name)
{
	static const char *const known[] = {
		"TCP",         "TCPv6",          "UDP", "UDPv6", "UDP-Lite", "UDPLITEv6", "UNIX",
		"UNIX-STREAM", "UNIX-SEQPACKET", "RAW", "RAWv6", "PACKET",   "NETLINK"
	};

	return is_one_of(name, known, sizeof(known) / sizeof(known[0]));
}

static void check_tcp(struct look *k, const struct proc_fd *f)
{
	const struct proc_tcps *all = env_tcp(k->env, k->pid);
	const struct proc_tcp *t = all ? proc_tcp_find(all, strtoull(f->link + 8, NULL, 10)) : NULL;

	if (!t || t->state == PROC_TCP_CLOSE)
		return;
	if (t->state != PROC_TCP_LISTEN)
		found(k, CAUSE_TCP_ESTABLISHED, NULL,
		      "/proc/%d/fd/%d: %s, state %02X in /proc/%d/net/tcp", k->pid, f->fd, f->link,
		      t->state, k->pid);
	else if (t->rx_queue)
		found(k, CAUSE_TCP_IN_FLIGHT, NULL,
		      "/proc/%d/fd/%d: %s listens, %u not accepted yet in /proc/%d/net/tcp", k->pid,
		      f->fd, f->link, t->rx_queue, k->pid);
}

static void check_unix(struct look *k, const struct proc_fd *f)
{
	const struct proc_unixes *all = k->env->root ? env_unix(k->env, k->pid) : NULL;
	const struct proc_unix *u =
		all ? proc_unix_find(all, strtoull(f->link + 8, NULL, 10)) : NULL;

	if (!u || !u->peer || env_tree_holds(k->env, u->peer))
		return;

	const struct proc_unix *peer = proc_unix_find(all, u->peer);

	found(k, CAUSE_UNIX_PEER_OUTSIDE, NULL,
	      "/proc/%d/fd/%d: %s, connected with socket:[%lu]%s%s, which no process of the tree holds",
	      k->pid, f->fd, f->link, u->peer, peer && *peer->name ? " of " : "",
	      peer ? peer->name : "");
}

static void check_socket(struct look *k, const struct proc_fd *f)
{
	char path[64], name[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", k->pid, f->fd);
	n = getxattr(path, "system.sockprotoname", name, sizeof(name) - 1);
	if (n <= 0)
		return;
	name[n] = '\0';
	if (!known_protocol(name))
		found(k, CAUSE_SOCKET_KIND, NULL, "%s: %s, of protocol %s", path, f->link, name);
	else if (!strncmp(name, "TCP", 3))
		check_tcp(k, f);
	else if (!strncmp(name, "UNIX", 4))
		check_unix(k, f);
}

/* ---- files, devices ------------------------------------------------------------------------------ */

static bool is_tty(unsigned major)
{
	return major == MAJOR_TTY || major == MAJOR_TTYAUX || major == MAJOR_USB_SERIAL ||
	       (major >= MAJOR_PTY_MASTER && major < MAJOR_PTY_SLAVE + 8);
}

static void check_device(struct look *k, const struct proc_fd *f, const struct stat *st)
{
	unsigned maj = major(st->st_rdev), min = minor(st->st_rdev);
	bool block = S_ISBLK(st->st_mode);

	if (!block && maj == MAJOR_MISC && min == MINOR_TUN && env_same_net(k->env, k->pid))
		found(k, CAUSE_TUN_HOST_NET, NULL, "/proc/%d/fd/%d: %s, in our network namespace",
		      k->pid, f->fd, f->link);
	if (!block && (maj == MAJOR_MEM || is_tty(maj) ||
		       (maj == MAJOR_MISC && (min == MINOR_TUN || min == MINOR_AUTOFS))))
		return;
	found(k, CAUSE_FD_DEVICE, NULL, "/proc/%d/fd/%d: %s, %s device %u:%u", k->pid, f->fd,
	      f->link, block ? "block" : "character", maj, min);
}

/* The slave of a pseudo-terminal whose master nobody in the tree holds. */
static void check_terminal(struct look *k, const struct proc_fd *f, const struct proc_fdinfo *info)
{
	if (info->has_tty_index)
		k->env->has_ptmx = true;
	else if (k->env->root && !k->env->has_ptmx && !strncmp(f->link, "/dev/pts/", 9))
		found(k, CAUSE_TTY_OUTSIDE, NULL,
		      "/proc/%d/fd/%d: %s, and its master is not open in the tree", k->pid, f->fd,
		      f->link);
}

static bool is_mapped(const struct look *k, const struct stat *st)
{
	for (size_t i = 0; i < k->vmas.nr; i++)
		if (k->vmas.v[i].dev == st->st_dev && k->vmas.v[i].ino == st->st_ino)
			return true;
	return false;
}

static void check_deleted(struct look *k, const struct proc_fd *f, const struct stat *st)
{
	if (is_mapped(k, st))
		return; /* told with the mapping */
	if (st->st_dev == k->env->shmem_dev) {
		if (st->st_size && k->has_vmas)
			found(k, CAUSE_FILE_ELSEWHERE, NULL,
			      "/proc/%d/fd/%d: %s, %lu bytes, is not mapped", k->pid, f->fd,
			      f->link, (uint64_t)st->st_size);
	} else if (ghost_bytes(st) > GHOST_LIMIT) {
		found(k, CAUSE_GHOST_TOO_BIG, NULL,
		      "/proc/%d/fd/%d: %s, %lu bytes in st_blocks, the limit is %u", k->pid, f->fd,
		      f->link, ghost_bytes(st), GHOST_LIMIT);
	}
}

static void check_mount(struct look *k, const char *what, const char *link, uint64_t mnt_id)
{
	const struct proc_mounts *m = mnt_id ? env_mounts(k->env, k->pid) : NULL;

	if (m && !proc_mounts_have(m, mnt_id))
		found(k, CAUSE_MOUNT_OUTSIDE, NULL,
		      "/proc/%d/%s: %s, mount %lu, which is not in /proc/%d/mountinfo", k->pid,
		      what, link, mnt_id, k->pid);
}

static void check_path(struct look *k, const struct proc_fd *f)
{
	struct proc_fdinfo info;
	char path[64], what[16];
	struct stat st;
	struct err *e = proc_read_fdinfo(k->pid, f->fd, &info);

	if (e) {
		err_free(e);
		return; /* closed meanwhile */
	}
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", k->pid, f->fd);
	snprintf(what, sizeof(what), "fd/%d", f->fd);
	if (stat(path, &st))
		return;
	if (info.locked)
		found(k, CAUSE_FILE_LOCKS, NULL, "/proc/%d/fdinfo/%d: lock on %s: %s", k->pid,
		      f->fd, f->link, info.lock);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		check_device(k, f, &st);
	if (S_ISCHR(st.st_mode) && is_tty(major(st.st_rdev)))
		check_terminal(k, f, &info);
	else if (!strncmp(f->link, "/secretmem", 10))
		found(k, CAUSE_SECRETMEM, NULL, "/proc/%d/fd/%d: %s", k->pid, f->fd, f->link);
	else if (st.st_dev != k->env->shmem_dev && strncmp(f->link, "/memfd:", 7))
		check_mount(k, what, f->link, info.mnt_id);
	if (S_ISREG(st.st_mode) && !st.st_nlink)
		check_deleted(k, f, &st);
}

/* A program that was started before its process left a mount namespace is mapped through the old one. */
static void check_exe(struct look *k)
{
	char path[64];
	struct proc_fdinfo info;

	snprintf(path, sizeof(path), "/proc/%d/exe", k->pid);
	AUTO_CLOSE int fd = open(path, O_PATH | O_CLOEXEC);
	struct err *e = fd < 0 ? NULL : proc_read_fdinfo(k->env->self, fd, &info);
	struct stat st;

	if (fd >= 0 && !e && !fstat(fd, &st) && st.st_dev != k->env->shmem_dev)
		check_mount(k, "exe", "the program", info.mnt_id);
	err_free(e);
}

static void check_fd(struct look *k, const struct proc_fd *f)
{
	if (!strncmp(f->link, "anon_inode:", 11))
		check_anon_inode(k, f);
	else if (!strncmp(f->link, "socket:[", 8))
		check_socket(k, f);
	else if (*f->link == '/')
		check_path(k, f);
}

void check_fds(struct look *k)
{
	if (!k->has_fds)
		return;
	check_exe(k);
	for (size_t i = 0; i < k->fds.nr; i++)
		check_fd(k, &k->fds.v[i]);
}
