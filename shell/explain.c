/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/explain.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "proto/parts.h"
#include "shell/out.h"
#include "shell/shell.h"
#include "views/reports.h"

const struct explain_term *explain_find(bool (*fn)(const struct explain_term *t, const void *arg),
					const void *arg)
{
	const struct explain_term *const tables[] = { explain_ideas, explain_screen,
						      explain_fields };

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct explain_term *t = tables[i]; t->names; t++)
			if (fn(t, arg))
				return t;
	return NULL;
}

bool explain_is(const struct explain_term *t, const void *arg)
{
	const char *name = arg;
	size_t len = strlen(name);

	for (const char *p = t->names; *p;) {
		size_t n = strcspn(p, "|");

		if (n == len && (n == 1 ? *p == *name : !strncasecmp(p, name, n)))
			return true;
		p += n + (p[n] == '|');
	}
	return false;
}

char *explain_name(const struct explain_term *t)
{
	return xstrndup(t->names, strcspn(t->names, "|"));
}

struct printing {
	struct shell *sh;
	struct out *o;
	const char *name;
	const Stepdump__Snapshot *snap; /* NULL: nothing to look at */
	unsigned nr;
};

static void explain_json(const struct explain_term *t, const char *name, const char *here,
			 struct out *o)
{
	const struct {
		const char *key, *text;
	} members[] = { { "term", name },    { "kind", t->kind }, { "what", t->what },
			{ "why", t->why },   { "criu", t->criu }, { "then_and_now", t->then },
			{ "look", t->look }, { "here", here } };
	json_object *j = json_object_new_object();

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (members[i].text)
			json_object_object_add(j, members[i].key,
					       json_object_new_string(members[i].text));

	json_object *list;

	if (!json_object_object_get_ex(o->json, "terms", &list)) {
		list = json_object_new_array();
		out_member(o, "terms", list);
	}
	json_object_array_add(list, j);
}

static bool explain_one(const struct explain_term *t, const void *arg)
{
	struct printing *p = (struct printing *)arg;

	if (!explain_is(t, p->name))
		return false;
	AUTO_FREE char *name = explain_name(t);
	AUTO_FREE char *here = t->here && p->snap ? t->here(p->snap) : NULL;

	p->nr++;
	if (p->o->json) {
		explain_json(t, name, here, p->o);
		return false;
	}
	const struct report_field fields[] = {
		{ "what", t->what },    { "why", t->why },           { "here", here },
		{ "in CRIU", t->criu }, { "2017 and now", t->then }, { "look with", t->look },
	};
	const struct pane_opts po = { .ascii = p->sh->settings.ascii, .index = -1 };
	AUTO_FREE char *title = xasprintf("%s (%s)", name, t->kind);
	struct grid g;

	if (p->nr > 1)
		out_printf(p->o, "\n");
	grid_init(&g, p->o->width, 0);
	report_fields("EXPLAIN", title, fields, sizeof(fields) / sizeof(fields[0]), &po, &g);
	out_grid(p->o, &g);
	grid_deinit(&g);
	return false;
}

unsigned explain_print(struct shell *sh, const char *name, struct out *o)
{
	const struct snap_request req = { .parts = EXPLAIN_NEEDS };
	struct printing p = { .sh = sh, .o = o, .name = name };
	Stepdump__Snapshot *s = NULL;

	if (!explain_find(explain_is, name))
		return 0;
	if (sh->opened || session_has_target(sh->session))
		err_free(shell_snap(sh, &req, &s)); /* without it there are no numbers */
	p.snap = s;
	explain_find(explain_one, &p);
	shell_snap_free(sh, s);
	return p.nr;
}
