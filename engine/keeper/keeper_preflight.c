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

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/keeper/keeper_priv.h"
#include "engine/proc/cgroup.h"

#define CAP_SYS_PTRACE_BIT 19
#define MIN_FREE_FDS 4 /* memfd, socket, log, channel; a pipe follows when the memfd is closed */
#define MIN_OWN_FDS 5  /* log, two sockets, the memory that is shared, a file in /proc */

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
			e = err_cause(e, "traced", "/proc/%d/task/%d/status: TracerPid %d", pid,
				      threads.tid[i], st.tracer_pid);
		} else if ((st.sig_pnd | st.shd_pnd) & st.sig_blk & SIG_BIT(SIGTRAP)) {
			e = err_hint(err_new(ERR_TARGET,
					     "cannot attach to %d: thread %d has a blocked "
					     "SIGTRAP pending",
					     pid, threads.tid[i]),
				     "let it be delivered, then try again");
			e = err_cause(e, "pending-sigtrap",
				      "/proc/%d/task/%d/status: SIGTRAP in %s and SigBlk", pid,
				      threads.tid[i],
				      st.sig_pnd & SIG_BIT(SIGTRAP) ? "SigPnd" : "ShdPnd");
		}
	}
	proc_threads_deinit(&threads);
	return err_pid(e, pid);
}

static struct err *check_cgroup(pid_t pid)
{
	AUTO_FREE char *where = NULL;
	enum cgroup_state state = cgroup_frozen(pid, &where);

	if (state == CGROUP_RUNS)
		return NULL;
	return err_pid(err_cause(err_hint(err_new(ERR_TARGET,
						  "cannot attach to %d: its cgroup is frozen", pid),
					  "thaw the cgroup first"),
				 state == CGROUP_FROZEN_V1 ? "frozen-cgroup1" : "frozen-cgroup",
				 "%s", where ?: "/proc/PID/cgroup"),
		       pid);
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
		return target_err(
			pid, err_cause_only(err_hint(err_sys(ESRCH, "cannot attach to %d", pid),
						     "check the pid; inside a container "
						     "use the pid as seen from here"),
					    "no-process"));
	if (st.tgid != pid)
		return err_pid(err_hint(err_new(ERR_TARGET,
						"cannot attach to %d: it is a thread of process %d",
						pid, st.tgid),
					"attach the process"),
			       pid);
	if (stat.flags & PROC_PF_KTHREAD)
		return err_pid(
			err_cause(err_new(ERR_TARGET, "cannot attach to %d: %s is a kernel thread",
					  pid, st.comm),
				  "kernel-thread", "/proc/%d/stat: flags 0x%x", pid, stat.flags),
			pid);
	if (st.state == 'Z' || st.state == 'X') {
		struct proc_threads threads;

		kproc_threads(pid, &threads);
		size_t nr = threads.nr;
		proc_threads_deinit(&threads);
		return err_pid(
			err_cause(err_new(ERR_TARGET,
					  nr > 1 ? "cannot attach to %d: its main thread has "
						   "exited while others live on" :
						   "cannot attach to %d: it is a zombie (it has "
						   "exited, its parent has not noticed)",
					  pid),
				  nr > 1 ? "zombie-leader" : "zombie",
				  "/proc/%d/status: State %c, %zu thread%s", pid, st.state, nr,
				  nr == 1 ? "" : "s"),
			pid);
	}
	TRY(check_tracers(pid));
	return despite_frozen ? NULL : check_cgroup(pid);
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
	e = err_cause(e, "no-rights", "PTRACE_SEIZE of %d: EPERM", pid);
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

struct err *seccomp_err(const struct held *h, const char *to)
{
	return err_pid(
		err_cause(err_new(ERR_TARGET,
				  "cannot %s %d: it has a seccomp filter that we may not suspend",
				  to, h->pid),
			  "seccomp", "/proc/%d/status: Seccomp %u", h->pid, (unsigned)h->seccomp),
		h->pid);
}

static struct err *limit_err(const struct held *h, struct err *e, const char *cause,
			     const char *field, uint64_t limit)
{
	return err_pid(err_cause(e, cause, "/proc/%d/limits: %s %lu", h->pid, field, limit),
		       h->pid);
}

/* libcompel, when it finds no free descriptor, goes on as if the target had refused a call. */
static struct err *check_own_fds(pid_t pid)
{
	struct room room = { .nofile = kproc_limit(getpid(), RLIMIT_NOFILE) };

	/* One of those that are counted is the directory that is read. */
	if (!kproc_each_fd(getpid(), count_fd, &room) ||
	    room.nofile + 1 - room.used_fds < MIN_OWN_FDS)
		return err_pid(err_sys(EMFILE,
				       "cannot inject into %d: %lu of stepdump's own %lu "
				       "descriptors are in use, %d free ones are needed",
				       pid, room.used_fds, room.nofile, MIN_OWN_FDS),
			       pid);
	return NULL;
}

struct err *preflight_infect(struct held *h, size_t bytes)
{
	struct room room = { .nofile = kproc_limit(h->pid, RLIMIT_NOFILE) };
	struct proc_status st;
	char buf[32];

	if (h->seccomp && !h->seccomp_suspended)
		return seccomp_err(h, "inject into");
	TRY(check_own_fds(h->pid));
	if (kproc_each_fd(h->pid, count_fd, &room) && room.nofile - room.used_fds < MIN_FREE_FDS)
		return limit_err(h,
				 err_hint(err_new(ERR_TARGET,
						  "cannot inject into %d: %lu of its %lu "
						  "descriptors are in use, %d free ones are needed",
						  h->pid, room.used_fds, room.nofile, MIN_FREE_FDS),
					  "prlimit --pid %d --nofile=%lu", h->pid,
					  room.nofile + MIN_FREE_FDS),
				 "no-free-fds", "Max open files", room.nofile);
	if (!kproc_status(h->pid, 0, &st))
		return held_gone_err(h);
	rlim_t as = kproc_limit(h->pid, RLIMIT_AS);
	if (as != RLIM_INFINITY && st.vm_size + bytes > as)
		return limit_err(h,
				 err_hint(err_new(ERR_TARGET,
						  "cannot inject into %d: its address space "
						  "limit leaves no room for %zu KiB",
						  h->pid, bytes >> 10),
					  "prlimit --pid %d --as=%lu", h->pid,
					  st.vm_size + bytes + (1 << 20)),
				 "limit-as", "Max address space", as);
	if (read_small("/proc/sys/vm/max_map_count", buf, sizeof(buf)) > 0 && h->nr_maps &&
	    h->nr_maps + 2 >= strtoull(buf, NULL, 10))
		return err_pid(
			err_cause(err_hint(err_new(ERR_TARGET,
						   "cannot inject into %d: it has %lu "
						   "mappings, the limit is %lu",
						   h->pid, h->nr_maps, strtoul(buf, NULL, 10)),
					   "raise vm.max_map_count"),
				  "limit-maps", "/proc/%d/maps: %lu mappings", h->pid, h->nr_maps),
			h->pid);
	return NULL;
}
