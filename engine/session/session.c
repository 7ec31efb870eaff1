/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A session: the target, and the run of the pipeline over it.  Running is in run.c, looking in
 * snap*.c. */
#include "engine/session/session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/undo.h"
#include "base/vec.h"
#include "engine/dump/dump_images.h"
#include "engine/dump/reserve.h"
#include "engine/keeper/keeper_main.h"
#include "engine/net/addr.h"
#include "engine/proc/proc.h"
#include "engine/record/play.h"
#include "engine/session/preflight.h"
#include "engine/session/session_priv.h"
#include "engine/session/session_watch.h"

struct err *session_create(struct session **ret)
{
	struct session *s = xzalloc(sizeof(*s));

	/* A lost page server, a pager that quits and a file size limit must be errors; they must
	 * not kill us. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	/* A pre-dump keeps all pages in pipes (two descriptors for each MiB), and every shared
	 * object is open: raise the limit of open files as far as it goes. */
	if (!getrlimit(RLIMIT_NOFILE, &s->nofile)) {
		struct rlimit all = { s->nofile.rlim_max, s->nofile.rlim_max };

		setrlimit(RLIMIT_NOFILE, &all);
	}
	opts_init(&s->opts);

	struct err *e = fault_init();
	if (!e)
		e = undo_init();
	if (!e)
		e = keeper_start(keeper_main, &s->keeper);
	if (!e)
		fault_set_keeper(keeper_pid(s->keeper));
	if (!e)
		e = caps_probe(&s->caps);
	if (e) {
		e = err_first(e, keeper_stop(s->keeper));
		opts_deinit(&s->opts);
		free(s);
		return e;
	}
	*ret = s;
	return NULL;
}

struct err *session_destroy(struct session *s)
{
	struct err *e = NULL;

	if (!s)
		return NULL;
	if (attached(s) || s->watch)
		e = session_detach(s);
	record_free(s->record);
	player_free(s->player);
	tracker_table_drop(&s->trackers, 0);
	e = err_first(e, keeper_stop(s->keeper));
	brk_list_deinit(&s->breaks);
	brk_list_deinit(&s->fault_conds);
	opts_deinit(&s->opts);
	err_free(s->error);
	free(s);
	return e;
}

void session_interrupt(struct session *s)
{
	s->interrupted = 1;
}

void session_event(struct session *s, phase_t phase, const char *fmt, ...)
{
	struct event *ev = &s->events[s->nr_events % NR_EVENTS];
	va_list ap;

	if (s->replaying)
		return;
	ev->seq = ++s->nr_events;
	ev->t_us = s->t_attach_us ? now_us() - s->t_attach_us : 0;
	ev->phase = phase;
	va_start(ap, fmt);
	vsnprintf(ev->text, sizeof(ev->text), fmt, ap);
	va_end(ap);
}

struct err *session_keep_error(struct session *s, struct err *e)
{
	if (e) {
		err_free(s->error);
		s->error = err_dup(e);
	}
	return e;
}

void session_only_look(struct session *s)
{
	s->only_look = true;
}

/* ---- target ---------------------------------------------------------------------------- */

static struct err *session_need_no_target(struct session *s)
{
	if (s->player)
		return play_refuse(s, "attach");
	if (s->watch && s->watch->over)
		watch_drop(s);
	if (s->watch)
		return watch_refuse(s, "attach");
	if (!attached(s))
		return NULL;
	return err_hint(err_new(ERR_STATE, "attach: process %d is attached already", s->t[0].pid),
			"`detach` first");
}

static struct err *session_need_target(const struct session *s)
{
	if (s->player)
		return play_refuse(s, "no target is attached");
	if (s->watch)
		return watch_refuse(s, "no target is attached");
	return attached(s) ? NULL :
			     err_hint(err_new(ERR_STATE, "no target is attached"), "`attach PID`");
}

static struct err *session_release_all(struct session *s)
{
	struct err *e = NULL;

	preflight_forget(s);
	for (size_t i = s->nr_tasks; i-- > 0;) /* children first, as dump_thaw() */
		e = err_first(e,
			      dump_unless_dead(s->keeper, s->t[i].pid, target_release(&s->t[i])));
	free(s->t);
	s->t = NULL;
	s->nr_tasks = 0;
	return e;
}

