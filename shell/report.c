/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The one place that prints errors and notices. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shell/out.h"
#include "shell/shell.h"

static void print_where(const struct err *e)
{
	if (e->phase && e->has_vaddr)
		fprintf(stderr, "  at %s, address %" PRIx64 "\n", e->phase, e->vaddr);
	else if (e->phase)
		fprintf(stderr, "  at %s\n", e->phase);
	else if (e->has_vaddr)
		fprintf(stderr, "  at address %" PRIx64 "\n", e->vaddr);
}

void report_error(struct shell *sh, struct err *e)
{
	char state[256] = "";
	bool color = settings_color(&sh->settings, STDERR_FILENO);
	const char *label = e && e->code == ERR_INTERRUPTED ? "interrupted" : "error";

	if (!e || sh->settings.json) {
		err_free(e);
		return;
	}
	fflush(stdout);
	char *text = err_text(e);
	if (text)
		plain_text(text);
	fprintf(stderr, "%s%s:%s %s\n", color ? "\033[1;31m" : "", label, color ? "\033[0m" : "",
		text ? text : e->msg);
	free(text);
	print_where(e);
	if (e->hint) {
		plain_text(e->hint);
		fprintf(stderr, "  hint: %s\n", e->hint);
	}
	/* A slip of the fingers does not raise the question how the target is. */
	if (e->code != ERR_USAGE && sh->session && session_has_target(sh->session))
		session_state_clause(sh->session, state, sizeof(state));
	if (*state)
		fprintf(stderr, "  %s\n", state);
	err_free(e);
}

void notice(const struct shell *sh, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	if (sh->settings.json && !sh->interactive)
		return;
	fflush(stdout);
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) >= 0) {
		plain_text(text);
		fprintf(stderr, "%s\n", text);
		free(text);
	}
	va_end(ap);
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
