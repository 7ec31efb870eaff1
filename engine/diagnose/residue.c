/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/diagnose/residue.h"

#include <string.h>

#include "base/mem.h"
#include "base/vec.h"
#include "engine/proc/proc.h"
#include "proto/message.h"

static void residue_advice(Stepdump__ResidueReport *r, char *text)
{
	*vec_push(r->advice, r->n_advice) = text;
}

static void residue_mappings(const struct vma_list *l, Stepdump__ResidueReport *r)
{
	for (size_t i = 0; i < l->nr; i++) {
		Stepdump__Place *p;

		if (!vma_is_parasite(&l->v[i]))
			continue;
		p = msg_push(&r->mappings, &r->n_mappings, sizeof(*p));
		stepdump__place__init(p);
		p->start = l->v[i].start;
		p->end = l->v[i].end;
		p->name = xstrdup(l->v[i].name);
	}
}

struct err *residue_look(pid_t pid, Stepdump__ResidueReport **ret)
{
	struct proc_stat stat, tracer = { .comm = "?" };
	struct proc_status st;
	struct vma_list vmas = { 0 };
	Stepdump__ResidueReport *r;

	TRY(proc_read_stat(pid, &stat));
	TRY(proc_read_status(pid, &st));
	TRY(proc_read_vmas(pid, &vmas));
	r = xzalloc(sizeof(*r));
	stepdump__residue_report__init(r);
	r->pid = (uint32_t)pid;
	r->comm = xstrdup(stat.comm);
	residue_mappings(&vmas, r);
	vma_list_deinit(&vmas);
	if (st.tracer_pid) {
		err_free(proc_read_stat(st.tracer_pid, &tracer));
		r->traced = xasprintf("by %s (pid %d)", tracer.comm, st.tracer_pid);
		residue_advice(
			r, xasprintf("a dump may be under way: `rescue` has to wait for %s to end",
				     tracer.comm));
	} else if (stat.state == 'T') {
		r->stopped = xstrdup("by a signal, and nobody traces it");
		residue_advice(
			r, xasprintf("if it was not stopped on purpose (dump --leave-stopped, ^Z): "
				     "kill -CONT %d",
				     pid));
	}
	if (r->n_mappings && !st.tracer_pid)
		residue_advice(
			r, xasprintf("`rescue %d` removes the parasite and puts borrowed registers "
				     "back",
				     pid));
	if (r->n_mappings)
		r->protection =
			xstrdup("mappings that the dumper made readable may still be: what they "
				"were before is known to the dumper alone");
	r->clean = !r->n_mappings && !r->stopped && !r->traced;
	*ret = r;
	return NULL;
}