/* Freezes one more task. */
static struct err *session_seize_one(struct session *s, pid_t pid, int parent)
{
	AUTO_FREE char *note = NULL;
	struct target *t = vec_push(s->t, s->nr_tasks);
	struct target_early *early = NULL;

	for (size_t i = 0; i < s->nr_early; i++)
		if (s->early[i].pid == pid)
			early = &s->early[i];

	struct err *e = target_attach(t, s->keeper, pid, !s->only_look, early, &note);

	if (e) {
		s->nr_tasks--;
		return e;
	}
	t->parent = parent;
	session_event(s, PH(READY), "froze %d %s: %zu threads, %zu VMAs, %.1f ms", pid, t->comm,
		      t->task.nr_threads, t->vmas.nr, (double)t->task.freezing_us / 1000);
	if (note)
		session_event(s, PH(READY), "removed what an earlier dumper left: %s", note);
	return NULL;
}

static bool session_is_held(const struct session *s, pid_t pid)
{
	for (size_t i = 0; i < s->nr_tasks; i++)
		if (s->t[i].pid == pid)
			return true;
	return false;
}

/* Has it ended?  A zombie counts as ended. */
static bool has_ended(pid_t pid)
{
	struct proc_stat st;
	struct err *e = proc_read_stat(pid, &st);
	bool ended = e ? e->code == ERR_TARGET : st.state == 'Z' || st.state == 'X';

	err_free(e);
	return ended;
}

/* A zombie has no memory and stays with its parent. */
static struct err *session_seize_children(struct session *s, size_t parent)
{
	struct proc_children c;
	struct err *e = NULL;

	TRY(proc_read_children(s->t[parent].pid, &c));
	for (size_t i = 0; i < c.nr && !e; i++) {
		struct proc_stat st;

		e = proc_read_stat(c.pid[i], &st);
		if (e && e->code == ERR_TARGET) { /* reaped meanwhile */
			err_free(e);
			e = NULL;
			continue;
		}
		if (e || session_is_held(s, c.pid[i]))
			continue;
		if (st.state == 'Z')
			session_event(s, PH(READY), "child %d is a zombie: not dumped", c.pid[i]);
		else
			e = err_wrap(session_seize_one(s, c.pid[i], (int)parent), "child %d of %d",
				     c.pid[i], s->t[parent].pid);
		if (e && e->code == ERR_TARGET && has_ended(c.pid[i])) { /* ended meanwhile */
			err_free(e);
			e = NULL;
		}
	}
	proc_children_deinit(&c);
	return e;
}

/* A frozen task makes no children, but it can get some: orphans, if it is their subreaper, and
 * siblings that a child makes with CLONE_PARENT. So look until no new task turns up. */
static struct err *session_seize_descendants(struct session *s)
{
	size_t before;

	do {
		before = s->nr_tasks;
		for (size_t i = 0; i < s->nr_tasks; i++)
			TRY(session_seize_children(s, i));
	} while (s->nr_tasks > before);
	return NULL;
}

/* Room for the pages, while the target still runs.  *staging_ret NULL: none. */
static struct err *session_reserve(struct session *s, pid_t pid, bool tree,
				   struct staging **staging_ret, unsigned *nr_ret)
{
	const struct opts *o = &s->opts;
	const char *dir = o->dir ? o->dir : o->reserve_for;
	const struct staging_guard guard = { keeper_litter, s->keeper };
	uint64_t t0 = now_us(), bytes;
	struct reserve_plan plan;

	*staging_ret = NULL;
	/* A dump with a parent writes an unknown part of the memory; a pre-dump writes after the thaw. */
	if (s->only_look || o->reserve == RESERVE_OFF || !dir || o->xfer != XFER_LOCAL ||
	    o->parent || o->mode != MODE_DUMP)
		return NULL;
	reserve_estimate(pid, tree, &plan);

	struct err *e = reserve_files(dir, guard, &plan, &s->interrupted, staging_ret, &bytes);

	*nr_ret = (unsigned)plan.nr;
	reserve_plan_deinit(&plan);
	if (e && e->code != ERR_INTERRUPTED && o->reserve == RESERVE_AUTO) {
		err_free(e); /* commit will say it, if it still applies */
		return NULL;
	}
	if (*staging_ret)
		session_event(s, PH(READY), "reserved %.1f MiB in %s before the freeze, %.1f ms",
			      (double)bytes / (1 << 20), staging_path(*staging_ret),
			      (double)(now_us() - t0) / 1000);
	return e;
}

