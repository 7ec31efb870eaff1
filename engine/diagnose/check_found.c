/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Adding a finding to the report on a process: one for each cause, with the first places. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/diagnose/check_priv.h"
#include "engine/diagnose/message.h"
#include "proto/message.h"

#define PLACES 4

Stepdump__CheckFinding *finding_new(Stepdump__CheckFinding ***v, size_t *nr, enum cause_id id)
{
	Stepdump__CheckFinding *f = msg_push(v, nr, sizeof(*f));

	stepdump__check_finding__init(f);
	f->cause = cause_message(id);
	return f;
}

static void add_place(Stepdump__CheckFinding *f, const struct vma *v)
{
	Stepdump__Place *p;

	if (!v || f->n_places == PLACES)
		return;
	p = msg_push(&f->places, &f->n_places, sizeof(*p));
	stepdump__place__init(p);
	p->start = v->start;
	p->end = v->end;
	if (*v->name)
		p->name = xstrdup(v->name);
}

void found(struct look *k, enum cause_id id, const struct vma *v, const char *fmt, ...)
{
	Stepdump__CheckedTask *t = k->task;
	Stepdump__CheckFinding *f;
	va_list ap;

	for (size_t i = 0; i < t->n_findings; i++)
		if (!strcmp(t->findings[i]->cause->name, causes[id].name)) {
			f = t->findings[i];
			f->count = f->has_count ? f->count + 1 : 2;
			f->has_count = true;
			add_place(f, v);
			return;
		}
	f = finding_new(&t->findings, &t->n_findings, id);
	va_start(ap, fmt);
	if (vasprintf(&f->evidence, fmt, ap) < 0)
		abort();
	va_end(ap);
	add_place(f, v);
}

void found_note(struct look *k, enum cause_id id, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	Stepdump__CheckFinding *f;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	found(k, id, NULL, "%s", text);
	f = k->task->findings[k->task->n_findings - 1];
	free(f->cause->severity);
	f->cause->severity = xstrdup(severity_name(SEV_NOTE));
}
