/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Checks for everything that makes a task impossible to attach or infect, without touching it.  The
 * kernel's answer is EPERM in nearly all cases, and a frozen task does not answer at all: a dumper
 * that injects code into one waits forever, and kills it by giving up.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "engine/keeper/keeper_priv.h"
#include "engine/proc/cgroup.h"

#define CAP_SYS_PTRACE_BIT 19
#define MIN_FREE_FDS 4 /* memfd, socket, log, channel; a pipe follows when the memfd is closed */

#define SIG_BIT(sig) (1ull << ((sig)-1))

static struct err *target_err(pid_t pid, struct err *e)
{
	return err_pid(err_code(e, ERR_TARGET), pid);
}

bool preflight_frozen(pid_t pid)
{
	return cgroup_frozen(pid, NULL) != CGROUP_RUNS;
}

static struct err *check_tracers(pid_t pid)
{
	struct proc_threads threads;
	struct err *e = NULL;

	kproc_threads(pid, &threads);
	for (size_t i = 0; i < threads.nr && !e; i++) {
		struct proc_status st;
		struct proc_stat tracer;

		if (!kproc_status(pid, threads.tid[i], &st))
			continue;
		if (st.tracer_pid) {
			const char *comm = kproc_stat(st.tracer_pid, &tracer) ? tracer.comm : "?";

			e = err_hint(err_new(ERR_TARGET,
					     "cannot attach to %d: thread %d is traced by "
					     "%s (pid %d) already",
					     pid, threads.tid[i], comm, st.tracer_pid),
				     "detach or end %s first", comm);
		} else if ((st.sig_pnd | st.shd_pnd) & st.sig_blk & SIG_BIT(SIGTRAP)) {
			e = err_hint(err_new(ERR_TARGET,
					     "cannot attach to %d: thread %d has a blocked "
					     "SIGTRAP pending",
					     pid, threads.tid[i]),
				     "let it be delivered, then try again");
		}
	}
	proc_threads_deinit(&threads);
	return err_pid(e, pid);
}

struct err *preflight_seize(pid_t pid, pid_t us, bool despite_frozen)
{
	struct proc_status st;
	struct proc_stat stat;

	if (pid <= 0)
		return err_new(ERR_USAGE, "%d is not a process id", pid);
	if (pid == us || pid == getpid())
		return err_pid(
			err_new(ERR_TARGET, "cannot attach to %d: that is stepdump itself", pid),
			pid);
	if (!kproc_status(pid, 0, &st) || !kproc_stat(pid, &stat))
		return target_err(pid, err_hint(err_sys(ESRCH, "cannot attach to %d", pid),
						"check the pid; inside a container use the pid as "
						"seen from here"));
	if (st.tgid != pid)
		return err_pid(err_hint(err_new(ERR_TARGET,
						"cannot attach to %d: it is a thread of process %d",
						pid, st.tgid),
					"attach the process"),
			       pid);
	if (stat.flags & PROC_PF_KTHREAD)
		return err_pid(
			err_hint(err_new(ERR_TARGET, "cannot attach to %d: %s is a kernel thread",
					 pid, st.comm),
				 "it has no memory of its own that could be dumped"),
			pid);
	if (st.state == 'Z' || st.state == 'X') {
		struct proc_threads threads;

		kproc_threads(pid, &threads);
		size_t nr = threads.nr;
		proc_threads_deinit(&threads);
		return err_pid(err_new(ERR_TARGET,
				       nr > 1 ?
					       "cannot attach to %d: its main thread has "
					       "exited while others live on" :
					       "cannot attach to %d: it is a "
					       "zombie (it has exited, its parent has not noticed)",
				       pid),
			       pid);
	}
	TRY(check_tracers(pid));
	if (!despite_frozen && preflight_frozen(pid))
		return err_pid(err_hint(err_new(ERR_TARGET,
						"cannot attach to %d: its cgroup is frozen", pid),
					"thaw the cgroup first"),
			       pid);
	return NULL;
}