/* What happens inside a unit, as an event. */
static void session_told(void *arg, phase_t phase, const char *text)
{
	session_event(arg, phase, "%s", text);
}

/* What takes long is read before the freeze.  A failure is met again, and reported, by the attach. */
static void session_read_early(struct session *s, pid_t pid, bool tree)
{
	AUTO_FREE pid_t *pids = NULL;
	size_t nr = 0;

	if (!s->opts.early || !s->caps.pagemap_scan)
		return;
	reserve_tasks(pid, tree, &pids, &nr);
	for (size_t i = 0; i < nr && !s->interrupted; i++) {
		struct target_early *early = vec_push(s->early, s->nr_early);

		*early =
			(struct target_early){ .pid = pids[i], .knows_guards = s->caps.scan_guard };
		err_free(proc_read_vmas(pids[i], &early->vmas));
	}
	preflight_look_early(s);
}

static void session_drop_early(struct session *s)
{
	for (size_t i = 0; i < s->nr_early; i++)
		vma_list_deinit(&s->early[i].vmas);
	free(TAKE_PTR(s->early));
	s->nr_early = 0;
}

static struct err *session_do_attach(struct session *s, pid_t pid, bool tree)
{
	struct staging *staging;
	unsigned nr_reserved = 0;
	struct err *e;

	TRY(session_need_no_target(s));
	s->t_attach_us = now_us();
	s->gone = false;
	err_free(TAKE_PTR(s->error));
	s->selected = -1;
	s->tree = tree;
	s->last = (struct unit){ .phase = PH(READY) };
	s->units_done = s->stopped_at = 0;
	s->in_bulk = false;
	s->interrupted = 0;
	TRY(session_keep_error(s, preflight_attach(s, pid, tree)));
	TRY(session_keep_error(s, session_reserve(s, pid, tree, &staging, &nr_reserved)));
	session_read_early(s, pid, tree);
	e = session_seize_one(s, pid, -1);
	if (!e && tree)
		e = session_seize_descendants(s);
	session_drop_early(s);
	preflight_keep_early(s);
	if (e) {
		e = err_first(e, session_release_all(s));
		return session_keep_error(s, err_first(e, staging_discard(staging)));
	}
	dump_init(&s->d, s->t, s->nr_tasks, s->keeper, &s->trackers, &s->opts, &s->caps);
	s->d.staging = staging;
	s->d.nr_reserved = nr_reserved;
	s->d.told = session_told;
	s->d.told_arg = s;
	s->d.stop = &s->interrupted;
	session_stopped(s, STOP_RUN);
	return NULL;
}

struct err *session_attach(struct session *s, pid_t pid)
{
	return session_do_attach(s, pid, false);
}

struct err *session_attach_tree(struct session *s, pid_t pid)
{
	return session_do_attach(s, pid, true);
}

size_t session_nr_tasks(const struct session *s)
{
	if (s->player)
		return play_now(s->player)->n_tasks;
	return s->watch ? s->watch->nr_tasks : s->nr_tasks;
}

struct err *session_select_task(struct session *s, int64_t index)
{
	size_t nr = session_nr_tasks(s);

	if (s->player)
		return play_refuse(s, "task");
	if (!s->watch)
		TRY(session_need_target(s));
	if (index >= (int64_t)nr)
		return err_hint(err_new(ERR_USAGE, "task %ld: there are %zu", index, nr),
				"`show tasks` lists them");
	s->selected = index;
	return NULL;
}

size_t session_task(const struct session *s)
{
	if (s->selected >= 0)
		return (size_t)s->selected;
	/* Once no task is being dumped any more, the root is selected again. */
	return s->d.phase < PH(GATE) && s->d.at.item < s->nr_tasks ? s->d.at.item : 0;
}

/* In the child: execs the program, or reports why it cannot. */
static void session_exec_program(char *const argv[], int report, const struct rlimit *nofile)
{
	int null = open("/dev/null", O_RDONLY);

	setsid();
	setrlimit(RLIMIT_NOFILE, nofile);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	for (int sig = 1; sig < 32; sig++)
		signal(sig, SIG_DFL);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(argv[0], argv);

	int why = errno;

	if (write(report, &why, sizeof(why)) < 0)
		_exit(126);
	_exit(127);
}

