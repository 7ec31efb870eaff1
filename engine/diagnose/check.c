/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/diagnose/check.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/vec.h"
#include "engine/diagnose/check_priv.h"
#include "engine/diagnose/message.h"
#include "proto/message.h"

static int severity_rank(const Stepdump__CheckFinding *f)
{
	static const enum severity order[] = { SEV_HARM, SEV_FAIL,   SEV_LOSE,
					       SEV_SLOW, SEV_OPTION, SEV_NOTE };

	for (int i = 0; i < NR_SEVERITIES; i++)
		if (!strcmp(f->cause->severity, severity_name(order[i])))
			return i;
	return NR_SEVERITIES;
}

static int worst_first(const void *a, const void *b)
{
	return severity_rank(*(Stepdump__CheckFinding *const *)a) -
	       severity_rank(*(Stepdump__CheckFinding *const *)b);
}

/* ---- one process ----------------------------------------------------------------------------- */

/* Adds why the mappings cannot be read. */
static void explain_no_rights(struct look *k, const struct err *why)
{
	char path[64];
	struct stat st;
	const char *more = "";

	snprintf(path, sizeof(path), "/proc/%d/mem", k->pid);
	if (!stat(path, &st) && st.st_uid != k->st.uid[0])
		more = "; it is not dumpable: /proc/PID/mem belongs to another uid than the process";
	else if (k->env->own_userns)
		more = "; we are in a user namespace of our own, and our capabilities end with it";
	else if (k->st.uid[0] != geteuid() && !k->env->caps->cap_sys_ptrace)
		more = "; it belongs to another user and we lack CAP_SYS_PTRACE";
	found(k, CAUSE_NO_RIGHTS, NULL, "/proc/%d/maps: %s%s", k->pid,
	      err_errno_name(why->sys_errno), more);
	SET(k->task, partial, true);
	k->not_ours =
		k->env->own_userns || (k->st.uid[0] != geteuid() && !k->env->caps->cap_sys_ptrace);
}

static void look_inside(struct look *k, const struct vma_list *known)
{
	struct err *e = proc_read_fds(k->pid, &k->fds);

	k->has_fds = !e;
	err_free(e);
	e = proc_read_limits(k->pid, &k->limits);
	k->has_limits = !e;
	err_free(e);
	e = known ? NULL : proc_read_vmas(k->pid, &k->vmas);
	if (known)
		k->vmas = *known;
	k->has_vmas = !e;
	if (e && (e->sys_errno == EACCES || e->sys_errno == EPERM))
		explain_no_rights(k, e);
	err_free(e);
	if (k->has_vmas) {
		SET(k->task, vmas, k->vmas.nr);
		check_maps(k);
		check_pages(k);
	}
	check_limits(k);
	check_fds(k);
	check_hidden_uring(k);
	check_cgroup_memory(k);
}

/* ERR_TARGET: there is no such process (any more). */
static struct err *check_one(struct check_env *env, pid_t pid, const struct vma_list *known,
			     bool *not_ours_ret, Stepdump__CheckedTask **ret)
{
	struct look k = { .env = env, .pid = pid };

	TRY(proc_read_stat(pid, &k.stat));
	TRY(proc_read_status(pid, &k.st));
	k.task = xzalloc(sizeof(*k.task));
	stepdump__checked_task__init(k.task);
	k.task->pid = (uint32_t)pid;
	k.task->comm = xstrdup(k.stat.comm);
	SET(k.task, rss, k.st.vm_rss);
	SET(k.task, swap, k.st.vm_swap);
	if (check_states(&k)) {
		check_family(&k);
		look_inside(&k, known);
	}
	if (!known)
		vma_list_deinit(&k.vmas);
	proc_fds_deinit(&k.fds);
	vec_sort(k.task->findings, k.task->n_findings, worst_first);
	*not_ours_ret = k.not_ours;
	*ret = k.task;
	return NULL;
}

/* ---- the run --------------------------------------------------------------------------------- */

