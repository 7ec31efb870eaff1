/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/target/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/mem.h"
#include "engine/pages/pagemap.h"
#include "engine/proc/cgroup.h"
#include "engine/proc/proc.h"
#include "engine/target/recheck.h"

/* So many looks, a millisecond apart, must find no code. */
#define CODE_LOOKS 100

static void target_reset(struct target *t)
{
	recheck_drop(t);
	close_fd(&t->pagemap_fd);
	if (t->infected)
		close(t->par.sock);
	keeper_task_deinit(&t->task);
	vma_list_deinit(&t->vmas);
	free(t->comm);
	free(t->cmdline);
	*t = (struct target){ .pagemap_fd = -1, .task.mem_fd = -1 };
}

static struct err *collect_vmas(struct target *t, struct target_early *early)
{
	bool taken;

	TRY(recheck_take(t, early, &taken));
	return taken ? NULL : proc_read_vmas(t->pid, &t->vmas);
}

static struct err *collect(struct target *t, struct target_early *early)
{
	TRY(FAULT_ERR(ATTACH_PAGEMAP, pagemap_open(t->pid, &t->pagemap_fd)));
	TRY(FAULT_ERR(ATTACH_VMAS, collect_vmas(t, early)));
	t->comm = xstrndup(t->task.threads[0].comm, sizeof(t->task.threads[0].comm));
	return proc_read_cmdline(t->pid, &t->cmdline);
}

/* A process with the same memory, but other threads (CLONE_VM without CLONE_THREAD), could write while this
 * one is frozen; CRIU refuses such a pair too. */
static struct err *check_alone(pid_t pid)
{
	struct proc_children c = { 0 };
	struct proc_stat st = { 0 };
	pid_t with = 0;

	err_free(proc_read_stat(pid, &st));
	if (proc_shares_memory(pid, st.ppid))
		with = st.ppid;
	err_free(proc_read_children(pid, &c));
	for (size_t i = 0; i < c.nr && !with; i++)
		if (proc_shares_memory(pid, c.pid[i]))
			with = c.pid[i];
	proc_children_deinit(&c);
	if (!with)
		return NULL;
	return err_cause(err_new(ERR_REFUSED, "process %d has its memory in common with process %d",
				 pid, with),
			 "shared-mm", "kcmp(%d, %d, KCMP_VM): the same", pid, with);
}

/* Pages that wait in pipes cannot be swapped out: a dump that brings in more than the cgroup may have makes the
 * kernel kill the target. */
static struct err *check_fits_in_memory(pid_t pid)
{
	AUTO_FREE char *where = NULL;
	struct proc_status st = { 0 };
	uint64_t limit = cgroup_memory_limit(pid, &where);

	err_free(proc_read_status(pid, &st));
	if (!st.vm_swap || st.vm_rss + st.vm_swap <= limit)
		return NULL;
	return err_cause(
		err_hint(err_new(ERR_REFUSED,
				 "process %d has %lu MiB in memory and %lu MiB swapped out, more "
				 "than its cgroup may have in memory (%lu MiB): the kernel would "
				 "kill it when the dump brings them in",
				 pid, st.vm_rss >> 20, st.vm_swap >> 20, limit >> 20),
			 "raise the limit for the time of the dump"),
		"memory-cgroup", "%s", where ?: "memory.max");
}

/* The handler of the page faults would be frozen with the process, and the descriptor is in no image. */
static struct err *check_owns_faults(pid_t pid)
{
	struct proc_fds fds = { 0 };
	int fd = -1;

	err_free(proc_read_fds(pid, &fds));
	for (size_t i = 0; i < fds.nr && fd < 0; i++)
		if (!strcmp(fds.v[i].link, "anon_inode:[userfaultfd]"))
			fd = fds.v[i].fd;
	proc_fds_deinit(&fds);
	if (fd < 0)
		return NULL;
	return err_cause(err_new(ERR_REFUSED,
				 "process %d handles page faults itself, by the userfaultfd in its "
				 "descriptor %d",
				 pid, fd),
			 "userfaultfd", "/proc/%d/fd/%d: anon_inode:[userfaultfd]", pid, fd);
}

/* The first executable mapping is among the first lines, so this is cheap. */
static bool lacks_code(pid_t pid)
{
	bool any = false, code = false;
	char path[64], line[512];

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	FILE *f = fopen(path, "re");

	while (f && !code && fgets(line, sizeof(line), f)) {
		uint64_t start, end;
		char perms[5];

		if (sscanf(line, "%lx-%lx %4s", &start, &end, perms) != 3)
			continue; /* the rest of a long line */
		any = true;
		code = perms[2] == 'x' && start < PAGEMAP_TASK_SIZE;
	}
	if (f)
		fclose(f);
	return any && !code;
}

bool target_lacks_code(pid_t pid)
{
	const struct timespec moment = { .tv_nsec = 1000000 };

	for (unsigned i = 0; i < CODE_LOOKS; i++) {
		if (!lacks_code(pid))
			return false;
		nanosleep(&moment, NULL);
	}
	return true;
}

