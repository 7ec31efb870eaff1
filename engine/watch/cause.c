/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Why criu has failed, found by looking at what it failed on: the catalogue of causes. */
#include "engine/watch/cause.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/num.h"
#include "engine/diagnose/causes.h"
#include "engine/diagnose/log.h"
#include "engine/proc/proc.h"
#include "engine/watch/watch_priv.h"

/* ---- seizing -------------------------------------------------------------------------------------- */

static char *cause_of_seize(const struct watch *w)
{
	pid_t pid = w->fault.pid;
	struct proc_status st;
	AUTO_ERR struct err *e = proc_read_status(pid, &st);
	struct proc_stat ps;

	if (e)
		return xasprintf("there is no process %d (criu sees the pids of its own namespace)",
				 pid);
	AUTO_ERR struct err *e2 = proc_read_stat(pid, &ps);

	if (st.tracer_pid) {
		struct proc_stat tracer = { .comm = "?" };

		err_free(proc_read_stat(st.tracer_pid, &tracer));
		return xasprintf(
			"%d is traced by %d (%s): only one tracer is possible; detach that one",
			pid, st.tracer_pid, tracer.comm);
	}
	if (!e2 && ps.flags & PROC_PF_KTHREAD)
		return xasprintf("%d is a kernel thread: it cannot be dumped", pid);
	if (st.state == 'Z' && st.threads > 1)
		return xasprintf(
			"%d's leading thread has ended while others live on: CRIU cannot seize "
			"such a process",
			pid);
	if (st.state == 'Z')
		return xasprintf("%d is a zombie: it has no memory any more; dump its parent", pid);
	if (w->fault.sys_errno == EPERM)
		return xasprintf("criu may not trace %d: it needs CAP_SYS_PTRACE, and a "
				 "security module (Yama, SELinux, AppArmor) may still say no",
				 pid);
	return NULL;
}

/* ---- draining --------------------------------------------------------------------------------------- */

