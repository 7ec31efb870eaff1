/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/session/serve.h"
#include "engine/session/session_priv.h"

struct err *session_serve(struct session *s, const struct serve_opts *o,
			  void (*event)(void *arg, const struct serve_event *ev), void *arg)
{
	if (attached(s))
		return err_hint(err_new(ERR_STATE,
					"serve: process %d is attached, and would stay "
					"frozen meanwhile",
					s->t[0].pid),
				"`detach` first, or serve from another stepdump");
	s->interrupted = 0;
	return serve_run(o, &s->interrupted, event, arg);
}
