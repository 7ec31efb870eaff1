/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes as the texts of /proc that smaps.c does not try, and as an answer of sock_diag.  The first byte
 * chooses the parser.  As a plain program: mutations of our own files and of a real answer.
 */
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/proc/cgroup.h"
#include "engine/proc/files.h"
#include "engine/proc/proc.h"
#include "engine/proc/unix_diag.h"

#include "tests/lib/fuzz.h"

/* Each tells whether anything was found. */

static bool try_maps(char *text)
{
	char *save = NULL;
	bool found = false;

	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		size_t len = strlen(l);
		struct proc_map m = { 0 };

		if (!parse_map_line(l, &m))
			continue;
		found = true;
		require(m.name >= l && m.name <= l + len, "the name is part of the line", "");
		require(strlen(m.perms) == 4, "four permissions", m.perms);
	}
	return found;
}

static bool try_tcp(char *text)
{
	struct proc_tcps t = { 0 };

	parse_tcp(text, &t);
	for (size_t i = 0; i < t.nr; i++)
		require(t.v[i].ino != 0, "no orphans", "");
	bool found = t.nr;

	proc_tcps_deinit(&t);
	return found;
}

static bool try_fdinfo(char *text)
{
	struct proc_fdinfo f;

	parse_fdinfo(text, &f);
	require(memchr(f.lock, 0, sizeof(f.lock)) != NULL, "the lock is a string", "");
	require(f.locked || !*f.lock, "a text only of a lock", f.lock);
	return f.mnt_id || f.locked || f.has_tty_index;
}

static bool try_mounts(char *text)
{
	struct proc_mounts m = { 0 };

	parse_mounts(text, &m);
	for (size_t i = 0; i < m.nr; i++)
		require((!i || m.id[i - 1] <= m.id[i]) && proc_mounts_have(&m, m.id[i]), "sorted",
			"");
	bool found = m.nr;

	proc_mounts_deinit(&m);
	return found;
}

static bool try_cgroup(char *text)
{
	static const char *const controllers[] = { NULL, "memory", "freezer" };
	bool found = false;

	for (int i = 0; i < 3; i++) {
		char mount[PATH_MAX], root[PATH_MAX], *copy = strdup(text);
		char *path = parse_cgroup_path(copy, controllers[i]);

		if (path)
			require(!strchr(path, '\n'), "one line", path);
		found |= path != NULL;
		free(path);
		free(copy);
		if (parse_cgroup_mount(text, controllers[i], mount, root))
			found |= strlen(mount) + strlen(root) > 0;
	}
	return found;
}

static bool try_unix(const uint8_t *data, size_t size)
{
	struct proc_unixes u = { 0 };

	parse_unix_diag(data, size, &u);
	require(u.nr <= size / NLMSG_LENGTH(sizeof(struct unix_diag_msg)),
		"no more sockets than fit", "");
	for (size_t i = 0; i < u.nr; i++)
		require(u.v[i].ino && memchr(u.v[i].name, 0, sizeof(u.v[i].name)), "a string", "");
	bool found = u.nr;

	proc_unixes_deinit(&u);
	return found;
}

static bool (*const parsers[])(char *text) = { try_maps, try_tcp, try_fdinfo, try_mounts,
					       try_cgroup };

#define NR_TEXTS (sizeof(parsers) / sizeof(parsers[0]))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	unsigned which = data[0] % (NR_TEXTS + 1);
	/* A copy of the exact size, so that a sanitizer sees each step beyond it. */
	char *copy = malloc(size);

	if (!copy)
		abort();
	memcpy(copy, data + 1, size - 1);
	copy[size - 1] = '\0';
	bool found = which == NR_TEXTS ? try_unix((const uint8_t *)copy, size - 1) :
					 parsers[which](copy);

	free(copy);
	return found;
}

#ifndef LIBFUZZER
static uint8_t *real[NR_TEXTS + 1];
static size_t len[NR_TEXTS + 1];

/* What the kernel says of our unix sockets, of which there are a few. */
static uint8_t *ask_sock_diag(size_t *len_ret)
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
	static uint8_t answer[32768];
	int pair[2], fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	ssize_t n = -1;

	if (!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) && fd >= 0 &&
	    send(fd, &ask, sizeof(ask), 0) == sizeof(ask))
		n = recv(fd, answer, sizeof(answer), 0);
	if (n <= 0) {
		fprintf(stderr, "sock_diag does not answer\n");
		exit(2);
	}
	close(fd);
	*len_ret = (size_t)n;
	return answer;
}

static bool one_text(unsigned i)
{
	static const char *const paths[] = { "/proc/self/maps", "/proc/net/tcp",
					     "/proc/self/fdinfo/0", "/proc/self/mountinfo",
					     "/proc/self/cgroup" };
	static uint8_t buf[1 << 18];
	unsigned which = i % (NR_TEXTS + 1);

	if (!real[which])
		real[which] = which == NR_TEXTS ? ask_sock_diag(&len[which]) :
						  fuzz_load(paths[which], 0, &len[which]);
	size_t n = len[which] < sizeof(buf) - 1 ? len[which] : sizeof(buf) - 1;

	buf[0] = (uint8_t)which;
	memcpy(buf + 1, real[which], n);
	if (i >= NR_TEXTS + 1)
		n = fuzz_mutate(buf, 1, n + 1, sizeof(buf)) - 1;
	return LLVMFuzzerTestOneInput(buf, n + 1);
}

int main(int argc, char **argv)
{
	return fuzz_main(argc, argv, one_text, 50, 100);
}
#endif