static int open_proc(pid_t pid, const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Why a page that the pagemap counts as memory cannot be read. */
static const char *kind_of_page(uint64_t raw)
{
	if (raw & 1ul << 58)
		return "a guard page (MADV_GUARD_INSTALL) that this criu does not know: CRIU 4.2 and "
		       "kernel 6.15 skip it";
	if (raw & 1ul << 57)
		return "write-protected by a userfaultfd: its marker looks like swap";
	if (raw & 1ul << 62)
		return "poisoned: UFFDIO_POISON or a hardware memory error left a marker there; "
		       "write that page again or unmap it";
	return "not readable";
}

/* One line of maps, as it names the VMA. */
static void name_vma(pid_t pid, uint64_t addr, char *buf, size_t len)
{
	AUTO_FREE char *maps = NULL;
	unsigned long start, end;
	size_t size;
	char *save, perms[8];
	int name = 0;
	AUTO_ERR struct err *e = proc_read_file(pid, "maps", &maps, &size);

	*buf = '\0';
	if (e)
		return;
	for (char *l = strtok_r(maps, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		if (sscanf(l, "%lx-%lx %7s %*s %*s %*s %n", &start, &end, perms, &name) >= 3 &&
		    addr >= start && addr < end)
			snprintf(buf, len, " in VMA %lx-%lx %s%s%s", start, end, perms,
				 name && l[name] ? " " : "", name ? l + name : "");
}

static void blame(struct watch *w, uint64_t vaddr)
{
	w->fault.has_vaddr = true;
	w->fault.vaddr = vaddr;
}

/* The first page of the ppb that cannot be read from outside either. */
static bool unreadable_page(const struct watch *w, const struct wppb *b, int mem, uint64_t *ret)
{
	char byte;

	for (size_t i = 0; i < b->nr_segs; i++)
		for (uint64_t k = 0; k < b->iov[i].nr_pages; k++) {
			uint64_t at = b->iov[i].start + k * PAGE_BYTES;

			if (pread(mem, &byte, 1, (off_t)at) == 1)
				continue;
			*ret = at;
			return true;
		}
	return false;
}

static char *cause_of_limits(pid_t pid)
{
	struct proc_limits lim;
	struct proc_fds fds;
	size_t used = 0;
	AUTO_ERR struct err *e = proc_read_limits(pid, &lim);

	if (e)
		return NULL;
	AUTO_ERR struct err *e2 = proc_read_fds(pid, &fds);

	if (e2)
		return NULL;
	rlim_t max = lim.lim[RLIMIT_NOFILE].rlim_cur;

	for (size_t i = 0; i < fds.nr; i++)
		used += (rlim_t)fds.v[i].fd < max;
	proc_fds_deinit(&fds);
	if (max - used >= 4)
		return NULL;
	return xasprintf("%d has %lu of its %lu file descriptors free, and the parasite needs 4: "
			 "`prlimit --pid %d --nofile=%lu` raises the limit",
			 pid, max - used, max, pid, max + 64);
}

static char *cause_of_drain(struct watch *w)
{
	const struct wppb *b = w->nr_ppbs ? &w->ppb[w->nr_ppbs - 1] : NULL;
	pid_t pid = w->fault.pid;
	AUTO_CLOSE int mem = open_proc(pid, "mem"), pagemap = open_proc(pid, "pagemap");
	uint64_t at, raw = 0;
	char vma[300];

	if (!b || !b->has_plan || mem < 0 || !unreadable_page(w, b, mem, &at))
		return cause_of_limits(pid);
	blame(w, at);
	name_vma(pid, at, vma, sizeof(vma));
	if (pagemap < 0 || pread_full(pagemap, &raw, 8, (off_t)(at / PAGE_BYTES * 8)) != 8)
		raw = 0;
	return xasprintf("page %lx%s is %s", at, vma, kind_of_page(raw));
}

/* ---- protections ---------------------------------------------------------------------------------------- */

static char *cause_of_mprotect(struct watch *w)
{
	struct vma_list l = { 0 };
	char *cause = NULL;
	AUTO_ERR struct err *e = proc_read_vmas(w->fault.pid, &l);

	for (size_t i = 0; !e && i < l.nr && !cause; i++) {
		const struct vma *v = &l.v[i];

		if (!(v->vmf & VMF_SEALED) || v->prot & PROT_READ || !vma_is_private(v))
			continue;
		blame(w, v->start);
		cause = xasprintf(
			"VMA %lx-%lx is sealed (mseal) and cannot be read: the parasite may "
			"not add PROT_READ; CRIU cannot dump it",
			v->start, v->end);
	}
	vma_list_deinit(&l);
	return cause;
}

/* ---- everything else: by errno and words ------------------------------------------------------------------- */

static char *cause_of_space(const struct watch *w)
{
	struct statvfs st;

	if (!*w->images || statvfs(w->images, &st))
		return xstrdup("the image directory's file system is full");
	return xasprintf(
		"%s has %lu MiB free; %lu MiB of pages were written until now, and what there "
		"is cannot be restored: delete it, make room",
		w->images, st.f_bavail * st.f_frsize >> 20, w->spliced_bytes >> 20);
}

static bool frozen_cgroup(pid_t pid)
{
	AUTO_FREE char *text = NULL;
	char path[4096];
	size_t len;
	AUTO_ERR struct err *e = proc_read_file(pid, "cgroup", &text, &len);
	char *line = e ? NULL : strstr(text, "0::");

	if (!line)
		return false;
	line[strcspn(line, "\n")] = '\0';
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cgroup.events", line + 3);
	AUTO_FCLOSE FILE *f = fopen(path, "re");
	char row[64];

	while (f && fgets(row, sizeof(row), f))
		if (!strcmp(row, "frozen 1\n"))
			return true;
	return false;
}

/* Finds the task of the tree that does not stop. */
static char *cause_of_timeout(const struct watch *w)
{
	for (size_t i = 0; i < w->nr_tasks; i++) {
		struct proc_stat st;
		AUTO_ERR struct err *e = proc_read_stat(w->task[i].pid, &st);

		if (!e && st.state == 'D')
			return xasprintf(
				"%d (%s) is in an uninterruptible sleep (state D): a vfork, a "
				"disk or network file system, a cgroup v1 freezer; wait for it, "
				"or --freeze-cgroup",
				w->task[i].pid, w->task[i].comm);
	}
	return NULL;
}

/* Failures of calls, by the text that decode.c gives them. */
static const struct {
	const char *in;
	int sys_errno; /* 0: any */
	enum cause_id cause;
} of_calls[] = {
	{ "SIGXFSZ", 0, CAUSE_LIMIT_FSIZE },
	{ "SIGABRT", 0, CAUSE_DUMPER_CRASHED },
	{ "SIGSEGV", 0, CAUSE_DUMPER_CRASHED },
	{ "make a pipe", EMFILE, CAUSE_PIPE_FDS },
	{ "PAGEMAP_SCAN", EINVAL, CAUSE_SCAN_CATEGORY },
	{ "vmsplice", EPERM, CAUSE_SHMEM_VMSPLICE },
	{ "the page server", ECONNRESET, CAUSE_PAGE_SERVER_LOST },
	{ "the page server", EPIPE, CAUSE_PAGE_SERVER_LOST },
};

/* The catalogue's entry: for a call that failed, or for the words of criu's log. */
static char *cause_of_words(const struct watch *w)
{
	const struct watch_fault *f = &w->fault;
	int found = -1;

	for (size_t i = 0; i < sizeof(of_calls) / sizeof(of_calls[0]) && found < 0; i++)
		if (strstr(f->what, of_calls[i].in) &&
		    (!of_calls[i].sys_errno || of_calls[i].sys_errno == f->sys_errno))
			found = (int)of_calls[i].cause;
	if (found < 0)
		found = log_line_cause(f->what);
	return found < 0 ? NULL : xasprintf("%s: %s", causes[found].title, causes[found].advice);
}

/* "Hole 7f3a00000000 - ... not found in parent": the address in criu's own words. */
static void blame_words(struct watch *w)
{
	static const char *const before[] = { "Hole ", "Missing ", "mapping found " };
	unsigned long addr;

	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		const char *at = strstr(w->fault.what, before[i]);

		if (at && sscanf(at + strlen(before[i]), "%lx", &addr) == 1 && addr >= PAGE_BYTES)
			blame(w, addr);
	}
}

char *watch_cause(struct watch *w)
{
	struct watch_fault *f = &w->fault;
	char *cause = NULL;

	if (!f->has_vaddr)
		blame_words(w);
	if (!strncmp(f->what, "seize ", 6))
		cause = cause_of_seize(w);
	else if (f->pid && (!strncmp(f->what, "DUMPPAGES", 9) || strstr(f->what, "dump page")))
		cause = cause_of_drain(w);
	else if (f->pid && (!strncmp(f->what, "MPROTECT_VMAS", 13) || strstr(f->what, "unprotect")))
		cause = cause_of_mprotect(w);
	else if (f->sys_errno == ENOSPC || f->sys_errno == EDQUOT)
		cause = cause_of_space(w);
	if (!cause && f->pid)
		cause = cause_of_limits(f->pid);
	if (!cause)
		cause = cause_of_words(w);
	if (!cause && strstr(f->what, "Timeout reached"))
		cause = cause_of_timeout(w);
	if (!cause && f->pid && frozen_cgroup(f->pid))
		cause = xasprintf("%d is in a frozen cgroup: give criu --freeze-cgroup, or thaw it",
				  f->pid);
	return cause;
}
