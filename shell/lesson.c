/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/lesson.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "shell/demo_target.h"
#include "shell/lesson_check.h"
#include "shell/lesson_state.h"
#include "shell/out.h"
#include "shell/shell.h"
#include "shell/signals.h"

#define ARROW " => "
#define TEXT_WIDTH 78
#define LABEL_WIDTH 10
#define SETTLE_NS 30000000l /* some rounds of the demo target between two commands */

static const char *walk_verb(const struct lesson_walk *w)
{
	return w->lesson.number ? "exercise" : "tour";
}

/* ---- what is on the screen ---------------------------------------------------------------------------- */

/* Filled to the width, `label` before the first line; lines that begin with a blank stay as they are. */
static void walk_prose(struct out *o, const char *label, const char *text)
{
	size_t width = o->width < TEXT_WIDTH ? o->width : TEXT_WIDTH, in = *label ? LABEL_WIDTH : 0;

	for (bool first = true; *text; first = false) {
		size_t len = strcspn(text, "\n"), fits = width > in + 20 ? width - in : 20;

		if (len > fits && *text != ' ') {
			while (fits && text[fits] != ' ')
				fits--;
			len = fits ? fits : strcspn(text, " \n");
		}
		if (in && len)
			out_printf(o, " %-*s", (int)in - 1, first ? label : "");
		out_printf(o, "%.*s\n", (int)len, text);
		text += len;
		text += *text == ' ' || *text == '\n';
	}
}

static void walk_filled(struct shell *sh, struct out *o, const char *label, const char *text)
{
	AUTO_FREE char *filled = text ? lesson_fill(sh, text) : NULL;

	if (filled)
		walk_prose(o, label, filled);
}

static void walk_commands(struct out *o, const char *label, const struct lesson_lines *l)
{
	for (size_t i = 0; i < l->nr; i++)
		out_printf(o, " %-*s%s\n", LABEL_WIDTH - 1, i ? "" : label, l->v[i]);
}

static json_object *walk_json_lines(const struct lesson_lines *l)
{
	json_object *a = json_object_new_array();

	for (size_t i = 0; i < l->nr; i++)
		json_object_array_add(a, json_object_new_string(l->v[i]));
	return a;
}

static void walk_json(struct shell *sh, const struct lesson_walk *w, struct out *o)
{
	const struct lesson_step *s = &w->lesson.step[w->at];
	AUTO_FREE char *text = lesson_fill(sh, s->text ? s->text : "");
	AUTO_FREE char *notice = lesson_fill(sh, s->notice ? s->notice : "");
	AUTO_FREE char *ask = lesson_fill(sh, s->ask ? s->ask : "");

	out_member(o, "lesson", json_object_new_string(w->lesson.name));
	out_member(o, "step", json_object_new_int((int)w->at + 1));
	out_member(o, "steps", json_object_new_int((int)w->lesson.nr));
	out_member(o, "title", json_object_new_string(s->title));
	out_member(o, "text", json_object_new_string(text));
	out_member(o, "type", walk_json_lines(&s->type));
	out_member(o, "try", walk_json_lines(&s->try_));
	out_member(o, "notice", json_object_new_string(notice));
	out_member(o, "ask", json_object_new_string(ask));
	out_member(o, "solution", walk_json_lines(&s->solution));
	out_member(o, "answered", json_object_new_boolean(w->answered[w->at]));
}

void lesson_show(struct shell *sh, struct out *o)
{
	const struct lesson_walk *w = sh->walk;
	const struct lesson *l = &w->lesson;
	const struct lesson_step *s = &l->step[w->at];
	const char *bold = o->theme ? "\033[1m" : "", *plain = o->theme ? "\033[0m" : "";

	if (o->json) {
		walk_json(sh, w, o);
		return;
	}
	/* Written past out_printf(), which takes escape sequences out. */
	fputs(bold, o->f);
	if (l->number)
		out_printf(o, "exercise %u  %s", l->number, l->title);
	else
		out_printf(o, "tour %s", l->name);
	if (l->nr > 1)
		out_printf(o, "  %zu of %zu", w->at + 1, l->nr);
	if (!l->number || l->nr > 1)
		out_printf(o, "  %s", s->title);
	fputs(plain, o->f);
	out_printf(o, "\n\n");
	walk_filled(sh, o, "", s->text);
	if (s->type.nr || s->try_.nr)
		out_printf(o, "\n");
	walk_commands(o, "type", &s->type);
	walk_commands(o, s->type.nr ? "and" : "try", &s->try_);
	if (s->notice)
		walk_filled(sh, o, "notice", s->notice);
	if (s->ask) {
		out_printf(o, "\n");
		walk_filled(sh, o, "question", s->ask);
	}
	out_printf(o, "\n");
	if (s->ask && !w->answered[w->at])
		out_printf(o, "`answer ...` when you know it, `hint` if you do not, ");
	else if (s->ask)
		out_printf(o, "Answered. ");
	out_printf(o,
		   l->number && l->nr == 1 ? "`exercise` lists the others.\n" :
					     "`%s next` goes on.\n",
		   walk_verb(w));
}

