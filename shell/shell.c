/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/shell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/session/set_view.h"

struct err *shell_init(struct shell *sh, const struct cmd_entry *const *commands)
{
	*sh = (struct shell){ .commands = commands };
	settings_init(&sh->settings);
	return session_create(&sh->session);
}

void shell_close_replay(struct shell *sh)
{
	if (!sh->session || !session_is_replay(sh->session))
		return;
	err_free(session_destroy(sh->session)); /* it holds no target */
	sh->session = TAKE_PTR(sh->live);
	free(TAKE_PTR(sh->replay_path));
}

struct err *shell_deinit(struct shell *sh)
{
	char where[64];
	struct err *ended = sh->walk ? sh->walk_end(sh) : NULL;

	shell_close_replay(sh);
	if (sh->session && !session_watched(sh->session) && session_has_pipeline(sh->session) &&
	    !session_past_gate(sh->session)) {
		session_position(sh->session, where, sizeof(where));
		notice(sh, "the dump of %d stood at %s and was not committed: it is dropped",
		       (int)session_pid(sh->session), where);
	}
	struct err *e = err_first(session_destroy(sh->session), ended);
	sh->session = NULL;
	if (sh->opened)
		stepdump__snapshot__free_unpacked(sh->opened, NULL);
	free(sh->opened_path);
	set_view_close(sh->set);
	alias_deinit(&sh->aliases);
	habits_deinit(&sh->habits);
	settings_deinit(&sh->settings);
	free(sh->repeat_line);
	return e;
}

/* "task 1 " of a tree, "" otherwise. */
static void shell_which_task(struct shell *sh, char *buf, size_t len)
{
	struct snap_request req = { .parts = SNAP_TASKS };
	Stepdump__Snapshot *s;

	*buf = '\0';
	if (session_nr_tasks(sh->session) < 2)
		return;
	struct err *e = snap_take(sh->session, &req, &s);

	if (e) { /* the prompt shows the pid anyway */
		err_free(e);
		return;
	}
	for (size_t i = 0; i < s->n_tasks; i++)
		if (s->tasks[i]->pid == (uint32_t)session_pid(sh->session))
			snprintf(buf, len, "task %u ", s->tasks[i]->index);
	stepdump__snapshot__free_unpacked(s, NULL);
}

void shell_position(struct shell *sh, char *buf, size_t len)
{
	char where[48] = "", task[24];
	const char *slash;

	*buf = '\0';
	if (sh->opened) {
		slash = strrchr(sh->opened_path, '/');
		snprintf(buf, len, "%s %s", sh->set ? "set" : "snapshot",
			 slash && slash[1] ? slash + 1 : sh->opened_path);
	} else if (session_has_target(sh->session)) {
		session_position(sh->session, where, sizeof(where));
		shell_which_task(sh, task, sizeof(task));
		snprintf(buf, len, "%s%d %s", task, (int)session_pid(sh->session), where);
	}
}
