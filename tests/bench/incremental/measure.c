/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One round: the tracker alone, then a chain of dumps by a session. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/keeper/keeper_main.h"
#include "engine/pages/caps.h"
#include "engine/proc/proc.h"
#include "engine/session/session.h"

#include "tests/bench/incremental/incremental.h"

#define PASSES 3u

/* ---- the tracker alone ------------------------------------------------------------------- */

static const char *const track_values[] = {
	[OPT_TRACK_SOFT_DIRTY] = "soft-dirty",
	[OPT_TRACK_UFFD] = "uffd",
};

/* Freezes the target, begins a new interval, lets it run. */
static struct err *reset(struct keeper *k, const struct writer *w, const struct caps *c,
			 enum opt_track kind, struct tracker **t, uint64_t *us_ret)
{
	struct keeper_task task;
	struct vma_list vmas = { 0 };

	TRY(keeper_seize(k, w->pid, &task));
	struct err *e = proc_read_vmas(w->pid, &vmas);

	if (!e && !*t)
		e = tracker_create(kind, k, w->pid, task.start_time_ticks, c, t);
	if (!e) {
		uint64_t t0 = now_us();

		e = tracker_reset(*t, &vmas);
		*us_ret = now_us() - t0;
	}
	vma_list_deinit(&vmas);
	keeper_task_deinit(&task);
	return err_first(e, keeper_release(k, w->pid));
}

/* The best of a few: only whether stores fault counts, not what else runs. */
static struct err *best_pass(const struct writer *w, uint64_t generation, uint64_t *us_ret)
{
	uint64_t best = UINT64_MAX, us;

	for (unsigned i = 0; i < PASSES; i++) {
		TRY(writer_pass(w, generation, &us));
		if (us < best)
			best = us;
	}
	*us_ret = best;
	return NULL;
}

static struct err *tracker_costs(const struct writer *w, enum opt_track kind, struct keeper *k,
				 uint64_t generation, struct round *r)
{
	struct tracker *t = NULL;
	struct caps c;
	uint64_t t0;

	TRY(caps_probe(&c));
	TRY(best_pass(w, generation, &r->cost[PASS_FREE]));
	struct err *e = reset(k, w, &c, kind, &t, &r->cost[ARM_FIRST]);

	if (!e)
		e = writer_pass(w, generation + 1, &r->cost[PASS_ARMED]);
	if (!e)
		e = best_pass(w, generation + 2, &r->cost[PASS_AGAIN]);
	if (!e)
		e = reset(k, w, &c, kind, &t, &r->cost[ARM_ALL]);
	if (!e)
		e = writer_touch(w, generation + 3);
	if (!e)
		e = reset(k, w, &c, kind, &t, &r->cost[ARM_SOME]);
	t0 = now_us();
	tracker_destroy(t);
	r->cost[DISARM] = now_us() - t0;
	return e;
}

struct err *tracker_try(const struct writer *w, enum opt_track kind, char **why_ret)
{
	struct tracker *t = NULL;
	struct keeper *k;
	struct caps c;
	uint64_t us;

	*why_ret = NULL;
	TRY(caps_probe(&c));
	TRY(keeper_start(keeper_main, &k));
	struct err *e = reset(k, w, &c, kind, &t, &us);

	tracker_destroy(t);
	if (e && e->code == ERR_UNSUPPORTED) {
		*why_ret = strdup(e->msg);
		err_free(e);
		e = NULL;
	}
	return err_first(e, keeper_stop(k));
}

/* ---- a chain -------------------------------------------------------------------------------- */

static struct err *set(struct session *s, const char *name, const char *value)
{
	return opt_parse(session_opts(s), opt_find(name), value);
}

static struct err *run_to_gate(struct session *s, pid_t pid, struct dump_times_us *t)
{
	struct run_request step = { .kind = RUN_STEP, .count = 1 }, go = { .kind = RUN_CONTINUE };
	Stepdump__Stop *stop = NULL;
	struct err *e = session_run(s, &step, &stop); /* prepare */

