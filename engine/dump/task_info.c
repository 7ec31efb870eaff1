/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/dump/task_info.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/mem.h"

static pid_t task_info_innermost(const struct proc_status *s, pid_t outer)
{
	return s->nr_ns_pid ? s->ns_pid[s->nr_ns_pid - 1] : outer;
}

static struct err *task_info_collect_tids(struct task_info *ti)
{
	struct proc_threads threads;
	struct err *e = NULL;

	TRY(proc_read_threads(ti->pid, &threads));
	ti->ns_tids = xcalloc(threads.nr, sizeof(*ti->ns_tids));
	for (size_t i = 0; i < threads.nr && !e; i++) {
		struct proc_status status;

		e = proc_read_thread_status(ti->pid, threads.tid[i], &status);
		if (!e)
			ti->ns_tids[ti->nr_tids++] = task_info_innermost(&status, threads.tid[i]);
	}
	proc_threads_deinit(&threads);
	return e;
}

static struct err *task_info_collect_mm(struct task_info *ti)
{
	struct proc_auxv auxv = { 0 };

	/* The kernel shows addresses as 0 or 1 to those who may not trace the task. */
	if (ti->stat.start_code <= 1 || !ti->stat.start_stack)
		return err_hint(err_new(ERR_TARGET, "read the memory layout of %d: hidden from us",
					ti->pid),
				"this needs the right to trace the task");
	TRY(proc_read_auxv(ti->pid, &auxv));
	ti->auxv = auxv.words;
	ti->nr_auxv = auxv.nr;
	return proc_read_exe(ti->pid, &ti->exe);
}

static struct err *task_info_collect_personality(struct task_info *ti)
{
	AUTO_FREE char *text = NULL;
	size_t len;

	TRY(proc_read_file(ti->pid, "personality", &text, &len));
	ti->personality = (uint32_t)strtoul(text, NULL, 16);
	return NULL;
}

void task_namespaces(pid_t pid, uint64_t ns[NS_NR])
{
	static const char *const names[NS_NR] = {
		"pid", "net", "ipc", "uts", "mnt", "user", "cgroup", "time",
	};

	for (int i = 0; i < NS_NR; i++) {
		char path[64];
		struct stat st;

		if (pid)
			snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, names[i]);
		else
			snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		ns[i] = stat(path, &st) < 0 ? 0 : st.st_ino;
	}
}

static struct err *task_info_read(struct task_info *ti)
{
	struct proc_status status;

	TRY(proc_read_stat(ti->pid, &ti->stat));
	TRY(proc_read_status(ti->pid, &status));
	ti->ns_pid = task_info_innermost(&status, ti->pid);
	ti->ns_pgid = status.nr_ns_pid ? status.ns_pgid_last : ti->stat.pgrp;
	ti->ns_sid = status.nr_ns_pid ? status.ns_sid_last : ti->stat.sid;
	TRY(task_info_collect_tids(ti));
	TRY(task_info_collect_personality(ti));
	TRY(task_info_collect_mm(ti));
	task_namespaces(ti->pid, ti->ns);
	return NULL;
}

struct err *task_info_collect(pid_t pid, struct task_info *ret)
{
	struct task_info ti = { .pid = pid };
	struct err *e = task_info_read(&ti);

	if (e) {
		task_info_deinit(&ti);
		return err_pid(e, pid);
	}
	*ret = ti;
	return NULL;
}

void task_info_deinit(struct task_info *ti)
{
	free(ti->ns_tids);
	free(ti->auxv);
	free(ti->exe);
	*ti = (struct task_info){ 0 };
}

struct err *uptime_us(uint64_t *ret)
{
	unsigned long s, centi;
	AUTO_FCLOSE FILE *f = fopen("/proc/uptime", "re");

	if (!f)
		return err_sys(errno, "open /proc/uptime");
	if (fscanf(f, "%lu.%2lu", &s, &centi) != 2)
		return err_new(ERR_FORMAT, "read /proc/uptime: not a time");
	*ret = s * 1000000 + centi * 10000;
	return NULL;
}
