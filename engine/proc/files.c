/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/proc/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "engine/proc/proc.h"

/* ---- TCP ----------------------------------------------------------------------------------------- */

void proc_tcps_deinit(struct proc_tcps *t)
{
	free(t->v);
	*t = (struct proc_tcps){ 0 };
}

/* "sl: local remote st tx_queue:rx_queue tr:when retrnsmt uid timeout inode ..." */
void parse_tcp(const char *text, struct proc_tcps *ret)
{
	for (const char *p = strchr(text, '\n'); p && *++p; p = strchr(p, '\n')) {
		struct proc_tcp t;

		if (sscanf(p, " %*u: %*s %*s %x %*x:%x %*s %*s %*u %*u %lu", &t.state, &t.rx_queue,
			   &t.ino) == 3 &&
		    t.ino)
			*vec_push(ret->v, ret->nr) = t;
	}
}

static int by_ino(const void *a, const void *b)
{
	const struct proc_tcp *x = a, *y = b;

	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

struct err *proc_read_tcp(pid_t pid, struct proc_tcps *ret)
{
	static const char *const files[] = { "net/tcp", "net/tcp6" };
	struct proc_tcps t = { 0 };

	for (size_t i = 0; i < 2; i++) {
		AUTO_FREE char *text = NULL;
		size_t len;
		struct err *e = proc_read_file(pid, files[i], &text, &len);

		if (e && !i) {
			proc_tcps_deinit(&t);
			return e;
		}
		err_free(e); /* a kernel without IPv6 */
		if (text)
			parse_tcp(text, &t);
	}
	vec_sort(t.v, t.nr, by_ino);
	*ret = t;
	return NULL;
}

const struct proc_tcp *proc_tcp_find(const struct proc_tcps *t, uint64_t ino)
{
	size_t at = vec_first(t->nr, i, t->v[i].ino >= ino);

	return at < t->nr && t->v[at].ino == ino ? &t->v[at] : NULL;
}

/* ---- fdinfo -------------------------------------------------------------------------------------- */

void parse_fdinfo(const char *text, struct proc_fdinfo *ret)
{
	const char *at;

	*ret = (struct proc_fdinfo){ 0 };
	if ((at = strstr(text, "mnt_id:")))
		ret->mnt_id = strtoull(at + 7, NULL, 10);
	ret->has_tty_index = strstr(text, "tty-index:") != NULL;
	/* "lock:\t1: FLOCK  ADVISORY ..." */
	if (!(at = strstr(text, "\nlock:")))
		return;
	ret->locked = true;
	at += 6;
	at += strspn(at, " \t0123456789:");
	snprintf(ret->lock, sizeof(ret->lock), "%.*s", (int)strcspn(at, "\n"), at);
}

struct err *proc_read_fdinfo(pid_t pid, int fd, struct proc_fdinfo *ret)
{
	AUTO_FREE char *text = NULL;
	char name[40];
	size_t len;

	snprintf(name, sizeof(name), "fdinfo/%d", fd);
	TRY(proc_read_file(pid, name, &text, &len));
	parse_fdinfo(text, ret);
	return NULL;
}

/* ---- mounts -------------------------------------------------------------------------------------- */

void proc_mounts_deinit(struct proc_mounts *m)
{
	free(m->id);
	*m = (struct proc_mounts){ 0 };
}

static int by_id(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

void parse_mounts(const char *text, struct proc_mounts *ret)
{
	for (const char *p = text; p && *p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (*p)
			*vec_push(ret->id, ret->nr) = strtoull(p, NULL, 10);
	}
	vec_sort(ret->id, ret->nr, by_id);
}

struct err *proc_read_mounts(pid_t pid, struct proc_mounts *ret)
{
	AUTO_FREE char *text = NULL;
	struct proc_mounts m = { 0 };
	size_t len;

	TRY(proc_read_file(pid, "mountinfo", &text, &len));
	parse_mounts(text, &m);
	*ret = m;
	return NULL;
}

bool proc_mounts_have(const struct proc_mounts *m, uint64_t id)
{
	size_t at = vec_first(m->nr, i, m->id[i] >= id);

	return at < m->nr && m->id[at] == id;
}