	stepdump__stop__free_unpacked(stop, NULL);
	TRY(e);
	uint64_t delay = run_delay_us(pid), t0 = now_us();

	stop = NULL;
	e = session_run(s, &go, &stop);
	t->main = now_us() - t0;
	t->delay = run_delay_us(pid) - delay;
	if (!e && strcmp(stop->reason, "gate"))
		e = err_new(ERR_CHECK, "continue ended with '%s', not at the gate", stop->reason);
	stepdump__stop__free_unpacked(stop, NULL);
	return e;
}

static struct err *dump_attached(struct session *s, const struct writer *w, const char *dir,
				 struct dump_times_us *t)
{
	Stepdump__Stop *stop = NULL;

	TRY(run_to_gate(s, w->pid, t));
	struct err *e = session_commit(s, dir, &stop);

	if (!e)
		t->pages = stop->counters->pages_written;
	stepdump__stop__free_unpacked(stop, NULL);
	return e;
}

static struct err *one_dump(struct session *s, const struct writer *w, const char *dir,
			    struct dump_times_us *t)
{
	TRY(set(s, "dir", dir));
	TRY(writer_watch(w));
	uint64_t t0 = now_us();

	TRY(session_attach(s, w->pid));
	struct err *e = dump_attached(s, w, dir, t);

	e = err_first(e, session_detach_keep_tracking(s));
	t->total = now_us() - t0;
	return err_first(e, writer_unwatch(w, &t->frozen));
}

static struct err *chain(struct session *s, const struct writer *w, enum opt_track kind,
			 const char *dir, bool verify, uint64_t generation, struct round *r)
{
	char first[4096], second[4096], third[4096];
	uint64_t us;

	snprintf(first, sizeof(first), "%s/1", dir);
	snprintf(second, sizeof(second), "%s/2", dir);
	snprintf(third, sizeof(third), "%s/3", dir);
	TRY(set(s, "track", track_values[kind]));
	TRY(writer_pass(w, generation, &us));
	TRY(one_dump(s, w, first, &r->dump[FULL]));
	if (verify)
		TRY(err_wrap(check_images(w, first, true, generation), "full dump"));

	TRY(writer_touch(w, generation + 1));
	TRY(set(s, "parent", first));
	TRY(one_dump(s, w, second, &r->dump[INCREMENTAL]));
	if (verify)
		TRY(err_wrap(check_images(w, second, false, generation + 1), "incremental dump"));
	remove_tree(second);
	remove_tree(first);

	TRY(set(s, "parent", ""));
	TRY(set(s, "mode", "pre-dump"));
	TRY(set(s, "pre-dump", "splice"));
	TRY(writer_pass(w, generation + 2, &us));
	TRY(one_dump(s, w, third, &r->dump[PRE_SPLICE]));
	if (verify)
		TRY(err_wrap(check_images(w, third, true, generation + 2), "pre-dump, splice"));
	remove_tree(third);
	TRY(set(s, "pre-dump", "read"));
	TRY(one_dump(s, w, third, &r->dump[PRE_READ]));
	if (verify)
		TRY(err_wrap(check_images(w, third, true, generation + 2), "pre-dump, read"));
	remove_tree(third);
	return NULL;
}

struct err *measure_round(const struct writer *w, enum opt_track kind, const char *dir, bool verify,
			  uint64_t generation, struct round *r)
{
	struct keeper *k;
	struct session *s;

	TRY(keeper_start(keeper_main, &k));
	struct err *e = tracker_costs(w, kind, k, generation + 1, r);

	TRY(err_first(e, keeper_stop(k)));
	TRY(session_create(&s));
	e = chain(s, w, kind, dir, verify, generation + 5, r);
	r->peak_kib = status_kib(getpid(), "VmHWM:");
	return err_first(e, session_destroy(s));
}
