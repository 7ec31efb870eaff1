/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What state a process is in, who holds it, what it shares. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/diagnose/check_priv.h"
#include "engine/proc/cgroup.h"

#define SAMPLE_MS 20

static bool is_ours(const struct look *k, pid_t tracer)
{
	struct proc_stat st;
	struct err *e = proc_read_stat(tracer, &st);

	if (e) {
		err_free(e);
		return false;
	}
	return st.ppid == k->env->self;
}

static void nap_ms(unsigned ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000l }, NULL);
}

/* How often a thread went to sleep by itself: the count stands still while it waits. */
static long switches(pid_t pid, pid_t tid)
{
	AUTO_FREE char *text = NULL;
	char name[64];
	size_t len;
	long n = -1;

	snprintf(name, sizeof(name), "task/%d/status", tid);
	struct err *e = proc_read_file(pid, name, &text, &len);
	const char *at = e ? NULL : strstr(text, "\nvoluntary_ctxt_switches:");

	err_free(e);
	if (at)
		sscanf(at, "\nvoluntary_ctxt_switches: %ld", &n);
	return n;
}

/* A thread that waits for a disk for a moment is in state D too. */
static bool stays_in_d(struct look *k, pid_t tid)
{
	long first = switches(k->pid, tid);

	for (unsigned ms = 0; ms < 300; ms += SAMPLE_MS) {
		struct proc_status st;

		if (k->env->patience_ms < SAMPLE_MS)
			return false; /* too many of them: it cannot be told */
		k->env->patience_ms -= SAMPLE_MS;
		nap_ms(SAMPLE_MS);
		struct err *e = proc_read_thread_status(k->pid, tid, &st);

		if (e || st.state != 'D' || switches(k->pid, tid) != first) {
			err_free(e);
			return false;
		}
	}
	return true;
}

static void check_thread(struct look *k, pid_t tid, const struct proc_status *st)
{
	struct proc_stat tracer = { .comm = "?" };

	if (st->tracer_pid && !is_ours(k, st->tracer_pid)) {
		err_free(proc_read_stat(st->tracer_pid, &tracer));
		found(k, CAUSE_TRACED, NULL, "/proc/%d/task/%d/status: TracerPid %d (%s)", k->pid,
		      tid, st->tracer_pid, tracer.comm);
	}
	if ((st->sig_pnd | st->shd_pnd) & (1ull << (SIGTRAP - 1)))
		found(k, CAUSE_PENDING_SIGTRAP, NULL, "/proc/%d/task/%d/status: SIGTRAP in %s",
		      k->pid, tid, st->sig_pnd & (1ull << (SIGTRAP - 1)) ? "SigPnd" : "ShdPnd");
	if (st->state == 'D' && stays_in_d(k, tid)) {
		char name[64];
		AUTO_FREE char *where = NULL;
		size_t len;

		snprintf(name, sizeof(name), "task/%d/wchan", tid);
		err_free(proc_read_file(k->pid, name, &where, &len));
		found(k, CAUSE_UNINTERRUPTIBLE, NULL,
		      "/proc/%d/task/%d/status: State D for 300 ms%s%s", k->pid, tid,
		      where && *where != '0' ? ", in " : "", where && *where != '0' ? where : "");
	}
}

static void check_threads(struct look *k)
{
	struct proc_threads t = { 0 };

	err_free(proc_read_threads(k->pid, &t));
	for (size_t i = 0; i < t.nr; i++) {
		struct proc_status st;
		struct err *e = proc_read_thread_status(k->pid, t.tid[i], &st);

		if (!e)
			check_thread(k, t.tid[i], &st);
		err_free(e);
	}
	proc_threads_deinit(&t);
}

static bool below(pid_t child, pid_t parent)
{
	struct proc_stat st;

	for (int depth = 0; depth < 1000 && child > 1; depth++) {
		struct err *e = proc_read_stat(child, &st);

		if (e) {
			err_free(e);
			return false;
		}
		if (st.ppid == parent)
			return true;
		child = st.ppid;
	}
	return false;
}

static void check_seccomp(struct look *k)
{
	const struct caps *c = k->env->caps;

	if (!k->st.seccomp || (!c->seccomp && c->cap_sys_admin))
		return;
	found(k, CAUSE_SECCOMP_SUSPEND, NULL, "/proc/%d/status: Seccomp %u; here: Seccomp %u%s",
	      k->pid, k->st.seccomp, c->seccomp, c->cap_sys_admin ? "" : ", no CAP_SYS_ADMIN");
}

static void check_ksm(struct look *k)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	struct err *e = proc_read_file(k->pid, "ksm_stat", &text, &len);

	if (!e && strstr(text, "ksm_merge_any: yes"))
		found(k, CAUSE_MEMORY_MERGE, NULL, "/proc/%d/ksm_stat: ksm_merge_any: yes", k->pid);
	err_free(e); /* older kernels do not have it */
}