/* ---- the target ------------------------------------------------------------------------------------------ */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	remove(path);
	return 0;
}

static void walk_dir_leave(struct lesson_walk *w)
{
	if (w->before && chdir(w->before))
		(void)!chdir("/");
	free(TAKE_PTR(w->before));
	if (w->dir)
		nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(TAKE_PTR(w->dir));
}

static struct err *walk_dir_make(struct lesson_walk *w)
{
	const char *tmp = getenv("TMPDIR");

	w->dir = xasprintf("%s/stepdump-lesson.XXXXXX", tmp && *tmp == '/' ? tmp : "/tmp");
	w->before = getcwd(NULL, 0);
	if (!mkdtemp(w->dir)) {
		free(TAKE_PTR(w->dir));
		return err_sys(errno, "cannot make a directory for the lesson");
	}
	return chdir(w->dir) ? err_sys(errno, "cannot change to %s", w->dir) : NULL;
}

/* The lesson's own session ends, and its target. */
static struct err *walk_target_end(struct shell *sh)
{
	struct lesson_walk *w = sh->walk;
	struct err *e = NULL;

	if (!w->outer)
		return NULL;
	if (sh->opened)
		err_free(shell_exec(sh, "close"));
	shell_close_replay(sh);
	signals_command(NULL);
	e = session_destroy(sh->session);
	sh->session = NULL;
	demo_end(w->demo);
	w->demo = 0;
	walk_dir_leave(w);
	return e;
}

static struct err *walk_target_start(struct shell *sh)
{
	struct lesson_walk *w = sh->walk;
	char *args[] = { "--lesson", NULL };

	TRY(session_create(&sh->session));
	signals_command(sh->session);
	TRY(walk_dir_make(w));
	TRY(demo_start(args, w->dir, &w->demo));
	TRY(session_attach(sh->session, w->demo));
	sh->gone_told = false;
	sh->x.valid = false;
	return NULL;
}

/* Without a word: the same line will be typed, or has been. */
static struct err *walk_run(struct shell *sh, const struct lesson_lines *l)
{
	struct timespec settle = { .tv_nsec = SETTLE_NS };
	FILE *before = sh->dest, *log = sh->habits.log;
	bool acting = sh->habits.acting;

	sh->dest = fopen("/dev/null", "we");
	if (!sh->dest)
		return err_sys(errno, "cannot open /dev/null");
	sh->habits.log = NULL;
	sh->habits.acting = true;
	sh->depth++;
	/* Some of them are meant to fail. */
	for (size_t i = 0; i < l->nr && !sh->quit && !signals_quit(); i++) {
		if (!strncmp(l->v[i], "answer ", 7)) /* of a solution */
			continue;
		err_free(shell_exec(sh, l->v[i]));
		nanosleep(&settle, NULL);
	}
	sh->depth--;
	sh->habits.acting = acting;
	sh->habits.log = log;
	fclose(sh->dest);
	sh->dest = before;
	return NULL;
}

static struct err *walk_prepare(struct shell *sh)
{
	struct lesson_walk *w = sh->walk;
	char *to_start = "goto 0";

