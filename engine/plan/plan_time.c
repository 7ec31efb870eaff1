/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How long the targets would be frozen: predicted from dumps of a process of our own, made now, on this
 * machine, into the file system of the images.  It is dumped as it is, then with more threads, more
 * mappings, more pages, and pages that lie apart: each difference is the cost of one kind of thing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "engine/dump/phases.h"
#include "engine/image/flatdir.h"
#include "engine/plan/plan_priv.h"

/* In the order in which they are measured: from each, the cost of those before it is subtracted. */
enum kind { PAGE, IOV, VMA, THREAD, TASK, FIXED, NR_KINDS };

static const struct {
	const char *name;
	uint64_t more; /* so many of them, for the measurement */
} kinds[NR_KINDS] = {
	[PAGE] = { "page", 4096 },   [IOV] = { "iov", 1024 }, [VMA] = { "vma", 512 },
	[THREAD] = { "thread", 16 }, [TASK] = { "task", 1 },  [FIXED] = { "fixed", 0 },
};

struct amounts {
	uint64_t nr[NR_KINDS];
};

/* ---- the process that is measured ----------------------------------------------------------------- */

static void *sleeper(void *arg)
{
	for (;;)
		pause();
	return arg;
}

/* In the child, which is a copy of ours: it holds nothing, and dies with us. */
static void model_runs(const struct amounts *a, pid_t parent, int ready)
{
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	prctl(PR_SET_NAME, "stepdump-model");
	if (ready != STDERR_FILENO + 1)
		dup2(ready, STDERR_FILENO + 1);
	close_range(STDERR_FILENO + 2, ~0u, 0);
	ready = STDERR_FILENO + 1;
	for (int sig = 1; sig < 32; sig++)
		signal(sig, SIG_DFL);
	for (uint64_t i = 0; i < a->nr[THREAD]; i++)
		if (pthread_create(&thread, NULL, sleeper, NULL))
			_exit(1);

	/* Neighbours of different protection are not merged. */
	char *many = mmap(NULL, (a->nr[VMA] + 1) * PAGE_BYTES, PROT_READ,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t bytes = (a->nr[PAGE] + 2 * a->nr[IOV] + 1) * PAGE_BYTES;
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (many == MAP_FAILED || p == MAP_FAILED)
		_exit(1);
	madvise(p, bytes, MADV_NOHUGEPAGE);
	for (uint64_t i = 0; i < a->nr[VMA]; i += 2)
		mprotect(many + i * PAGE_BYTES, PAGE_BYTES, PROT_READ | PROT_WRITE);
	memset(p, 1, a->nr[PAGE] * PAGE_BYTES);
	for (uint64_t i = 0; i < a->nr[IOV]; i++)
		p[(a->nr[PAGE] + 2 * i + 1) * PAGE_BYTES] = 1;
	if (write(ready, "", 1) != 1)
		_exit(1);
	close(ready);
	for (;;)
		pause();
}

static struct err *model_start(const struct amounts *a, pid_t *ret)
{
	pid_t parent = getpid();
	int p[2];
	char byte;

	if (pipe2(p, O_CLOEXEC))
		return err_sys(errno, "make a pipe");

	AUTO_CLOSE int ready = p[0], child_end = p[1];
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(errno, "start a process to be measured");
	if (pid == 0) {
		model_runs(a, parent, child_end);
		_exit(1);
	}
	close_fd(&child_end);
	if (read_full(ready, &byte, 1) != 1) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return err_new(ERR_STATE, "a process to be measured did not start");
	}
	*ret = pid;
	return NULL;
}

static void model_end(pid_t pid)
{
	kill(pid, SIGKILL);
	RETRY(waitpid(pid, NULL, 0));
}

/* ---- one measurement ------------------------------------------------------------------------------ */

struct measured {
	struct amounts has;
	double us; /* frozen */
};

static struct err *run_to(struct dump *d, phase_t end)
{
	while (d->phase != end) {
		const struct phase_ops *last;

		TRY(phase_run(
			d, d->phase == PH(PREPARE) || d->phase == PH(RESET) ? PACE_UNIT : PACE_FLOW,
			&last));
	}
	return NULL;
}