struct err *session_launch(struct session *s, char *const argv[], pid_t *pid_ret)
{
	int p[2], why;

	TRY(session_need_no_target(s));
	if (pipe2(p, O_CLOEXEC))
		return err_sys(errno, "start %s", argv[0]);

	AUTO_CLOSE int report = p[0], child_end = p[1];
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(errno, "start %s", argv[0]);
	if (pid == 0)
		session_exec_program(argv, child_end, &s->nofile);
	close_fd(&child_end);

	/* The write end closes at a successful exec. */
	if (read_full(report, &why, sizeof(why)) > 0)
		return err_hint(err_sys(why, "start %s", argv[0]),
				"a program is a path, or a name that is found in PATH; its "
				"arguments follow");
	*pid_ret = pid;
	struct err *e = session_attach(s, pid);

	if (e)
		return err_hint(err_wrap(e, "start %s", argv[0]),
				"if it ended at once, start something that runs for a while");
	s->t[0].started_by_us = true;
	return NULL;
}

void session_finish_times(struct session *s)
{
	struct err *e = dump_images_finish(&s->d);

	if (!e)
		return;
	AUTO_FREE char *text = err_text(e);

	/* The images are complete nevertheless. */
	session_event(s, PH(DONE), "%s", text);
	err_free(e);
}

static struct err *session_do_detach(struct session *s, bool keep_tracking)
{
	session_target_gone(s); /* for the log */
	for (size_t i = 0;
	     i < s->nr_tasks && s->opts.leave_stopped && !s->d.thawed && !s->only_look; i++)
		kill(s->t[i].pid, SIGSTOP);

	/* They run before anything is removed, which may take long. */
	struct err *e = dump_thaw(&s->d);

	session_finish_times(s);
	e = err_first(e, dump_undo(&s->d));
	for (size_t i = 0; i < s->nr_tasks && !keep_tracking; i++)
		tracker_table_drop(&s->trackers, s->t[i].pid);
	e = err_first(e, session_release_all(s));
	free(TAKE_PTR(s->commit_dir));
	done_pages_forget(&s->done);
	dump_deinit(&s->d);
	s->last = (struct unit){ .phase = PH(READY) };
	return session_keep_error(s, err_wrap(e, "detach"));
}

struct err *session_detach(struct session *s)
{
	if (s->watch) {
		watch_drop(s);
		return NULL;
	}
	TRY(session_need_target(s));
	return session_do_detach(s, false);
}

struct err *session_detach_keep_tracking(struct session *s)
{
	TRY(session_need_target(s));
	return session_do_detach(s, true);
}

struct err *session_refreeze(struct session *s)
{
	pid_t pid = s->t[0].pid;
	bool tree = s->tree;

	TRY(session_do_detach(s, true));
	return session_do_attach(s, pid, tree);
}

struct err *session_kill(struct session *s)
{
	TRY(session_need_target(s));
	for (size_t i = 0; i < s->nr_tasks; i++)
		if (kill(s->t[i].pid, SIGKILL) && errno != ESRCH)
			return err_sys(errno, "kill %d", s->t[i].pid);
	s->gone = true;
	s->gone_pid = s->t[0].pid;
	return session_detach(s);
}

struct err *session_rescue(struct session *s, pid_t pid, char **report_ret)
{
	if (session_is_held(s, pid))
		return err_hint(err_new(ERR_STATE, "rescue %d: it is attached right now", pid),
				"`detach` puts it back");
	return err_wrap(keeper_rescue(s->keeper, pid, true, report_ret), "rescue %d", pid);
}

/* ---- state ------------------------------------------------------------------------------- */

bool session_has_target(const struct session *s)
{
	return attached(s) || s->watch || (s->player && play_pid(s->player));
}

bool session_target_gone(struct session *s)
{
	/* Once thawed, a task may come and go as it likes. */
	for (size_t i = 0; i < s->nr_tasks && !s->gone && !s->d.thawed; i++)
		if (keeper_task_gone(s->keeper, s->t[i].pid)) {
			s->gone = true;
			s->gone_pid = s->t[i].pid;
			session_event(s, s->d.phase, "target %d died", s->t[i].pid);
		}
	return attached(s) && s->gone;
}

