/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/session/handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "engine/chain/chain_verify.h"
#include "engine/criu/criu.h"
#include "engine/diagnose/residue.h"
#include "engine/image/parent_link.h"
#include "engine/image/staging.h"
#include "engine/proc/proc.h"
#include "engine/session/diagnose.h"
#include "engine/session/session_priv.h"

#define MAX_PRE_DUMPS 1000
#define LOG_NAME "dump.log"

struct handoff {
	struct session *s;
	const struct handoff_opts *o;
	void (*event)(void *arg, const struct handoff_event *ev);
	void *arg;
	struct handoff_result *r;
	char *base;  /* o->dir without slashes at its end */
	bool parent; /* CRIU can use one */
	pid_t root;  /* the task that criu is told to dump */
	pid_t *pids; /* all that were attached */
	uint64_t *start_ticks;
	size_t nr_pids;
	bool died; /* one of them, with a criu that was killed */
	struct staging *st;
	struct criu_end end;
};

static void handoff_tell(struct handoff *h, enum handoff_what what, const char *text)
{
	h->event(h->arg, &(struct handoff_event){ .what = what, .text = text });
}

void handoff_result_deinit(struct handoff_result *r)
{
	free(r->criu);
	free(r->pre_dump);
	free(r->dir);
	free(r->kept);
	free(r->log);
	free(r->target);
	if (r->verified)
		stepdump__verify_report__free_unpacked(r->verified, NULL);
	if (r->explained)
		stepdump__log_report__free_unpacked(r->explained, NULL);
	*r = (struct handoff_result){ 0 };
}

/* ---- before anything is done -------------------------------------------------------------------- */

/* What says where the images go, or what is dumped: the rest would not find them. */
static struct err *handoff_check_options(const struct handoff_opts *o)
{
	static const char *const ours[] = { "-t",
					    "--tree",
					    "-D",
					    "--images-dir",
					    "-o",
					    "--log-file",
					    "-W",
					    "--work-dir",
					    "--prev-images-dir",
					    "--page-server",
					    "--lazy-pages",
					    "-d",
					    "--daemon",
					    NULL };

	for (unsigned i = 0; i < o->nr; i++)
		for (const char *const *p = ours; *p; p++) {
			size_t len = strlen(*p);
			bool is_long = (*p)[1] == '-', more = o->options[i][len];

			if (!strncmp(o->options[i], *p, len) &&
			    (!more || !is_long || o->options[i][len] == '='))
				return err_hint(err_new(ERR_USAGE,
							"handoff: %s is set by handoff itself", *p),
						"for a dump with other directories or to a page "
						"server run criu yourself: `run criu dump ...`");
		}
	return NULL;
}

static struct err *handoff_check_state(struct handoff *h)
{
	struct session *s = h->s;

	if (s->watch || !attached(s))
		return err_hint(err_new(ERR_STATE, "handoff: no target is attached"),
				"`attach PID`");
	if (session_has_pipeline(s))
		return err_hint(err_new(ERR_STATE, "handoff: a dump is under way"),
				"`commit` finishes it, `restart` drops it");
	return staging_check(h->o->dir);
}

/* "DIR.pre", or the first of "DIR.pre.2", ... that does not exist. */
static struct err *handoff_name_pre_dump(const struct handoff *h, char **ret)
{
	for (unsigned i = 1; i < MAX_PRE_DUMPS; i++) {
		AUTO_FREE char *name =
			i == 1 ? xasprintf("%s.pre", h->base) : xasprintf("%s.pre.%u", h->base, i);

		if (faccessat(AT_FDCWD, name, F_OK, AT_SYMLINK_NOFOLLOW)) {
			*ret = TAKE_PTR(name);
			return NULL;
		}
	}
	return err_hint(err_new(ERR_USAGE, "%s.pre and its successors all exist", h->base),
			"remove those that are not needed, or name another directory");
}

static struct err *handoff_find_criu(struct handoff *h)
{
	TRY(criu_find(h->s->opts.criu, &h->r->criu));
	TRY(criu_check(h->r->criu));
	AUTO_FREE char *version = criu_version(h->r->criu);
	AUTO_FREE char *text = xasprintf("%s, version %s", h->r->criu, version);

	handoff_tell(h, HANDOFF_CRIU, text);
	h->parent = h->s->caps.soft_dirty && criu_tracks(h->r->criu);
	return NULL;
}

/* Is one of the options that go with the cause's advice given already? */
static bool handoff_is_answered(const struct handoff *h, const Stepdump__Cause *c)
{
	for (unsigned i = 0; i < h->o->nr; i++) {
		AUTO_FREE char *option = xstrdup(h->o->options[i]);

		option[strcspn(option, "=")] = '\0';
		if (!strncmp(option, "--", 2) && option[2] && strstr(c->advice, option))
			return true;
	}
	return false;
}

