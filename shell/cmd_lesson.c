/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tour, exercise, answer, hint, demo */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell/cmd.h"
#include "shell/cmds.h"
#include "shell/demo_target.h"
#include "shell/lesson.h"
#include "shell/lesson_state.h"

#define DEFAULT_TOUR "first"

static const char *const verbs[] = { "next",    "back", "again",    "ready",
				     "restart", "quit", "solution", "list" };
enum verb { NEXT, BACK, AGAIN, READY, RESTART, QUIT, SOLUTION, LIST, NO_VERB };

/* A verb by its name or the beginning of it. */
static enum verb verb_find(const char *text)
{
	for (size_t i = 0; *text && i < NO_VERB; i++)
		if (!strncmp(verbs[i], text, strlen(text)))
			return (enum verb)i;
	return NO_VERB;
}

static void list_print(const struct lesson_list *l, bool exercises, struct out *o)
{
	json_object *all = json_object_new_array();

	for (size_t i = 0; i < l->nr; i++) {
		const struct lesson *one = &l->v[i];
		json_object *item = json_object_new_object();
		struct lesson_progress p;
		char far[24] = "";

		if (!one->number != !exercises)
			continue;
		lesson_progress_load(one->name, &p);
		if (!exercises && p.step)
			snprintf(far, sizeof(far), ", at step %zu", p.step + 1);
		if (exercises)
			out_printf(o, " %2u  %-10s %s\n", one->number, p.done ? "solved" : "-",
				   one->title);
		else
			out_printf(o, " %-10s %s (%zu steps%s%s)\n", one->name, one->title, one->nr,
				   far, p.done ? ", done" : "");
		json_object_object_add(item, "name", json_object_new_string(one->name));
		json_object_object_add(item, "number", json_object_new_int((int)one->number));
		json_object_object_add(item, "title", json_object_new_string(one->title));
		json_object_object_add(item, "minutes", json_object_new_int((int)one->minutes));
		json_object_object_add(item, "steps", json_object_new_int((int)one->nr));
		json_object_object_add(item, "done", json_object_new_boolean(p.done));
		json_object_array_add(all, item);
	}
	out_member(o, exercises ? "exercises" : "tours", all);
	out_printf(o, exercises ? "`exercise N` begins one.\n" : "`tour NAME` begins one.\n");
}

/* Of the kind that is asked for: by number, or by the beginning of its name. */
static struct lesson *list_find(struct lesson_list *l, const char *name, bool exercises)
{
	for (size_t i = 0; i < l->nr; i++) {
		struct lesson *one = &l->v[i];

		if (!one->number == !exercises &&
		    (one->number ? (isdigit((unsigned char)*name) &&
				    strtoul(name, NULL, 10) == one->number) :
				   !strncmp(one->name, name, strlen(name))))
			return one;
	}
	return NULL;
}

static struct err *lesson_start(struct shell *sh, const char *name, bool exercises, bool anew,
				struct out *o)
{
	struct lesson_list l;

	TRY(lesson_list_read(sh->settings.lessons, &l));

	struct lesson *one = list_find(&l, name, exercises);
	struct err *e =
		one ? lesson_begin(sh, one, anew, o) :
		      err_hint(err_new(ERR_USAGE, "there is no %s %s",
				       exercises ? "exercise" : "tour", name),
			       exercises ? "`exercise` lists them" : "`tour list` lists them");

	lesson_list_deinit(&l);
	return e;
}

static struct err *lesson_list_show(struct shell *sh, bool exercises, struct out *o)
{
	struct lesson_list l;

	TRY(lesson_list_read(sh->settings.lessons, &l));
	list_print(&l, exercises, o);
	lesson_list_deinit(&l);
	return NULL;
}

static struct err *need_walk(struct shell *sh)
{
	return sh->walk ? NULL :
			  err_hint(err_new(ERR_STATE, "no lesson is under way"),
				   "`tour` or `exercise N` begins one");
}

static struct err *lesson_restart(struct shell *sh, struct out *o)
{
	struct lesson again;

	TRY(lesson_read(sh->walk->lesson.path, &again));
	return lesson_begin(sh, &again, true, o);
}

static struct err *lesson_leave(struct shell *sh, struct out *o)
{
	out_printf(o, "`%s` goes on where you are.\n",
		   sh->walk->lesson.number ? "exercise N" : "tour NAME");
	return lesson_end(sh);
}

static struct err *verb_do(struct shell *sh, enum verb v, bool exercises, struct out *o)
{
	if (v == LIST)
		return lesson_list_show(sh, exercises, o);
	TRY(need_walk(sh));
	switch (v) {
	case NEXT:
		return lesson_go(sh, sh->walk->at + 1, o);
	case BACK:
		return lesson_go(sh, sh->walk->at ? sh->walk->at - 1 : 0, o);
	case READY:
		return lesson_catch_up(sh, o);
	case RESTART:
		return lesson_restart(sh, o);
	case QUIT:
		return lesson_leave(sh, o);
	case SOLUTION:
		lesson_solution(sh, o);
		return NULL;
	default:
		lesson_show(sh, o);
		return NULL;
	}
}

static struct err *tour_exec(struct shell *sh, const struct args *a, struct out *o)
{
	enum verb v;

	if (!a->argc && sh->walk)
		return verb_do(sh, AGAIN, false, o);
	if (!a->argc)
		return lesson_start(sh, DEFAULT_TOUR, false, false, o);
	v = verb_find(a->argv[0]);
	if (v != NO_VERB)
		return verb_do(sh, v, false, o);
	return lesson_start(sh, a->argv[0], false, false, o);
}

