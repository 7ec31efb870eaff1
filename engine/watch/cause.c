/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Why criu has failed, found by looking at what it failed on: the catalogue of causes. */
#include "engine/watch/cause.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/num.h"
#include "engine/diagnose/causes.h"
#include "engine/diagnose/log.h"
#include "engine/proc/cgroup.h"
#include "engine/proc/proc.h"
#include "engine/watch/watch_priv.h"

#define STUCK_US 2000000 /* without any call of criu */

/* Remembers which entry of the catalogue it is, and returns the words. */
static char *named(struct watch *w, enum cause_id id, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static char *named(struct watch *w, enum cause_id id, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	w->fault.cause = (int)id;
	return xstrdup(text);
}

/* ---- seizing -------------------------------------------------------------------------------------- */

static char *cause_of_seize(struct watch *w)
{
	pid_t pid = w->fault.pid;
	struct proc_status st;
	AUTO_ERR struct err *e = proc_read_status(pid, &st);
	struct proc_stat ps;

	if (e)
		return named(w, CAUSE_NO_PROCESS,
			     "there is no process %d (criu sees the pids of its own namespace)",
			     pid);
	AUTO_ERR struct err *e2 = proc_read_stat(pid, &ps);

	if (st.tracer_pid) {
		struct proc_stat tracer = { .comm = "?" };

		err_free(proc_read_stat(st.tracer_pid, &tracer));
		return named(
			w, CAUSE_TRACED,
			"%d is traced by %d (%s): only one tracer is possible; detach that one",
			pid, st.tracer_pid, tracer.comm);
	}
	if (!e2 && ps.flags & PROC_PF_KTHREAD)
		return named(w, CAUSE_KERNEL_THREAD, "%d is a kernel thread: it cannot be dumped",
			     pid);
	if (st.state == 'Z' && st.threads > 1)
		return named(
			w, CAUSE_ZOMBIE_LEADER,
			"%d's leading thread has ended while others live on: CRIU cannot seize "
			"such a process",
			pid);
	if (st.state == 'Z')
		return named(w, CAUSE_ZOMBIE,
			     "%d is a zombie: it has no memory any more; dump its parent", pid);
	if (w->fault.sys_errno == EPERM)
		return named(w, CAUSE_NO_RIGHTS,
			     "criu may not trace %d: it needs CAP_SYS_PTRACE, and a "
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

static char *cause_of_limits(struct watch *w, pid_t pid)
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
	return named(w, CAUSE_NO_FREE_FDS,
		     "%d has %lu of its %lu file descriptors free, and the parasite needs 4: "
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
		return cause_of_limits(w, pid);
	blame(w, at);
	name_vma(pid, at, vma, sizeof(vma));
	if (pagemap < 0 || pread_full(pagemap, &raw, 8, (off_t)(at / PAGE_BYTES * 8)) != 8)
		raw = 0;
	return named(w, CAUSE_POISONED, "page %lx%s is %s", at, vma, kind_of_page(raw));
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
		cause = named(w, CAUSE_SEALED,
			      "VMA %lx-%lx is sealed (mseal) and cannot be read: the parasite may "
			      "not add PROT_READ; CRIU cannot dump it",
			      v->start, v->end);
	}
	vma_list_deinit(&l);
	return cause;
}

/* ---- everything else: by errno and words ------------------------------------------------------------------- */

static char *cause_of_space(struct watch *w)
{
	struct statvfs st;

	if (!*w->images || statvfs(w->images, &st))
		return named(w, CAUSE_NO_SPACE, "the image directory's file system is full");
	return named(
		w, CAUSE_NO_SPACE,
		"%s has %lu MiB free, and what was written there cannot be restored: delete it, "
		"make room",
		w->images, st.f_bavail * st.f_frsize >> 20);
}

static char *cause_of_freezer(struct watch *w, pid_t pid)
{
	AUTO_FREE char *where = NULL;
	enum cgroup_state st = cgroup_frozen(pid, &where);

	if (st == CGROUP_RUNS)
		return NULL;
	return named(
		w, st == CGROUP_FROZEN_V1 ? CAUSE_FROZEN_V1 : CAUSE_FROZEN_V2,
		"%d is in a frozen cgroup (%s): thaw it, and criu goes on; a criu that is killed now "
		"may take %d with it.  Next time: criu dump --freeze-cgroup DIR",
		pid, where ? where : "its freezer", pid);
}

/* Finds the task of the tree that does not stop. */
static char *cause_of_timeout(struct watch *w)
{
	char *cause = NULL;

	for (size_t i = 0; i < w->nr_tasks && !cause; i++) {
		struct proc_stat st;
		AUTO_ERR struct err *e = proc_read_stat(w->task[i].pid, &st);

		if (!w->task[i].pid || e)
			continue;
		cause = cause_of_freezer(w, w->task[i].pid);
		if (!cause && st.state == 'D')
			cause = named(
				w, CAUSE_UNINTERRUPTIBLE,
				"%d (%s) is in an uninterruptible sleep (state D): a vfork, a disk or "
				"a network file system; wait for it, or repair that",
				w->task[i].pid, w->task[i].comm);
	}
	return cause;
}

bool watch_stuck(struct watch *w)
{
	if (w->over || w->t.held || w->stuck_told || now_us() - w->t_event < STUCK_US)
		return false;
	for (size_t i = 0; i < w->nr_tasks; i++) {
		pid_t pid = w->task[i].pid;

		if (!pid || !w->task[i].frozen || cgroup_frozen(pid, NULL) == CGROUP_RUNS)
			continue;
		w->stuck_told = true;
		watch_fault(w, 0, "nothing happens any more: criu waits for %d, which does not run",
			    pid);
		w->fault.pid = pid;
		return true;
	}
	return false;
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
	{ "connect to ", 0, CAUSE_PAGE_SERVER_DOWN },
	{ "the page server", ECONNRESET, CAUSE_PAGE_SERVER_LOST },
	{ "the page server", EPIPE, CAUSE_PAGE_SERVER_LOST },
};

/* The catalogue's entry: for a call that failed, or for the words of criu's log. */
static char *cause_of_words(struct watch *w)
{
	struct watch_fault *f = &w->fault;
	int found = -1;

	for (size_t i = 0; i < sizeof(of_calls) / sizeof(of_calls[0]) && found < 0; i++)
		if (strstr(f->what, of_calls[i].in) &&
		    (!of_calls[i].sys_errno || of_calls[i].sys_errno == f->sys_errno))
			found = (int)of_calls[i].cause;
	if (found < 0)
		found = log_line_cause(f->what);
	return found < 0 ? NULL :
			   named(w, (enum cause_id)found, "%s: %s", causes[found].title,
				 causes[found].advice);
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
	else if (strstr(f->what, "Timeout reached"))
		cause = cause_of_timeout(w);
	else if (strstr(f->what, "nothing happens"))
		cause = cause_of_freezer(w, f->pid);
	if (!cause && f->pid)
		cause = cause_of_limits(w, f->pid);
	if (!cause)
		cause = cause_of_words(w);
	if (!cause && f->pid)
		cause = cause_of_freezer(w, f->pid);
	if (!cause || f->cause < 0)
		return cause;
	char *all = xasprintf("%s (`explain %s`)", cause, causes[f->cause].name);

	free(cause);
	return all;
}
