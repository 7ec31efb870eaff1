/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An error as a message: what failed, with what the catalogue of causes and the session know of it. */
#include "engine/session/error.h"

#include "engine/diagnose/causes.h"
#include "engine/session/session_priv.h"
#include "proto/message.h"

/* "VMA 6 7f0492894000-7f04928a7000 rw-p anon"; NULL: in none that we know. */
static char *vma_of_error(const struct session *s, const struct err *e)
{
	size_t task = session_task(s);
	char prot[5];

	for (size_t i = 0; i < s->nr_tasks && e->pid; i++)
		if (s->t[i].pid == e->pid)
			task = i;

	const struct vma_list *l = &s->t[task].vmas;
	ssize_t at = vma_list_find(l, e->vaddr);

	if (at < 0)
		return NULL;
	const struct vma *v = &l->v[at];

	vma_prot_str(v->prot, v->vmf & VMF_SHARED, prot);
	return xasprintf("VMA %zd %lx-%lx %s %s%s%s", at, v->start, v->end, prot, vma_kind(v),
			 *v->name ? " " : "", v->name);
}

Stepdump__Error *error_message(const struct session *s, const struct err *e)
{
	Stepdump__Error *o = xzalloc(sizeof(*o));
	int id = e->cause ? cause_find(e->cause) : -1;

	stepdump__error__init(o);
	o->code = xstrdup(err_code_name(e->code));
	o->message = xstrdup(e->msg);
	if (e->sys_errno) {
		SET(o, sys_errno, e->sys_errno);
		o->errno_name = xstrdup(err_errno_name(e->sys_errno));
	}
	if (e->pid)
		SET(o, pid, (uint32_t)e->pid);
	if (e->has_vaddr)
		SET(o, vaddr, e->vaddr);
	if (e->phase)
		o->phase = xstrdup(e->phase);
	if (e->hint)
		o->hint = xstrdup(e->hint);
	if (id >= 0) {
		o->cause = xstrdup(causes[id].name);
		o->title = xstrdup(causes[id].title);
		o->advice = xstrdup(causes[id].advice);
	}
	if (e->evidence)
		o->evidence = xstrdup(e->evidence);
	if (s && e->has_vaddr && attached(s))
		o->vma = vma_of_error(s, e);
	return o;
}