static struct err *check_has_code(pid_t pid)
{
	return !target_lacks_code(pid) ?
		       NULL :
		       err_cause(err_new(ERR_REFUSED,
					 "process %d has no code that it could go on with", pid),
				 "no-code-vma", "/proc/%d/maps: no mapping is executable", pid);
}

struct err *target_attach(struct target *t, struct keeper *k, pid_t pid, bool put_right,
			  struct target_early *early, char **note_ret)
{
	AUTO_FREE char *residue = NULL;

	*t = (struct target){ .pid = pid, .keeper = k, .pagemap_fd = -1, .task.mem_fd = -1 };
	TRY(err_pid(check_has_code(pid), pid));
	/* Errors are dropped: seizing fails for the same reason, and reports it better. */
	if (put_right)
		err_free(keeper_rescue(k, pid, true, &residue));

	struct err *e = keeper_seize(k, pid, &t->task);

	if (!e) {
		t->t_frozen_us = t->task.frozen_at_us;
		e = collect(t, early);
		if (!e)
			e = target_check_dumpable(t);
		if (!e)
			e = check_alone(t->pid);
		if (!e)
			e = check_owns_faults(t->pid);
		if (!e)
			e = check_fits_in_memory(t->pid);
		if (e)
			e = err_first(e, keeper_release(k, pid));
	}
	if (e) {
		target_reset(t);
		return err_pid(e, pid);
	}
	*note_ret = residue && *residue ? TAKE_PTR(residue) : NULL;
	return NULL;
}

struct err *target_look(struct target *t, pid_t pid)
{
	struct proc_stat st;
	char path[64];

	*t = (struct target){ .pid = pid, .thawed = true, .pagemap_fd = -1, .task.mem_fd = -1 };

	struct err *e = proc_read_stat(pid, &st);

	if (!e) {
		t->task.start_time_ticks = st.start_time_ticks;
		t->task.was_stopped = st.state == 'T';
		t->comm = xstrdup(st.comm);
		e = pagemap_open(pid, &t->pagemap_fd);
	}
	if (!e)
		e = proc_read_vmas(pid, &t->vmas);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	if (!e)
		t->task.mem_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (e)
		target_reset(t);
	return err_pid(e, pid);
}

uint64_t target_frozen_us(const struct target *t)
{
	return (t->t_thawed_us ? t->t_thawed_us : now_us()) - t->t_frozen_us;
}

struct err *target_thaw(struct target *t)
{
	struct err *e;

	if (t->thawed || !t->pid)
		return NULL;
	e = target_cure(t);
	t->thawed = true;
	t->t_thawed_us = now_us(); /* if the keeper cannot tell */
	return err_first(e, keeper_release_timed(t->keeper, t->pid, &t->t_thawed_us));
}

struct err *target_release(struct target *t)
{
	struct err *e = target_thaw(t);

	target_reset(t);
	return e;
}

struct err *target_infect(struct target *t, size_t max_mprotect)
{
	TRY(keeper_infect(t->keeper, t->pid, max_mprotect, &t->par));
	t->infected = true;
	return NULL;
}

struct err *target_cure(struct target *t)
{
	if (!t->infected)
		return NULL;
	t->infected = false;
	close_fd(&t->par.sock);
	return keeper_cure(t->keeper, t->pid);
}

struct err *target_read(const struct target *t, uint64_t vaddr, void *buf, size_t len,
			size_t *got_ret)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = RETRY(
			pread(t->task.mem_fd, (char *)buf + got, len - got, (off_t)(vaddr + got)));

		if (n < 0 && got == 0)
			return err_vaddr(err_sys(errno, "read the target's memory at %lx", vaddr),
					 vaddr);
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	*got_ret = got;
	return NULL;
}

struct err *target_check_dumpable(const struct target *t)
{
	size_t bad = 0;
	const struct vma *first = NULL;

	for (size_t i = 0; i < t->vmas.nr; i++) {
		if (!(t->vmas.v[i].status & VMA_UNSUPP))
			continue;
		if (!bad++)
			first = &t->vmas.v[i];
	}
	if (!bad)
		return NULL;

	struct err *e = err_new(ERR_REFUSED, "VMA %lx-%lx %s cannot be dumped: %s%s", first->start,
				first->end, *first->name ? first->name : vma_kind(first),
				first->unsupp, bad > 1 ? ", and it is not the only one" : "");
	e = err_cause(e, first->cause, "/proc/%d/%s: %lx-%lx %s", t->pid,
		      first->vmf & VMF_SEALED ? "smaps: VmFlags sl" : "maps", first->start,
		      first->end, *first->name ? first->name : vma_kind(first));
	return err_vaddr(err_hint(e, "the target has to unmap this before it can be "
				     "checkpointed; nothing in it was touched"),
			 first->start);
}