	if (w->replay) {
		TRY(walk_run(sh, &(struct lesson_lines){ &to_start, 1 }));
	} else {
		if (sh->session)
			TRY(walk_target_end(sh));
		TRY(walk_target_start(sh));
	}
	TRY(walk_run(sh, &w->lesson.setup));
	for (size_t i = 0; i <= w->at; i++) {
		const struct lesson_step *s = &w->lesson.step[i];

		if (w->replay && s->live)
			continue;
		TRY(walk_run(sh, &s->begin));
		if (i < w->at)
			TRY(walk_run(sh, w->lesson.number ? &s->solution : &s->type));
	}
	if (w->begun < w->at)
		w->begun = w->at;
	return NULL;
}

struct err *lesson_catch_up(struct shell *sh, struct out *o)
{
	TRY(walk_prepare(sh));
	out_printf(o, "A new process, and all that the steps before this one type.\n\n");
	lesson_show(sh, o);
	return NULL;
}

/* ---- begin and end ----------------------------------------------------------------------------------------- */

static void walk_remember(const struct lesson_walk *w, bool done)
{
	struct lesson_progress p;

	lesson_progress_load(w->lesson.name, &p);
	p.step = w->at;
	p.done |= done;
	memcpy(p.answered, w->answered, sizeof(w->answered));
	lesson_progress_save(w->lesson.name, &p, w->lesson.nr);
}

struct err *lesson_end(struct shell *sh)
{
	struct lesson_walk *w = sh->walk;
	struct err *e = NULL;

	if (!w)
		return NULL;
	if (w->outer) {
		e = walk_target_end(sh);
		sh->session = w->outer;
		signals_command(sh->session);
	}
	sh->walk = NULL;
	sh->walk_end = NULL;
	lesson_deinit(&w->lesson);
	free(w);
	return e;
}

static struct err *walk_may_begin(struct shell *sh)
{
	if (sh->opened)
		return err_hint(err_new(ERR_STATE, "a snapshot or an image set is open"),
				"`close` it first");
	if (!session_is_replay(sh->session) && session_has_target(sh->session))
		return err_hint(err_new(ERR_STATE,
					"process %d is attached, and a lesson has a "
					"process of its own",
					(int)session_pid(sh->session)),
				"`detach` first");
	return NULL;
}

struct err *lesson_begin(struct shell *sh, struct lesson *lesson, bool anew, struct out *o)
{
	struct lesson_progress p;

	TRY(lesson_end(sh));
	TRY(walk_may_begin(sh));

	struct lesson_walk *w = xzalloc(sizeof(*w));

	w->lesson = *lesson;
	*lesson = (struct lesson){ 0 };
	w->replay = session_is_replay(sh->session);
	lesson_progress_load(w->lesson.name, &p);
	if (!anew && !w->lesson.number) {
		w->at = p.step < w->lesson.nr ? p.step : 0;
		memcpy(w->answered, p.answered, sizeof(w->answered));
	}
	while (w->replay && w->at + 1 < w->lesson.nr && w->lesson.step[w->at].live)
		w->at++;
	sh->walk = w;
	sh->walk_end = lesson_end;
	if (!w->replay) {
		w->outer = sh->session;
		sh->session = NULL;
	}

	struct err *e = walk_prepare(sh);

	if (e) {
		err_free(lesson_end(sh));
		return e;
	}
	walk_remember(w, false);
	if (w->at)
		out_printf(o, "Where you left off; `%s restart` begins anew.\n\n", walk_verb(w));
	lesson_show(sh, o);
	return NULL;
}

static struct err *walk_finish(struct shell *sh, struct out *o)
{
	struct lesson_walk *w = sh->walk;
	size_t right = 0, asked = 0;

	for (size_t i = 0; i < w->lesson.nr; i++) {
		asked += w->lesson.step[i].ask != NULL;
		right += w->answered[i];
	}
	w->at = 0;
	walk_remember(w, right == asked);
	out_printf(o,
		   "That was the last step: %zu of %zu questions answered.  `tour list` and "
		   "`exercise` show what else there is.\n",
		   right, asked);
	out_member(o, "ended", json_object_new_boolean(true));
	return lesson_end(sh);
}

struct err *lesson_go(struct shell *sh, size_t to, struct out *o)
{
	struct lesson_walk *w = sh->walk;
	bool forward = to >= w->at;