static void machine_finding(Stepdump__CheckReport *r, enum cause_id id, const char *evidence)
{
	Stepdump__CheckFinding *f = finding_new(&r->machine, &r->n_machine, id);

	f->evidence = xstrdup(evidence);
}

#define KDAT "/run/criu.kdat"

/* A tmpfs does not outlive its kernel, but a container that was restored brings its /run along. */
static bool kdat_is_stale(void)
{
	struct timespec real, boot;
	struct stat st;

	if (stat(KDAT, &st) || clock_gettime(CLOCK_REALTIME, &real) ||
	    clock_gettime(CLOCK_BOOTTIME, &boot))
		return false;
	return st.st_mtim.tv_sec + 1 < real.tv_sec - boot.tv_sec;
}

static void check_machine(const struct caps *c, Stepdump__CheckReport *r)
{
	if (!c->soft_dirty)
		machine_finding(r, CAUSE_NO_SOFT_DIRTY,
				"a store to a page of our own does not set bit 55");
	if (c->pagemap_scan && !c->scan_soft_dirty)
		machine_finding(r, CAUSE_SCAN_CATEGORY,
				"PAGEMAP_SCAN refuses PAGE_IS_SOFT_DIRTY (EINVAL)");
	if (kdat_is_stale())
		machine_finding(r, CAUSE_STALE_KDAT,
				KDAT " last changed before this kernel was started");
	if (!c->vmsplice)
		machine_finding(r, CAUSE_SHMEM_VMSPLICE, "vmsplice() into a pipe of our own fails");
}

static void add_task(Stepdump__CheckReport *r, Stepdump__CheckedTask *t)
{
	for (size_t i = 0; i < t->n_findings; i++)
		*(severity_counts(t->findings[i]->cause->severity) ? &r->found : &r->notes) += 1;
	r->tasks = vec_room(r->tasks, r->n_tasks, sizeof(*r->tasks));
	r->tasks[r->n_tasks++] = t;
}

static struct err *check_descend(struct check_env *env, pid_t pid, Stepdump__CheckReport *r)
{
	struct proc_children c = { 0 };
	Stepdump__CheckedTask *t;

	bool not_ours;

	TRY(check_one(env, pid, NULL, &not_ours, &t));
	r->checked++;
	add_task(r, t);
	err_free(proc_read_children(pid, &c));
	for (size_t i = 0; i < c.nr; i++)
		err_free(check_descend(env, c.pid[i], r)); /* it may have ended */
	proc_children_deinit(&c);
	return NULL;
}

static bool is_nobodys_business(const struct check_env *env, pid_t pid, Stepdump__CheckReport *r)
{
	struct proc_stat st;
	struct err *e = proc_read_stat(pid, &st);

	if (e) {
		err_free(e);
		return true;
	}
	if (st.flags & PROC_PF_KTHREAD) {
		SET(r, kernel_threads, r->kernel_threads + 1);
		return true;
	}
	return pid == env->self || st.ppid == env->self || st.state == 'Z' || st.state == 'X';
}

static struct err *all_pids(pid_t **ret, size_t *nr_ret)
{
	AUTO_CLOSEDIR DIR *d = opendir("/proc");
	pid_t *v = NULL;
	size_t nr = 0;

	if (!d)
		return err_sys(errno, "open /proc");
	for (struct dirent *e; (e = readdir(d));) {
		int pid = atoi(e->d_name);

		if (pid > 0)
			*vec_push(v, nr) = pid;
	}
	*ret = v;
	*nr_ret = nr;
	return NULL;
}

static void drop_finding(Stepdump__CheckedTask *t, enum cause_id id)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->n_findings; i++)
		if (strcmp(t->findings[i]->cause->name, causes[id].name))
			t->findings[kept++] = t->findings[i];
		else
			stepdump__check_finding__free_unpacked(t->findings[i], NULL);
	t->n_findings = kept;
}

/* Of those of others, which are many for an ordinary user, one line tells: not a finding for each. */
static struct err *check_everybody(struct check_env *env, Stepdump__CheckReport *r)
{
	AUTO_FREE pid_t *pids = NULL;
	size_t nr;

