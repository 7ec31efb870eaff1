/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The one place that renders errors, for people and for programs, and prints notices. */
#include "shell/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/session/error.h"
#include "proto/json.h"
#include "shell/out.h"
#include "shell/shell.h"

/* The state of the target, or "" after a typing error, which cannot have changed it. */
static void error_state(struct shell *sh, const struct err *e, char *buf, size_t len)
{
	*buf = '\0';
	if (e->code != ERR_USAGE && sh->session && session_has_target(sh->session))
		session_state_clause(sh->session, buf, len);
}

static void error_place(const Stepdump__Error *m, FILE *f)
{
	if (!m->phase && !m->has_vaddr)
		return;
	fprintf(f, "  at %s", m->phase ? m->phase : "");
	if (m->has_vaddr)
		fprintf(f, "%saddress %lx", m->phase ? ", " : "", m->vaddr);
	fprintf(f, "%s%s\n", m->vma ? ", " : "", m->vma ? m->vma : "");
}

char *error_text(struct shell *sh, const struct err *e)
{
	Stepdump__Error *m = error_message(sh->session, e);
	AUTO_FREE char *what = err_text(e);
	char *text = NULL, state[256];
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		abort();
	fprintf(f, "%s\n", what ? what : e->msg);
	error_place(m, f);
	if (m->cause)
		fprintf(f, "  cause: %s (%s)\n", m->title, m->cause);
	if (m->evidence)
		fprintf(f, "  seen: %s\n", m->evidence);
	if (m->hint || m->advice)
		fprintf(f, "  hint: %s\n", m->hint ? m->hint : m->advice);
	stepdump__error__free_unpacked(m, NULL);
	error_state(sh, e, state, sizeof(state));
	if (*state)
		fprintf(f, "  %s\n", state);
	if (fclose(f))
		abort();
	plain_text(text);
	return text;
}

json_object *error_json(struct shell *sh, const struct err *e)
{
	Stepdump__Error *m = error_message(sh->session, e);
	char state[256];
	json_object *o = pb_to_json(&m->base);

	stepdump__error__free_unpacked(m, NULL);
	error_state(sh, e, state, sizeof(state));
	if (*state)
		json_object_object_add(o, "state", json_object_new_string(state));
	return o;
}

void report_error(struct shell *sh, struct err *e)
{
	bool color = settings_color(&sh->settings, STDERR_FILENO);

	if (e && !sh->settings.json) {
		AUTO_FREE char *text = error_text(sh, e);

		if (sh->habits.log)
			fprintf(sh->habits.log, "error: %s", text);
		fflush(stdout);
		fprintf(stderr, "%s%s:%s %s", color ? "\033[1;31m" : "",
			e->code == ERR_INTERRUPTED ? "interrupted" : "error",
			color ? "\033[0m" : "", text);
	}
	err_free(e);
}

void notice(const struct shell *sh, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;

	if (sh->settings.json && !sh->interactive)
		return;
	fflush(stdout);
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	plain_text(text);
	fprintf(stderr, "%s\n", text);
}

void report_gone(struct shell *sh)
{
	if (!session_has_target(sh->session)) {
		sh->gone_told = false;
		return;
	}
	if (sh->gone_told || !session_target_gone(sh->session))
		return;
	sh->gone_told = true;
	notice(sh,
	       "target %d has died; what is known of it can still be looked at, `detach` lets go",
	       (int)session_pid(sh->session));
}