static void comp_lesson(struct shell *sh, const struct cword *w, struct complist *l, bool exercises)
{
	struct lesson_list all;
	struct err *e = w->argn ? NULL : lesson_list_read(sh->settings.lessons, &all);

	if (w->argn || e) {
		err_free(e);
		return;
	}
	for (size_t i = 0; i < NO_VERB; i++)
		complist_add(l, w, verbs[i], NULL);
	for (size_t i = 0; i < all.nr; i++) {
		char number[16];

		snprintf(number, sizeof(number), "%u", all.v[i].number);
		if (!all.v[i].number == !exercises)
			complist_add(l, w, exercises ? number : all.v[i].name, all.v[i].title);
	}
	lesson_list_deinit(&all);
}

static void comp_tour(struct shell *sh, const struct cword *w, struct complist *l)
{
	comp_lesson(sh, w, l, false);
}

static void comp_exercise(struct shell *sh, const struct cword *w, struct complist *l)
{
	comp_lesson(sh, w, l, true);
}

const struct cmd_entry cmd_tour = {
	.name = "tour",
	.group = GROUP_LEARN,
	.args = { 0, 1, comp_tour },
	.usage = "[NAME|next|back|again|ready|restart|quit|list]",
	.summary = "a guided walk through a dump, with questions",
	.help = "One screen per step says what to type and what to notice, and asks something; `answer` is "
		"judged by what the program itself knows at that moment.  Without NAME, the first tour, "
		"or the step that is under way.  A tour has a process of its own, the same on every "
		"machine; with a recording open (-S FILE) it walks through that.  You go on where you "
		"left off: `ready` makes a new process and types again what came before, `restart` "
		"begins anew.  `set lessons DIR` takes the lessons of a teacher.",
	.examples = (const struct cmd_example[]){ { "tour", "begin, or go on", "" },
						  { "tour next", "the next step", "tour" },
						  { "tour list", "", "" },
						  { 0 } },
	.flags = CMD_NO_REPEAT | CMD_WRITES,
	.exec = tour_exec,
};

static struct err *exercise_exec(struct shell *sh, const struct args *a, struct out *o)
{
	enum verb v = a->argc ? verb_find(a->argv[0]) : LIST;

	if (v != NO_VERB)
		return verb_do(sh, v, true, o);
	return lesson_start(sh, a->argv[0], true, true, o);
}

const struct cmd_entry cmd_exercise = {
	.name = "exercise",
	.group = GROUP_LEARN,
	.args = { 0, 1, comp_exercise },
	.usage = "[N|again|ready|solution|quit]",
	.summary = "solve a task; the answer is checked",
	.help = "Without N, lists the exercises and which of them you have solved.  Each has a process of its "
		"own, whose memory is the same on every machine.  `answer` is judged by what the program "
		"knows, `hint` helps, `exercise solution` tells what to type.",
	.examples = (const struct cmd_example[]){ { "exercise", "", "" },
						  { "exercise 1", "", "" },
						  { "exercise solution", "", "exercise 1" },
						  { 0 } },
	.flags = CMD_NO_REPEAT | CMD_WRITES,
	.exec = exercise_exec,
};

static struct err *answer_exec(struct shell *sh, const struct args *a, struct out *o)
{
	TRY(need_walk(sh));
	return lesson_answer(sh, a->argv[0], o);
}

const struct cmd_entry cmd_answer = {
	.name = "answer",
	.aliases = "ans",
	.group = GROUP_LEARN,
	.args = { 1, 1, NULL },
	.usage = "TEXT",
	.summary = "answer the question of a tour or an exercise",
	.help = "A number (12, 0x1f, 8 pages, 64K), an address, or a word.  In a script a wrong answer is an "
		"error.",
	.examples = (const struct cmd_example[]){ { "answer 16", "", NULL }, { 0 } },
	.flags = CMD_NO_REPEAT | CMD_RAW,
	.exec = answer_exec,
};

static struct err *hint_exec(struct shell *sh, const struct args *a, struct out *o)
{
	TRY(need_walk(sh));
	lesson_hint(sh, o);
	return NULL;
}

const struct cmd_entry cmd_hint = {
	.name = "hint",
	.group = GROUP_LEARN,
	.args = { 0, 0, NULL },
	.usage = "",
	.summary = "help with the question; again: more of it",
	.help = "A question may have several hints, each plainer than the one before.",
	.examples = (const struct cmd_example[]){ { "hint", "", "exercise 1" }, { 0 } },
	.flags = CMD_NO_REPEAT,
	.exec = hint_exec,
};

static struct err *demo_exec(struct shell *sh, const struct args *a, struct out *o)
{
	pid_t pid;

	if (session_has_target(sh->session) || session_is_replay(sh->session) || sh->walk)
		return err_hint(err_new(ERR_STATE, "something is attached or open already"),
				"`detach` or `close`, or `tour quit`");
	TRY(demo_start(a->argv, NULL, &pid));
	AUTO_FREE char *line = xasprintf("attach %d", (int)pid);

	return shell_exec(sh, line);
}

const struct cmd_entry cmd_demo = {
	.name = "demo",
	.group = GROUP_LEARN,
	.args = { 0, ARGS_MANY, NULL },
	.usage = "[OPTION]...",
	.summary = "start the demo target and attach to it",
	.help = "A process that owns every kind of memory that this kernel has, works in it, and checks it.  "
		"It ends when stepdump does.  --lesson gives it the memory of the exercises: small, and "
		"at the same addresses on every machine; `demo --help` of the program lists the others.",
	.examples = (const struct cmd_example[]){ { "demo", "", "" },
						  { "demo --lesson", "", "" },
						  { 0 } },
	.flags = CMD_NO_REPEAT | CMD_LIVE | CMD_WRITES | CMD_STREAMS,
	.exec = demo_exec,
};