static struct err *handoff_refusal(struct handoff *h, const Stepdump__CheckReport *c)
{
	for (size_t i = 0; i < c->n_tasks; i++)
		for (size_t k = 0; k < c->tasks[i]->n_findings; k++) {
			const Stepdump__CheckFinding *f = c->tasks[i]->findings[k];

			if (strcmp(f->cause->severity, "fail") || handoff_is_answered(h, f->cause))
				continue;
			return err_hint(
				err_pid(err_new(ERR_REFUSED, "criu would fail on %u: %s (%s)",
						c->tasks[i]->pid, f->cause->title, f->evidence),
					(pid_t)c->tasks[i]->pid),
				"%s `check` tells more; --force goes on all the same.",
				f->cause->advice);
		}
	return NULL;
}

static struct err *handoff_preflight(struct handoff *h)
{
	Stepdump__CheckReport *c = NULL;

	TRY(session_check_target(h->s, &c));
	h->event(h->arg, &(struct handoff_event){ .what = HANDOFF_CHECKED, .check = c });
	struct err *e = h->o->force ? NULL : handoff_refusal(h, c);

	stepdump__check_report__free_unpacked(c, NULL);
	return e;
}

/* ---- our part ----------------------------------------------------------------------------------- */

static struct err *handoff_interrupted(struct handoff *h, const char *when)
{
	return h->s->interrupted ? err_new(ERR_INTERRUPTED, "handoff: interrupted %s", when) : NULL;
}

/* Runs with options of its own and without breakpoints; both are as they were afterwards. */
static struct err *handoff_run(struct handoff *h, const struct opts *with,
			       const struct run_request *req)
{
	struct session *s = h->s;
	struct opts opts = s->opts;
	struct brk_list breaks = s->breaks;
	Stepdump__Stop *stop = NULL;

	if (session_past_gate(s))
		TRY(session_restart(s));
	s->opts = *with;
	s->breaks = (struct brk_list){ 0 };
	struct err *e = session_run(s, req, &stop);

	if (e)
		e = err_first(e, session_abort(s)); /* also of options that are not the user's */
	brk_list_deinit(&s->breaks);
	s->breaks = breaks;
	s->opts = opts;
	if (stop)
		stepdump__stop__free_unpacked(stop, NULL);
	return e;
}

static struct err *handoff_pre_dump(struct handoff *h)
{
	AUTO_FREE char *dir = NULL;
	struct opts with = h->s->opts;

	TRY(handoff_name_pre_dump(h, &dir));
	with.mode = MODE_PRE_DUMP;
	with.track = OPT_TRACK_SOFT_DIRTY;
	with.xfer = XFER_LOCAL;
	TRY(handoff_run(h, &with, &(struct run_request){ .kind = RUN_COMMIT, .where = dir }));
	h->r->pre_dump = TAKE_PTR(dir);
	h->event(h->arg, &(struct handoff_event){ .what = HANDOFF_PRE_DUMP,
						  .text = h->r->pre_dump,
						  .pages = h->s->d.xfer.pages });
	return NULL;
}

/* The whole pipeline into nothing: if it works for us, the parasite can be put there, and all pages read. */
static struct err *handoff_rehearse(struct handoff *h)
{
	struct opts with = h->s->opts;

	handoff_tell(
		h, HANDOFF_NO_PARENT,
		h->s->caps.soft_dirty ?
			"this criu does not track memory (`criu check --feature "
			"mem_dirty_track`)" :
			"this kernel has no soft-dirty tracking, the only one that CRIU knows");
	with.mode = MODE_DUMP;
	with.track = OPT_TRACK_NONE;
	with.xfer = XFER_NULL;
	with.parent = NULL;
	TRY(handoff_run(h, &with, &(struct run_request){ .kind = RUN_CONTINUE }));
	h->event(h->arg,
		 &(struct handoff_event){ .what = HANDOFF_REHEARSED, .pages = h->s->d.xfer.pages });
	return session_abort(h->s);
}

/* Criu is going to trace it; soft-dirty tracking goes on by itself. */
static struct err *handoff_let_go(struct handoff *h)
{
	struct session *s = h->s;

	h->nr_pids = s->nr_tasks;
	h->root = s->t[0].pid;
	h->pids = xcalloc(h->nr_pids, sizeof(*h->pids));
	h->start_ticks = xcalloc(h->nr_pids, sizeof(*h->start_ticks));
	for (size_t i = 0; i < h->nr_pids; i++) {
		h->pids[i] = s->t[i].pid;
		h->start_ticks[i] = s->t[i].task.start_time_ticks;
	}
	return h->parent ? session_detach_keep_tracking(s) : session_detach(s);
}

/* ---- criu's part -------------------------------------------------------------------------------- */