	while (w->replay && to < w->lesson.nr && w->lesson.step[to].live && (forward || to))
		to += forward ? 1 : -1;
	if (to >= w->lesson.nr)
		return walk_finish(sh, o);
	w->at = to;
	w->hints = 0;
	if (to > w->begun) {
		TRY(walk_run(sh, &w->lesson.step[to].begin));
		w->begun = to;
	}
	walk_remember(w, false);
	lesson_show(sh, o);
	return NULL;
}

/* ---- questions ------------------------------------------------------------------------------------------------ */

/* What the lesson says to this very answer; NULL: nothing. */
static const char *walk_slip(const struct lesson_step *s, const char *given)
{
	for (size_t i = 0; i < s->slip.nr; i++) {
		const char *arrow = strstr(s->slip.v[i], ARROW);
		AUTO_FREE char *what =
			arrow ? xstrndup(s->slip.v[i], (size_t)(arrow - s->slip.v[i])) : NULL;

		if (what && lesson_same(what, given, false))
			return arrow + strlen(ARROW);
	}
	return NULL;
}

static struct err *walk_wrong(struct shell *sh, const char *given, struct out *o)
{
	const struct lesson_step *s = &sh->walk->lesson.step[sh->walk->at];
	const char *slip = walk_slip(s, given);
	AUTO_FREE char *why = lesson_fill(sh, slip ? slip : "");

	out_member(o, "right", json_object_new_boolean(false));
	if (!sh->interactive)
		return err_hint(err_new(ERR_STATE, "\"%s\" is not the answer", given), "%s",
				*why ? why : "`hint` helps");
	out_printf(o, "Not \"%s\".\n", given);
	if (*why)
		walk_prose(o, "", why);
	out_printf(o, sh->walk->hints < s->hint.nr ? "`hint` helps.\n" : "Look again.\n");
	return NULL;
}

static void walk_right(struct shell *sh, struct out *o)
{
	struct lesson_walk *w = sh->walk;
	const struct lesson_step *s = &w->lesson.step[w->at];
	bool all = true;

	w->answered[w->at] = true;
	for (size_t i = 0; i < w->lesson.nr; i++)
		all &= w->answered[i] || !w->lesson.step[i].ask;
	walk_remember(w, all);
	out_member(o, "right", json_object_new_boolean(true));
	out_printf(o, "Right.\n");
	if (s->right)
		walk_filled(sh, o, "", s->right);
	if (w->lesson.number && all)
		out_printf(o, "\nExercise %u is solved; `exercise %u` is the next.\n",
			   w->lesson.number, w->lesson.number + 1);
	else
		out_printf(o, "\n`%s next` goes on.\n", walk_verb(w));
}

struct err *lesson_answer(struct shell *sh, const char *given, struct out *o)
{
	const struct lesson_step *s = &sh->walk->lesson.step[sh->walk->at];
	bool holds = true, right;

	if (!s->ask)
		return err_hint(err_new(ERR_STATE, "nothing is asked here"), "`%s next` goes on",
				walk_verb(sh->walk));
	if (s->needs)
		TRY(lesson_holds(sh, s->needs, &holds));
	if (!holds)
		return err_hint(
			err_new(ERR_STATE, "the dump is not where the question is about"),
			"`%s again` shows what to type; `%s ready` begins with a new process",
			walk_verb(sh->walk), walk_verb(sh->walk));
	TRY(lesson_judge(sh, s->answer, given, &right));
	if (!right)
		return walk_wrong(sh, given, o);
	walk_right(sh, o);
	return NULL;
}

void lesson_hint(struct shell *sh, struct out *o)
{
	struct lesson_walk *w = sh->walk;
	const struct lesson_step *s = &w->lesson.step[w->at];

	if (!s->hint.nr) {
		out_printf(o, "There is no hint here.\n");
		return;
	}
	if (w->hints < s->hint.nr)
		w->hints++;

	AUTO_FREE char *text = lesson_fill(sh, s->hint.v[w->hints - 1]);

	walk_prose(o, "hint", text);
	out_member(o, "hint", json_object_new_string(text));
	if (w->hints < s->hint.nr)
		out_printf(o, "`hint` again tells more.\n");
}

void lesson_solution(struct shell *sh, struct out *o)
{
	const struct lesson_step *s = &sh->walk->lesson.step[sh->walk->at];

	walk_commands(o, "type", &s->solution);
	out_member(o, "solution", walk_json_lines(&s->solution));
}
