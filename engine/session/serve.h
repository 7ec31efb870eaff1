/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The page server, as the shell starts it. */
#ifndef STEPDUMP_SESSION_SERVE_H
#define STEPDUMP_SESSION_SERVE_H

#include "engine/net/serve.h"

struct session;

/*
 * session_serve - serve_run() until session_interrupt().
 * Target: none may be attached (ERR_STATE), as it would stay frozen meanwhile.
 */
struct err *session_serve(struct session *s, const struct serve_opts *o,
			  void (*event)(void *arg, const struct serve_event *ev), void *arg);

#endif
