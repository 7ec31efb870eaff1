/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/proc/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/vec.h"
#include "engine/proc/proc_priv.h"

/* ---- files and links of /proc/PID ------------------------------------------ */

static void proc_path(char buf[PATH_MAX], pid_t pid, const char *file)
{
	snprintf(buf, PATH_MAX, "/proc/%d/%s", pid, file);
}

struct err *proc_err(int sys_errno, pid_t pid, const char *file)
{
	struct err *e;

	switch (sys_errno) {
	case ENOENT:
	case ESRCH:
		e = err_cause_only(
			err_new(ERR_TARGET, "no process %d (reading /proc/%d/%s)", pid, pid, file),
			"no-process");
		break;
	case EACCES:
	case EPERM:
		e = err_hint(err_cause(err_new(ERR_TARGET, "may not read /proc/%d/%s", pid, file),
				       "no-rights", "/proc/%d/%s: %s", pid, file,
				       err_errno_name(sys_errno)),
			     "be its owner or root; a process that made itself undumpable, or that "
			     "changed its user, needs CAP_SYS_PTRACE");
		break;
	default:
		e = err_sys(sys_errno, "reading /proc/%d/%s", pid, file);
		break;
	}
	if (e->code == ERR_TARGET)
		e->sys_errno = sys_errno;
	return err_pid(e, pid);
}

struct err *proc_open(pid_t pid, const char *file, int flags, int *fd_ret)
{
	char path[PATH_MAX];

	proc_path(path, pid, file);
	int fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		return proc_err(errno, pid, file);
	*fd_ret = fd;
	return NULL;
}

/* Reads to the end; *ret has a NUL behind its *len_ret bytes. */
static int proc_read_all(int fd, char **ret, size_t *len_ret)
{
	AUTO_FREE char *buf = NULL;
	size_t len = 0, cap = 2048;
	ssize_t n;

	do {
		cap *= 2;
		buf = xreallocarray(buf, cap, 1);
		n = read_full(fd, buf + len, cap - len - 1);
		if (n < 0)
			return errno;
		len += (size_t)n;
	} while (len == cap - 1);
	buf[len] = '\0';
	*ret = TAKE_PTR(buf);
	*len_ret = len;
	return 0;
}

struct err *proc_read_file(pid_t pid, const char *file, char **ret, size_t *len_ret)
{
	AUTO_CLOSE int fd = -1;

	TRY(proc_open(pid, file, O_RDONLY, &fd));

	int sys_errno = proc_read_all(fd, ret, len_ret);

	return sys_errno ? proc_err(sys_errno, pid, file) : NULL;
}

struct err *proc_read_link(pid_t pid, const char *file, char **ret)
{
	char path[PATH_MAX];
	size_t cap = 256;

	proc_path(path, pid, file);
	for (;; cap *= 2) {
		AUTO_FREE char *link = xcalloc(cap, 1);
		ssize_t n = readlink(path, link, cap - 1);

		if (n < 0)
			return proc_err(errno, pid, file);
		if ((size_t)n < cap - 1) {
			*ret = TAKE_PTR(link);
			return NULL;
		}
	}
}

struct err *proc_read_exe(pid_t pid, char **ret)
{
	return proc_read_link(pid, "exe", ret);
}

struct err *proc_read_cmdline(pid_t pid, char **ret)
{
	char *text;
	size_t len;

	TRY(proc_read_file(pid, "cmdline", &text, &len));
	while (len && !text[len - 1])
		len--;
	text[len] = '\0';
	for (size_t i = 0; i < len; i++) {
		unsigned char c = text[i];

		if (!c)
			text[i] = ' ';
		else if (c < ' ' || c == 0x7f)
			text[i] = '?';
	}
	*ret = text;
	return NULL;
}

/* ---- auxv ------------------------------------------------------------------- */

void proc_auxv_deinit(struct proc_auxv *a)
{
	free(a->words);
	*a = (struct proc_auxv){ 0 };
}

struct err *proc_read_auxv(pid_t pid, struct proc_auxv *ret)
{
	char *text;
	size_t len;

	TRY(proc_read_file(pid, "auxv", &text, &len));
	if (len % (2 * sizeof(uint64_t))) {
		free(text);
		return err_pid(err_new(ERR_FORMAT,
				       "/proc/%d/auxv has %zu bytes, not pairs of words", pid, len),
			       pid);
	}
	/* from malloc(), hence aligned for words */
	ret->words = (uint64_t *)(void *)text;
	ret->nr = len / sizeof(uint64_t);
	return NULL;
}

/* ---- directories of numbers -------------------------------------------------- */

struct numbers {
	int *v;
	size_t nr;
};

