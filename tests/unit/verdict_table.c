/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every verdict, wherever it is shown: all texts come from one table. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/pages/verdict.h"
#include "engine/session/breaks.h"
#include "proto/json.h"
#include "shell/topics.h"
#include "views/panes.h"

#include "tests/lib/test.h"

static const struct help_topic *topic(const char *name)
{
	const struct help_topic *t = help_topics;

	while (t->name && strcmp(t->name, name))
		t++;
	assert_non_null(t->name);
	return t;
}

static char *json_verdict(verdict_t v)
{
	Stepdump__VerdictRun run = STEPDUMP__VERDICT_RUN__INIT;
	json_object *o, *field;

	run.verdict = v;
	o = pb_to_json(&run.base);
	assert_true(json_object_object_get_ex(o, "verdict", &field));
	char *text = xstrdup(json_object_get_string(field));

	json_object_put(o);
	return text;
}

static bool painted(const char *pane, const Stepdump__Snapshot *s, const char *word)
{
	const struct pane_opts o = { .ascii = true, .index = -1 };
	struct grid g;

	grid_init(&g, 200, 1000);
	pane_render(pane_find(pane), s, &o, &g);

	char *text = grid_to_text(&g);
	bool found = strstr(text, word);

	free(text);
	grid_deinit(&g);
	return found;
}

TEST(every_user_says_the_same)
{
	char *help = help_topic_text(topic("verdicts"));

	assert_int_equal(stepdump__verdict__descriptor.n_values, NR_VERDICTS);
	for (int i = 0; i < NR_VERDICTS; i++) {
		verdict_t v = (verdict_t)i;
		const struct verdict_info *info = verdict_info(v);
		char line[200], brk[64], cell[64];

		assert_true(*info->name && info->glyph && *info->brief && *info->legend);
		assert_true(*info->meaning && *info->why && info->rule);
		assert_int_equal(verdict_from_name(info->name), i);
		assert_int_equal(verdict_glyph(v, false), info->glyph);
		for (int k = 0; k < i; k++)
			assert_int_not_equal(verdict_info((verdict_t)k)->glyph, info->glyph);

		snprintf(line, sizeof(line), "  %-12s  %s\n", info->name, info->meaning);
		assert_non_null(strstr(help, line));

		char *json = json_verdict(v);

		assert_string_equal(json, info->name);
		free(json);

		struct brk_list l = { 0 };
		unsigned number;

		snprintf(brk, sizeof(brk), "verdict %s", info->name);
		ok(brk_add(&l, brk, false, &number));
		assert_int_equal(l.b[0].verdict, i);
		brk_list_deinit(&l);

		Stepdump__Snapshot s = STEPDUMP__SNAPSHOT__INIT;
		Stepdump__VerdictRun run = STEPDUMP__VERDICT_RUN__INIT, *runs[] = { &run };
		Stepdump__Why why = STEPDUMP__WHY__INIT, *whys[] = { &why };

		run.start = why.vaddr = 0x10000;
		run.nr_pages = 1;
		run.verdict = why.verdict = v;
		s.runs = runs;
		s.n_runs = s.n_whys = 1;
		s.whys = whys;
		snprintf(cell, sizeof(cell), "%c %s", info->glyph, info->name);
		assert_true(painted("pages", &s, cell));
		assert_true(painted("why", &s, info->name));
	}
	free(help);
}

TEST(what_is_data)
{
	for (int i = 0; i < NR_VERDICTS; i++)
		assert_int_equal(verdict_is_data((verdict_t)i),
				 i == VD(DUMP) || i == VD(DUMP_SWAPPED) || i == VD(ALWAYS));
}

/* From a snapshot of a newer stepdump. */
TEST(an_unknown_verdict)
{
	assert_string_equal(verdict_name((verdict_t)99), "unknown");
	assert_int_equal(verdict_info((verdict_t)-1)->glyph, '?');
	assert_false(verdict_is_data((verdict_t)99));
}