static struct err *dump_it(struct dump *d)
{
	d->phase = PH(PREPARE);
	TRY(run_to(d, PH(GATE)));
	if (d->opts->xfer == XFER_NULL)
		return NULL;
	d->phase = PH(RESET);
	return run_to(d, PH(DONE));
}

/* A place to publish the images at, which does not exist yet.  The keeper is told before it does: it
 * removes what it finds there if we die. */
static struct err *claim_place(const struct plan *p, char **path_ret)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return err_sys(errno, "choose a name in %s", p->r->dir);
	*path_ret = xasprintf("%s/.stepdump-model.%d.%016lx", p->r->dir, (int)getpid(), random);
	return keeper_litter(p->env->keeper, *path_ret, true);
}

static struct err *remove_directory(const struct plan *p, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd >= 0) {
		err_free(flatdir_clear(fd, path));
		close(fd);
		rmdir(path);
	}
	return keeper_litter(p->env->keeper, path, false);
}

#define MODELS_MAX 2u

static struct err *measure_attached(const struct plan *p, const struct opts *o, struct target *t,
				    size_t nr, struct measured *ret)
{
	struct tracker_table none = { 0 };
	struct dump d = { 0 };

	dump_init(&d, t, nr, p->env->keeper, &none, o, p->env->caps);
	d.commit_to = o->dir;

	struct err *e = dump_it(&d);

	ret->has = (struct amounts){
		{ [FIXED] = 1, [TASK] = nr, [PAGE] = d.xfer.pages, [IOV] = d.xfer.entries }
	};
	for (size_t i = 0; i < nr; i++) {
		ret->has.nr[THREAD] += d.task[i].ti.nr_tids;
		ret->has.nr[VMA] += t[i].vmas.nr;
	}
	/* As detach: what is to be removed is removed after they run. */
	e = err_first(e, dump_thaw(&d));
	ret->us = (double)(t[0].task.freezing_us + target_frozen_us(&t[0]));
	e = err_first(e, dump_undo(&d));
	dump_deinit(&d);
	tracker_table_drop(&none, 0);
	return e;
}

static struct err *measure_models(const struct plan *p, const struct opts *o, const pid_t *pid,
				  size_t nr, struct measured *ret)
{
	struct target t[MODELS_MAX];
	struct err *e = NULL;
	size_t held = 0;

	for (; held < nr && !e; held += !e) {
		AUTO_FREE char *note = NULL;

		e = target_attach(&t[held], p->env->keeper, pid[held], false, NULL, &note);
		t[held].parent = (int)held - 1;
	}
	if (!e)
		e = measure_attached(p, o, t, nr, ret);
	while (held)
		e = err_first(e, target_release(&t[--held]));
	return e;
}

/* opts: with a directory if the images are to be written. */
static struct err *measure(const struct plan *p, const struct opts *opts, const struct amounts *a,
			   struct measured *ret)
{
	size_t nr = 1 + a->nr[TASK], started = 0;
	AUTO_FREE char *path = NULL;
	struct opts o = *opts;
	struct err *e = NULL;
	pid_t pid[MODELS_MAX];

	if (o.dir)
		TRY(claim_place(p, &path));
	o.dir = path;
	for (; started < nr && !e; started += !e)
		e = model_start(a, &pid[started]);
	if (!e)
		e = measure_models(p, &o, pid, nr, ret);
	while (started)
		model_end(pid[--started]);
	return path ? err_first(e, remove_directory(p, path)) : e;
}

/* ---- the prediction ------------------------------------------------------------------------------- */

struct costs {
	double each[NR_KINDS];
};

/* The shortest of several: what else the machine does only makes them longer. */
static struct err *measure_shortest(const struct plan *p, const struct opts *o,
				    const struct amounts *a, struct measured *ret)
{
	ret->us = 0;
	for (int i = 0; i < 2; i++) {
		struct measured m;

		TRY(plan_go_on(p));
		TRY(measure(p, o, a, &m));
		if (!ret->us || m.us < ret->us)
			*ret = m;
	}
	return NULL;
}

/* Each difference to the plain one, divided by how many more there were. */
static struct err *measure_costs(const struct plan *p, const struct opts *o, struct costs *ret)
{
	const struct amounts nothing = { 0 };
	struct measured plain, with;