static int compare_ints(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static struct err *proc_list_numbers(DIR *d, pid_t pid, const char *dir, struct numbers *ret)
{
	struct numbers n = { 0 };
	struct dirent *entry;

	while ((errno = 0, entry = readdir(d)))
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
			*vec_push(n.v, n.nr) = atoi(entry->d_name);
	if (errno) {
		struct err *e = proc_err(errno, pid, dir);

		free(n.v);
		return e;
	}
	vec_sort(n.v, n.nr, compare_ints);
	*ret = n;
	return NULL;
}

static struct err *proc_read_numbers(pid_t pid, const char *dir, struct numbers *ret)
{
	char path[PATH_MAX];

	proc_path(path, pid, dir);
	AUTO_CLOSEDIR DIR *d = opendir(path);

	return d ? proc_list_numbers(d, pid, dir, ret) : proc_err(errno, pid, dir);
}

void proc_threads_deinit(struct proc_threads *t)
{
	free(t->tid);
	*t = (struct proc_threads){ 0 };
}

struct err *proc_read_threads(pid_t pid, struct proc_threads *ret)
{
	struct numbers n;

	TRY(proc_read_numbers(pid, "task", &n));
	ret->tid = n.v;
	ret->nr = n.nr;
	return NULL;
}

void proc_children_deinit(struct proc_children *c)
{
	free(c->pid);
	*c = (struct proc_children){ 0 };
}

static void add_children(struct proc_children *c, const char *text)
{
	char *end;

	for (long pid; (pid = strtol(text, &end, 10)) > 0 && end != text; text = end)
		*vec_push(c->pid, c->nr) = (pid_t)pid;
}

struct err *proc_read_children(pid_t pid, struct proc_children *ret)
{
	struct proc_threads t;
	struct proc_children c = { 0 };
	struct err *e = NULL;

	TRY(proc_read_threads(pid, &t));
	for (size_t i = 0; i < t.nr && !e; i++) {
		char file[48], *text;
		size_t len;

		snprintf(file, sizeof(file), "task/%d/children", t.tid[i]);
		e = proc_read_file(pid, file, &text, &len);
		if (!e) {
			add_children(&c, text);
			free(text);
		}
	}
	proc_threads_deinit(&t);
	if (e) {
		proc_children_deinit(&c);
		return e;
	}
	*ret = c;
	return NULL;
}

bool proc_shares_memory(pid_t a, pid_t b)
{
	return b > 0 && !syscall(SYS_kcmp, a, b, KCMP_VM, 0, 0);
}

void proc_fds_deinit(struct proc_fds *f)
{
	for (size_t i = 0; i < f->nr; i++)
		free(f->v[i].link);
	free(f->v);
	*f = (struct proc_fds){ 0 };
}

static struct err *read_fd_links(pid_t pid, const struct numbers *n, struct proc_fds *f)
{
	for (size_t i = 0; i < n->nr; i++) {
		char file[32];
		char *link;

		snprintf(file, sizeof(file), "fd/%d", n->v[i]);
		struct err *e = proc_read_link(pid, file, &link);
		if (e && e->sys_errno == ENOENT) {
			err_free(e);
			continue;
		}
		TRY(e);
		f->v[f->nr++] = (struct proc_fd){ .fd = n->v[i], .link = link };
	}
	return NULL;
}

struct err *proc_read_fds(pid_t pid, struct proc_fds *ret)
{
	struct numbers n;
	struct proc_fds f = { 0 };
	struct err *e = NULL;

	TRY(proc_read_numbers(pid, "fd", &n));
	if (n.nr) {
		f.v = xcalloc(n.nr, sizeof(*f.v));
		e = read_fd_links(pid, &n, &f);
	}
	free(n.v);
	if (e) {
		proc_fds_deinit(&f);
		return e;
	}
	*ret = f;
	return NULL;
}

/* ---- text files with a parser (proc_text.c) ----------------------------------- */

#define READ_AND_PARSE(pid, file, parse, ret)                                                      \
	do {                                                                                       \
		char *text_ = NULL;                                                                \
		size_t len_ = 0;                                                                   \
		TRY(proc_read_file(pid, file, &text_, &len_));                                     \
		struct err *e_ = parse(text_, len_, ret);                                          \
		free(text_);                                                                       \
		return err_pid(err_wrap(e_, "/proc/%d/%s", pid, file), pid);                       \
	} while (0)

struct err *proc_read_stat(pid_t pid, struct proc_stat *ret)
{
	READ_AND_PARSE(pid, "stat", parse_stat, ret);
}

struct err *proc_read_status(pid_t pid, struct proc_status *ret)
{
	READ_AND_PARSE(pid, "status", parse_status, ret);
}

struct err *proc_read_thread_status(pid_t pid, pid_t tid, struct proc_status *ret)
{
	char file[40];

	snprintf(file, sizeof(file), "task/%d/status", tid);
	READ_AND_PARSE(pid, file, parse_status, ret);
}

struct err *proc_read_limits(pid_t pid, struct proc_limits *ret)
{
	READ_AND_PARSE(pid, "limits", parse_limits, ret);
}

bool proc_on_tmpfs(pid_t pid, uint64_t dev)
{
	AUTO_FREE char *text = NULL;
	char want[64], *save = NULL;
	size_t len;

	if (major(dev))
		return false;
	snprintf(want, sizeof(want), " %u:%u ", major(dev), minor(dev));
	struct err *e = proc_read_file(pid, "mountinfo", &text, &len);

	if (e) {
		err_free(e);
		return false;
	}
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strstr(line, want) && strstr(line, " - tmpfs "))
			return true;
	return false;
}