bool session_has_pipeline(const struct session *s)
{
	const struct dump *d = &s->d;

	if (s->watch || s->player)
		return true;
	if (!attached(s) || d->phase == PH(READY) || d->phase == PH(DONE))
		return false;
	return d->phase != PH(PREPARE) || d->at.unit || d->at.item; /* not right after `restart` */
}

bool session_past_gate(const struct session *s)
{
	return attached(s) && s->d.committed;
}

pid_t session_pid(const struct session *s)
{
	if (s->player)
		return play_pid(s->player);
	if (s->watch)
		return watch_shown_pid(s);
	return attached(s) ? s->t[session_task(s)].pid : 0;
}

struct opts *session_opts(struct session *s)
{
	return &s->opts;
}

struct err *session_set(struct session *s, const struct opt_desc *d, const char *value)
{
	struct parent_set parent;

	if (s->player)
		return play_refuse(s, d->name);
	if (d->before_prepare && session_has_pipeline(s))
		return err_hint(
			err_new(ERR_STATE, "%s cannot change while a dump is under way", d->name),
			"`restart` goes back to before prepare");
	if (d == opt_find("parent") && *value) {
		TRY(parent_set_open(&parent, value));
		parent_set_close(&parent);
	}
	if (d == opt_find("server") && *value)
		TRY(net_check(value));
	return opt_parse(&s->opts, d, value);
}

uint64_t session_units(const struct session *s)
{
	uint64_t n = 0;

	if (s->player)
		return play_now(s->player)->cursor ? play_now(s->player)->cursor->unit : 0;
	for (int p = PH(PREPARE); p <= PH(XFER); p++)
		n += s->d.count.units[p];
	return n;
}

void session_position(const struct session *s, char *buf, size_t len)
{
	const struct dump *d = &s->d;

	if (s->player)
		play_position(s->player, buf, len);
	else if (s->watch)
		watch_position(s, buf, len);
	else if (!attached(s))
		snprintf(buf, len, "no target");
	else if (s->gone)
		snprintf(buf, len, "gone");
	else if (d->phase == PH(DRAIN) || d->phase == PH(XFER))
		snprintf(buf, len, "%s %u/%u", phase_name(d->phase),
			 d->phase == PH(DRAIN) ? d->at.drain : d->at.xfer, d->pp.nr_ppbs);
	else
		snprintf(buf, len, "%s", phase_name(d->phase));
}

void session_state_clause(struct session *s, char *buf, size_t len)
{
	bool infected = false;

	if (s->player) {
		snprintf(buf, len, "this is a recording: nothing happens to a process");
		return;
	}
	if (s->watch) {
		watch_state_clause(s, buf, len);
		return;
	}
	if (!attached(s)) {
		snprintf(buf, len, "no target is attached");
		return;
	}
	for (size_t i = 0; i < s->nr_tasks; i++)
		infected |= s->t[i].infected;
	if (s->d.thawed && !s->d.committed)
		snprintf(buf, len, "target %d runs, as we found it; its images are not published%s",
			 s->t[0].pid,
			 dump_is_tracked(&s->d) ?
				 ", and tracking begins again: without them the next dump is full" :
				 "");
	else if (s->d.thawed)
		snprintf(buf, len, "target %d runs, as we found it", s->t[0].pid);
	else if (session_target_gone(s))
		snprintf(buf, len, "target %d is gone%s", s->gone_pid,
			 s->d.committed ? "; what was committed stays" : "; nothing was published");
	else if (infected)
		snprintf(buf, len,
			 "target %d is frozen, with the parasite in it; detach, abort and quit "
			 "put it back",
			 s->t[0].pid);
	else
		snprintf(buf, len, "target %d is frozen, otherwise as we found it", s->t[0].pid);
}

/* ---- breakpoints --------------------------------------------------------------------------- */

struct err *session_break(struct session *s, const char *where, bool temporary,
			  unsigned *number_ret)
{
	return brk_add(&s->breaks, where, temporary, number_ret);
}

struct err *session_delete_break(struct session *s, unsigned number)
{
	return brk_delete(&s->breaks, number);
}

struct err *session_enable_break(struct session *s, unsigned number, bool on)
{
	return brk_enable(&s->breaks, number, on);
}

struct err *session_ignore_break(struct session *s, unsigned number, unsigned count)
{
	return brk_ignore(&s->breaks, number, count);
}
