/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which mappings are planned: by address, by name or number, by protection. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "engine/plan/plan_priv.h"

static bool prot_matches(const char *want, const struct vma *v)
{
	char prot[5];

	vma_prot_str(v->prot, v->vmf & VMF_SHARED, prot);
	for (size_t i = 0; want[i]; i++)
		if (want[i] != '?' && want[i] != prot[i])
			return false;
	return true;
}

static bool name_matches(const char *want, size_t index, const struct vma *v)
{
	char *end;
	unsigned long n = strtoul(want, &end, 10);

	if (*want && !*end)
		return n == index;
	return strstr(v->name, want) || !strcmp(want, vma_kind(v));
}

static struct err *check_request(const struct plan_request *req)
{
	size_t len = req->prot ? strlen(req->prot) : 3;

	if (len < 3 || len > 4 || (req->prot && strspn(req->prot, "rwxps-?") != len))
		return err_hint(err_new(ERR_USAGE, "\"%s\" is not a protection", req->prot),
				"as in /proc/PID/maps: rw-, r-xp; ? for either");
	if (req->end && (req->start >= req->end || (req->start | req->end) % PAGE_BYTES))
		return err_hint(
			err_new(ERR_USAGE, "%lx-%lx is not a range of pages", req->start, req->end),
			"START-END in hex, multiples of 1000");
	return NULL;
}

/* The mappings of `from` that match, cut to the range; their names stay with `from`. */
static struct vma_list select_vmas(const struct plan_request *req, const struct vma_list *from)
{
	struct vma_list to = { 0 };

	for (size_t i = 0; i < from->nr; i++) {
		struct vma v = from->v[i];

		if (vma_is_parasite(&v) || (req->vma && !name_matches(req->vma, i, &v)) ||
		    (req->prot && !prot_matches(req->prot, &v)))
			continue;
		if (req->end && (v.end <= req->start || v.start >= req->end))
			continue;
		if (req->end && v.start < req->start) {
			v.pgoff += req->start - v.start;
			v.start = req->start;
		}
		if (req->end && v.end > req->end)
			v.end = req->end;
		*(struct vma *)vec_push(to.v, to.nr) = v;
	}
	vma_list_count(&to);
	return to;
}

static char *selection_text(const struct plan_request *req)
{
	AUTO_FREE char *range =
		req->end ? xasprintf(" in %lx-%lx", req->start, req->end) : xstrdup("");

	if (!req->vma && !req->prot && !req->end)
		return NULL;
	return xasprintf("mappings%s%s%s%s%s", req->vma ? " that match " : "", req->vma ?: "",
			 req->prot ? " with protection " : "", req->prot ?: "", range);
}

struct err *plan_select(struct plan *p)
{
	size_t found = 0;

	TRY(check_request(p->req));
	p->t = xcalloc(p->nr, sizeof(*p->t));
	for (size_t i = 0; i < p->nr; i++) {
		p->t[i] = p->from[i];
		p->t[i].vmas = select_vmas(p->req, &p->from[i].vmas);
		found += p->t[i].vmas.nr;
	}
	p->r->selection = selection_text(p->req);
	return found ? NULL :
		       err_hint(err_new(ERR_USAGE, "no mapping is selected"),
				"`show vmas`, or /proc/PID/maps, lists them");
}

void plan_unselect(struct plan *p)
{
	for (size_t i = 0; p->t && i < p->nr; i++)
		free(p->t[i].vmas.v);
	free(p->t);
	p->t = NULL;
}