	TRY(all_pids(&pids, &nr));
	for (size_t i = 0; i < nr; i++) {
		Stepdump__CheckedTask *t;
		struct err *e = NULL;
		bool not_ours;

		if (is_nobodys_business(env, pids[i], r) ||
		    (e = check_one(env, pids[i], NULL, &not_ours, &t))) {
			err_free(e);
			continue;
		}
		r->checked++;
		if (not_ours) {
			SET(r, not_ours, r->not_ours + 1);
			drop_finding(t, CAUSE_NO_RIGHTS);
		}
		if (t->n_findings)
			add_task(r, t);
		else
			stepdump__checked_task__free_unpacked(t, NULL);
	}
	return NULL;
}

struct err *check_pids_of(const char *name, pid_t **ret, size_t *nr_ret)
{
	AUTO_FREE pid_t *pids = NULL;
	pid_t *v = NULL;
	size_t nr, nr_v = 0;

	TRY(all_pids(&pids, &nr));
	for (size_t i = 0; i < nr; i++) {
		struct proc_stat st;
		struct err *e = proc_read_stat(pids[i], &st);

		/* The kernel keeps 15 characters of a name. */
		if (!e && !strncmp(st.comm, name, 15) &&
		    (!name[strlen(st.comm)] || strlen(st.comm) == 15) && pids[i] != getpid())
			*vec_push(v, nr_v) = pids[i];
		err_free(e);
	}
	*ret = v;
	*nr_ret = nr_v;
	return NULL;
}

static struct err *check_any(const struct caps *caps, enum check_scope scope, pid_t root, pid_t pid,
			     const struct vma_list *known, Stepdump__CheckReport **ret)
{
	struct check_env env;
	Stepdump__CheckReport *r;
	Stepdump__CheckedTask *t;
	uint64_t begin = now_us();
	struct err *e;
	bool not_ours;

	TRY(env_init(&env, caps));
	env.root = scope == CHECK_ALL ? 0 : root;
	r = xzalloc(sizeof(*r));
	stepdump__check_report__init(r);
	check_machine(caps, r);
	switch (scope) {
	case CHECK_ONE:
		e = check_one(&env, pid, known, &not_ours, &t);
		if (!e) {
			r->checked = 1;
			add_task(r, t);
		}
		break;
	case CHECK_TREE:
		e = check_descend(&env, pid, r);
		break;
	default:
		e = check_everybody(&env, r);
	}
	env_deinit(&env);
	if (e) {
		stepdump__check_report__free_unpacked(r, NULL);
		return e;
	}
	SET(r, took_us, now_us() - begin);
	*ret = r;
	return NULL;
}

struct err *check_run(const struct caps *caps, enum check_scope scope, pid_t pid,
		      Stepdump__CheckReport **ret)
{
	return check_any(caps, scope, pid, pid, NULL, ret);
}

struct err *check_known(const struct caps *caps, pid_t root, pid_t pid, const struct vma_list *vmas,
			Stepdump__CheckReport **ret)
{
	return check_any(caps, CHECK_ONE, root, pid, vmas, ret);
}

struct err *check_elsewhere(const struct caps *caps, pid_t root, pid_t pid,
			    const struct vma_list *vmas, Stepdump__CheckReport **ret)
{
	struct check_env env;
	struct look k = { .env = &env, .pid = pid };
	Stepdump__CheckReport *r;

	TRY(env_init(&env, caps));
	k.task = xzalloc(sizeof(*k.task));
	stepdump__checked_task__init(k.task);
	k.task->pid = (uint32_t)pid;
	for (size_t i = 0; i < vmas->nr; i++)
		if (vmas->v[i].status & VMA_FILE_SHARED)
			check_file(&k, &vmas->v[i]);
	env_deinit(&env);
	r = xzalloc(sizeof(*r));
	stepdump__check_report__init(r);
	r->checked = 1;
	add_task(r, k.task);
	*ret = r;
	return NULL;
}