static void handoff_word(char ***argv, size_t *nr, const char *word)
{
	*vec_push(*argv, *nr) = word ? xstrdup(word) : NULL;
}

static struct err *handoff_argv(struct handoff *h, char ***argv, size_t *nr)
{
	AUTO_FREE char *pid = xasprintf("%d", h->root);
	const char *const begin[] = { h->r->criu,          "dump", "-t",     pid,  "-D",
				      staging_path(h->st), "-o",   LOG_NAME, "-v4" };

	for (size_t i = 0; i < sizeof(begin) / sizeof(begin[0]); i++)
		handoff_word(argv, nr, begin[i]);
	if (!h->o->kill)
		handoff_word(argv, nr, "--leave-running");
	if (h->r->pre_dump) {
		AUTO_FREE char *real = realpath(h->r->pre_dump, NULL);

		if (!real)
			return err_sys(errno, "find %s", h->r->pre_dump);
		AUTO_FREE char *link = parent_link(real, staging_path(h->st), h->o->dir);

		handoff_word(argv, nr, "--track-mem");
		handoff_word(argv, nr, "--prev-images-dir");
		handoff_word(argv, nr, link);
	}
	for (unsigned i = 0; i < h->o->nr; i++)
		handoff_word(argv, nr, h->o->options[i]);
	return NULL;
}

static void handoff_tell_argv(struct handoff *h, char *const *argv, size_t nr)
{
	AUTO_FREE char *text = xstrdup("");

	for (size_t i = 0; i < nr; i++) {
		char *longer = xasprintf("%s%s%s", text, i ? " " : "", argv[i]);

		free(text);
		text = longer;
	}
	handoff_tell(h, HANDOFF_RUNS, text);
}

static void handoff_line(void *arg, const char *line)
{
	handoff_tell(arg, HANDOFF_LINE, line);
}

static struct err *handoff_criu(struct handoff *h)
{
	AUTO_FREE char **argv = NULL;
	AUTO_FREE char *log = xasprintf("%s/" LOG_NAME, staging_path(h->st));
	size_t nr = 0;
	struct err *e = handoff_argv(h, &argv, &nr);

	handoff_tell_argv(h, argv, nr);
	handoff_word(&argv, &nr, NULL);

	const struct criu_job job = { .argv = argv,
				      .log = log,
				      .nofile = &h->s->nofile,
				      .stop = &h->s->interrupted,
				      .line = handoff_line,
				      .arg = h };

	if (!e)
		e = handoff_interrupted(h, "before criu began");
	if (!e)
		e = criu_run(&job, &h->end);
	for (size_t i = 0; i < nr; i++)
		free(argv[i]);
	return e;
}

/* ---- afterwards --------------------------------------------------------------------------------- */

static bool handoff_lives(const struct handoff *h, size_t i, struct proc_stat *st)
{
	struct err *e = proc_read_stat(h->pids[i], st);
	bool lives = !e && st->state != 'Z' && st->state != 'X' &&
		     st->start_time_ticks == h->start_ticks[i];

	err_free(e);
	return lives;
}

/* A criu that was killed leaves its parasite, which goes away from the thread by itself and stays mapped. */
static void handoff_clean(struct handoff *h, size_t i)
{
	Stepdump__ResidueReport *r;
	AUTO_FREE char *report = NULL;
	AUTO_FREE char *text = NULL;
	struct err *e = residue_look(h->pids[i], &r);

	if (e) {
		err_free(e);
		return;
	}
	bool clean = r->clean;

	stepdump__residue_report__free_unpacked(r, NULL);
	if (clean)
		return;
	e = keeper_rescue(h->s->keeper, h->pids[i], true, &report);
	if (e)
		text = xasprintf("%d: what criu left could not be removed: %s", h->pids[i], e->msg);
	else
		text = xasprintf("%d: %s", h->pids[i], report ?: "nothing was left");
	err_free(e);
	handoff_tell(h, HANDOFF_UNDONE, text);
}

static void handoff_look_at_target(struct handoff *h)
{
	struct proc_stat st;

	for (size_t i = 0; i < h->nr_pids && WIFSIGNALED(h->end.status); i++) {
		if (handoff_lives(h, i, &st))
			handoff_clean(h, i);
		h->died |= !handoff_lives(h, i, &st);
	}
	h->r->target = !handoff_lives(h, 0, &st) ? xasprintf("%d has ended", h->root) :
		       st.state == 'T'           ? xasprintf("%d is stopped", h->root) :
						   xasprintf("%d runs", h->root);
}

/* The log outlives the directory that it is in. */
static void handoff_save_log(struct handoff *h)
{
	AUTO_FREE char *to = xasprintf("%s.log", h->base);

	if (renameat(staging_dirfd(h->st), LOG_NAME, AT_FDCWD, to))
		return;
	h->r->log = TAKE_PTR(to);
	err_free(session_log(h->s, h->r->log, NULL, &h->r->explained));
}