bool check_states(struct look *k)
{
	AUTO_FREE char *where = NULL;

	if (k->stat.flags & PROC_PF_KTHREAD) {
		found(k, CAUSE_KERNEL_THREAD, NULL, "/proc/%d/stat: flags 0x%x", k->pid,
		      k->stat.flags);
		return false;
	}
	if (k->stat.state == 'Z' || k->stat.state == 'X') {
		struct proc_threads t = { 0 };

		err_free(proc_read_threads(k->pid, &t));
		found(k, t.nr > 1 ? CAUSE_ZOMBIE_LEADER : CAUSE_ZOMBIE, NULL,
		      "/proc/%d/status: State %c, %zu thread%s", k->pid, k->stat.state, t.nr,
		      t.nr == 1 ? "" : "s");
		proc_threads_deinit(&t);
		return false;
	}
	check_threads(k);
	switch (cgroup_frozen(k->pid, &where)) {
	case CGROUP_FROZEN_V1:
		found(k, CAUSE_FROZEN_V1, NULL, "%s", where);
		break;
	case CGROUP_FROZEN_V2:
		found(k, CAUSE_FROZEN_V2, NULL, "%s", where);
		break;
	case CGROUP_RUNS:
		break;
	}
	if (k->st.nr_ns_pid && !k->st.ns_sid_last)
		found(k, CAUSE_SESSION_OUTSIDE, NULL, "/proc/%d/status: NSsid ends in 0", k->pid);
	if (k->pid == k->env->root && k->stat.sid && k->stat.sid != k->pid)
		found(k, CAUSE_NOT_SESSION_LEADER, NULL, "/proc/%d/stat: session %d", k->pid,
		      k->stat.sid);
	if (k->env->root && (k->pid == k->env->self || below(k->env->self, k->pid)))
		found_note(k, CAUSE_DUMPER_IN_TREE, "/proc/%d/stat: %d is above us", k->env->self,
			   k->pid);
	check_seccomp(k);
	check_ksm(k);
	return true;
}

void check_family(struct look *k)
{
	struct proc_children c = { 0 };

	if (proc_shares_memory(k->pid, k->stat.ppid))
		found(k, CAUSE_SHARED_MM, NULL, "kcmp(%d, %d, KCMP_VM): the same", k->pid,
		      k->stat.ppid);
	err_free(proc_read_children(k->pid, &c));
	for (size_t i = 0; i < c.nr; i++)
		if (proc_shares_memory(k->pid, c.pid[i]))
			found(k, CAUSE_SHARED_MM, NULL, "kcmp(%d, %d, KCMP_VM): the same", k->pid,
			      c.pid[i]);
	proc_children_deinit(&c);
}

#define SYS_IO_URING_ENTER                                                                         \
	426 /* of every architecture that Linux has had io_uring on since, but alpha */
#define THREADS_LOOKED_AT 256u

static bool has_uring(const struct look *k)
{
	for (size_t i = 0; i < k->vmas.nr; i++)
		if (strstr(k->vmas.v[i].name, "[io_uring]"))
			return true;
	for (size_t i = 0; i < k->fds.nr; i++)
		if (strstr(k->fds.v[i].link, "[io_uring]"))
			return true;
	return false;
}

/* A ring in the program's own memory, with a descriptor that is in no table: only who uses it shows it. */
void check_hidden_uring(struct look *k)
{
	struct proc_threads t = { 0 };
	bool any = false;

	if (!k->has_fds || !k->has_vmas || has_uring(k))
		return;
	err_free(proc_read_threads(k->pid, &t));
	for (size_t i = 0; i < t.nr && i < THREADS_LOOKED_AT && !any; i++) {
		AUTO_FREE char *comm = NULL, *call = NULL;
		char name[64];
		size_t len;

		snprintf(name, sizeof(name), "task/%d/comm", t.tid[i]);
		err_free(proc_read_file(k->pid, name, &comm, &len));
		snprintf(name, sizeof(name), "task/%d/syscall", t.tid[i]);
		err_free(proc_read_file(k->pid, name, &call, &len));
		any = true;
		if (comm && (!strncmp(comm, "iou-wrk-", 8) || !strncmp(comm, "iou-sqp-", 8)))
			found(k, CAUSE_URING_HIDDEN, NULL, "/proc/%d/task/%d/comm: %.*s", k->pid,
			      t.tid[i], (int)strcspn(comm, "\n"), comm);
		else if (call && atoi(call) == SYS_IO_URING_ENTER)
			found(k, CAUSE_URING_HIDDEN, NULL,
			      "/proc/%d/task/%d/syscall: %d (io_uring_enter)", k->pid, t.tid[i],
			      SYS_IO_URING_ENTER);
		else
			any = false;
	}
	proc_threads_deinit(&t);
}

void check_cgroup_memory(struct look *k)
{
	AUTO_FREE char *where = NULL;

	if (!k->st.vm_swap)
		return;
	uint64_t limit = cgroup_memory_limit(k->pid, &where);

	if (k->st.vm_rss + k->st.vm_swap > limit)
		found(k, CAUSE_MEMCG, NULL,
		      "VmRSS %lu + VmSwap %lu KiB in /proc/%d/status; %s: %lu KiB",
		      k->st.vm_rss >> 10, k->st.vm_swap >> 10, k->pid, where, limit >> 10);
}
