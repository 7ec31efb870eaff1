/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mirrors: unix_receive_one() and collect_unix_sockets() of CRIU. */
#include "engine/proc/unix_diag.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/vec.h"

#define ANSWER_BYTES (64u << 10)
#define ANSWER_MS 2000

void proc_unixes_deinit(struct proc_unixes *u)
{
	free(u->v);
	*u = (struct proc_unixes){ 0 };
}

static int unix_by_ino(const void *a, const void *b)
{
	const struct proc_unix *x = a, *y = b;

	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

const struct proc_unix *proc_unix_find(const struct proc_unixes *u, uint64_t ino)
{
	size_t at = vec_first(u->nr, i, u->v[i].ino >= ino);

	return at < u->nr && u->v[at].ino == ino ? &u->v[at] : NULL;
}

/* A path may lack its zero, an abstract name begins with one, and either holds any bytes. */
static void copy_name(struct proc_unix *u, const char *from, size_t len)
{
	for (size_t i = 0; i < len && i < sizeof(u->name) - 1; i++) {
		if (i && !from[i] && *u->name != '@')
			break;
		u->name[i] = !from[i] ? '@' : from[i] < ' ' || from[i] > '~' ? '?' : from[i];
	}
}

static void parse_socket(const struct nlmsghdr *h, struct proc_unixes *ret)
{
	const struct unix_diag_msg *m = NLMSG_DATA(h);
	int left = (int)NLMSG_PAYLOAD(h, NLMSG_ALIGN(sizeof(*m)));
	struct proc_unix u = { .ino = m->udiag_ino };

	for (const struct rtattr *a = (const void *)((const char *)m + NLMSG_ALIGN(sizeof(*m)));
	     RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == UNIX_DIAG_PEER && RTA_PAYLOAD(a) >= sizeof(uint32_t)) {
			uint32_t peer;

			memcpy(&peer, RTA_DATA(a), sizeof(peer));
			u.peer = peer;
		} else if (a->rta_type == UNIX_DIAG_NAME) {
			copy_name(&u, RTA_DATA(a), RTA_PAYLOAD(a));
		}
	}
	if (u.ino)
		*vec_push(ret->v, ret->nr) = u;
}

bool parse_unix_diag(const void *answer, size_t len, struct proc_unixes *ret)
{
	/* Signed: the macros take an aligned length off, which can be more than there is. */
	int left = len < INT_MAX ? (int)len : INT_MAX;

	for (const struct nlmsghdr *h = answer; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
		if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
			return true;
		if (h->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
		    h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct unix_diag_msg)))
			parse_socket(h, ret);
	}
	return left >= (int)sizeof(struct nlmsghdr); /* the rest is not whole */
}

/* A socket for sock_diag in the network namespace of the process. */
static struct err *diag_socket(pid_t pid, int *ret)
{
	const int kind = SOCK_DGRAM | SOCK_CLOEXEC;
	char path[64];
	struct stat own, other;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	AUTO_CLOSE int there = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (there < 0 || here < 0 || fstat(there, &other) || fstat(here, &own))
		return err_sys(errno, "open %s", there < 0 ? path : "/proc/thread-self/ns/net");
	if (own.st_ino == other.st_ino && own.st_dev == other.st_dev) {
		*ret = socket(AF_NETLINK, kind, NETLINK_SOCK_DIAG);
	} else {
		if (setns(there, CLONE_NEWNET))
			return err_sys(errno, "enter the network namespace of process %d", pid);
		*ret = socket(AF_NETLINK, kind, NETLINK_SOCK_DIAG);
		int saved = errno;

		if (setns(here, CLONE_NEWNET))
			abort(); /* CAP_SYS_ADMIN was there just now: go on nowhere else */
		errno = saved;
	}
	return *ret < 0 ? err_sys(errno, "make a socket for sock_diag") : NULL;
}

struct err *proc_read_unix(pid_t pid, struct proc_unixes *ret)
{
	const struct {
		struct nlmsghdr h;
		struct unix_diag_req r;
	} ask = {
		.h = { .nlmsg_len = sizeof(ask),
		       .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.r = { .sdiag_family = AF_UNIX,
		       .udiag_states = ~0u,
		       .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER },
	};
	const struct timeval patience = { .tv_sec = ANSWER_MS / 1000 };
	struct proc_unixes all = { 0 };
	AUTO_CLOSE int fd = -1;
	AUTO_FREE char *answer = xzalloc(ANSWER_BYTES);
	ssize_t n;

	TRY(diag_socket(pid, &fd));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (send(fd, &ask, sizeof(ask), 0) != sizeof(ask))
		return err_sys(errno, "ask sock_diag for unix sockets");
	do {
		n = RETRY(recv(fd, answer, ANSWER_BYTES, 0));
		if (n < 0) {
			int saved = errno;

			proc_unixes_deinit(&all);
			return err_sys(saved, "read what sock_diag answers");
		}
	} while (n && !parse_unix_diag(answer, (size_t)n, &all));
	vec_sort(all.v, all.nr, unix_by_ino);
	*ret = all;
	return NULL;
}