/* The log of a criu that was killed ends anywhere, and says nothing of why. */
static struct err *handoff_killed(struct handoff *h)
{
	Stepdump__LogReport *l = TAKE_PTR(h->r->explained);
	struct err *e =
		err_new(ERR_CHECK, "criu was killed by signal %d%s%s; nothing is at %s",
			WTERMSIG(h->end.status), l ? " in " : "", l ? l->deepest : "", h->o->dir);

	if (l)
		stepdump__log_report__free_unpacked(l, NULL);
	return h->died ? err_hint(e, "the process died of it: criu was just making it execute a "
				     "system call, which nobody else can undo") :
			 err_hint(e, "nothing of criu is left in the process: `attach` and handoff "
				     "can be tried again");
}

static struct err *handoff_failed(struct handoff *h)
{
	const Stepdump__LogReport *l = h->r->explained;
	int status = WEXITSTATUS(h->end.status);

	if (WIFSIGNALED(h->end.status))
		return handoff_killed(h);
	if (h->end.given_up)
		return err_hint(
			err_new(ERR_INTERRUPTED,
				"criu was interrupted, and undid its dump; nothing is at %s",
				h->o->dir),
			"%s%s", h->r->pre_dump ?: "the target was not changed",
			h->r->pre_dump ? " is complete, and can be a parent" : "");
	if (l && l->n_causes)
		return err_hint(err_new(ERR_CHECK,
					"criu failed with status %d in %s: %s; nothing is at %s",
					status, l->deepest, l->causes[0]->cause->title, h->o->dir),
				"%s", l->causes[0]->cause->advice);
	struct err *e = err_new(ERR_CHECK, "criu failed with status %d; nothing is at %s", status,
				h->o->dir);

	return h->r->log ? err_hint(e, "its log says more: `log %s`", h->r->log) :
			   err_hint(e, "it wrote no log, but said: %s", h->end.said);
}

/* What criu has written is the only copy of the target if that has ended: it is not thrown away. */
static struct err *handoff_publish(struct handoff *h)
{
	struct err *e = chain_verify(staging_path(h->st), NULL, &h->r->verified);

	if (!e && h->r->verified->nr_fatal)
		e = err_hint(
			err_new(ERR_CHECK,
				"criu succeeded, but what it wrote is not a good "
				"image set: %lu fatal findings",
				h->r->verified->nr_fatal),
			"`verify` lists them; try `criu restore` elsewhere before you trust it");
	if (!e)
		e = staging_publish(h->st, h->o->dir);
	if (e) {
		h->r->kept = staging_keep(TAKE_PTR(h->st));
		return err_wrap(e, "it is kept at %s, not at %s", h->r->kept, h->o->dir);
	}
	h->r->dir = xstrdup(h->o->dir);
	h->r->log = xasprintf("%s/" LOG_NAME, h->o->dir);
	return staging_discard(TAKE_PTR(h->st));
}

static struct err *handoff_checkpoint(struct handoff *h)
{
	/* No guard: when we are killed criu goes on, and its images must not vanish below it. */
	TRY(staging_create(h->o->dir, (struct staging_guard){ 0 }, &h->st));
	struct err *e = handoff_criu(h);

	if (!e && !h->end.status)
		e = handoff_publish(h);
	else
		handoff_save_log(h);
	handoff_look_at_target(h);
	if (!e && h->end.status)
		e = handoff_failed(h);
	free(h->end.said);
	return err_first(e, staging_discard(h->st));
}

static struct err *handoff_all(struct handoff *h)
{
	TRY(handoff_check_options(h->o));
	TRY(handoff_check_state(h));
	TRY(handoff_find_criu(h));
	TRY(handoff_preflight(h));
	TRY(h->parent ? handoff_pre_dump(h) : handoff_rehearse(h));
	TRY(handoff_interrupted(h, "before the target was let go"));
	TRY(handoff_let_go(h));
	return handoff_checkpoint(h);
}

struct err *session_handoff(struct session *s, const struct handoff_opts *o,
			    void (*event)(void *arg, const struct handoff_event *ev), void *arg,
			    struct handoff_result *ret)
{
	struct handoff h = { .s = s, .o = o, .event = event, .arg = arg, .r = ret };

	*ret = (struct handoff_result){ 0 };
	h.base = xstrdup(o->dir);
	for (size_t len = strlen(h.base); len > 1 && h.base[len - 1] == '/'; len--)
		h.base[len - 1] = '\0';
	s->interrupted = 0;
	struct err *e = handoff_all(&h);

	free(h.base);
	free(h.pids);
	free(h.start_ticks);
	return session_keep_error(s, e);
}
