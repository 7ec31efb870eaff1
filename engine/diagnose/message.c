/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/diagnose/message.h"

#include "proto/message.h"

Stepdump__Cause *cause_message(enum cause_id id)
{
	const struct cause *c = &causes[id];
	Stepdump__Cause *m = xzalloc(sizeof(*m));

	stepdump__cause__init(m);
	m->name = xstrdup(c->name);
	m->title = xstrdup(c->title);
	m->phase = xstrdup(criu_step_name(c->step));
	m->severity = xstrdup(severity_name(c->severity));
	m->advice = xstrdup(c->advice);
	if (c->seen)
		m->seen = xstrdup(c->seen);
	if (c->issues)
		m->issues = xstrdup(c->issues);
	for (size_t i = 0; i < CAUSE_PATTERNS && c->log[i].glob; i++) {
		m->log_lines = xreallocarray(m->log_lines, m->n_log_lines + 1, sizeof(char *));
		m->log_lines[m->n_log_lines++] = xstrdup(c->log[i].glob);
	}
	return m;
}

Stepdump__CauseList *cause_list(void)
{
	Stepdump__CauseList *l = xzalloc(sizeof(*l));

	stepdump__cause_list__init(l);
	l->causes = xcalloc(NR_CAUSES, sizeof(*l->causes));
	for (int i = 0; i < NR_CAUSES; i++)
		l->causes[l->n_causes++] = cause_message((enum cause_id)i);
	return l;
}
