/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which way a run command goes: forward, back, or with a criu that is watched. */
#include "engine/record/play.h"
#include "engine/session/session_priv.h"
#include "engine/session/session_watch.h"

struct err *session_run(struct session *s, const struct run_request *req, Stepdump__Stop **stop_ret)
{
	struct err *e;

	*stop_ret = NULL;
	if (s->player)
		return play_run(s, req, stop_ret);
	if (req->kind >= RUN_GOTO && req->kind <= RUN_REVERSE_CONTINUE)
		e = run_reverse(s, req, stop_ret);
	else if (s->watch)
		e = watch_run(s, req, stop_ret);
	else
		e = run_forward(s, req, stop_ret);
	session_stopped(s, STOP_RUN);
	return e;
}

struct err *session_commit(struct session *s, const char *dir, Stepdump__Stop **stop_ret)
{
	return session_run(s, &(struct run_request){ .kind = RUN_COMMIT, .where = dir }, stop_ret);
}