	TRY(measure(p, o, &nothing, &plain)); /* warms up keeper, caches, directory */
	TRY(measure_shortest(p, o, &nothing, &plain));
	for (enum kind k = 0; k < FIXED; k++) {
		struct amounts a = { 0 };

		a.nr[k] = kinds[k].more;
		TRY(measure_shortest(p, o, &a, &with));

		double us = with.us - plain.us;
		double more = (double)(with.has.nr[k] - plain.has.nr[k]);

		for (enum kind known = 0; known < k; known++)
			us -= ret->each[known] *
			      ((double)with.has.nr[known] - (double)plain.has.nr[known]);
		ret->each[k] = us > 0 && more > 0 ? us / more : 0;
	}
	ret->each[FIXED] = plain.us;
	for (enum kind k = 0; k < FIXED; k++)
		ret->each[FIXED] -= ret->each[k] * (double)plain.has.nr[k];
	if (ret->each[FIXED] < 0)
		ret->each[FIXED] = 0;
	return NULL;
}

static void plan_amounts(const struct plan *p, struct amounts *a)
{
	*a = (struct amounts){
		{ [FIXED] = 1, [TASK] = p->nr, [PAGE] = p->r->pages, [IOV] = p->iovs }
	};
	for (size_t i = 0; i < p->nr; i++) {
		a->nr[THREAD] += p->r->tasks[i]->threads;
		a->nr[VMA] += p->from[i].vmas.nr;
	}
}

static void put_time(struct plan *p, const struct costs *c, const char *how)
{
	Stepdump__PlanTime *o = MSG_NEW(Stepdump__PlanTime, plan_time);
	struct amounts a;
	double sum = 0;

	p->r->time = o;
	plan_amounts(p, &a);
	for (enum kind k = 0; k < NR_KINDS; k++) {
		Stepdump__PlanCost *cost = MSG_PUSH(o, costs, plan_cost);

		cost->what = xstrdup(kinds[k].name);
		cost->count = a.nr[k];
		cost->each_us = c->each[k];
		cost->us = c->each[k] * (double)a.nr[k];
		sum += cost->us;
	}
	o->frozen_us = (uint64_t)sum;
	o->how = xstrdup(how);
}

/* What ends the freeze, for a dump of the model and of the targets alike. */
static const char *frozen_until(const struct opts *o)
{
	if (o->mode == MODE_PRE_DUMP)
		return "until its pages are in pipes, as it is a pre-dump";
	if (o->xfer == XFER_NULL)
		return "if nothing has to be written";
	if (o->thaw == THAW_DRAINED)
		return "until its pages are in files (thaw drained)";
	if (o->thaw == THAW_COMMITTED)
		return "until the set is published (thaw committed)";
	return "if it is committed and detached at once (thaw off)";
}

struct err *plan_time(struct plan *p, const char *dir)
{
	AUTO_FREE char *how = NULL;
	struct opts o = *p->env->opts;
	struct costs c = { 0 };
	bool write = o.xfer == XFER_LOCAL && !access(dir, W_OK) && p->r->free_bytes > (64u << 20);

	o.xfer = write ? XFER_LOCAL : XFER_NULL;
	o.dir = write ? p->r->dir : NULL;
	o.parent = NULL;
	o.pmc = PMC_AUTO;
	o.thaw = dump_thaw_when(
		&p->d); /* with the trackers of the targets, which the model has not */

	struct err *e = measure_costs(p, &o, &c);

	if (e && e->code != ERR_INTERRUPTED) {
		/* A plan without a predicted time is still useful. */
		msg_push(&p->r->notes, &p->r->n_notes, sizeof(char *));
		p->r->notes[p->r->n_notes - 1] =
			xasprintf("the time is not predicted: a process of our own could not be "
				  "dumped: %s",
				  e->msg);
		err_free(e);
		return NULL;
	}
	TRY(e);
	how = xasprintf("measured now, on dumps of a small process of our own%s%s",
			write ? " to " : ", without writing", write ? p->r->dir : "");
	put_time(p, &c, how);
	p->r->time->until = xstrdup(frozen_until(&o));
	return NULL;
}