static bool own_cap(int bit)
{
	struct proc_status st;

	return kproc_status(getpid(), 0, &st) && (st.cap_eff >> bit & 1);
}

struct err *explain_seize(pid_t pid, int sys_errno)
{
	struct err *e = target_err(pid, err_sys(sys_errno, "cannot attach to %d", pid));
	struct proc_status st;
	struct stat owner;
	char path[64], buf[16];

	if (sys_errno != EPERM || !kproc_status(pid, 0, &st))
		return e;
	if (own_cap(CAP_SYS_PTRACE_BIT))
		return err_hint(e, "a security module, or a user namespace above ours, forbids it");
	if (st.uid[0] != geteuid())
		return err_hint(
			e,
			"it belongs to uid %u and we are uid %u without CAP_SYS_PTRACE: run "
			"as root or as that user",
			(unsigned)st.uid[0], (unsigned)geteuid());
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	if (!stat(path, &owner) && owner.st_uid != st.uid[0])
		return err_hint(e,
				"it is not dumpable (prctl PR_SET_DUMPABLE, or a set-id program): "
				"CAP_SYS_PTRACE is needed");
	if (read_small("/proc/sys/kernel/yama/ptrace_scope", buf, sizeof(buf)) > 0 && atoi(buf) > 0)
		return err_hint(e, "kernel.yama.ptrace_scope is %d: run as root, or set it to 0",
				atoi(buf));
	return err_hint(e, "it has capabilities that we lack, or a security module forbids it");
}

struct room {
	uint64_t nofile, used_fds;
};

static void count_fd(int fd, const char *link, void *arg)
{
	struct room *room = arg;

	room->used_fds += (uint64_t)fd < room->nofile;
}

struct err *preflight_infect(struct held *h, size_t bytes)
{
	struct room room = { .nofile = kproc_limit(h->pid, RLIMIT_NOFILE) };
	struct proc_status st;
	char buf[32];

	if (h->seccomp && !h->seccomp_suspended)
		return err_pid(
			err_hint(err_new(ERR_TARGET,
					 "cannot inject into %d: it has a seccomp "
					 "filter that we may not suspend",
					 h->pid),
				 "run stepdump with CAP_SYS_ADMIN and outside of any seccomp "
				 "filter"),
			h->pid);
	if (kproc_each_fd(h->pid, count_fd, &room) && room.nofile - room.used_fds < MIN_FREE_FDS)
		return err_pid(err_hint(err_new(ERR_TARGET,
						"cannot inject into %d: %lu of its %lu "
						"descriptors are in use, %d free ones are needed",
						h->pid, room.used_fds, room.nofile, MIN_FREE_FDS),
					"prlimit --pid %d --nofile=%lu", h->pid,
					room.nofile + MIN_FREE_FDS),
			       h->pid);
	if (!kproc_status(h->pid, 0, &st))
		return held_gone_err(h);
	rlim_t as = kproc_limit(h->pid, RLIMIT_AS);
	if (as != RLIM_INFINITY && st.vm_size + bytes > as)
		return err_pid(err_hint(err_new(ERR_TARGET,
						"cannot inject into %d: its address space "
						"limit leaves no room for %zu KiB",
						h->pid, bytes >> 10),
					"prlimit --pid %d --as=%lu", h->pid,
					st.vm_size + bytes + (1 << 20)),
			       h->pid);
	if (read_small("/proc/sys/vm/max_map_count", buf, sizeof(buf)) > 0 && h->nr_maps &&
	    h->nr_maps + 2 >= strtoull(buf, NULL, 10))
		return err_pid(err_hint(err_new(ERR_TARGET,
						"cannot inject into %d: it has %lu "
						"mappings, the limit is %lu",
						h->pid, h->nr_maps, strtoul(buf, NULL, 10)),
					"raise vm.max_map_count"),
			       h->pid);
	return NULL;
}
