/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which CRIU can restore the set: what in it an older one does not know, and what a newer one wrote.
 * Versions are only told: nothing is decided by them.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "engine/image/verify_priv.h"

static const char *const since_names[] = {
	[SINCE_ANY] = "", [SINCE_4_1] = "4.1", [SINCE_4_2] = "4.2", [SINCE_AFTER_4_2] = "after 4.2"
};

void verify_since(struct verify *v, enum verify_criu since, const char *why)
{
	if (since <= v->since)
		return;
	v->since = since;
	v->since_why = why;
}

void verify_newer(struct verify *v, const char *file, int64_t entry, uint32_t field)
{
	if (!v->r->newer)
		v->r->newer = entry == NO_ENTRY ?
				      xasprintf("%s: field %u is not known here", file, field) :
				      xasprintf("%s: entry %ld: field %u is not known here", file,
						entry, field);
}

/* In one line. */
void verify_who_restores(struct verify *v)
{
	struct verify_report *r = v->r;

	if (r->pages_only || v->r->nr_unreadable)
		return;
	if (r->newer)
		r->restore = xstrdup("not known: it is newer than this program");
	else if (r->pre_dump)
		r->restore = xstrdup("no CRIU by itself: a pre-dump is the parent of a dump");
	else if (r->nr_fatal)
		r->restore = xstrdup("no CRIU as it is: see the fatal findings");
	else if (!r->full)
		r->restore = xstrdup("no CRIU by itself: memory alone, without registers, "
				     "descriptors and namespaces");
	else if (v->since == SINCE_AFTER_4_2)
		r->restore = xasprintf("CRIU after 4.2; not up to 4.2: %s", v->since_why);
	else if (v->since != SINCE_ANY)
		r->restore = xasprintf("CRIU %s and later; not before: %s", since_names[v->since],
				       v->since_why);
	else
		r->restore = xstrdup("CRIU 3.17 and later");
}
